//! What one instance of the fleet does about its jobs: it waits for each instant, asks for its run, and runs what it is given.
//!
//! All times are the store's. They are learned with each answer and counted on by a clock that nobody sets, so that instances whose own
//! clocks differ or jump ask for the same instants at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::history::{JobOutcome, JobRecord};
use super::job::Job;
use super::run::LEASE;
use super::schedule::{Next, Schedule};
use crate::engine::{Engine, inheriting};
use crate::error::Error;
use crate::store::StoreError;
use crate::store::jobs::{Claim, Run, Said, Told, Wish};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// The longest time between two looks at the store's clock.
const LOOK: Duration = Duration::from_secs(60);
/// Between two questions while the store does not answer.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// This instance, and its jobs.
pub(super) struct Instance {
    pub(super) engine: Arc<Engine>,
    /// What it is called.
    pub(super) by: String,
    pub(super) zone: TimeZone,
    pub(super) jobs: Vec<Scheduled>,
    pub(super) stopped: watch::Sender<bool>,
    /// Whether it is known that the store does not answer.
    pub(super) waits: AtomicBool,
}

/// A job, and what is known of its instants.
pub(super) struct Scheduled {
    pub(super) job: Job,
    pub(super) schedule: Schedule,
    pub(super) seen: Mutex<Option<Seen>>,
}

/// What the store has said, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    now: u64,
    last: u64,
    at: Instant,
}

/// A run that this instance will ask for.
#[derive(Debug, Default)]
struct Plan {
    instant: u64,
    /// Later than the instant, where there is jitter.
    begins: u64,
    token: u64,
}

impl Instance {
    /// Sees to the job at this place until the instance is stopped.
    pub(super) async fn keep(self: Arc<Self>, at: usize) {
        let scheduled = &self.jobs[at];
        // One at most: a run is given only when none is under way.
        let mut runs = JoinSet::new();
        let mut plan = Plan::default();
        let mut failed = false;
        loop {
            let (wish, wait) = plan.next(scheduled, &self.zone);
            let wait = if failed { RETRY } else { wait };
            if self.stops_within(wait).await {
                break;
            }
            let told = self.ask(scheduled, wish, plan.token).await;
            failed = told.is_err();
            if let Ok(told) = told {
                *lock(&scheduled.seen) = Some(Seen::new(told));
                if let (Said::Yours, Wish::Run(instant)) = (told.said, wish) {
                    let run = self.claimed(&scheduled.job, plan.token, instant, told.now);
                    let this = self.clone();
                    let run = async move { this.run(&this.jobs[at].job, run).await };
                    runs.spawn(inheriting(run));
                }
            }
            while runs.try_join_next().is_some() {}
        }
        while runs.join_next().await.is_some() {}
    }

    /// Runs a job now, unless it is under way.
    pub(super) async fn run_now(&self, scheduled: &Scheduled) -> Result<JobRecord, Error> {
        let (job, token) = (&scheduled.job, fastrand::u64(1..));
        let told = self.ask(scheduled, Wish::Hand, token).await?;
        let run = self.claimed(job, token, told.now, told.now);
        Ok(match told.said {
            Said::Yours => self.run(job, run).await,
            Said::Busy | Said::No => run.record(JobOutcome::Skipped),
        })
    }

    async fn ask(&self, scheduled: &Scheduled, wish: Wish, token: u64) -> Result<Told, StoreError> {
        let job = &scheduled.job.name;
        let claim = Claim {
            job,
            wish,
            token,
            lease: LEASE,
            by: &self.by,
            known: lock(&scheduled.seen).is_some(),
        };
        let patience = self.engine.patience.background;
        let told = match self.engine.reachable() {
            Ok(store) => store.claim(&claim, patience).await,
            Err(error) => Err(error),
        };
        let was_waiting = self.waits.swap(told.is_err(), Ordering::Relaxed);
        match &told {
            Err(error) if !was_waiting => {
                tracing::warn!(%error, "jobs wait, as it cannot be told which instance is to run them");
            }
            Ok(_) if was_waiting => tracing::info!("jobs go on"),
            Ok(Told {
                said: Said::Busy, ..
            }) => {
                tracing::warn!(job, "a run is skipped, as the one before is under way");
            }
            Ok(_) | Err(_) => {}
        }
        told
    }

    fn claimed(&self, job: &Job, token: u64, scheduled: u64, began: u64) -> Run {
        Run {
            job: job.name.clone(),
            token,
            by: self.by.clone(),
            scheduled,
            began,
        }
    }

    /// Waits for so long; whether the instance is stopped.
    pub(super) async fn stops_within(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.subscribe();
        let stopped = stopped.wait_for(|stopped| *stopped);
        tokio::time::timeout(time, stopped).await.is_ok()
    }
}

impl Scheduled {
    /// When it runs next, in milliseconds of the store's clock; by this process's while that is not known.
    pub(super) fn next(&self, zone: &TimeZone) -> Option<u64> {
        let seen = *lock(&self.seen);
        match self.what_is_next(seen.unwrap_or_else(Seen::by_this_clock), zone)? {
            Next::Due(at) | Next::Missed(at) | Next::Ahead(at) => Some(at),
        }
    }

    fn what_is_next(&self, seen: Seen, zone: &TimeZone) -> Option<Next> {
        let jitter = milliseconds(self.job.jitter);
        let times = (seen.now(), seen.last);
        self.schedule.next(zone, times, jitter, self.job.catch_up)
    }
}

impl Seen {
    fn new(told: Told) -> Self {
        Self {
            now: told.now,
            last: told.last,
            // The answer was on its way: rather too late than too early.
            at: Instant::now(),
        }
    }

    fn by_this_clock() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = milliseconds(now);
        Self {
            now,
            last: now,
            at: Instant::now(),
        }
    }

    /// The store's clock.
    fn now(&self) -> u64 {
        self.now + milliseconds(self.at.elapsed())
    }
}

impl Plan {
    /// What is to be asked, and after how long.
    fn next(&mut self, scheduled: &Scheduled, zone: &TimeZone) -> (Wish, Duration) {
        let Some(seen) = *lock(&scheduled.seen) else {
            return (Wish::Look, Duration::ZERO);
        };
        let instant = match scheduled.what_is_next(seen, zone) {
            Some(Next::Due(at) | Next::Ahead(at)) => at,
            Some(Next::Missed(at)) => return (Wish::Miss(at), Duration::ZERO),
            None => return (Wish::Look, LOOK),
        };
        let now = seen.now();
        if self.instant != instant {
            let jitter = milliseconds(scheduled.job.jitter);
            *self = Self {
                instant,
                begins: now.max(instant.saturating_add(fastrand::u64(..=jitter))),
                token: fastrand::u64(1..),
            };
        }
        let wait = Duration::from_millis(self.begins.saturating_sub(now));
        if wait > LOOK {
            return (Wish::Look, LOOK);
        }
        (Wish::Run(instant), wait)
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
