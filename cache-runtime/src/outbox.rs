//! Invalidations that did not reach the store (promise P3): kept, retried, and respected here until they have.
//!
//! What an undelivered invalidation names is not looked up by this instance. A task delivers, each item on its own, and waits longer
//! from round to round; it keeps the cache alive until nothing waits. The outbox is bounded: past its limits it names whole
//! domains instead of single keys, which forgets nothing.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::generations;
use crate::key::{Key, Pattern, Reach, Tag, Target};
use crate::store::StoreError;

/// Waits between rounds of delivery, doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Items delivered in one round trip, as long as the server takes them all.
const BATCH: usize = 100;

/// Patterns that are kept one by one: each look-up compares its key with all of them.
const PATTERNS: usize = 256;

/// Undelivered invalidations.
#[derive(Debug)]
pub(crate) struct Outbox {
    items: Mutex<Items>,
    /// How many items there are, to be read without the lock.
    depth: AtomicUsize,
    limit: usize,
    delivery: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Items {
    /// Single keys and tags.
    named: HashMap<Target, Item>,
    /// Patterns with wildcards, and all tags.
    broad: HashMap<Target, Item>,
    /// How often anything was put in.
    arrivals: u64,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    since: Instant,
    /// Its last arrival, numbered once for all items: what arrived again while it was delivered stays, however often the items were
    /// widened meanwhile.
    arrival: u64,
}

impl Items {
    fn len(&self) -> usize {
        self.named.len() + self.broad.len()
    }

    fn iter(&self) -> impl Iterator<Item = (&Target, &Item)> {
        self.named.iter().chain(&self.broad)
    }

    fn of(&mut self, target: &Target) -> &mut HashMap<Target, Item> {
        match target {
            Target::Tag(_) => &mut self.named,
            Target::Pattern(pattern) if pattern.reach() == Reach::Exact => &mut self.named,
            Target::Pattern(_) | Target::Tags => &mut self.broad,
        }
    }

    fn keep(&mut self, target: Target, since: Instant) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let item = self
            .of(&target)
            .entry(target)
            .or_insert(Item { since, arrival });
        item.arrival = arrival;
        item.since = item.since.min(since);
    }

    fn names(&self, key: &Key, tags: &[Tag]) -> bool {
        self.named.contains_key(&Target::from(key.clone()))
            || tags
                .iter()
                .any(|tag| self.named.contains_key(&Target::from(tag.clone())))
            || self.broad.keys().any(|target| match target {
                Target::Pattern(pattern) => pattern.matches(key.as_str()),
                Target::Tags => !tags.is_empty(),
                Target::Tag(_) => false,
            })
    }

    /// Names domains instead of keys and patterns, and all tags instead of some.
    fn widen(&mut self) {
        let (named, broad) = (mem::take(&mut self.named), mem::take(&mut self.broad));
        for (target, item) in named.into_iter().chain(broad) {
            match &target {
                Target::Pattern(pattern) => {
                    let domain = generations::domain(pattern.as_str());
                    self.keep(Target::Pattern(Pattern::domain(domain)), item.since);
                    // `domain:*` names all keys but the bare `domain`.
                    if pattern.as_str() == domain {
                        self.keep(target, item.since);
                    }
                }
                Target::Tag(_) | Target::Tags => self.keep(Target::Tags, item.since),
            }
        }
    }
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            items: Mutex::default(),
            depth: AtomicUsize::new(0),
            limit: limit.max(1),
            delivery: Mutex::new(None),
        }
    }

    /// How many wait.
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    /// How long the oldest one waits.
    pub(crate) fn age(&self) -> Option<Duration> {
        let items = lock(&self.items);
        items.iter().map(|(_, item)| item.since.elapsed()).max()
    }

    /// Whether something that waits names `key` or one of `tags`.
    pub(crate) fn names(&self, key: &Key, tags: &[Tag]) -> bool {
        self.depth() > 0 && lock(&self.items).names(key, tags)
    }

    /// Keeps `targets` until they are delivered.
    pub(crate) fn put(&self, targets: impl IntoIterator<Item = Target>) {
        let mut items = lock(&self.items);
        for target in targets {
            items.keep(target, Instant::now());
        }
        if items.len() > self.limit || items.broad.len() > PATTERNS {
            items.widen();
        }
        self.depth.store(items.len(), Ordering::Release);
    }

    fn waiting(&self) -> Vec<(Target, Item)> {
        let items = lock(&self.items);
        items
            .iter()
            .map(|(target, item)| (target.clone(), *item))
            .collect()
    }

    fn delivered(&self, done: &[(Target, Item)]) {
        let mut items = lock(&self.items);
        for (target, item) in done {
            let kept = items.of(target);
            if kept
                .get(target)
                .is_some_and(|now| now.arrival == item.arrival)
            {
                kept.remove(target);
            }
        }
        self.depth.store(items.len(), Ordering::Release);
    }

    /// Whether nothing waits. Then the task that asks must end: under this lock nobody can have counted on it meanwhile.
    fn is_done(&self) -> bool {
        let mut delivery = lock(&self.delivery);
        let done = self.depth() == 0;
        if done {
            *delivery = None;
        }
        done
    }

    /// Sees to it that a task delivers what waits. Outside a runtime the next call of a cached function does it.
    pub(crate) fn see_to_delivery(engine: &Arc<Engine>) {
        let outbox = &engine.outbox;
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut delivery = lock(&outbox.delivery);
        if outbox.depth() > 0 && delivery.as_ref().is_none_or(JoinHandle::is_finished) {
            *delivery = Some(runtime.spawn(deliver(engine.clone())));
        }
    }
}

