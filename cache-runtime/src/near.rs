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
//!
//! The clock is a coarse one, which is read in a fraction of the time and is late by [`LATE`] at most: values live longer by that, and the bound is
//! taken shorter by that.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use coarsetime::Instant;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Values;

use crate::control::Control;
use crate::feed::Feed;
use crate::generations::{self, Counters, Stamp, Stamping};
use crate::key::{self, Key, Tag, Target};
use crate::source::Freshness;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod push;
mod recent;

#[cfg(any(fuzzing, test))]
pub(crate) use push::decode;
pub(crate) use push::{encode, everything};

/// By how much the clock may be late: Linux moves it each 1 to 10 ms, Windows each 16.
const LATE: Duration = Duration::from_millis(16);

/// What a value of typical size weighs, to size the table.
const TYPICAL: u64 = 512;
/// What a value costs beside its key and its encoded length.
const OVERHEAD: u64 = 160;
const KEYS: usize = if cfg!(shuttle) { 64 } else { 1 << 16 };
const REPLACED: usize = if cfg!(shuttle) { 4 } else { 1 << 8 };

/// A kept value; `None` stands for an answer that was "nothing there".
pub(crate) type Value = Option<Arc<dyn Any + Send + Sync>>;

/// The near cache of one cache.
pub(crate) struct Near {
    /// Tells it from others of the process.
    id: u64,
    /// By origin and key.
    values: Values<Name, Kept, Weight>,
    /// Moved after a value was put in its place, by hash of the key: what threads have found before may not be in the table any more.
    replaced: Box<[AtomicU64]>,
    generations: Counters,
    /// One for each exact key, by hash.
    keys: Box<[AtomicU64]>,
    /// Moved when anything may have been missed.
    base: AtomicU64,
    /// Moved after any of the counters has moved: while it stands still, no stamp changes.
    changes: AtomicU64,
    /// Whether any function has asked for a near cache.
    wanted: AtomicBool,
    epoch: Instant,
    control: Control,
    /// When the last proof was asked for: a [`Now`].
    proven: AtomicU64,
    /// How old the last proof may be, in nanoseconds; `None`: nothing is pushed, as this process alone writes.
    bound: Option<u64>,
    /// What was made old, for others than the near cache.
    feed: Arc<Feed>,
}

/// Nanoseconds after a near cache was made: for five centuries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Now(u64);

/// Origin and key.
type Name = (u32, Arc<str>);

/// What is kept of a key.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Entry>);

struct Entry {
    name: Name,
    value: Value,
    stamp: Stamp,
    /// How many [`changes`](Near::changes) there had been when the stamp was last found to be the present one.
    checked: AtomicU64,
    /// How old the value was when it was kept, where that is known.
    age: Option<Duration>,
    kept: Now,
    expires: Now,
    weight: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Name, Kept> for Weight {
    fn weight(&self, (_, key): &Name, kept: &Kept) -> u64 {
        key.len() as u64 + kept.0.weight + OVERHEAD
    }
}

/// What may be kept, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    pub(crate) stamp: Stamp,
    /// How long ago it was loaded.
    pub(crate) age: Option<Duration>,
    pub(crate) ttl: Duration,
    /// Bytes of the encoded value.
    pub(crate) size: usize,
}

