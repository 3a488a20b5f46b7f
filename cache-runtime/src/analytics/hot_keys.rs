//! The hottest keys of one function, in bounded memory.
//!
//! This is Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005): a key
//! that is not counted takes the place of the one with the fewest calls, and is counted from there. So any key with more than one call in [`MOST`] is
//! among them. What a key has for certain, without what it took over, is told apart.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::sync::{Mutex, lock};

/// Keys that are counted.
const MOST: usize = 256;
/// Bytes of a key; longer ones are not counted.
const LONGEST: usize = 200;
/// After this time a call counts half: what is hot now counts.
pub(crate) const HALF_LIFE: Duration = Duration::from_secs(6 * 60 * 60);

/// A key, and how often it was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HotKey {
    /// Without the cache's prefix.
    pub key: String,
    /// Estimated, and those of 6 hours ago count half. Of keys that few others are hotter than it is rather too low.
    pub calls: u64,
}

/// The keys that are counted.
#[derive(Debug)]
pub(crate) struct HotKeys(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    /// Of the keys in their order, so that one is found fast.
    hashes: Vec<u64>,
    keys: Vec<Calls>,
    /// No key has fewer.
    fewest: u64,
    /// The last one that lost its place.
    last: usize,
    /// Of all keys.
    calls: u64,
    halved: Instant,
}

#[derive(Debug)]
struct Calls {
    key: String,
    /// With what it took over.
    at_most: u64,
    certain: u64,
    /// Of the certain ones, those that nobody has been told of.
    untold: u64,
}

impl HotKeys {
    /// Counts calls of `key`. The lock is held for as long as it takes to look through 256 numbers.
    pub(crate) fn called(&self, key: &str, hash: u64, calls: u64) {
        let mut counted = lock(&self.0);
        counted.age();
        counted.calls += calls;
        if key.len() > LONGEST {
            return;
        }
        let at = counted.place(key, hash);
        let entry = &mut counted.keys[at];
        entry.at_most += calls;
        entry.certain += calls;
        entry.untold += calls;
    }

    /// The hottest keys, the hottest first.
    pub(crate) fn hottest(&self, most: usize) -> Vec<HotKey> {
        let counted = lock(&self.0);
        let mut keys: Vec<_> = counted.keys.iter().filter(|key| key.certain > 0).collect();
        keys.sort_by(|a, b| b.certain.cmp(&a.certain).then(a.key.cmp(&b.key)));
        let keys = keys.into_iter().take(most);
        keys.map(|key| HotKey {
            key: key.key.clone(),
            calls: key.certain,
        })
        .collect()
    }

    /// The part of the calls that the hottest key takes.
    pub(crate) fn share_of_hottest(&self) -> Option<f64> {
        let counted = lock(&self.0);
        let most = counted.keys.iter().map(|key| key.certain).max()?;
        Some(most as f64 / counted.calls.max(1) as f64)
    }

    /// The calls of each since this was asked last.
    pub(crate) fn take_calls(&self) -> Vec<HotKey> {
        let mut counted = lock(&self.0);
        let called = counted.keys.iter_mut().filter(|key| key.untold > 0);
        called
            .map(|key| HotKey {
                key: key.key.clone(),
                calls: std::mem::take(&mut key.untold),
            })
            .collect()
    }
}

impl Default for HotKeys {
    fn default() -> Self {
        Self(Mutex::new(Counted {
            hashes: Vec::new(),
            keys: Vec::new(),
            fewest: 0,
            last: 0,
            calls: 0,
            halved: Instant::now(),
        }))
    }
}

impl Counted {
    /// Where `key` is counted from now on.
    fn place(&mut self, key: &str, hash: u64) -> usize {
        let known = self.hashes.iter().position(|known| *known == hash);
        if let Some(at) = known.filter(|at| self.keys[*at].key == key) {
            return at;
        }
        if self.keys.len() < MOST {
            self.hashes.push(hash);
            self.keys.push(Calls {
                key: key.to_owned(),
                at_most: 0,
                certain: 0,
                untold: 0,
            });
            return self.keys.len() - 1;
        }
        let at = self.coldest();
        self.hashes[at] = hash;
        let taken = &mut self.keys[at];
        // In its memory.
        taken.key.clear();
        taken.key.push_str(key);
        taken.certain = 0;
        taken.untold = 0;
        at
    }

    /// A key with the fewest calls. As they only grow, the next one is found by going on from the last.
    fn coldest(&mut self) -> usize {
        let is_coldest = |at: &usize| self.keys[*at].at_most <= self.fewest;
        let next = (self.last + 1..MOST).chain(0..=self.last).find(is_coldest);
        self.last = next.unwrap_or_else(|| {
            let keys = self.keys.iter().enumerate();
            let (at, key) = keys.min_by_key(|(_, key)| key.at_most).expect("it is full");
            self.fewest = key.at_most;
            at
        });
        self.last
    }

    /// Halves what was counted, once in each half-life.
    fn age(&mut self) {
        if self.halved.elapsed() >= HALF_LIFE {
            self.halved = Instant::now();
            self.calls /= 2;
            self.fewest /= 2;
            for key in &mut self.keys {
                key.at_most /= 2;
                key.certain /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(hot: &HotKeys, key: &str, calls: u64) {
        hot.called(key, xxhash_rust::xxh3::xxh3_64(key.as_bytes()), calls);
    }

    #[test]
    fn the_hottest_are_found_among_many() {
        let hot = HotKeys::default();
        for round in 0..200_u64 {
            for id in 0..10 {
                called(&hot, &format!("hot:{id}"), 20 - id);
            }
            for id in 0..50 {
                called(&hot, &format!("cold:{round}:{id}"), 1);
            }
        }
        let hottest = hot.hottest(10);
        let keys: Vec<_> = hottest.iter().map(|hot| hot.key.clone()).collect();
        let expected: Vec<_> = (0..10).map(|id| format!("hot:{id}")).collect();
        assert_eq!(keys, expected);
        assert_eq!(hottest[0].calls, 4_000);
        let counted = lock(&hot.0);
        assert_eq!((counted.keys.len(), counted.hashes.len()), (MOST, MOST));
    }

    #[test]
    fn what_passes_by_is_not_taken_for_hot() {
        let hot = HotKeys::default();
        for id in 0..10_000 {
            called(&hot, &format!("cold:{id}"), 1);
        }
        assert_eq!(hot.hottest(1)[0].calls, 1);
    }

    #[test]
    fn calls_are_told_once() {
        let hot = HotKeys::default();
        called(&hot, "a", 3);
        called(&hot, &"long".repeat(LONGEST), 3);
        let told = || {
            hot.take_calls()
                .into_iter()
                .map(|hot| hot.calls)
                .sum::<u64>()
        };
        assert_eq!((told(), told()), (3, 0));
        called(&hot, "a", 2);
        assert_eq!(told(), 2);
        assert_eq!(
            hot.hottest(9),
            [HotKey {
                key: "a".into(),
                calls: 5
            }]
        );
    }

    #[test]
    fn what_was_hot_once_is_forgotten() {
        let hot = HotKeys::default();
        called(&hot, "once", 64);
        assert_eq!(hot.share_of_hottest(), Some(1.0));
        let before = lock(&hot.0).halved.checked_sub(HALF_LIFE);
        lock(&hot.0).halved = before.expect("this machine runs for longer");
        called(&hot, "now", 40);
        assert_eq!(hot.hottest(1)[0].key, "now");
        assert_eq!(hot.share_of_hottest(), Some(40.0 / 72.0));
    }
}
