//! What a call does, in the order in which the runtime does it.

use super::World;
use crate::caller::{At, Errand, Purpose, Reply};
use crate::config::{Config, Safeguard, Variant};
use crate::number::Moment;
use crate::process::Load;
use crate::redis::{Node, Stamp, Ticket};

/// One step of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A call begins, and sends its read.
    Begin,
    /// A call begins that replaces what is stored.
    Refresh,
    /// An updater begins.
    Update,
    /// Redis reads the entry.
    ReadEntry,
    /// Redis reads the generations.
    ReadGenerations,
    /// A replica reads the entry.
    ReadReplica,
    /// Redis executes the announcement.
    Open,
    /// A cluster's node executes the first half of the announcement: the generations.
    OpenGenerations,
    /// A cluster's node executes the other half: the fence.
    OpenFence,
    /// Leads, joins, or takes what is there.
    Turn,
    /// Leads instead of a leader that was dropped.
    TakeOver,
    /// Takes another caller's answer.
    Take,
    /// Reads the database.
    Load,
    /// The load is done, and those that joined it get its answer.
    Share,
    /// An updater commits.
    Commit,
    /// Redis executes the fill.
    Fill,
    /// An updater hears nothing of its fill, which is on its way yet.
    GiveUp,
    /// Redis executes an updater's invalidation.
    Invalidate,
    /// An updater's invalidation fails, and is queued.
    Queue,
    /// Redis' answer comes to an updater.
    Return,
    /// Redis' reply comes.
    Arrive,
    /// The near cache keeps the answer.
    Keep,
    /// The call is dropped. What it sent last is executed or not: a lost fill is this, and a late one a slow call.
    Drop,
}

impl World {
    /// What the calls may do. Look-ups may be executed in any order and after any delay.
    pub(super) fn offer_steps(&self, config: &Config, mut offer: impl FnMut(usize, Step)) {
        for (index, caller) in self.callers.iter().enumerate() {
            let mut offer = |step| offer(index, step);
            let process = &self.processes[usize::from(caller.process)];
            let connected = !process.near.cut;
            match caller.at {
                At::Idle => {
                    // A call that bypasses the cache loads for itself alone: always fresh.
                    if !process.bypasses(config) && connected {
                        offer(Step::Begin);
                        offer(Step::Refresh);
                        if config.updates() {
                            offer(Step::Update);
                        }
                    }
                    continue;
                }
                At::Reading { entry, stamp, body } => {
                    if body.is_none() && config.is(Variant::Replica) {
                        offer(Step::ReadReplica);
                    }
                    if entry.is_none() {
                        offer(Step::ReadEntry);
                    }
                    if stamp.is_none() {
                        offer(Step::ReadGenerations);
                    }
                }
                At::Opening { stamp, fence, .. } if config.is(Variant::Cluster) => {
                    if stamp.is_none() {
                        offer(Step::OpenGenerations);
                    }
                    if fence.is_none() {
                        offer(Step::OpenFence);
                    }
                }
                At::Opening { stamp, fence, .. } if config.is(Variant::HoldOffApart) => {
                    let any_order = config.lacks(Safeguard::FenceBeforeMarks);
                    if fence.is_none() {
                        offer(Step::OpenFence);
                    }
                    if stamp.is_none() && (fence.is_some() || any_order) {
                        offer(Step::OpenGenerations);
                    }
                }
                At::Opening { .. } => offer(Step::Open),
                At::Turning(_) => offer(Step::Turn),
                At::Waiting(ticket) => {
                    if process.loads.contains(&(ticket, Load::Vacant)) {
                        offer(Step::TakeOver);
                    }
                }
                At::Given(_) => offer(Step::Take),
                At::Loading(_) => offer(Step::Load),
                At::Answering(..) => offer(Step::Share),
                At::Filling(..) => {
                    if connected {
                        offer(Step::Fill);
                    }
                }
                At::Replying(_) => {
                    if self.may_arrive(index) {
                        offer(Step::Arrive);
                    }
                }
                At::Keeping(_) => offer(Step::Keep),
                At::Updating(_) | At::Storing(..) | At::Unstored(..) | At::Returning(_) => {
                    self.offer_update(config, caller, &mut offer);
                }
            }
            offer(Step::Drop);
        }
    }

