//! Runs of scheduled jobs in a process without Redis: all of them are its own.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use crate::jobs::history::{JobOutcome, JobRecord, KEPT};
use crate::store::jobs::{Claim, Run, Said, Told, Wish};
use crate::sync::{Mutex, lock};

/// By the job's name. A program has few, and each is there as long as it.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<HashMap<String, Job>>);

#[derive(Debug)]
struct Job {
    last: u64,
    open: Option<(Run, Instant)>,
    history: VecDeque<JobRecord>,
}

impl Jobs {
    /// The same as `claim.lua` in Redis.
    pub(crate) fn claim(&self, claim: &Claim<'_>) -> Told {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or_default();
        let mut jobs = lock(&self.0);
        let job = jobs.entry(claim.job.to_owned()).or_insert_with(|| Job {
            last: now,
            open: None,
            history: VecDeque::new(),
        });
        let said = job.claim(claim, now);
        let last = job.last;
        Told { now, last, said }
    }

    pub(crate) fn prolong(&self, run: &Run, lease: Duration) -> bool {
        let mut jobs = lock(&self.0);
        let open = jobs.get_mut(&run.job).and_then(|job| job.open.as_mut());
        let Some((_, till)) = open.filter(|(open, _)| open.token == run.token) else {
            return false;
        };
        *till = Instant::now() + lease;
        true
    }

    pub(crate) fn end(&self, run: &Run, record: &JobRecord) {
        let mut jobs = lock(&self.0);
        let Some(job) = jobs.get_mut(&run.job) else {
            return;
        };
        if job
            .open
            .take_if(|(open, _)| open.token == run.token)
            .is_some()
        {
            job.keep(record.clone());
        }
    }

    pub(crate) fn runs(&self, job: &str) -> Vec<JobRecord> {
        let jobs = lock(&self.0);
        let Some(job) = jobs.get(job) else {
            return Vec::new();
        };
        let open = job.open.as_ref().map(|(run, till)| {
            let runs = *till > Instant::now();
            run.record(if runs {
                JobOutcome::Running
            } else {
                JobOutcome::Interrupted
            })
        });
        open.into_iter()
            .chain(job.history.iter().cloned())
            .collect()
    }
}

impl Job {
    fn claim(&mut self, claim: &Claim<'_>, now: u64) -> Said {
        let at = match claim.wish {
            Wish::Look => return Said::No,
            Wish::Run(at) | Wish::Miss(at) if at <= self.last || at > now => return Said::No,
            Wish::Run(at) | Wish::Miss(at) => {
                self.last = at;
                at
            }
            Wish::Hand => now,
        };
        let run = Run {
            job: claim.job.to_owned(),
            token: claim.token,
            by: claim.by.to_owned(),
            scheduled: at,
            began: now,
        };
        if matches!(claim.wish, Wish::Miss(_)) {
            self.keep(run.record(JobOutcome::Missed));
            return Said::No;
        }
        let held = |(_, till): &(Run, Instant)| *till > Instant::now();
        if self.open.as_ref().is_some_and(held) {
            self.keep(run.record(JobOutcome::Skipped));
            return Said::Busy;
        }
        if let Some((lost, _)) = self.open.replace((run, Instant::now() + claim.lease)) {
            self.keep(lost.record(JobOutcome::Interrupted));
        }
        Said::Yours
    }

    fn keep(&mut self, record: JobRecord) {
        self.history.push_front(record);
        self.history.truncate(KEPT);
    }
}
