//! A process with a near cache: what it hears of invalidations, what it keeps, and what it notices that it has not heard.

use super::World;
use super::calls::announcing;
use crate::caller::{At, Purpose, Reply};
use crate::config::{Config, Safeguard, Variant};
use crate::number::Moment;

/// What a process hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// The next push comes.
    Push,
    /// Nothing: time goes by until everything that is published by now is overdue.
    Overdue,
    /// A new connection is there.
    Reconnected,
    /// A call is answered from the near cache.
    NearHit,
}

impl World {
    pub(super) fn offer_words(&self, mut offer: impl FnMut(usize, Word)) {
        for (index, process) in self.processes.iter().enumerate() {
            let near = &process.near;
            if !near.pushes.is_empty() {
                offer(index, Word::Push);
            }
            offer(index, Word::Overdue);
            if near.cut {
                offer(index, Word::Reconnected);
            }
            // A hit that is fresh changes nothing.
            if near.found().is_some_and(|value| value < near.need) {
                offer(index, Word::NearHit);
            }
        }
    }

    pub(super) fn hear(&mut self, config: &Config, process: usize, word: Word) {
        let near = &mut self.processes[process].near;
        match word {
            Word::Push => {
                let number = near.deliver(config, &mut self.redis);
                self.heard(process, number);
            }
            Word::Overdue => {
                near.lapse(config, self.promised);
                let callers = self.callers.iter_mut();
                for caller in callers.filter(|caller| usize::from(caller.process) == process) {
                    caller.near.late = caller.at != At::Idle;
                }
            }
            Word::Reconnected => near.reconnect(config, &mut self.redis),
            Word::NearHit => self.stale = true,
        }
    }

    /// All numbers count from the last one that was heard.
    fn heard(&mut self, process: usize, number: u8) {
        self.processes[process].near.heard(number);
        let callers = self.callers.iter_mut();
        for caller in callers.filter(|caller| usize::from(caller.process) == process) {
            caller.near.number = caller.near.number.saturating_sub(number);
        }
    }

    /// Redis replies, behind all that it has published by now.
    pub(super) fn reply(&mut self, caller: usize, reply: Reply) {
        let caller = &mut self.callers[caller];
        caller.at = At::Replying(reply);
        caller.near.number = self.processes[usize::from(caller.process)].near.published;
    }

    /// Whether all that was published before the reply has come.
    pub(super) fn may_arrive(&self, caller: usize) -> bool {
        let caller = &self.callers[caller];
        let near = &self.processes[usize::from(caller.process)].near;
        near.pushes
            .first()
            .is_none_or(|push| push.number > caller.near.number)
    }

    pub(super) fn arrive(&mut self, config: &Config, caller: usize) {
        let At::Replying(reply) = self.callers[caller].at else {
            return;
        };
        let errand = self.callers[caller].near;
        let process = usize::from(self.callers[caller].process);
        if !config.lacks(Safeguard::NumberInReplies) && errand.number > 0 {
            self.processes[process].near.bump(&mut self.redis);
            self.heard(process, errand.number);
        }
        if !errand.late || config.lacks(Safeguard::ConfirmationAsOfSending) {
            self.processes[process].near.suspended = false;
        }
        match reply {
            Reply::Hit(value) => {
                self.answered(caller, value);
                self.callers[caller].need = Moment::default();
                self.callers[caller].at = At::Keeping(value);
            }
            Reply::Stored(value) => self.callers[caller].at = At::Keeping(value),
            Reply::Miss => self.callers[caller].at = announcing(false, Purpose::Load),
            Reply::Refused => self.leave(caller),
        }
    }

    /// As late as it may be: when Redis begins with the request.
    pub(super) fn take_near_stamp(&mut self, config: &Config, caller: usize) {
        if config.is(Variant::Near) {
            let caller = &mut self.callers[caller];
            caller.near.stamp = self.processes[usize::from(caller.process)].near.stamp;
        }
    }

    pub(super) fn keep(&mut self, config: &Config, caller: usize) {
        let At::Keeping(value) = self.callers[caller].at else {
            return;
        };
        if config.lacks(Safeguard::NearStampFirst) {
            self.take_near_stamp(config, caller);
        }
        let stamp = self.callers[caller].near.stamp;
        let process = usize::from(self.callers[caller].process);
        self.processes[process].near.entry = Some((value, stamp));
        self.leave(caller);
    }
}
