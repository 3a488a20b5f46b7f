//! Service B: dashboards over the runs of agents, slow to add up and read all the time.
//!
//! | request | cached for | old after |
//! |---|---|---|
//! | `GET /api/v1/executive/dashboard?workspace_id=…&timeframe=…` | 30 minutes | a run, a credit transaction, or a change of the workspace |
//! | `GET /api/v1/executive/kpis?workspace_id=…&timeframe=…` | 5 minutes | a run, or a change of the workspace |
//! | `GET /api/v1/workspaces/{id}` | 30 minutes | a change of the workspace |
//! | `GET /api/v1/workspaces/{id}/agents?timeframe=…`, `GET /api/v1/agents/{id}/analytics?timeframe=…` | 30 minutes | a run of the agent |
//! | `GET /api/v1/metrics/runs?workspace_id=…` | 1 hour | a run |
//! | `GET /api/v1/metrics/credits?workspace_id=…&timeframe=…` | 5 minutes | a credit transaction |
//! | `GET /api/v1/metrics/users/active?date=…` | 1 minute | what any user does |
//! | `GET /api/v1/users/{id}/activity?date=…` | 5 minutes, encrypted | what the user does |
//! | `GET /api/v1/query?workspace_id=…&from=…&until=…&by=…&text=…` | 1 day | a run |
//! | `POST /api/v1/agents/{id}/runs`, `POST /api/v1/users/{id}/activity`, `POST /api/v1/workspaces/{id}/credits`, `PUT /api/v1/workspaces/{id}` | | |
//! | `POST /api/v1/cache/invalidate/workspace/{id}`, `POST /api/v1/cache/invalidate/agent/{id}` | | |
//! | `GET /api/v1/cache/stats`, `GET /api/v1/cache/jobs` | | |
//! | `GET /api/cache/events`, `GET /api/cache/keys.ts`, `GET /` | | |
//!
//! A timeframe is `24h`, `7d`, `30d` or `90d`, up to the last day with a run. With `skip_cache=true` the answer is made anew, and stored.
//!
//! The names of all keys stand in `keys`, and what happens in `events`. What somebody does is cached only where it can be encrypted: with
//! `CACHE_SECRETS=1:$(openssl rand -hex 32)`. Jobs clean, look after and warm the cache (`upkeep`).
//!
//! `/` is a page that shows a dashboard as it is, without asking again and again: server-sent events tell it what is old. One that is built has the npm package
//! `@cache-runtime/tanstack-query` for that (`clients/tanstack-query`), with the builders of keys that `/api/cache/keys.ts` brings:
//!
//! ```text
//! connectInvalidations({ url: "/api/cache/events", queryClient });
//! useQuery(cachedQuery(keys.analytics.keys.dashboard("ws1", "7d"), (init) => fetch("/api/v1/executive/dashboard?…", init).then((answer) => answer.json())));
//! ```

mod agent;
mod credits;
mod events;
mod executive;
mod keys;
mod report;
mod run;
mod time;
mod upkeep;
mod user;
mod workspace;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use cache_runtime::http::Pushes;
use cache_runtime::{Cache, typescript_keys};

use crate::database::Db;
use crate::error::Error;

/// Tables and rows: 20 workspaces with 300 agents and 1,000 users, 100,000 runs, 60,000 activities and 20,000 credit transactions.
pub const SCHEMA: &str = include_str!("schema.sql");

/// The service's routes, once its jobs are under way and its cache is warm.
///
/// # Errors
/// When the database fails.
pub async fn app(db: Db) -> Result<Router, Error> {
    let report = upkeep::warming(&db).await?.run().await;
    tracing::info!("{report}");
    let api = Router::new()
        .nest("/executive", executive::routes())
        .nest("/workspaces", workspace::routes())
        .nest("/agents", agent::routes())
        .nest("/users", user::routes())
        .nest("/metrics", metrics())
        .merge(report::routes())
        .nest("/cache", upkeep::routes(&db)?);
    Ok(Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .nest("/api/v1", api)
        .nest("/api/cache", browsers())
        .with_state(db))
}

fn metrics() -> Router<Db> {
    run::routes()
        .merge(credits::routes())
        .merge(user::metrics())
}

/// What keeps pages fresh.
fn browsers() -> Router<Db> {
    // Here everybody may see every dashboard. Where not, `request` tells whose they are.
    let pushes = Pushes::new(&Cache::current()).hears(|_request| {
        let dashboards = keys::dashboard::pattern(None, None);
        [dashboards, keys::kpis::pattern(None, None)]
    });
    Router::new()
        .route("/keys.ts", get(async || typescript_keys()))
        .merge(pushes.router().with_state(()))
}
