//! What was made old, in order, for those outside of the fleet that show it: told once it is so.
//!
//! All who listen read one bounded ring, each from a place of its own, which is a number. Whoever finds that its place has left the ring has missed
//! something, however that came about: it was slow, it was away, or it is not known what there was to tell and so the ring was emptied.

#[cfg(feature = "http")]
mod listener;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

#[cfg(feature = "http")]
pub(crate) use self::listener::{Listener, Told};
use crate::key::{Pattern, Target};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// Patterns that are remembered for those that are slow or away; of a kilobyte each, at most.
const MOST: usize = 4096;

/// What one instance hears of.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Whether anybody will ever listen.
    open: AtomicBool,
    ring: Mutex<Ring>,
    /// The number of what will be told next.
    next: watch::Sender<u64>,
    /// Tells the numbers of this feed from those of any other.
    #[cfg(feature = "http")]
    epoch: u64,
}

#[derive(Debug, Default)]
struct Ring {
    told: VecDeque<Arc<Pattern>>,
    next: u64,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            open: AtomicBool::new(false),
            ring: Mutex::default(),
            next: watch::Sender::new(0),
            #[cfg(feature = "http")]
            epoch: fastrand::u64(..),
        }
    }

    /// Tells that what `targets` name is old; to be called once it is.
    pub(crate) fn tell(&self, targets: &[Target]) {
        self.change(|ring| {
            for target in targets {
                match target {
                    Target::Pattern(pattern) => ring.tell(Arc::new(pattern.clone())),
                    // Which keys have a tag is known to the fleet alone.
                    Target::Tag(_) | Target::Tags | Target::All => ring.forget(),
                }
            }
        });
    }

    /// Tells that anything may be old.
    pub(crate) fn reset(&self) {
        self.change(Ring::forget);
    }

    fn change(&self, change: impl FnOnce(&mut Ring)) {
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let next = {
            let mut ring = lock(&self.ring);
            change(&mut ring);
            ring.next
        };
        // Of two at one moment the later may be the first here.
        self.next.send_if_modified(|last| {
            let later = *last < next;
            *last = next.max(*last);
            later
        });
    }
}

impl Ring {
    fn tell(&mut self, pattern: Arc<Pattern>) {
        self.told.push_back(pattern);
        self.next += 1;
        if self.told.len() > MOST {
            self.told.pop_front();
        }
    }

    /// Whoever has read everything has missed something too.
    fn forget(&mut self) {
        self.told.clear();
        self.next += 1;
    }

    /// What was told from the number `from` on; `None` when that is not known any more.
    #[cfg(feature = "http")]
    fn since(&self, from: u64) -> Option<Vec<Arc<Pattern>>> {
        let first = self.next - self.told.len() as u64;
        let missed = from.checked_sub(first)?;
        (from <= self.next).then(|| self.told.iter().skip(missed as usize).cloned().collect())
    }
}
