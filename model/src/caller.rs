//! A call of the cached function, step by step.

use crate::number::{Moment, Numbered, Token, Visitor};
use crate::redis::{Entry, Stamp, Ticket};

/// A slot for calls, one after another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    pub(crate) process: u8,
    /// What its answer must reach: the promises that were given when it began.
    pub(crate) need: Moment,
    pub(crate) at: At,
    /// The local stamp for the near cache, and its request's way.
    pub(crate) near: Errand,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// There is no call.
    Idle,
    /// The read's two halves, as far as they have been executed.
    Reading {
        /// The entry, and the run of the node that it was read from.
        entry: Option<(Option<Entry>, Token)>,
        /// The stamp that it must carry.
        stamp: Option<Option<Stamp>>,
        /// Where replicas are read: what one has. Then the entry stands for its head.
        body: Option<Option<Entry>>,
    },
    /// The load's announcement, as far as it has been executed.
    Opening {
        /// A refresh puts up a new fence.
        replace: bool,
        /// The generations.
        stamp: Option<Stamp>,
        /// The fence, and the run of the node that it was read from.
        fence: Option<(Token, Token)>,
        /// What the marks said, which stand beside the generations.
        busy: bool,
        /// What the ticket is asked for.
        purpose: Purpose,
    },
    /// With its ticket, on the way to the others that load.
    Turning(Ticket),
    /// For another caller's load.
    Waiting(Ticket),
    /// With another caller's answer.
    Given(Moment),
    /// About to read the database.
    Loading(Ticket),
    /// Its load has read the database, and is not done yet: others may still join.
    Answering(Ticket, Moment),
    /// With an answer, about to store it.
    Filling(Ticket, Moment),
    /// With Redis' reply on its way, where its order among pushes matters.
    Replying(Reply),
    /// About to keep the answer in the near cache.
    Keeping(Moment),
    /// An updater with its ticket, about to commit.
    Updating(Ticket),
    /// An updater that has committed this, about to store it.
    Storing(Ticket, Moment),
    /// An updater that has committed this and has no word of its being stored, about to invalidate. With a ticket its fill is on its way yet.
    Unstored(Option<Ticket>, Moment),
    /// With Redis' reply on its way to an updater of this.
    Returning(Moment),
}

/// What a ticket is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A load.
    Load,
    /// A write that has not begun.
    Update,
    /// A write that has committed this: too late.
    Updated(Moment),
}

/// What Redis replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// A current entry.
    Hit(Moment),
    /// No current entry.
    Miss,
    /// The fill was stored.
    Stored(Moment),
    /// The fill was refused.
    Refused,
}

/// What the near cache needs to know of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Errand {
    pub(crate) stamp: Token,
    /// The number of the last push before the reply, counted from the last one that was heard.
    pub(crate) number: u8,
    /// It was sent so long ago that it confirms nothing any more.
    pub(crate) late: bool,
}

impl Caller {
    pub(crate) fn new(process: u8) -> Self {
        Self {
            process,
            need: Moment::default(),
            at: At::Idle,
            near: Errand::default(),
        }
    }

    /// Whether it has a seat: what the others loaded is kept for it.
    pub(crate) fn is_seated(&self) -> bool {
        matches!(
            self.at,
            At::Opening { .. }
                | At::Turning(_)
                | At::Waiting(_)
                | At::Given(_)
                | At::Loading(_)
                | At::Answering(..)
                | At::Filling(..)
        )
    }

    /// Whether it waits for Redis, and gives up when the connection breaks. A fill may still arrive, on a new one.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(
            self.at,
            At::Reading { .. } | At::Opening { .. } | At::Replying(_)
        )
    }
}

impl At {
    /// The ticket with which others are joined, or join.
    pub(crate) fn joining(self) -> Option<Ticket> {
        match self {
            Self::Turning(ticket)
            | Self::Waiting(ticket)
            | Self::Loading(ticket)
            | Self::Answering(ticket, _) => Some(ticket),
            _ => None,
        }
    }
}

impl Numbered for Caller {
    fn show(&mut self, visitor: &mut impl Visitor) {
        visitor.need(&mut self.need);
        visitor.token(&mut self.near.stamp);
        match &mut self.at {
            At::Idle | At::Replying(Reply::Miss | Reply::Refused) => {}
            At::Reading { entry, stamp, body } => {
                body.show(visitor);
                if let Some((entry, run)) = entry {
                    entry.show(visitor);
                    visitor.token(run);
                }
                if let Some(stamp) = stamp {
                    stamp.show(visitor);
                }
            }
            At::Opening {
                stamp,
                fence,
                purpose,
                ..
            } => {
                stamp.show(visitor);
                if let Some((fence, run)) = fence {
                    visitor.token(fence);
                    visitor.token(run);
                }
                if let Purpose::Updated(value) = purpose {
                    visitor.need(value);
                }
            }
            At::Turning(ticket)
            | At::Waiting(ticket)
            | At::Loading(ticket)
            | At::Updating(ticket) => ticket.show(visitor),
            At::Answering(ticket, value) | At::Filling(ticket, value) => {
                ticket.show(visitor);
                visitor.value(value);
            }
            // What an updater has committed is promised when it returns.
            At::Storing(ticket, value) => {
                ticket.show(visitor);
                visitor.need(value);
            }
            At::Unstored(ticket, value) => {
                ticket.show(visitor);
                visitor.need(value);
            }
            At::Returning(value) => visitor.need(value),
            At::Given(value)
            | At::Keeping(value)
            | At::Replying(Reply::Hit(value) | Reply::Stored(value)) => visitor.value(value),
        }
    }
}
