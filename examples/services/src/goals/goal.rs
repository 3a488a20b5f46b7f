//! Goals: looked at often, changed now and then.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{AfterCommit, Cache, cached, invalidates, updates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use uuid::Uuid;

use super::events::{GoalCreated, GoalUpdated};
use super::task::TaskRepository;
use super::{Repositories, ttls};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Clone, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Goal {
    id: String,
    pub(super) user_id: String,
    title: String,
    status: String,
    progress: f64,
}

#[derive(Debug, Deserialize)]
struct NewGoal {
    title: String,
}

#[derive(Debug, Deserialize)]
struct Change {
    title: String,
    progress: f64,
}

#[derive(Debug, Clone)]
pub(super) struct GoalRepository {
    db: Db,
    cache: Cache,
    tasks: TaskRepository,
}

impl GoalRepository {
    pub(super) fn new(db: &Db, cache: &Cache, tasks: TaskRepository) -> Self {
        let (db, cache) = (db.clone(), cache.clone());
        Self { db, cache, tasks }
    }

    /// What a user is working towards.
    #[cached("user:goals:active", ttl = ttls::GOAL_DETAILS, key = user_id, cache = self.cache)]
    async fn active_goals(&self, user_id: &str) -> Result<Vec<Goal>, sqlx::Error> {
        let sql = "SELECT * FROM goals WHERE user_id = $1 AND status = 'active' ORDER BY id";
        let query = sqlx::query_as(sql).bind(user_id).fetch_all(&self.db.pool);
        QUERIES.query("active goals", query).await
    }

    /// One goal.
    #[cached("goal", ttl = ttls::GOAL_DETAILS, none_ttl = "30s", key = goal_id, cache = self.cache)]
    pub(super) async fn goal_by_id(&self, goal_id: &str) -> Result<Option<Goal>, sqlx::Error> {
        let query = sqlx::query_as("SELECT * FROM goals WHERE id = $1").bind(goal_id);
        QUERIES
            .query("goal by id", query.fetch_optional(&self.db.pool))
            .await
    }

    #[invalidates(event = GoalCreated { user_id: user_id.to_owned() }, self.goal_by_id(&result.id), cache = self.cache)]
    async fn create_goal(&self, user_id: &str, new: NewGoal) -> Result<Goal, sqlx::Error> {
        let sql = "INSERT INTO goals (id, user_id, title, status, progress)
                   VALUES ($1, $2, $3, 'active', 0.0) RETURNING *";
        let query = sqlx::query_as(sql)
            .bind(Uuid::new_v4().to_string())
            .bind(user_id)
            .bind(new.title);
        QUERIES
            .query("create a goal", query.fetch_one(&self.db.pool))
            .await
    }

    /// Written through: the next reader of the goal needs no query. What else shows it is old.
    #[updates(self.goal_by_id(goal_id))]
    #[invalidates(event = GoalCreated { user_id: user_id.to_owned() }, cache = self.cache)]
    async fn update_goal(
        &self,
        user_id: &str,
        goal_id: &str,
        change: Change,
    ) -> Result<Option<Goal>, sqlx::Error> {
        let sql =
            "UPDATE goals SET title = $1, progress = $2 WHERE id = $3 AND user_id = $4 RETURNING *";
        let query = sqlx::query_as(sql)
            .bind(change.title)
            .bind(change.progress)
            .bind(goal_id)
            .bind(user_id);
        QUERIES
            .query("update a goal", query.fetch_optional(&self.db.pool))
            .await
    }

    /// With its last tasks. What both make old waits for the commit: before it, readers would store the old rows again.
    async fn complete_goal(&self, user_id: &str, goal_id: &str) -> Result<Option<Goal>, Error> {
        let mut tx = self.db.pool.begin().await?;
        let invalidations = AfterCommit::new();
        let writes = async {
            let goal = self.set_completed(&mut tx, user_id, goal_id).await?;
            if goal.is_some() {
                self.tasks.complete_all(&mut tx, user_id, goal_id).await?;
            }
            Ok::<_, sqlx::Error>(goal)
        };
        let goal = invalidations.scope(writes).await?;
        tx.commit().await?;
        invalidations.committed().await;
        Ok(goal)
    }

    #[invalidates(event = GoalUpdated { goal_id: goal_id.to_owned(), user_id: user_id.to_owned() }, cache = self.cache)]
    async fn set_completed(
        &self,
        tx: &mut AnyConnection,
        user_id: &str,
        goal_id: &str,
    ) -> Result<Option<Goal>, sqlx::Error> {
        let sql = "UPDATE goals SET status = 'completed', progress = 1.0 WHERE id = $1 AND user_id = $2 RETURNING *";
        let query = sqlx::query_as(sql).bind(goal_id).bind(user_id);
        QUERIES
            .query("complete a goal", query.fetch_optional(tx))
            .await
    }
}

pub(super) fn routes() -> Router<Repositories> {
    Router::new()
        .route("/", get(list).post(create))
        .route("/{goal_id}", get(by_id).put(update))
        .route("/{goal_id}/complete", post(complete))
}

async fn list(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
) -> Result<Json<Vec<Goal>>, Error> {
    Ok(Json(all.goals.active_goals(&user_id).await?))
}

/// Nobody sees a goal of somebody else.
async fn by_id(
    State(all): State<Repositories>,
    Path((user_id, goal_id)): Path<(String, String)>,
) -> Result<Json<Goal>, Error> {
    let goal = all.goals.goal_by_id(&goal_id).await?;
    let own = goal.filter(|goal| goal.user_id == user_id);
    own.map(Json).ok_or(Error::NotFound)
}

async fn create(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
    Json(new): Json<NewGoal>,
) -> Result<(StatusCode, Json<Goal>), Error> {
    titled(&new.title)?;
    all.users.known(&user_id).await?;
    let goal = all.goals.create_goal(&user_id, new).await?;
    Ok((StatusCode::CREATED, Json(goal)))
}

async fn update(
    State(all): State<Repositories>,
    Path((user_id, goal_id)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Json<Goal>, Error> {
    titled(&change.title)?;
    if !(0.0..=1.0).contains(&change.progress) {
        return Err(Error::Invalid("progress goes from 0 to 1".to_owned()));
    }
    let goal = all.goals.update_goal(&user_id, &goal_id, change).await?;
    goal.map(Json).ok_or(Error::NotFound)
}

async fn complete(
    State(all): State<Repositories>,
    Path((user_id, goal_id)): Path<(String, String)>,
) -> Result<Json<Goal>, Error> {
    let goal = all.goals.complete_goal(&user_id, &goal_id).await?;
    goal.map(Json).ok_or(Error::NotFound)
}

pub(super) fn titled(title: &str) -> Result<(), Error> {
    if title.is_empty() {
        return Err(Error::Invalid("it needs a title".to_owned()));
    }
    Ok(())
}
