//! Listing keys, as a stream.

#[cfg(feature = "http")]
use std::time::Instant;

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

/// Where a page of keys begins: so many keys into a step.
#[cfg(feature = "http")]
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Page {
    pub(crate) step: u64,
    pub(crate) skip: usize,
}

#[cfg(feature = "http")]
impl Cache {
    /// So many keys from `page` on, or those that were found `until` then; and where the next page begins.
    pub(crate) async fn page(
        &self,
        pattern: Option<&Pattern>,
        page: Page,
        most: usize,
        until: Instant,
    ) -> Result<(Vec<String>, Option<Page>), Error> {
        let (mut page, mut all) = (page, Vec::new());
        loop {
            let found = step(&self.engine, page.step, pattern).await;
            let outcome = AuditOutcome::of_read(&found);
            if page == Page::default() || outcome == AuditOutcome::Failed {
                self.note(AuditAction::List, &told(pattern), outcome);
            }
            let (next, mut keys) = found?;
            // The same step brings the same names, in any order.
            keys.sort_unstable();
            let left = keys.len().saturating_sub(page.skip);
            let taken = left.min(most - all.len());
            all.extend(keys.into_iter().skip(page.skip).take(taken));
            if taken < left {
                page.skip += taken;
                return Ok((all, Some(page)));
            }
            if next == 0 {
                return Ok((all, None));
            }
            page = Page {
                step: next,
                skip: 0,
            };
            if all.len() == most || Instant::now() >= until {
                return Ok((all, Some(page)));
            }
        }
    }
}

fn told(pattern: Option<&Pattern>) -> &str {
    pattern.map_or("everything", Pattern::as_str)
}

async fn step(
    engine: &Engine,
    cursor: u64,
    pattern: Option<&Pattern>,
) -> Result<(u64, Vec<String>), StoreError> {
    let patience = engine.patience.background;
    let step = engine.store.keys(cursor, pattern, patience).await;
    step.inspect_err(|error| {
        let pattern = told(pattern);
        let scanned = Key::parsed(pattern.to_owned());
        let function = engine.register.function(scanned.site());
        function.counters.degraded.one();
        tracing::debug!(pattern, %error, "listing keys ended early");
    })
}
