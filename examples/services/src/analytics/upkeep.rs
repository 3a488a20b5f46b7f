//! What looks after the cache: jobs, statistics, and invalidations by hand.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cache_runtime::http::{Management, Scope};
use cache_runtime::{Cache, Job, Jobs, Key, Pattern, RateLimit, Warming};

use super::events::WorkspaceUpdated;
use super::time::Timeframe;
use super::{executive, keys};
use crate::database::{Db, QUERIES};
use crate::error::Error;

/// The dashboards of those who pay most.
pub(super) async fn warming(db: &Db) -> Result<Warming<'static>, Error> {
    let sql = "SELECT id FROM workspaces WHERE plan = 'enterprise' ORDER BY id";
    let query = sqlx::query_scalar(sql).fetch_all(&db.pool);
    let ids: Vec<String> = QUERIES.query("enterprise workspaces", query).await?;
    let db = db.clone();
    Ok(Warming::new().set("dashboards", ids, move |id| {
        load(db.clone(), id, Timeframe::default())
    }))
}

async fn load(db: Db, id: String, timeframe: Timeframe) -> Result<(), sqlx::Error> {
    executive::dashboard(&db, &id, timeframe, false).await?;
    Ok(())
}

/// Each is run by one instance of the fleet.
fn jobs(db: &Db) -> Jobs {
    let (refreshed, warmed) = (db.clone(), db.clone());
    Jobs::new(&Cache::current())
        .job(Job::clean("0 4 * * *"))
        .job(Job::health("*/15 * * * *"))
        .job(Job::refresh("30 * * * *", move || {
            let db = refreshed.clone();
            Warming::new().hottest(
                "dashboards",
                keys::dashboard::hottest(50),
                move |(id, timeframe)| load(db.clone(), id, timeframe),
            )
        }))
        .job(Job::new("warm", "0 */6 * * *", move |run| {
            let db = warmed.clone();
            async move {
                run.report(warming(&db).await?.run().await);
                Ok::<_, Error>(())
            }
        }))
}

/// Statistics and jobs for everybody on this network, what changes anything for a few in a minute.
pub(super) fn routes(db: &Db) -> Result<Router<Db>, Error> {
    let management = Management::new(&Cache::current())
        .anyone_may([Scope::Statistics])
        .jobs(Arc::new(jobs(db).start()?));
    Ok(Router::new()
        .route("/invalidate/workspace/{id}", post(invalidate_workspace))
        .route("/invalidate/agent/{id}", post(invalidate_agent))
        .merge(management.router().with_state(())))
}

async fn invalidate_workspace(Path(workspace_id): Path<String>) -> Result<StatusCode, Response> {
    limit().await?;
    Cache::current()
        .emit(WorkspaceUpdated { workspace_id })
        .await;
    Ok(StatusCode::NO_CONTENT)
}

async fn invalidate_agent(Path(id): Path<String>) -> Result<StatusCode, Response> {
    limit().await?;
    let all: Pattern = keys::agent::pattern(Some(&id), None);
    Cache::current().invalidate([all]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// 10 in a minute, of all instances together: who clears all the time has no cache.
async fn limit() -> Result<(), Response> {
    let limit = RateLimit::sliding(10, Duration::from_secs(60));
    let asked = Cache::current()
        .allow(&Key::new("invalidate", []), &limit)
        .await;
    if asked.allowed {
        return Ok(());
    }
    let seconds = asked.retry_after.map_or(1, |time| time.as_secs() + 1);
    let headers = [(RETRY_AFTER, seconds.to_string())];
    Err((StatusCode::TOO_MANY_REQUESTS, headers).into_response())
}
