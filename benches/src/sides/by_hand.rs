//! redis-rs, as people write it where there is no framework: look, else load and store; a cache that fails is a miss.

use std::sync::OnceLock;

use redis::aio::{
    ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection,
};
use redis::caching::CacheConfig;
use redis::{AsyncCommands, Client};

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

/// Bytes of a row, and back.
trait Codec {
    fn encode(row: &Row) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Row>;
}

struct Json;

impl Codec for Json {
    fn encode(row: &Row) -> Vec<u8> {
        serde_json::to_vec(row).expect("it is plain")
    }

    fn decode(bytes: &[u8]) -> Option<Row> {
        serde_json::from_slice(bytes).ok()
    }
}

struct Postcard;

impl Codec for Postcard {
    fn encode(row: &Row) -> Vec<u8> {
        postcard::to_stdvec(row).expect("it is plain")
    }

    fn decode(bytes: &[u8]) -> Option<Row> {
        postcard::from_bytes(bytes).ok()
    }
}

async fn read<C: Codec>(mut redis: impl ConnectionLike + Send + Sync, key: String, id: u64) -> Row {
    if let Ok(Some(bytes)) = redis.get::<_, Option<Vec<u8>>>(&key).await
        && let Some(row) = C::decode(&bytes)
    {
        return row;
    }
    let row = source::load(id).await;
    let bytes = C::encode(&row);
    let _: Result<(), _> = redis.set_ex(&key, bytes, EXPIRY.as_secs()).await;
    row
}

macro_rules! side {
    ($side:ident, $connection:ty, $connect:expr, $codec:ty, $prefix:literal, $name:literal) => {
        pub(crate) struct $side;

        impl $side {
            fn connection() -> &'static OnceLock<$connection> {
                static CONNECTION: OnceLock<$connection> = OnceLock::new();
                &CONNECTION
            }

            fn connected() -> $connection {
                Self::connection().get().expect("it is started").clone()
            }
        }

        impl Side for $side {
            const NAME: &'static str = $name;

            async fn start(url: String) {
                let connection = $connect(url).await;
                let _ = Self::connection().set(connection);
            }

            async fn read(id: u64) -> Result<Row, Failed> {
                let key = format!(concat!($prefix, ":{}"), id);
                Ok(read::<$codec>(Self::connected(), key, id).await)
            }

            async fn invalidate(id: u64) -> Result<(), Failed> {
                let key = format!(concat!($prefix, ":{}"), id);
                Self::connected().unlink(key).await.map_err(|_| Failed)
            }
        }
    };
}

side!(
    ByHand,
    ConnectionManager,
    managed,
    Json,
    "hand",
    "redis-rs by hand"
);
side!(
    Compact,
    MultiplexedConnection,
    multiplexed,
    Postcard,
    "compact",
    "redis-rs GET, postcard"
);
side!(
    Multiplexed,
    MultiplexedConnection,
    multiplexed,
    Json,
    "raw",
    "redis-rs GET, serde_json"
);
side!(
    ClientSide,
    ConnectionManager,
    tracking,
    Json,
    "tracked",
    "redis-rs, its client-side cache"
);

async fn multiplexed(url: String) -> MultiplexedConnection {
    let client = Client::open(url).expect("a url");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("it is up")
}

/// It connects again by itself.
async fn managed(url: String) -> ConnectionManager {
    let client = Client::open(url).expect("a url");
    ConnectionManager::new(client).await.expect("it is up")
}

async fn tracking(url: String) -> ConnectionManager {
    let client = Client::open(format!("{url}/?protocol=resp3")).expect("a url");
    let config = ConnectionManagerConfig::new()
        .set_cache_config(CacheConfig::new().set_default_client_ttl(EXPIRY));
    let connection = ConnectionManager::new_with_config(client, config).await;
    connection.expect("it is up")
}
