//! Writers that store what they write (`#[updates]`): the ticket first, then the write, then the fill; and where that comes to nothing, the
//! invalidation of the key.

use super::World;
use super::calls::{Step, announcing};
use crate::caller::{At, Caller, Purpose};
use crate::config::{Config, Safeguard, Variant};
use crate::number::Moment;
use crate::redis::{Target, Ticket};

impl World {
    /// What an updater may do that has its ticket.
    pub(super) fn offer_update(
        &self,
        config: &Config,
        caller: &Caller,
        mut offer: impl FnMut(Step),
    ) {
        let connected = !self.processes[usize::from(caller.process)].near.cut;
        let sends = connected && (!config.is(Variant::Near) || self.has_room(config));
        match caller.at {
            At::Updating(_) => offer(Step::Commit),
            At::Storing(..) => {
                if sends {
                    offer(Step::Fill);
                }
                offer(Step::GiveUp);
            }
            At::Unstored(late, _) => {
                if sends {
                    if late.is_some() {
                        offer(Step::Fill);
                    }
                    offer(Step::Invalidate);
                }
                if config.is(Variant::Queue) && caller.process == 0 {
                    offer(Step::Queue);
                }
            }
            _ => offer(Step::Return),
        }
    }

    pub(super) fn update(&mut self, config: &Config, caller: usize, step: Step) {
        match (step, self.callers[caller].at) {
            (Step::Update, _) => {
                let purpose = match config.lacks(Safeguard::TicketBeforeUpdate) {
                    true => Purpose::Updated(self.moves_on()),
                    false => Purpose::Update,
                };
                self.begin(caller, announcing(true, purpose));
                // It asks for nothing.
                self.callers[caller].need = Moment::default();
            }
            (Step::Commit, At::Updating(ticket)) => {
                let value = self.moves_on();
                self.callers[caller].at = match ticket.busy {
                    true => At::Unstored(None, value),
                    false => At::Storing(ticket, value),
                };
            }
            (Step::GiveUp, At::Storing(ticket, value)) => {
                self.callers[caller].at = At::Unstored(Some(ticket), value);
            }
            (Step::Invalidate, At::Unstored(late, value)) => {
                if !config.lacks(Safeguard::InvalidationOfUnstored) {
                    self.redis.invalidate(config, Target::Key);
                }
                self.known(config, caller, late, value);
                if config.is(Variant::Near) {
                    self.publish(true);
                }
            }
            (Step::Queue, At::Unstored(late, value)) => {
                let process = &mut self.processes[0];
                process.own = process.own.max(value);
                process.enqueue(config, Target::Key);
                self.end(caller, late, value);
            }
            (Step::Return, At::Returning(value)) => {
                let process = usize::from(self.callers[caller].process);
                let near = &mut self.processes[process].near;
                near.need = near.need.max(value);
                if !config.lacks(Safeguard::OwnBump) {
                    near.bump(&mut self.redis);
                }
                self.leave(caller);
            }
            _ => {}
        }
    }

    /// Redis executes the fill of an updater.
    pub(super) fn store(&mut self, config: &Config, caller: usize) {
        let (ticket, value, heard) = match self.callers[caller].at {
            At::Storing(ticket, value) => (ticket, value, true),
            At::Unstored(Some(ticket), value) => (ticket, value, false),
            _ => return,
        };
        let stored = self.redis.fill(config, ticket, value);
        if stored && heard {
            self.known(config, caller, None, value);
        } else {
            self.callers[caller].at = At::Unstored(None, value);
        }
        let pushed = config.is(Variant::Near) && !config.lacks(Safeguard::PushOfUpdate);
        if stored && pushed {
            self.publish(true);
        }
    }

    /// From now on what the updater has committed is promised.
    fn known(&mut self, config: &Config, caller: usize, late: Option<Ticket>, value: Moment) {
        self.promised = self.promised.max(value);
        if config.is(Variant::Near) {
            // There nothing late is stored: its fence is gone.
            self.callers[caller].at = At::Returning(value);
        } else {
            self.end(caller, late, value);
        }
    }

    /// The updater returns; its fill may be on its way yet.
    fn end(&mut self, caller: usize, late: Option<Ticket>, value: Moment) {
        self.leave(caller);
        if let Some(ticket) = late {
            self.callers[caller].at = At::Filling(ticket, value);
        }
    }

    /// A commit that nobody knows of yet.
    fn moves_on(&mut self) -> Moment {
        self.database.0 += 1;
        self.database
    }
}
