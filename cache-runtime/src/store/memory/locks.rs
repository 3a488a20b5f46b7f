//! Locks among the tasks of this process.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use crate::store::{Asked, Taken};
use crate::sync::{Mutex, lock};
use crate::wakes::Wakes;

#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Mutex<Held>,
    wakes: Wakes,
}

#[derive(Debug, Default)]
struct Held {
    /// Each has a guard somewhere, which takes it out.
    locks: HashMap<String, Holder>,
    last_fence: u64,
}

#[derive(Debug)]
struct Holder {
    token: u64,
    till: Instant,
}

impl Locks {
    pub(crate) fn take(&self, name: &str, asked: Asked) -> Taken {
        let now = Instant::now();
        let mut held = lock(&self.held);
        if let Some(holder) = held.locks.get(name)
            && holder.till > now
        {
            return Taken::Held(holder.till - now);
        }
        // As in Redis: later than any from before a restart.
        let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let clock = u64::try_from(clock.as_micros()).unwrap_or_default();
        let fence = clock.max(held.last_fence + 1);
        held.last_fence = fence;
        let holder = Holder {
            token: asked.token,
            till: now + asked.life,
        };
        held.locks.insert(name.to_owned(), holder);
        Taken::Yes(fence)
    }

    pub(crate) fn prolong(&self, name: &str, token: u64, lease: Duration) -> bool {
        let mut held = lock(&self.held);
        let holder = held.locks.get_mut(name);
        let Some(holder) = holder.filter(|holder| holder.token == token) else {
            return false;
        };
        holder.till = Instant::now() + lease;
        true
    }

    pub(crate) fn give_back(&self, name: &str, token: u64) -> bool {
        let mut held = lock(&self.held);
        let ours = held
            .locks
            .get(name)
            .is_some_and(|holder| holder.token == token);
        if ours {
            held.locks.remove(name);
            drop(held);
            self.wakes.wake(name);
        }
        ours
    }

    pub(crate) fn wakes(&self) -> &Wakes {
        &self.wakes
    }
}
