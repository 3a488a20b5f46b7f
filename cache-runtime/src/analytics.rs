//! What is observed of one function beyond its counters: times and bytes, how many keys it has and which are the hottest, and what becomes of the answers
//! that are stored.
//!
//! A hit looks whether its key's answer waits for its first hit: a hash and a load. All else is taken of one call in [`SAMPLED`], of each of a function's first
//! [`ALL`], and of misses. A hit allocates nothing, but where a key becomes one of the hottest.
//!
//! | of each function | bytes |
//! |---|---|
//! | registers of HyperLogLog | 4 KiB |
//! | bits of what waits for its first hit | 2 KiB |
//! | answers that are followed, 256 at most | 29 KiB |
//! | hottest keys, 256 at most, of 200 bytes at most | 64 KiB |

mod cardinality;
mod followed;
mod hot_keys;

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use self::cardinality::Cardinality;
pub(crate) use self::followed::Fates;
use self::followed::Followed;
pub(crate) use self::hot_keys::HALF_LIFE;
pub use self::hot_keys::HotKey;
use self::hot_keys::HotKeys;
use crate::key::digest;
use crate::policy::Policy;
use crate::report::seconds;

/// One call in so many is looked at closely.
const SAMPLED: u64 = 64;
/// So many first calls of each function are, too: what is called seldom has figures all the same.
const ALL: u64 = 256;

/// What is observed of one function.
pub(crate) struct Analysis {
    /// Whether all of its [`ALL`] first calls have been looked at.
    settled: AtomicBool,
    /// As the first load has it: the times of a call may be expressions.
    policy: OnceLock<Policy>,
    lookups: Mean<1>,
    loads: Mean<1>,
    /// Of months, many: in nanoseconds they would wrap.
    ttls: Mean<1_000_000>,
    stored_bytes: AtomicU64,
    read_bytes: AtomicU64,
    keys: Cardinality,
    /// `None` for a function whose keys are not told.
    hottest: Option<HotKeys>,
    followed: Followed,
}

/// What was observed of one function; of one that is not analysed, nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) mean_lookup: Option<Duration>,
    pub(crate) mean_load: Option<Duration>,
    pub(crate) mean_ttl: Option<Duration>,
    /// Different ones that missed, and of those that were hit only the ones that were looked at, estimated.
    pub(crate) keys: Option<u64>,
    pub(crate) stored_bytes: Option<u64>,
    /// Of entries that were answered, estimated.
    pub(crate) read_bytes: Option<u64>,
    /// Of a sample of its answers.
    pub(crate) fates: Fates,
    /// The part of the calls that its hottest key takes.
    pub(crate) hottest: Option<f64>,
}

/// What look-ups or loads took together, so that two of them tell the mean of the time in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Timed {
    /// How many there were; of look-ups about, as past a function's first 256 calls one in 64 is measured, and stands for all.
    pub count: u64,
    /// All of them, one after the other; serialized in seconds.
    #[serde(serialize_with = "seconds")]
    pub total: Duration,
    /// The slowest one that was measured; serialized in seconds.
    #[serde(serialize_with = "seconds")]
    pub slowest: Duration,
}

/// For how many calls one stands that is looked at closely; none, where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight(u64);

impl Weight {
    pub(crate) const NONE: Self = Self(0);

