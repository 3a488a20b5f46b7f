//! The near cache: values of this process, kept as they are, so that a hit needs neither the network nor a decoder.
//!
//! A value is kept with a *stamp* of this process' own counters, one for each scope and each key, taken **before** the look-up or the
//! load that brought it began. Every invalidation is pushed to all instances and moves the counters that it names; a value is a hit
//! only while its stamp is the present one. So an invalidation that comes between Redis' answer and the keeping is not missed.
//!
//! Pushes are numbered, and come over the very connection that carries the look-ups, where a server sends them before the answers of all commands
//! that came after. So the answer to "how many pushes were there?" proves that none from before is outstanding, or tells that one was lost or
//! could not be sent. A near hit needs such a proof that is younger than the *bound*
//! ([`Builder::local_staleness`](crate::Builder::local_staleness)): nobody gets anything that was invalidated longer ago, however dead the
//! connection is. A new connection, and a gap in the numbers, make everything old.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache as Values;
use xxhash_rust::xxh3::xxh3_64;

use crate::feed::Feed;
use crate::generations::{self, Counters, Stamp, Stamping};
use crate::key::{Key, Tag, Target};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod push;

#[cfg(any(fuzzing, test))]
pub(crate) use push::decode;
pub(crate) use push::{encode, everything};

/// What a value of typical size weighs, to size the table.
const TYPICAL: u64 = 512;
/// What a value costs beside its key and its encoded length.
const OVERHEAD: u64 = 160;
const KEYS: usize = if cfg!(shuttle) { 64 } else { 1 << 16 };

/// A kept value; `None` stands for an answer that was "nothing there".
pub(crate) type Value = Option<Arc<dyn Any + Send + Sync>>;

/// The near cache of one cache.
pub(crate) struct Near {
    /// By origin and key.
    values: Values<(u32, Box<str>), Kept, Weight>,
    generations: Counters,
    /// One for each exact key, by hash.
    keys: Box<[AtomicU64]>,
    /// Moved when anything may have been missed.
    base: AtomicU64,
    /// Whether any function has asked for a near cache.
    wanted: AtomicBool,
    epoch: Instant,
    /// When the last proof was asked for, in microseconds after `epoch`.
    proven: AtomicU64,
    /// `None`: nothing is pushed, as this process alone writes.
    bound: Option<Duration>,
    /// What was made old, for others than the near cache.
    feed: Arc<Feed>,
}

#[derive(Clone)]
struct Kept {
    value: Value,
    stamp: Stamp,
    expires: Instant,
    weight: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(u32, Box<str>), Kept> for Weight {
    fn weight(&self, (_, key): &(u32, Box<str>), kept: &Kept) -> u64 {
        key.len() as u64 + kept.weight + OVERHEAD
    }
}

/// What may be kept, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    pub(crate) stamp: Stamp,
    pub(crate) ttl: Duration,
    /// Bytes of the encoded value.
    pub(crate) size: usize,
}

impl Near {
    /// Holds about `capacity` bytes, counted as the values are encoded. With a `bound`, a hit needs a proof that is younger.
    pub(crate) fn new(capacity: u64, bound: Option<Duration>) -> Self {
        let expected = usize::try_from(capacity / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 16);
        Self {
            values: Values::with_weighter(expected, capacity, Weight),
            generations: Counters::new(),
            keys: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            base: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            epoch: Instant::now(),
            proven: AtomicU64::new(0),
            bound,
            feed: Arc::new(Feed::new()),
        }
    }

    /// What stands for `key` with `tags` now; to be taken before a look-up or a load begins.
    pub(crate) fn stamp(&self, key: &Key, tags: &[Tag]) -> Stamp {
        let key = key.as_str();
        let mut stamp = Stamping::new(&self.base.load(Ordering::Acquire).to_le_bytes());
        stamp.add(&self.key(key).load(Ordering::Acquire).to_le_bytes());
        self.generations.stamp(stamp, key, tags)
    }

