//! One run of a job: kept by a lease, ended in time, and recorded.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::history::{JobOutcome, JobRecord, time};
use super::instance::{Instance, RETRY, milliseconds};
use super::job::{Job, JobRun};
use crate::engine::{Engine, inheriting};
use crate::store::jobs::Run;
use crate::store::{Store, StoreError};
use crate::sync::{Mutex, lock};

/// How long the run of an instance that was killed holds up the next one.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// An instance that could not prolong its lease for so long gives its run up: before another one can begin.
const DOUBT: Duration = Duration::from_secs(20);

impl Instance {
    /// Does what was claimed, and keeps what became of it. Dropped, the run is interrupted.
    pub(super) async fn run(&self, job: &Job, run: Run) -> JobRecord {
        let began = Instant::now();
        let told = JobRun {
            job: run.job.clone(),
            scheduled: time(run.scheduled),
            engine: self.engine.clone(),
            figures: Arc::new(Mutex::default()),
        };
        let figures = told.figures.clone();
        // In a task of its own, so that work that blocks does not keep the lease from being prolonged.
        let mut work = Spawned(tokio::spawn(inheriting((job.work)(told))));
        let mut held = Held::new(self.engine.clone(), run);
        held.record.outcome = held.see_to(&mut work.0, began, job.timeout).await;
        held.record.took = Some(Duration::from_millis(milliseconds(began.elapsed())));
        held.record.figures = std::mem::take(&mut *lock(&figures));
        tell(&held.run.job, &held.record);
        while let Err(error) = held.end().await {
            tracing::debug!(job = held.run.job, %error, "what became of a run could not be kept yet");
            if self.stops_within(RETRY).await {
                // Once more in the background.
                break;
            }
        }
        held.record.clone()
    }
}

/// A run that is kept from others.
struct Held {
    engine: Arc<Engine>,
    run: Run,
    record: JobRecord,
    /// Whether the store knows.
    ended: bool,
}

impl Held {
    fn new(engine: Arc<Engine>, run: Run) -> Self {
        Self {
            record: run.record(JobOutcome::Interrupted),
            engine,
            run,
            ended: false,
        }
    }

    /// Waits for the end of `work`, and ends it where it takes too long or may not be the only one.
    async fn see_to(
        &self,
        work: &mut JoinHandle<Option<String>>,
        began: Instant,
        timeout: Duration,
    ) -> JobOutcome {
        let limit = pin!(sleep(timeout));
        let lost = pin!(self.lost(began));
        let outcome = match select(&mut *work, select(limit, lost)).await {
            Either::Left((ended, _)) => return of(ended),
            Either::Right((Either::Left(_), _)) => JobOutcome::TimedOut,
            Either::Right((Either::Right(_), _)) => JobOutcome::Interrupted,
        };
        work.abort();
        // The next run is kept back until this one has really ended.
        select(work, pin!(self.lost(Instant::now()))).await;
        outcome
    }

    /// Ends when the lease may be another's: `held` since the time at which it was asked for.
    async fn lost(&self, mut held: Instant) {
        loop {
            sleep_until(held + LEASE / 5).await;
            let (asked, until) = (Instant::now(), held + DOUBT);
            let patience = self.engine.patience.background.min(LEASE / 5);
            let prolong = self.engine.store.prolong_run(&self.run, LEASE, patience);
            match timeout_at(until, prolong).await {
                Ok(Ok(true)) => held = asked,
                Ok(Err(_)) if Instant::now() < until => sleep(RETRY).await,
                Ok(Ok(false) | Err(_)) | Err(_) => return,
            }
        }
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        let patience = self.engine.patience.background;
        let store = &self.engine.store;
        store.end_run(&self.run, &self.record, patience).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Store::Memory(memory) = &self.engine.store {
            // Also outside a runtime.
            memory.jobs.end(&self.run, &self.record);
            return;
        }
        let (engine, run, record) = (self.engine.clone(), self.run.clone(), self.record.clone());
        // Where it does not succeed, the run ends with its lease.
        self.engine.background.see_to(async move {
            let patience = engine.patience.background;
            if let Err(error) = engine.store.end_run(&run, &record, patience).await {
                tracing::debug!(job = run.job, %error, "a run was not ended; it ends with its lease");
            }
        });
    }
}

/// Work that ends when it is dropped.
struct Spawned(JoinHandle<Option<String>>);

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of work that has ended.
fn of(ended: Result<Option<String>, JoinError>) -> JobOutcome {
    match ended {
        Ok(None) => JobOutcome::Succeeded,
        Ok(Some(error)) => JobOutcome::failed(&error),
        Err(error) if error.is_panic() => JobOutcome::failed(&"it panicked"),
        // The runtime ends.
        Err(_) => JobOutcome::Interrupted,
    }
}

fn tell(job: &str, record: &JobRecord) {
    match record.outcome {
        JobOutcome::Succeeded => tracing::info!(job, %record, "job done"),
        _ => tracing::error!(job, %record, "job not done"),
    }
}
