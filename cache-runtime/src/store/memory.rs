//! The store of a process without Redis: the same protocol, with counters in place of random generations.
//!
//! Fences are counters too, indexed by hash: two keys that share one only refuse each other's loads. Entries are bounded by weight.

pub(crate) mod counts;
#[cfg(feature = "jobs")]
pub(crate) mod jobs;
pub(crate) mod locks;
mod marks;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Entries;
use xxhash_rust::xxh3::xxh3_64;

use self::counts::Counts;
use self::locks::Locks;
use self::marks::Marks;
use super::{Address, Filling, Mark, Opening, Seen, StoreError, Ticket};
use crate::audit::AuditRecord;
use crate::behind::queue::{Local, Locals};
use crate::control::Control;
use crate::envelope;
use crate::generations::{Counters, Stamp, Stamping};
use crate::key::{Key, Pattern, Reach, Target};
use crate::sync::{Mutex, lock};

const FENCES: usize = if cfg!(shuttle) { 64 } else { 1 << 16 };
/// What an entry of typical size weighs, to size the entries' table.
const TYPICAL: u64 = 512;
/// What an entry costs beside its key and its value.
const OVERHEAD: u64 = 128;

/// Entries and generations of one process.
pub(crate) struct Memory {
    entries: Entries<Box<str>, Entry, Weight>,
    generations: Counters,
    /// A fill and an invalidation of one key exclude each other by the key's fence.
    fences: Box<[Mutex<u64>]>,
    marks: Marks,
    pub(crate) counts: Counts,
    pub(crate) locks: Locks,
    queues: Mutex<Locals>,
    /// The latest first.
    audit: Mutex<VecDeque<AuditRecord>>,
    #[cfg(feature = "jobs")]
    pub(crate) jobs: jobs::Jobs,
    control: Control,
}

#[derive(Clone)]
struct Entry {
    bytes: Bytes,
    expires: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Entry> for Weight {
    fn weight(&self, key: &Box<str>, entry: &Entry) -> u64 {
        key.len() as u64 + entry.bytes.len() as u64 + OVERHEAD
    }
}

impl Memory {
    /// Holds about `capacity` bytes; past that, what was used least goes.
    pub(crate) fn new(capacity: u64, control: Control) -> Self {
        let expected = usize::try_from(capacity / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 16);
        Self {
            entries: Entries::with_weighter(expected, capacity, Weight),
            generations: Counters::new(),
            fences: (0..FENCES).map(|_| Mutex::new(0)).collect(),
            marks: Marks::default(),
            counts: Counts::new(control.clone()),
            locks: Locks::default(),
            queues: Mutex::new(Locals::new()),
            audit: Mutex::default(),
            #[cfg(feature = "jobs")]
            jobs: jobs::Jobs::default(),
            control,
        }
    }

    /// Itself, unless a test has broken it.
    #[inline]
    pub(crate) async fn reach(&self, patience: Duration) -> Result<&Self, StoreError> {
        self.control.pass(patience).await?;
        Ok(self)
    }

    /// Whether a test has broken it so that its circuit is open.
    #[inline]
    pub(crate) fn is_away(&self) -> bool {
        self.control.is_open()
    }

    /// Does `what` with a queue of writes.
    pub(crate) fn queue<T>(&self, name: &str, what: impl FnOnce(&mut Local) -> T) -> T {
        what(lock(&self.queues).entry(name.to_owned()).or_default())
    }

    pub(crate) fn append_audit(&self, records: &[AuditRecord], most: usize) {
        let mut audit = lock(&self.audit);
        for record in records {
            audit.push_front(record.clone());
        }
        audit.truncate(most);
    }

    pub(crate) fn audit_log(&self, records: usize) -> Vec<AuditRecord> {
        lock(&self.audit).iter().take(records).cloned().collect()
    }

    pub(crate) fn read(&self, at: Address<'_>) -> Seen {
        // The entry first: an invalidation in between makes it old.
        let entry = self.current(at.key);
        let lives = entry
            .as_ref()
            .map(|entry| entry.expires.saturating_duration_since(self.control.now()));
        Seen {
            entry: entry.map(|entry| entry.bytes),
            stamp: Some(self.stamp(at)),
            lives,
        }
    }

