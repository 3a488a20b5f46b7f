//! Service C: tasks of projects, and a cache that is managed by tokens of three tiers.
//!
//! | request | cached for | old after |
//! |---|---|---|
//! | `GET /api/v1/tasks/{id}` | `CACHE_TTL` | that task is updated or deleted |
//! | `GET /api/v1/tasks?project=&status=`, `GET /api/v1/tasks/summary?project=` | `CACHE_TTL` | a task of that project is made, updated or deleted |
//! | `GET`, `PUT`, `DELETE /api/v1/tasks/{id}/editor`, `DELETE /api/v1/tasks/editors` | 1 minute | by hand |
//!
//! `POST /api/v1/tasks`, `PUT` and `DELETE /api/v1/tasks/{id}` write. At the start the summaries of all projects are warmed.
//!
//! The cache itself is seen through [`Management`]:
//!
//! | request | community | business | enterprise |
//! |---|---|---|---|
//! | `GET /api/v1/cache/stats` | | yes | yes |
//! | `DELETE /api/v1/cache/clear?pattern=task:*`, `…?confirm=everything` | | yes | yes |
//! | `GET /api/v1/cache/keys?pattern=task:*&limit=100` | | | yes |
//! | `GET /api/v1/cache/key/{key}` | | | yes |
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `EDITION` | `community`, `business`, `enterprise`: each has rows and answers of its own. Beside it a database of Redis may be its own too: `REDIS_DB` | `community` |
//! | `COMMUNITY_TOKEN`, `BUSINESS_TOKEN`, `ENTERPRISE_TOKEN` | the secret of a tier; without it the tier is closed | |
//! | `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`, `REDIS_DB` | the server, in place of `REDIS_URL` | none: kept in this process |
//! | `CACHE_TTL` | how long answers are kept, in seconds | 300 |
//!
//! Whether a server is good enough says `cachectl bench`: it checks the connection, hits against misses, concurrency and invalidation, and prints figures.
//! `cargo run -p cache-runtime --features cli --bin cachectl -- bench`.

mod editor;
mod task;

use std::env;

use axum::Router;
use cache_runtime::http::{Management, Scope, Token};
use cache_runtime::{Cache, Warming};

use crate::database::Db;
use crate::error::Error;

/// Tables and rows: 40,000 tasks of 40 projects, and 100,000 changes.
pub const SCHEMA: &str = include_str!("schema.sql");

const PROJECTS: i64 = 40;

/// What the rows and answers of this instance stand under: editions that run beside each other see nothing of each other.
///
/// # Errors
/// When `EDITION` is none of the three.
pub fn name() -> Result<&'static str, Error> {
    match env::var("EDITION").as_deref() {
        Err(_) | Ok("community") => Ok("task_control_community"),
        Ok("business") => Ok("task_control_business"),
        Ok("enterprise") => Ok("task_control_enterprise"),
        Ok(other) => Err(Error::Start(format!("there is no edition `{other}`"))),
    }
}

/// The service's routes, once its cache is warm.
///
/// # Errors
/// When the database fails.
pub async fn app(db: Db) -> Result<Router, Error> {
    warm(&db).await?;
    Ok(Router::new()
        .nest("/api/v1/tasks", task::routes().merge(editor::routes()))
        .with_state(db)
        .nest("/api/v1/cache", management(&Cache::current()).router()))
}

/// What a token may do depends on its tier; nobody without one may do anything.
fn management(cache: &Cache) -> Management {
    let tiers: [(_, _, &[_]); 3] = [
        ("community", "COMMUNITY_TOKEN", &[]),
        (
            "business",
            "BUSINESS_TOKEN",
            &[Scope::Statistics, Scope::Clear],
        ),
        (
            "enterprise",
            "ENTERPRISE_TOKEN",
            &[Scope::Statistics, Scope::Clear, Scope::Keys, Scope::Values],
        ),
    ];
    let mut management = Management::new(cache);
    for (tier, variable, scopes) in tiers {
        let secret = env::var(variable).unwrap_or_default();
        if !secret.is_empty() {
            let token = Token::new(tier, secret).may(scopes.iter().copied());
            management = management.token(token);
        }
    }
    management
}

/// Loads what the first page of everybody shows.
async fn warm(db: &Db) -> Result<(), Error> {
    let report = Warming::new()
        .set("summaries", 1..=PROJECTS, |project| {
            task::summary(db, project)
        })
        .run()
        .await;
    tracing::info!("{report}");
    Ok(())
}
