//! Tasks: a list that is asked for all the time, and the three writes that make it old.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use uuid::Uuid;

use super::figures::{daily, metrics};
use super::ttls;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Task {
    #[sqlx(try_from = "String")]
    id: Uuid,
    title: String,
    topic: String,
    priority: i64,
    failures: i64,
}

#[derive(Debug, Serialize)]
struct Tasks {
    tasks: Vec<Task>,
}

#[derive(Debug, Deserialize)]
struct NewTask {
    title: String,
    topic: String,
    #[serde(default)]
    priority: i64,
}

#[derive(Debug, Deserialize)]
struct NewRun {
    day: jiff::civil::Date,
    milliseconds: u32,
    cents: u32,
    failed: bool,
}

#[derive(Debug, Deserialize)]
struct Limit {
    #[serde(default = "ten")]
    limit: u32,
}

fn ten() -> u32 {
    10
}

/// The most urgent tasks that wait. A name and a ttl are enough: the limit is in the key, since it is not skipped.
#[cached("query:tasks:pending", ttl = ttls::QUERY)]
async fn pending(#[skip] db: &Db, limit: u32) -> Result<Vec<Task>, sqlx::Error> {
    let sql = "SELECT tasks.id, title, topic, priority, CAST(COALESCE(sum(runs.failed), 0) AS BIGINT) AS failures
               FROM tasks LEFT JOIN runs ON runs.task_id = tasks.id WHERE tasks.status = 'pending'
               GROUP BY tasks.id, title, topic, priority ORDER BY priority DESC, failures DESC, tasks.id LIMIT $1";
    let query = sqlx::query_as(sql).bind(i64::from(limit));
    QUERIES
        .query("pending tasks", query.fetch_all(&db.pool))
        .await
}

#[invalidates(pending(_), metrics())]
async fn create(db: &Db, new: NewTask) -> Result<Task, sqlx::Error> {
    let task = Task {
        id: Uuid::new_v4(),
        title: new.title,
        topic: new.topic,
        priority: new.priority,
        failures: 0,
    };
    let sql =
        "INSERT INTO tasks (id, title, topic, status, priority) VALUES ($1, $2, $3, 'pending', $4)";
    let query = sqlx::query(sql)
        .bind(task.id.to_string())
        .bind(&task.title)
        .bind(&task.topic)
        .bind(task.priority);
    QUERIES
        .query("create a task", query.execute(&db.pool))
        .await?;
    Ok(task)
}

/// Of a task that is not there nothing is old, here and below.
#[invalidates(pending(_), metrics())]
async fn set_status(tx: &mut AnyConnection, id: Uuid, status: &str) -> Result<(), Error> {
    let query = sqlx::query("UPDATE tasks SET status = $1 WHERE id = $2")
        .bind(status)
        .bind(id.to_string());
    let done = QUERIES.query("status of a task", query.execute(tx)).await?;
    Error::unless_found(done.rows_affected())
}

#[invalidates(pending(_), metrics(), daily())]
async fn add_run(tx: &mut AnyConnection, task_id: Uuid, run: NewRun) -> Result<(), sqlx::Error> {
    let sql =
        "INSERT INTO runs (task_id, day, milliseconds, cents, failed) VALUES ($1, $2, $3, $4, $5)";
    let query = sqlx::query(sql)
        .bind(task_id.to_string())
        .bind(run.day.to_string())
        .bind(i64::from(run.milliseconds))
        .bind(i64::from(run.cents))
        .bind(i64::from(run.failed));
    QUERIES.query("add a run", query.execute(tx)).await?;
    Ok(())
}

/// What it has cost goes with it.
#[invalidates(pending(_), metrics(), daily())]
async fn remove(tx: &mut AnyConnection, id: Uuid) -> Result<(), Error> {
    let runs = sqlx::query("DELETE FROM runs WHERE task_id = $1").bind(id.to_string());
    QUERIES
        .query("delete the runs of a task", runs.execute(&mut *tx))
        .await?;
    let task = sqlx::query("DELETE FROM tasks WHERE id = $1").bind(id.to_string());
    let done = QUERIES.query("delete a task", task.execute(tx)).await?;
    Error::unless_found(done.rows_affected())
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/", post(post_task))
        .route("/pending", get(get_pending))
        .route("/{id}", delete(delete_task))
        .route("/{id}/runs", post(post_run))
}

async fn get_pending(
    State(db): State<Db>,
    Query(Limit { limit }): Query<Limit>,
) -> Result<Json<Tasks>, Error> {
    if !(1..=100).contains(&limit) {
        return Err(Error::Invalid("limit is from 1 to 100".to_owned()));
    }
    let tasks = pending(&db, limit).await?;
    Ok(Json(Tasks { tasks }))
}

async fn post_task(
    State(db): State<Db>,
    Json(new): Json<NewTask>,
) -> Result<(StatusCode, Json<Task>), Error> {
    if new.title.is_empty() {
        return Err(Error::Invalid("a task needs a title".to_owned()));
    }
    Ok((StatusCode::CREATED, Json(create(&db, new).await?)))
}

async fn post_run(
    State(db): State<Db>,
    Path(id): Path<Uuid>,
    Json(run): Json<NewRun>,
) -> Result<StatusCode, Error> {
    let status = if run.failed { "failed" } else { "done" };
    db.transaction(async |tx| {
        set_status(tx, id, status).await?;
        Ok(add_run(tx, id, run).await?)
    })
    .await?;
    Ok(StatusCode::CREATED)
}

async fn delete_task(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<Json<Value>, Error> {
    db.transaction(async |tx| remove(tx, id).await).await?;
    Ok(Json(json!({ "success": true })))
}
