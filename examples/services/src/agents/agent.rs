//! Agents: read by everybody, changed by few.

use axum::extract::{Path, State};
use axum::routing::{get, patch};
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ttls;
use crate::database::{Db, QUERIES, Time};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Agent {
    #[sqlx(try_from = "String")]
    pub(super) id: Uuid,
    name: String,
    role: String,
    pub(super) status: String,
    #[sqlx(flatten)]
    model: Model,
    #[sqlx(try_from = "String")]
    created: Time,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Model {
    provider: String,
    temperature: f64,
}

/// All agents.
#[cached("agents:list", ttl = ttls::AGENT_LIST)]
pub(super) async fn agents(#[skip] db: &Db) -> Result<Vec<Agent>, sqlx::Error> {
    let query = sqlx::query_as("SELECT * FROM agents ORDER BY name").fetch_all(&db.pool);
    QUERIES.query("all agents", query).await
}

/// One agent.
#[cached("agents", ttl = ttls::AGENT_CONFIG, none_ttl = "30s", key = id)]
pub(super) async fn agent(#[skip] db: &Db, id: Uuid) -> Result<Option<Agent>, sqlx::Error> {
    let query = sqlx::query_as("SELECT * FROM agents WHERE id = $1").bind(id.to_string());
    QUERIES
        .query("agent by id", query.fetch_optional(&db.pool))
        .await
}

/// The same, as people call it.
#[cached("agents:name", ttl = ttls::AGENT_CONFIG, none_ttl = "30s", key = name)]
async fn agent_by_name(#[skip] db: &Db, name: &str) -> Result<Option<Agent>, sqlx::Error> {
    let query = sqlx::query_as("SELECT * FROM agents WHERE name = $1").bind(name);
    QUERIES
        .query("agent by name", query.fetch_optional(&db.pool))
        .await
}

/// Of an agent that is not there no name is known, and nothing under a name is old.
#[invalidates(agent(id), agent_by_name(&result.name), agents())]
async fn set_status(db: &Db, id: Uuid, status: &str) -> Result<Option<Agent>, sqlx::Error> {
    let sql = "UPDATE agents SET status = $1 WHERE id = $2 RETURNING *";
    let query = sqlx::query_as(sql).bind(status).bind(id.to_string());
    QUERIES
        .query("status of an agent", query.fetch_optional(&db.pool))
        .await
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/", get(list))
        .route("/{id}", get(by_id))
        .route("/name/{name}", get(by_name))
        .route("/{id}/activate", patch(activate))
        .route("/{id}/deactivate", patch(deactivate))
}

async fn list(State(db): State<Db>) -> Result<Json<Vec<Agent>>, Error> {
    Ok(Json(agents(&db).await?))
}

async fn by_id(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<Json<Agent>, Error> {
    let agent = agent(&db, id).await?;
    agent.map(Json).ok_or(Error::NotFound)
}

async fn by_name(State(db): State<Db>, Path(name): Path<String>) -> Result<Json<Agent>, Error> {
    let agent = agent_by_name(&db, &name).await?;
    agent.map(Json).ok_or(Error::NotFound)
}

async fn activate(db: State<Db>, id: Path<Uuid>) -> Result<Json<Agent>, Error> {
    set(db, id, "active").await
}

async fn deactivate(db: State<Db>, id: Path<Uuid>) -> Result<Json<Agent>, Error> {
    set(db, id, "inactive").await
}

async fn set(
    State(db): State<Db>,
    Path(id): Path<Uuid>,
    status: &str,
) -> Result<Json<Agent>, Error> {
    let agent = set_status(&db, id, status).await?;
    agent.map(Json).ok_or(Error::NotFound)
}
