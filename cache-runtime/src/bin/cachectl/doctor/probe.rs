//! What is found out about a server: by asking it, and by doing what the library does.

use std::time::Duration;

use cache_runtime::{Builder, Cache, Error, ErrorKind, Everything, Key, ServerFacts};

use crate::failure::Failure;
use crate::ping::{self, Times};
use crate::stats::Sample;

/// Keys whose expiry is looked at.
const SAMPLE: u64 = 1_000;
const PINGS: u32 = 20;

pub(super) struct Found {
    pub(super) facts: ServerFacts,
    pub(super) times: Times,
    /// What storing, reading and invalidating came to; `None` when all of it worked.
    pub(super) refused: Option<String>,
    /// Whether invalidations are heard of, and can be told to others.
    pub(super) hears: bool,
    pub(super) pushes: bool,
    pub(super) sample: Sample,
    /// Of the services, not of this program.
    pub(super) operation_timeout: Duration,
    /// Whether the environment has the cache switched off.
    pub(super) enabled: bool,
}

impl Found {
    pub(super) async fn of(cache: &Cache, builder: Builder) -> Result<Self, Failure> {
        let times = ping::pings(cache, PINGS).await?;
        let facts = cache.try_server_facts().await?;
        let probed = builder.prefix(below(&facts.prefix)).build()?;
        let hears = probed.try_listen().await?;
        let worked = probe(&probed).await;
        let pushes = !probed.try_server_facts().await?.pushes_refused;
        // Where that is refused, what is left expires.
        let _ = probed.try_erase(Everything).await;
        Ok(Self {
            times,
            refused: match worked {
                Ok(true) => None,
                Ok(false) => Some("what was stored could not be read again".to_owned()),
                Err(error) if error.kind() == ErrorKind::Refused => Some(error.to_string()),
                Err(error) => return Err(error.into()),
            },
            hears,
            pushes,
            sample: Sample::take(cache, SAMPLE, |_| {}).await?,
            facts,
            operation_timeout: operation_timeout(),
            enabled: Cache::from_env()?.is_enabled(),
        })
    }
}

/// A prefix that nobody has, and that whoever may use `prefix` may use too.
fn below(prefix: &str) -> String {
    let own = format!("cachectl-doctor-{:016x}", fastrand::u64(..));
    match prefix {
        "" => own,
        prefix => format!("{prefix}:{own}"),
    }
}

/// Stores, reads and deletes.
async fn probe(cache: &Cache) -> Result<bool, Error> {
    let key = Key::new("probe", []);
    let stored = cache
        .try_set(&key, "probe", Duration::from_secs(60))
        .await?;
    let read = cache.try_get::<String>(&key).await?;
    cache.try_delete(&key).await?;
    Ok(stored && read.is_some())
}

/// As the services of this environment have it; `Cache::from_env` has read the same variable, so that it is right.
fn operation_timeout() -> Duration {
    let set = std::env::var("REDIS_SOCKET_TIMEOUT").ok();
    let seconds = set.and_then(|text| text.trim().parse().ok());
    seconds.map_or(Duration::from_millis(50), Duration::from_secs_f64)
}
