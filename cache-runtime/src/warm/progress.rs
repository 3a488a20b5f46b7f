//! How far warming has come, told as events for `tracing` or as a bar on a terminal.

use std::time::{Duration, Instant};

#[cfg(feature = "progress")]
use super::bar::Bar;
use super::report::{SetReport, WarmingEnd};

/// The least time between two events of one set.
const PAUSE: Duration = Duration::from_secs(1);

/// How warming is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Progress {
    /// A bar when standard error is a terminal and the feature `progress` is on; otherwise events.
    #[default]
    Auto,
    /// Events at info: when a set begins, once a second, and when it ends.
    Events,
    /// A bar on standard error; nothing when that is no terminal. Needs the feature `progress`.
    #[cfg(feature = "progress")]
    Bar,
    /// Not at all.
    Off,
}

/// Tells of one set.
#[derive(Debug)]
pub(super) enum Teller {
    Events(Events),
    #[cfg(feature = "progress")]
    Bar(Bar),
    Silent,
}

impl Teller {
    /// Of a set of so many, as a stream tells it.
    pub(super) fn begin(progress: Progress, set: &str, size: (usize, Option<usize>)) -> Self {
        let of = size.1.filter(|most| *most == size.0);
        match progress {
            #[cfg(feature = "progress")]
            Progress::Auto if Bar::is_seen() => Self::Bar(Bar::begin(set, of)),
            #[cfg(feature = "progress")]
            Progress::Bar => Self::Bar(Bar::begin(set, of)),
            Progress::Auto | Progress::Events => Self::Events(Events::begin(set, of)),
            Progress::Off => Self::Silent,
        }
    }

    pub(super) fn step(&mut self, set: &SetReport) {
        match self {
            Self::Events(events) => events.step(set),
            #[cfg(feature = "progress")]
            Self::Bar(bar) => bar.step(set),
            Self::Silent => {}
        }
    }

    pub(super) fn end(&self, set: &SetReport, end: WarmingEnd) {
        match self {
            Self::Events(events) => events.end(set, end),
            #[cfg(feature = "progress")]
            Self::Bar(bar) => bar.end(set, end),
            Self::Silent => {}
        }
    }
}

#[derive(Debug)]
pub(super) struct Events {
    /// How many there are, where that is known.
    of: Option<usize>,
    last: Instant,
}

impl Events {
    fn begin(set: &str, of: Option<usize>) -> Self {
        tracing::info!(set, of, "warming begins");
        Self {
            of,
            last: Instant::now(),
        }
    }

    fn step(&mut self, set: &SetReport) {
        if self.last.elapsed() >= PAUSE {
            self.last = Instant::now();
            tracing::info!(set = %set.name, done = set.done(), of = self.of, "warming");
        }
    }

    fn end(&self, set: &SetReport, end: WarmingEnd) {
        tracing::info!(set = %set.name, done = set.done(), of = self.of, failed = set.failed, %end, "warming ended");
    }
}
