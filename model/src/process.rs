//! What a process keeps in its own memory: shared loads, undelivered invalidations, the near cache.

use crate::config::{Config, Safeguard};
use crate::number::{Moment, Numbered, Token, Visitor};
use crate::redis::{Redis, Target, Ticket};

/// One instance of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// The loads that callers with a seat share.
    pub(crate) loads: Vec<(Ticket, Load)>,
    /// Undelivered invalidations, of the scope and of the key.
    pub(crate) queue: [Queued; 2],
    /// The latest of its own invalidations that returned undelivered.
    pub(crate) own: Moment,
    pub(crate) near: Near,
}

/// A shared load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Load {
    /// Its leader was dropped.
    Vacant,
    Running,
    Loaded(Moment),
}

/// An invalidation in the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Queued {
    #[default]
    Nothing,
    Waiting,
    /// Redis has it; its answer has not come yet.
    Delivered,
}

/// The near cache, and the connection that feeds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Near {
    /// A value with the local stamp that it was kept with.
    pub(crate) entry: Option<(Moment, Token)>,
    /// The local stamp now. All counters that concern the key are one: each bump makes it another.
    pub(crate) stamp: Token,
    /// What a near hit must reach: own invalidations that returned, pushes that came, pushes that are overdue.
    pub(crate) need: Moment,
    pub(crate) suspended: bool,
    pub(crate) cut: bool,
    /// Pushes on their way here, in order.
    pub(crate) pushes: Vec<Push>,
    /// The number of the last push that Redis sent here. All numbers count from the last one that was heard.
    pub(crate) published: u8,
    /// An own invalidation that Redis has answered and that has not returned yet.
    pub(crate) returning: Option<Moment>,
}

/// Word of an invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Push {
    /// Whether it names something that the key lies in.
    pub(crate) names: bool,
    pub(crate) readable: bool,
    pub(crate) number: u8,
    /// All that was invalidated up to then.
    pub(crate) of: Moment,
}

impl Process {
    /// Whether it does not look the key up.
    pub(crate) fn bypasses(&self, config: &Config) -> bool {
        !config.lacks(Safeguard::QueueBypass) && self.queue != [Queued::Nothing; 2]
    }

    pub(crate) fn enqueue(&mut self, config: &Config, target: Target) {
        let item = &mut self.queue[target as usize];
        if *item == Queued::Nothing || !config.lacks(Safeguard::QueueArrivals) {
            *item = Queued::Waiting;
        }
    }

    /// The load that a caller with `ticket` joins.
    pub(crate) fn load(&mut self, config: &Config, ticket: Ticket) -> Option<&mut (Ticket, Load)> {
        let any = config.lacks(Safeguard::TicketInFlight);
        self.loads.iter_mut().find(|load| any || load.0 == ticket)
    }

    pub(crate) fn forget(&mut self, ticket: Ticket) {
        self.loads.retain(|(known, _)| *known != ticket);
    }
}

impl Near {
    pub(crate) fn bump(&mut self, redis: &mut Redis) {
        self.stamp = redis.random();
    }

    /// What a look finds.
    pub(crate) fn found(&self) -> Option<Moment> {
        let (value, stamp) = self.entry?;
        (stamp == self.stamp && !self.suspended).then_some(value)
    }

    /// Redis tells of an invalidation.
    pub(crate) fn publish(&mut self, names: bool, of: Moment) {
        if !self.cut {
            self.published += 1;
            self.pushes.push(Push {
                names,
                readable: true,
                number: self.published,
                of,
            });
        }
    }

    /// The next push comes; its number.
    pub(crate) fn deliver(&mut self, config: &Config, redis: &mut Redis) -> u8 {
        let push = self.pushes.remove(0);
        self.need = self.need.max(push.of);
        let gap = push.number != 1 && !config.lacks(Safeguard::BumpOnGap);
        let bump = if push.readable {
            push.names
        } else {
            !config.lacks(Safeguard::BumpOnUnreadable)
        };
        if gap || bump {
            self.bump(redis);
        }
        push.number
    }

    /// This number is the last one that was heard.
    pub(crate) fn heard(&mut self, number: u8) {
        self.published -= number;
        for push in &mut self.pushes {
            push.number -= number;
        }
    }

    /// The connection breaks, with everything that was on its way.
    pub(crate) fn disconnect(&mut self) {
        self.cut = true;
        self.published = 0;
        self.pushes.clear();
    }

    /// A new connection is subscribed, and from then on carries reads.
    pub(crate) fn reconnect(&mut self, config: &Config, redis: &mut Redis) {
        self.cut = false;
        if !config.lacks(Safeguard::BumpOnReconnect) {
            self.bump(redis);
        }
    }

    /// So much time went by that all that is published by now is overdue.
    pub(crate) fn lapse(&mut self, config: &Config, published: Moment) {
        self.need = self.need.max(published);
        self.suspended |= !config.lacks(Safeguard::Suspension);
    }
}

impl Numbered for Process {
    fn show(&mut self, visitor: &mut impl Visitor) {
        for (ticket, load) in &mut self.loads {
            ticket.show(visitor);
            if let Load::Loaded(value) = load {
                visitor.value(value);
            }
        }
        visitor.need(&mut self.own);
        visitor.need(&mut self.near.need);
        visitor.token(&mut self.near.stamp);
        if let Some((value, stamp)) = &mut self.near.entry {
            visitor.value(value);
            visitor.token(stamp);
        }
        for push in &mut self.near.pushes {
            visitor.need(&mut push.of);
        }
        if let Some(returning) = &mut self.near.returning {
            visitor.need(returning);
        }
    }
}
