//! A database, a store, and the instances that use them.

use std::fmt;
use std::time::{Duration, Instant};

use cache_tests::{PostgresServer, RedisServer, Service};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

/// What holds the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// What holds the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    Memory,
    Redis,
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Memory => "memory",
            Self::Redis => "Redis",
        })
    }
}

/// Made up for this program.
const SECRETS: &str = "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// One run's own.
pub(crate) struct World {
    name: &'static str,
    url: String,
    _database: Rows,
    redis: Option<RedisServer>,
    bare: Service,
}

enum Rows {
    Sqlite(#[expect(dead_code, reason = "deleted at the end")] TempDir),
    Postgres(#[expect(dead_code, reason = "stopped at the end")] PostgresServer),
}

/// What the answers take in Redis.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

impl World {
    /// With the rows that the service comes with, and an instance without a cache.
    pub(crate) async fn start(name: &'static str, database: Database, store: Store) -> Self {
        let (rows, url) = match database {
            Database::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite:{}/db", folder.path().display());
                (Rows::Sqlite(folder), url)
            }
            Database::Postgres => {
                let server = PostgresServer::start().await;
                let url = server.url();
                (Rows::Postgres(server), url)
            }
        };
        let redis = match store {
            Store::Memory => None,
            Store::Redis => Some(RedisServer::start().await),
        };
        let bare = instance(
            name,
            [("DATABASE_URL", url.as_str()), ("ENABLE_CACHE", "false")],
        );
        Self {
            name,
            bare: bare.await,
            url,
            _database: rows,
            redis,
        }
    }

    /// Where each answer is what the database says.
    pub(crate) fn bare(&self) -> &Service {
        &self.bare
    }

    /// Instances with a cache: two that share one, where it is in Redis. And how long the first took to start.
    pub(crate) async fn start_cached(&self) -> (Vec<Service>, Duration) {
        let redis = self.redis.as_ref().map(RedisServer::url);
        let settings = || {
            let redis = redis.iter().map(|url| ("REDIS_URL", url.as_str()));
            // Patient: what a busy machine does not answer in time would count as a load.
            let patient = [("REDIS_SOCKET_TIMEOUT", "5"), ("CACHE_BUDGET", "5")];
            // What is personal is cached only where it can be encrypted.
            let secrets = [("CACHE_SECRETS", SECRETS)];
            redis
                .chain(patient)
                .chain(secrets)
                .chain([("DATABASE_URL", self.url.as_str())])
        };
        let began = Instant::now();
        let mut all = vec![instance(self.name, settings()).await];
        let took = began.elapsed();
        if redis.is_some() {
            all.push(instance(self.name, settings()).await);
        }
        (all, took)
    }

    pub(crate) async fn memory(&self) -> Option<Memory> {
        let redis = self.redis.as_ref()?;
        let mut connection = redis.connection().await;
        let keys = redis::cmd("DBSIZE").query_async(&mut connection).await;
        let mut info = redis::cmd("INFO");
        let info = info.arg("memory").query_async(&mut connection).await;
        let info: String = info.expect("Redis answers");
        let dataset = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory_dataset:"));
        Some(Memory {
            keys: keys.expect("Redis answers"),
            bytes: dataset
                .and_then(|bytes| bytes.parse().ok())
                .expect("it is told"),
        })
    }
}

async fn instance<'a>(
    name: &str,
    settings: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> Service {
    let program = std::env::current_exe().expect("this program has a path");
    let quiet = [("LOG_LEVEL", "warn")];
    Service::start(program, &["serve", name], quiet.into_iter().chain(settings)).await
}
