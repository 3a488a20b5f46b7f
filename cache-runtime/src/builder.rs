//! How a cache is configured.

use std::any::type_name;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::audit::auditor::Auditor;
use crate::cache::Cache;
use crate::callers::Callers;
use crate::codec::Codec;
use crate::compression::Compression;
use crate::control::Control;
use crate::engine::{Background, Contests, Engine, Packing, Patience, Remembering, Switches};
use crate::environment;
use crate::error::ConfigError;
use crate::flight::Flights;
use crate::health::Evictions;
use crate::key::is_plain;
use crate::meters::Series;
use crate::near::Near;
use crate::observe::Register;
use crate::outbox::Outbox;
use crate::policy::{OnRestart, ReadFrom};
use crate::protection::Protection;
#[cfg(feature = "encryption")]
use crate::protection::Secrets;
use crate::rate_limit::RateLimit;
use crate::store::Store;
use crate::store::memory::Memory;
use crate::store::redis::Redis;
use crate::store::redis::link::Settings;
use crate::store::redis::server::{At, Server};
use crate::store::redis::tls::Certificates;
use crate::wakes::Wakes;

/// Configures a [`Cache`]; made by [`Cache::builder`].
///
/// ```
/// use std::time::Duration;
///
/// # fn main() -> Result<(), cache_runtime::ConfigError> {
/// let cache = cache_runtime::Cache::builder().prefix("shop").default_ttl(Duration::from_secs(60)).build()?;
/// assert_eq!(cache.store_name(), "memory");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    pub(crate) server: Option<Server>,
    /// Of the builder's methods; the server has those of the environment.
    certificates: Certificates,
    pub(crate) prefix: String,
    pub(crate) enabled: bool,
    /// A server was meant, and its address cannot be used.
    pub(crate) severed: bool,
    pub(crate) default_ttl: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) call_budget: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) failure_threshold: u32,
    pub(crate) background_loads: usize,
    pub(crate) ttl_jitter: f64,
    pub(crate) slow: Duration,
    pub(crate) memory_capacity: u64,
    pub(crate) max_connections: usize,
    pub(crate) pending_invalidations: usize,
    pub(crate) on_restart: OnRestart,
    read_from: Option<ReadFrom>,
    pub(crate) hold_off: Duration,
    pub(crate) local_capacity: u64,
    pub(crate) local_staleness: Duration,
    pub(crate) packing: Packing,
    pub(crate) analytics: bool,
    invalidation_limit: Option<RateLimit>,
    audit: Audit,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            server: None,
            certificates: Certificates::default(),
            prefix: "cache".to_owned(),
            enabled: true,
            severed: false,
            default_ttl: Duration::from_secs(300),
            operation_timeout: Duration::from_millis(50),
            call_budget: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(2),
            retries: 2,
            failure_threshold: 3,
            background_loads: 64,
            ttl_jitter: 0.1,
            slow: Duration::from_millis(50),
            memory_capacity: 64 << 20,
            max_connections: 10,
            pending_invalidations: 10_000,
            on_restart: OnRestart::default(),
            read_from: None,
            hold_off: Duration::ZERO,
            local_capacity: 32 << 20,
            local_staleness: Duration::from_secs(2),
            packing: Packing {
                codec: Codec::Json,
                codecs: HashMap::new(),
                compression: Compression::Off,
                compress_above: 1 << 10,
                protection: Protection::Off,
                secrets: None,
                max_size: 1 << 20,
                prefix: None,
            },
            analytics: true,
            invalidation_limit: None,
            audit: Audit::new(),
        }
    }

    /// Begins with what the environment says, under the names that [`Cache::from_env`] lists.
    ///
    /// # Errors
    /// Everything in the environment that is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (builder, problems) = environment::read(|name| std::env::var(name).ok());
        ConfigError::check(problems)?;
        Ok(builder)
    }

    /// Shares answers through this server: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS (feature `tls`), or
    /// `redis+unix:///path`. It takes the place of the environment's server, with all that belongs to that one.
    ///
    /// Nothing is connected before the first call, and a server that is away is no error: the functions run uncached until it is there.
    /// Nor is one whose certificate is not trusted. Over TLS it has to be valid for the host's name, by the system's roots if not by
    /// those of `tls_ca`; URLs that end with `#insecure` are refused.
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        self.server = Some(Server::new(At::Url(url.into())));
        self
    }

    /// Shares answers through the master that these sentinels watch over under the name `master`, and goes along with it in a failover: they are asked
    /// before each attempt to connect, all at once, and again every second, and tell at once when another server has become the master. Most of them
    /// have to answer for that, or one of them and a replica that follows the master. It takes the place of [`redis`](Self::redis).
    ///
    /// Each sentinel is `host[:port]` or a URL, with a user, password and TLS of its own: `redis://[[user]:password@]host[:port]`, port 26379 unless it is said.
    /// What the master wants is given as a URL with its name in place of the host: `rediss://user:password@name/database`. Certificates (`tls_ca`, `tls_client`) are
    /// for whichever of them are spoken to over TLS. The master's has to be valid for the address that the sentinels announce.
    ///
    /// A name that they do not know, sentinels that refuse the password and those that do not answer are no error here: they are logged, and the functions run
    /// uncached.
    ///
    /// ```
    /// # fn main() -> Result<(), cache_runtime::ConfigError> {
    /// # let secret = "x";
    /// cache_runtime::Cache::builder()
    ///     .redis_sentinel(format!("redis://:{secret}@shop"), ["sentinel-1", "sentinel-2:26380", "redis://:own@sentinel-3"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn redis_sentinel<S: AsRef<str>>(
        mut self,
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = S>,
    ) -> Self {
        let sentinels = sentinels
            .into_iter()
            .map(|one| Server::sentinel(one.as_ref()));
        self.server = Some(Server::watched(master.into(), false, sentinels.collect()));
        self
    }

    /// Shares answers through a Redis Cluster. Each URL names one of its nodes, masters or replicas, as [`redis`](Self::redis) takes them; one that answers is enough, as it tells
    /// of all others. They have to be reached by the addresses that they announce, with the user, the password and the certificates of the first URL; the database is 0.
    ///
    /// Each node is asked for itself: one that is down takes its own keys away until a replica has taken its place, and the functions run uncached for these keys alone. Whatever
    /// slot moves to another node begins cold there. An invalidation of a pattern or a tag writes to 16 places.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), cache_runtime::ConfigError> {
    /// let cache = cache_runtime::Cache::builder().redis_cluster(["redis://10.0.0.1:7000", "redis://10.0.0.2:7000"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn redis_cluster<T: Into<String>>(mut self, urls: impl IntoIterator<Item = T>) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        self.server = Some(Server::new(At::Cluster(urls)));
        self
    }

    /// The authorities that the server's certificate is trusted by, in place of the system's: one certificate or several, in PEM.
    /// Needs a server that is spoken to over TLS; without any server it is not used. Needs the feature `tls`. Default: the system's roots, or
    /// the environment's `REDIS_TLS_CA`.
    ///
    /// What is not PEM, or does not fit the server's URL, is an error of [`build`](Self::build).
    #[cfg(feature = "tls")]
    pub fn tls_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.ca = Some(pem.into());
        self
    }

    /// The certificate, with its intermediates, and the private key that are shown to a server which asks for them (mutual TLS), in PEM. The
    /// key is not encrypted. Needs a server that is spoken to over TLS; without any server they are not used. Needs the feature `tls`.
    /// Default: none, or the environment's `REDIS_TLS_CERT` and `REDIS_TLS_KEY`.
    ///
    /// What is not PEM, does not belong together, or does not fit the server's URL, is an error of [`build`](Self::build).
    #[cfg(feature = "tls")]
    pub fn tls_client(
        mut self,
        certificate_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates.client = Some([certificate_pem.into(), key_pem.into()]);
        self
    }

    /// Keeps answers in this process. The default.
    pub fn memory(mut self) -> Self {
        self.server = None;
        self
    }

    /// The first segments of every key in Redis, which isolate programs and environments from each other. Default: `cache`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// `false`: every call runs its function. Invalidations still go out, for the rest of the fleet. Default: `true`.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Expiry where a function names none. Default: 5 minutes.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = ttl;
        self
    }

    /// The longest time that one Redis operation may take before the source answers. Default: 50 ms.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self
    }

    /// The longest time that all Redis operations of one call may take together, beside its load. Default: 100 ms.
    pub fn call_budget(mut self, budget: Duration) -> Self {
        self.call_budget = budget;
        self
    }

    /// How often an operation is tried again when its connection breaks or the server cannot serve just then, within its time: after some
    /// 4 ms, doubled from one to the next. Default: 2.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// After so many operations in a row that get no answer, nothing is asked any more until a new connection is made, in the
    /// background. A connection that breaks is given up at once. Default: 3.
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// The most loads that run in the background at one time (`stale_while_revalidate`, `refresh_ahead`, `soft_timeout`). Past that, stale
    /// answers are served without being loaded anew. Default: 64.
    pub fn background_loads(mut self, loads: usize) -> Self {
        self.background_loads = loads;
        self
    }

    /// The part of each ttl, from 0 to 1, that is taken off at random, at most, so that answers that were stored together do not expire together.
    /// Default: 0.1.
    pub fn ttl_jitter(mut self, part: f64) -> Self {
        self.ttl_jitter = part;
        self
    }

    /// The longest time that an attempt to connect may take, and an operation that no caller waits for. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// A look-up that takes longer is logged as slow. Default: 50 ms.
    pub fn slow_threshold(mut self, threshold: Duration) -> Self {
        self.slow = threshold;
        self
    }

    /// Bytes that the store of this process may hold; past that, what was used least goes. Default: 64 MiB.
    pub fn memory_capacity(mut self, bytes: u64) -> Self {
        self.memory_capacity = bytes;
        self
    }

    /// Upper bound on connections to Redis. One, shared by all callers, is used today. Default: 10.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Undelivered invalidations that are kept one by one; past that, or past 256 patterns, they are widened to whole domains.
    /// Default: 10,000.
    pub fn pending_invalidations(mut self, limit: usize) -> Self {
        self.pending_invalidations = limit;
        self
    }

    /// What a restarted or promoted server's data is worth. Default: [`OnRestart::Discard`].
    pub fn on_restart(mut self, policy: OnRestart) -> Self {
        self.on_restart = policy;
        self
    }

    /// Which servers give the bytes of stored answers; without Redis there is no choice. All promises hold with replicas as well, since the master says what is current: see
    /// [`ReadFrom`] for the price. Default: [`ReadFrom::Master`], or the environment's `REDIS_READ_FROM` for its server.
    ///
    /// Addresses that cannot be used, or are given for a cluster, are an error of [`build`](Self::build).
    pub fn read_from(mut self, servers: ReadFrom) -> Self {
        self.read_from = Some(servers);
        self
    }

    /// For so long after each invalidation what is loaded is answered and shared, but not stored: for databases whose replicas lag, where
    /// a load right after a write may still read the old row. `hold_off` of `#[invalidates]` wins where it is longer. Default: none.
    pub fn hold_off(mut self, time: Duration) -> Self {
        self.hold_off = time;
        self
    }

    /// Bytes that the near cache (`local = …`) may hold, counted as the values are encoded; past that, what was used least goes.
    /// Default: 32 MiB.
    pub fn local_capacity(mut self, bytes: u64) -> Self {
        self.local_capacity = bytes;
        self
    }

    /// The longest time for which this instance's near cache may serve what another instance has invalidated. Usually it is the time that
    /// a push takes, well below a millisecond; this is the bound for when the connection is dead and nobody has noticed. Costs one `GET`
    /// in half of this time while the near cache is used. Default: 2 s.
    pub fn local_staleness(mut self, bound: Duration) -> Self {
        self.local_staleness = bound;
        self
    }

    /// The largest value that is stored, in bytes as it is encoded. A larger one is answered, and shared with those that wait for it, but
    /// kept neither in the store nor near: it is counted as [`too_large`](crate::Counts::too_large), and the first one of each function is
    /// logged. `max_size` of `#[cached]` wins. Default: 1 MiB, 1,048,576 bytes.
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.packing.max_size = bytes;
        self
    }

    /// How values are written where neither their function nor their type says. Default: [`Codec::Json`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.packing.codec = codec;
        self
    }

    /// How values of type `T` are written where their function does not say. `T` is what is stored: the `Agent` of a
    /// `Result<Option<Agent>, E>`.
    pub fn codec_of<T: ?Sized>(mut self, codec: Codec) -> Self {
        self.packing.codecs.insert(type_name::<T>(), codec);
        self
    }

    /// How values of at least [`compress_above`](Self::compress_above) are compressed where their function does not say. Default: [`Compression::Off`].
    pub fn compression(mut self, compression: Compression) -> Self {
        self.packing.compression = compression;
        self
    }

    /// Encoded values of fewer bytes are not compressed: it would cost more than it saves. Default: 1 KiB, 1,024 bytes.
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.packing.compress_above = bytes;
        self
    }

    /// What is done against others who can reach Redis, where a function does not say. More than [`Protection::Off`] needs
    /// `secrets`. Default: [`Protection::Off`].
    ///
    /// What is in Redis with less protection than this is not believed. Instances with different settings load for themselves what the other stores.
    pub fn protection(mut self, protection: Protection) -> Self {
        self.packing.protection = protection;
        self
    }

    /// What entries are encrypted and signed with. Needs the feature `encryption`. Default: the environment's `CACHE_SECRETS`, or none.
    #[cfg(feature = "encryption")]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.packing.secrets = Some(secrets);
        self
    }

    /// Whether calls are analysed for [`Cache::report`]: how long look-ups and loads take, how many keys there are, which are the hottest, and what
    /// becomes of the answers that are stored. It costs some 10 ns a hit, and at most 100 KiB of memory for each cached function. Without it the report has
    /// counters alone, and no key is remembered for warming. Default: `true`.
    pub fn analytics(mut self, on: bool) -> Self {
        self.analytics = on;
        self
    }

    /// How often each name may invalidate through its handles ([`Cache::by`]), in the whole fleet: past that `try_invalidate`, `try_emit`, `try_delete` and
    /// `try_clear` do nothing and answer [`ErrorKind::Limited`](crate::ErrorKind::Limited). Each call counts as one, whatever it names. Default: no limit.
    ///
    /// It is for endpoints and tools, whose callers can wait. The forms without `try_`, handles without a name and functions under `#[invalidates]` are never
    /// limited, since what they leave undone would be served old. While Redis is away nobody is.
    pub fn invalidation_limit(mut self, limit: RateLimit) -> Self {
        self.invalidation_limit = Some(limit);
        self
    }

    /// What is kept of what is done by hand, and where. Default: nothing.
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = audit;
        self
    }

    /// Makes the cache.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration; a server that does not answer is not.
    pub fn build(mut self) -> Result<Cache, ConfigError> {
        let mut problems = Vec::new();
        problems.extend(Self::check_prefix(&self.prefix).err());
        for (what, duration) in [
            ("default_ttl", self.default_ttl),
            ("operation_timeout", self.operation_timeout),
            ("call_budget", self.call_budget),
            ("connect_timeout", self.connect_timeout),
            ("local_staleness", self.local_staleness),
        ] {
            if duration.is_zero() {
                problems.push(format!("{what} must be longer than 0"));
            }
        }
        if self.max_connections == 0 {
            problems.push("max_connections must be at least 1".to_owned());
        }
        problems.extend(self.packing.problems());
        if self.failure_threshold == 0 {
            problems.push("failure_threshold must be at least 1".to_owned());
        }
        if !(0.0..=1.0).contains(&self.ttl_jitter) {
            problems.push("ttl_jitter must be from 0 to 1".to_owned());
        }
        let unfit = self.certificates.problems([
            "the CA of tls_ca",
            "the certificate of tls_client",
            "the key of tls_client",
        ]);
        if let Some(server) = self.server.as_mut().filter(|_| unfit.is_empty()) {
            let environment = std::mem::take(&mut server.certificates);
            server.certificates = self.certificates.or(environment);
        }
        problems.extend(unfit);
        let bound = self.server.as_ref().map(|_| self.local_staleness);
        let control = Control::new(self.failure_threshold);
        let near = Arc::new(Near::new(self.local_capacity, bound, control.clone()));
        let series = Series::of_cache(&self.prefix);
        self.packing.prefix = self.server.as_ref().map(|_| self.prefix.clone());
        let spoken_to = |server: &Server| {
            let read_from = self.read_from.as_ref().unwrap_or(&server.read_from);
            let reading = server.reading(read_from)?;
            Ok((server.servers()?, server.sentinels()?, reading))
        };
        let store = match self.server.as_ref().map(spoken_to) {
            None => {
                let memory = Memory::new(self.memory_capacity, control.clone());
                Some(Store::Memory(Box::new(memory)))
            }
            Some(Ok((servers, sentinels, reading))) => {
                let settings = Settings {
                    sentinels,
                    reading,
                    connect_timeout: self.connect_timeout,
                    threshold: self.failure_threshold,
                    on_restart: self.on_restart,
                    prefix: self.prefix,
                    near: near.clone(),
                    wakes: Wakes::default(),
                    trips: series.trips(),
                    control: control.clone(),
                };
                let deadline = self.operation_timeout.min(self.call_budget);
                Some(Store::Redis(Arc::new(Redis::new(
                    servers,
                    settings,
                    deadline,
                    self.retries,
                ))))
            }
            Some(Err(problem)) => {
                problems.push(problem);
                None
            }
        };
        let Some(store) = store else {
            return Err(ConfigError::check(problems).expect_err("a problem was told"));
        };
        ConfigError::check(problems)?;
        Ok(Cache::new(Engine {
            store,
            near,
            flights: Arc::new(Flights::new()),
            background: Background::new(self.background_loads),
            register: Register::new(self.analytics, series.clone()),
            remembering: Remembering::new(),
            outbox: Outbox::new(self.pending_invalidations),
            switches: Switches::new(self.enabled),
            patience: Patience {
                operation: self.operation_timeout,
                call: self.call_budget,
                background: self.connect_timeout,
            },
            severed: self.severed,
            default_ttl: self.default_ttl,
            ttl_jitter: self.ttl_jitter,
            hold_off: self.hold_off,
            packing: self.packing,
            contests: Contests::new(),
            slow: self.slow,
            callers: Callers::default(),
            invalidation_limit: self.invalidation_limit,
            audit: Auditor::new(self.audit),
            evictions: Evictions::default(),
            meters: series.cache(),
            #[cfg(feature = "testing")]
            control,
        }))
    }

    /// Makes the cache and installs it as the default of all annotated functions.
    ///
    /// # Errors
    /// As [`build`](Self::build); then the default stays as it was.
    pub fn install(self) -> Result<Cache, ConfigError> {
        let cache = self.build()?;
        cache.clone().install();
        Ok(cache)
    }

    pub(crate) fn check_prefix(prefix: &str) -> Result<(), String> {
        let segment = |segment: &str| !segment.is_empty() && segment.bytes().all(is_plain);
        if prefix.is_empty() || prefix.split(':').all(segment) {
            return Ok(());
        }
        Err(format!(
            "prefix `{}` must be segments of letters, digits and `-_.@/+~`, joined by `:`",
            prefix.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let error = Builder::new()
            .redis("redis:/nonsense:hunter2")
            .prefix("a::b")
            .default_ttl(Duration::ZERO)
            .max_connections(0)
            .max_size(0)
            .build()
            .expect_err("five mistakes");
        assert_eq!(error.problems().len(), 5, "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn no_secret_is_shown() {
        let builder = Builder::new().redis("redis://me:hunter2@127.0.0.1:1/");
        let shown = format!("{builder:?} {:?}", builder.clone().build().expect("right"));
        assert!(
            !shown.contains("hunter2") && !shown.contains("me:") && shown.contains("127.0.0.1:1"),
            "{shown}"
        );
    }

    #[test]
    fn urls_that_would_do_other_than_they_say_are_refused() {
        for url in [
            "rediss://me:hunter2@cache/#insecure",
            "redis://me:hunter2#more@cache",
            "redis://hunter2@cache",
            "redis://me:1?protocol=hunter2@cache",
            "redis://hunter2:1?23@cache",
        ] {
            let error = Builder::new().redis(url).build().expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
