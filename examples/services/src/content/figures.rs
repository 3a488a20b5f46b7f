//! Figures over all runs: computations that nobody wants to wait for twice.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::ttls;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metrics {
    tasks: Vec<Status>,
    runs: Runs,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Status {
    status: String,
    tasks: i64,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Runs {
    runs: i64,
    failed: i64,
    cents: i64,
    average_milliseconds: f64,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Day {
    day: String,
    runs: i64,
    failed: i64,
    cents: i64,
    /// The average of seven days, this one the last.
    cents_in_a_week: f64,
}

/// Tasks by their status, and all runs of all times.
#[cached("metrics:summary", ttl = ttls::METRICS)]
pub(super) async fn metrics(#[skip] db: &Db) -> Result<Metrics, sqlx::Error> {
    let sql = "SELECT status, count(*) AS tasks FROM tasks GROUP BY status ORDER BY status";
    let tasks = sqlx::query_as(sql).fetch_all(&db.pool);
    let sql = "SELECT count(*) AS runs, CAST(COALESCE(sum(failed), 0) AS BIGINT) AS failed, CAST(COALESCE(sum(cents), 0) AS BIGINT) AS cents,
                      CAST(COALESCE(avg(milliseconds), 0) AS DOUBLE PRECISION) AS average_milliseconds
               FROM runs";
    let runs = sqlx::query_as(sql).fetch_one(&db.pool);
    Ok(Metrics {
        tasks: QUERIES.query("tasks by status", tasks).await?,
        runs: QUERIES.query("all runs", runs).await?,
    })
}

/// Each day's runs, and how the week before it went.
#[cached("computation:analytics:daily", ttl = ttls::COMPUTATION)]
pub(super) async fn daily(#[skip] db: &Db) -> Result<Vec<Day>, sqlx::Error> {
    let sql = "SELECT day, runs, failed, cents,
                      CAST(avg(cents) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS DOUBLE PRECISION) AS cents_in_a_week
               FROM (SELECT day, count(*) AS runs, CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(cents) AS BIGINT) AS cents FROM runs GROUP BY day) AS days
               ORDER BY day";
    let query = sqlx::query_as(sql).fetch_all(&db.pool);
    QUERIES.query("runs by day", query).await
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/api/metrics", get(get_metrics))
        .route("/api/analytics/daily", get(get_daily))
}

async fn get_metrics(State(db): State<Db>) -> Result<Json<Metrics>, Error> {
    Ok(Json(metrics(&db).await?))
}

async fn get_daily(State(db): State<Db>) -> Result<Json<Vec<Day>>, Error> {
    Ok(Json(daily(&db).await?))
}
