//! Histograms of the recorder: registered when their function or cache is made, and not looked up when something happens.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::{Histogram, Key, Label, Level, Metadata, with_recorder};

use crate::key::{Reach, Target};
use crate::observe::Counter;

/// What the recorder is told of where figures come from.
pub(crate) static ORIGIN: Metadata<'static> =
    Metadata::new("cache_runtime", Level::INFO, Some("cache_runtime"));

/// How the series of one cache are told from those of others.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    cache: Label,
}

impl Series {
    /// Caches with the same prefix share their series: what they count is added up.
    pub(crate) fn of_cache(prefix: &str) -> Self {
        Self {
            cache: Label::new("cache", Arc::<str>::from(prefix)),
        }
    }

    pub(crate) fn function(
        &self,
        function: &'static str,
        namespace: &'static str,
    ) -> FunctionMeters {
        let labels = vec![
            self.cache.clone(),
            Label::new("namespace", namespace),
            Label::new("function", function),
        ];
        let meter = |name| Meter::new(name, labels.clone());
        FunctionMeters {
            lookups: meter("cache_lookup_duration_seconds"),
            loads: meter("cache_load_duration_seconds"),
            labels,
        }
    }

    pub(crate) fn cache(self) -> CacheMeters {
        CacheMeters {
            batches: Meter::new("cache_batch_keys", vec![self.cache.clone()]),
            invalidated: Default::default(),
            audit_dropped: Counter::default(),
            label: self.cache,
        }
    }

    pub(crate) fn trips(&self) -> Trips {
        let meter = |outcome| {
            let labels = vec![self.cache.clone(), Label::new("outcome", outcome)];
            Meter::new("cache_round_trip_duration_seconds", labels)
        };
        Trips {
            ok: meter("ok"),
            failed: meter("failed"),
            timed_out: meter("timed_out"),
        }
    }
}

/// One histogram.
pub(crate) struct Meter {
    key: Key,
    /// Does nothing where there was no recorder.
    handle: ArcSwap<Histogram>,
}

impl Meter {
    fn new(name: &'static str, labels: Vec<Label>) -> Self {
        let key = Key::from_parts(name, labels);
        let handle = ArcSwap::from_pointee(registered(&key));
        Self { key, handle }
    }

    /// Tells the recorder of now from now on, if it has come after the last one was asked.
    pub(crate) fn renew(&self) {
        self.handle.store(Arc::new(registered(&self.key)));
    }

    fn time(&self, took: Duration) {
        self.handle.load().record(took);
    }
}

fn registered(key: &Key) -> Histogram {
    with_recorder(|recorder| recorder.register_histogram(key, &ORIGIN))
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({})", self.key.name())
    }
}

/// Of one function of one cache.
#[derive(Debug)]
pub(crate) struct FunctionMeters {
    pub(crate) labels: Vec<Label>,
    lookups: Meter,
    loads: Meter,
}

impl FunctionMeters {
    /// A look-up in the store has taken so long; of a batch, its part of that.
    pub(crate) fn looked_up(&self, took: Duration) {
        self.lookups.time(took);
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.time(took);
    }

    pub(crate) fn renew(&self) {
        self.lookups.renew();
        self.loads.renew();
    }
}

/// Of one cache.
#[derive(Debug)]
pub(crate) struct CacheMeters {
    pub(crate) label: Label,
    batches: Meter,
    pub(crate) invalidated: [Invalidated; 4],
    /// What the recorder knows of them.
    pub(crate) audit_dropped: Counter,
}

/// What was invalidated of one kind of scope, and what the recorder knows of it.
#[derive(Debug, Default)]
pub(crate) struct Invalidated {
    count: Counter,
    told: Counter,
}

impl Invalidated {
    /// In the order of [`CacheMeters::invalidated`].
    pub(crate) const SCOPES: [&str; 4] = ["key", "pattern", "tag", "everything"];

    pub(crate) fn untold(&self) -> u64 {
        self.count.untold(&self.told)
    }
}

impl CacheMeters {
    /// So many keys were asked for together.
    pub(crate) fn batched(&self, keys: usize) {
        if keys > 0 {
            self.batches.handle.load().record(keys as f64);
        }
    }

    pub(crate) fn invalidated(&self, target: &Target) {
        let scope = match target {
            Target::Pattern(pattern) if pattern.reach() == Reach::Exact => 0,
            Target::Pattern(_) => 1,
            Target::Tag(_) => 2,
            Target::Tags | Target::All => 3,
        };
        self.invalidated[scope].count.one();
    }

    pub(crate) fn renew(&self) {
        self.batches.renew();
    }
}

/// Of the round trips to Redis, by how they ended.
#[derive(Debug)]
pub(crate) struct Trips {
    pub(crate) ok: Meter,
    /// Redis refused, or the connection broke.
    pub(crate) failed: Meter,
    pub(crate) timed_out: Meter,
}

impl Trips {
    pub(crate) fn renew(&self) {
        for meter in [&self.ok, &self.failed, &self.timed_out] {
            meter.renew();
        }
    }
}

/// A round trip under way. Dropped, it is told of to nobody.
#[derive(Debug)]
pub(crate) struct Trip(Instant);

impl Trip {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn end(self, meter: &Meter) {
        meter.time(self.0.elapsed());
    }
}
