//! The store of a process without Redis: the same protocol, with counters in place of random generations.
//!
//! Generations and fences are arrays of counters, indexed by hash: bounded, never cleaned, and two keys that share a counter
//! only make each other miss. Entries are bounded by weight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Entries;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Address, Opening, Seen, Ticket};
use crate::envelope;
use crate::generations::{self, Field, ROOT, Stamp, Stamping};
use crate::key::{Key, Pattern, Reach, Target};

const SCOPES: usize = 1 << 16;
const FENCES: usize = 1 << 16;
/// What an entry of typical size weighs, to size the entries' table.
const TYPICAL: u64 = 512;
/// What an entry costs beside its key and its value.
const OVERHEAD: u64 = 128;

/// Entries and generations of one process.
pub(crate) struct Memory {
    entries: Entries<Box<str>, Entry, Weight>,
    scopes: Box<[AtomicU64]>,
    /// A fill and an invalidation of one key exclude each other by the key's fence.
    fences: Box<[Mutex<u64>]>,
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
    pub(crate) fn new(capacity: u64) -> Self {
        let expected = usize::try_from(capacity / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 16);
        Self {
            entries: Entries::with_weighter(expected, capacity, Weight),
            scopes: (0..SCOPES).map(|_| AtomicU64::new(0)).collect(),
            fences: (0..FENCES).map(|_| Mutex::new(0)).collect(),
        }
    }

    pub(crate) fn read(&self, at: Address<'_>) -> Seen {
        // The entry first: an invalidation in between makes it old.
        let entry = self.current(at.key);
        Seen {
            entry,
            stamp: Some(self.stamp(at)),
        }
    }

    pub(crate) fn open(&self, at: Address<'_>, opening: &Opening) -> Option<Ticket> {
        let stamp = self.stamp(at);
        let mut fence = lock(self.fence(at.key));
        match opening {
            Opening::Missed(seen) => {
                if self
                    .current(at.key)
                    .map_or_else(Vec::new, |entry| envelope::head(&entry))
                    != *seen
                {
                    return None;
                }
            }
            Opening::Replace => *fence += 1,
        }
        Some(Ticket {
            stamp,
            fence: *fence,
        })
    }

    pub(crate) fn fill(&self, key: &Key, fence: u64, bytes: Bytes, ttl: Duration) -> bool {
        let Some(expires) = Instant::now().checked_add(ttl) else {
            return false;
        };
        let current = lock(self.fence(key));
        if *current != fence {
            return false;
        }
        self.entries
            .insert(key.as_str().into(), Entry { bytes, expires });
        true
    }

    pub(crate) fn invalidate(&self, targets: &[Target]) {
        for target in targets {
            match target {
                Target::Tag(tag) => self.advance(TAGS, generations::scope_of_tag(tag.as_str())),
                Target::Tags => self.advance(TAGS, ROOT),
                Target::Pattern(pattern) => self.invalidate_pattern(pattern),
            }
        }
    }

    fn invalidate_pattern(&self, pattern: &Pattern) {
        let reach = pattern.reach();
        match &reach {
            Reach::Exact => {
                let mut fence = lock(self.fence_of(pattern.as_str()));
                *fence += 1;
                self.entries.remove(pattern.as_str());
            }
            Reach::Scope { domain, .. } => {
                self.advance(domain, generations::scope_of(&reach).unwrap_or(ROOT))
            }
            Reach::Partial => {
                // First no load on its way may store any more; then what is stored can be taken away without missing one.
                for fence in &self.fences {
                    *lock(fence) += 1;
                }
                self.entries.retain(|key, _| !pattern.matches(key));
            }
        }
    }

    fn current(&self, key: &Key) -> Option<Bytes> {
        let entry = self.entries.get(key.as_str())?;
        (entry.expires > Instant::now()).then_some(entry.bytes)
    }

    fn stamp(&self, at: Address<'_>) -> Stamp {
        let mut stamp = Stamping::new(&[]);
        let domain = generations::domain(at.key.as_str());
        let scopes = std::iter::once(ROOT)
            .chain(generations::scopes(at.key.as_str()))
            .map(|field| self.scope(domain, field));
        let tags = at
            .tags
            .iter()
            .map(|tag| generations::scope_of_tag(tag.as_str()));
        let root = (!at.tags.is_empty()).then_some(ROOT);
        let tags = root
            .into_iter()
            .chain(tags)
            .map(|field| self.scope(TAGS, field));
        for generation in scopes.chain(tags) {
            stamp.add(&generation.load(Ordering::Acquire).to_le_bytes());
        }
        stamp.finish()
    }

    fn advance(&self, domain: &str, field: Field) {
        self.scope(domain, field).fetch_add(1, Ordering::AcqRel);
    }

    fn scope(&self, domain: &str, field: Field) -> &AtomicU64 {
        &self.scopes[xxh3_64_with_seed(domain.as_bytes(), field) as usize % SCOPES]
    }

    fn fence(&self, key: &Key) -> &Mutex<u64> {
        self.fence_of(key.as_str())
    }

    fn fence_of(&self, key: &str) -> &Mutex<u64> {
        &self.fences[xxh3_64_with_seed(key.as_bytes(), 0) as usize % FENCES]
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

/// The domain of tags; no key has it, since a domain has no `%`.
const TAGS: &str = "%tags";

/// Nothing under these locks can panic half way, so a poisoned one holds a whole number.
fn lock(fence: &Mutex<u64>) -> std::sync::MutexGuard<'_, u64> {
    fence.lock().unwrap_or_else(PoisonError::into_inner)
}
