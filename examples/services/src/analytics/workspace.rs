//! Workspaces: who has agents and users, and pays for their runs.

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};

use super::agent::{self, Analytics};
use super::credits;
use super::events::WorkspaceUpdated;
use super::keys;
use super::time::InPath;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Workspace {
    id: String,
    pub(super) name: String,
    pub(super) plan: String,
    agents: i64,
    users: i64,
}

#[derive(Debug, Deserialize)]
struct Change {
    name: String,
}

/// A workspace, and how many belong to it.
#[cached(keys::workspace(workspace_id), none_ttl = "30s")]
pub(super) async fn by_id(
    #[skip] db: &Db,
    workspace_id: &str,
) -> Result<Option<Workspace>, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT id, name, plan, (SELECT count(*) FROM agents WHERE workspace_id = workspaces.id) AS agents,
                (SELECT count(*) FROM users WHERE workspace_id = workspaces.id) AS users
         FROM workspaces WHERE id = $1",
    )
    .bind(workspace_id);
    QUERIES
        .query("workspace by id", query.fetch_optional(&db.pool))
        .await
}

/// Whose agents they are does not change.
#[cached(keys::agents_of(workspace_id))]
async fn agents_of(#[skip] db: &Db, workspace_id: &str) -> Result<Vec<String>, sqlx::Error> {
    let sql = "SELECT id FROM agents WHERE workspace_id = $1 ORDER BY id";
    let query = sqlx::query_scalar(sql).bind(workspace_id);
    QUERIES
        .query("agents of a workspace", query.fetch_all(&db.pool))
        .await
}

#[invalidates(event = WorkspaceUpdated { workspace_id: workspace_id.to_owned() })]
async fn rename(db: &Db, workspace_id: &str, name: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE workspaces SET name = $1 WHERE id = $2")
        .bind(name)
        .bind(workspace_id);
    QUERIES
        .query("rename a workspace", query.execute(&db.pool))
        .await?;
    Ok(())
}

pub(super) async fn known(db: &Db, id: &str) -> Result<Workspace, Error> {
    by_id(db, id).await?.ok_or(Error::NotFound)
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/{id}", get(get_workspace).put(put_workspace))
        .route("/{id}/agents", get(get_agents))
        .route("/{id}/credits", post(credits::transact))
}

async fn get_workspace(
    State(db): State<Db>,
    Path(id): Path<String>,
) -> Result<Json<Workspace>, Error> {
    known(&db, &id).await.map(Json)
}

async fn put_workspace(
    State(db): State<Db>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Workspace>, Error> {
    if change.name.is_empty() {
        return Err(Error::Invalid("a workspace needs a name".to_owned()));
    }
    known(&db, &id).await?;
    rename(&db, &id, &change.name).await?;
    known(&db, &id).await.map(Json)
}

/// The analytics of all its agents: those that are cached come in one round trip, the others by one query.
async fn get_agents(
    State(db): State<Db>,
    Path(id): Path<String>,
    Query(how): Query<InPath>,
) -> Result<Json<Vec<Analytics>>, Error> {
    let ids = agents_of(&db, &id).await?;
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let all = agent::all(&db, &ids, how.timeframe).await?;
    Ok(Json(all.into_iter().flatten().collect()))
}
