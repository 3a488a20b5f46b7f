//! How far warming has come, told as events for `tracing`.

use std::time::{Duration, Instant};

use super::report::{SetReport, WarmingEnd};

/// The least time between two events of one set.
const PAUSE: Duration = Duration::from_secs(1);

/// How warming is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Progress {
    /// Events at info: when a set begins, once a second, and when it ends.
    #[default]
    Events,
    /// Not at all.
    Off,
}

/// Tells of one set.
#[derive(Debug)]
pub(super) struct Teller {
    progress: Progress,
    /// How many there are, where that is known.
    of: Option<usize>,
    last: Instant,
}

impl Teller {
    pub(super) fn begin(progress: Progress, set: &str, size: (usize, Option<usize>)) -> Self {
        let of = size.1.filter(|most| *most == size.0);
        if progress == Progress::Events {
            tracing::info!(set, of, "warming begins");
        }
        Self {
            progress,
            of,
            last: Instant::now(),
        }
    }

    pub(super) fn step(&mut self, set: &SetReport) {
        if self.progress == Progress::Events && self.last.elapsed() >= PAUSE {
            self.last = Instant::now();
            tracing::info!(set = %set.name, done = set.done(), of = self.of, "warming");
        }
    }

    pub(super) fn end(&self, set: &SetReport, end: WarmingEnd) {
        if self.progress == Progress::Events {
            tracing::info!(set = %set.name, done = set.done(), of = self.of, failed = set.failed, %end, "warming ended");
        }
    }
}
