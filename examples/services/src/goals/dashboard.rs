//! All about a user at a glance: many rows, added up.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::Repositories;
use super::user::UserRepository;
use crate::database::QUERIES;
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
struct Dashboard {
    tasks: Vec<OfStatus>,
    goals: Vec<OfStatus>,
    /// Days in a row on which something was done, at most.
    longest_streak: i64,
    /// Half of the tasks took no longer.
    median_days: i64,
    autonomy: Autonomy,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct OfStatus {
    status: String,
    number: i64,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Autonomy {
    snapshots: i64,
    average: f64,
    best_hundred: f64,
}

impl UserRepository {
    /// For as long as the environment says.
    #[cached("dashboard:metrics", key = user_id, cache = self.cache)]
    async fn metrics(&self, user_id: &str) -> Result<Dashboard, sqlx::Error> {
        let pool = &self.db.pool;
        let tasks = sqlx::query_as(
            "SELECT status, count(*) AS number FROM tasks WHERE user_id = $1 GROUP BY status ORDER BY status",
        );
        let goals = sqlx::query_as(
            "SELECT status, count(*) AS number FROM goals WHERE user_id = $1 GROUP BY status ORDER BY status",
        );
        // Days in a row are as far from their number in the row.
        let streak = sqlx::query_scalar(
            "SELECT coalesce(max(days), 0)
             FROM (SELECT count(*) AS days
                   FROM (SELECT done - row_number() OVER (ORDER BY done) AS island
                         FROM (SELECT DISTINCT done FROM tasks WHERE user_id = $1 AND status = 'done') AS days) AS islands
                   GROUP BY island) AS streaks",
        );
        let median = sqlx::query_scalar(
            "SELECT coalesce(min(CASE WHEN place * 2 >= total THEN days END), 0)
             FROM (SELECT done - made AS days, row_number() OVER (ORDER BY done - made) AS place, count(*) OVER () AS total
                   FROM tasks WHERE user_id = $1 AND status = 'done') AS placed",
        );
        let autonomy = sqlx::query_as(
            "SELECT count(*) AS snapshots, CAST(coalesce(avg(autonomy), 0) AS DOUBLE PRECISION) AS average,
                    CAST(coalesce(max(moving), 0) AS DOUBLE PRECISION) AS best_hundred
             FROM (SELECT autonomy, avg(autonomy) OVER (ORDER BY day, id ROWS BETWEEN 99 PRECEDING AND CURRENT ROW) AS moving
                   FROM snapshots WHERE user_id = $1) AS snapshots",
        );
        let (tasks, goals) = (tasks.bind(user_id), goals.bind(user_id));
        let (streak, median) = (streak.bind(user_id), median.bind(user_id));
        Ok(Dashboard {
            tasks: QUERIES
                .query("tasks of a user", tasks.fetch_all(pool))
                .await?,
            goals: QUERIES
                .query("goals of a user", goals.fetch_all(pool))
                .await?,
            longest_streak: QUERIES.query("streak", streak.fetch_one(pool)).await?,
            median_days: QUERIES.query("median time", median.fetch_one(pool)).await?,
            autonomy: QUERIES
                .query("autonomy", autonomy.bind(user_id).fetch_one(pool))
                .await?,
        })
    }
}

pub(super) fn routes() -> Router<Repositories> {
    Router::new().route("/dashboard", get(metrics))
}

async fn metrics(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
) -> Result<Json<Dashboard>, Error> {
    Ok(Json(all.users.metrics(&user_id).await?))
}
