//! Five services on axum and sqlx, each of a kind that somebody runs in production: read one, and copy from it.
//!
//! | service | what it shows |
//! |---|---|
//! | [`agents`] | A: agents, channels and workflows: warming, headers, performance endpoints |
//! | [`analytics`] | B: dashboards: keys in one place, events, batches, jobs, personal data, browsers that are told |
//! | [`task_control`] | C: tasks of projects: a management API for tokens of three tiers, tags, one load a fleet, values by hand, editions |
//! | [`goals`] | D: goals and tasks: cached repositories, write-through, transactions, health, metrics |
//! | [`content`] | E: tasks, articles and figures: sessions, counters, rate limits, clearing by hand |
//!
//! ```text
//! cargo run --example agents                                      # SQLite in a file, answers kept in this process
//! REDIS_URL=redis://127.0.0.1 cargo run --example agents          # answers shared through Redis
//! DATABASE_URL=postgres://127.0.0.1/shop cargo run --example agents
//! ```
//!
//! What they share stands in [`database`], [`error`] and [`serve`].

use std::process::ExitCode;

pub mod agents;
pub mod analytics;
pub mod content;
pub mod database;
pub mod error;
pub mod goals;
pub mod serve;
pub mod task_control;

pub use crate::database::{Db, QUERIES};
pub use crate::error::Error;

/// The program of the service of that name: serves until it is told to stop.
pub async fn run(name: &str) -> ExitCode {
    let served = match name {
        "agents" => serve::serve("agents", agents::SCHEMA, agents::app).await,
        "analytics" => serve::serve("analytics", analytics::SCHEMA, analytics::app).await,
        "task_control" => match task_control::name() {
            Ok(name) => serve::serve(name, task_control::SCHEMA, task_control::app).await,
            Err(error) => Err(error),
        },
        "goals" => serve::serve("goals", goals::SCHEMA, goals::app).await,
        "content" => serve::serve("content", content::SCHEMA, content::app).await,
        _ => Err(Error::Start(format!("there is no service `{name}`"))),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    /// And no two functions have the same keys, though one program has all services.
    #[test]
    fn every_pattern_names_a_key() {
        cache_runtime::check_keys().unwrap();
    }
}
