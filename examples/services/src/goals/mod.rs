//! Service D: people's goals and tasks, and how self-reliant they are, behind cached repositories.
//!
//! | request | cached for | old after |
//! |---|---|---|
//! | `GET /api/users/{user_id}` | 30 minutes | the user is changed |
//! | `GET /api/users/{user_id}/ari`, `GET /api/users/{user_id}/ari/history` | 5 minutes | a snapshot is saved, the user is changed |
//! | `GET /api/users/{user_id}/goals` | 10 minutes | a goal of the user is made, changed or completed, the user is changed |
//! | `GET /api/users/{user_id}/goals/{goal_id}` | 10 minutes | that goal is completed; a change is written through |
//! | `GET /api/users/{user_id}/tasks?status=…` | 2 minutes | a task of the user is made, changed or done, the user is changed |
//! | `GET /api/users/{user_id}/dashboard` | `CACHE_TTL_SECONDS`, 5 minutes | any of these |
//! | `POST /api/users/{user_id}/goals`, `PUT /api/users/{user_id}/goals/{goal_id}`, `POST /api/users/{user_id}/goals/{goal_id}/complete` | | |
//! | `POST /api/users/{user_id}/tasks`, `PUT /api/users/{user_id}/tasks/{task_id}`, `POST /api/users/{user_id}/ari`, `PUT /api/users/{user_id}` | | |
//! | `GET /api/system/cache-health`, `GET /metrics` | | |
//!
//! A repository is a struct over the database and a cache. Its reads are `#[cached]` methods, its writes name what they make old: by themselves, or as an event
//! (`events`). Handlers know repositories, and nothing of caching.
//!
//! `CACHE_ENABLED`, `CACHE_TTL_SECONDS`, `REDIS_MAX_CONNECTIONS` and `REDIS_SOCKET_TIMEOUT` are heeded, as by every program with this library. `LOG_LEVEL=debug` shows each
//! hit and miss, `info` what is invalidated.

mod ari;
mod dashboard;
mod events;
mod goal;
mod task;
mod user;

use std::time::Duration;

use axum::Router;
use cache_runtime::{Cache, Prometheus, http, ttl};

use self::ari::AriRepository;
use self::goal::GoalRepository;
use self::task::TaskRepository;
use self::user::UserRepository;
use crate::database::Db;
use crate::error::Error;

/// Tables and rows: 100 users with 100,000 snapshots, 1,000 goals and 60,000 tasks.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How long each kind of data is kept.
mod ttls {
    use super::{Duration, ttl};

    pub(super) const TASK_STATUS: Duration = Duration::from_secs(120);
    pub(super) const ARI_METRICS: Duration = ttl::MEDIUM;
    pub(super) const GOAL_DETAILS: Duration = Duration::from_secs(600);
    pub(super) const USER_PROFILE: Duration = ttl::LONG;
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct Repositories {
    users: UserRepository,
    ari: AriRepository,
    goals: GoalRepository,
    tasks: TaskRepository,
}

impl Repositories {
    fn new(db: &Db, cache: &Cache) -> Self {
        let tasks = TaskRepository::new(db, cache);
        Self {
            users: UserRepository::new(db, cache),
            ari: AriRepository::new(db, cache),
            goals: GoalRepository::new(db, cache, tasks.clone()),
            tasks,
        }
    }
}

/// The service's routes.
///
/// # Errors
/// When there is another recorder of metrics in this process.
pub async fn app(db: Db) -> Result<Router, Error> {
    let cache = Cache::current();
    let user = Router::new()
        .merge(user::routes())
        .merge(dashboard::routes())
        .nest("/ari", ari::routes())
        .nest("/goals", goal::routes())
        .nest("/tasks", task::routes())
        .with_state(Repositories::new(&db, &cache));
    Ok(Router::new()
        .nest("/api/users/{user_id}", user)
        .route("/api/system/cache-health", http::cache_health(&cache))
        .merge(Prometheus::install()?.router([cache])))
}
