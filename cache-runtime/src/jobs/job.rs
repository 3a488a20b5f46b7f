//! One job: when it runs, what it does, and how much it may do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::history::short;
use super::schedule::Schedule;
use crate::engine::Engine;
use crate::sync::{Mutex, lock};
use crate::warm::Outcome;

/// The work of a job: why it failed, if it did.
pub(super) type Work =
    dyn Fn(JobRun) -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync;

/// Something that is done at certain times; see [`Jobs`](super::Jobs).
#[must_use = "a job runs when it is given to `Jobs`"]
pub struct Job {
    pub(super) name: String,
    pub(super) schedule: Result<Schedule, String>,
    pub(super) timeout: Duration,
    pub(super) jitter: Duration,
    pub(super) catch_up: bool,
    pub(super) work: Arc<Work>,
}

impl Job {
    /// A job of one's own. `expression` is one of cron: minute, hour, day of the month, month, day of the week; with six fields the first is the
    /// second. `*/15`, `1-5`, `MON-FRI`, `L` (last) and `@daily` are understood; with both a day of the month and one of the week, either
    /// will do, as cron has it. What is wrong with it [`Jobs::start`](super::Jobs::start) tells.
    ///
    /// `work` answers a `Result`, an `Option` or nothing. An `Err` or a panic is a run that failed, and stops nothing. It may be dropped at any await: at the
    /// [`timeout`](Self::timeout), and when this instance is stopped or cannot be sure any more that it alone runs.
    pub fn new<F>(
        name: impl Into<String>,
        expression: &str,
        work: impl Fn(JobRun) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let work = Arc::new(work);
        Self {
            name: name.into(),
            schedule: Schedule::parse(expression),
            timeout: Duration::from_secs(3600),
            jitter: Duration::ZERO,
            catch_up: false,
            work: Arc::new(move |run| {
                let work = work.clone();
                // The work is made inside, so that a panic of its own is caught too.
                Box::pin(async move { work(run).await.error() })
            }),
        }
    }

    /// Another name, for a second job of the same kind: letters, digits and `-_.@/+~`. Programs that share a prefix share the runs of jobs
    /// that are named alike.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The longest time that a run may take; then it is dropped. Default: 1 hour.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// A run begins up to so much later, at random, so that not all jobs of all programs begin at once. Default: none.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// A run that was missed, as no instance could begin it within a minute, is done as soon as one can; of several in a row the last one.
    /// Default: it is not done.
    pub fn catch_up(mut self) -> Self {
        self.catch_up = true;
        self
    }
}

/// What a job is told of its run, and what it can tell. Clones are of the same run.
#[derive(Clone)]
pub struct JobRun {
    pub(super) job: String,
    pub(super) scheduled: SystemTime,
    pub(super) engine: Arc<Engine>,
    pub(super) figures: Arc<Mutex<String>>,
}

impl JobRun {
    /// The job's name.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// When it was to begin, by the store's clock: no other run of the job has this time, unless it is one by hand.
    pub fn scheduled(&self) -> SystemTime {
        self.scheduled
    }

    /// Figures for the [history](super::RunningJobs::history) and the log, such as `removed 12 of 345`; the last that is said counts, and its
    /// first 300 characters.
    pub fn report(&self, figures: impl fmt::Display) {
        // What a `Display` does is done before the lock.
        let figures = short(&figures);
        *lock(&self.figures) = figures;
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("jitter", &self.jitter)
            .field("catch_up", &self.catch_up)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JobRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobRun")
            .field("job", &self.job)
            .field("scheduled", &self.scheduled)
            .finish_non_exhaustive()
    }
}
