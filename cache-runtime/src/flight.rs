//! Single flight: of all callers of this process that miss one key at one time, one loads.
//!
//! A caller takes a *seat* at the key before it announces its load to the store, and joins the load that was announced with the very
//! same ticket (stamp and fence). The tickets differ as soon as an invalidation came in between, so nobody shares an answer that
//! was loaded before an invalidation that had returned when the call began. A finished load's answer stays with the seats that were
//! taken while it ran: a caller that got its ticket before the answer was stored, and comes to the door late, still finds it.
//!
//! A leader that is cancelled or panics hands over to one that waits. So does one whose load failed, where its error cannot be shared. After the
//! second panic or failure of one load all load on their own, at once.
//!
//! While a write is announced, tickets stay equal though the row may change at any moment; and while the store is away there are none. Then
//! nobody joins a load that has begun: those that come meanwhile share the next one, which begins when that one ends, or [`GATHERING`] after
//! they came.

mod announcing;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use self::announcing::Announcing;
use crate::shape::SharedError;
use crate::store::{Busy, Ticket};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, at_most, lock};

const SHARDS: usize = 16;

/// Loads of one key that are remembered, the latest: others are only joined by those that have joined them.
const MOST_LOADS: usize = 8;

/// The longest time that callers wait for others to share a load with, where they cannot join the one under way.
const GATHERING: Duration = Duration::from_millis(25);

/// All loads under way in this process, by key.
#[derive(Debug)]
pub(crate) struct Flights {
    shards: [Mutex<HashMap<Arc<str>, Room>>; SHARDS],
    hasher: RandomState,
}

/// The loads of one key, as long as anybody sits there.
#[derive(Debug, Default)]
struct Room {
    seats: usize,
    announcing: Arc<Announcing>,
    loads: Vec<(Ticket, Arc<Load>)>,
}

#[derive(Debug)]
struct Load {
    state: Mutex<State>,
    changed: Notify,
    /// One that began before this one's callers came, and that they must not join: it ends first.
    before: Option<Weak<Self>>,
    /// Panics, and failures that could not be shared.
    failures: AtomicUsize,
    /// Callers that wait for it.
    waiting: AtomicUsize,
}

/// One caller that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Clone)]
enum State {
    /// Nobody loads: the first to come leads.
    Vacant,
    Running,
    /// The entry, as it would be stored, and until when it may be.
    Loaded(Bytes, Option<Instant>),
    /// It failed, and all that wait get this.
    Failed(SharedError),
    /// There is nothing to share: each caller loads on its own.
    Unshared,
    /// The ticket is not the present one: each caller asks for another.
    Outdated,
}

/// A caller's place at a key.
#[derive(Debug)]
pub(crate) struct Seat {
    flights: Arc<Flights>,
    shard: usize,
    key: Arc<str>,
    announcing: Arc<Announcing>,
}

/// What a caller has to do.
#[derive(Debug)]
pub(crate) enum Turn {
    Lead(Leader),
    Share(Bytes),
    /// The load that this caller waited for failed with this.
    Failed(SharedError),
    /// The load that this caller waited for had nothing to share.
    Alone,
    /// The load that this caller waited for was not begun, as something had been invalidated.
    Again,
}

/// The right to load; dropped without an outcome, it passes to one that waits.
#[derive(Debug)]
pub(crate) struct Leader {
    load: Arc<Load>,
    ended: bool,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Takes a seat at `key`.
    pub(crate) fn sit(self: &Arc<Self>, key: &str) -> Seat {
        let number = self.hasher.hash_one(key) as usize % SHARDS;
        let mut shard = self.shard(number);
        let key = match shard.get_key_value(key) {
            Some((key, _)) => key.clone(),
            None => key.into(),
        };
        let room = shard.entry(key.clone()).or_default();
        room.seats += 1;
        let announcing = room.announcing.clone();
        drop(shard);
        Seat {
            flights: self.clone(),
            shard: number,
            key,
            announcing,
        }
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, HashMap<Arc<str>, Room>> {
        lock(&self.shards[number])
    }
}

impl Seat {
    /// Leads the load of `ticket`, or waits for who does: for one load no longer than `time`, and for no more than two.
    ///
    /// Safe to drop while it waits: a turn that was handed over passes on.
    pub(crate) async fn turn_within(&self, ticket: Ticket, time: Duration) -> Option<Turn> {
        for _ in 0..2 {
            let load = self.load(ticket);
            if let Some(turn) = at_most(time, self.wait_for(&load)).await {
                return Some(turn);
            }
            self.abandon(&load);
        }
        None
    }

