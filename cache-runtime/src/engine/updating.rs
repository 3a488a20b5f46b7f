//! Write-through: what a writer has written is stored as the answer of a function that reads it.
//!
//! The ticket is taken before the write, as for any load: whatever is invalidated, announced or replaced meanwhile refuses the fill. What is not
//! stored, for whatever reason, is made old, so that the key never keeps what was there before. A load on its way may share the ticket; of
//! those that do, one stores, and then the others are refused.

use std::time::Duration;

use super::session::Session;
use super::storing::Loaded;
use super::writing::Pledge;
use crate::after_commit::Held;
use crate::key::Target;
use crate::site::Site;
use crate::store::{Mark, Ticket};

/// A write that has begun, of what is stored under one key. Dropped before its end, it queues the key's invalidation: the write may have been
/// done.
#[derive(Debug)]
pub(crate) struct WriteThrough<'a> {
    session: Session<'a>,
    by: &'static Site,
    pledge: Pledge,
    /// `None`: nothing will be stored.
    ticket: Option<Ticket>,
}

impl<'a> Session<'a> {
    /// Begins a write of `by`.
    pub(crate) async fn write_through(self, by: &'static Site) -> WriteThrough<'a> {
        let ticket = match self.may_write_through() {
            true => self.open_to_replace().await,
            false => None,
        };
        let key = Target::from(self.request.key.clone());
        let pledge = Pledge::new(self.engine, by, vec![key], Duration::ZERO);
        pledge.hold_early(pledge.targets());
        WriteThrough {
            session: self,
            by,
            pledge,
            ticket,
        }
    }

    /// Before its commit nobody else is to see what a transaction has written. And what is stored right after a write may be replaced by a
    /// load from a replica that lags, where an invalidation would hold it off.
    fn may_write_through(&self) -> bool {
        Held::current().is_none() && self.engine.hold_off.is_zero()
    }
}

impl WriteThrough<'_> {
    /// Ends it: stores what was written, or makes old what is stored.
    pub(crate) async fn end(self, loaded: Option<Loaded>) {
        let stored = match (self.ticket, loaded) {
            (Some(ticket), Some(loaded)) => self.session.replace(ticket, loaded).await,
            _ => false,
        };
        if stored {
            tracing::info!(key = %self.session.request.key, by = self.by.function, "updated");
            self.pledge.release();
        } else {
            // What fails here is logged, counted and queued there.
            let _ = self.pledge.redeem(Mark::Untouched).await;
        }
    }

    /// Ends it where nothing was written.
    pub(crate) fn abandon(self) {
        self.pledge.release();
    }

    /// Counts a value that cannot be serialized.
    pub(crate) fn not_encodable(&self) {
        self.session.not_encodable();
    }
}
