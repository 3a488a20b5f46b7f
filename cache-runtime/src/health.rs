//! Whether a cache is well ([`Cache::health`]), in figures, in JSON and in one line.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cache::Cache;
use crate::engine::Engine;
use crate::report::{seconds, some_seconds};
use crate::store::{StoreError, Vitals};
use crate::sync::{Mutex, lock};

/// A server that takes longer to answer is not well.
const WELL: Duration = Duration::from_millis(10);

/// The longest time that a server is waited for. Longer than calls wait, so that one that is slow is told from one that is away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Evictions are counted over so long, at most.
const SPAN: Duration = Duration::from_secs(60);

/// How a cache is: of this process, and of its server.
///
/// `Display` is one line: `✓ Redis Connected | Response Time: 0.3ms | Memory: 245.1MB | Keys: 1243 | Hit Rate: 87.0% | Evictions: 0.5/min`.
/// Serialized, times are seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// All in one word.
    pub status: HealthStatus,
    /// `redis` or `memory`.
    pub store: &'static str,
    /// Whether answers are looked up and stored: [`Cache::set_enabled`].
    pub enabled: bool,
    /// Whether the store answered.
    pub connected: bool,
    /// Why it did not, or in a cluster why some of its masters did not; never with a user or a password.
    pub problem: Option<String>,
    /// How long a `PING` took.
    #[serde(serialize_with = "some_seconds")]
    pub response_time: Option<Duration>,
    /// What the store says of itself.
    pub server: Option<ServerHealth>,
    /// The part of this process's look-ups that were hits, from 0 to 1; `None` before the first.
    pub hit_rate: Option<f64>,
    /// This process's operations that failed, and calls that went to their source for it: [`Counts::degraded`](crate::Counts::degraded).
    pub errors: u64,
    /// Invalidations of this process that wait to be delivered.
    pub pending_invalidations: usize,
    /// How long this cache has been there.
    #[serde(serialize_with = "seconds")]
    pub age: Duration,
}

/// A cache's health in one word; `Display` and JSON have it in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthStatus {
    /// The store is connected and answers within 10 ms, and no invalidation waits.
    Healthy,
    /// The store takes longer than that, some masters of a cluster do not answer, or invalidations wait to be delivered.
    Degraded,
    /// The store does not answer: callers are answered by their sources.
    Unavailable,
    /// The cache is switched off.
    Disabled,
}

/// What a store says of itself, in a cluster all masters together: sums, the lowest version, and the time since the last was started; what is `None` it does not say, as the store of this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerHealth {
    /// Of Redis.
    pub version: Option<String>,
    /// Since it was started.
    #[serde(serialize_with = "some_seconds")]
    pub uptime: Option<Duration>,
    /// Connections to it.
    pub connected_clients: Option<u64>,
    /// Commands a second, of all clients.
    pub operations_per_second: Option<u64>,
    /// Bytes.
    pub used_memory: u64,
    /// The most that it has ever been, in bytes.
    pub peak_memory: Option<u64>,
    /// Of the machine, in bytes.
    pub system_memory: Option<u64>,
    /// `maxmemory`, in bytes; `None` where there is no limit.
    pub memory_limit: Option<u64>,
    /// What goes when it is reached: `maxmemory_policy`.
    pub eviction_policy: Option<String>,
    /// Names in its database; in the store of this process, entries.
    pub keys: u64,
    /// Keys that were evicted since it was started.
    pub evicted_keys: Option<u64>,
    /// The same for each minute: since this cache was last asked, a minute ago at most where it is asked often; when it is asked for the first time,
    /// since the server was started.
    pub evictions_per_minute: Option<f64>,
}

impl Cache {
    /// Asks the store how it is. Never fails, and takes a second at most, also where Redis hangs. While the circuit is open nothing is asked, and
    /// it is [`Unavailable`](HealthStatus::Unavailable) at once.
    ///
    /// Safe to drop at any time.
    ///
    /// ```
    /// # use cache_runtime::{Cache, HealthStatus};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::builder().build().unwrap();
    /// let health = cache.health().await;
    /// assert_eq!(health.status, HealthStatus::Healthy);
    /// println!("{health}");
    /// # }
    /// ```
    pub async fn health(&self) -> Health {
        self.engine.health().await
    }
}

impl Engine {
    pub(crate) async fn health(&self) -> Health {
        let answer = match self.reachable() {
            Ok(store) => store.vitals(PATIENCE).await,
            Err(error) => Err(error),
        };
        let (vitals, problem) = match answer {
            Ok(vitals) => (Some(vitals), None),
            Err(error) => (None, Some(error)),
        };
        let missing = vitals.as_ref().and_then(|vitals| vitals.missing.clone());
        let stats = self.stats();
        let enabled = self.switches.is_on();
        let response_time = vitals.as_ref().map(|vitals| vitals.latency);
        Health {
            status: match response_time {
                _ if !enabled => HealthStatus::Disabled,
                None => HealthStatus::Unavailable,
                Some(time) if time >= WELL || missing.is_some() => HealthStatus::Degraded,
                Some(_) if stats.pending_invalidations > 0 => HealthStatus::Degraded,
                Some(_) => HealthStatus::Healthy,
            },
            store: self.store.name(),
            enabled,
            connected: vitals.is_some(),
            problem: problem.map(|error| self.problem(&error)).or(missing),
            response_time,
            server: vitals.map(|vitals| self.evictions.of(vitals)),
            hit_rate: stats.total.hit_rate(),
            errors: stats.total.degraded,
            pending_invalidations: stats.pending_invalidations,
            age: self.register.age(),
        }
    }