    /// Leads the load of `ticket`, or waits for who does.
    #[cfg(test)]
    pub(crate) async fn turn(&self, ticket: Ticket) -> Turn {
        self.wait_for(&self.load(ticket)).await
    }

    async fn wait_for(&self, load: &Arc<Load>) -> Turn {
        let _waiting = Waiting::new(&load.waiting);
        if let Some(before) = load.before.as_ref().and_then(Weak::upgrade) {
            let ended = before.until(|load| (!load.is_running()).then_some(()));
            // One who has waited long enough begins.
            let _ = at_most(GATHERING, ended).await;
        }
        load.until(Load::take).await
    }

    /// The turn of a caller that need not wait.
    pub(crate) fn at_once(&self, ticket: Ticket) -> Option<Turn> {
        let load = self.load(ticket);
        match load.before.as_ref().and_then(Weak::upgrade) {
            Some(before) if before.is_running() => None,
            _ => load.take(),
        }
    }

    /// Leads the load of `ticket`, if nobody does.
    pub(crate) fn lead(&self, ticket: Ticket) -> Option<Leader> {
        match self.at_once(ticket)? {
            Turn::Lead(leader) => Some(leader),
            Turn::Share(_) | Turn::Failed(_) | Turn::Alone | Turn::Again => None,
        }
    }

