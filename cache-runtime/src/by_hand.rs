//! The cache without annotated functions: getting, setting, counting how long an answer lives, listing and clearing.

mod named;
mod namespace;
mod scan;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

pub use self::namespace::Namespace;
#[cfg(feature = "http")]
pub(crate) use self::scan::Page;
use serde::Serialize;

use crate::audit::{AuditAction, AuditOutcome};
use crate::cache::{BY_HAND, Cache};
use crate::codec::{self, Storable};
use crate::engine::{Found, Loaded, Session};
use crate::envelope;
use crate::error::{Error, ErrorKind};
use crate::key::{Key, Target};
use crate::policy::Policy;
use crate::private::{self, Call};
use crate::scope::Mode;
use crate::shape::{Fallible, Plain};
use crate::store::StoreError;

/// The word that says that all of a cache is meant: [`Cache::clear`].
#[derive(Debug, Clone, Copy)]
pub struct Everything;

/// # Operations by hand
///
/// What is stored by hand is invalidated, fenced, encoded, counted and degraded like the answers of functions: a `get` that begins after
/// an invalidation returned has nothing from before, and a load on its way when something is set by hand does not overwrite it.
///
/// None of these fails because of Redis: what cannot be asked is not there, and counted as `degraded`; the `try_` forms tell the error. A key is
/// [made by hand](Key::new), by a declaration, or by a function's companion (`agent::key(id)`): then this reads and writes what the
/// function does, but for functions with `tags`, whose answers only their companion's `peek` and `put` find.
///
/// ```
/// # use std::time::Duration;
/// use cache_runtime::{Cache, Key};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (user_id, cache) = (7, Cache::current());
/// let key = Key::new("sessions", [&user_id as _]);
/// cache.set(&key, "Ada", Duration::from_secs(3600)).await;
/// assert_eq!(cache.get::<String>(&key).await.as_deref(), Some("Ada"));
///
/// let ages = cache.namespace("ages").ttl(Duration::from_secs(60));
/// let age = ages.get_or_set(&user_id, async { 36 }).await; // loaded by one caller of this process
/// assert_eq!((age, ages.get(&user_id).await), (36, Some(36)));
/// # }
/// ```
///
/// Every future here is safe to drop: what was on its way is either done or not.
impl Cache {
    /// What is stored under `key`: current, fresh and a `T`. One round trip.
    #[doc(alias = "peek")]
    pub async fn get<T: Storable>(&self, key: &Key) -> Option<T> {
        self.try_get(key).await.ok().flatten()
    }

    /// Like [`get`](Self::get), and tells when the store could not be asked.
    ///
    /// # Errors
    /// Redis could not be reached, did not answer in time, or refused; or an invalidation of the key waits to be delivered.
    pub async fn try_get<T: Storable>(&self, key: &Key) -> Result<Option<T>, Error> {
        let mut values = self.get_together(std::slice::from_ref(key)).await;
        Ok(values.pop().unwrap_or(Ok(None))?)
    }

