//! A Redis of one's own, and what everybody asks of it.

use cache_tests::RedisServer;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

/// One thread, as one task needs it.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// As many threads as services usually have.
pub(crate) fn threads() -> Runtime {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A server, and a client as it comes.
pub(crate) struct Served {
    pub(crate) server: RedisServer,
    pub(crate) raw: MultiplexedConnection,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let server = RedisServer::start().await;
        let raw = server.connection().await;
        Self { server, raw }
    }

    /// Stores what [`raw`] reads.
    pub(crate) async fn store(&self, key: &str, value: &impl Serialize) {
        let json = serde_json::to_vec(value).expect("it is plain");
        let mut raw = self.raw.clone();
        raw.set::<_, _, ()>(key, json).await.expect("it is up");
    }
}

/// What a hit costs that nobody keeps fresh: `GET`, and `serde_json`.
pub(crate) async fn raw<T: DeserializeOwned>(
    mut connection: MultiplexedConnection,
    key: String,
) -> T {
    let json: Vec<u8> = connection.get(key).await.expect("it is up");
    serde_json::from_slice(&json).expect("it was stored so")
}
