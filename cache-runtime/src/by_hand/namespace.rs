//! A namespace and what it does by hand, for keys that are one value under it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::{BY_HAND, Cache};
use crate::audit::AuditAction;
use crate::codec::Storable;
use crate::error::Error;
use crate::key::{Key, KeyPart, Pattern, PatternError, Target};

/// The keys under one name, with a ttl of their own; made by [`Cache::namespace`].
///
/// Its operations are those of the [cache](Cache#operations-by-hand) for the key of one value; [`key`](Self::key) makes longer ones.
#[derive(Clone)]
pub struct Namespace {
    cache: Cache,
    name: String,
    ttl: Option<Duration>,
}

impl Cache {
    /// The keys under `name`, such as `agents` or `exec:dashboard`. Whatever cannot stand in a key is encoded.
    pub fn namespace(&self, name: &str) -> Namespace {
        Namespace {
            cache: self.clone(),
            name: name.to_owned(),
            ttl: None,
        }
    }
}

impl Namespace {
    /// How long what is set here is fresh. Default: that of the cache.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The key of `values`, one segment each.
    pub fn key<'a>(&self, values: impl IntoIterator<Item = &'a dyn KeyPart>) -> Key {
        Key::new(&self.name, values)
    }

    /// [`Cache::get`].
    pub async fn get<T: Storable>(&self, id: &impl KeyPart) -> Option<T> {
        self.cache.get(&self.of(id)).await
    }

    /// [`Cache::try_get`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_get<T: Storable>(&self, id: &impl KeyPart) -> Result<Option<T>, Error> {
        self.cache.try_get(&self.of(id)).await
    }

    /// [`Cache::mget`].
    pub async fn mget<T: Storable>(&self, ids: &[impl KeyPart]) -> Vec<Option<T>> {
        self.cache.mget(&self.all(ids)).await
    }

    /// [`Cache::try_mget`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_mget<T: Storable>(
        &self,
        ids: &[impl KeyPart],
    ) -> Result<Vec<Option<T>>, Error> {
        self.cache.try_mget(&self.all(ids)).await
    }

    /// [`Cache::set`].
    pub async fn set<T: Serialize + ?Sized>(&self, id: &impl KeyPart, value: &T) -> bool {
        self.cache.set(&self.of(id), value, self.ttl).await
    }

    /// [`Cache::try_set`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_set<T: Serialize + ?Sized>(
        &self,
        id: &impl KeyPart,
        value: &T,
    ) -> Result<bool, Error> {
        self.cache.try_set(&self.of(id), value, self.ttl).await
    }

    /// [`Cache::mset`].
    pub async fn mset<K: KeyPart, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> usize {
        self.cache.mset(&self.entries(entries), self.ttl).await
    }

    /// [`Cache::try_mset`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_mset<K: KeyPart, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<usize, Error> {
        self.cache.try_mset(&self.entries(entries), self.ttl).await
    }

    /// [`Cache::get_or_set`].
    pub async fn get_or_set<T: Storable>(
        &self,
        id: &impl KeyPart,
        load: impl Future<Output = T>,
    ) -> T {
        self.cache.get_or_set(&self.of(id), self.ttl, load).await
    }

    /// [`Cache::get_or_try_set`].
    ///
    /// # Errors
    /// Those of `load` alone.
    pub async fn get_or_try_set<T: Storable, E>(
        &self,
        id: &impl KeyPart,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.cache
            .get_or_try_set(&self.of(id), self.ttl, load)
            .await
    }

    /// [`Cache::delete`].
    pub async fn delete(&self, id: &impl KeyPart) {
        self.cache.delete(&self.of(id)).await;
    }

    /// [`Cache::try_delete`].
    ///
    /// # Errors
    /// As there.
    pub async fn try_delete(&self, id: &impl KeyPart) -> Result<(), Error> {
        self.cache.try_delete(&self.of(id)).await
    }

    /// [`Cache::exists`].
    pub async fn exists(&self, id: &impl KeyPart) -> bool {
        self.cache.exists(&self.of(id)).await
    }

    /// [`Cache::ttl`]
    pub async fn remaining(&self, id: &impl KeyPart) -> Option<Duration> {
        self.cache.ttl(&self.of(id)).await
    }

    /// [`Cache::expire`].
    pub async fn expire(&self, id: &impl KeyPart, ttl: Duration) -> bool {
        self.cache.expire(&self.of(id), ttl).await
    }

    /// All keys here that `pattern` matches: `self.pattern("list:*")` in `agents` is `agents:list:*`. For [`Cache::invalidate`] and
    /// [`Cache::scan`].
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn pattern(&self, pattern: &str) -> Result<Pattern, PatternError> {
        Pattern::parse(&format!("{}:{pattern}", self.of_all()))
    }

    /// [Invalidates](Cache::invalidate) all keys here, whoever stored them; one round trip, however many there are.
    pub async fn clear(&self) {
        // Logged and counted where it happened.
        let _ = self
            .cache
            .make_old(&BY_HAND, AuditAction::Clear, self.everything())
            .await;
    }

    /// Like [`clear`](Self::clear), and tells when it was queued.
    ///
    /// # Errors
    /// As [`Cache::try_invalidate`].
    pub async fn try_clear(&self) -> Result<(), Error> {
        let targets = self.everything();
        self.cache
            .within_limit(AuditAction::Clear, &targets)
            .await?;
        self.cache
            .make_old(&BY_HAND, AuditAction::Clear, targets)
            .await
    }

    fn everything(&self) -> Vec<Target> {
        let bare = self.of_all();
        vec![Pattern::below(&bare).into(), bare.into()]
    }

    fn of(&self, id: &impl KeyPart) -> Key {
        Key::new(&self.name, [id as &dyn KeyPart])
    }

    fn all(&self, ids: &[impl KeyPart]) -> Vec<Key> {
        ids.iter().map(|id| self.of(id)).collect()
    }

    fn entries<K: KeyPart, T>(&self, entries: impl IntoIterator<Item = (K, T)>) -> Vec<(Key, T)> {
        let entries = entries.into_iter();
        entries.map(|(id, value)| (self.of(&id), value)).collect()
    }

    /// The bare name, as a key.
    fn of_all(&self) -> Key {
        Key::new(&self.name, [])
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
