//! What is kept of a job's runs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Runs of each job that are kept.
pub(crate) const KEPT: usize = 100;
/// Characters that are kept of an error and of figures.
const LENGTH: usize = 300;

/// One run of a job, or what was done in place of one. `Display` is a line for people.
///
/// Times are those of Redis' clock; without Redis of this process's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobRecord {
    /// When it was to begin. Of a run by hand, when it began.
    pub scheduled: SystemTime,
    /// When it began; of one that did not begin, when that was settled.
    pub began: SystemTime,
    /// In whole milliseconds; `None` where nobody saw its end.
    pub took: Option<Duration>,
    /// The instance that ran it, or settled that it is not run.
    pub by: String,
    /// What became of it.
    pub outcome: JobOutcome,
    /// What the job [reported](super::JobRun::report); the first 300 characters.
    pub figures: String,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobOutcome {
    /// It is under way.
    Running,
    /// It ended.
    Succeeded,
    /// It answered `Err`, with this text, or panicked; the first 300 characters.
    Failed(String),
    /// It was dropped after the job's [`timeout`](super::Job::timeout).
    TimedOut,
    /// Its instance was killed or stopped, or could not keep it to itself.
    Interrupted,
    /// It did not begin, as the one before was under way; or may have been, for 10 seconds after Redis has lost what it knew.
    Skipped,
    /// It did not begin, as nobody was there at its time; of several in a row the last one is told.
    Missed,
}

impl JobOutcome {
    pub(super) fn failed(error: &impl fmt::Display) -> Self {
        Self::Failed(short(error))
    }

    /// As it is stored.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }

    pub(crate) fn error(&self) -> &str {
        match self {
            Self::Failed(error) => error,
            _ => "",
        }
    }

    /// `None` for a name that a later version has stored.
    pub(crate) fn named(name: &str, error: String) -> Option<Self> {
        Some(match name {
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed(error),
            "timed out" => Self::TimedOut,
            "interrupted" => Self::Interrupted,
            "skipped" => Self::Skipped,
            "missed" => Self::Missed,
            _ => return None,
        })
    }
}

/// The beginning of a text.
pub(super) fn short(text: &impl fmt::Display) -> String {
    text.to_string().chars().take(LENGTH).collect()
}

/// Milliseconds since 1970, as a time.
pub(crate) fn time(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

impl fmt::Display for JobRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::try_from(self.scheduled) {
            Ok(at) => write!(f, "{at:.0}")?,
            Err(_) => f.write_str("?")?,
        }
        write!(f, " {}", self.outcome.name())?;
        if let Some(took) = self.took {
            write!(f, " after {:.1} s", took.as_secs_f64())?;
        }
        write!(f, " by {}", self.by)?;
        for text in [self.outcome.error(), &self.figures] {
            if !text.is_empty() {
                write!(f, ": {}", text.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line() {
        let record = JobRecord {
            scheduled: time(1_800_000_000_000),
            began: time(1_800_000_000_123),
            took: Some(Duration::from_millis(1234)),
            by: "web-1/7".to_owned(),
            outcome: JobOutcome::failed(&"no\ndisk"),
            figures: "3 of 10".to_owned(),
        };
        assert_eq!(
            record.to_string(),
            r"2027-01-15T08:00:00Z failed after 1.2 s by web-1/7: no\ndisk: 3 of 10"
        );
    }
}
