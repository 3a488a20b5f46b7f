//! What happened, counted by function and namespace (promise P7).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::analytics::{Analysis, Timed, Weight};
use crate::meters::{FunctionMeters, Series};
use crate::near::Near;
use crate::outbox::Outbox;
use crate::report::some_seconds;
use crate::site::Site;
use crate::slots::Slots;
use crate::sync::{Mutex, lock};
use crate::tally::Tally;

#[cfg(feature = "metrics")]
macro_rules! metric {
    ($name:ident) => {
        concat!("cache_", stringify!($name), "_total")
    };
    ($name:ident $metric:ident) => {
        metric!($metric)
    };
}

macro_rules! counters {
    (@of) => { Counter };
    (@of $kind:ident) => { $kind };
    ($($(#[doc = $doc:literal])+ $name:ident $(: $kind:ident)? $(as $metric:ident from $source:literal)?),* $(,)?) => {
        /// The live counters of one function.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: counters!(@of $($kind)?),)*
        }

        /// How often each thing has happened.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.count(),)* }
            }
        }

        #[cfg(feature = "metrics")]
        impl Counters {
            /// What they are called elsewhere, in the order of [`untold`](Self::untold).
            pub(crate) const FIGURES: &[Figure] = &[$(
                Figure {
                    metric: metric!($name $($metric)?),
                    source: [$($source,)?].first().copied(),
                    doc: concat!($($doc),+),
                },
            )*];

            /// What has come since the last time, which `told` remembers.
            pub(crate) fn untold(&self, told: &Self) -> impl Iterator<Item = u64> {
                [$(self.$name.untold(&told.$name),)*].into_iter()
            }
        }

        impl std::ops::AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Look-ups answered from the cache.
    hits as hits from "store",
    /// Look-ups answered from the near cache of this process.
    near_hits: Tally as hits from "near",
    /// Answers past their ttl that were served: while they are loaded anew, or in the place of an error or a slow load.
    stale as hits from "stale",
    /// Look-ups that found nothing current.
    misses,
    /// Times that the function's body ran.
    loads,
    /// Loads that ended in `Err`.
    failed_loads,
    /// Loads that were given up after `load_timeout`.
    timed_out_loads,
    /// Loads in the background, to replace an answer that is stale or soon will be.
    refreshes,
    /// Refreshes that were not begun, as too many ran.
    skipped_refreshes,
    /// Callers that got their answer from another caller's load.
    coalesced,
    /// Callers that waited for another's load for as long as `lock` says, and then loaded for themselves.
    abandoned_waits,
    /// Bytes of the entries that answered look-ups, as they are stored.
    read_bytes,
    /// Answers stored.
    stores,
    /// Bytes of the entries stored.
    stored_bytes,
    /// Answers not stored because the key was invalidated while they were loaded, or the load took too long.
    refused_stores,
    /// Answers not stored because a writer had announced a write, or had just written, with `hold_off`.
    held_back,
    /// Answers not stored because they could not be serialized.
    unencodable,
    /// Answers not stored because they were larger, encoded, than `max_size`.
    too_large,
    /// Answers not stored because they were to be encrypted or signed, and the cache has no secrets.
    unprotected,
    /// Answers stored as JSON because the codec that was chosen could not write them, or not read them back.
    fallback_codec,
    /// Answers not stored because another program stores others under the same key, and was let in the last minute: see
    /// [`Codec`](crate::Codec).
    contested,
    /// Entries that were corrupt, foreign, of another version, not of the answer's type, or not to be opened: each was a miss.
    undecodable,
    /// Calls that did not look: switched off, `uncached`, without a usable key, or of a key that the transaction around them has
    /// invalidated.
    bypassed,
    /// Store operations that failed, and calls that an undelivered invalidation kept from the cache; the source answered.
    degraded,
    /// Keys, patterns and tags invalidated.
    invalidations,
    /// Keys, patterns and tags whose invalidation was queued: the store was away, or the writer was dropped.
    queued_invalidations,
    /// Writes that were not begun, with `on_unreachable = fail`.
    refused_writes,
}

/// A counter as others know it.
#[cfg(feature = "metrics")]
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) metric: &'static str,
    /// Where hits came from.
    pub(crate) source: Option<&'static str>,
    pub(crate) doc: &'static str,
}

impl Counts {
    /// Calls that looked.
    pub fn lookups(&self) -> u64 {
        self.hits + self.near_hits + self.stale + self.misses
    }

    /// The part of the look-ups that were hits, from 0 to 1; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.hits + self.near_hits + self.stale;
        (self.lookups() > 0).then(|| hits as f64 / self.lookups() as f64)
    }
}

