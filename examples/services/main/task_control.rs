//! Service C: tasks, and a cache that is managed by tokens of three tiers. See `examples/services/src/task_control`.
//!
//! ```text
//! ENTERPRISE_TOKEN=secret cargo run --example task_control
//! curl -i localhost:3000/api/v1/tasks/7a000000-0000-4000-8000-000000000007      # X-Cache: what the second call has not cost
//! curl localhost:3000/api/v1/cache/key/task:7a000000-0000-4000-8000-000000000007 -H 'Authorization: Bearer secret'
//! curl -X DELETE 'localhost:3000/api/v1/cache/clear?pattern=task:*' -H 'Authorization: Bearer secret'
//! ```

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cache_services::run("task_control").await
}
