//! Runs of scheduled jobs: who of all instances has one, and what became of it.

use std::time::Duration;

use super::{Store, StoreError};
use crate::jobs::history::{JobOutcome, JobRecord, time};

/// How long the names of a job are kept after the last question about it.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(400 * 24 * 3600);

/// A question about a job.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) job: &'a str,
    pub(crate) wish: Wish,
    /// One for each run: who asks again after an answer was lost has what it was given.
    pub(crate) token: u64,
    pub(crate) lease: Duration,
    pub(crate) by: &'a str,
    /// Whether there has been an answer about this job before: then the store must know of it.
    pub(crate) known: bool,
}

/// What is wished for. Times are milliseconds of the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To know the time.
    Look,
    /// The run of this instant.
    Run(u64),
    /// That the run of this instant be settled as missed.
    Miss(u64),
    /// A run now, by hand.
    Hand,
}

/// What the store said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) now: u64,
    /// The last instant that was settled: run, skipped or missed.
    pub(crate) last: u64,
    pub(crate) said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is not time yet, it is another's, or nothing was wished for.
    No,
    /// The run before is under way: this one is skipped.
    Busy,
    Yours,
}

/// A run that was claimed.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) job: String,
    pub(crate) token: u64,
    pub(crate) by: String,
    pub(crate) scheduled: u64,
    pub(crate) began: u64,
}

impl Run {
    /// What is kept of it while it has no end.
    pub(crate) fn record(&self, outcome: JobOutcome) -> JobRecord {
        JobRecord {
            scheduled: time(self.scheduled),
            began: time(self.began),
            took: None,
            by: self.by.clone(),
            outcome,
            figures: String::new(),
        }
    }
}

impl Store {
    /// Asks for a run.
    pub(crate) async fn claim(
        &self,
        claim: &Claim<'_>,
        patience: Duration,
    ) -> Result<Told, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.jobs.claim(claim)),
            Self::Redis(redis) => redis.claim(claim, patience).await,
        }
    }

    /// Prolongs the lease of a run; whether it was still held.
    pub(crate) async fn prolong_run(
        &self,
        run: &Run,
        lease: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.jobs.prolong(run, lease)),
            Self::Redis(redis) => redis.prolong_run(run, lease, patience).await,
        }
    }

    /// Ends a run, and keeps what became of it, unless another one has begun since.
    pub(crate) async fn end_run(
        &self,
        run: &Run,
        record: &JobRecord,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.jobs.end(run, record);
                Ok(())
            }
            Self::Redis(redis) => redis.end_run(run, record, patience).await,
        }
    }

    /// The runs of a job, the latest first.
    pub(crate) async fn runs(
        &self,
        job: &str,
        patience: Duration,
    ) -> Result<Vec<JobRecord>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.jobs.runs(job)),
            Self::Redis(redis) => redis.runs(job, patience).await,
        }
    }
}

/// One step of cleaning.
#[derive(Debug)]
pub(crate) struct Cleaned {
    /// Where the next step begins; 0 when there is none.
    pub(crate) next: u64,
    /// Entries that were looked at, and those that were removed.
    pub(crate) seen: usize,
    pub(crate) removed: usize,
}

/// What the jobs ask that most caches need.
impl Store {
    /// Removes entries that have no expiry, one step through all names.
    pub(crate) async fn clean(
        &self,
        cursor: u64,
        patience: Duration,
    ) -> Result<Cleaned, StoreError> {
        match self {
            // Each has one.
            Self::Memory(memory) => Ok(Cleaned {
                next: 0,
                seen: memory.len(),
                removed: 0,
            }),
            Self::Redis(redis) => redis.clean(cursor, patience).await,
        }
    }
}