impl Counters {
    fn lookups(&self) -> u64 {
        let answered = [&self.hits, &self.stale, &self.misses];
        let numbers = answered.map(|counter| counter.0.load(Ordering::Relaxed));
        numbers.iter().sum::<u64>() + self.near_hits.count()
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// How much has come since the last time, which `told` remembers. Of several that ask at once, each part is told to one.
    #[cfg(feature = "metrics")]
    pub(crate) fn untold(&self, told: &Self) -> u64 {
        told.rise_to(self.count())
    }

    /// By how much it rises.
    #[cfg(feature = "metrics")]
    pub(crate) fn rise_to(&self, count: u64) -> u64 {
        count.saturating_sub(self.0.fetch_max(count, Ordering::Relaxed))
    }

    /// Whether it is the first.
    pub(crate) fn one_is_first(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }
}

/// One annotated function, as one cache knows it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) site: &'static Site,
    pub(crate) namespace: &'static str,
    pub(crate) origin: u32,
    pub(crate) counters: Counters,
    /// What of them the recorder of metrics knows.
    #[cfg(feature = "metrics")]
    pub(crate) told: Counters,
    pub(crate) meters: FunctionMeters,
    /// Beyond its counters; `None` where that is switched off, and for what is no cached function.
    pub(crate) analysis: Option<Box<Analysis>>,
    /// Another function of this cache has the same keys: this one is not cached.
    pub(crate) shadowed: bool,
}

impl Function {
    /// How closely its next call is looked at.
    pub(crate) fn weight(&self) -> Weight {
        match &self.analysis {
            Some(analysis) => analysis.weight_of_next(|| self.counters.lookups()),
            None => Weight::NONE,
        }
    }
}

/// The functions that a cache has met.
pub(crate) struct Register {
    /// Whether their calls are analysed.
    analytics: bool,
    series: Series,
    since: Instant,
    /// By the site's number.
    functions: Slots<Arc<Function>>,
    /// Held while one is entered.
    entering: Mutex<()>,
}

impl Register {
    pub(crate) fn new(analytics: bool, series: Series) -> Self {
        Self {
            analytics,
            series,
            since: Instant::now(),
            functions: Slots::new(),
            entering: Mutex::new(()),
        }
    }

    #[inline]
    pub(crate) fn function(&self, site: &'static Site) -> &Arc<Function> {
        let number = site.number();
        let known = self.functions.get(number);
        known.unwrap_or_else(|| self.enter(site, number))
    }

    #[cold]
    fn enter(&self, site: &'static Site, number: usize) -> &Arc<Function> {
        let _entering = lock(&self.entering);
        if let Some(function) = self.functions.get(number) {
            return function;
        }
        let origin = site.origin();
        // Those that are declared to share their keys have one origin.
        let twin = self.functions.iter().find(|other| {
            let same_keys = !site.template.is_empty() && other.site.template == site.template;
            same_keys && (other.origin != origin || site.rivals(other.site))
        });
        if let Some(twin) = twin {
            tracing::error!(
                function = site.function,
                twin = twin.site.function,
                keys = site.template,
                "two functions have the same keys, so that each would answer for the other; the second one runs uncached: give it its own namespace"
            );
        }
        let namespace = site.namespace();
        let function = Arc::new(Function {
            site,
            namespace,
            origin,
            counters: Counters::default(),
            #[cfg(feature = "metrics")]
            told: Counters::default(),
            meters: self.series.function(site.function, namespace),
            analysis: (self.analytics && site.answers())
                .then(|| Box::new(Analysis::new(site.shows_keys()))),
            shadowed: twin.is_some(),
        });
        self.functions.get_or_init(number, || function)
    }

    /// All of them.
    pub(crate) fn functions(&self) -> Vec<Arc<Function>> {
        self.functions.iter().cloned().collect()
    }

    /// How long the cache has been there.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub(crate) fn stats(&self, outbox: &Outbox, near: &Near) -> Stats {
        let functions = self.functions();
        let functions = functions.iter().map(|function| FunctionStats {
            function: function.site.function,
            namespace: function.namespace,
            counts: function.counters.counts(),
            lookup_times: function.analysis.as_deref().map(Analysis::lookup_times),
            load_times: function.analysis.as_deref().map(Analysis::load_times),
        });
        let (near_values, near_bytes) = near.size();
        let mut stats = Stats {
            near_values,
            near_bytes,
            pending_invalidations: outbox.depth(),
            oldest_pending: outbox.age(),
            callers: Vec::new(),
            audit_dropped: 0,
            replicas: None,
            total: Counts::default(),
            functions: functions.collect(),
        };
        stats
            .functions
            .sort_by_key(|function| (function.namespace, function.function));
        for function in &stats.functions {
            stats.total += function.counts;
        }
        stats
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register").finish_non_exhaustive()
    }
}