    /// Of a function's next call, after so many.
    #[inline]
    pub(crate) fn of_next(calls: u64) -> Self {
        if calls < ALL {
            Self(1)
        } else if fastrand::u64(..) < u64::MAX / SAMPLED {
            Self(SAMPLED)
        } else {
            Self::NONE
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl Analysis {
    pub(crate) fn new(shows_keys: bool) -> Self {
        Self {
            settled: AtomicBool::new(false),
            policy: OnceLock::new(),
            lookups: Mean::default(),
            loads: Mean::default(),
            ttls: Mean::default(),
            stored_bytes: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            keys: Cardinality::default(),
            hottest: shows_keys.then(HotKeys::default),
            followed: Followed::default(),
        }
    }

    /// How closely the function's next call is looked at; there were so many `calls`.
    #[inline]
    pub(crate) fn weight_of_next(&self, calls: impl FnOnce() -> u64) -> Weight {
        if self.settled.load(Ordering::Relaxed) {
            return Weight::of_next(ALL);
        }
        let calls = calls();
        self.settled.store(calls >= ALL, Ordering::Relaxed);
        Weight::of_next(calls)
    }

    /// A call of `key` was answered from the cache; `bytes` were read for it.
    pub(crate) fn hit(&self, key: &str, bytes: usize, weight: Weight) {
        self.hit_hashed((key, digest(key)), bytes, weight);
    }

    /// The same for a key whose digest is known.
    #[inline]
    pub(crate) fn hit_hashed(&self, (key, hash): (&str, u64), bytes: usize, weight: Weight) {
        self.followed.hit(hash);
        if !weight.is_none() {
            let bytes = bytes as u64 * weight.0;
            self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.called(key, hash, weight);
        }
    }

    /// A call of `key` found nothing.
    pub(crate) fn missed(&self, key: &str, weight: Weight) {
        self.called(key, digest(key), weight);
    }

    fn called(&self, key: &str, hash: u64, weight: Weight) {
        self.keys.add(hash);
        if !weight.is_none()
            && let Some(hottest) = &self.hottest
        {
            hottest.called(key, hash, weight.0);
        }
    }

    /// A look-up took so long.
    pub(crate) fn looked_up(&self, took: Duration, weight: Weight) {
        if !weight.is_none() {
            self.lookups.add(took, weight.0);
        }
    }

    /// A load begins, under this policy.
    pub(crate) fn load_begins(&self, policy: &Policy) {
        self.policy.get_or_init(|| *policy);
    }

    /// A load took so long.
    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.add(took, 1);
    }

    /// What an answer holds, for [`follow`](Self::follow); `None` where the answers of `key` are not followed.
    pub(crate) fn content(&self, key: &str, value: &[u8]) -> Option<u64> {
        let follows = self.followed.follows(digest(key));
        follows.then(|| xxh3_64(value))
    }

    /// An answer of `size` bytes was stored, to be fresh for `ttl`.
    pub(crate) fn stored(&self, size: usize, ttl: Duration) {
        self.stored_bytes.fetch_add(size as u64, Ordering::Relaxed);
        self.ttls.add(ttl, 1);
    }

    /// It is one that is followed; it is kept for another `grace`.
    pub(crate) fn follow(&self, key: &str, content: u64, ttl: Duration, grace: Duration) {
        self.followed.stored(digest(key), content, ttl, grace);
    }

    /// How its answers are kept, once it has loaded.
    pub(crate) fn policy(&self) -> Option<Policy> {
        self.policy.get().copied()
    }

    /// What was observed up to now.
    pub(crate) fn figures(&self) -> Figures {
        let hottest = self.hottest.as_ref();
        Figures {
            mean_lookup: self.lookups.mean(),
            mean_load: self.loads.mean(),
            mean_ttl: self.ttls.mean(),
            keys: Some(self.keys.estimate()),
            stored_bytes: Some(self.stored_bytes.load(Ordering::Relaxed)),
            read_bytes: Some(self.read_bytes.load(Ordering::Relaxed)),
            fates: self.followed.fates(),
            hottest: hottest.and_then(HotKeys::share_of_hottest),
        }
    }

    /// What its look-ups in the store have taken.
    pub(crate) fn lookup_times(&self) -> Timed {
        self.lookups.timed()
    }

    /// What its loads have taken.
    pub(crate) fn load_times(&self) -> Timed {
        self.loads.timed()
    }

    /// The hottest keys, the hottest first.
    pub(crate) fn hottest(&self, most: usize) -> Vec<HotKey> {
        let hottest = self.hottest.as_ref();
        hottest.map_or_else(Vec::new, |hottest| hottest.hottest(most))
    }

    /// The calls of hot keys since this was asked last.
    pub(crate) fn take_calls(&self) -> Vec<HotKey> {
        let hottest = self.hottest.as_ref();
        hottest.map_or_else(Vec::new, HotKeys::take_calls)
    }
}

impl fmt::Debug for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analysis").finish_non_exhaustive()
    }
}

