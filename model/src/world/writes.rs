//! Writers: they commit, and invalidate.

use super::World;
use crate::config::{Config, Safeguard, Variant};
use crate::process::{Process, Queued};
use crate::redis::Target;

/// A writer that announces itself, or that commits apart from its invalidation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Writer {
    #[default]
    Idle,
    /// Its mark stands.
    Announced,
    /// It has written, and not yet invalidated.
    Committed,
    /// It has written and put up its mark.
    Marked,
    /// It has written and removed the key, and its mark is not up yet.
    Removed,
    /// Killed. Its mark stands until its lease ends.
    Dead,
}

/// One step of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Write {
    /// A writer commits, and its invalidation is applied.
    Invalidate(Target),
    /// A writer of this process, with its near cache, does.
    InvalidateHere(usize, Target),
    /// Somebody invalidates something that the key does not lie in.
    InvalidateOther,
    /// An applied invalidation returns to its writer.
    Return(usize),
    /// An invalidation fails: queued, it returns.
    Queue(Target),
    /// Redis applies the invalidation, but the writer gets no answer: queued, it returns.
    QueueInDoubt(Target),
    /// Redis applies what was queued.
    Deliver(Target),
    /// The answer to that comes.
    Delivered(Target),
    /// This writer announces a write, before its body runs.
    Announce(usize, Target),
    /// This writer commits.
    Commit(usize),
    /// This writer invalidates, and removes its mark.
    End(usize, Target),
    /// This writer is killed.
    Kill(usize),
    /// The killed writer's lease ends.
    LeaseEnds(usize),
    /// A writer of a cluster has written, and puts up its mark.
    Mark,
    /// The replica has caught up.
    CatchUp,
    /// A replica of Redis has.
    Replicate,
    /// The hold-off ends, after the replica has caught up with what was invalidated.
    HoldOffEnds,
}

impl World {
    pub(super) fn offer_writes(&self, config: &Config, mut offer: impl FnMut(Write)) {
        match config.variant {
            Variant::Plain | Variant::Flight | Variant::Cluster => {
                for target in Target::ALL {
                    offer(Write::Invalidate(target));
                }
            }
            Variant::Replica => {
                for target in Target::ALL {
                    offer(Write::Invalidate(target));
                }
                if self.redis.replica != self.redis.keys.entry {
                    offer(Write::Replicate);
                }
            }
            Variant::Queue => self.offer_queue(offer),
            Variant::Near => self.offer_published(config, offer),
            Variant::Announced => self.offer_announced(offer),
            Variant::HoldOff => self.offer_hold_off(offer),
            Variant::HoldOffApart => self.offer_apart(config, offer),
        }
    }

    fn offer_queue(&self, mut offer: impl FnMut(Write)) {
        for target in Target::ALL {
            offer(Write::Invalidate(target));
            offer(Write::Queue(target));
            offer(Write::QueueInDoubt(target));
            match self.processes[0].queue[target as usize] {
                Queued::Nothing => {}
                Queued::Waiting => offer(Write::Deliver(target)),
                Queued::Delivered => offer(Write::Delivered(target)),
            }
        }
    }

