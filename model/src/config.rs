//! What is searched: which parts of the protocol take part, of what size, and what is left out.

use clap::ValueEnum;

use crate::redis::Node;

/// A part of the protocol that is taken out to see what breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Safeguard {
    /// The server's run is part of the stamp, so that a restart from an older snapshot brings nothing back.
    Incarnation,
    /// In a cluster, so is the run of the node that holds the entry.
    IncarnationOfKeys,
    /// In a cluster, so is the run of the node that holds the generations.
    IncarnationOfGenerations,
    /// A missing root is set anew, at random, instead of counting as zero.
    Root,
    /// A fill stores only while the fence is the one that was taken before the load.
    FillCheck,
    /// A replica's entry is answered only when the master has the same one, not whenever it carries the master's stamp.
    HeadOfMaster,
    /// A miss puts up a fence where there is none.
    FenceCreation,
    /// Invalidating the key removes its fence along with the entry.
    FenceRemovalByInvalidation,
    /// A fill removes the fence, so that no load which shares its ticket stores over what an updater has stored.
    FenceRemovalByFill,
    /// The stamp is taken before the load, not when its answer is stored.
    StampBeforeLoad,
    /// The fence is taken before the load, not when its answer is stored.
    FenceBeforeLoad,
    /// An updater's ticket (`#[updates]`) is from before its write.
    TicketBeforeUpdate,
    /// An updater whose value was not stored, or may not have been, invalidates the key.
    InvalidationOfUnstored,
    /// Callers share a load only when their tickets are equal, not whenever they call for the same key.
    TicketInFlight,
    /// A process does not look up what its own undelivered invalidations name.
    QueueBypass,
    /// What is queued again while it is being delivered stays in the queue.
    QueueArrivals,
    /// The near cache takes its local stamp before it asks Redis, not when the answer is kept.
    NearStampFirst,
    /// A process bumps its own counters before its invalidation or its update returns, whenever the push may come.
    OwnBump,
    /// What an updater stores is pushed, as an invalidation is.
    PushOfUpdate,
    /// A gap in the numbers of pushes bumps everything.
    BumpOnGap,
    /// A push that cannot be read bumps everything.
    BumpOnUnreadable,
    /// A new connection bumps everything.
    BumpOnReconnect,
    /// Replies tell the number of the last push before them, so that a lost one is noticed without a later one.
    NumberInReplies,
    /// Nothing is answered from the near cache when nothing has been confirmed for as long as the bound.
    Suspension,
    /// A reply confirms what had been published when its request was sent, not when the reply came.
    ConfirmationAsOfSending,
    /// What is loaded while a writer is at work on the key is not stored.
    BusyCheck,
    /// Who calls while a writer is at work loads for itself: a load from before the commit is not joined.
    BusyLoadsAlone,
    /// Each writer has a mark of its own, so that the first to end does not speak for the others.
    MarkPerWriter,
    /// A writer's announcement invalidates, so that nothing stored or loading before it survives the commit.
    InvalidationAtAnnouncement,
    /// Nothing is stored for a while after an invalidation, until the replicas have caught up.
    HoldOff,
    /// In a cluster a load takes its fence first, and asks for marks afterwards.
    FenceBeforeMarks,
    /// In a cluster a writer puts its marks up first, and removes fences afterwards.
    MarksBeforeRemoval,
    /// *Not needed while marks cannot be lost:* an announced writer invalidates once more in the end.
    LastInvalidation,
}

/// Which part of the protocol is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Variant {
    /// Two callers in two processes.
    Plain,
    /// Callers of one process that share loads.
    Flight,
    /// A process whose invalidations may fail and are queued, and another one.
    Queue,
    /// A process with a near cache, fed by pushes, and another one that writes.
    Near,
    /// Two writers that announce themselves and may be killed, and two callers of one process.
    Announced,
    /// A database whose replica lags, and loads that read the replica.
    HoldOff,
    /// The same in a cluster: entry and fence on one node, generations and marks on another one, which writers and loads reach one after the other.
    HoldOffApart,
    /// Entries are read from a replica that lags, and their heads and the generations from its master, in any order.
    Replica,
    /// Entries on one node, generations on another one. The two halves of a read, and of an announcement, are executed in any order:
    /// none is needed, as long as a read begins after its call did and an announcement is complete before its load begins.
    Cluster,
}

