//! One attribute on an async function, and its answers are cached, shared through Redis, kept fresh and kept available.

mod builder;
mod cache;
mod codec;
mod engine;
mod envelope;
mod environment;
mod error;
mod flight;
mod generations;
mod key;
mod observe;
#[doc(hidden)]
pub mod private;
mod scope;
mod shape;
mod site;
mod store;

pub use builder::Builder;
pub use cache::Cache;
pub use cache_macros::{cached, invalidates};
pub use codec::Storable;
pub use error::{ConfigError, Error, ErrorKind};
pub use key::{Key, KeyPart, Pattern, PatternError, Tag, Target};
pub use observe::{Counts, FunctionStats, Stats};
