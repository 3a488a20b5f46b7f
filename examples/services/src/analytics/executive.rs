//! What executives look at: the figures of a workspace, and how they have changed.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::keys;
use super::time::{Asked, Day, Timeframe};
use super::workspace;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Dashboard {
    workspace: String,
    plan: String,
    credits_left: i64,
    kpis: Kpis,
    before: Kpis,
    returning_users: i64,
    trend: Vec<Trend>,
    top_agents: Vec<TopAgent>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Kpis {
    runs: i64,
    failed: i64,
    active_users: i64,
    active_agents: i64,
    average_ms: f64,
    credits_spent: i64,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Trend {
    #[sqlx(try_from = "i64")]
    day: Day,
    runs: i64,
    p95_ms: i64,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct TopAgent {
    id: String,
    name: String,
    runs: i64,
}

/// All about a workspace, in a timeframe and the one before.
#[cached(keys::dashboard(workspace_id, timeframe), none_ttl = "30s", skip_cache = skip_cache)]
pub(super) async fn dashboard(
    #[skip] db: &Db,
    workspace_id: &str,
    timeframe: Timeframe,
    skip_cache: bool,
) -> Result<Option<Dashboard>, sqlx::Error> {
    let Some(about) = workspace::by_id(db, workspace_id).await? else {
        return Ok(None);
    };
    let credits_left = sqlx::query_scalar(
        "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM credits WHERE workspace_id = $1",
    )
    .bind(workspace_id);
    let returning = sqlx::query_scalar(
        "SELECT count(DISTINCT user_id) FROM runs
         WHERE workspace_id = $1 AND day > (SELECT max(day) FROM runs WHERE workspace_id = $1) - $2
               AND user_id IN (SELECT user_id FROM runs WHERE workspace_id = $1
                               AND day > (SELECT max(day) FROM runs WHERE workspace_id = $1) - $3
                               AND day <= (SELECT max(day) FROM runs WHERE workspace_id = $1) - $2)",
    )
    .bind(workspace_id)
    .bind(timeframe.days())
    .bind(2 * timeframe.days());
    let trend = sqlx::query_as(
        "SELECT day, max(total) AS runs, min(CASE WHEN place * 100 >= total * 95 THEN duration_ms END) AS p95_ms
         FROM (SELECT day, duration_ms, row_number() OVER (PARTITION BY day ORDER BY duration_ms) AS place,
                      count(*) OVER (PARTITION BY day) AS total
               FROM runs
               WHERE workspace_id = $1 AND day > (SELECT max(day) FROM runs WHERE workspace_id = $1) - $2) AS placed
         GROUP BY day ORDER BY day",
    )
    .bind(workspace_id)
    .bind(timeframe.days());
    let top = sqlx::query_as(
        "SELECT agents.id, agents.name, count(*) AS runs FROM runs JOIN agents ON agents.id = runs.agent_id
         WHERE runs.workspace_id = $1 AND day > (SELECT max(day) FROM runs WHERE workspace_id = $1) - $2
         GROUP BY agents.id, agents.name ORDER BY runs DESC, agents.id LIMIT 5",
    )
    .bind(workspace_id)
    .bind(timeframe.days());
    Ok(Some(Dashboard {
        workspace: about.name,
        plan: about.plan,
        credits_left: QUERIES
            .query("credits left", credits_left.fetch_one(&db.pool))
            .await?,
        kpis: totals(db, workspace_id, timeframe, 0).await?,
        before: totals(db, workspace_id, timeframe, 1).await?,
        returning_users: QUERIES
            .query("returning users", returning.fetch_one(&db.pool))
            .await?,
        trend: QUERIES.query("trend", trend.fetch_all(&db.pool)).await?,
        top_agents: QUERIES.query("top agents", top.fetch_all(&db.pool)).await?,
    }))
}

/// The few figures that are looked at all day.
#[cached(keys::kpis(workspace_id, timeframe), skip_cache = skip_cache)]
async fn kpis(
    #[skip] db: &Db,
    workspace_id: &str,
    timeframe: Timeframe,
    skip_cache: bool,
) -> Result<Kpis, sqlx::Error> {
    totals(db, workspace_id, timeframe, 0).await
}

/// Of the timeframe that ended `ago` timeframes ago.
async fn totals(
    db: &Db,
    workspace_id: &str,
    timeframe: Timeframe,
    ago: i64,
) -> Result<Kpis, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT count(*) AS runs, count(CASE status WHEN 'failed' THEN 1 END) AS failed, count(DISTINCT user_id) AS active_users,
                count(DISTINCT agent_id) AS active_agents, CAST(coalesce(avg(duration_ms), 0) AS DOUBLE PRECISION) AS average_ms,
                CAST(coalesce(sum(credits), 0) AS BIGINT) AS credits_spent
         FROM runs
         WHERE workspace_id = $1 AND day > (SELECT max(day) FROM runs WHERE workspace_id = $1) - $2
               AND day <= (SELECT max(day) FROM runs WHERE workspace_id = $1) - $3",
    )
    .bind(workspace_id)
    .bind(timeframe.days() * (ago + 1))
    .bind(timeframe.days() * ago);
    QUERIES
        .query("totals of a workspace", query.fetch_one(&db.pool))
        .await
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/dashboard", get(get_dashboard))
        .route("/kpis", get(get_kpis))
}

async fn get_dashboard(
    State(db): State<Db>,
    Query(asked): Query<Asked>,
) -> Result<Json<Dashboard>, Error> {
    let found = dashboard(&db, &asked.workspace_id, asked.timeframe, asked.skip_cache).await?;
    found.map(Json).ok_or(Error::NotFound)
}

async fn get_kpis(State(db): State<Db>, Query(asked): Query<Asked>) -> Result<Json<Kpis>, Error> {
    let kpis = kpis(&db, &asked.workspace_id, asked.timeframe, asked.skip_cache).await?;
    Ok(Json(kpis))
}
