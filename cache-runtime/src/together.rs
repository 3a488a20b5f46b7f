//! Requests that wait at the same moment leave together, and one that is alone waits for nobody.
//!
//! A few may be under way at a time. Who comes while fewer are leaves at once, alone. Who comes later waits, and when one is back, all that wait leave as one
//! batch. Nobody joins what has left. So the more there is to do, the larger batches become, without a setting: the way databases commit in groups
//! (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984, section 5.2).
//!
//! Who leaves alone is a caller, which may be polled late, or never again. So nobody relies on it for longer than a while: then it counts no more. A server that
//! is slow makes for more that is under way, but each request is sent once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::sync::{Mutex, at_most, lock};

/// Requests and batches under way at a time: while one travels, the server works on another.
const UNDER_WAY: usize = 2;

/// Requests `Q` for answers `A`.
pub(crate) struct Together<Q, A> {
    state: Mutex<State<Q, A>>,
    /// Requests in one batch.
    largest: usize,
    /// For how long a lead is relied on.
    relied_on: Duration,
}

struct State<Q, A> {
    /// What is under way, by number, and since when.
    leads: Vec<(u64, Instant)>,
    /// The last number of a lead or a request.
    last: u64,
    /// In the order of their numbers.
    waiting: VecDeque<Waiting<Q, A>>,
}

/// A request that waits for its answer.
pub(crate) struct Waiting<Q, A> {
    pub(crate) request: Q,
    number: u64,
    told: oneshot::Sender<A>,
}

/// Leave to send something. Dropped, it is free for others.
pub(crate) struct Lead<Q, A> {
    together: Arc<Together<Q, A>>,
    number: u64,
}

impl<Q, A> Together<Q, A> {
    pub(crate) fn new(largest: usize, relied_on: Duration) -> Arc<Self> {
        let state = State {
            leads: Vec::with_capacity(UNDER_WAY),
            last: 0,
            waiting: VecDeque::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            largest,
            relied_on,
        })
    }

    /// The lead, where nobody has to be waited for.
    pub(crate) fn at_once(self: &Arc<Self>) -> Option<Lead<Q, A>> {
        let number = lock(&self.state).takes_lead(self.relied_on)?;
        Some(Lead {
            together: self.clone(),
            number,
        })
    }

    /// Waits for the answer among others; `None`: it may lead itself, or who led has given up, and it is to be asked anew. Safe to drop.
    pub(crate) async fn wait(&self, request: Q) -> Option<A> {
        let (told, mut answer) = oneshot::channel();
        // What was under way when it was asked for a lead may have ended meanwhile.
        let number = lock(&self.state).queue(request, told, self.relied_on)?;
        match at_most(self.relied_on, &mut answer).await {
            Some(answer) => answer.ok(),
            None if lock(&self.state).leave(number) => None,
            // It has left, and is on its way.
            None => answer.await.ok(),
        }
    }
}

impl<Q, A> State<Q, A> {
    fn takes_lead(&mut self, relied_on: Duration) -> Option<u64> {
        self.is_free(relied_on).then(|| {
            self.last += 1;
            self.leads.push((self.last, Instant::now()));
            self.last
        })
    }

    fn is_free(&mut self, relied_on: Duration) -> bool {
        if self.leads.len() >= UNDER_WAY {
            // Shuttle has no clock.
            let moves = |since: Instant| cfg!(shuttle) || since.elapsed() < relied_on;
            self.leads.retain(|(_, since)| moves(*since));
        }
        self.leads.len() < UNDER_WAY
    }

    /// The request's number; `None` where it may lead.
    fn queue(&mut self, request: Q, told: oneshot::Sender<A>, relied_on: Duration) -> Option<u64> {
        if self.is_free(relied_on) {
            return None;
        }
        self.last += 1;
        self.waiting.push_back(Waiting {
            request,
            number: self.last,
            told,
        });
        Some(self.last)
    }

    /// Whether the request of this number still waited.
    fn leave(&mut self, number: u64) -> bool {
        let at = self
            .waiting
            .binary_search_by_key(&number, |waiting| waiting.number);
        at.is_ok_and(|at| self.waiting.remove(at).is_some())
    }
}