    /// The value of `key`, if it is kept, current and proven.
    pub(crate) fn look(&self, origin: u32, key: &Key, tags: &[Tag]) -> Option<Value> {
        let name = (origin, key.as_str());
        let kept = self.values.get(&Name(name))?;
        let now = Instant::now();
        let current =
            self.is_proven(now) && kept.expires > now && kept.stamp == self.stamp(key, tags);
        current.then_some(kept.value)
    }

    /// Keeps `value`, unless an invalidation has come since `keeping.stamp` was taken.
    pub(crate) fn keep(
        &self,
        origin: u32,
        key: &Key,
        tags: &[Tag],
        value: Value,
        keeping: Keeping,
    ) {
        let Some(expires) = Instant::now().checked_add(keeping.ttl) else {
            return;
        };
        if keeping.stamp == self.stamp(key, tags) {
            let kept = Kept {
                value,
                stamp: keeping.stamp,
                expires,
                weight: keeping.size as u64,
            };
            self.values.insert((origin, key.as_str().into()), kept);
        }
    }

    /// This instance has made everything old that `targets` name.
    pub(crate) fn advance(&self, targets: &[Target]) {
        self.outdate(targets);
        if self.bound.is_none() {
            self.feed.tell(targets);
        } // else it is told with the push, which comes for its own too
    }

    fn outdate(&self, targets: &[Target]) {
        for target in targets {
            if *target == Target::All {
                self.outdate_all();
            }
            let Some(pattern) = self.generations.advance(target) else {
                continue;
            };
            let text = pattern.as_str();
            if text.contains('*') {
                self.generations.advance_domain(generations::domain(text));
            } else {
                self.key(text).fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn outdate_all(&self) {
        self.base.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes everything old: something may have been missed.
    pub(crate) fn reset(&self) {
        self.outdate_all();
        self.feed.reset();
    }

    /// What was made old, for who listens.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The server was asked at `sent` how many pushes there were, and has answered `counted`: all that it sent before have been
    /// applied by now. When `heard`, the last one's number, is lower all the same, something was missed.
    pub(crate) fn prove(&self, sent: Instant, counted: u64, heard: &AtomicU64) {
        if heard.fetch_max(counted, Ordering::AcqRel) < counted {
            self.reset();
        }
        let sent = sent.saturating_duration_since(self.epoch).as_micros();
        self.proven
            .fetch_max(u64::try_from(sent).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// Whether the last proof is young enough for hits at `now`.
    fn is_proven(&self, now: Instant) -> bool {
        self.bound.is_none_or(|bound| self.unproven(now) <= bound)
    }

    /// Whether the last proof is so old that it is time for another.
    pub(crate) fn wants_proof(&self) -> bool {
        self.bound
            .is_some_and(|bound| self.unproven(Instant::now()) > bound / 2)
    }

    fn unproven(&self, now: Instant) -> Duration {
        let proven = Duration::from_micros(self.proven.load(Ordering::Acquire));
        now.saturating_duration_since(self.epoch)
            .saturating_sub(proven)
    }

    /// From now on pushes are wanted.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// How many values are kept, and what they weigh.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.values.len(), self.values.weight())
    }

    fn key(&self, key: &str) -> &AtomicU64 {
        &self.keys[xxh3_64(key.as_bytes()) as usize % KEYS]
    }
}

/// A borrowed name, as the table looks it up.
#[derive(Hash)]
struct Name<'a>((u32, &'a str));

impl quick_cache::Equivalent<(u32, Box<str>)> for Name<'_> {
    fn equivalent(&self, key: &(u32, Box<str>)) -> bool {
        self.0 == (key.0, &*key.1)
    }
}

impl std::fmt::Debug for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (values, weight) = self.size();
        f.debug_struct("Near")
            .field("values", &values)
            .field("weight", &weight)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