    /// Of a connection that is not there, also why.
    fn problem(&self, error: &StoreError) -> String {
        let why = match error {
            StoreError::Unreachable => self.store.why_away(),
            StoreError::TimedOut | StoreError::Refused(_) => None,
        };
        why.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"))
    }
}

/// What is remembered from one question to the next, to tell how fast a number grows.
#[derive(Debug, Default)]
pub(crate) struct Evictions(Mutex<Option<(Instant, u64)>>);

impl Evictions {
    fn of(&self, vitals: Vitals) -> ServerHealth {
        let mut server = vitals.server;
        server.evictions_per_minute = server.evicted_keys.map(|evicted| {
            let now = Instant::now();
            let mut last = lock(&self.0);
            // A server that was started meanwhile has begun anew.
            let since = last.filter(|(_, before)| *before <= evicted);
            if since.is_none_or(|(then, _)| now - then > SPAN) {
                *last = Some((now, evicted));
            }
            match since {
                Some((then, before)) => per_minute(evicted - before, now - then),
                None => per_minute(evicted, server.uptime.unwrap_or_default()),
            }
        });
        server
    }
}

/// Within its first second a number tells nothing about a minute.
fn per_minute(n: u64, time: Duration) -> f64 {
    n as f64 * 60.0 / time.as_secs_f64().max(1.0)
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Disabled => "disabled",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = match self.store {
            "redis" => "Redis",
            _ => "Memory",
        };
        let mark = match self.status {
            HealthStatus::Healthy => "✓",
            HealthStatus::Degraded => "!",
            HealthStatus::Unavailable => "✗",
            HealthStatus::Disabled => "–",
        };
        let said = match (self.enabled, self.connected) {
            (true, true) => "Connected",
            (true, false) => "Disconnected",
            (false, true) => "Connected, Cache Off",
            (false, false) => "Disconnected, Cache Off",
        };
        write!(f, "{mark} {store} {said}")?;
        if let Some(problem) = &self.problem {
            write!(f, " ({problem})")?;
        }
        if let Some(time) = self.response_time {
            write!(f, " | Response Time: {:.1}ms", time.as_secs_f64() * 1e3)?;
        }
        if let Some(server) = &self.server {
            let megabytes = server.used_memory as f64 / f64::from(1 << 20);
            write!(f, " | Memory: {megabytes:.1}MB | Keys: {}", server.keys)?;
        }
        if let Some(rate) = self.hit_rate {
            write!(f, " | Hit Rate: {:.1}%", rate * 100.0)?;
        }
        let server = self.server.as_ref();
        if let Some(evictions) = server.and_then(|server| server.evictions_per_minute) {
            write!(f, " | Evictions: {evictions:.1}/min")?;
        }
        if self.errors > 0 {
            write!(f, " | Errors: {}", self.errors)?;
        }
        if self.pending_invalidations > 0 {
            write!(
                f,
                " | Pending Invalidations: {}",
                self.pending_invalidations
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals(evicted: u64, uptime: u64) -> Vitals {
        Vitals {
            latency: Duration::from_micros(300),
            server: ServerHealth {
                evicted_keys: Some(evicted),
                uptime: Some(Duration::from_secs(uptime)),
                ..ServerHealth::default()
            },
            missing: None,
        }
    }

    #[test]
    fn evictions_are_told_by_the_minute() {
        let evictions = Evictions::default();
        let rate = |evicted, uptime| {
            let server = evictions.of(vitals(evicted, uptime));
            server.evictions_per_minute
        };
        assert_eq!(rate(30, 120), Some(15.0), "since the server's start");
        // Within a second it counts as one.
        assert_eq!(rate(32, 121), Some(120.0), "since the last question");
        assert_eq!(rate(4, 60), Some(4.0), "since a server's new start");
        assert_eq!(rate(5, 61), Some(60.0));
    }

    #[test]
    fn the_line_says_what_is_wrong() {
        let well = Health {
            status: HealthStatus::Healthy,
            store: "redis",
            enabled: true,
            connected: true,
            problem: None,
            response_time: Some(Duration::from_micros(2_500)),
            server: Some(ServerHealth {
                used_memory: 257_006_960,
                keys: 1_243,
                evictions_per_minute: Some(0.5),
                ..ServerHealth::default()
            }),
            hit_rate: Some(0.87),
            errors: 0,
            pending_invalidations: 0,
            age: Duration::from_secs(60),
        };
        assert_eq!(
            well.to_string(),
            "✓ Redis Connected | Response Time: 2.5ms | Memory: 245.1MB | Keys: 1243 | Hit Rate: 87.0% | Evictions: 0.5/min"
        );
        let ill = Health {
            status: HealthStatus::Unavailable,
            connected: false,
            problem: Some("Redis is not connected".to_owned()),
            response_time: None,
            server: None,
            hit_rate: None,
            errors: 9,
            pending_invalidations: 2,
            ..well
        };
        assert_eq!(
            ill.to_string(),
            "✗ Redis Disconnected (Redis is not connected) | Errors: 9 | Pending Invalidations: 2"
        );
        let json = serde_json::to_value(&ill).unwrap();
        assert_eq!(json["status"], "unavailable");
        assert_eq!(json["age"], 60.0);
    }
}
