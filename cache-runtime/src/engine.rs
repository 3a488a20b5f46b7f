//! The order of things: look, announce, load or wait, store; write, invalidate. Every decision is made here, once for all
//! functions.

mod session;
mod writing;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::session::{Found, Loaded, Request, Step};
pub(crate) use self::writing::Pledge;
use crate::flight::Flights;
use crate::near::Near;
use crate::observe::Register;
use crate::outbox::Outbox;
use crate::store::Store;

/// What stands behind a cache's handles.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) near: Arc<Near>,
    pub(crate) flights: Flights,
    pub(crate) register: Register,
    pub(crate) outbox: Outbox,
    pub(crate) enabled: bool,
    /// A server was meant that cannot be used, so that the fleet cannot be told of anything.
    pub(crate) severed: bool,
    pub(crate) default_ttl: Duration,
    /// After every invalidation.
    pub(crate) hold_off: Duration,
    /// A look-up that takes longer is logged as slow.
    pub(crate) slow: Duration,
}
