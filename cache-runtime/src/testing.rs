//! For tests of code with annotated functions: a cache of a test's own, a clock that it moves, faults that it injects, and assertions about where an answer
//! came from.
//!
//! ```
//! use std::time::Duration;
//!
//! use cache_runtime::testing::{TestCache, assert_hit, assert_miss};
//! use cache_runtime::{cached, invalidates};
//!
//! #[cached("titles", "10m", key = task_id)]
//! async fn title(task_id: u64) -> String {
//!     "Buy milk".to_owned()
//! }
//!
//! #[invalidates(title(task_id))]
//! async fn rename(task_id: u64, title: &str) {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In a `#[tokio::test]`:
//! let cache = TestCache::memory();
//! cache
//!     .scope(async {
//!         assert_miss!(title(7));
//!         assert_eq!(assert_hit!(title(7)), "Buy milk");
//!
//!         rename(7, "Buy bread").await;
//!         assert_miss!(title(7));
//!
//!         cache.advance(Duration::from_secs(600)).await;
//!         assert_miss!(title(7)); // expired
//!     })
//!     .await;
//! # }
//! ```
//!
//! # What a test sees
//!
//! Inside [`TestCache::scope`] that cache is the [current one](Cache::current). Tests that run beside each other in one process do not see each other's answers, counters or faults.
//! The scope is that of a task: what `scope` is given, and what the cache itself runs in the background for it. A task that the test spawns is given it by
//! `tokio::spawn(cache.scope(work))`. A function with `cache = expr` uses the cache that it names.
//!
//! # Time
//!
//! [`TestCache::advance`] moves the clock of one cache, and nothing waits: what would have expired by then has. It works on every runtime, and does not need
//! Tokio's `test-util`. `tokio::time::pause` is for the other times, which the runtime waits for: `load_timeout`, `soft_timeout`, deadlines. With a cache in this
//! process both can be used together. With Redis time is not to be paused, as its answers come over a network that does not stop.
//!
//! No part of a ttl is taken off at random here ([`Builder::ttl_jitter`] is 0).
//!
//! # Faults
//!
//! [`TestCache::inject`] breaks the store below the deadlines and the circuit breaker, which then do what they do in production. Loads in the background and undelivered
//! invalidations are waited for by [`TestCache::settle`].
//!
//! ```
//! # use cache_runtime::cached;
//! use cache_runtime::testing::{Fault, TestCache, assert_degraded, assert_hit, assert_miss};
//! # #[cached("titles", "10m", key = task_id)]
//! # async fn title(task_id: u64) -> String { "Buy milk".to_owned() }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let cache = TestCache::memory();
//! cache
//!     .scope(async {
//!         assert_miss!(title(7));
//!         cache.inject(Fault::Refuse);
//!         assert_degraded!(title(7)); // the function's body, and no error
//!         assert!(cache.is_circuit_open());
//!         title::invalidate(7).await; // waits, and is not lost
//!         assert_eq!(cache.stats().pending_invalidations, 1);
//!
//!         cache.recover().await;
//!         assert_miss!(title(7)); // it was delivered
//!         assert_hit!(title(7));
//!     })
//!     .await;
//! # }
//! ```

mod assertions;

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

#[doc(hidden)]
pub use self::assertions::{Seen, observe};
pub use crate::control::Fault;
pub use crate::{assert_degraded, assert_hit, assert_loaded, assert_miss, assert_stale};

use crate::builder::Builder;
use crate::cache::Cache;
use crate::engine::{Engine, within};
use crate::outbox::Outbox;
use crate::store::Store;

/// Generous: a loaded machine must not fail a test.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(2);
/// The clock cannot be moved further: 100 years.
const FURTHEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A cache for one test; clones are handles of the same one. Whatever a [`Cache`] does it does too.
#[derive(Debug, Clone)]
pub struct TestCache {
    cache: Cache,
}

impl TestCache {
    /// A cache in this process, which nobody else uses.
    pub fn memory() -> Self {
        Self::new(Cache::builder())
    }

    /// A cache in the Redis at `url`, under a prefix of its own (`test:` and a random number), so that a server may be used by many tests at a time.
    ///
    /// An operation may take a second and a call two, as a loaded machine must not fail a test; [`new`](Self::new) takes other times. What was stored expires; [`clean`](Self::clean)
    /// removes it at once.
    ///
    /// # Panics
    /// When the URL is wrong. A server that is not there is no error, as for any cache: assertions then tell of degraded calls.
    ///
    /// ```no_run
    /// # use cache_runtime::testing::TestCache;
    /// # async fn example() {
    /// let cache = TestCache::redis("redis://localhost");
    /// cache.scope(async { /* … */ }).await;
    /// cache.clean().await;
    /// # }
    /// ```
    pub fn redis(url: impl Into<String>) -> Self {
        let builder = Cache::builder().redis(url).prefix("test");
        Self::new(
            builder
                .operation_timeout(Duration::from_secs(1))
                .call_budget(Duration::from_secs(2)),
        )
    }

