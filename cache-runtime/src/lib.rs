//! One attribute on an async function, and its answers are cached, shared through Redis, kept fresh and kept available.
//!
//! ```
//! use cache_runtime::{cached, invalidates};
//!
//! # struct Db;
//! # impl Db {
//! #     async fn title(&self, _: u64) -> Result<String, std::io::Error> { Ok("Buy milk".into()) }
//! #     async fn rename(&self, _: u64, _: &str) -> Result<(), std::io::Error> { Ok(()) }
//! # }
//! #[cached(namespace = "titles", ttl = "10m", key = task_id)]
//! async fn title(#[skip] db: &Db, task_id: u64) -> Result<String, std::io::Error> {
//!     db.title(task_id).await
//! }
//!
//! #[invalidates(title(task_id))]
//! async fn rename(db: &Db, task_id: u64, title: &str) -> Result<(), std::io::Error> {
//!     db.rename(task_id, title).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::io::Error> {
//! # let db = Db;
//! title(&db, 7).await?;              // asks the database
//! title(&db, 7).await?;              // does not
//! rename(&db, 7, "Buy bread").await?;
//! title(&db, 7).await?;              // asks again, on every instance
//! # let counts = cache_runtime::Cache::current().stats().total;
//! # assert_eq!((counts.hits, counts.loads), (1, 2));
//! # Ok(())
//! # }
//! ```
//!
//! A guide, topic by topic, stands in the repository: `docs/SUMMARY.md`. What follows is a summary; each item's own documentation says all of it.
//!
//! # Caching
//!
//! [`cached`] turns a function's answers into entries under `prefix:namespace:key`. The function keeps its signature. What is stored is the `T` of
//! `Result<T, E>`, `Option<T>` and `Json<T>`, or the whole answer; `Err` never is.
//!
//! # Invalidating
//!
//! [`invalidates`] names what a writing function makes old: typed calls, patterns, tags. [`Cache::invalidate`] does it by hand.
//! Once it has returned, no call that begins gets what was loaded before, on any instance.
//!
//! A write that Redis cannot be told of is done all the same and its invalidation queued; `on_unreachable = fail` refuses it. A process that is killed between
//! its write and its invalidation leaves nothing stale with `crash_safe = "30s"`. Inside a database transaction [`AfterCommit`] keeps invalidations
//! back until the commit. Where database replicas lag, `hold_off = "500ms"` keeps what is loaded right after a write out of the cache.
//!
//! A struct under `#[invalidates(…)]` is an [`Event`], which says once what it makes old: `#[invalidates(event = UserChanged { id })]`, or
//! [`Cache::emit`].
//!
//! # Writing through
//!
//! A writer that answers the new value need not clear the old one: with [`updates`] its answer is the next reader's.
//!
//! ```
//! # use cache_runtime::{cached, updates};
//! # #[cached("titles", "10m")]
//! # async fn title(task_id: u64) -> Result<String, std::io::Error> { panic!("needs no load") }
//! #[updates(title(task_id))]
//! async fn rename(task_id: u64, title: &str) -> Result<String, std::io::Error> {
//!     Ok(title.to_owned())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::io::Error> {
//! rename(7, "Buy bread").await?;
//! assert_eq!(title(7).await?, "Buy bread"); // needs no load
//! # Ok(())
//! # }
//! ```
//!
//! It is stored only if nothing has happened to its key since before the write; otherwise the key is invalidated.
//!
//! # The near cache
//!
//! With `local = "10s"` this process keeps values as they are, for so long at most: a hit costs a clone (of an `Arc`, if the answer is one), and no round trip.
//! This instance's own invalidations hold at once. Those of others are pushed, and reach it within the time of a push; on a connection that
//! is dead without a sign within [`local_staleness`](Builder::local_staleness), 2 seconds by default.
//!
//! # Stale answers and slow loads
//!
//! With `stale_while_revalidate = "10m"` an answer past its ttl is served while one instance loads it anew in the background; with `refresh_ahead = on`
//! that happens before, the more likely the nearer the expiry; with `stale_if_error = "1d"` it stands in for an `Err`, and with `soft_timeout = "200ms"` for a
//! load that takes longer. What was invalidated is never served so. `load_timeout = "2s", on_timeout = || …` gives a load up.
//!
//! Of many callers of a cold key one loads: in this process, or with `single_flight = fleet` among all instances, by a lease in Redis that ends soon when
//! its holder dies. [`Cache::observe`] tells where the answers of the calls inside it came from.
//!
//! # The cache
//!
//! The first call makes [`Cache::current`] from the [environment](Cache::from_env); [`Builder::install`] replaces it; the option `cache = expr` names
//! another one. With a Redis server answers are shared, without one they are kept in this process. A server that is away never shows to a
//! caller. [`Cache::stats`] tells what happened, and events for [`tracing`] say it: hits and misses at debug, invalidations at
//! info, slow look-ups at warn, a lost connection at error.
//!
//! Each call is a span too, at debug: `cached` of the target `cache_runtime::call`, with `function`, `namespace`, `key` (but where the function says `encrypt = on`), and, once it is
//! answered, `outcome` (as [`Source`] writes it) and `duration` in seconds. The function's body runs inside it. A batch is one span, with the number of its `keys`, and its outcome may be `mixed`. A
//! call that is dropped has no outcome.
//!
//! # Many keys, and operations by hand
//!
//! `#[cached(agent(ids), batch = ids)]` is for a function of many keys: one round trip looks them up, the body sees those that are not cached. Without a
//! function there are [`Cache::get`], [`set`](Cache::set), [`mget`](Cache::mget), [`get_or_set`](Cache::get_or_set), [`scan`](Cache::scan) and
//! [more](Cache#operations-by-hand), also for the keys of a [`Namespace`]. They keep the same promises.
//!
//! # Counters, rate limits and locks
//!
//! [`Cache::incr`] counts under a key, with an expiry; [`Cache::allow`] asks a [`RateLimit`]; [`Cache::lock`] takes a [`Lock`] that its guard
//! gives back. All are the fleet's where there is Redis, and this process's where there is none. They never fail because of Redis: each has a
//! twin that tells, such as `try_incr`.
//!
//! # Audit
//!
//! [`Cache::by`] gives a handle for a caller with a name. With [`Builder::audit`] what is done by hand through it is recorded, and each invalidation
//! whoever asks for it: as events, in a bounded log of the fleet, or by a closure; never a value, and keys only as far as [`Audit`] says. [`Stats::callers`] counts the
//! invalidations of each name, and [`Builder::invalidation_limit`] bounds them.
//!
//! # Warming
//!
//! [`Warming`] calls cached functions for many arguments before anybody waits for them, so many at a time, and tells what came of it.
//! [`Warming::hottest`] does it by observed use: for the keys that the fleet has called most, also before a restart.
//!
//! # Reports
//!
//! [`Cache::report`] tells of each function what its cache is worth: how long loads and look-ups take, what the hits have saved, how many keys there
//! are and which are the hottest, what part of the answers is never used or never changes. From these figures it recommends: a longer ttl, no caching,
//! a near cache.
//!
//! # Metrics
//!
//! With the feature `metrics`, `Cache::record_metrics` tells the recorder of the [`metrics`](https://docs.rs/metrics) facade what a cache does; with `prometheus`, `Prometheus::install`
//! is that recorder, and its router answers `GET /metrics`. Every figure of [`Counts`] is a counter, `cache_{name}_total` with the labels `cache` (the prefix), `namespace` and
//! `function`; of hits also `source`: `store`, `near` or `stale`. Keys, values and callers are never told. Beside them there are
//!
//! | name | what | labels |
//! |---|---|---|
//! | `cache_lookup_duration_seconds`, `cache_load_duration_seconds` | histograms | `cache`, `namespace`, `function` |
//! | `cache_round_trip_duration_seconds` | histogram: each trip to Redis, retries apart | `cache`, `outcome`: `ok`, `failed`, `timed_out` |
//! | `cache_batch_keys` | histogram: keys that were looked up together | `cache` |
//! | `cache_invalidated_scopes_total` | what was invalidated | `cache`, `scope`: `key`, `pattern`, `tag`, `everything` |
//! | `cache_evictions_total` | the server's, so that all instances tell of the same | `cache` |
//! | `cache_replica_reads_total` | entries whose bytes were asked of a replica ([`ReadFrom`]) | `cache`, `outcome`: `answered`, `behind`, `silent` |
//! | `cache_audit_dropped_total` | records that the audit's log did not take | `cache` |
//! | `cache_enabled`, `cache_circuit_open`, `redis_connected` | gauges, 0 or 1 | `cache` |
//! | `cache_pending_invalidations`, `cache_oldest_pending_invalidation_seconds` | gauges: the queue | `cache` |
//! | `cache_near_values`, `cache_near_bytes` | gauges: the near cache | `cache` |
//! | `cache_memory_used_bytes`, `cache_memory_limit_bytes`, `cache_keys`, `cache_connected_clients`, `cache_ping_duration_seconds` | gauges: the store; `NaN` while it does not answer | `cache` |
//!
//! `dashboards/grafana.json`, in the repository, shows them. For OpenTelemetry, the crate [`metrics-exporter-otel`](https://docs.rs/metrics-exporter-otel) is a recorder over a meter of
//! the OpenTelemetry SDK, which sends what it gets by OTLP (`opentelemetry-otlp`); a task of the program then calls `record_metrics` every 10 seconds.
//!
//! # Over HTTP
//!
//! With the feature `tower`, `CacheLayer` around a router, or any other service, tells clients what the cache did for their requests (`X-Cache`, `Cache-Status`, `Age`), tags answers, and
//! sends none to who has it already (`ETag`, `304`). Clients ask each time, so that what was invalidated is shown by no browser; `max_age` lets them keep it, and says at what price.
//! `QueryMeter` counts and times database queries, of each request and in all.
//!
//! # The management API and the console
//!
//! With the feature `http`, `http::Management` is an axum router that answers what a person on call asks a running service: statistics, health, keys, values, clearing. It is
//! closed until it is given tokens. With `console` it has a page for people too, at `/console/`, which shows the same as charts and asks for a token; all of it is part of the program.
//!
//! # Browsers
//!
//! With the feature `http`, `http::Pushes` tells browsers which keys became old, as far as the service lets them hear of it, and [`typescript_keys`] writes builders of the same keys
//! for them. The npm package `@cache-runtime/tanstack-query` has queries of TanStack Query fetched anew then.
//!
//! # How values are stored
//!
//! As JSON, which a person can read in `redis-cli`; or by another [`Codec`], compressed ([`Compression`]), signed or encrypted ([`Protection`], with
//! `Secrets`): for a cache by its [`Builder`], for a function by `codec`, `compress`, `encrypt` and `sign`, for a declared key in [`cache_keys!`], and the codec
//! also for a type ([`Builder::codec_of`]). Each entry says how it was stored, so that all of it can be changed while a fleet runs. What cannot be read, opened
//! or believed is a miss. Where two builds of a program, side by side, cannot use each other's entries, each of them replaces one a minute at most, and answers from
//! the source in between.
//!
//! # Jobs
//!
//! With the feature `jobs`, `Jobs` does things at the times of cron expressions, each time on one instance of the fleet: `Job::clean`, `Job::health`,
//! `Job::warm`, `Job::refresh`, and whatever a program gives to `Job::new`. What became of the runs stands in their history.
//!
//! # Tests
//!
//! With the feature `testing` there is `testing::TestCache`: a cache of a test's own, with a clock that it moves and faults that it injects, and assertions
//! about where an answer came from: `assert_hit!(title(7))`.
//!
//! # Keys
//!
//! Whatever implements `serde::Serialize` can be part of a key. Each part is one segment, percent-encoded so that it cannot leave it, and hashed
//! (128 bits of SHA-256) past 96 bytes. A number and a text that reads the same are the same segment, so that a writer that knows an
//! id as `u64` reaches what a reader stored by `&str`. For a part whose type may be either (`serde_json::Value`, an untagged enum) write
//! `(&value,)`: inside a tuple text is quoted. What `Serialize` leaves out (`#[serde(skip)]`) does not distinguish.
//!
//! Names of keys belong in one place: [`cache_keys!`] declares them, with how long their values are kept ([`ttl`]).
//!
//! # Runtime
//!
//! Annotated functions run on Tokio; its time driver has to be enabled, and with Redis that for I/O, as they are by `#[tokio::main]`.
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `axum` | `Json<T>` answers of handlers |
//! | `cli` | `cachectl`, the command line, and what it asks of a server |
//! | `console` | a page of the management API, for people |
//! | `encryption` | entries that are encrypted or signed: XChaCha20-Poly1305, HMAC-SHA256 |
//! | `http` | the management API: [`http::Management`](https://docs.rs/cache-runtime/latest/cache_runtime/http/struct.Management.html), an axum router; and `http::Pushes` |
//! | `lz4`, `zstd` | compressed values; `zstd` takes a C compiler |
//! | `msgpack`, `postcard` | values as MessagePack, as postcard |
//! | `metrics` | figures through the `metrics` facade |
//! | `prometheus` | `Prometheus`: figures for Prometheus, and an axum route that it scrapes |
//! | `jobs` | `Jobs`: things that are done at certain times, by one instance of the fleet |
//! | `progress` | a bar on a terminal while [`Warming`] runs, with indicatif |
//! | `testing` | [`testing`](https://docs.rs/cache-runtime/latest/cache_runtime/testing/index.html): isolated caches, a clock, faults and assertions for tests |
//! | `tower` | [`CacheLayer`](https://docs.rs/cache-runtime/latest/cache_runtime/struct.CacheLayer.html): caching over HTTP; `QueryMeter` |
//! | `tls` | `rediss://`, `tls_ca`, `tls_client`: Redis over TLS, with rustls |
//!
//! With `tls` nothing has to be installed by hand: rustls' default provider of cryptography is used where the program has one, and `ring` becomes
//! it, with the first connection, where there is none. A program that installs its own does so before its first cached call.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod after_commit;
mod analytics;
mod audit;
mod behind;
mod builder;
mod by_hand;
mod cache;
mod callers;
mod check_keys;
mod codec;
mod compression;
mod control;
mod counters;
mod engine;
mod envelope;
mod environment;
mod error;
mod event;
#[cfg(feature = "cli")]
mod examine;
mod feed;
mod flight;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod generations;
mod health;
mod hottest;
#[cfg(feature = "http")]
pub mod http;
mod inspect;
#[cfg(feature = "jobs")]
mod jobs;
mod key;
#[cfg(feature = "tower")]
mod layer;
mod locks;
mod meters;
mod near;
mod observe;
mod outbox;
mod policy;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "prometheus")]
mod prometheus;
mod protection;
#[cfg(feature = "tower")]
mod queries;
mod rate_limit;
#[cfg(feature = "metrics")]
mod recording;
mod report;
mod scope;
mod scoped;
mod shape;
mod site;
mod slots;
mod source;
mod store;
mod sync;
mod tally;
mod targets;
#[cfg(feature = "testing")]
pub mod testing;
mod together;
pub mod ttl;
mod typescript;
mod wakes;
mod warm;