    fn load(&self, ticket: Ticket) -> Arc<Load> {
        let mut shard = self.flights.shard(self.shard);
        let room = shard.entry(self.key.clone()).or_default();
        // What failed to be shared, or has expired, is not joined by anybody who comes later.
        room.loads.retain(|(_, load)| lock(&load.state).is_joined());
        let known = room.loads.iter().rev().find(|(known, _)| *known == ticket);
        let before = match known.map(|(_, load)| load) {
            // What is being written may have been written since that load began, and its ticket would be the same.
            Some(load) if ticket.busy == Busy::Announced && !load.is_waited_for() => {
                Some(Arc::downgrade(load))
            }
            Some(load) => return load.clone(),
            None => None,
        };
        let load = Arc::new(Load {
            state: Mutex::new(State::Vacant),
            changed: Notify::new(),
            before,
            failures: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        room.loads.push((ticket, load.clone()));
        let past = room.loads.len().saturating_sub(MOST_LOADS);
        room.loads.drain(..past);
        load
    }
}

impl Seat {
    /// Lets nobody join the finished load of `ticket` any more; who has joined still gets its answer.
    pub(crate) fn forget(&self, ticket: Ticket) {
        self.keep(|known, load| *known != ticket || !load.is_loaded());
    }

    /// Lets nobody join `load` any more, which takes too long: of those that have waited for it one leads another.
    fn abandon(&self, load: &Arc<Load>) {
        self.keep(|_, known| !Arc::ptr_eq(known, load));
    }

    fn keep(&self, mut kept: impl FnMut(&Ticket, &Arc<Load>) -> bool) {
        let mut shard = self.flights.shard(self.shard);
        if let Some(room) = shard.get_mut(&self.key) {
            room.loads.retain(|(ticket, load)| kept(ticket, load));
        }
    }
}

impl State {
    fn is_joined(&self) -> bool {
        match self {
            Self::Vacant | Self::Running => true,
            Self::Loaded(_, expires) => expires.is_none_or(|expires| expires > Instant::now()),
            Self::Failed(_) | Self::Unshared | Self::Outdated => false,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(self.shard);
        if let Entry::Occupied(mut room) = shard.entry(self.key.clone()) {
            room.get_mut().seats -= 1;
            if room.get().seats == 0 {
                room.remove();
            }
        }
    }
}

/// Waits until `ready` answers, which is asked anew at each change.
async fn until<T>(changes: &Notify, ready: impl Fn() -> Option<T>) -> T {
    loop {
        // Made before the look, it hears of every change after it, polled or not.
        let changed = changes.notified();
        if let Some(answer) = ready() {
            return answer;
        }
        changed.await;
    }
}

impl Load {
    /// Waits until `ready` answers.
    async fn until<T>(self: &Arc<Self>, ready: impl Fn(&Arc<Self>) -> Option<T>) -> T {
        until(&self.changed, || ready(self)).await
    }

    /// One more tries; what has failed twice is not tried by one after the other.
    fn after_failure(&self) -> State {
        match self.failures.fetch_add(1, Ordering::Relaxed) {
            0 => State::Vacant,
            _ => State::Unshared,
        }
    }

    fn end(&self, outcome: State) {
        *lock(&self.state) = outcome;
        // All, as some of them only wait for its end.
        self.changed.notify_waiters();
    }

    fn is_running(&self) -> bool {
        matches!(*lock(&self.state), State::Running)
    }

    fn is_loaded(&self) -> bool {
        matches!(*lock(&self.state), State::Loaded(..))
    }

    /// Whether it has not begun.
    fn is_waited_for(&self) -> bool {
        matches!(*lock(&self.state), State::Vacant)
    }

    /// The turn of a caller that comes now, or `None` while it has to wait.
    fn take(self: &Arc<Self>) -> Option<Turn> {
        let mut state = lock(&self.state);
        match &*state {
            State::Vacant => {
                *state = State::Running;
                Some(Turn::Lead(Leader {
                    load: self.clone(),
                    ended: false,
                }))
            }
            State::Running => None,
            State::Loaded(entry, _) => Some(Turn::Share(entry.clone())),
            State::Failed(error) => Some(Turn::Failed(error.clone())),
            State::Unshared => Some(Turn::Alone),
            State::Outdated => Some(Turn::Again),
        }
    }
}

impl Leader {
    /// Gives `entry` to all that wait, and to all that come with the same ticket.
    pub(crate) fn share(self, entry: Bytes, ttl: Option<Duration>) {
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.end(State::Loaded(entry, expires));
    }

    /// Sends all that wait to load on their own.
    pub(crate) fn share_nothing(self) {
        self.end(State::Unshared);
    }

    /// The load failed: all that wait get the error, or one of them tries again.
    pub(crate) fn fail(self, error: Option<SharedError>) {
        let outcome = match error {
            Some(error) => State::Failed(error),
            None => self.load.after_failure(),
        };
        self.end(outcome);
    }

    /// Sends all that wait to look again.
    pub(crate) fn send_away(self) {
        self.end(State::Outdated);
    }

    /// Whether anybody waits, or may still come to share the answer: not where nobody joins a load that has begun.
    pub(crate) fn is_awaited(&self, ticket: Ticket) -> bool {
        ticket.busy != Busy::Announced || self.load.waiting.load(Ordering::Acquire) > 0
    }

    fn end(mut self, outcome: State) {
        self.ended = true;
        self.load.end(outcome);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Once ended the load may be another's already.
        if !self.ended {
            self.load.end(if thread::panicking() {
                self.load.after_failure()
            } else {
                State::Vacant
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generations::Stamp;

    const TICKET: Ticket = Ticket {
        stamp: Stamp(1),
        fence: 1,
        busy: Busy::No,
    };

    impl Flights {
        fn rooms(&self) -> usize {
            self.shards.iter().map(|shard| lock(shard).len()).sum()
        }
    }

    /// A call that was seated with the others and loads when it is its turn.
    async fn call(seat: Seat, loads: &AtomicUsize) -> Bytes {
        match seat.turn(TICKET).await {
            Turn::Lead(leader) => {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                leader.share(Bytes::from_static(b"x"), None);
                Bytes::from_static(b"x")
            }
            Turn::Share(bytes) => bytes,
            Turn::Failed(_) | Turn::Alone | Turn::Again => unreachable!("the leader shared"),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_of_many_loads_and_nothing_stays() {
        let flights = Arc::new(Flights::new());
        let loads = Arc::new(AtomicUsize::new(0));
        let host = flights.sit("k");
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let (flights, loads) = (flights.clone(), loads.clone());
                tokio::spawn(async move { call(flights.sit("k"), &loads).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.expect("no panic"), "x");
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        drop(host);
        assert_eq!(flights.rooms(), 0);
    }

    /// While the store is away callers come all the time: those that come while a load runs share the next one, and no load is lost from sight.
    #[tokio::test(start_paused = true)]
    async fn a_stream_of_callers_shares_load_by_load() {
        const LOAD: Duration = Duration::from_millis(10);
        let flights = Arc::new(Flights::new());
        let loads = Arc::new(AtomicUsize::new(0));
        let mut calls = Vec::new();
        for _ in 0..1_000 {
            let (flights, loads) = (flights.clone(), loads.clone());
            calls.push(tokio::spawn(async move {
                let (seat, ticket) = (flights.sit("k"), Ticket::BLIND);
                match seat.turn_within(ticket, Duration::from_secs(5)).await {
                    Some(Turn::Lead(leader)) => {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(LOAD).await;
                        if leader.is_awaited(ticket) {
                            leader.share(Bytes::new(), Some(Duration::from_secs(60)));
                        }
                        seat.forget(ticket);
                    }
                    Some(Turn::Share(_)) => {}
                    _ => unreachable!("every load is shared"),
                }
            }));
            tokio::time::sleep(LOAD / 10).await;
        }
        for call in calls {
            call.await.expect("no panic");
        }
        let loads = loads.load(Ordering::Relaxed);
        assert!(loads <= 105, "{loads} loads of 10 ms in a second");
        assert_eq!(flights.rooms(), 0);
    }

    /// One that takes too long is led again by one of those that have waited, and the others wait for that.
    #[tokio::test(start_paused = true)]
    async fn a_load_that_stands_still_is_led_again_by_one() {
        let flights = Arc::new(Flights::new());
        let host = flights.sit("k");
        let Some(Turn::Lead(_still)) = host.at_once(TICKET) else {
            panic!("the first leads");
        };
        let loads = Arc::new(AtomicUsize::new(0));
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let (flights, loads) = (flights.clone(), loads.clone());
                tokio::spawn(async move {
                    let seat = flights.sit("k");
                    let turn = seat.turn_within(TICKET, Duration::from_secs(5)).await;
                    if let Some(Turn::Lead(leader)) = turn {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        leader.share(Bytes::new(), None);
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.expect("no panic");
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn another_ticket_is_another_load() {
        let flights = Arc::new(Flights::new());
        let (a, b) = (flights.sit("k"), flights.sit("k"));
        let first = a.turn(TICKET).await;
        let second = b.turn(Ticket { fence: 2, ..TICKET }).await;
        assert!(matches!((first, second), (Turn::Lead(_), Turn::Lead(_))));
    }

    #[tokio::test]
    async fn a_leader_that_is_dropped_hands_over_to_one() {
        let flights = Arc::new(Flights::new());
        let seats: Vec<_> = (0..3).map(|_| flights.sit("k")).collect();
        let Turn::Lead(leader) = seats[0].turn(TICKET).await else {
            panic!("the first leads")
        };
        let mut second = std::pin::pin!(seats[1].turn(TICKET));
        let mut third = std::pin::pin!(seats[2].turn(TICKET));
        assert!(
            futures_util::poll!(&mut second).is_pending()
                && futures_util::poll!(&mut third).is_pending()
        );
        drop(leader);
        let Turn::Lead(leader) = second.await else {
            panic!("the second leads")
        };
        assert!(futures_util::poll!(&mut third).is_pending());
        leader.share(Bytes::new(), None);
        assert!(matches!(third.await, Turn::Share(_)));
    }

    #[tokio::test]
    async fn a_turn_given_to_a_cancelled_caller_passes_on() {
        let flights = Arc::new(Flights::new());
        let seats: Vec<_> = (0..3).map(|_| flights.sit("k")).collect();
        let Turn::Lead(leader) = seats[0].turn(TICKET).await else {
            panic!("the first leads")
        };
        let mut second = Box::pin(seats[1].turn(TICKET));
        let mut third = std::pin::pin!(seats[2].turn(TICKET));
        assert!(
            futures_util::poll!(&mut second).is_pending()
                && futures_util::poll!(&mut third).is_pending()
        );
        drop(leader);
        drop(second);
        assert!(matches!(third.await, Turn::Lead(_)));
    }

    #[tokio::test]
    async fn a_load_without_anything_to_share_lets_all_go_and_is_not_joined_again() {
        let flights = Arc::new(Flights::new());
        let seats: Vec<_> = (0..3).map(|_| flights.sit("k")).collect();
        let Turn::Lead(leader) = seats[0].turn(TICKET).await else {
            panic!("the first leads")
        };
        let mut second = std::pin::pin!(seats[1].turn(TICKET));
        assert!(futures_util::poll!(&mut second).is_pending());
        leader.share_nothing();
        assert!(matches!(second.await, Turn::Alone));
        assert!(matches!(seats[2].turn(TICKET).await, Turn::Lead(_)));
    }
}
