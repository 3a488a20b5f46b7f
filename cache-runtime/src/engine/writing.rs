//! Invalidating: at once, after a transaction's commit, or as soon as the store can be reached again.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::after_commit::Held;
use crate::audit::{AuditAction, AuditActor, AuditOutcome};
use crate::callers::Caller;
use crate::error::Error;
use crate::key::Target;
use crate::observe::Function;
use crate::outbox::Outbox;
use crate::site::Site;
use crate::store::{Mark, StoreError};

impl Engine {
    /// Makes everything old that `targets` name, in as many round trips however many keys there are. A cache that is switched
    /// off does it too: its writes concern the rest of the fleet.
    ///
    /// What cannot be delivered is queued, also when this future is dropped.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        site: &'static Site,
        targets: Vec<Target>,
    ) -> Result<(), Error> {
        Pledge::new(self, site, targets, Duration::ZERO)
            .redeem(Mark::Untouched)
            .await
    }

    /// Makes `targets` old before they are written, which shows whether the store can be reached. A `mark` also keeps what is loaded from
    /// being stored, until it is taken down or its lease has ended.
    pub(crate) async fn announce(&self, targets: &[Target], mark: Mark) -> Result<(), Error> {
        if self.severed {
            return Err(StoreError::Unreachable.into());
        }
        if !targets.is_empty() {
            self.make_old(targets, mark, self.patience.operation)
                .await?;
        }
        Ok(())
    }

    /// A write that was not begun, as it could not be announced.
    pub(crate) fn refused(&self, site: &'static Site, error: &Error) {
        self.register.function(site).counters.refused_writes.one();
        tracing::error!(by = site.function, %error, "write refused");
    }

    /// In the store, and in the near cache of this instance: calls that begin after this are to have nothing from before.
    pub(crate) async fn make_old(
        &self,
        targets: &[Target],
        mark: Mark,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let done = self.store.invalidate(targets, mark, patience).await;
        // After the store: what is looked up from now on is new. Where the store failed, it may have been done all the same.
        self.near.advance(targets);
        done
    }
}

/// Invalidations that are owed. Dropped without having been redeemed or released, it queues them.
#[derive(Debug)]
pub(crate) struct Pledge {
    engine: Arc<Engine>,
    function: Arc<Function>,
    targets: Vec<Target>,
    hold_off: Duration,
    /// The transaction that it was made in.
    held: Option<Arc<Held>>,
    caller: Option<Caller>,
    action: AuditAction,
}

impl Pledge {
    /// `hold_off` of the cache counts where it is longer.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        site: &'static Site,
        targets: Vec<Target>,
        hold_off: Duration,
    ) -> Self {
        Self {
            engine: engine.clone(),
            function: engine.register.function(site).clone(),
            targets,
            hold_off: hold_off.max(engine.hold_off),
            held: Held::current(),
            caller: None,
            action: AuditAction::Invalidate,
        }
    }

    /// The same, as what was asked for by hand, in this name.
    pub(crate) fn by_hand(mut self, caller: Option<Caller>, action: AuditAction) -> Self {
        (self.caller, self.action) = (caller, action);
        self
    }

    /// The same, in that transaction or in none.
    pub(crate) fn within(mut self, held: Option<Arc<Held>>) -> Self {
        self.held = held;
        self
    }

    /// Inside a transaction: from now on what `targets` name is loaded there and not stored, as the body may have written already.
    pub(crate) fn hold_early(&self, targets: &[Target]) {
        if let Some(held) = &self.held {
            held.add(&self.engine, targets, self.hold_off, Mark::Untouched);
        }
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Owes these instead.
    pub(crate) fn change(&mut self, targets: Vec<Target>) {
        self.targets = targets;
    }

    /// Nothing is owed any more.
    pub(crate) fn release(mut self) {
        self.targets.clear();
    }

    /// Does what is owed, or has it done after the commit; `announced` is the mark that the writer has up.
    pub(crate) async fn redeem(self, announced: Mark) -> Result<(), Error> {
        if self.targets.is_empty() || self.hold(announced) {
            self.release();
            return Ok(());
        }
        let engine = &self.engine;
        if engine.severed {
            // Whom it concerns cannot be told, now or later.
            let by = self.function.site.function;
            tracing::error!(
                by,
                "invalidations not delivered: the server that was meant cannot be used"
            );
            self.record(AuditOutcome::Failed);
            self.release();
            return Err(StoreError::Unreachable.into());
        }
        if engine.outbox.depth() > 0 {
            Outbox::see_to_delivery(engine);
        }
        let by = self.function.site.function;
        let mark = announced.closing(self.hold_off);
        let patience = engine.patience.operation;
        if let Err(error) = engine.make_old(&self.targets, mark, patience).await {
            match error {
                // Known, and said when it began.
                StoreError::Unreachable => {
                    tracing::debug!(by, %error, "invalidations not delivered");
                }
                _ => tracing::error!(by, %error, "invalidations not delivered"),
            }
            return Err(Error::from(error));
        }
        self.function.counters.invalidations.add(self.targets.len());
        for target in &self.targets {
            engine.meters.invalidated(target);
            tracing::info!(%target, by, "invalidated");
        }
        self.record(AuditOutcome::Done);
        self.release();
        Ok(())
    }

    /// Hands what is owed to the transaction, if there is one that is not over.
    fn hold(&self, announced: Mark) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let holds = held.add(&self.engine, &self.targets, self.hold_off, announced);
        if holds {
            self.record(AuditOutcome::Held);
        }
        holds
    }

    fn record(&self, outcome: AuditOutcome) {
        if let Some(caller) = &self.caller {
            caller.counts.invalidations.add(self.targets.len());
        }
        let by = || match &self.caller {
            Some(caller) => AuditActor::Named(caller.name.to_string()),
            None => AuditActor::Function(self.function.site.function.to_owned()),
        };
        for target in &self.targets {
            self.engine.audited(by, self.action, target, outcome);
        }
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        if self.targets.is_empty() || self.hold(Mark::Untouched) {
            return;
        }
        let counters = &self.function.counters;
        counters.queued_invalidations.add(self.targets.len());
        let by = self.function.site.function;
        // An outage may queue thousands: the first says so, and when all are delivered that is said too.
        if self.engine.outbox.depth() == 0 {
            tracing::warn!(
                target = %self.targets[0],
                by,
                "invalidations are queued until the store can be told; further ones at debug"
            );
        }
        for target in &self.targets {
            tracing::debug!(%target, by, "invalidation queued");
        }
        self.record(AuditOutcome::Queued);
        let targets: Vec<_> = self.targets.drain(..).collect();
        self.engine
            .outbox
            .put(targets.iter().cloned(), self.hold_off);
        // Here they are old from now on, and once more where they are delivered.
        self.engine.near.feed().tell(&targets);
        Outbox::see_to_delivery(&self.engine);
    }
}
