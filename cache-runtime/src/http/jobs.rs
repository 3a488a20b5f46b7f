//! Jobs, and what became of their runs.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Managed;
use super::params::Named;
use super::problem::{Problem, Refused, StoreFailed};
use crate::error::ErrorKind;
use crate::jobs::{JobOutcome, JobRecord, RunningJobs};

/// A job.
#[derive(Serialize, ToSchema)]
pub(super) struct Job {
    name: String,
    /// When it runs next, in RFC 3339.
    next_run: Option<String>,
}

/// One run of a job, or what was done in place of one.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    /// When it was to begin, in RFC 3339.
    scheduled: Option<String>,
    /// When it began.
    began: Option<String>,
    /// Seconds.
    took: Option<f64>,
    /// The instance.
    by: String,
    /// `running`, `succeeded`, `failed`, …
    outcome: &'static str,
    error: Option<String>,
    /// What the job told of itself.
    figures: String,
}

/// The jobs of this instance.
#[utoipa::path(get, path = "/jobs", responses(
    (status = 200, body = Vec<Job>),
    Refused,
))]
pub(super) async fn all(State(managed): State<Arc<Managed>>) -> Json<Vec<Job>> {
    let jobs = managed.jobs.as_ref().map(|jobs| jobs.next_runs());
    let job = |(name, next)| Job {
        name,
        next_run: time(next),
    };
    Json(jobs.unwrap_or_default().into_iter().map(job).collect())
}

/// What became of the runs of a job, on whatever instance: the last 100, the latest first.
#[utoipa::path(get, path = "/jobs/{job}", params(("job" = String, Path)), responses(
    (status = 200, body = Vec<Run>),
    (status = 404, body = Problem),
    Refused,
    StoreFailed,
))]
pub(super) async fn history(
    State(managed): State<Arc<Managed>>,
    Named(job): Named,
) -> Result<Json<Vec<Run>>, Problem> {
    let runs = jobs(&managed)?.history(&job).await.map_err(unknown)?;
    Ok(Json(runs.into_iter().map(Run::of).collect()))
}

/// Runs a job now, on this instance, and waits for its end.
#[utoipa::path(post, path = "/jobs/{job}/run", params(("job" = String, Path)), responses(
    (status = 200, body = Run),
    (status = 404, body = Problem),
    Refused,
    StoreFailed,
))]
pub(super) async fn run(
    State(managed): State<Arc<Managed>>,
    Named(job): Named,
) -> Result<Json<Run>, Problem> {
    let run = jobs(&managed)?.run_now(&job).await.map_err(unknown)?;
    Ok(Json(Run::of(run)))
}

impl Run {
    fn of(record: JobRecord) -> Self {
        let outcome = record.outcome.name();
        Self {
            scheduled: time(record.scheduled),
            began: time(record.began),
            took: record.took.map(|took| took.as_secs_f64()),
            by: record.by,
            outcome,
            error: match record.outcome {
                JobOutcome::Failed(error) => Some(error),
                _ => None,
            },
            figures: record.figures,
        }
    }
}

fn jobs(managed: &Managed) -> Result<&RunningJobs, Problem> {
    let jobs = managed.jobs.as_deref();
    jobs.ok_or_else(|| Problem::nothing("this service has no jobs"))
}

fn unknown(error: crate::error::Error) -> Problem {
    match error.kind() {
        ErrorKind::Invalid => Problem::nothing(error.to_string()),
        _ => error.into(),
    }
}

fn time(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| time.to_string())
}
