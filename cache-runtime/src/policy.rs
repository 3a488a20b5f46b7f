//! Choices that a cache's builder and a function's attribute offer.

use std::time::Duration;

use crate::codec::Codec;
use crate::compression::Compression;
use crate::protection::Protection;

/// What a restarted or promoted server's data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnRestart {
    /// Nothing: it may be a snapshot or a lagging replica, in which an invalidation has not happened yet. Every answer is loaded anew,
    /// once for each key: after a restart the sources bear the whole load for a while.
    #[default]
    Discard,
    /// As much as before. **Invalidations that the data has not seen are undone**: what they made old is served again until it expires.
    /// For servers that persist every write before they answer it (`appendonly yes`, `appendfsync always`) and have no replica that could
    /// be promoted, or for data that may be old. All instances of a fleet must choose alike, or they refuse each other's entries.
    Keep,
}

/// Which servers give the bytes of stored answers. Which of them are current, the master says in any case.
///
/// A replica's bytes are answered when the master has, at the time of the call, an entry with the same head under the key and the generations of its stamp: then they are
/// what the master would have sent. So a replica may lag, and nothing is served that an invalidation has made old. What does not agree is asked of the master, in a second round trip.
///
/// It takes bytes off the master, and no commands: for answers of some kilobytes and more. A server without a replica, or whose replicas are away, answers all by itself;
/// replicas do not answer while the master is away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReadFrom {
    /// The master, whatever replicas it has.
    #[default]
    Master,
    /// The replicas that the master tells of (`INFO replication`), or the cluster. They have to be reached by the addresses that they announce (`replica-announce-ip`,
    /// `cluster-announce-ip`), with the master's user, password and certificates.
    Replicas,
    /// The replicas at these addresses, `host:port` or a balancer's in front of them, where the announced ones are not reached. Those that are no replica, or have lost their
    /// master, are left out as long as that is so: all servers of a set may be named. Not for a cluster.
    ReplicasAt(Vec<String>),
}

/// How the answers of one function are kept, loaded and waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) ttl: Option<Duration>,
    pub(crate) none_ttl: Option<Duration>,
    pub(crate) local: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) refresh_ahead: Option<f64>,
    pub(crate) single_flight: SingleFlight,
    pub(crate) lock: Option<Duration>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) storage: Storage,
}

/// How the values of one function are stored; `None`: as the cache says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage {
    pub(crate) codec: Option<Codec>,
    pub(crate) compression: Option<Compression>,
    pub(crate) protection: Option<Protection>,
    /// Bytes of an encoded value.
    pub(crate) max_size: Option<usize>,
}

impl Policy {
    /// What holds where the attribute says nothing.
    pub(crate) const fn new() -> Self {
        Self {
            ttl: None,
            none_ttl: None,
            local: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            refresh_ahead: None,
            single_flight: SingleFlight::Process,
            lock: None,
            soft_timeout: None,
            load_timeout: None,
            storage: Storage {
                codec: None,
                compression: None,
                protection: None,
                max_size: None,
            },
        }
    }

    /// The policy of a batch that shares a function's keys: it stores for as long, and serves nothing that is past its ttl.
    pub(crate) const fn of_batch(mut self) -> Self {
        if let Some(window) = self.stale_while_revalidate {
            self.stale_if_error = match self.stale_if_error {
                Some(longer) if longer.as_nanos() > window.as_nanos() => Some(longer),
                _ => Some(window),
            };
        }
        self.stale_while_revalidate = None;
        self.refresh_ahead = None;
        self.local = None;
        self.soft_timeout = None;
        self.load_timeout = None;
        if let SingleFlight::Fleet = self.single_flight {
            self.single_flight = SingleFlight::Process;
        }
        self
    }

    /// How long the store keeps an answer beyond its ttl.
    pub(crate) fn grace(&self) -> Duration {
        let windows = [self.stale_while_revalidate, self.stale_if_error];
        windows.into_iter().flatten().max().unwrap_or_default()
    }

    /// Whether it matters how old an answer is.
    pub(crate) fn asks_for_age(&self) -> bool {
        self.refresh_ahead.is_some() || !self.grace().is_zero()
    }

    /// Whether an answer that is fresh for `left` yet, and took `load_time`, is to be loaded anew now: by chance, the more likely the less is
    /// left. This is XFetch (A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015).
    pub(crate) fn is_due(&self, left: Duration, load_time: Duration) -> bool {
        self.refresh_ahead.is_some_and(|beta| {
            // In (0, 1], so that its logarithm is a number.
            let chance = 1.0 - fastrand::f64();
            load_time.as_secs_f64() * beta * -chance.ln() >= left.as_secs_f64()
        })
    }
}

/// Who loads when many miss one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleFlight {
    /// One caller of each process.
    Process,
    /// One caller of the fleet.
    Fleet,
    /// Everybody.
    Off,
}
