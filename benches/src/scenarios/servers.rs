//! A Redis of one's own, and the runtimes.

use cache_tests::RedisServer;
use tokio::runtime::{Builder, Runtime};

/// One thread, as one task needs it.
pub(crate) fn one_thread() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// As many threads as services usually have.
pub(crate) fn threads() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Ends with this process, however that ends.
pub(crate) async fn redis() -> RedisServer {
    RedisServer::builder().tied().start().await
}
