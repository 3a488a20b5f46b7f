//! Service A: agents, the channels they talk in, and the workflows they run.
//!
//! | request | cached for | old after |
//! |---|---|---|
//! | `GET /api/agents` | 30 minutes | an agent is activated or deactivated |
//! | `GET /api/agents/{id}`, `GET /api/agents/name/{name}` | 1 hour | that agent is |
//! | `GET /api/channels`, `GET /api/channels/{id}` | 10 minutes | a channel is made, deleted, or cleared |
//! | `GET /api/channels/{id}/messages/count` | 5 minutes | a message is sent, the channel is cleared or deleted |
//! | `GET /api/workflows/{id}` | 1 minute | it is started, cancelled or deleted |
//! | `GET /api/performance/cache`, `GET /api/performance/database` | | |
//!
//! Answers say in `X-Cache`, `X-Query-Count`, `X-Query-Time` and `X-Process-Time` what they cost. At the start all active agents and all channels that are not archived are warmed.

mod agent;
mod channel;
mod workflow;

use std::time::Duration;

use axum::Router;
use cache_runtime::{Cache, Warming, http, ttl};

use crate::database::{Db, QUERIES};
use crate::error::Error;

/// Tables and rows: 5 agents and 200 made by users, 400 channels with 60,000 messages, 3,000 workflows.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How long each kind of data is kept.
mod ttls {
    use super::{Duration, ttl};

    /// They rarely change once they are made.
    pub(super) const AGENT_CONFIG: Duration = ttl::HOUR;
    pub(super) const AGENT_LIST: Duration = ttl::LONG;
    pub(super) const CHANNEL: Duration = Duration::from_secs(600);
    pub(super) const MESSAGE_COUNT: Duration = ttl::MEDIUM;
    /// It changes all the time while it runs.
    pub(super) const WORKFLOW: Duration = ttl::SHORT;
}

/// The service's routes, once its cache is warm.
///
/// # Errors
/// When the database fails.
pub async fn app(db: Db) -> Result<Router, Error> {
    warm(&db).await?;
    let figures = db.clone();
    let database = http::database_performance(&QUERIES, move || figures.pool_figures());
    let performance = Router::new()
        .route("/cache", http::performance(&Cache::current()))
        .route("/database", database);
    Ok(Router::new()
        .nest("/api/agents", agent::routes())
        .nest("/api/channels", channel::routes())
        .nest("/api/workflows", workflow::routes())
        .nest("/api/performance", performance)
        .with_state(db))
}

/// Loads what everybody will ask for, before anybody does.
async fn warm(db: &Db) -> Result<(), Error> {
    let agents = agent::agents(db).await?;
    let channels = channel::channels(db).await?;
    let active = agents.into_iter().filter(|agent| agent.status == "active");
    let open = channels
        .into_iter()
        .filter(|channel| channel.status == "open");
    let report = Warming::new()
        .set("agents", active, |one| agent::agent(db, one.id))
        .set("channels", open, |one| channel::channel(db, one.id))
        .run()
        .await;
    tracing::info!("{report}");
    Ok(())
}
