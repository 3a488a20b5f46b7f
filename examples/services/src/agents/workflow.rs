//! Workflows: watched by many while they run.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};

use super::ttls;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Workflow {
    id: i64,
    name: String,
    status: String,
    steps: i64,
    steps_done: i64,
}

/// How far a workflow is.
#[cached("workflows", ttl = ttls::WORKFLOW, key = id)]
async fn workflow(#[skip] db: &Db, id: i64) -> Result<Option<Workflow>, sqlx::Error> {
    let sql = "SELECT workflows.id, workflows.name, workflows.status, count(steps.id) AS steps,
                      count(CASE steps.status WHEN 'done' THEN steps.id END) AS steps_done
               FROM workflows LEFT JOIN steps ON steps.workflow_id = workflows.id
               WHERE workflows.id = $1 GROUP BY workflows.id, workflows.name, workflows.status";
    let query = sqlx::query_as(sql).bind(id);
    QUERIES
        .query("workflow with its steps", query.fetch_optional(&db.pool))
        .await
}

#[invalidates(workflow(id))]
async fn set_status(db: &Db, id: i64, status: &str) -> Result<(), Error> {
    let query = sqlx::query("UPDATE workflows SET status = $1 WHERE id = $2")
        .bind(status)
        .bind(id);
    let done = QUERIES
        .query("status of a workflow", query.execute(&db.pool))
        .await?;
    Error::unless_found(done.rows_affected())
}

#[invalidates(workflow(id))]
async fn delete(db: &Db, id: i64) -> Result<(), Error> {
    let steps = sqlx::query("DELETE FROM steps WHERE workflow_id = $1").bind(id);
    QUERIES
        .query("delete steps", steps.execute(&db.pool))
        .await?;
    let query = sqlx::query("DELETE FROM workflows WHERE id = $1").bind(id);
    let done = QUERIES
        .query("delete a workflow", query.execute(&db.pool))
        .await?;
    Error::unless_found(done.rows_affected())
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/{id}", get(by_id).delete(delete_workflow))
        .route("/{id}/start", post(start))
        .route("/{id}/cancel", post(cancel))
}

async fn by_id(State(db): State<Db>, Path(id): Path<i64>) -> Result<Json<Workflow>, Error> {
    let workflow = workflow(&db, id).await?;
    workflow.map(Json).ok_or(Error::NotFound)
}

async fn start(State(db): State<Db>, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    set_status(&db, id, "running").await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn cancel(State(db): State<Db>, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    set_status(&db, id, "cancelled").await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_workflow(State(db): State<Db>, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    delete(&db, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
