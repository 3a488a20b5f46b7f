//! A database: SQLite in a file, or PostgreSQL where `DATABASE_URL` names one. The same SQL is for both.

use std::env;
use std::fmt;

use cache_runtime::QueryMeter;
use serde::{Deserialize, Serialize};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, AssertSqlSafe, ConnectOptions, Executor};

use crate::error::Error;

/// Counts and times the queries of this process: what a cache saves is seen here.
pub static QUERIES: QueryMeter = QueryMeter::new();

/// A pool of connections to a service's database.
#[derive(Debug, Clone)]
pub struct Db {
    /// For queries: `sqlx::query(…).fetch_one(&db.pool)`.
    pub pool: AnyPool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Db {
    /// Opens the database of the service `name`, and fills it by `schema` the first time.
    ///
    /// In SQLite it is a file of its own, in the folder of temporary files unless `DATABASE_URL` says `sqlite:…`; in PostgreSQL a schema of its own.
    ///
    /// # Errors
    /// When it cannot be reached, or not be filled; then nothing of the filling is kept.
    pub async fn open(name: &'static str, schema: &'static str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let file = env::temp_dir().join(format!("cache-services-{name}.sqlite"));
        let url = env::var("DATABASE_URL").unwrap_or_else(|_| format!("sqlite:{}", file.display()));
        let (kind, url) = match url.strip_prefix("sqlite:") {
            Some(file) => (Kind::Sqlite, format!("sqlite:{file}?mode=rwc")),
            None => (Kind::Postgres, url),
        };
        let set_up = match kind {
            Kind::Sqlite => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;".to_owned(),
            Kind::Postgres => format!("SET search_path TO {name}"),
        };
        // The meter logs what is slow.
        let options: AnyConnectOptions = url.parse().map_err(Error::start)?;
        let options = options.disable_statement_logging();
        let pool = AnyPoolOptions::new()
            .max_connections(10)
            .after_connect(move |connection, _| {
                let set_up = AssertSqlSafe(set_up.clone());
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(set_up)).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| Error::Start(format!("the database: {error}")))?;
        let db = Self { pool, kind };
        let filled = db.fill(name, schema).await;
        filled.map_err(|error| Error::Start(format!("cannot fill the database: {error}")))?;
        Ok(db)
    }

    /// One of the instances that start at once fills it; the others wait.
    async fn fill(&self, name: &str, schema: &'static str) -> Result<(), sqlx::Error> {
        let (begin, known) = match self.kind {
            Kind::Sqlite => (
                "BEGIN IMMEDIATE".to_owned(),
                "SELECT count(*) FROM sqlite_schema WHERE name = 'filled'".to_owned(),
            ),
            Kind::Postgres => (
                format!(
                    "BEGIN; SELECT pg_advisory_xact_lock(hashtext('{name}')); CREATE SCHEMA IF NOT EXISTS {name};"
                ),
                format!(
                    "SELECT count(*) FROM pg_tables WHERE schemaname = '{name}' AND tablename = 'filled'"
                ),
            ),
        };
        let mut connection = self.pool.acquire().await?;
        // Of a filling that fails nothing stays: the connection ends, and its transaction with it.
        connection.close_on_drop();
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
            .await?;
        let known: i64 = sqlx::query_scalar(AssertSqlSafe(known))
            .fetch_one(&mut *connection)
            .await?;
        if known == 0 {
            tracing::info!("filling the database");
            connection.execute(sqlx::raw_sql(schema)).await?;
            let filled = "CREATE TABLE filled (yes BIGINT)";
            connection.execute(sqlx::raw_sql(filled)).await?;
        }
        connection.execute(sqlx::raw_sql("COMMIT")).await?;
        Ok(())
    }

    /// What it is, for people.
    pub fn kind(&self) -> impl fmt::Display + use<> {
        match self.kind {
            Kind::Sqlite => "SQLite",
            Kind::Postgres => "PostgreSQL",
        }
    }

    /// How the pool is, for `GET /api/performance/database`.
    pub fn pool_figures(&self) -> serde_json::Value {
        serde_json::json!({ "size": self.pool.size(), "idle": self.pool.num_idle() })
    }
}

/// A time, which both databases keep as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub jiff::Timestamp);

impl Time {
    /// This moment, in whole seconds.
    pub fn now() -> Self {
        let now = jiff::Timestamp::now().as_second();
        Self(jiff::Timestamp::from_second(now).unwrap_or_default())
    }
}

impl TryFrom<String> for Time {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}
