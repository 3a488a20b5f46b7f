//! Invalidations that did not reach the store (promise P3): kept, retried, and respected here until they have.
//!
//! What an undelivered invalidation names is not looked up by this instance. A task delivers, each item on its own, and waits longer
//! from round to round; it keeps the cache alive until nothing waits. The outbox is bounded: past its limits it names whole
//! domains instead of single keys, which forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::key::{Key, Tag, Target};
use crate::store::{Mark, StoreError};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};
use crate::targets::{Item, Targets};

/// Waits between rounds of delivery, doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Items delivered in one round trip, as long as the server takes them all.
const BATCH: usize = 100;

/// Undelivered invalidations.
#[derive(Debug)]
pub(crate) struct Outbox {
    items: Mutex<Targets>,
    /// How many items there are, to be read without the lock.
    depth: AtomicUsize,
    delivery: Mutex<Option<JoinHandle<()>>>,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            items: Mutex::new(Targets::new(limit)),
            depth: AtomicUsize::new(0),
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

    /// Keeps `targets` until they are delivered, and their hold-off with them.
    pub(crate) fn put(&self, targets: impl IntoIterator<Item = Target>, hold_off: Duration) {
        let mut items = lock(&self.items);
        items.add(targets, hold_off);
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
            items.remove(target, item);
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
        // Up to a quarter more, so that a fleet does not deliver in step.
        tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
        wait = LAST_WAIT.min(wait * 2);
    }
}

/// Tries everything once: many together, and each alone where a server refuses some of them, or a node of a cluster is away. What is for the others is not kept
/// waiting.
async fn round(engine: &Engine) {
    let waiting = engine.outbox.waiting();
    for batch in waiting.chunks(BATCH) {
        match attempt(engine, batch).await {
            Ok(()) => {}
            Err(StoreError::Refused(_) | StoreError::Unreachable) if !engine.store.is_away() => {
                for item in batch {
                    // What takes its whole time would take that of all behind it.
                    if let Err(StoreError::TimedOut) =
                        attempt(engine, std::slice::from_ref(item)).await
                    {
                        break;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "invalidations wait on"),
        }
        if engine.store.is_away() {
            return;
        }
    }
}

async fn attempt(engine: &Engine, items: &[(Target, Item)]) -> Result<(), StoreError> {
    let targets: Vec<Target> = items.iter().map(|(target, _)| target.clone()).collect();
    let hold_off = items.iter().map(|(_, item)| item.hold_off).max();
    let mark = Mark::hold_off(hold_off.unwrap_or_default());
    engine
        .make_old(&targets, mark, engine.patience.background)
        .await?;
    engine.outbox.delivered(items);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Pattern;

    fn key(text: &str) -> Key {
        Key::reading(text)
    }

    fn pattern(text: &str) -> Target {
        Pattern::parse(text).expect("a pattern").into()
    }

    #[test]
    fn what_waits_is_named_and_what_was_delivered_is_not() {
        let outbox = Outbox::new(10);
        outbox.put([pattern("a:*:7"), Tag::new("t", []).into()], Duration::ZERO);
        assert!(outbox.names(&key("a:x:7"), &[]) && !outbox.names(&key("a:x:8"), &[]));
        assert!(outbox.names(&key("b"), &[Tag::new("t", [])]));
        assert!(outbox.age().is_some());
        let waiting = outbox.waiting();
        outbox.put([pattern("a:*:7")], Duration::ZERO);
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
            outbox.put(
                [
                    pattern(&format!("a:{id}")),
                    pattern(&format!("b:x:{id}:*")),
                    Tag::new("t", [&id as _]).into(),
                ],
                Duration::ZERO,
            );
            assert!(outbox.depth() <= 103);
        }
        outbox.put([pattern("c")], Duration::ZERO);
        for named in ["a:7", "b:x:7:y", "a:9999", "c"] {
            assert!(outbox.names(&key(named), &[]), "{named}");
        }
        assert!(outbox.names(&key("x"), &[Tag::new("t", [&7 as _])]));
        assert!(!outbox.names(&key("x:y"), &[]));
    }

    #[test]
    fn what_is_put_in_while_it_is_delivered_survives_any_widening() {
        let outbox = Outbox::new(1);
        outbox.put([pattern("a:1"), pattern("a:2")], Duration::ZERO);
        let on_its_way = outbox.waiting();
        // Widened twice before the answer comes, the second time with something new.
        outbox.put([pattern("b:1")], Duration::ZERO);
        outbox.put([pattern("a:3")], Duration::ZERO);
        outbox.delivered(&on_its_way);
        assert!(outbox.names(&key("a:3"), &[]), "forgotten");
    }
}
