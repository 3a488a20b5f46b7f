//! Choices that a cache's builder offers.

/// What a restarted or promoted server's data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnRestart {
    /// Nothing: it may be a snapshot or a lagging replica, in which an invalidation has not happened yet. Every answer is loaded anew,
    /// once for each key: after a restart the sources bear the whole load for a while.
    #[default]
    Discard,
    /// As much as before. **Invalidations that the data has not seen are undone**: what they made old is served again until it expires.
    /// For servers that persist every write before they answer it (`appendonly yes`, `appendfsync always`) and have no replica that could
    /// be promoted, or for data that may be old. All instances of a fleet must choose alike, or they refuse each other's entries.
    Keep,
}
