//! Tasks: one, those of a project, and how many there are. No function says how long: all is kept as long as `CACHE_TTL` says.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use uuid::Uuid;

use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Task {
    #[sqlx(try_from = "String")]
    id: Uuid,
    project_id: i64,
    name: String,
    #[sqlx(try_from = "String")]
    status: Status,
    priority: i64,
    changes: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Running,
    Done,
    Failed,
}

/// How many tasks of a project have a status, and how often they were changed.
#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Count {
    status: String,
    tasks: i64,
    changes: i64,
}

/// As a client writes it.
#[derive(Debug, Deserialize)]
struct NewTask {
    project_id: i64,
    name: String,
    #[serde(default)]
    priority: i64,
}

/// What a client changes; the project of a task stays.
#[derive(Debug, Deserialize)]
struct Change {
    name: String,
    status: Status,
    priority: i64,
    author: String,
}

/// Of many that miss at once, on all instances, one asks the database.
#[cached("task", key = id, single_flight = fleet)]
async fn task(#[skip] db: &Db, id: Uuid) -> Result<Option<Task>, sqlx::Error> {
    let sql = "SELECT id, project_id, name, status, priority, (SELECT count(*) FROM changes WHERE task_id = tasks.id) AS changes
               FROM tasks WHERE id = $1";
    let query = sqlx::query_as(sql).bind(id.to_string());
    QUERIES
        .query("task by id", query.fetch_optional(&db.pool))
        .await
}

/// The fifty most urgent ones.
#[cached("tasks:list", tags = ["project:{project}"], single_flight = fleet)]
async fn tasks(#[skip] db: &Db, project: i64, status: Status) -> Result<Vec<Task>, sqlx::Error> {
    let sql = "SELECT id, project_id, name, tasks.status, priority, count(changes.number) AS changes
               FROM tasks LEFT JOIN changes ON changes.task_id = tasks.id WHERE project_id = $1 AND tasks.status = $2
               GROUP BY id, project_id, name, tasks.status, priority ORDER BY priority DESC, id LIMIT 50";
    let query = sqlx::query_as(sql).bind(project).bind(status.as_str());
    QUERIES
        .query("tasks of a project", query.fetch_all(&db.pool))
        .await
}

#[cached("tasks:summary", tags = ["project:{project}"], single_flight = fleet)]
pub(super) async fn summary(#[skip] db: &Db, project: i64) -> Result<Vec<Count>, sqlx::Error> {
    let sql = "SELECT tasks.status, count(DISTINCT id) AS tasks, count(changes.number) AS changes
               FROM tasks LEFT JOIN changes ON changes.task_id = tasks.id WHERE project_id = $1
               GROUP BY tasks.status ORDER BY tasks.status";
    let query = sqlx::query_as(sql).bind(project);
    QUERIES
        .query("summary of a project", query.fetch_all(&db.pool))
        .await
}

#[invalidates(tag = "project:{result.project_id}")]
async fn create(db: &Db, new: NewTask) -> Result<Task, sqlx::Error> {
    let task = Task {
        id: Uuid::new_v4(),
        project_id: new.project_id,
        name: new.name,
        status: Status::Pending,
        priority: new.priority,
        changes: 0,
    };
    let sql =
        "INSERT INTO tasks (id, project_id, name, status, priority) VALUES ($1, $2, $3, $4, $5)";
    let query = sqlx::query(sql)
        .bind(task.id.to_string())
        .bind(task.project_id)
        .bind(&task.name)
        .bind(task.status.as_str())
        .bind(task.priority);
    QUERIES
        .query("create a task", query.execute(&db.pool))
        .await?;
    Ok(task)
}

/// The answer is the project. Of a task that is not there nothing is old.
#[invalidates(patterns = ["task:{id}"], tag = "project:{result}")]
async fn set(tx: &mut AnyConnection, id: Uuid, change: &Change) -> Result<i64, Error> {
    let sql =
        "UPDATE tasks SET name = $1, status = $2, priority = $3 WHERE id = $4 RETURNING project_id";
    let query = sqlx::query_scalar(sql)
        .bind(change.name.clone())
        .bind(change.status.as_str())
        .bind(change.priority)
        .bind(id.to_string());
    let project = QUERIES
        .query("update a task", query.fetch_optional(tx))
        .await?;
    project.ok_or(Error::NotFound)
}

#[invalidates(patterns = ["task:{id}"], tag = "project:{project}")]
async fn note(
    tx: &mut AnyConnection,
    id: Uuid,
    project: i64,
    change: &Change,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO changes (task_id, number, author, status)
               SELECT $1, COALESCE(max(number), 0) + 1, $2, $3 FROM changes WHERE task_id = $4";
    let query = sqlx::query(sql)
        .bind(id.to_string())
        .bind(change.author.clone())
        .bind(change.status.as_str())
        .bind(id.to_string());
    QUERIES.query("note a change", query.execute(tx)).await?;
    Ok(())
}

#[invalidates(patterns = ["task:{id}"], tag = "project:{result}")]
async fn remove(tx: &mut AnyConnection, id: Uuid) -> Result<i64, Error> {
    let changes = sqlx::query("DELETE FROM changes WHERE task_id = $1").bind(id.to_string());
    QUERIES
        .query("delete the changes of a task", changes.execute(&mut *tx))
        .await?;
    let sql = "DELETE FROM tasks WHERE id = $1 RETURNING project_id";
    let query = sqlx::query_scalar(sql).bind(id.to_string());
    let project = QUERIES
        .query("delete a task", query.fetch_optional(tx))
        .await?;
    project.ok_or(Error::NotFound)
}

impl Status {
    /// As in the database, and in JSON.
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl TryFrom<String> for Status {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_value(text.into())
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    project: i64,
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Summed {
    project: i64,
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/", get(get_tasks).post(post_task))
        .route("/summary", get(get_summary))
        .route("/{id}", get(get_task).put(put_task).delete(delete_task))
}

async fn get_task(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<Json<Task>, Error> {
    let task = task(&db, id).await?;
    task.map(Json).ok_or(Error::NotFound)
}

async fn get_tasks(
    State(db): State<Db>,
    Query(Listed { project, status }): Query<Listed>,
) -> Result<Json<Vec<Task>>, Error> {
    Ok(Json(tasks(&db, project, status).await?))
}

async fn get_summary(
    State(db): State<Db>,
    Query(Summed { project }): Query<Summed>,
) -> Result<Json<Vec<Count>>, Error> {
    Ok(Json(summary(&db, project).await?))
}

async fn post_task(
    State(db): State<Db>,
    Json(new): Json<NewTask>,
) -> Result<(StatusCode, Json<Task>), Error> {
    named(&new.name)?;
    Ok((StatusCode::CREATED, Json(create(&db, new).await?)))
}

/// A task and the note of its change, or neither.
async fn put_task(
    State(db): State<Db>,
    Path(id): Path<Uuid>,
    Json(change): Json<Change>,
) -> Result<StatusCode, Error> {
    named(&change.name)?;
    db.transaction(async |tx| {
        let project = set(tx, id, &change).await?;
        Ok(note(tx, id, project, &change).await?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_task(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<StatusCode, Error> {
    db.transaction(async |tx| remove(tx, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn named(name: &str) -> Result<(), Error> {
    match name.is_empty() {
        true => Err(Error::Invalid("a task needs a name".to_owned())),
        false => Ok(()),
    }
}