    /// The same for many keys, in their order; one round trip for 256 of them.
    pub async fn mget<T: Storable>(&self, keys: &[Key]) -> Vec<Option<T>> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(self.engine.store.together()) {
            let got = self.get_together(keys).await.into_iter();
            values.extend(got.map(|value| value.ok().flatten()));
        }
        values
    }

    /// Like [`mget`](Self::mget), and tells when the store could not be asked for any of them.
    ///
    /// # Errors
    /// As [`try_get`](Self::try_get).
    pub async fn try_mget<T: Storable>(&self, keys: &[Key]) -> Result<Vec<Option<T>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(self.engine.store.together()) {
            for value in self.get_together(keys).await {
                values.push(value?);
            }
        }
        Ok(values)
    }

    /// Stores `value` under `key`, for `ttl`; `None` is the key's own, or the cache's default. Whether it was stored: not where the cache is
    /// switched off, where something invalidated the key meanwhile, where a write of it is announced, or where the value is larger than `max_size`. Then what was
    /// there before is [invalidated](Self::invalidate), so that nobody goes on with it. Two round trips.
    ///
    /// A write that comes between the making of `value` and this call is not seen: what is read from a source belongs into
    /// [`get_or_set`](Self::get_or_set).
    #[doc(alias = "put")]
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> bool {
        self.try_set(key, value, ttl).await.unwrap_or(false)
    }

    /// Like [`set`](Self::set), and tells when the store could not do it.
    ///
    /// # Errors
    /// As [`try_get`](Self::try_get), and [`ErrorKind::Invalid`] for a value that refuses to be serialized.
    pub async fn try_set<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool, Error> {
        let mut set = self.set_together(&[(key, value)], ttl.into()).await;
        set.pop().unwrap_or(Ok(false))
    }

    /// The same for many; how many were stored. Two round trips for 256 of them.
    pub async fn mset<T: Serialize>(
        &self,
        entries: &[(Key, T)],
        ttl: impl Into<Option<Duration>>,
    ) -> usize {
        let (ttl, mut stored) = (ttl.into(), 0);
        for entries in entries.chunks(self.engine.store.together()) {
            let entries: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
            let set = self.set_together(&entries, ttl).await;
            stored += set.iter().filter(|set| matches!(set, Ok(true))).count();
        }
        stored
    }

    /// Like [`mset`](Self::mset), and tells when the store could not do all of it; some may have been stored.
    ///
    /// # Errors
    /// As [`try_set`](Self::try_set).
    pub async fn try_mset<T: Serialize>(
        &self,
        entries: &[(Key, T)],
        ttl: impl Into<Option<Duration>>,
    ) -> Result<usize, Error> {
        let (ttl, mut stored) = (ttl.into(), 0);
        for entries in entries.chunks(self.engine.store.together()) {
            let entries: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
            for set in self.set_together(&entries, ttl).await {
                stored += usize::from(set?);
            }
        }
        Ok(stored)
    }

    /// What is stored under `key`, or what `load` answers, which is stored then. Of all callers of this process that miss at once one
    /// loads, and a load that something invalidates meanwhile is answered and not stored, as for `#[cached]`.
    #[doc(alias = "get_or_compute", alias = "get_with")]
    pub async fn get_or_set<T: Storable>(
        &self,
        key: &Key,
        ttl: impl Into<Option<Duration>>,
        load: impl Future<Output = T>,
    ) -> T {
        let stored = private::stored(&private::probe_type::<T>(), Plain);
        let mut call = self.call(key, ttl.into());
        private::cached(&mut call, stored, stored.rules(), pin!(load)).await
    }

    /// The same for a load that may fail; an `Err` is not stored.
    ///
    /// # Errors
    /// Those of `load` alone.
    pub async fn get_or_try_set<T: Storable, E>(
        &self,
        key: &Key,
        ttl: impl Into<Option<Duration>>,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let stored = private::stored(&private::probe_type::<Result<T, E>>(), Fallible);
        let mut call = self.call(key, ttl.into());
        private::cached(&mut call, stored, stored.rules(), pin!(load)).await
    }

    /// Removes `key`, and keeps loads of it on their way from being stored: an [invalidation](Self::invalidate), queued where Redis
    /// is away. For keys of a pattern, or many keys, use that.
    #[doc(alias = "del", alias = "remove")]
    pub async fn delete(&self, key: &Key) {
        let targets = vec![Target::from(key.clone())];
        // Logged and counted where it happened.
        let _ = self
            .make_old(key.site(), AuditAction::Delete, targets)
            .await;
    }

    /// Like [`delete`](Self::delete), and tells when it was queued.
    ///
    /// # Errors
    /// As [`try_invalidate`](Self::try_invalidate).
    pub async fn try_delete(&self, key: &Key) -> Result<(), Error> {
        let targets = vec![Target::from(key.clone())];
        self.within_limit(AuditAction::Delete, &targets).await?;
        self.make_old(key.site(), AuditAction::Delete, targets)
            .await
    }

    /// Makes everything under the cache's prefix old, on all instances, whoever stored it. It walks through all names, and removes what it
    /// finds; locks, counters and queues are no answers, and stay.
    ///
    /// Where Redis is away it is queued, and until it is done this instance answers everything from the sources.
    #[doc(alias = "flush")]
    pub async fn clear(&self, Everything: Everything) {
        let _ = self
            .make_old(&BY_HAND, AuditAction::Clear, vec![Target::All])
            .await;
    }

    /// Like [`clear`](Self::clear), and tells when it was queued.
    ///
    /// # Errors
    /// As [`try_invalidate`](Self::try_invalidate).
    pub async fn try_clear(&self, Everything: Everything) -> Result<(), Error> {
        let targets = vec![Target::All];
        self.within_limit(AuditAction::Clear, &targets).await?;
        self.make_old(&BY_HAND, AuditAction::Clear, targets).await
    }

    /// Whether there is something current under `key`, whatever it is. One round trip, which brings the entry.
    pub async fn exists(&self, key: &Key) -> bool {
        self.try_exists(key).await.unwrap_or(false)
    }

    /// Like [`exists`](Self::exists), and tells when the store could not be asked.
    ///
    /// # Errors
    /// As [`try_get`](Self::try_get).
    pub async fn try_exists(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.find(key).await?.is_some())
    }

    /// For how long what is under `key` is fresh yet; `None` when there is nothing current.
    pub async fn ttl(&self, key: &Key) -> Option<Duration> {
        self.try_ttl(key).await.ok().flatten()
    }

    /// Like [`ttl`](Self::ttl), and tells when the store could not be asked.
    ///
    /// # Errors
    /// As [`try_get`](Self::try_get).
    pub async fn try_ttl(&self, key: &Key) -> Result<Option<Duration>, Error> {
        Ok(self.find(key).await?.and_then(|found| found.fresh))
    }

    /// Lets what is under `key` be fresh for `ttl` from now on, longer or shorter than it was; whether there was something current. Near
    /// caches of other instances keep what they have, for `local` at most. Two round trips.
    pub async fn expire(&self, key: &Key, ttl: Duration) -> bool {
        self.try_expire(key, ttl).await.unwrap_or(false)
    }

    /// Like [`expire`](Self::expire), and tells when the store could not do it.
    ///
    /// # Errors
    /// As [`try_get`](Self::try_get).
    pub async fn try_expire(&self, key: &Key, ttl: Duration) -> Result<bool, Error> {
        let policy = key.site().policy;
        let session = self.engine.session_by_hand(key, Mode::Usual, &policy);
        let done = session.expire(ttl).await;
        self.note(AuditAction::Expire, key, AuditOutcome::of(&done));
        Ok(done?)
    }

    /// The current entry of `key`, with its age.
    async fn find(&self, key: &Key) -> Result<Option<Found>, StoreError> {
        let policy = key.site().policy;
        let session = self.engine.session_by_hand(key, Mode::Usual, &policy);
        let mut found = self
            .engine
            .get_many(std::slice::from_ref(&session), true)
            .await;
        let found = found.pop().unwrap_or(Ok(None));
        self.note(AuditAction::Read, key, AuditOutcome::of_read(&found));
        found
    }

    async fn get_together<T: Storable>(&self, keys: &[Key]) -> Vec<Result<Option<T>, StoreError>> {
        let policies: Vec<Policy> = keys.iter().map(|key| key.site().policy).collect();
        let sessions = keys.iter().zip(&policies);
        let mut sessions: Vec<_> = sessions
            .map(|(key, policy)| self.engine.session_by_hand(key, Mode::Usual, policy))
            .collect();
        let found = self.engine.get_many(&sessions, false).await;
        for (key, found) in keys.iter().zip(&found) {
            self.note(AuditAction::Read, key, AuditOutcome::of_read(found));
        }
        let found = sessions.iter_mut().zip(found);
        found
            .map(|(session, found)| found.map(|found| value(session, &found?)))
            .collect()
    }

    async fn set_together<T: Serialize + ?Sized>(
        &self,
        entries: &[(&Key, &T)],
        ttl: Option<Duration>,
    ) -> Vec<Result<bool, Error>> {
        let mut results: Vec<_> = entries.iter().map(|_| Ok(false)).collect();
        let policies: Vec<Policy> = entries.iter().map(|(key, _)| key.site().policy).collect();
        let (mut places, mut sessions, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (key, value)) in entries.iter().enumerate() {
            let session = self
                .engine
                .session_by_hand(key, Mode::Refresh, &policies[at]);
            let mut entry = envelope::begin();
            let wanted = self.engine.codec_of::<T>(&policies[at].storage);
            let Some(codec) = codec::encode(*value, wanted, &mut entry) else {
                session.not_encodable();
                results[at] = Err(Error::new(
                    ErrorKind::Invalid,
                    format!("the value for `{key}` refused to be serialized"),
                ));
                continue;
            };
            places.push(at);
            sessions.push(session);
            loaded.push(Loaded {
                entry,
                codec,
                fell_back: codec != wanted,
                absent: false,
                ttl: Some(ttl.or(policies[at].ttl).unwrap_or(self.engine.default_ttl)),
            });
        }
        let done = self.engine.set_many(&sessions, loaded).await;
        for (at, done) in places.into_iter().zip(done) {
            results[at] = done.map_err(Error::from);
        }
        let mut old = Vec::new();
        for ((key, _), done) in entries.iter().zip(&results) {
            self.note(AuditAction::Write, key, AuditOutcome::of(done));
            if !matches!(done, Ok(true)) && key.is_usable() {
                old.push(Target::from((*key).clone()));
            }
        }
        if !old.is_empty() {
            // What is stored under these is not what it should be. What fails is logged, counted and queued there.
            let _ = self.engine.invalidate(&BY_HAND, old).await;
        }
        results
    }

    fn call(&self, key: &Key, ttl: Option<Duration>) -> Call<'_> {
        self.note(AuditAction::Read, key, AuditOutcome::Done);
        let call = Call::new(key.site(), key.clone()).cache(self);
        match ttl {
            Some(ttl) => call.ttl(ttl),
            None => call,
        }
    }
}

/// The value of a current entry, if it is a `T`.
fn value<T: Storable>(session: &mut Session<'_>, found: &Found) -> Option<T> {
    let Some((codec, bytes)) = found.value() else {
        // "Nothing there" was the answer.
        session.served(found, None);
        return None;
    };
    let value = T::decode(codec, bytes);
    match value {
        Some(_) => session.served(found, None),
        None => session.distrust(found),
    }
    value
}
