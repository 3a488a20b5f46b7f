//! Service E: content, the tasks that make it, and what both cost; with sessions, counters and rate limits beside the answers.
//!
//! | request | cached for | old after |
//! |---|---|---|
//! | `GET /api/tasks/pending?limit=` | 30 minutes | a task is made, run or deleted |
//! | `GET /api/metrics` | 1 minute | a task is made, run or deleted |
//! | `GET /api/analytics/daily` | 1 day | a task is run or deleted |
//! | `GET /api/content/{id}` | 2 hours, what others read too 30 minutes | the article is changed or deleted; of the latter one of its topic |
//! | `GET /api/session` | 1 hour | it is ended |
//! | `GET /api/metrics/calls?endpoint=`, `GET /api/health` | | |
//!
//! `POST /api/tasks`, `POST /api/tasks/{id}/runs`, `DELETE /api/tasks/{id}`, `PUT` and `DELETE /api/content/{id}`, `POST /api/login` and `DELETE /api/session` write. `POST /api/admin/reset`
//! makes the answers old by hand; it wants the token `ADMIN_TOKEN`.
//!
//! Four uses of one cache: query results (`task`, `article`), computations (`figures`), sessions (`session`), and counters that never were answers (`usage`).
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `REDIS_URL` | `redis://user:password@host:port/0`; `rediss://…` with `--features tls` | none: kept in this process |
//! | `REDIS_ENABLED` | `false`: nothing is cached, and everything goes on | `true` |
//! | `REQUESTS_PER_MINUTE` | how many a client may make; those beyond are answered with 429 and `Retry-After` | no limit |

mod article;
mod figures;
mod session;
mod task;
mod usage;

use axum::routing::post;
use axum::{Json, Router};
use cache_runtime::http::{self, Scope};
use cache_runtime::{Cache, Everything, invalidates};
use serde_json::{Value, json};

use crate::database::Db;
use crate::error::Error;
use crate::serve;

/// Tables and rows: 10,000 tasks with 100,000 runs, 5,000 articles that 2,999 people have read 100,000 times, 2 users.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How long each kind of data is kept.
mod ttls {
    use std::time::Duration;

    use cache_runtime::ttl;

    pub(super) const QUERY: Duration = ttl::LONG;
    /// They change all the time.
    pub(super) const METRICS: Duration = ttl::SHORT;
    pub(super) const CONTENT: Duration = Duration::from_secs(2 * 60 * 60);
    pub(super) const COMPUTATION: Duration = ttl::DAY;
    pub(super) const SESSION: Duration = ttl::HOUR;
}

/// The keys that are used by hand. A function needs none: its attribute has a name and a ttl.
mod keys {
    use std::net::IpAddr;

    use cache_runtime::{cache_keys, ttl};

    use super::ttls;

    cache_keys! {
        pub(super) session(id: &str) = "session:{id}", ttl = ttls::SESSION;
        /// Counters.
        pub(super) calls(endpoint: &str) = "metrics:api:calls:{endpoint}", ttl = ttls::METRICS;
        pub(super) errors(endpoint: &str) = "metrics:api:errors:{endpoint}", ttl = ttls::METRICS;
        pub(super) calls_of_user(user_id: i64) = "metrics:user:calls:{user_id}", ttl = ttl::DAY;
        /// Rate limits.
        pub(super) requests(client: IpAddr) = "limit:requests:{client}", ttl = ttl::SHORT;
        pub(super) logins(client: IpAddr) = "limit:logins:{client}", ttl = ttl::SHORT;
    }
}

/// The service's routes.
///
/// # Errors
/// When `REQUESTS_PER_MINUTE` is no number.
pub async fn app(db: Db) -> Result<Router, Error> {
    let cache = Cache::current();
    let reset = Router::new()
        .route("/reset", post(reset))
        .route("/reset-all", post(reset_all));
    let admin = serve::management(&cache).protect(Scope::Clear, reset);
    let router = Router::new()
        .nest("/api/tasks", task::routes())
        .nest("/api/content", article::routes())
        .merge(figures::routes())
        .merge(session::routes())
        .merge(usage::routes())
        .route("/api/health", http::service_health(&cache))
        .with_state(db)
        .nest("/api/admin", admin);
    usage::watched(router)
}

/// Makes all query results and metrics old, and leaves articles, computations and sessions. Two writes, however many answers there are.
#[invalidates("query:*", "metrics:*")]
async fn reset() -> Json<Value> {
    Json(json!({ "reset": ["query:*", "metrics:*"] }))
}

/// Everything. Nobody is logged out by that: sessions are found again in the database, and counters are no answers.
async fn reset_all() -> Json<Value> {
    Cache::current().clear(Everything).await;
    Json(json!({ "reset": ["*"] }))
}
