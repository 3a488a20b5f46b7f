//! Counters with an expiry.

use std::time::Duration;

use crate::audit::{AuditAction, AuditOutcome};
use crate::cache::Cache;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::site::Site;
use crate::store::{Counting, StoreError};

/// A counter's longest life, or a lock's: ten years. What is longer is shortened to it.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Counters, shared by the fleet where there is Redis, of this process where there is none.
///
/// A counter is not an answer: it has a name of its own beside the answer that may stand under the same key, invalidations do not reach
/// it, so that clearing the cache lifts no limit, and it counts also while the cache is switched off. Each change is one round trip, and is not sent
/// twice: where the connection breaks half way it may have been counted or not.
impl Cache {
    /// Adds `by` to the counter of `key`, which begins at 0, and tells its new number. It ends `ttl` after it began, however often it is changed
    /// meanwhile; `ttl` is at least 1 ms and at most ten years. `None` when it could not be counted, which is counted as `degraded`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cache_runtime::{Cache, Key};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::builder().build().unwrap();
    /// let key = Key::new("logins", [&"ada" as _]);
    /// assert_eq!(cache.incr(&key, 1, Duration::from_secs(60)).await, Some(1));
    /// assert_eq!(cache.incr(&key, 1, Duration::from_secs(60)).await, Some(2));
    /// # }
    /// ```
    pub async fn incr(&self, key: &Key, by: i64, ttl: Duration) -> Option<i64> {
        self.try_incr(key, by, ttl).await.ok()
    }

    /// Like [`incr`](Self::incr), and tells what went wrong.
    ///
    /// # Errors
    /// `Invalid` when `ttl` is shorter than 1 ms or the key could not be made; `Refused` when the sum is no `i64`, and the counter stays as
    /// it was; else Redis could not be reached or did not answer in time.
    pub async fn try_incr(&self, key: &Key, by: i64, ttl: Duration) -> Result<i64, Error> {
        static SITE: Site = Site::new("Cache::incr", "");
        self.count(&SITE, key, by, ttl, false).await
    }

    /// Takes `by` from the counter of `key`; else as [`incr`](Self::incr). It may fall below 0.
    pub async fn decr(&self, key: &Key, by: i64, ttl: Duration) -> Option<i64> {
        self.try_decr(key, by, ttl).await.ok()
    }

    /// Like [`decr`](Self::decr), and tells what went wrong.
    ///
    /// # Errors
    /// As [`try_incr`](Self::try_incr).
    pub async fn try_decr(&self, key: &Key, by: i64, ttl: Duration) -> Result<i64, Error> {
        static SITE: Site = Site::new("Cache::decr", "");
        let by = by.checked_neg();
        let by = by.ok_or_else(|| Error::new(ErrorKind::Invalid, "there is no -i64::MIN"))?;
        self.count(&SITE, key, by, ttl, false).await
    }

    /// Like [`incr`](Self::incr), but the counter ends `ttl` after its last change.
    pub async fn incr_sliding(&self, key: &Key, by: i64, ttl: Duration) -> Option<i64> {
        self.try_incr_sliding(key, by, ttl).await.ok()
    }

    /// Like [`incr_sliding`](Self::incr_sliding), and tells what went wrong.
    ///
    /// # Errors
    /// As [`try_incr`](Self::try_incr).
    pub async fn try_incr_sliding(&self, key: &Key, by: i64, ttl: Duration) -> Result<i64, Error> {
        static SITE: Site = Site::new("Cache::incr_sliding", "");
        self.count(&SITE, key, by, ttl, true).await
    }

    /// The counter of `key`; `None` when there is none, or it could not be asked for.
    pub async fn counter(&self, key: &Key) -> Option<i64> {
        self.try_counter(key).await.ok().flatten()
    }

    /// Like [`counter`](Self::counter), and tells what went wrong.
    ///
    /// # Errors
    /// `Invalid` when the key could not be made; else Redis could not be reached, did not answer in time, or refused.
    pub async fn try_counter(&self, key: &Key) -> Result<Option<i64>, Error> {
        static SITE: Site = Site::new("Cache::counter", "");
        let engine = &self.engine;
        let counter = async |patience| engine.store.counter(key, patience).await;
        let counter = engine.by_hand(&SITE, key, counter).await;
        self.note(AuditAction::Read, key, AuditOutcome::of_read(&counter));
        counter
    }

    /// Ends the counter of `key`: it begins at 0 again.
    pub async fn reset_counter(&self, key: &Key) {
        // Counted where it happened.
        let _ = self.try_reset_counter(key).await;
    }

    /// Like [`reset_counter`](Self::reset_counter), and tells what went wrong.
    ///
    /// # Errors
    /// As [`try_counter`](Self::try_counter).
    pub async fn try_reset_counter(&self, key: &Key) -> Result<(), Error> {
        static SITE: Site = Site::new("Cache::reset_counter", "");
        let engine = &self.engine;
        let reset = async |patience| engine.store.reset_counter(key, patience).await;
        let reset = engine.by_hand(&SITE, key, reset).await;
        self.note(AuditAction::Reset, key, AuditOutcome::of_read(&reset));
        reset
    }

    async fn count(
        &self,
        site: &'static Site,
        key: &Key,
        by: i64,
        ttl: Duration,
        prolongs: bool,
    ) -> Result<i64, Error> {
        let counting = Counting {
            by,
            life: checked_life("a counter's ttl", ttl)?,
            prolongs,
        };
        let engine = &self.engine;
        let count = async |patience| engine.store.count(key, counting, patience).await;
        let count = engine.by_hand(site, key, count).await;
        self.note(AuditAction::Count, key, AuditOutcome::of_read(&count));
        count
    }
}

/// From 1 ms, which is what the server counts in.
pub(crate) fn checked_life(what: &str, life: Duration) -> Result<Duration, Error> {
    if life < Duration::from_millis(1) {
        let problem = format!("{what} is at least 1 ms, not {life:?}");
        return Err(Error::new(ErrorKind::Invalid, problem));
    }
    Ok(life.min(LONGEST))
}

impl Engine {
    /// One operation that was asked for by hand: what fails is counted and told.
    pub(crate) async fn by_hand<T>(
        &self,
        site: &'static Site,
        key: &Key,
        operation: impl AsyncFnOnce(Duration) -> Result<T, StoreError>,
    ) -> Result<T, Error> {
        let answer = if !key.is_usable() {
            let problem = format!("a part of the key `{key}` could not be serialized");
            Err(Error::new(ErrorKind::Invalid, problem))
        } else if self.severed {
            Err(StoreError::Unreachable.into())
        } else {
            let answer = operation(self.patience.operation).await;
            answer.map_err(Error::from)
        };
        if let Err(error) = &answer {
            self.register.function(site).counters.degraded.one();
            tracing::debug!(by = site.function, %key, %error, "not done");
        }
        answer
    }
}
