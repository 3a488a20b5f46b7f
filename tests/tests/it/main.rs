//! Behaviour of the whole, against real servers. One binary, one module a subject.
#![expect(clippy::unwrap_used, reason = "what a test unwraps has to be there")]

mod announced;
mod availability;
mod batches;
mod by_hand;
mod deadlines;
mod declared;
mod events;
mod fleet;
mod freshness;
mod functions;
mod harness;
mod heard;
mod keys;
mod limits;
mod locks;
mod loss;
mod near;
mod observation;
mod one_load;
mod scenarios;
mod stale;
mod stored_bytes;
mod switches;
mod tls;
mod transactions;
mod undelivered;
mod updates;
mod values;
mod warming;
mod world;
mod write_behind;
