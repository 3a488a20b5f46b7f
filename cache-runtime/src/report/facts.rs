//! What is known of one function, as the report tells it and the rules judge it.

use std::time::Duration;

use super::Usage;
use crate::analytics::{Analysis, Figures};
use crate::observe::{Counts, Function};
use crate::policy::Policy;

/// What is known of one function.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) counts: Counts,
    pub(super) seen: Figures,
    pub(super) policy: Policy,
    /// Whether other instances use the same store.
    pub(super) shared: bool,
    /// Of the cache.
    pub(super) age: Duration,
}

impl Facts {
    pub(super) fn of(function: &Function, shared: bool, age: Duration) -> Self {
        let analysis = function.analysis.as_deref();
        let policy = analysis.and_then(Analysis::policy);
        Self {
            counts: function.counters.counts(),
            seen: analysis.map(Analysis::figures).unwrap_or_default(),
            policy: policy.unwrap_or(function.site.policy),
            shared,
            age,
        }
    }

    pub(super) fn hits(&self) -> u64 {
        self.counts.hits + self.counts.near_hits + self.counts.stale
    }

    /// What the hits would have taken as loads.
    pub(super) fn saved(&self) -> Option<Duration> {
        Some(times(self.seen.mean_load?, self.hits()))
    }

    /// The part of the ended answers that this process never hit.
    pub(super) fn unused(&self) -> Option<f64> {
        share(self.seen.fates.unused, self.seen.fates.ended)
    }

    fn unchanged(&self) -> Option<f64> {
        let fates = &self.seen.fates;
        share(
            fates.aged_unchanged + fates.early_unchanged,
            fates.aged + fates.early,
        )
    }

    pub(super) fn usage(&self) -> Usage {
        let counts = &self.counts;
        Usage {
            calls: counts.lookups() + counts.bypassed + counts.degraded,
            hit_rate: counts.hit_rate(),
            loads: counts.loads,
            mean_load: self.seen.mean_load,
            mean_lookup: self.seen.mean_lookup,
            saved: self.saved(),
            keys: self.seen.keys,
            stored_bytes: self.seen.stored_bytes,
            read_bytes: self.seen.read_bytes,
            unused: self.unused(),
            unchanged: self.unchanged(),
        }
    }

    /// All functions together; means and shares by how much there is of each.
    pub(super) fn total(all: &[Self]) -> Usage {
        let mut counts = Counts::default();
        for facts in all {
            counts += facts.counts;
        }
        let mean = |figure: fn(&Self) -> Option<f64>, weight: fn(&Self) -> u64| {
            let known = all
                .iter()
                .filter_map(|facts| Some((figure(facts)?, weight(facts) as f64)));
            let (sum, weights) = known.fold((0.0, 0.0), |(sum, weights), (figure, weight)| {
                (sum + figure * weight, weights + weight)
            });
            (weights > 0.0).then(|| sum / weights)
        };
        let sum =
            |figure: fn(&Self) -> Option<u64>| all.iter().filter_map(figure).reduce(|a, b| a + b);
        Usage {
            calls: counts.lookups() + counts.bypassed + counts.degraded,
            hit_rate: counts.hit_rate(),
            loads: counts.loads,
            mean_load: mean(
                |facts| Some(facts.seen.mean_load?.as_secs_f64()),
                |facts| facts.counts.loads,
            )
            .map(Duration::from_secs_f64),
            mean_lookup: mean(
                |facts| Some(facts.seen.mean_lookup?.as_secs_f64()),
                |facts| facts.counts.lookups() - facts.counts.near_hits,
            )
            .map(Duration::from_secs_f64),
            saved: all
                .iter()
                .filter_map(Self::saved)
                .reduce(|a, b| a.saturating_add(b)),
            keys: sum(|facts| facts.seen.keys),
            stored_bytes: sum(|facts| facts.seen.stored_bytes),
            read_bytes: sum(|facts| facts.seen.read_bytes),
            unused: mean(Self::unused, |facts| facts.counts.stores),
            unchanged: mean(Self::unchanged, |facts| facts.counts.stores),
        }
    }
}

/// The part of `whole` that `part` is.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// So many times `time`.
pub(super) fn times(time: Duration, times: u64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * times as f64).unwrap_or(Duration::MAX)
}