    /// A cache of any configuration. To its prefix a random number is added, and its `ttl_jitter` becomes 0.
    ///
    /// # Panics
    /// When the configuration is wrong; the message says what is.
    pub fn new(builder: Builder) -> Self {
        let own = format!("{:016x}", fastrand::u64(..));
        let prefix = match builder.prefix.as_str() {
            "" => own,
            prefix => format!("{prefix}:{own}"),
        };
        let cache = match builder.prefix(prefix).ttl_jitter(0.0).build() {
            Ok(cache) => cache,
            Err(error) => panic!("a test's cache cannot be made: {error}"),
        };
        Self { cache }
    }

    /// Runs `work` with this as the [current cache](Cache::current), whatever is installed. The innermost scope counts. It holds for `work`'s own task and for what the
    /// cache runs in the background for it; for a task that `work` spawns: `tokio::spawn(cache.scope(…))`.
    ///
    /// Safe to drop where `work` is.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        within(self.cache.engine.clone(), work)
    }

    /// Moves the clock of this cache ahead: expiry, stale windows, negative answers, early refreshes, the near cache, hold-offs, counters and rate limits follow it. Nothing else
    /// does: deadlines, leases, locks, jobs and the ages in reports go by the time that passes.
    ///
    /// In Redis all entries under the prefix are made older, one by one; its hold-offs, counters and limits go by the server's own clock. What is stored meanwhile may be missed.
    ///
    /// # Panics
    /// When it would be more than 100 years ahead, and when Redis does not do it, as during a [fault](Self::inject).
    pub async fn advance(&self, time: Duration) {
        let engine = &self.cache.engine;
        let ahead = Duration::from_nanos(engine.control.ahead()).saturating_add(time);
        assert!(
            ahead <= FURTHEST,
            "a test's clock moves 100 years at most, and not {ahead:?}"
        );
        // Less than five centuries, which fit.
        let nanoseconds = time.as_nanos() as u64;
        engine.control.advance(nanoseconds);
        engine.near.advanced(nanoseconds);
        if let Store::Redis(redis) = &engine.store
            && let Err(error) = redis.age(time, PATIENCE).await
        {
            panic!("the entries in Redis could not be made older: {error}");
        }
    }

    /// Breaks the store, until [`recover`](Self::recover) or another fault.
    ///
    /// It is below everything that deals with faults: deadlines, retries, the circuit breaker, shared loads of degraded calls, the queue of undelivered invalidations. The circuit of a
    /// cache in this process, which has no connection that could break, is imitated: it opens as that of Redis does, and closes when the fault ends. Pushes of other instances still come.
    pub fn inject(&self, fault: Fault) {
        self.cache.engine.control.inject(Some(fault));
    }

    /// Ends the fault, and waits until the circuit is closed (in Redis: until there is a connection again, some 1.25 s at most) and everything has [settled](Self::settle).
    ///
    /// # Panics
    /// When 30 seconds pass and it has not. Then a Redis is away by itself.
    pub async fn recover(&self) {
        let engine = &self.cache.engine;
        engine.control.inject(None);
        eventually("the store has recovered", || !engine.store.is_away()).await;
        self.settle().await;
    }

    /// Waits until nothing is done in the background any more: loads (`stale_while_revalidate`, `refresh_ahead`, `soft_timeout`) have ended, and invalidations are delivered.
    ///
    /// # Panics
    /// When 30 seconds pass and there is still something to do, as when an invalidation waits during a fault.
    pub async fn settle(&self) {
        let engine = &self.cache.engine;
        eventually("the background has settled", || is_idle(engine)).await;
    }

    /// Whether the circuit is open: calls go straight to their functions.
    pub fn is_circuit_open(&self) -> bool {
        self.cache.engine.store.is_away()
    }

    /// Removes everything under this cache's prefix from Redis: for the end of a test. A test that fails before leaves answers that expire by themselves, and some hundred bytes that do
    /// not: so the Redis should be one for tests.
    ///
    /// # Panics
    /// When Redis does not do it.
    pub async fn clean(&self) {
        if let Store::Redis(redis) = &self.cache.engine.store
            && let Err(error) = redis.remove_all(PATIENCE).await
        {
            panic!("the names of a test's cache could not be removed from Redis: {error}");
        }
    }
}

impl Deref for TestCache {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

fn is_idle(engine: &Arc<Engine>) -> bool {
    let delivered = engine.outbox.depth() == 0;
    if !delivered {
        Outbox::see_to_delivery(engine);
    }
    delivered && engine.background.is_idle()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, holds).await.is_ok();
    assert!(in_time, "waited {PATIENCE:?} in vain for this: {what}");
}
