//! A number that many threads raise at once, and few read: each of the first threads has a part of its own, which no other one writes, so that none waits
//! for another's cache line.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Threads that have a part of their own; those beyond share one.
const OWN: usize = 16;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    own: Box<[Line; OWN]>,
    shared: AtomicU64,
}

/// One that has its cache line to itself.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Tally {
    #[inline]
    pub(crate) fn one(&self) {
        match own() {
            // Nobody else writes it.
            Some(at) => {
                let Line(part) = &self.own[at];
                part.store(part.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            None => {
                self.shared.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn count(&self) -> u64 {
        let own = self.own.iter().map(|Line(part)| part);
        let parts = own.chain([&self.shared]);
        parts.map(|part| part.load(Ordering::Relaxed)).sum()
    }

    /// How much has come since the last time, which `told` remembers. Of several that ask at once, each part is told to one.
    #[cfg(feature = "metrics")]
    pub(crate) fn untold(&self, told: &Self) -> u64 {
        let count = self.count();
        count.saturating_sub(told.shared.fetch_max(count, Ordering::Relaxed))
    }
}

/// Which parts are a living thread's.
static TAKEN: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static PART: Part = Part::take();
}

/// The part of one thread; another thread's, once this one has ended.
struct Part(Option<usize>);

impl Part {
    fn take() -> Self {
        let mut taken = TAKEN.load(Ordering::Relaxed);
        loop {
            let free = taken.trailing_ones();
            if free as usize >= OWN {
                return Self(None);
            }
            // Acquire: what the thread before has counted is seen.
            match TAKEN.compare_exchange_weak(
                taken,
                taken | 1 << free,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Self(Some(free as usize)),
                Err(now) => taken = now,
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(at) = self.0 {
            TAKEN.fetch_and(!(1 << at), Ordering::Release);
        }
    }
}

/// The present thread's part.
#[inline]
fn own() -> Option<usize> {
    PART.try_with(|part| part.0).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_among_more_threads_than_parts() {
        let tally = Arc::new(Tally::default());
        // Waves of threads, so that parts are taken over; and more at once than there are parts.
        for _ in 0..10 {
            let threads: Vec<_> = (0..3 * OWN)
                .map(|_| {
                    let tally = tally.clone();
                    thread::spawn(move || (0..1_000).for_each(|_| tally.one()))
                })
                .collect();
            for thread in threads {
                thread.join().expect("it counts");
            }
        }
        assert_eq!(tally.count(), 10 * 3 * OWN as u64 * 1_000);
    }
}
