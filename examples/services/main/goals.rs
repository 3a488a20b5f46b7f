//! Service D: goals, tasks and ARI snapshots behind cached repositories. See `examples/services/src/goals`.
//!
//! ```text
//! cargo run --example goals
//! curl -i localhost:3000/api/users/user1/dashboard        # twice: X-Cache, X-Query-Time
//! curl -X POST localhost:3000/api/users/user7/goals/goal1/complete
//! curl localhost:3000/api/system/cache-health
//! ```

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cache_services::run("goals").await
}