impl<Q, A> Lead<Q, A> {
    /// All that wait now, as far as one batch holds them: they are the holder's to answer. Where nobody does, the lead has ended.
    pub(crate) fn batch(&self) -> Option<Vec<Waiting<Q, A>>> {
        let mut state = lock(&self.together.state);
        let mut batch = Vec::new();
        while batch.len() < self.together.largest {
            match state.waiting.pop_front() {
                Some(gone) if gone.told.is_closed() => {}
                Some(waiting) => batch.push(waiting),
                None => break,
            }
        }
        let mine = |lead: &&mut (u64, Instant)| lead.0 == self.number;
        if batch.is_empty() {
            state.leads.retain(|(number, _)| *number != self.number);
            return None;
        }
        if let Some(lead) = state.leads.iter_mut().find(mine) {
            lead.1 = Instant::now();
        }
        Some(batch)
    }
}

impl<Q, A> Drop for Lead<Q, A> {
    fn drop(&mut self) {
        let mut state = lock(&self.together.state);
        state.leads.retain(|(number, _)| *number != self.number);
    }
}

impl<Q, A> Waiting<Q, A> {
    pub(crate) fn answer(self, answer: A) {
        // Who is gone needs none.
        let _ = self.told.send(answer);
    }
}

impl<Q, A> fmt::Debug for Together<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    type Numbers = Together<u64, u64>;

    const LONG: Duration = Duration::from_secs(1_000);

    /// Polled once.
    fn begin(numbers: &Numbers, request: u64) -> BoxFuture<'_, Option<u64>> {
        let mut waiting = numbers.wait(request).boxed();
        assert!((&mut waiting).now_or_never().is_none(), "it waits");
        waiting
    }

    fn is_quiet(numbers: &Numbers) -> bool {
        let state = lock(&numbers.state);
        state.leads.is_empty() && state.waiting.is_empty()
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody_and_who_comes_later_leaves_together() {
        let numbers = Numbers::new(3, LONG);
        let first = numbers.at_once().expect("nobody is there");
        let second = numbers.at_once().expect("one more may be under way");
        assert!(numbers.at_once().is_none());
        let mut waiting: Vec<_> = (0..5).map(|request| begin(&numbers, request)).collect();
        drop(waiting.remove(1));
        // As many as a batch holds, but those that are gone, and none that comes after it left.
        let batch = first.batch().expect("some wait");
        let requests: Vec<_> = batch.iter().map(|waiting| waiting.request).collect();
        assert_eq!(requests, [0, 2, 3]);
        let late = begin(&numbers, 9);
        for waiting in batch {
            let request = waiting.request;
            waiting.answer(request * 10);
        }
        for (number, answer) in [0, 20, 30].into_iter().zip(waiting.drain(..3)) {
            assert_eq!(answer.await, Some(number));
        }
        // What is taken along and not answered is asked anew.
        drop(second.batch().expect("two wait"));
        assert_eq!((late.await, waiting.remove(0).await), (None, None));
        assert!(first.batch().is_none() && second.batch().is_none());
        assert!(is_quiet(&numbers));
        // A lead that has ended ends no other.
        let third = numbers.at_once().expect("nobody is there");
        drop((first, second));
        assert_eq!(lock(&numbers.state).leads.len(), 1);
        drop(third);
        assert!(is_quiet(&numbers));
    }

    /// Who leads may be a future that nobody polls any more.
    #[tokio::test]
    async fn who_stands_still_holds_nobody() {
        let numbers = Numbers::new(9, Duration::from_millis(5));
        let stuck = [numbers.at_once(), numbers.at_once()];
        assert_eq!(numbers.wait(1).await, None, "it has waited for long enough");
        while numbers.at_once().is_none() {
            std::thread::yield_now();
        }
        assert!(lock(&numbers.state).leads.is_empty(), "both are given up");
        // What has left is waited for.
        let (lead, other) = (numbers.at_once().expect("free"), numbers.at_once());
        let waiting = begin(&numbers, 7);
        let batch = lead.batch().expect("one waits");
        let told = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            batch.into_iter().for_each(|waiting| waiting.answer(70));
        };
        assert_eq!(futures_util::join!(waiting, told).0, Some(70));
        drop((lead, other, stuck));
        assert!(is_quiet(&numbers));
    }
}
