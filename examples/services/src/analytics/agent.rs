//! What single agents do.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::keys;
use super::run;
use super::time::{InPath, Timeframe};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Clone, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Analytics {
    id: String,
    name: String,
    pub(super) workspace_id: String,
    runs: i64,
    failed: i64,
    users: i64,
    average_ms: f64,
    longest_ms: i64,
}

/// One agent.
#[cached(keys::agent(agent_id, timeframe), none_ttl = "30s", skip_cache = skip_cache)]
pub(super) async fn analytics(
    #[skip] db: &Db,
    agent_id: &str,
    timeframe: Timeframe,
    skip_cache: bool,
) -> Result<Option<Analytics>, sqlx::Error> {
    let found = load(db, &[agent_id], timeframe).await?;
    Ok(found.into_iter().next())
}

/// Many of them, under the same keys: the body sees those that are not cached.
#[cached(keys::agent(agent_ids, timeframe), batch = agent_ids, none_ttl = "30s")]
pub(super) async fn all(
    #[skip] db: &Db,
    agent_ids: &[&str],
    timeframe: Timeframe,
) -> Result<Vec<Option<Analytics>>, sqlx::Error> {
    let found = load(db, agent_ids, timeframe).await?.into_iter();
    let mut found: HashMap<_, _> = found.map(|one| (one.id.clone(), one)).collect();
    Ok(agent_ids.iter().map(|id| found.remove(*id)).collect())
}

async fn load(db: &Db, ids: &[&str], timeframe: Timeframe) -> Result<Vec<Analytics>, sqlx::Error> {
    let places: Vec<_> = (0..ids.len()).map(|at| format!("${}", at + 2)).collect();
    let sql = format!(
        "SELECT agents.id, agents.name, agents.workspace_id, count(runs.day) AS runs, count(CASE runs.status WHEN 'failed' THEN 1 END) AS failed,
                count(DISTINCT runs.user_id) AS users, CAST(coalesce(avg(runs.duration_ms), 0) AS DOUBLE PRECISION) AS average_ms,
                coalesce(max(runs.duration_ms), 0) AS longest_ms
         FROM agents LEFT JOIN runs ON runs.agent_id = agents.id
              AND runs.day > (SELECT max(day) FROM runs AS known WHERE known.agent_id = agents.id) - $1
         WHERE agents.id IN ({})
         GROUP BY agents.id, agents.name, agents.workspace_id",
        places.join(", ")
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(timeframe.days());
    let query = ids.iter().fold(query, |query, id| query.bind(*id));
    QUERIES
        .query("analytics of agents", query.fetch_all(&db.pool))
        .await
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/{id}/analytics", get(get_analytics))
        .route("/{id}/runs", post(run::complete))
}

async fn get_analytics(
    State(db): State<Db>,
    Path(id): Path<String>,
    Query(how): Query<InPath>,
) -> Result<Json<Analytics>, Error> {
    let found = analytics(&db, &id, how.timeframe, how.skip_cache).await?;
    found.map(Json).ok_or(Error::NotFound)
}