/// What a cache has done since it was built.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Invalidations that wait to be delivered.
    pub pending_invalidations: usize,
    /// How long the oldest of them waits; serialized in seconds.
    #[serde(serialize_with = "some_seconds")]
    pub oldest_pending: Option<Duration>,
    /// Values in the near cache.
    pub near_values: usize,
    /// What they weigh, counted as they are encoded, with their keys.
    pub near_bytes: u64,
    /// What was invalidated through handles with a name, ordered by it; the first 1,000 names, and the rest together.
    pub callers: Vec<CallerStats>,
    /// Records that the [log](crate::Audit::log) did not take, as too many waited.
    pub audit_dropped: u64,
    /// What replicas have answered; `None` where they are [not read](crate::Builder::read_from).
    pub replicas: Option<ReplicaStats>,
    /// All functions together.
    pub total: Counts,
    /// Each function that was called, ordered by namespace.
    pub functions: Vec<FunctionStats>,
}

impl Stats {
    /// The functions of each namespace together; writing functions have none and stand under `""`.
    pub fn namespaces(&self) -> HashMap<&'static str, Counts> {
        let mut namespaces = HashMap::new();
        for function in &self.functions {
            *namespaces.entry(function.namespace).or_default() += function.counts;
        }
        namespaces
    }

    /// What the function of this path (`crate::module::name`) has done; the end of the path suffices.
    pub fn function(&self, path: &str) -> Option<Counts> {
        let mut functions = self.functions.iter();
        let named = functions.find(|function| ends_path(function.function, path));
        named.map(|function| function.counts)
    }
}

/// Whether `end` is the whole of `path`, or the last of its names.
pub(crate) fn ends_path(path: &str, end: &str) -> bool {
    let rest = path.strip_suffix(end);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// What one annotated function has done.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct FunctionStats {
    /// The function's path.
    pub function: &'static str,
    /// Its namespace; empty for a function that only invalidates.
    pub namespace: &'static str,
    /// How often each thing has happened.
    pub counts: Counts,
    /// What its look-ups in the store have taken; `None` where it is not [analysed](crate::Builder::analytics).
    pub lookup_times: Option<Timed>,
    /// What its loads have taken; `None` where it is not analysed.
    pub load_times: Option<Timed>,
}

/// How often replicas were asked for the bytes of an entry that their master has, and what came of it: [`ReadFrom`](crate::ReadFrom).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReplicaStats {
    /// Replicas that are connected now, of all masters.
    pub connected: usize,
    /// They had the entry.
    pub answered: u64,
    /// They had another one or none, as they lag: the master was asked.
    pub behind: u64,
    /// They did not answer in half of the operation's time, or failed: the master was asked.
    pub silent: u64,
}

/// What was invalidated through the handles of one name: [`Cache::by`](crate::Cache::by).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CallerStats {
    /// `None`: all together that came after the first 1,000.
    pub name: Option<String>,
    /// Keys, patterns and tags, those that were queued too.
    pub invalidations: u64,
    /// Operations that the [limit](crate::Builder::invalidation_limit) refused.
    pub limited: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::Protection;

    const fn hidden() -> Site {
        let mut site = Site::new("hidden", "b:{}");
        site.policy.storage.protection = Some(Protection::Encrypted);
        site
    }

    #[test]
    fn only_cached_functions_are_analysed_and_none_where_it_is_switched_off() {
        static CACHED: Site = Site::new("cached", "a:{}");
        static HIDDEN: Site = hidden();
        static WRITING: Site = Site::new("writing", "");
        let register = |analytics| Register::new(analytics, Series::of_cache("cache"));
        let (on, off) = (register(true), register(false));
        let keys_of = |site| {
            let function = on.function(site);
            function.analysis.as_ref().map(|analysis| {
                analysis.missed("b:7", Weight::of_next(0));
                analysis.hottest(9).len()
            })
        };
        assert_eq!(keys_of(&CACHED), Some(1));
        assert_eq!(keys_of(&HIDDEN), Some(0));
        assert_eq!(keys_of(&WRITING), None);
        assert_eq!(keys_of(Site::by_hand("sessions")), None);
        assert!(off.function(&CACHED).analysis.is_none());
    }
}
