//! The order of things: look, announce, load or wait, store; write, invalidate. Every decision is made here, once for all
//! functions.

mod session;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::session::{Found, Loaded, Request, Step};
use crate::error::Error;
use crate::flight::Flights;
use crate::key::Target;
use crate::observe::{Function, Register};
use crate::outbox::Outbox;
use crate::site::Site;
use crate::store::Store;

/// What stands behind a cache's handles.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) flights: Flights,
    pub(crate) register: Register,
    pub(crate) outbox: Outbox,
    pub(crate) enabled: bool,
    pub(crate) default_ttl: Duration,
    /// A look-up that takes longer is logged as slow.
    pub(crate) slow: Duration,
}

impl Engine {
    /// Makes everything that `targets` name old, in as many round trips however many keys there are. A cache that is switched
    /// off does it too: its writes concern the rest of the fleet.
    ///
    /// What cannot be delivered is queued, also when this future is dropped.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        site: &'static Site,
        targets: Vec<Target>,
    ) -> Result<(), Error> {
        if targets.is_empty() {
            return Ok(());
        }
        if self.outbox.depth() > 0 {
            Outbox::see_to_delivery(self);
        }
        let pledge = Pledge::new(self, site, targets);
        if let Err(error) = self.store.invalidate(&pledge.targets).await {
            tracing::error!(by = site.function, %error, "invalidations not delivered");
            return Err(Error::from(error));
        }
        let counters = &pledge.function.counters;
        counters.invalidations.add(pledge.targets.len());
        for target in &pledge.targets {
            tracing::info!(%target, by = site.function, "invalidated");
        }
        pledge.release();
        Ok(())
    }
}

/// Invalidations that are owed. Dropped without having been released, it queues them.
#[derive(Debug)]
pub(crate) struct Pledge {
    engine: Arc<Engine>,
    function: Arc<Function>,
    targets: Vec<Target>,
}

impl Pledge {
    pub(crate) fn new(engine: &Arc<Engine>, site: &'static Site, targets: Vec<Target>) -> Self {
        let function = engine.register.function(site);
        Self {
            engine: engine.clone(),
            function,
            targets,
        }
    }

    /// Nothing is owed any more.
    pub(crate) fn release(mut self) {
        self.targets.clear();
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        if self.targets.is_empty() {
            return;
        }
        let counters = &self.function.counters;
        counters.queued_invalidations.add(self.targets.len());
        for target in &self.targets {
            tracing::warn!(%target, by = self.function.site.function, "invalidation queued");
        }
        self.engine.outbox.put(self.targets.drain(..));
        Outbox::see_to_delivery(&self.engine);
    }
}