impl Near {
    /// Holds about `capacity` bytes, counted as the values are encoded. With a `bound`, a hit needs a proof that is younger.
    pub(crate) fn new(capacity: u64, bound: Option<Duration>, control: Control) -> Self {
        let expected = usize::try_from(capacity / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 16);
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            values: Values::with_weighter(expected, capacity, Weight),
            replaced: (0..REPLACED).map(|_| AtomicU64::new(0)).collect(),
            generations: Counters::new(),
            keys: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            base: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            epoch: Instant::now(),
            control,
            proven: AtomicU64::new(0),
            bound: bound.map(|bound| nanoseconds(bound.saturating_sub(LATE))),
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

    /// What is kept of `key`, if it is current and proven.
    pub(crate) fn look(&self, origin: u32, key: &Key, tags: &[Tag], now: Now) -> Option<Kept> {
        let kept = self.values.get(&Named((origin, key.as_str())))?;
        self.may_serve(&kept, key, tags, now).then_some(kept)
    }

    /// The same for one that only `show` looks at: what a thread finds again and again costs it no lock, and no write that other threads feel. `hash` is the
    /// key's [digest](key::digest).
    #[inline]
    pub(crate) fn show(
        &self,
        origin: u32,
        (key, hash): (&Key, u64),
        tags: &[Tag],
        now: Now,
        show: &mut dyn FnMut(&Kept) -> bool,
    ) -> bool {
        let replaced = self.replaced(hash).load(Ordering::Acquire);
        let sought = recent::Sought {
            near: self.id,
            name: (origin, key.as_str()),
            hash,
            replaced,
        };
        sought.show(
            |kept| self.may_serve(kept, key, tags, now) && show(kept),
            || self.values.get(&Named(sought.name)),
        )
    }

    /// Whether `kept` is current and proven.
    #[inline]
    fn may_serve(&self, kept: &Kept, key: &Key, tags: &[Tag], now: Now) -> bool {
        let entry = &*kept.0;
        entry.expires > now && self.is_proven(now) && self.is_current(entry, key, tags)
    }

    /// Whether nothing was invalidated since `entry` was kept. Where nothing at all was since it was last asked, no stamp is made.
    fn is_current(&self, entry: &Entry, key: &Key, tags: &[Tag]) -> bool {
        let changes = self.changes.load(Ordering::Acquire);
        if entry.checked.load(Ordering::Relaxed) == changes {
            return true;
        }
        let current = entry.stamp == self.stamp(key, tags);
        if current {
            entry.checked.store(changes, Ordering::Relaxed);
        }
        current
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
        let changes = self.changes.load(Ordering::Acquire);
        if keeping.stamp == self.stamp(key, tags) {
            let now = self.now();
            let name: Name = (origin, key.as_str().into());
            let entry = Entry {
                name: name.clone(),
                value,
                stamp: keeping.stamp,
                checked: AtomicU64::new(changes),
                age: keeping.age,
                kept: now,
                expires: Now(now.0.saturating_add(nanoseconds(keeping.ttl))),
                weight: keeping.size as u64,
            };
            self.values.insert(name, Kept(Arc::new(entry)));
            self.replaced(key::digest(key.as_str()))
                .fetch_add(1, Ordering::AcqRel);
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
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn outdate_all(&self) {
        self.base.fetch_add(1, Ordering::AcqRel);
        self.changes.fetch_add(1, Ordering::AcqRel);
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
    pub(crate) fn prove(&self, sent: Now, counted: u64, heard: &AtomicU64) {
        if heard.fetch_max(counted, Ordering::AcqRel) < counted {
            self.reset();
        }
        self.proven.fetch_max(sent.0, Ordering::AcqRel);
    }

    /// The time, late by [`LATE`] at most.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        Now(Instant::now().duration_since(self.epoch).as_nanos() + self.control.ahead())
    }

    /// The clock has been moved: the last proof is no older for it, as nothing can have been missed meanwhile.
    #[cfg(feature = "testing")]
    pub(crate) fn advanced(&self, nanoseconds: u64) {
        self.proven.fetch_add(nanoseconds, Ordering::AcqRel);
    }

    /// Whether the last proof is young enough for hits at `now`.
    pub(crate) fn is_proven(&self, now: Now) -> bool {
        self.bound.is_none_or(|bound| self.unproven(now) <= bound)
    }

    /// Whether the last proof is so old that it is time for another.
    pub(crate) fn wants_proof(&self, now: Now) -> bool {
        self.bound
            .is_some_and(|bound| self.unproven(now) > bound / 2)
    }

    fn unproven(&self, now: Now) -> u64 {
        now.0.saturating_sub(self.proven.load(Ordering::Acquire))
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
        &self.keys[key::digest(key) as usize % KEYS]
    }

    fn replaced(&self, hash: u64) -> &AtomicU64 {
        &self.replaced[hash as usize % REPLACED]
    }
}

impl Kept {
    /// How old its value is, and for how long it is fresh yet.
    pub(crate) fn freshness(&self, now: Now) -> Freshness {
        let after = |from: Now, to: Now| Duration::from_nanos(to.0.saturating_sub(from.0));
        Freshness {
            age: self.0.age.map(|age| age + after(self.0.kept, now)),
            fresh: after(now, self.0.expires),
        }
    }

    /// The value; `None` when the answer was "nothing there".
    pub(crate) fn value(&self) -> &Value {
        &self.0.value
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// A borrowed name, as the table looks it up.
#[derive(Hash)]
struct Named<'a>((u32, &'a str));

impl quick_cache::Equivalent<Name> for Named<'_> {
    fn equivalent(&self, key: &Name) -> bool {
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
