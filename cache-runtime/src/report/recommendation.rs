//! What is recommended.

use serde::Serialize;

/// What would make a cache better, with the figures that say so; `Display` is one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// What it is about.
    pub advice: Advice,
    /// How much is at stake.
    pub severity: Severity,
    /// The function's path; `None` for the whole cache.
    pub function: Option<&'static str>,
    /// A sentence. No key or value stands in it.
    pub text: String,
}

/// What a recommendation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Answers are as they were when they are loaded anew because of their age: keep them for longer.
    LongerTtl,
    /// Most answers are never asked for again: keep them for less time, or not at all.
    KeepLess,
    /// A look-up takes longer than a load: do not cache.
    NotWorthIt,
    /// Few look-ups are hits.
    LowHitRate,
    /// Answers are larger than `max_size`.
    TooLarge,
    /// Answers are invalidated while they are loaded.
    RefusedStores,
    /// Answers are as they were when they are loaded after an invalidation or an eviction: invalidate less.
    BroadInvalidation,
    /// The store could not be asked.
    Degraded,
    /// Many callers wait for one load: let one instance of the fleet load.
    FleetSingleFlight,
    /// One key is asked for again and again: keep it in this process.
    NearCache,
    /// Loads fail, and nothing stands in for them.
    StaleIfError,
    /// Invalidations wait to be delivered.
    PendingInvalidations,
}

/// How much is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// It could be better.
    Low,
    /// The cache does not do what it is there for.
    Medium,
    /// Callers or other instances are affected.
    High,
}