    /// Whether one more push may be on its way to each process.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        let room = |process: &Process| process.near.pushes.len() < config.pushes;
        self.processes.iter().all(room)
    }

    fn offer_published(&self, config: &Config, mut offer: impl FnMut(Write)) {
        let room = self.has_room(config);
        if room {
            offer(Write::InvalidateOther);
            // By a process that caches nothing.
            for target in Target::ALL {
                offer(Write::Invalidate(target));
            }
        }
        for (index, process) in self.processes.iter().enumerate() {
            if process.near.returning.is_some() {
                offer(Write::Return(index));
            } else if room && !process.near.cut {
                for target in Target::ALL {
                    offer(Write::InvalidateHere(index, target));
                }
            }
        }
    }

    fn offer_announced(&self, mut offer: impl FnMut(Write)) {
        for (index, writer) in self.writers.iter().enumerate() {
            match writer {
                Writer::Idle => {
                    for target in Target::ALL {
                        offer(Write::Announce(index, target));
                    }
                }
                Writer::Announced | Writer::Committed => {
                    if *writer == Writer::Announced {
                        offer(Write::Commit(index));
                    }
                    for target in Target::ALL {
                        offer(Write::End(index, target));
                    }
                    offer(Write::Kill(index));
                }
                Writer::Dead => offer(Write::LeaseEnds(index)),
                Writer::Marked | Writer::Removed => {}
            }
        }
    }

    fn offer_hold_off(&self, mut offer: impl FnMut(Write)) {
        if self.writers[0] == Writer::Idle {
            offer(Write::Commit(0));
        } else {
            for target in Target::ALL {
                offer(Write::Invalidate(target));
            }
        }
        if self.replica < self.database {
            offer(Write::CatchUp);
        }
        if self.redis.hold_off && self.replica >= self.promised {
            offer(Write::HoldOffEnds);
        }
    }

    fn offer_apart(&self, config: &Config, mut offer: impl FnMut(Write)) {
        let any_order = config.lacks(Safeguard::MarksBeforeRemoval);
        let writer = self.writers[0];
        match writer {
            Writer::Idle => offer(Write::Commit(0)),
            Writer::Committed | Writer::Removed => offer(Write::Mark),
            _ => {}
        }
        if writer == Writer::Marked || writer == Writer::Committed && any_order {
            for target in Target::ALL {
                offer(Write::Invalidate(target));
            }
        }
        if self.replica < self.database {
            offer(Write::CatchUp);
        }
        // It is longer than the replica lags behind what was written before it.
        let behind = match writer {
            Writer::Marked => self.database,
            _ => self.promised,
        };
        if self.redis.hold_off && self.replica >= behind {
            offer(Write::HoldOffEnds);
        }
    }

    pub(super) fn write(&mut self, config: &Config, write: Write) {
        match write {
            Write::Invalidate(target) => self.invalidate(config, target),
            Write::InvalidateHere(process, target) => {
                self.invalidate(config, target);
                self.processes[process].near.returning = Some(self.promised);
            }
            Write::InvalidateOther => self.publish(false),
            Write::Return(process) => {
                let near = &mut self.processes[process].near;
                let promised = near.returning.take().unwrap_or_default();
                near.need = near.need.max(promised);
                if !config.lacks(Safeguard::OwnBump) {
                    near.bump(&mut self.redis);
                }
            }
            Write::Queue(target) => self.queue(config, target),
            Write::QueueInDoubt(target) => {
                self.commit();
                self.redis.invalidate(config, target);
                self.queue(config, target);
            }
            Write::Deliver(target) => {
                self.commit();
                self.redis.invalidate(config, target);
                self.processes[0].queue[target as usize] = Queued::Delivered;
            }
            Write::Delivered(target) => {
                self.processes[0].queue[target as usize] = Queued::Nothing;
            }
            Write::Announce(writer, target) => {
                self.writers[writer] = Writer::Announced;
                self.redis.marks = if config.lacks(Safeguard::MarkPerWriter) {
                    1
                } else {
                    self.redis.marks + 1
                };
                if !config.lacks(Safeguard::InvalidationAtAnnouncement) {
                    self.redis.invalidate(config, target);
                }
            }
            Write::Commit(writer) => {
                self.writers[writer] = Writer::Committed;
                self.database.0 += 1;
                if config.is(Variant::Announced) {
                    self.promised = self.database;
                }
            }
            Write::End(writer, target) => {
                self.writers[writer] = Writer::Idle;
                self.redis.marks = self.redis.marks.saturating_sub(1);
                if !config.lacks(Safeguard::LastInvalidation) {
                    self.redis.invalidate(config, target);
                }
            }
            Write::Kill(writer) => self.writers[writer] = Writer::Dead,
            Write::LeaseEnds(writer) => {
                self.writers[writer] = Writer::Idle;
                self.redis.marks = self.redis.marks.saturating_sub(1);
            }
            Write::Mark => {
                self.redis.hold_off = true;
                if self.writers[0] == Writer::Removed {
                    self.writers[0] = Writer::Idle;
                    self.promised = self.database;
                } else {
                    self.writers[0] = Writer::Marked;
                }
            }
            Write::CatchUp => self.replica = self.database,
            Write::Replicate => self.redis.replica = self.redis.keys.entry,
            Write::HoldOffEnds => self.redis.hold_off = false,
        }
    }

    fn invalidate(&mut self, config: &Config, target: Target) {
        if config.is(Variant::HoldOff) {
            self.writers[0] = Writer::Idle;
            self.promised = self.database;
            self.redis.hold_off = !config.lacks(Safeguard::HoldOff);
        } else if self.writers[0] == Writer::Committed {
            self.writers[0] = Writer::Removed;
        } else if config.is(Variant::HoldOffApart) {
            self.writers[0] = Writer::Idle;
            self.promised = self.database;
        } else {
            self.commit();
        }
        self.redis.invalidate(config, target);
        if config.is(Variant::Near) {
            self.publish(true);
        }
    }

    /// A write that counts from now on.
    fn commit(&mut self) {
        self.database.0 += 1;
        self.promised = self.database;
    }

    /// An invalidation fails after its write was committed: from now on it counts for this process alone.
    fn queue(&mut self, config: &Config, target: Target) {
        self.database.0 += 1;
        self.processes[0].own = self.database;
        self.processes[0].enqueue(config, target);
    }

    pub(super) fn publish(&mut self, names: bool) {
        for process in &mut self.processes {
            process.near.publish(names, self.promised);
        }
    }
}
