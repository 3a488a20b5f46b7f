//! Tasks: small steps, which change all the time.

use std::fmt;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use uuid::Uuid;

use super::events::TaskCompleted;
use super::goal::titled;
use super::{Repositories, ttls};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Running,
    Done,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Task {
    id: String,
    goal_id: String,
    title: String,
    status: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    status: Status,
}

#[derive(Debug, Deserialize)]
struct NewTask {
    goal_id: String,
    title: String,
    /// The number of the day.
    made: i64,
}

#[derive(Debug, Deserialize)]
struct Change {
    status: Status,
    /// The number of the day on which it was done, if it was.
    #[serde(default)]
    done: i64,
}

#[derive(Debug, Clone)]
pub(super) struct TaskRepository {
    db: Db,
    cache: Cache,
}

impl TaskRepository {
    pub(super) fn new(db: &Db, cache: &Cache) -> Self {
        let (db, cache) = (db.clone(), cache.clone());
        Self { db, cache }
    }

    /// A user's tasks of one status, the latest first.
    #[cached("user:tasks", ttl = ttls::TASK_STATUS, key = (status, user_id), cache = self.cache)]
    async fn tasks_by_status(
        &self,
        user_id: &str,
        status: Status,
    ) -> Result<Vec<Task>, sqlx::Error> {
        let query = sqlx::query_as(
            "SELECT id, goal_id, title, status FROM tasks WHERE user_id = $1 AND status = $2 ORDER BY made DESC, id LIMIT 100",
        )
        .bind(user_id)
        .bind(status.to_string());
        QUERIES
            .query("tasks by status", query.fetch_all(&self.db.pool))
            .await
    }

    #[invalidates("user:tasks:pending:{user_id}", "dashboard:metrics:{user_id}", cache = self.cache)]
    async fn create_task(&self, user_id: &str, new: NewTask) -> Result<Task, sqlx::Error> {
        let query = sqlx::query_as(
            "INSERT INTO tasks (id, user_id, goal_id, title, status, made, done)
             VALUES ($1, $2, $3, $4, 'pending', $5, 0) RETURNING id, goal_id, title, status",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(user_id)
        .bind(new.goal_id)
        .bind(new.title)
        .bind(new.made);
        QUERIES
            .query("create a task", query.fetch_one(&self.db.pool))
            .await
    }

    #[invalidates(event = TaskCompleted { user_id: user_id.to_owned() }, cache = self.cache)]
    async fn update_task_status(
        &self,
        user_id: &str,
        task_id: &str,
        change: Change,
    ) -> Result<Option<Task>, sqlx::Error> {
        let query = sqlx::query_as(
            "UPDATE tasks SET status = $1, done = $2 WHERE id = $3 AND user_id = $4 RETURNING id, goal_id, title, status",
        )
        .bind(change.status.to_string())
        .bind(change.done)
        .bind(task_id)
        .bind(user_id);
        QUERIES
            .query("status of a task", query.fetch_optional(&self.db.pool))
            .await
    }

    /// Those of a goal, on the day of the last one that was made.
    #[invalidates(event = TaskCompleted { user_id: user_id.to_owned() }, cache = self.cache)]
    pub(super) async fn complete_all(
        &self,
        tx: &mut AnyConnection,
        user_id: &str,
        goal_id: &str,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE tasks SET status = 'done', done = (SELECT max(made) FROM tasks AS others WHERE others.goal_id = $1)
             WHERE goal_id = $1 AND user_id = $2 AND status <> 'done'",
        )
        .bind(goal_id)
        .bind(user_id);
        QUERIES
            .query("complete all tasks", query.execute(tx))
            .await?;
        Ok(())
    }
}

/// As in the database.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
        })
    }
}

pub(super) fn routes() -> Router<Repositories> {
    Router::new()
        .route("/", get(list).post(create))
        .route("/{task_id}", put(update))
}

async fn list(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Task>>, Error> {
    let tasks = all.tasks.tasks_by_status(&user_id, asked.status).await?;
    Ok(Json(tasks))
}

async fn create(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
    Json(new): Json<NewTask>,
) -> Result<(StatusCode, Json<Task>), Error> {
    titled(&new.title)?;
    let goal = all.goals.goal_by_id(&new.goal_id).await?;
    goal.filter(|goal| goal.user_id == user_id)
        .ok_or(Error::NotFound)?;
    let task = all.tasks.create_task(&user_id, new).await?;
    Ok((StatusCode::CREATED, Json(task)))
}

async fn update(
    State(all): State<Repositories>,
    Path((user_id, task_id)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Json<Task>, Error> {
    if matches!(change.status, Status::Done) != (change.done > 0) {
        return Err(Error::Invalid(
            "what is done has a day on which it was".to_owned(),
        ));
    }
    let changed = all.tasks.update_task_status(&user_id, &task_id, change);
    changed.await?.map(Json).ok_or(Error::NotFound)
}
