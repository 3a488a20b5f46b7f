//! Service A: agents, channels and workflows. See `examples/services/src/agents`.
//!
//! ```text
//! cargo run --example agents
//! curl -i localhost:3000/api/agents        # X-Cache, X-Query-Count, X-Process-Time
//! curl localhost:3000/api/performance/cache
//! ```

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cache_services::run("agents").await
}
