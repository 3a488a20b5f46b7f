//! Keys under which another program stores what this one cannot use: an older or newer build whose type differs, or that has other secrets.
//!
//! Each would replace the other's entry at every call. So each replaces one once in a while, and in between answers from the source. With more keys than there are places some
//! are forgotten, and replaced more often.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use crate::sync::atomic::{AtomicU64, Ordering};

/// For so long nothing is replaced again under a key.
const PAUSE: Duration = Duration::from_secs(60);
/// Of two keys with one place the later one is remembered.
const PLACES: usize = 1 << 14;
/// Bits of a place that tell when; the others tell of which key.
const WHEN: u32 = 40;

/// When entries of others were last replaced.
pub(crate) struct Contests {
    epoch: Instant,
    /// By the key's hash: some bits of it, and milliseconds after the epoch; 0: never. Most caches never need them.
    places: OnceLock<Box<[AtomicU64]>>,
}

impl Contests {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            places: OnceLock::new(),
        }
    }

    /// Whether another's entry may be replaced now. After a deploy each key may once; whoever else still runs replaces it once more, and then it rests.
    pub(crate) fn may_replace(&self, key: &str) -> bool {
        let (place, of_key) = self.place(key);
        let last = place.load(Ordering::Relaxed);
        let when = last & ((1 << WHEN) - 1);
        let rests = self.now().saturating_sub(when) < PAUSE.as_millis() as u64;
        last ^ when != of_key || when == 0 || !rests
    }

    /// Another's entry was replaced.
    pub(crate) fn replaced(&self, key: &str) {
        let (place, of_key) = self.place(key);
        place.store(of_key | self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64 + 1
    }

    /// The place of a key, and how it is told from others there.
    fn place(&self, key: &str) -> (&AtomicU64, u64) {
        let places = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let hash = xxh3_64(key.as_bytes());
        let place = &self.places.get_or_init(places)[hash as usize % PLACES];
        (place, hash >> WHEN << WHEN)
    }
}

impl fmt::Debug for Contests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contests").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a deploy all keys are another's, and nobody is there to fight with.
    #[test]
    fn every_key_may_be_replaced_once() {
        let contests = Contests::new();
        let keys: Vec<_> = (0..5_000).map(|n| format!("rows:{n}")).collect();
        for key in &keys {
            assert!(contests.may_replace(key), "{key}");
            contests.replaced(key);
            assert!(!contests.may_replace(key), "{key}");
        }
        let rest = keys.iter().filter(|key| !contests.may_replace(key)).count();
        assert!(rest > 4_000, "{rest}");
    }
}
