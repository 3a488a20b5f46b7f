//! The handle of jobs that run.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;

use super::history::{JobRecord, time};
use super::instance::{Instance, Scheduled};
use crate::error::{Error, ErrorKind};

/// Jobs that run; made by [`Jobs::start`](super::Jobs::start).
///
/// Dropped, this instance runs none any more at once: what is under way is dropped, and stands as interrupted in its history. The other instances go
/// on.
#[must_use = "dropped, the jobs stop"]
pub struct RunningJobs {
    pub(super) instance: Arc<Instance>,
    /// One for each job.
    pub(super) tasks: JoinSet<()>,
}

impl RunningJobs {
    /// What became of the runs of this job, on whatever instance: the last 100, the latest first, and before them the one that is under way.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when there is no such job; else Redis could not be reached, did not answer in time, or refused.
    pub async fn history(&self, job: &str) -> Result<Vec<JobRecord>, Error> {
        let name = &self.named(job)?.job.name;
        let engine = &self.instance.engine;
        let store = engine.reachable()?;
        Ok(store.runs(name, engine.patience.background).await?)
    }

    /// Runs a job now, on this instance, and waits for its end. It changes nothing about the runs that are scheduled; but one whose time comes
    /// meanwhile is skipped, and so is this one while another is under way.
    ///
    /// Dropped, the run is dropped, and stands as interrupted in the history.
    ///
    /// # Errors
    /// As [`history`](Self::history): nothing was run. A run that failed is a record that says so.
    pub async fn run_now(&self, job: &str) -> Result<JobRecord, Error> {
        self.instance.run_now(self.named(job)?).await
    }

    /// Each job, and when it runs next; without its jitter.
    pub fn next_runs(&self) -> Vec<(String, SystemTime)> {
        let next = |scheduled: &Scheduled| {
            let at = scheduled.next(&self.instance.zone)?;
            Some((scheduled.job.name.clone(), time(at)))
        };
        self.instance.jobs.iter().filter_map(next).collect()
    }

    /// Begins no more runs, and waits for those that are under way. Dropped, it ends as the handle does.
    pub async fn stop(mut self) {
        self.instance.stopped.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }

    fn named(&self, name: &str) -> Result<&Scheduled, Error> {
        let mut jobs = self.instance.jobs.iter();
        let found = jobs.find(|scheduled| scheduled.job.name == name);
        found.ok_or_else(|| {
            let name = name.escape_debug();
            Error::new(ErrorKind::Invalid, format!("there is no job `{name}`"))
        })
    }
}

impl fmt::Debug for RunningJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs: Vec<_> = self.instance.jobs.iter().map(|of| &of.job).collect();
        f.debug_struct("RunningJobs")
            .field("by", &self.instance.by)
            .field("jobs", &jobs)
            .finish_non_exhaustive()
    }
}