    pub(super) fn step(&mut self, config: &Config, caller: usize, step: Step) {
        match step {
            Step::Begin => {
                let reading = At::Reading {
                    entry: None,
                    stamp: None,
                    body: None,
                };
                self.begin(caller, reading);
            }
            Step::Refresh => self.begin(caller, announcing(true, Purpose::Load)),
            Step::Update
            | Step::Commit
            | Step::GiveUp
            | Step::Invalidate
            | Step::Queue
            | Step::Return => {
                self.update(config, caller, step);
            }
            Step::ReadEntry | Step::ReadGenerations | Step::ReadReplica => {
                self.read(config, caller, step)
            }
            Step::Open => {
                self.open(config, caller, Node::Generations);
                self.open(config, caller, Node::Keys);
                self.opened(config, caller);
            }
            Step::OpenGenerations => {
                self.open(config, caller, Node::Generations);
                self.opened(config, caller);
            }
            Step::OpenFence => {
                self.open(config, caller, Node::Keys);
                self.opened(config, caller);
            }
            Step::Turn | Step::TakeOver => self.turn(config, caller),
            Step::Take | Step::Drop => {
                if let (Step::Take, At::Given(value)) = (step, self.callers[caller].at) {
                    self.loaded(config, caller, value);
                }
                self.leave(caller);
            }
            Step::Load => self.load(config, caller),
            Step::Share => self.share(caller),
            Step::Fill => self.fill(config, caller),
            Step::Arrive => self.arrive(config, caller),
            Step::Keep => self.keep(config, caller),
        }
    }

    pub(super) fn begin(&mut self, caller: usize, at: At) {
        let caller = &mut self.callers[caller];
        let own = self.processes[usize::from(caller.process)].own;
        caller.need = self.promised.max(own);
        caller.at = at;
    }

    /// Ends a call; a turn to load passes on, and the last to leave takes along what was kept for others.
    pub(super) fn leave(&mut self, caller: usize) {
        let process = self.callers[caller].process;
        let left = self.callers[caller].at;
        self.callers[caller].at = At::Idle;
        self.callers[caller].need = Moment::default();
        self.callers[caller].near = Errand::default();
        let loads = &mut self.processes[usize::from(process)].loads;
        if let At::Loading(ticket) | At::Answering(ticket, _) = left {
            for (known, load) in &mut *loads {
                if *known == ticket && *load == Load::Running {
                    *load = Load::Vacant;
                }
            }
        }
        let mut others = self.callers.iter().filter(|other| other.process == process);
        if !others.any(|other| other.is_seated()) {
            loads.clear();
        }
    }

    /// One part of the read. It may be the last one, that decides.
    fn read(&mut self, config: &Config, caller: usize, step: Step) {
        let At::Reading { entry, stamp, body } = &mut self.callers[caller].at else {
            return;
        };
        let first = entry.is_none() && stamp.is_none();
        match step {
            Step::ReadEntry => {
                *entry = Some((self.redis.keys.entry, self.redis.run(config, Node::Keys)));
            }
            Step::ReadReplica => *body = Some(self.redis.replica),
            _ => *stamp = Some(self.redis.stamp(config)),
        }
        let mut read = entry.zip(*stamp);
        if config.is(Variant::Replica) {
            // What does not agree would be read from the master alone, anew: as a call of `Plain`.
            read = read.zip(*body).map(|(((head, run), stamp), body)| {
                let vouched =
                    body.filter(|_| body == head || config.lacks(Safeguard::HeadOfMaster));
                ((vouched, run), stamp)
            });
        }
        if first {
            self.take_near_stamp(config, caller);
        }
        let Some(((entry, run), stamp)) = read else {
            return;
        };
        let stamp = stamp.map(|stamp| stamp.on(run));
        let current = entry.filter(|entry| Some(entry.stamp) == stamp);
        match current {
            Some(entry) if config.is(Variant::Near) => self.reply(caller, Reply::Hit(entry.value)),
            None if config.is(Variant::Near) => self.reply(caller, Reply::Miss),
            Some(entry) => {
                self.answered(caller, entry.value);
                self.leave(caller);
            }
            None => self.callers[caller].at = announcing(false, Purpose::Load),
        }
    }

    fn open(&mut self, config: &Config, caller: usize, node: Node) {
        self.take_near_stamp(config, caller);
        let At::Opening {
            replace,
            stamp,
            fence,
            busy,
            ..
        } = &mut self.callers[caller].at
        else {
            return;
        };
        match node {
            Node::Generations => {
                *stamp = self.redis.open_generations(config);
                *busy = self.redis.is_busy() && !config.lacks(Safeguard::BusyCheck);
            }
            Node::Keys => {
                let run = self.redis.run(config, Node::Keys);
                *fence = Some((self.redis.open_fence(config, *replace), run));
            }
        }
    }

