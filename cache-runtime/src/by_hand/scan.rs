//! Listing keys, as a stream.

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::Cache;
use crate::audit::{AuditAction, AuditOutcome};
use crate::engine::Engine;
use crate::error::Error;
use crate::key::{Key, Pattern, Target};
use crate::store::StoreError;

impl Cache {
    /// The keys that `pattern` matches, as they come; in Redis a thousand names are looked at in one round trip. It ends early where Redis
    /// fails, which is counted.
    ///
    /// These are names: what stands under one may have been invalidated and not expired yet. A key that is there from beginning to end
    /// comes at least once, and seldom twice; any other may come or not.
    ///
    /// ```
    /// use cache_runtime::{Cache, Pattern};
    /// use futures_util::StreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::current();
    /// cache.namespace("tasks").set(&7, "Buy milk").await;
    /// let keys: Vec<_> = cache.scan(Pattern::parse("tasks:*")?).collect().await;
    /// assert_eq!(keys[0].as_str(), "tasks:7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn scan(&self, pattern: Pattern) -> impl Stream<Item = Key> + Send + Unpin + use<> {
        let keys = self.try_scan(pattern);
        keys.take_while(|key| std::future::ready(key.is_ok()))
            .filter_map(|key| std::future::ready(key.ok()))
    }

    /// Like [`scan`](Self::scan), and tells when the store could not be asked: the last item then.
    pub fn try_scan(
        &self,
        pattern: Pattern,
    ) -> impl Stream<Item = Result<Key, Error>> + Send + Unpin + use<> {
        self.listed(Some(pattern))
    }

    /// Like [`try_scan`](Self::try_scan), of all keys. In Redis there are none for a cache without a prefix, as names that are not the cache's stand
    /// among them.
    pub fn try_scan_all(&self) -> impl Stream<Item = Result<Key, Error>> + Send + Unpin + use<> {
        self.listed(None)
    }

    fn listed(
        &self,
        pattern: Option<Pattern>,
    ) -> impl Stream<Item = Result<Key, Error>> + Send + Unpin + use<> {
        let cache = self.clone();
        let steps = stream::try_unfold(Some(0), move |cursor| {
            let (cache, pattern) = (cache.clone(), pattern.clone());
            async move {
                let Some(cursor) = cursor else {
                    return Ok(None);
                };
                let found = step(&cache.engine, cursor, pattern.as_ref()).await;
                if cursor == 0 {
                    let listed = pattern.map_or(Target::All, Target::from);
                    cache.note(AuditAction::List, &listed, AuditOutcome::of_read(&found));
                }
                let (next, keys) = found?;
                let keys = keys.into_iter().map(|key| Ok(Key::parsed(key)));
                Ok::<_, Error>(Some((stream::iter(keys), (next != 0).then_some(next))))
            }
        });
        Box::pin(steps.try_flatten())
    }
}

async fn step(
    engine: &Engine,
    cursor: u64,
    pattern: Option<&Pattern>,
) -> Result<(u64, Vec<String>), StoreError> {
    let patience = engine.patience.background;
    let step = engine.store.keys(cursor, pattern, patience).await;
    step.inspect_err(|error| {
        let scanned = pattern.map_or("*", Pattern::as_str);
        let site = Key::parsed(scanned.to_owned()).site();
        engine.register.function(site).counters.degraded.one();
        tracing::debug!(pattern = scanned, %error, "listing keys ended early");
    })
}
