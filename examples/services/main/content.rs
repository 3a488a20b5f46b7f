//! Service E: content, tasks and what they cost. See `examples/services/src/content`.
//!
//! ```text
//! ADMIN_TOKEN=secret cargo run --example content
//! curl -i localhost:3000/api/content/1            # X-Cache: what the second call has not cost
//! curl localhost:3000/api/login --json '{"key": "example-key-of-ada"}'
//! curl -X POST localhost:3000/api/admin/reset -H 'Authorization: Bearer secret'
//! ```

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cache_services::run("content").await
}
