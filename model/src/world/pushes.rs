//! How a process with a near cache hears of invalidations, or notices that it does not.

use super::World;
use crate::caller::At;
use crate::config::Config;

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
        let callers = self.callers.iter_mut();
        let callers = callers.filter(|caller| usize::from(caller.process) == process);
        match word {
            Word::Push => {
                near.deliver(config, &mut self.redis);
                for caller in callers {
                    caller.near.behind = caller.near.behind.saturating_sub(1);
                }
            }
            Word::Overdue => {
                near.lapse(config, self.promised);
                for caller in callers.filter(|caller| caller.at != At::Idle) {
                    caller.near.late = true;
                }
            }
            Word::Reconnected => near.reconnect(config, &mut self.redis),
            Word::NearHit => self.stale = true,
        }
    }
}
