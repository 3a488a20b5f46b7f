//! Where answers came from, for whoever asks ([`Cache::observe`](crate::Cache::observe)).

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::control::Names;
use crate::key::Key;
use crate::scoped::{self, Scoped};
use crate::site::Site;
use crate::sync::{Mutex, lock};

/// Calls that are told one by one; those past it are only counted.
const MOST: usize = 1_000;

tokio::task_local! {
    static CURRENT: Scoped<Arc<Collector>>;
}

/// Where the answer of a call came from. What spares more comes before what spares less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// The near cache of this process.
    NearHit,
    /// The store.
    Hit,
    /// The store, after the answer's ttl: within `stale_while_revalidate`, or in the place of an error or a slow load.
    Stale,
    /// Another caller's load.
    Coalesced,
    /// The function's body, after a miss or because a fresh answer was asked for.
    Load,
    /// The function's body, without a look: switched off, `uncached`, without a usable key, or of a key that the transaction around the call has
    /// invalidated.
    Bypass,
    /// The function's body or another caller's load, as the store could not be asked or an undelivered invalidation names the key.
    Degraded,
}

impl Source {
    /// In lower case, as for a header: `near-hit`, `hit`, `stale`, `coalesced`, `load`, `bypass`, `degraded`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NearHit => "near-hit",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
            Self::Load => "load",
            Self::Bypass => "bypass",
            Self::Degraded => "degraded",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One answered call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// The function's path.
    pub function: &'static str,
    /// Where its answer came from.
    pub source: Source,
    /// How long ago it was loaded, as its expiry tells; `None` for an entry that has lost its expiry.
    pub age: Option<Duration>,
    /// For how long it is fresh yet. Zero past its ttl, for what another caller has loaded, and for what is not stored.
    pub fresh: Duration,
}

/// How old an answer is, and for how long it is fresh yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    pub(crate) age: Option<Duration>,
    pub(crate) fresh: Duration,
}

impl Freshness {
    /// Of what was loaded now, and is kept for so long.
    pub(crate) fn loaded(fresh: Duration) -> Self {
        let age = Some(Duration::ZERO);
        Self { age, fresh }
    }
}

/// The calls of cached functions that were answered inside [`Cache::observe`](crate::Cache::observe), in the order of their answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observations {
    /// The first 1,000 of them.
    pub calls: Vec<Observed>,
    /// How many there were beyond those.
    pub more: usize,
}

impl Observations {
    /// How many of [`calls`](Self::calls) were answered from there.
    pub fn count(&self, source: Source) -> usize {
        self.calls
            .iter()
            .filter(|call| call.source == source)
            .count()
    }
}

#[derive(Debug)]
struct Collector {
    seen: Mutex<Observations>,
    names: Names,
    outer: Option<Arc<Self>>,
}

impl Collector {
    fn take(&self) -> Observations {
        std::mem::take(&mut *lock(&self.seen))
    }

    fn note(&self, site: &'static Site, key: &Key, call: Observed) {
        let mut seen = lock(&self.seen);
        if seen.calls.len() < MOST {
            seen.calls.push(call);
            self.names.add(site, key);
        } else {
            seen.more += 1;
        }
        drop(seen);
        if let Some(outer) = &self.outer {
            outer.note(site, key, call);
        }
    }
}

/// Runs `work` and tells what was answered inside it.
pub(crate) fn observe<F: Future>(work: F) -> impl Future<Output = (F::Output, Observations)> {
    let collected = collect(work);
    async {
        let (answer, collector) = collected.await;
        (answer, collector.take())
    }
}

/// The same, with the key of each call; `None` for those that nobody may read.
#[cfg(feature = "testing")]
pub(crate) fn observe_names<F: Future>(
    work: F,
) -> impl Future<Output = (F::Output, Observations, Vec<Option<String>>)> {
    let collected = collect(work);
    async {
        let (answer, collector) = collected.await;
        (answer, collector.take(), collector.names.take())
    }
}

fn collect<F: Future>(work: F) -> impl Future<Output = (F::Output, Arc<Collector>)> {
    // In a box: futures in futures in futures grow large.
    let work = Box::pin(work);
    async {
        let collector = Arc::new(Collector {
            seen: Mutex::default(),
            names: Default::default(),
            outer: CURRENT.try_with(|outer| Arc::clone(outer)).ok(),
        });
        let scoped = Scoped::new(collector.clone());
        let answer = CURRENT.scope(scoped, work).await;
        (answer, collector)
    }
}

/// Whether anybody asks, who wants to know how old answers are.
pub(crate) fn is_observed() -> bool {
    scoped::is_any() && CURRENT.try_with(|_| ()).is_ok()
}

/// A call of `site` was answered.
pub(crate) fn note(site: &'static Site, key: &Key, source: Source, freshness: Freshness) {
    let call = Observed {
        function: site.function,
        source,
        age: freshness.age,
        fresh: freshness.fresh,
    };
    // Nobody asks, usually.
    let _ = CURRENT.try_with(|collector| collector.note(site, key, call));
}
