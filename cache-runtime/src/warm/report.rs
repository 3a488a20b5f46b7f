//! What came of warming.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::item::Fate;

/// Errors that are kept as text, of each set.
const ERRORS: usize = 5;
/// Characters of each.
const LENGTH: usize = 200;

/// What came of warming; `Display` is a small table.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WarmReport {
    /// In the order in which they were given.
    pub sets: Vec<SetReport>,
    /// Why it ended.
    pub end: WarmingEnd,
    /// In all; serialized in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

/// Why warming ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarmingEnd {
    /// Each item was called.
    Complete,
    /// The time was over.
    Deadline,
    /// The store was away: what is loaded could not be kept.
    StoreAway,
}

/// What came of one set.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct SetReport {
    /// As it was given.
    pub name: String,
    /// Items that were loaded.
    pub loaded: u64,
    /// Items that the cache had.
    pub fresh: u64,
    /// Items that answered `Err`, or panicked.
    pub failed: u64,
    /// Items that the source answered as the store was away: they are not warm.
    pub degraded: u64,
    /// Items whose calls did not look: switched off, or no cached function was called.
    pub bypassed: u64,
    /// Hottest keys whose arguments cannot be read back from the key.
    pub skipped: u64,
    /// Items that were not called, or not to the end. At least so many, where the set does not tell its length.
    pub left: u64,
    /// Of this set; serialized in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// The first five errors, each cut after 200 characters. They are the program's own texts.
    pub errors: Vec<String>,
}

impl SetReport {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Items that were called to the end, or skipped.
    pub fn done(&self) -> u64 {
        self.loaded + self.fresh + self.failed + self.degraded + self.bypassed + self.skipped
    }

    pub(super) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Loaded => self.loaded += 1,
            Fate::Fresh => self.fresh += 1,
            Fate::Degraded => self.degraded += 1,
            Fate::Bypassed => self.bypassed += 1,
            Fate::Skipped => self.skipped += 1,
            Fate::Failed(error) => {
                self.failed += 1;
                if self.errors.len() < ERRORS {
                    self.errors.push(error.chars().take(LENGTH).collect());
                }
            }
        }
    }
}

impl fmt::Display for WarmReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}",
            "set", "loaded", "fresh", "failed", "degraded", "bypassed", "skipped", "left", "took"
        )?;
        for set in &self.sets {
            writeln!(
                f,
                "{:<24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8.2} s",
                set.name,
                set.loaded,
                set.fresh,
                set.failed,
                set.degraded,
                set.bypassed,
                set.skipped,
                set.left,
                set.took.as_secs_f64()
            )?;
            for error in &set.errors {
                writeln!(f, "  {}", error.escape_debug())?;
            }
        }
        write!(f, "{} after {:.2} s", self.end, self.took.as_secs_f64())
    }
}

impl fmt::Display for WarmingEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Deadline => "stopped at the deadline",
            Self::StoreAway => "stopped, as the store is away",
        })
    }
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}