/// Delivers until nothing waits.
async fn deliver(engine: Arc<Engine>) {
    let mut wait = FIRST_WAIT;
    loop {
        let before = engine.outbox.depth();
        round(&engine).await;
        if engine.outbox.is_done() {
            tracing::info!("all waiting invalidations are delivered");
            return;
        }
        if engine.outbox.depth() < before {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(wait).await;
        wait = LAST_WAIT.min(wait * 2);
    }
}

/// Tries everything once: many together, and each alone where the server refuses some of them.
async fn round(engine: &Engine) {
    let waiting = engine.outbox.waiting();
    for batch in waiting.chunks(BATCH) {
        match attempt(engine, batch).await {
            Ok(()) => {}
            Err(StoreError::Refused(_)) => {
                for item in batch {
                    if let Err(error @ (StoreError::Unreachable | StoreError::TimedOut)) =
                        attempt(engine, std::slice::from_ref(item)).await
                    {
                        tracing::debug!(%error, "invalidations wait on");
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "invalidations wait on");
                return;
            }
        }
    }
}

async fn attempt(engine: &Engine, items: &[(Target, Item)]) -> Result<(), StoreError> {
    let targets: Vec<Target> = items.iter().map(|(target, _)| target.clone()).collect();
    engine.store.invalidate(&targets).await?;
    engine.outbox.delivered(items);
    Ok(())
}

/// Nothing under these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::of(Box::leak(text.to_owned().into_boxed_str()), &[])
    }

    fn pattern(text: &str) -> Target {
        Pattern::parse(text).expect("a pattern").into()
    }

    #[test]
    fn what_waits_is_named_and_what_was_delivered_is_not() {
        let outbox = Outbox::new(10);
        outbox.put([pattern("a:*:7"), Tag::new("t", []).into()]);
        assert!(outbox.names(&key("a:x:7"), &[]) && !outbox.names(&key("a:x:8"), &[]));
        assert!(outbox.names(&key("b"), &[Tag::new("t", [])]));
        assert!(outbox.age().is_some());
        let waiting = outbox.waiting();
        outbox.put([pattern("a:*:7")]);
        outbox.delivered(&waiting);
        assert_eq!(
            outbox.depth(),
            1,
            "what was put in again while it was delivered stays"
        );
        outbox.delivered(&outbox.waiting());
        assert_eq!((outbox.depth(), outbox.age()), (0, None));
    }

    #[test]
    fn past_its_limit_it_names_domains_and_forgets_nothing() {
        let outbox = Outbox::new(100);
        for id in 0..10_000 {
            outbox.put([
                pattern(&format!("a:{id}")),
                pattern(&format!("b:x:{id}:*")),
                Tag::new("t", [&id as _]).into(),
            ]);
            assert!(outbox.depth() <= 103);
        }
        outbox.put([pattern("c")]);
        for named in ["a:7", "b:x:7:y", "a:9999", "c"] {
            assert!(outbox.names(&key(named), &[]), "{named}");
        }
        assert!(outbox.names(&key("x"), &[Tag::new("t", [&7 as _])]));
        assert!(!outbox.names(&key("x:y"), &[]));
    }

    #[test]
    fn what_is_put_in_while_it_is_delivered_survives_any_widening() {
        let outbox = Outbox::new(1);
        outbox.put([pattern("a:1"), pattern("a:2")]);
        let on_its_way = outbox.waiting();
        // Widened twice before the answer comes, the second time with something new.
        outbox.put([pattern("b:1")]);
        outbox.put([pattern("a:3")]);
        outbox.delivered(&on_its_way);
        assert!(outbox.names(&key("a:3"), &[]), "forgotten");
    }
}
