//! Runs: each is a row, and costs its workspace credits.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{AfterCommit, cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::events::RunCompleted;
use super::time::{Asked, Day, Timeframe};
use super::{agent, credits, keys};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct RunsOfDay {
    #[sqlx(try_from = "i64")]
    date: Day,
    runs: i64,
    failed: i64,
    credits: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewRun {
    user_id: String,
    date: Day,
    failed: bool,
    duration_ms: i64,
    credits: i64,
    summary: String,
}

/// All runs of a workspace, by day.
#[cached(keys::runs(workspace_id), skip_cache = skip_cache)]
async fn runs(
    #[skip] db: &Db,
    workspace_id: &str,
    skip_cache: bool,
) -> Result<Vec<RunsOfDay>, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT day AS date, count(*) AS runs, count(CASE status WHEN 'failed' THEN 1 END) AS failed, CAST(sum(credits) AS BIGINT) AS credits
         FROM runs WHERE workspace_id = $1 GROUP BY day ORDER BY day",
    )
    .bind(workspace_id);
    QUERIES
        .query("runs by day", query.fetch_all(&db.pool))
        .await
}

/// The run and what it costs are written together, or neither. What they make old waits for the commit: before it, readers would store the old rows again.
async fn record(db: &Db, agent_id: &str, workspace_id: &str, run: NewRun) -> Result<(), Error> {
    let mut tx = db.pool.begin().await?;
    let invalidations = AfterCommit::new();
    let (date, cost) = (run.date, run.credits);
    let writes = async {
        insert(&mut tx, agent_id, workspace_id, run).await?;
        credits::add(&mut tx, workspace_id, date, -cost, "run").await
    };
    invalidations.scope(writes).await?;
    tx.commit().await?;
    invalidations.committed().await;
    Ok(())
}

#[invalidates(event = RunCompleted { agent_id: agent_id.to_owned(), workspace_id: workspace_id.to_owned() })]
async fn insert(
    tx: &mut AnyConnection,
    agent_id: &str,
    workspace_id: &str,
    run: NewRun,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO runs (workspace_id, agent_id, user_id, day, status, duration_ms, credits, summary)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(workspace_id)
    .bind(agent_id)
    .bind(run.user_id)
    .bind(run.date.number())
    .bind(if run.failed { "failed" } else { "completed" })
    .bind(run.duration_ms)
    .bind(run.credits)
    .bind(run.summary);
    QUERIES.query("insert a run", query.execute(tx)).await?;
    Ok(())
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/runs", get(get_runs))
}

async fn get_runs(
    State(db): State<Db>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<RunsOfDay>>, Error> {
    let runs = runs(&db, &asked.workspace_id, asked.skip_cache).await?;
    Ok(Json(runs))
}

/// `POST /agents/{id}/runs`
pub(super) async fn complete(
    State(db): State<Db>,
    Path(agent_id): Path<String>,
    Json(run): Json<NewRun>,
) -> Result<StatusCode, Error> {
    if run.duration_ms < 0 || run.credits < 0 {
        return Err(Error::Invalid(
            "a run takes no less than no time, and no less than no credits".to_owned(),
        ));
    }
    let agent = agent::analytics(&db, &agent_id, Timeframe::default(), false).await?;
    let agent = agent.ok_or(Error::NotFound)?;
    record(&db, &agent_id, &agent.workspace_id, run).await?;
    Ok(StatusCode::CREATED)
}
