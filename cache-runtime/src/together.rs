//! Requests that wait at the same moment leave together, and one that is alone waits for nobody.
//!
//! A few batches are under way at a time. Who comes while fewer are leaves at once; who comes later waits, and when a batch is back, the first of those
//! that wait leads: it takes along all that wait when it leaves. Nobody joins a batch that has left. So the more there is to do, the larger batches
//! become, without a clock, a task or a setting: the way databases commit in groups (D. DeWitt et al., "Implementation Techniques for Main Memory
//! Database Systems", SIGMOD 1984, section 5.2).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::sync::{Mutex, lock};

/// Batches under way at a time: while one travels, the server works on another.
const UNDER_WAY: usize = 2;

/// Requests `Q` for answers `A`.
pub(crate) struct Together<Q, A> {
    state: Mutex<State<Q, A>>,
    /// Requests in one batch.
    largest: usize,
}

struct State<Q, A> {
    /// Batches under way.
    leads: usize,
    /// Empty while fewer are under way than may be.
    waiting: VecDeque<Waiting<Q, A>>,
}

/// A request that waits for its answer.
pub(crate) struct Waiting<Q, A> {
    pub(crate) request: Q,
    told: oneshot::Sender<Turn<Q, A>>,
}

/// What becomes of a request that waits.
pub(crate) enum Turn<Q, A> {
    Answer(A),
    /// It leads the next batch.
    Lead(Lead<Q, A>),
    /// Who led the batch that it was in has given up: it asks anew.
    Again,
}

/// Leave to send a batch. Dropped, at whatever point, it passes on.
pub(crate) struct Lead<Q, A> {
    together: Arc<Together<Q, A>>,
    passes: bool,
}

impl<Q, A> Together<Q, A> {
    pub(crate) fn new(largest: usize) -> Arc<Self> {
        let state = State {
            leads: 0,
            waiting: VecDeque::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            largest,
        })
    }

    /// The lead, where nobody has to be waited for.
    pub(crate) fn at_once(self: &Arc<Self>) -> Option<Lead<Q, A>> {
        let mut state = lock(&self.state);
        let free = state.leads < UNDER_WAY;
        state.leads += usize::from(free);
        free.then(|| self.lead())
    }

    /// Waits among the others. Safe to drop: nobody waits for this one, and a lead passes on.
    pub(crate) async fn wait(self: &Arc<Self>, request: Q) -> Turn<Q, A> {
        let (told, turn) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            if state.leads < UNDER_WAY {
                state.leads += 1;
                drop(state);
                return Turn::Lead(self.lead());
            }
            state.waiting.push_back(Waiting { request, told });
        }
        turn.await.unwrap_or(Turn::Again)
    }

    /// Who leads next; `None`: one lead fewer.
    fn next(&self) -> Option<Waiting<Q, A>> {
        let mut state = lock(&self.state);
        let next = state.waiting.pop_front();
        state.leads -= usize::from(next.is_none());
        next
    }

    fn lead(self: &Arc<Self>) -> Lead<Q, A> {
        Lead {
            together: self.clone(),
            passes: true,
        }
    }
}

impl<Q, A> Lead<Q, A> {
    /// All that wait now, as far as one batch holds them beside the leader's own; they are this lead's to answer.
    pub(crate) fn others(&self) -> Vec<Waiting<Q, A>> {
        let mut state = lock(&self.together.state);
        let most = state.waiting.len().min(self.together.largest - 1);
        let others = state.waiting.drain(..most);
        others.filter(|other| !other.told.is_closed()).collect()
    }
}

impl<Q, A> Drop for Lead<Q, A> {
    fn drop(&mut self) {
        if !self.passes {
            return;
        }
        while let Some(next) = self.together.next() {
            // Where nobody waits any more it comes back, and goes to the one after: not by a drop in a drop, as many could have left.
            match next.told.send(Turn::Lead(self.together.lead())) {
                Err(Turn::Lead(mut refused)) => refused.passes = false,
                _ => return,
            }
        }
    }
}

impl<Q, A> Waiting<Q, A> {
    pub(crate) fn answer(self, answer: A) {
        // Who is gone needs none.
        let _ = self.told.send(Turn::Answer(answer));
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

    use super::*;

    type Numbers = Together<u64, u64>;

    /// Polled once.
    fn begin<'a>(
        numbers: &'a Arc<Numbers>,
        request: u64,
    ) -> futures_util::future::BoxFuture<'a, Turn<u64, u64>> {
        let mut waiting = numbers.wait(request).boxed();
        assert!((&mut waiting).now_or_never().is_none(), "it waits");
        waiting
    }

    fn leads(turn: Turn<u64, u64>) -> Lead<u64, u64> {
        match turn {
            Turn::Lead(lead) => lead,
            _ => panic!("it leads"),
        }
    }

    fn is_quiet(numbers: &Numbers) -> bool {
        let state = lock(&numbers.state);
        state.leads == 0 && state.waiting.is_empty()
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody_and_who_comes_later_leaves_together() {
        let numbers = Numbers::new(3);
        let first = numbers.at_once().expect("nobody is there");
        let second = numbers.at_once().expect("one more may be under way");
        assert!(first.others().is_empty() && second.others().is_empty());
        assert!(numbers.at_once().is_none());
        let mut waiting: Vec<_> = (0..5).map(|request| begin(&numbers, request)).collect();
        drop(first);
        let third = leads(waiting.remove(0).await);
        // As many as a batch holds, and none that comes after it left.
        let others = third.others();
        let requests: Vec<_> = others.iter().map(|other| other.request).collect();
        assert_eq!(requests, [1, 2]);
        let late = begin(&numbers, 9);
        for other in others {
            let request = other.request;
            other.answer(request * 10);
        }
        for (number, turn) in [10, 20].into_iter().zip(waiting.drain(..2)) {
            assert!(matches!(turn.await, Turn::Answer(answer) if answer == number));
        }
        drop((second, third));
        let (fourth, fifth) = (
            leads(waiting.remove(0).await),
            leads(waiting.remove(0).await),
        );
        assert_eq!(fourth.others().len(), 1, "who came late");
        drop((fourth, fifth));
        assert!(matches!(late.await, Turn::Again));
        assert!(is_quiet(&numbers));
    }

    #[tokio::test]
    async fn whoever_gives_up_holds_nobody() {
        let numbers = Numbers::new(9);
        let lead = [numbers.at_once(), numbers.at_once()];
        let waiting: Vec<_> = (0..4).map(|request| begin(&numbers, request)).collect();
        let [gives_up, leads_next, in_its_batch, is_gone] = waiting.try_into().ok().unwrap();
        drop((gives_up, is_gone));
        drop(lead);
        let next = leads(leads_next.await);
        let other = leads(in_its_batch.await);
        let batch = begin(&numbers, 7);
        assert_eq!(next.others().len(), 1);
        // What was taken along and is not answered is asked anew.
        assert!(matches!(batch.await, Turn::Again));
        // A lead that was passed on, and that nobody has taken yet.
        let (first, second) = (begin(&numbers, 1), begin(&numbers, 2));
        drop(next);
        drop(first);
        drop(leads(second.await));
        drop(other);
        assert!(is_quiet(&numbers));
    }
}
