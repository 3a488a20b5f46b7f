//! The freshness protocol (promise P1 in `ARCHITECTURE.md`), searched exhaustively for small sizes.
#![doc = include_str!("../README.md")]

mod caller;
mod config;
mod number;
mod process;
mod redis;
mod search;
mod trace;
mod world;

pub use caller::{At, Caller, Reply};
pub use config::{Config, Safeguard, Variant};
pub use number::{Moment, Token};
pub use process::Process;
pub use redis::{Entry, Node, Redis, Stamp, Target, Ticket};
pub use search::{Outcome, counterexample, prove};
pub use world::{Action, FRESH, Fault, Protocol, Step, Word, World, Write};