pub use after_commit::AfterCommit;
pub use analytics::{HotKey, Timed};
pub use audit::{Audit, AuditAction, AuditActor, AuditOutcome, AuditRecord};
pub use behind::{Counters, Values, Write, WriteBehind, WriteBehindStats};
pub use builder::Builder;
pub use by_hand::{Everything, Namespace};
pub use cache::Cache;
pub use cache_macros::{cache_keys, cached, invalidates, updates};
pub use check_keys::{KeyProblem, KeyProblems, check_keys};
pub use codec::{Codec, Nearby, Storable};
pub use compression::Compression;
pub use error::{ConfigError, Error, ErrorKind};
pub use event::Event;
#[cfg(feature = "cli")]
pub use examine::{ServerFacts, Weight};
pub use health::{Health, HealthStatus, ServerHealth};
pub use hottest::Hottest;
pub use inspect::{Entry, EntryForm, EntryValue};
#[cfg(feature = "jobs")]
pub use jobs::{Job, JobOutcome, JobRecord, JobRun, Jobs, RunningJobs};
pub use key::{Key, KeyPart, Pattern, PatternError, Tag, Target};
#[cfg(feature = "tower")]
pub use layer::{CacheBody, CacheLayer, CacheService};
pub use locks::Lock;
pub use observe::{CallerStats, Counts, FunctionStats, ReplicaStats, Stats};
pub use policy::{OnRestart, ReadFrom};
#[cfg(feature = "prometheus")]
pub use prometheus::Prometheus;
pub use protection::Protection;
#[cfg(feature = "encryption")]
pub use protection::Secrets;
#[cfg(feature = "tower")]
pub use queries::{QueryFigures, QueryMeter, QueryStats};
pub use rate_limit::{Allowance, RateLimit};
pub use report::{Advice, FunctionReport, Recommendation, Report, Severity, Usage};
pub use source::{Observations, Observed, Source};
pub use typescript::typescript_keys;
pub use warm::{Outcome, Progress, SetReport, WarmReport, Warming, WarmingEnd};