impl Safeguard {
    /// Where its absence is to be seen.
    pub fn variant(self) -> Variant {
        match self {
            Self::Incarnation
            | Self::Root
            | Self::FillCheck
            | Self::FenceCreation
            | Self::FenceRemovalByInvalidation
            | Self::FenceRemovalByFill
            | Self::StampBeforeLoad
            | Self::TicketBeforeUpdate
            | Self::InvalidationOfUnstored => Variant::Plain,
            Self::FenceBeforeLoad | Self::IncarnationOfKeys | Self::IncarnationOfGenerations => {
                Variant::Cluster
            }
            Self::HeadOfMaster => Variant::Replica,
            Self::TicketInFlight => Variant::Flight,
            Self::QueueBypass | Self::QueueArrivals => Variant::Queue,
            Self::NearStampFirst
            | Self::OwnBump
            | Self::PushOfUpdate
            | Self::BumpOnGap
            | Self::BumpOnUnreadable
            | Self::BumpOnReconnect
            | Self::NumberInReplies
            | Self::Suspension
            | Self::ConfirmationAsOfSending => Variant::Near,
            Self::BusyCheck
            | Self::BusyLoadsAlone
            | Self::MarkPerWriter
            | Self::InvalidationAtAnnouncement
            | Self::LastInvalidation => Variant::Announced,
            Self::HoldOff => Variant::HoldOff,
            Self::FenceBeforeMarks | Self::MarksBeforeRemoval => Variant::HoldOffApart,
        }
    }
}

/// The sizes of a search. Writes and calls are not counted: any number of them is searched.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which part.
    pub variant: Variant,
    /// What is left out.
    pub without: Option<Safeguard>,
    /// How many faults may happen; `None` is any number.
    pub faults: Option<u8>,
    /// The process of each caller.
    pub callers: Vec<u8>,
    /// How many pushes may be on their way to one process.
    pub pushes: usize,
}

impl Config {
    /// A search of `variant` at its usual size, with nothing left out.
    pub fn new(variant: Variant) -> Self {
        let callers = match variant {
            // Without shared loads and near caches, processes have no state: one stands for all.
            Variant::Plain
            | Variant::HoldOff
            | Variant::HoldOffApart
            | Variant::Replica
            | Variant::Cluster => vec![0, 0],
            Variant::Flight | Variant::Announced => vec![0, 0],
            Variant::Queue => vec![0, 1],
            Variant::Near => vec![0],
        };
        Self {
            variant,
            without: None,
            faults: None,
            callers,
            pushes: 2,
        }
    }

    /// The same, without `safeguard`.
    #[must_use]
    pub fn without(mut self, safeguard: Safeguard) -> Self {
        self.without = Some(safeguard);
        self
    }

    /// The same, with so many faults at most.
    #[must_use]
    pub fn faults(mut self, faults: u8) -> Self {
        self.faults = Some(faults);
        self
    }

    pub(crate) fn lacks(&self, safeguard: Safeguard) -> bool {
        self.without == Some(safeguard)
    }

    pub(crate) fn is(&self, variant: Variant) -> bool {
        self.variant == variant
    }

    /// How many processes there are.
    pub(crate) fn processes(&self) -> u8 {
        1 + self.callers.iter().max().copied().unwrap_or_default()
    }

    /// Whether writers store what they write. Where replicas lag they invalidate instead, as every other writer does.
    pub(crate) fn updates(&self) -> bool {
        !self.holds_off()
    }

    /// Whether replicas of the database lag, and what is loaded after a write is not stored for a while.
    pub(crate) fn holds_off(&self) -> bool {
        matches!(self.variant, Variant::HoldOff | Variant::HoldOffApart)
    }

    /// Whether callers of one process share loads.
    pub(crate) fn flights(&self) -> bool {
        matches!(
            self.variant,
            Variant::Flight | Variant::Queue | Variant::Announced
        )
    }

    /// Nodes that fall together.
    pub(crate) fn servers(&self) -> &'static [&'static [Node]] {
        if self.is(Variant::Cluster) {
            &[&[Node::Keys], &[Node::Generations]]
        } else {
            &[&[Node::Keys, Node::Generations]]
        }
    }

    /// Marks must not be lost: a documented limit of what depends on them. Redis does not restart there.
    pub(crate) fn restarts(&self) -> bool {
        !self.is(Variant::Announced) && !self.holds_off()
    }
}
