//! Keys under which another program stores what this one cannot use: an older or newer build whose type differs, or that has other secrets.
//!
//! Each would replace the other's entry at every call. So each replaces one once in a while, and in between answers from the source.

use std::fmt;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use crate::sync::atomic::{AtomicU64, Ordering};

/// For so long nothing is replaced again under a key.
const PAUSE: Duration = Duration::from_secs(60);
/// Keys with one place wait for each other.
const PLACES: usize = 1 << 10;

/// When entries of others were last replaced.
pub(crate) struct Contests {
    epoch: Instant,
    /// In milliseconds after the epoch, by the key's hash; 0: never.
    places: Box<[AtomicU64]>,
}

impl Contests {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether another's entry may be replaced now.
    pub(crate) fn may_replace(&self, key: &str) -> bool {
        let last = self.place(key).load(Ordering::Relaxed);
        last == 0 || self.now().saturating_sub(last) >= PAUSE.as_millis() as u64
    }

    /// Another's entry was replaced.
    pub(crate) fn replaced(&self, key: &str) {
        self.place(key).store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64 + 1
    }

    fn place(&self, key: &str) -> &AtomicU64 {
        &self.places[xxh3_64(key.as_bytes()) as usize % PLACES]
    }
}

impl fmt::Debug for Contests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contests").finish_non_exhaustive()
    }
}
