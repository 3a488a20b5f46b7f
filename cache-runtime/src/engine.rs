//! The order of things: look, announce, load or wait, store; write, invalidate. Every decision is made here, once for all
//! functions.

mod background;
mod batch;
mod budget;
mod by_hand;
mod contests;
mod current;
mod lease;
mod near_hit;
mod observing;
mod packing;
mod remembering;
mod session;
mod steps;
mod storing;
mod switches;
mod updating;
mod watching;
mod writing;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::background::{Background, Place};
pub(crate) use self::batch::{Glance, Part, Waiting};
pub(crate) use self::budget::{Budget, Patience};
pub(crate) use self::contests::Contests;
#[cfg(feature = "testing")]
pub(crate) use self::current::within;
pub(crate) use self::current::{current, inheriting};
pub(crate) use self::lease::BACK_OFF;
pub(crate) use self::packing::Packing;
pub(crate) use self::remembering::Remembering;
pub(crate) use self::session::{Found, Loading, Request, Session, Step};
pub(crate) use self::steps::Boxed;
pub(crate) use self::storing::{Ended, Loaded};
pub(crate) use self::switches::Switches;
pub(crate) use self::updating::WriteThrough;
pub(crate) use self::watching::Watched;
pub(crate) use self::writing::Pledge;
use crate::audit::auditor::Auditor;
use crate::callers::Callers;
#[cfg(feature = "testing")]
use crate::control::Control;
use crate::flight::Flights;
use crate::health::Evictions;
use crate::meters::CacheMeters;
use crate::near::Near;
use crate::observe::{Register, Stats};
use crate::outbox::Outbox;
use crate::rate_limit::RateLimit;
use crate::store::{Store, StoreError};

/// What stands behind a cache's handles.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) near: Arc<Near>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) background: Background,
    pub(crate) register: Register,
    pub(crate) remembering: Remembering,
    pub(crate) outbox: Outbox,
    pub(crate) switches: Switches,
    pub(crate) patience: Patience,
    /// A server was meant that cannot be used, so that the fleet cannot be told of anything.
    pub(crate) severed: bool,
    pub(crate) default_ttl: Duration,
    /// The part of an expiry that is taken off at random, at most.
    pub(crate) ttl_jitter: f64,
    /// After every invalidation.
    pub(crate) hold_off: Duration,
    pub(crate) packing: Packing,
    pub(crate) contests: Contests,
    /// A look-up that takes longer is logged as slow.
    pub(crate) slow: Duration,
    pub(crate) callers: Callers,
    /// Of each caller that is named.
    pub(crate) invalidation_limit: Option<RateLimit>,
    pub(crate) audit: Option<Auditor>,
    pub(crate) evictions: Evictions,
    pub(crate) meters: CacheMeters,
    #[cfg(feature = "testing")]
    pub(crate) control: Control,
}

impl Engine {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            callers: self.callers.stats(),
            audit_dropped: self.audit.as_ref().map_or(0, Auditor::dropped),
            replicas: self.store.replicas(),
            ..self.register.stats(&self.outbox, &self.near)
        }
    }

    /// The store, for what must not degrade to nothing.
    pub(crate) fn reachable(&self) -> Result<&Store, StoreError> {
        if self.severed {
            return Err(StoreError::Unreachable);
        }
        Ok(&self.store)
    }
}
