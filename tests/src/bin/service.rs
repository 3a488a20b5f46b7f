//! One of the five services, by its name: for tests, which know the path of this program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    cache_services::run(&name).await
}
