//! A bounded set of what is to be made old. Past its bounds it names whole domains instead of single keys, which forgets nothing.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use crate::generations;
use crate::key::{Key, Pattern, Reach, Tag, Target};

/// Patterns that are kept one by one: each look-up compares its key with all of them.
const PATTERNS: usize = 256;

/// Targets, each once.
#[derive(Debug)]
pub(crate) struct Targets {
    /// Single keys and tags.
    named: HashMap<Target, Item>,
    /// Patterns with wildcards, all tags, and everything.
    broad: HashMap<Target, Item>,
    /// How often anything was added.
    arrivals: u64,
    limit: usize,
}

/// What is known of a target in the set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) since: Instant,
    pub(crate) hold_off: Duration,
    /// Its last arrival, numbered once for all targets: what was added again while it was delivered stays, however often the set was
    /// widened meanwhile.
    arrival: u64,
}

impl Targets {
    /// An empty set that names up to `limit` targets one by one.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            named: HashMap::new(),
            broad: HashMap::new(),
            arrivals: 0,
            limit: limit.max(1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.named.len() + self.broad.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Target, &Item)> {
        self.named.iter().chain(&self.broad)
    }

    /// Whether anything in the set names `key` or one of `tags`.
    pub(crate) fn names(&self, key: &Key, tags: &[Tag]) -> bool {
        let named = |target: Target| self.named.contains_key(&target);
        !self.named.is_empty()
            && (named(key.clone().into()) || tags.iter().any(|tag| named(tag.clone().into())))
            || self.broad.keys().any(|target| target.names(key, tags))
    }

    pub(crate) fn add(&mut self, targets: impl IntoIterator<Item = Target>, hold_off: Duration) {
        for target in targets {
            self.keep(target, Instant::now(), hold_off);
        }
        if self.len() > self.limit || self.broad.len() > PATTERNS {
            self.widen();
        }
    }

    /// Takes `target` out, unless it was added again since it was seen as `item`.
    pub(crate) fn remove(&mut self, target: &Target, item: &Item) {
        let kept = self.of(target);
        if kept
            .get(target)
            .is_some_and(|now| now.arrival == item.arrival)
        {
            kept.remove(target);
        }
    }

    fn of(&mut self, target: &Target) -> &mut HashMap<Target, Item> {
        match target {
            Target::Tag(_) => &mut self.named,
            Target::Pattern(pattern) if pattern.reach() == Reach::Exact => &mut self.named,
            Target::Pattern(_) | Target::Tags | Target::All => &mut self.broad,
        }
    }

    fn keep(&mut self, target: Target, since: Instant, hold_off: Duration) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let item = self.of(&target).entry(target).or_insert(Item {
            since,
            hold_off,
            arrival,
        });
        item.arrival = arrival;
        item.since = item.since.min(since);
        item.hold_off = item.hold_off.max(hold_off);
    }

    /// Names domains instead of keys and patterns, and all tags instead of some.
    fn widen(&mut self) {
        let (named, broad) = (mem::take(&mut self.named), mem::take(&mut self.broad));
        for (target, item) in named.into_iter().chain(broad) {
            let mut keep = |target| self.keep(target, item.since, item.hold_off);
            match &target {
                Target::Pattern(pattern) => {
                    let domain = generations::domain(pattern.as_str());
                    keep(Target::Pattern(Pattern::domain(domain)));
                    // `domain:*` names all keys but the bare `domain`.
                    if pattern.as_str() == domain {
                        keep(target);
                    }
                }
                Target::Tag(_) | Target::Tags => keep(Target::Tags),
                Target::All => keep(target),
            }
        }
    }
}
