//! What is seen of a server at one moment, and what is remembered of it.

use std::collections::VecDeque;

use cache_runtime::{Cache, Health};
use serde::Serialize;

use crate::stats::Sample;

/// Moments that are remembered: more than a terminal is wide.
const REMEMBERED: usize = 512;
/// Keys that are looked at for the namespaces, and after how many moments anew.
const SAMPLE: u64 = 1_000;
const SAMPLE_EVERY: u64 = 10;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Moment {
    pub(super) health: Health,
    pub(super) operations_per_second: u64,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) keys: u64,
    /// Since the moment before.
    pub(super) evicted: u64,
    /// The server's own, of all its clients, since the moment before, from 0 to 1; `None` where nothing was read.
    pub(super) hit_rate: Option<f64>,
    /// Of the last sample that was taken.
    pub(super) sample: Sample,
}

/// Looks at a server again and again.
pub(super) struct Watcher {
    cache: Cache,
    looked: u64,
    /// Keys that the server has found and not found, and has evicted, since it was started.
    counted: Option<[u64; 3]>,
    sample: Sample,
}

impl Watcher {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            looked: 0,
            counted: None,
            sample: Sample::default(),
        }
    }

    /// Never fails: what cannot be asked is zero, and health says why.
    pub(super) async fn look(&mut self) -> Moment {
        let health = self.cache.health().await;
        let info = self.cache.try_server_facts().await.map(|facts| facts.info);
        let counted = info.ok().map(|info| {
            ["keyspace_hits", "keyspace_misses", "evicted_keys"].map(|name| {
                info.get(name)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or_default()
            })
        });
        let [hits, misses, evicted] = since(self.counted, counted);
        self.counted = counted.or(self.counted);
        if self.looked.is_multiple_of(SAMPLE_EVERY)
            && let Ok(sample) = Sample::take(&self.cache, SAMPLE, |_| {}).await
        {
            self.sample = sample;
        }
        self.looked += 1;
        let server = health.server.clone().unwrap_or_default();
        Moment {
            operations_per_second: server.operations_per_second.unwrap_or_default(),
            memory: server.used_memory,
            keys: server.keys,
            evicted,
            hit_rate: (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64),
            sample: self.sample.clone(),
            health,
        }
    }
}

/// Nothing at first; a server that was started meanwhile has begun anew.
fn since(before: Option<[u64; 3]>, now: Option<[u64; 3]>) -> [u64; 3] {
    match (before, now) {
        (Some(before), Some(now)) => {
            std::array::from_fn(|at| match now[at].checked_sub(before[at]) {
                Some(more) => more,
                None => now[at],
            })
        }
        _ => [0; 3],
    }
}

/// The last moments, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Moment>);

impl History {
    pub(super) fn push(&mut self, moment: Moment) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(moment);
    }

    pub(super) fn last(&self) -> Option<&Moment> {
        self.0.back()
    }

    /// The last `most` moments.
    pub(super) fn recent(&self, most: usize) -> impl Iterator<Item = &Moment> {
        self.0.iter().skip(self.0.len().saturating_sub(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_since_the_moment_before() {
        assert_eq!(since(None, Some([5, 5, 5])), [0, 0, 0]);
        assert_eq!(since(Some([5, 5, 5]), None), [0, 0, 0]);
        assert_eq!(since(Some([5, 5, 5]), Some([7, 5, 1])), [2, 0, 1]);
    }
}
