//! What the attributes accept, under the lints of the strictest of users. They run in one process: each has namespaces of its own, and none walks
//! through the keys of all.

pub mod background;
pub mod batches;
pub mod events;
pub mod free_functions;
pub mod generics;
pub mod handlers;
pub mod hottest;
pub mod invalidations;
pub mod methods;
pub mod updates;
pub mod writing;
