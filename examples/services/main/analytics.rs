//! Service B: analytics dashboards. See `examples/services/src/analytics`.
//!
//! ```text
//! cargo run --example analytics
//! curl -i 'localhost:3000/api/v1/executive/dashboard?workspace_id=ws1&timeframe=30d'    # twice: X-Cache, X-Query-Time
//! curl localhost:3000/api/v1/agents/agent1/runs -H 'content-type: application/json' \
//!   -d '{"user_id": "user1", "date": "2024-02-29", "failed": false, "duration_ms": 900, "credits": 3, "summary": "sorts invoices"}'
//! curl localhost:3000/api/v1/cache/stats
//! ```

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cache_services::run("analytics").await
}