    pub(crate) fn open(&self, at: Address<'_>, opening: &Opening) -> Option<Ticket> {
        let stamp = self.stamp(at);
        let mut fence = lock(self.fence(at.key.as_str()));
        match opening {
            Opening::Missed(seen) => {
                let head = self
                    .current(at.key)
                    .map(|entry| envelope::head(&entry.bytes));
                if head.unwrap_or_default() != *seen {
                    return None;
                }
            }
            Opening::Replace => *fence += 1,
        }
        Some(Ticket {
            stamp,
            fence: *fence,
            busy: self.marks.about(at, self.control.now()),
        })
    }

    pub(crate) fn fill(&self, key: &Key, filling: &Filling) -> bool {
        let Some(expires) = self.control.now().checked_add(filling.life) else {
            return false;
        };
        let mut current = lock(self.fence(key.as_str()));
        if *current != filling.fence {
            return false;
        }
        // One load of those that announced themselves together stores; a slower one may be from before an invalidation.
        *current += 1;
        let bytes = filling.entry.clone();
        self.entries
            .insert(key.as_str().into(), Entry { bytes, expires });
        true
    }

    pub(crate) fn invalidate(&self, targets: &[Target], mark: Mark) {
        // The marks first: a load that begins before they are there is made old below.
        self.marks.set(targets, mark, self.control.now());
        if targets.contains(&Target::All) {
            return self.remove_all(|_| true);
        }
        for pattern in targets
            .iter()
            .filter_map(|target| self.generations.advance(target))
        {
            self.remove(pattern);
        }
    }

    fn remove(&self, pattern: &Pattern) {
        if pattern.reach() == Reach::Exact {
            let mut fence = lock(self.fence(pattern.as_str()));
            *fence += 1;
            self.entries.remove(pattern.as_str());
            return;
        }
        self.remove_all(|key| pattern.matches(key));
    }

    /// First no load on its way may store any more; then what is stored can be taken away without missing one.
    fn remove_all(&self, meant: impl Fn(&str) -> bool) {
        for fence in &self.fences {
            *lock(fence) += 1;
        }
        self.entries.retain(|key, _| !meant(key));
    }

    /// Lets the entry of `key` live for so long from now on; whether there is one.
    pub(crate) fn expire(&self, key: &Key, life: Duration) -> bool {
        let Some(expires) = self.control.now().checked_add(life) else {
            return false;
        };
        // A fill and an invalidation of the key wait meanwhile.
        let _fence = lock(self.fence(key.as_str()));
        let Some(entry) = self.current(key) else {
            return false;
        };
        let bytes = entry.bytes;
        self.entries
            .insert(key.as_str().into(), Entry { bytes, expires });
        true
    }

    /// The keys that `pattern` matches, or all of them.
    pub(crate) fn keys(&self, pattern: Option<&Pattern>) -> Vec<String> {
        let now = self.control.now();
        let entries = self.entries.iter();
        let living = entries.filter(|(_, entry)| entry.expires > now);
        living
            .filter(|(key, _)| pattern.is_none_or(|pattern| pattern.matches(key)))
            .map(|(key, _)| key.into())
            .collect()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes.
    pub(crate) fn weight(&self) -> u64 {
        self.entries.weight()
    }

    fn current(&self, key: &Key) -> Option<Entry> {
        let entry = self.entries.get(key.as_str())?;
        (entry.expires > self.control.now()).then_some(entry)
    }

    fn stamp(&self, at: Address<'_>) -> Stamp {
        self.generations
            .stamp(Stamping::new(&[]), at.key.as_str(), at.tags)
    }

    fn fence(&self, key: &str) -> &Mutex<u64> {
        &self.fences[xxh3_64(key.as_bytes()) as usize % FENCES]
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("entries", &self.entries.len())
            .field("weight", &self.entries.weight())
            .finish_non_exhaustive()
    }
}
