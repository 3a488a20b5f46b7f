//! Behaviour of the whole, against real servers. One binary, one module a subject.
#![expect(clippy::unwrap_used, reason = "what a test unwraps has to be there")]

mod availability;
mod freshness;
mod functions;
mod harness;
mod keys;
mod observation;
mod one_load;
mod stored_bytes;
mod undelivered;
mod world;
