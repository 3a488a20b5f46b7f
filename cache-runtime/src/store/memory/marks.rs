//! What writers have marked, in the store of a process.

use std::collections::HashMap;
use std::time::Instant;

use crate::key::Target;
use crate::store::{Address, Busy, Mark};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// Marks that are kept one by one: each announcement of a load looks at them all. Past that everything is marked.
const MOST: usize = 1_000;

#[derive(Default)]
pub(super) struct Marks {
    list: Mutex<List>,
    /// Whether there may be any, to be read without the lock.
    any: AtomicBool,
}

#[derive(Default)]
struct List {
    /// By what they name, and by their writers.
    some: HashMap<(Target, u64), Marked>,
    all: Option<Marked>,
}

#[derive(Clone, Copy)]
struct Marked {
    until: Instant,
    says: Busy,
}

impl Marks {
    pub(super) fn set(&self, targets: &[Target], mark: Mark, now: Instant) {
        let mut list = lock(&self.list);
        match mark {
            Mark::Untouched => return,
            Mark::Down { writer } => {
                for target in targets {
                    list.some.remove(&(target.clone(), writer));
                }
            }
            Mark::Up {
                writer,
                lease,
                says,
            } => {
                if let Some(until) = now.checked_add(lease) {
                    for target in targets {
                        list.put((target.clone(), writer), Marked { until, says }, now);
                    }
                }
            }
        }
        self.any.store(!list.is_empty(), Ordering::Release);
    }

    /// What writers say of that on which `at` depends.
    pub(super) fn about(&self, at: Address<'_>, now: Instant) -> Busy {
        if !self.any.load(Ordering::Acquire) {
            return Busy::No;
        }
        let mut list = lock(&self.list);
        list.clean(now);
        self.any.store(!list.is_empty(), Ordering::Release);
        let some = list
            .some
            .iter()
            .filter(|((target, _), _)| target.names(at.key, at.tags))
            .map(|(_, marked)| marked.says);
        let all = list.all.map(|marked| marked.says);
        some.chain(all).max().unwrap_or(Busy::No)
    }
}

impl List {
    fn put(&mut self, name: (Target, u64), new: Marked, now: Instant) {
        let marked = self.some.entry(name).or_insert(new);
        // The shorter of two hold-offs ends nothing.
        if marked.says != new.says || marked.until < new.until {
            *marked = new;
        }
        if self.some.len() > MOST {
            self.clean(now);
        }
        if self.some.len() > MOST {
            let both = self.some.drain().map(|(_, marked)| marked).chain(self.all);
            self.all = both.reduce(|a, b| Marked {
                until: a.until.max(b.until),
                says: a.says.max(b.says),
            });
        }
    }

    fn clean(&mut self, now: Instant) {
        self.some.retain(|_, marked| marked.until > now);
        self.all = self.all.filter(|marked| marked.until > now);
    }

    fn is_empty(&self) -> bool {
        self.some.is_empty() && self.all.is_none()
    }
}