    /// The announcement is complete when all its parts are.
    fn opened(&mut self, config: &Config, caller: usize) {
        let At::Opening {
            stamp: Some(stamp),
            fence: Some((fence, run)),
            busy,
            purpose,
            ..
        } = self.callers[caller].at
        else {
            return;
        };
        let ticket = Ticket {
            stamp: Stamp::on(stamp, run),
            fence,
            busy,
        };
        self.callers[caller].at = match purpose {
            Purpose::Update => At::Updating(ticket),
            Purpose::Updated(value) => At::Storing(ticket, value),
            Purpose::Load if shares(config, ticket) => At::Turning(ticket),
            Purpose::Load => At::Loading(ticket),
        };
    }

    fn turn(&mut self, config: &Config, caller: usize) {
        let (At::Turning(ticket) | At::Waiting(ticket)) = self.callers[caller].at else {
            return;
        };
        let process = &mut self.processes[usize::from(self.callers[caller].process)];
        self.callers[caller].at = match process.load(config, ticket) {
            Some((joined, Load::Running)) => At::Waiting(*joined),
            Some((_, Load::Loaded(value))) => At::Given(*value),
            Some((joined, load @ Load::Vacant)) => {
                *load = Load::Running;
                At::Loading(*joined)
            }
            None => {
                process.loads.push((ticket, Load::Running));
                At::Loading(ticket)
            }
        };
    }

    fn load(&mut self, config: &Config, caller: usize) {
        let At::Loading(ticket) = self.callers[caller].at else {
            return;
        };
        let value = if config.holds_off() {
            self.replica
        } else {
            self.database
        };
        self.loaded(config, caller, value);
        // What follows owes nothing to this call.
        self.callers[caller].need = Moment::default();
        if shares(config, ticket) {
            self.callers[caller].at = At::Answering(ticket, value);
        } else if ticket.busy {
            self.leave(caller);
        } else {
            self.callers[caller].at = At::Filling(ticket, value);
        }
    }

    /// Gives the answer to all that wait for it.
    fn share(&mut self, caller: usize) {
        let At::Answering(ticket, value) = self.callers[caller].at else {
            return;
        };
        let process = self.callers[caller].process;
        for (known, load) in &mut self.processes[usize::from(process)].loads {
            if *known == ticket {
                *load = Load::Loaded(value);
            }
        }
        for other in &mut self.callers {
            if other.process == process && other.at == At::Waiting(ticket) {
                other.at = At::Given(value);
            }
        }
        self.callers[caller].at = At::Filling(ticket, value);
        if ticket.busy {
            self.forget(caller, ticket);
            self.leave(caller);
        }
    }

    fn fill(&mut self, config: &Config, caller: usize) {
        if matches!(self.callers[caller].at, At::Storing(..) | At::Unstored(..)) {
            return self.store(config, caller);
        }
        let At::Filling(ticket, value) = self.callers[caller].at else {
            return;
        };
        let stored = self.redis.fill(config, ticket, value);
        if !stored {
            self.forget(caller, ticket);
        }
        if config.is(Variant::Near) {
            let reply = if stored {
                Reply::Stored(value)
            } else {
                Reply::Refused
            };
            self.reply(caller, reply);
        } else {
            self.leave(caller);
        }
    }

    fn forget(&mut self, caller: usize, ticket: Ticket) {
        let process = self.callers[caller].process;
        self.processes[usize::from(process)].forget(ticket);
    }

    /// P1.
    pub(super) fn answered(&mut self, caller: usize, value: Moment) {
        self.stale |= value < self.callers[caller].need;
    }

    /// P1 for what was loaded and not stored. From a lagging replica that may be older; the promise is about what is stored.
    fn loaded(&mut self, config: &Config, caller: usize, value: Moment) {
        if !config.holds_off() {
            self.answered(caller, value);
        }
    }
}

pub(super) fn announcing(replace: bool, purpose: Purpose) -> At {
    At::Opening {
        replace,
        stamp: None,
        fence: None,
        busy: false,
        purpose,
    }
}

/// Whether the load of `ticket` is open to others.
fn shares(config: &Config, ticket: Ticket) -> bool {
    config.flights() && (!ticket.busy || config.lacks(Safeguard::BusyLoadsAlone))
}
