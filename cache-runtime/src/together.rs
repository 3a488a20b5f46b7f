//! Requests that wait at the same moment leave together, and one that is alone waits for nobody.
//!
//! A few may be under way at a time. Who comes while fewer are leaves at once, alone. Who comes later waits, and when one is back, all that wait leave as one
//! batch. Nobody joins what has left. So the more there is to do, the larger batches become, without a setting: the way databases commit in groups
//! (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984, section 5.2).
//!
//! Who leaves alone is a caller, which may be polled late, or never again. So while anybody waits there is a *watch*, which ticks: what is under way
//! and was not heard of for a whole tick counts no more. A server that is slow makes for more that is under way, but each request is sent once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::sync::{Mutex, lock};

/// Requests and batches under way at a time: while one travels, the server works on another.
const UNDER_WAY: usize = 2;

/// For how long others rely on who has sent something for them, or for twice as long: it may be a caller that is polled late, or never again.
pub(crate) const RELIED_ON: Duration = Duration::from_millis(5);

/// Requests `Q` for answers `A`.
pub(crate) struct Together<Q, A> {
    state: Mutex<State<Q, A>>,
    /// Requests in one batch.
    largest: usize,
}

struct State<Q, A> {
    /// What is under way, by number, and the tick in which it was last heard of.
    leads: Vec<(u64, u64)>,
    /// The number of the last lead.
    last: u64,
    tick: u64,
    /// Whether there is a watch.
    watched: bool,
    waiting: VecDeque<Waiting<Q, A>>,
}

/// A request that waits for its answer.
pub(crate) struct Waiting<Q, A> {
    pub(crate) request: Q,
    told: oneshot::Sender<A>,
}

/// What becomes of a request.
pub(crate) enum Asked<Q, A> {
    /// It leaves at once.
    Leads(Lead<Q, A>),
    /// It waits for its answer; closed without one, what carried it has ended. Who is given a watch sees to its ticks.
    Waits(oneshot::Receiver<A>, Option<Watch<Q, A>>),
}

/// Leave to send something. Dropped, it is free for others.
pub(crate) struct Lead<Q, A> {
    together: Arc<Together<Q, A>>,
    number: u64,
}

/// Sees to it that those that wait rely on nobody who stands still. Dropped before it is over, all that wait are told so.
pub(crate) struct Watch<Q, A> {
    together: Arc<Together<Q, A>>,
    over: bool,
}

/// What a watch has found.
pub(crate) enum Tick<Q, A> {
    /// Nobody waits any more.
    Over,
    /// All that is under way moves.
    Quiet,
    /// It does not: those that wait may leave with this.
    Stuck(Lead<Q, A>),
}

impl<Q, A> Together<Q, A> {
    pub(crate) fn new(largest: usize) -> Arc<Self> {
        let state = State {
            leads: Vec::with_capacity(UNDER_WAY),
            last: 0,
            tick: 0,
            watched: false,
            waiting: VecDeque::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            largest,
        })
    }

    /// Whether a request leaves at once, as nobody has to be waited for, or waits.
    pub(crate) fn ask(self: &Arc<Self>, request: impl FnOnce() -> Q) -> Asked<Q, A> {
        let mut state = lock(&self.state);
        if let Some(number) = state.lead() {
            return Asked::Leads(self.lead(number));
        }
        let (told, answer) = oneshot::channel();
        state.waiting.push_back(Waiting {
            request: request(),
            told,
        });
        let watch = (!std::mem::replace(&mut state.watched, true)).then(|| Watch {
            together: self.clone(),
            over: false,
        });
        Asked::Waits(answer, watch)
    }

    fn lead(self: &Arc<Self>, number: u64) -> Lead<Q, A> {
        Lead {
            together: self.clone(),
            number,
        }
    }
}

impl<Q, A> State<Q, A> {
    /// The number of a new lead, where one more may be under way.
    fn lead(&mut self) -> Option<u64> {
        (self.leads.len() < UNDER_WAY).then(|| {
            self.last += 1;
            self.leads.push((self.last, self.tick));
            self.last
        })
    }
}

impl<Q, A> Watch<Q, A> {
    /// Looks after those that wait; to be asked again and again, until it is over.
    pub(crate) fn tick(&mut self) -> Tick<Q, A> {
        let mut state = lock(&self.together.state);
        while let Some(first) = state.waiting.front()
            && first.told.is_closed()
        {
            state.waiting.pop_front();
        }
        if state.waiting.is_empty() {
            state.watched = false;
            self.over = true;
            return Tick::Over;
        }
        let tick = state.tick;
        state.leads.retain(|(_, heard)| *heard == tick);
        state.tick += 1;
        match state.lead() {
            Some(number) => Tick::Stuck(self.together.lead(number)),
            None => Tick::Quiet,
        }
    }
}

impl<Q, A> Drop for Watch<Q, A> {
    fn drop(&mut self) {
        if !self.over {
            let mut state = lock(&self.together.state);
            state.watched = false;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            // They are told now that nothing is locked.
            drop(waiting);
        }
    }
}

