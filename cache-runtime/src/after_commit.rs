//! Invalidations inside a database transaction: they wait for the commit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, Pledge};
use crate::key::{Key, Tag, Target};
use crate::scoped::{self, Scoped};
use crate::site::Site;
use crate::store::Mark;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::targets::Targets;

/// Targets that a transaction holds back one by one; past that they are widened to whole domains.
const LIMIT: usize = 10_000;

tokio::task_local! {
    static CURRENT: Scoped<Arc<Held>>;
}

/// Collects the invalidations of a database transaction, and does them after its commit.
///
/// Invalidated before the commit, an answer is loaded again from the old row, stored, and stays: the transaction is not visible yet.
///
/// ```
/// use cache_runtime::{AfterCommit, invalidates};
/// # struct Tx;
/// # impl Tx { async fn commit(self) -> Result<(), std::io::Error> { Ok(()) } }
/// # async fn begin() -> Result<Tx, std::io::Error> { Ok(Tx) }
///
/// #[invalidates("titles:{task_id}")]
/// async fn rename(tx: &mut Tx, task_id: u64, title: &str) -> Result<(), std::io::Error> {
///     Ok(())
/// }
///
/// # async fn example() -> Result<(), std::io::Error> {
/// let mut tx = begin().await?;
/// let invalidations = AfterCommit::new();
/// invalidations.scope(rename(&mut tx, 7, "Buy bread")).await?; // collected
/// tx.commit().await?;
/// invalidations.committed().await;                             // done
/// # Ok(())
/// # }
/// ```
///
/// Dropped without a word, as by the `?` of a commit that failed, it is in doubt whether the transaction was committed: then the
/// invalidations are queued and done.
///
/// Inside the scope cached functions load what has been invalidated there, and store nothing of it, so that nobody else sees rows that are
/// not committed. That holds for calls in the scope's own task; tasks that it spawns are outside. A cached function that reads rows which
/// the transaction has written and no `#[invalidates]` has named would store them: name them first.
///
/// An `AfterCommit` that is made inside the scope of another, as for a savepoint, hands over to that one.
#[derive(Debug)]
#[must_use = "dropped at once, it delays nothing"]
pub struct AfterCommit {
    held: Arc<Held>,
}

/// What is held back of one cache.
#[derive(Debug)]
struct OfCache {
    engine: Arc<Engine>,
    targets: Targets,
    /// What its writers have announced, to be taken down at the end.
    announced: Vec<(Vec<Target>, Mark)>,
}

/// What a transaction holds back.
#[derive(Debug)]
pub(crate) struct Held {
    /// `None` when the transaction is over.
    caches: Mutex<Option<Vec<OfCache>>>,
    outer: Option<Arc<Self>>,
}

impl AfterCommit {
    /// Nothing is collected yet.
    pub fn new() -> Self {
        let held = Held {
            caches: Mutex::new(Some(Vec::new())),
            outer: Held::current(),
        };
        Self {
            held: Arc::new(held),
        }
    }

    /// Runs `work` and collects its invalidations; as often as wanted.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        let held = Scoped::new(self.held.clone());
        CURRENT.scope(held, work).await
    }

    /// The transaction is committed: does what was collected. What cannot be delivered is queued, also when this future is dropped.
    pub async fn committed(self) {
        let (owed, announced) = self.held.end();
        for pledge in owed {
            // Logged, counted and queued there.
            let _ = pledge.redeem(Mark::Untouched).await;
        }
        announced.end().await;
    }

    /// The transaction is rolled back: forgets what was collected. What its writers have announced is taken back.
    pub async fn rolled_back(self) {
        let (owed, announced) = self.held.end();
        owed.into_iter().for_each(Pledge::release);
        announced.end().await;
    }
}

impl Default for AfterCommit {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for AfterCommit {
    /// In doubt the invalidations are done, and announcements stay up for their lease.
    fn drop(&mut self) {
        let (owed, _) = self.held.end();
        if !owed.is_empty() {
            tracing::warn!(
                "an AfterCommit was dropped, neither committed nor rolled back: its invalidations are done now"
            );
        }
    }
}

impl Held {
    /// The transaction around the present task.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(|held| Arc::clone(held)).ok()
    }

    /// Whether there is one.
    pub(crate) fn is_any() -> bool {
        scoped::is_any() && CURRENT.try_with(|_| ()).is_ok()
    }

    /// Whether the transaction around the present task holds back something that names `key` or one of `tags`.
    pub(crate) fn names(engine: &Arc<Engine>, key: &Key, tags: &[Tag]) -> bool {
        CURRENT
            .try_with(|held| held.name(engine, key, tags))
            .unwrap_or(false)
    }

    fn name(&self, engine: &Arc<Engine>, key: &Key, tags: &[Tag]) -> bool {
        let named =
            |held: &OfCache| Arc::ptr_eq(&held.engine, engine) && held.targets.names(key, tags);
        self.caches().iter().flatten().any(named)
            || self
                .outer
                .as_ref()
                .is_some_and(|outer| outer.name(engine, key, tags))
    }

    /// Holds `targets` back, and what was announced with them; `false` when the transaction is over.
    pub(crate) fn add(
        &self,
        engine: &Arc<Engine>,
        targets: &[Target],
        hold_off: Duration,
        announced: Mark,
    ) -> bool {
        let mut caches = self.caches();
        let Some(caches) = &mut *caches else {
            return false;
        };
        let known = caches
            .iter()
            .position(|held| Arc::ptr_eq(&held.engine, engine));
        let at = known.unwrap_or_else(|| {
            caches.push(OfCache {
                engine: engine.clone(),
                targets: Targets::new(LIMIT),
                announced: Vec::new(),
            });
            caches.len() - 1
        });
        let held = &mut caches[at];
        held.targets.add(targets.iter().cloned(), hold_off);
        if announced != Mark::Untouched {
            held.announced.push((targets.to_vec(), announced));
        }
        true
    }

    /// Ends the transaction: what it held back is owed now, to the one around it or to the stores.
    fn end(&self) -> (Vec<Pledge>, Announced) {
        static SITE: Site = Site::new("AfterCommit", "");
        let mut announced = Vec::new();
        let caches = self.caches().take().unwrap_or_default();
        let owed = caches.into_iter().map(|held| {
            let hold_off = held.targets.iter().map(|(_, item)| item.hold_off).max();
            let targets = held.targets.iter().map(|(target, _)| target.clone());
            let marks = held.announced.into_iter();
            announced.extend(marks.map(|(targets, mark)| (held.engine.clone(), targets, mark)));
            Pledge::new(
                &held.engine,
                &SITE,
                targets.collect(),
                hold_off.unwrap_or_default(),
            )
            .within(self.outer.clone())
        });
        let owed = owed.collect();
        (owed, Announced(announced))
    }

    fn caches(&self) -> MutexGuard<'_, Option<Vec<OfCache>>> {
        lock(&self.caches)
    }
}

/// What a transaction's writers have announced.
struct Announced(Vec<(Arc<Engine>, Vec<Target>, Mark)>);

impl Announced {
    /// Takes it down. Where that fails, it ends with its lease.
    async fn end(self) {
        for (engine, targets, mark) in self.0 {
            if let Err(error) = engine
                .make_old(
                    &targets,
                    mark.closing(Duration::ZERO),
                    engine.patience.operation,
                )
                .await
            {
                tracing::debug!(%error, "an announcement stays up until its lease ends");
            }
        }
    }
}