/// The mean of times that come one by one, counted in so many nanoseconds.
#[derive(Debug, Default)]
struct Mean<const UNIT: u64> {
    units: AtomicU64,
    times: AtomicU64,
    /// Of those that came, in units.
    longest: AtomicU64,
}

impl<const UNIT: u64> Mean<UNIT> {
    fn add(&self, time: Duration, weight: u64) {
        let units = u64::try_from(time.as_nanos() / u128::from(UNIT)).unwrap_or(u64::MAX);
        // Wraps after five centuries of all of them together, or so many times more.
        self.units
            .fetch_add(units.wrapping_mul(weight), Ordering::Relaxed);
        self.times.fetch_add(weight, Ordering::Relaxed);
        self.longest.fetch_max(units, Ordering::Relaxed);
    }

    fn mean(&self) -> Option<Duration> {
        let times = self.times.load(Ordering::Relaxed);
        let mean = self.units.load(Ordering::Relaxed).checked_div(times)?;
        Some(Duration::from_nanos(mean.saturating_mul(UNIT)))
    }

    fn timed(&self) -> Timed {
        let time = |units: &AtomicU64| {
            let units = units.load(Ordering::Relaxed);
            Duration::from_nanos(units.saturating_mul(UNIT))
        };
        Timed {
            count: self.times.load(Ordering::Relaxed),
            total: time(&self.units),
            slowest: time(&self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_have_a_mean_too() {
        let (month, ttls) = (
            Duration::from_secs(30 * 24 * 3600),
            Mean::<1_000_000>::default(),
        );
        for _ in 0..100_000 {
            ttls.add(month, 1);
        }
        assert_eq!(ttls.mean(), Some(month));
    }

    #[test]
    fn the_number_of_keys_is_estimated_within_five_percent() {
        let analysis = Analysis::new(true);
        for calls in 0..3 {
            for id in 0..20_000_u64 {
                if calls == 0 {
                    analysis.missed(&format!("agents:{id}"), Weight::NONE);
                }
                analysis.hit(
                    &format!("agents:{id}"),
                    10,
                    Weight::of_next(calls * 20_000 + id),
                );
            }
        }
        let figures = analysis.figures();
        let keys = figures.keys.expect("it is analysed");
        assert!((19_000..21_000).contains(&keys), "{keys}");
        // One call in 64, each counted as 64.
        let bytes = figures.read_bytes.expect("it is analysed");
        assert!((480_000..720_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn means_are_of_what_was_looked_at() {
        let analysis = Analysis::new(true);
        assert_eq!(analysis.figures().mean_lookup, None);
        analysis.looked_up(Duration::from_millis(2), Weight(1));
        analysis.looked_up(Duration::from_millis(4), Weight(SAMPLED));
        analysis.looked_up(Duration::from_secs(9), Weight::NONE);
        let mean = analysis.figures().mean_lookup.expect("two look-ups");
        assert!(mean > Duration::from_micros(3_900) && mean < Duration::from_millis(4));
        let timed = analysis.lookup_times();
        assert_eq!(
            (timed.count, timed.slowest),
            (1 + SAMPLED, Duration::from_millis(4))
        );
        assert_eq!(timed.total, Duration::from_millis(2 + 4 * SAMPLED));
    }

    #[test]
    fn keys_that_are_not_to_be_shown_are_not_kept() {
        let analysis = Analysis::new(false);
        analysis.hit("patients:7", 10, Weight(1));
        assert_eq!(analysis.figures().keys, Some(1));
        assert!(analysis.hottest(9).is_empty() && analysis.take_calls().is_empty());
    }
}
