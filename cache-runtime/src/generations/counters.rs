//! Generations within one process: counters in place of random numbers.
//!
//! They are indexed by hash: bounded, never cleaned, and two scopes that share a counter are made old together.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Field, ROOT, Stamp, Stamping};
use crate::key::{Pattern, Reach, Tag, Target};
use crate::sync::atomic::{AtomicU64, Ordering};

const SCOPES: usize = if cfg!(shuttle) { 64 } else { 1 << 16 };

/// The domain of tags; no key has it, since a domain has no `%`.
const TAGS: &str = "%tags";

/// The generations of all domains.
pub(crate) struct Counters(Box<[AtomicU64]>);

impl Counters {
    pub(crate) fn new() -> Self {
        Self((0..SCOPES).map(|_| AtomicU64::new(0)).collect())
    }

    /// The generations of all scopes that `key` with `tags` lies in, behind what `stamp` holds already.
    pub(crate) fn stamp(&self, mut stamp: Stamping, key: &str, tags: &[Tag]) -> Stamp {
        let domain = super::domain(key);
        let scopes = std::iter::once(ROOT)
            .chain(super::scopes(key))
            .map(|field| self.of(domain, field));
        let root = (!tags.is_empty()).then_some(ROOT);
        let tags = tags.iter().map(|tag| super::scope_of_tag(tag.as_str()));
        let tags = root
            .into_iter()
            .chain(tags)
            .map(|field| self.of(TAGS, field));
        for generation in scopes.chain(tags) {
            stamp.add(&generation.load(Ordering::Acquire).to_le_bytes());
        }
        stamp.finish()
    }

    /// Makes all scopes old that `target` names, but for [`Target::All`]. An exact key has no scope, nor has a pattern that cuts inside a segment: those
    /// are handed back.
    pub(crate) fn advance<'a>(&self, target: &'a Target) -> Option<&'a Pattern> {
        match target {
            Target::Tag(tag) => self.next(TAGS, super::scope_of_tag(tag.as_str())),
            Target::Tags => self.next(TAGS, ROOT),
            // Each scope would have to be touched; who asks has one thing that stands for all.
            Target::All => {}
            Target::Pattern(pattern) => {
                let reach = pattern.reach();
                match &reach {
                    Reach::Scope { domain, .. } => {
                        self.next(domain, super::scope_of(&reach).unwrap_or(ROOT));
                    }
                    Reach::Exact | Reach::Partial => return Some(pattern),
                }
            }
        }
        None
    }

    /// Makes a whole domain old.
    pub(crate) fn advance_domain(&self, domain: &str) {
        self.next(domain, ROOT);
    }

    fn next(&self, domain: &str, field: Field) {
        self.of(domain, field).fetch_add(1, Ordering::AcqRel);
    }

    fn of(&self, domain: &str, field: Field) -> &AtomicU64 {
        &self.0[xxh3_64_with_seed(domain.as_bytes(), field) as usize % SCOPES]
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}
