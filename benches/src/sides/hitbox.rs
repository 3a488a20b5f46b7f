use std::sync::OnceLock;

use hitbox::backend::{Backend, CacheBackend};
use hitbox::concurrency::BroadcastConcurrencyManager;
use hitbox::policy::{ConcurrencyLimit, PolicyConfig};
use hitbox::{CacheKey, DisabledOffload, KeyPart};
use hitbox_backend::format::JsonFormat;
use hitbox_fn::{Cache, cached};
use hitbox_moka::MokaBackend;
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

type Of<B> = Cache<B, BroadcastConcurrencyManager<Row>, DisabledOffload>;

#[cached]
async fn row(id: u64) -> Row {
    source::load(id).await
}

#[cached]
async fn compact(id: u64) -> Row {
    source::load(id).await
}

fn cache<B: CacheBackend>(backend: B) -> Of<B> {
    let one = ConcurrencyLimit::new(1).expect("it is in its bounds");
    let policy = PolicyConfig::builder().ttl(EXPIRY).concurrency(one);
    Cache::builder()
        .backend(backend)
        .policy(policy.build())
        .concurrency_manager(BroadcastConcurrencyManager::new())
        .build()
}

/// What the attribute makes of a call.
fn key(function: &str, id: u64) -> CacheKey {
    let parts = [
        KeyPart::new("fn", Some(function)),
        KeyPart::new("id", Some(id.to_string())),
    ];
    CacheKey::new("", 0, parts.into())
}

macro_rules! side {
    ($side:ident, $function:ident, $backend:ty, $make:expr, $name:literal) => {
        pub(crate) struct $side;

        impl $side {
            fn cache() -> &'static OnceLock<Of<$backend>> {
                static CACHE: OnceLock<Of<$backend>> = OnceLock::new();
                &CACHE
            }

            fn made() -> &'static Of<$backend> {
                Self::cache().get().expect("it is started")
            }
        }

        impl Side for $side {
            const NAME: &'static str = $name;

            async fn start(url: String) {
                Self::cache().get_or_init(|| cache($make(url)));
            }

            async fn read(id: u64) -> Result<Row, Failed> {
                Ok($function(id).cache(Self::made()).await)
            }

            async fn invalidate(id: u64) -> Result<(), Failed> {
                let key = key(stringify!($function), id);
                let done = Self::made().backend().remove(&key).await;
                done.map(drop).map_err(|_| Failed)
            }
        }
    };
}

side!(
    HitboxRedis,
    row,
    RedisBackend<JsonFormat>,
    json,
    "hitbox, Redis"
);
side!(
    HitboxBincode,
    compact,
    RedisBackend,
    bincode,
    "hitbox, Redis (bincode)"
);
side!(HitboxMoka, row, MokaBackend, moka, "hitbox, moka");

fn json(url: String) -> RedisBackend<JsonFormat> {
    let backend = RedisBackend::builder()
        .connection(ConnectionMode::single(url))
        .value_format(JsonFormat);
    backend.build().expect("a backend")
}

fn bincode(url: String) -> RedisBackend {
    let backend = RedisBackend::builder().connection(ConnectionMode::single(url));
    backend.build().expect("a backend")
}

fn moka(_: String) -> MokaBackend {
    MokaBackend::builder().max_entries(20_000).build()
}
