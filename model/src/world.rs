//! The whole: Redis, the database, processes, calls and writers, and everything that may happen next.

mod calls;
mod faults;
mod near;
mod reduction;
mod updates;
mod writes;

use stateright::{Model, Property};

pub use self::calls::Step;
pub use self::faults::Fault;
pub use self::near::Word;
pub use self::writes::Write;
use crate::caller::Caller;
use crate::config::{Config, Variant};
use crate::number::{self, Moment, Numbered, Visitor};
use crate::process::Process;
use crate::redis::Redis;

/// A state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// What the database holds: it moves on with each write.
    ///
    /// Where writers do not commit separately, they commit at the instant of their invalidation: the latest moment there is, so that
    /// anything loaded before the invalidation counts as old. That is P1 to the letter, and the worst case.
    pub(crate) database: Moment,
    /// What a lagging replica of it holds.
    pub(crate) replica: Moment,
    /// What a call that begins now must be answered with, or with something newer.
    ///
    /// An invalidation promises from the instant at which Redis applies it: returning at once, it could not promise sooner.
    pub(crate) promised: Moment,
    pub(crate) redis: Redis,
    pub(crate) processes: Vec<Process>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) writers: [writes::Writer; 2],
    /// Faults so far, where they are counted.
    pub(crate) faults: u8,
    /// A promise was broken.
    pub(crate) stale: bool,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A call moves on.
    Call(usize, Step),
    /// A writer does.
    Write(Write),
    /// A process hears of invalidations, or does not.
    Hear(usize, Word),
    /// Something breaks.
    Fault(Fault),
}

/// The protocol, as one search sees it.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What is searched.
    pub config: Config,
    /// Whether states count as one that differ in nothing that matters. A trace then doesn't tell which caller goes on.
    pub reduced: bool,
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.config)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.stale {
            return;
        }
        let config = &self.config;
        world.offer_steps(config, |caller, step| {
            actions.push(Action::Call(caller, step));
        });
        world.offer_writes(config, |write| actions.push(Action::Write(write)));
        if config.is(Variant::Near) {
            world.offer_words(|process, word| actions.push(Action::Hear(process, word)));
        }
        if config.faults.is_none_or(|most| world.faults < most) {
            world.offer_faults(config, |fault| actions.push(Action::Fault(fault)));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let config = &self.config;
        let mut next = world.clone();
        match action {
            Action::Call(caller, step) => next.step(config, caller, step),
            Action::Write(write) => next.write(config, write),
            Action::Hear(process, word) => next.hear(config, process, word),
            Action::Fault(fault) => {
                next.faults += u8::from(config.faults.is_some());
                next.fault(config, fault);
            }
        }
        if self.reduced {
            next.reduce(config);
        }
        let tokens = number::renumber(&mut next);
        next.redis.renumbered(tokens);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(FRESH, |_, world: &World| !world.stale)]
    }
}

/// The name of promise P1 among the properties.
pub const FRESH: &str = "fresh";

impl World {
    fn new(config: &Config) -> Self {
        Self {
            database: Moment::default(),
            replica: Moment::default(),
            promised: Moment::default(),
            redis: Redis::new(),
            processes: vec![Process::default(); config.processes().into()],
            callers: config.callers.iter().copied().map(Caller::new).collect(),
            writers: Default::default(),
            faults: 0,
            stale: false,
        }
    }
}

impl Numbered for World {
    fn show(&mut self, visitor: &mut impl Visitor) {
        visitor.need(&mut self.database);
        visitor.value(&mut self.replica);
        visitor.need(&mut self.promised);
        self.redis.show(visitor);
        self.processes.show(visitor);
        self.callers.show(visitor);
    }
}
