//! Times and sizes, told to the recorder of the `metrics` facade as they happen. Without the feature `metrics` nothing of it is compiled.
//!
//! What is only counted is not told here: it has its counters already, and a hit pays for it once ([`recording`](crate::recording)).

#[cfg(feature = "metrics")]
mod registered;
#[cfg(not(feature = "metrics"))]
mod without;

#[cfg(feature = "metrics")]
pub(crate) use self::registered::{
    CacheMeters, FunctionMeters, Invalidated, ORIGIN, Series, Trip, Trips,
};
#[cfg(not(feature = "metrics"))]
pub(crate) use self::without::{CacheMeters, FunctionMeters, Series, Trip, Trips};