impl<Q, A> Lead<Q, A> {
    /// All that wait now, as far as one batch holds them: they are the holder's to answer. Where nobody does, the lead has ended.
    pub(crate) fn batch(&self) -> Option<Vec<Waiting<Q, A>>> {
        let mut state = lock(&self.together.state);
        let mut batch = Vec::with_capacity(state.waiting.len().min(self.together.largest));
        while batch.len() < self.together.largest {
            match state.waiting.pop_front() {
                Some(gone) if gone.told.is_closed() => {}
                Some(waiting) => batch.push(waiting),
                None => break,
            }
        }
        if batch.is_empty() {
            state.leads.retain(|(number, _)| *number != self.number);
            return None;
        }
        let tick = state.tick;
        let mine = state.leads.iter_mut().find(|lead| lead.0 == self.number);
        if let Some((_, heard)) = mine {
            *heard = tick;
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
    use super::*;

    type Numbers = Together<u64, u64>;

    fn leads(numbers: &Arc<Numbers>) -> Lead<u64, u64> {
        match numbers.ask(|| 0) {
            Asked::Leads(lead) => lead,
            Asked::Waits(..) => panic!("it has to wait"),
        }
    }

    type Answer = oneshot::Receiver<u64>;

    fn waits(numbers: &Arc<Numbers>, request: u64) -> (Answer, Option<Watch<u64, u64>>) {
        match numbers.ask(|| request) {
            Asked::Waits(answer, watch) => (answer, watch),
            Asked::Leads(_) => panic!("it leads"),
        }
    }

    fn is_quiet(numbers: &Numbers) -> bool {
        let state = lock(&numbers.state);
        state.leads.is_empty() && state.waiting.is_empty() && !state.watched
    }

    fn answer_all(batch: Vec<Waiting<u64, u64>>) {
        for waiting in batch {
            let request = waiting.request;
            waiting.answer(request * 10);
        }
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody_and_who_comes_later_leaves_together() {
        let numbers = Numbers::new(3);
        let (first, second) = (leads(&numbers), leads(&numbers));
        let (answer, watch) = waits(&numbers, 0);
        let mut watch = watch.expect("the first one that waits is watched over");
        let mut waiting: Vec<_> = (1..5).map(|request| waits(&numbers, request).0).collect();
        waiting.insert(0, answer);
        drop(waiting.remove(1));
        // As many as a batch holds, but those that are gone, and none that comes after it left.
        let batch = first.batch().expect("some wait");
        let requests: Vec<_> = batch.iter().map(|waiting| waiting.request).collect();
        assert_eq!(requests, [0, 2, 3]);
        let (late, other) = waits(&numbers, 9);
        assert!(other.is_none(), "there is a watch");
        answer_all(batch);
        for (number, answer) in [0, 20, 30].into_iter().zip(waiting.drain(..3)) {
            assert_eq!(answer.await, Ok(number));
        }
        // What is taken along and not answered is told so.
        drop(second.batch().expect("two wait"));
        assert!(late.await.is_err() && waiting.remove(0).await.is_err());
        assert!(first.batch().is_none() && second.batch().is_none());
        assert!(matches!(watch.tick(), Tick::Over));
        assert!(is_quiet(&numbers));
        // A lead that has ended ends no other.
        let third = leads(&numbers);
        drop((first, second));
        assert_eq!(lock(&numbers.state).leads.len(), 1);
        drop(third);
        assert!(is_quiet(&numbers));
    }

    /// Who leads may be a future that nobody polls any more.
    #[tokio::test]
    async fn who_stands_still_holds_nobody() {
        let numbers = Numbers::new(9);
        let stuck = [leads(&numbers), leads(&numbers)];
        let (answer, watch) = waits(&numbers, 1);
        let mut watch = watch.expect("it is watched over");
        assert!(
            matches!(watch.tick(), Tick::Quiet),
            "they may have just begun"
        );
        let Tick::Stuck(lead) = watch.tick() else {
            panic!("they stand still");
        };
        let batch = lead.batch().expect("one waits");
        // It moves: so it is relied on.
        let (next, _) = waits_beside(&numbers, &lead);
        assert!(
            matches!(watch.tick(), Tick::Stuck(_)),
            "there is room for one more"
        );
        answer_all(batch);
        assert_eq!(answer.await, Ok(10));
        answer_all(lead.batch().expect("one more waits"));
        assert_eq!(next.await, Ok(20));
        assert!(matches!(watch.tick(), Tick::Over));
        drop((lead, stuck));
        assert!(is_quiet(&numbers));
    }

    /// One that waits while `lead` is all that is under way.
    fn waits_beside(
        numbers: &Arc<Numbers>,
        _lead: &Lead<u64, u64>,
    ) -> (Answer, Option<Watch<u64, u64>>) {
        let other = leads(numbers);
        let waiting = waits(numbers, 2);
        drop(other);
        waiting
    }

    #[tokio::test]
    async fn a_watch_that_ends_leaves_nobody_waiting() {
        let numbers = Numbers::new(9);
        let leads = [leads(&numbers), leads(&numbers)];
        let (answer, watch) = waits(&numbers, 1);
        drop(watch);
        assert!(answer.await.is_err());
        let (_, watch) = waits(&numbers, 2);
        assert!(watch.is_some(), "the next one has a watch of its own");
        drop((watch, leads));
        assert!(is_quiet(&numbers));
    }
}
