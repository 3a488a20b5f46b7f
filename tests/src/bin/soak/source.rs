//! The source of truth: a table in SQLite that all processes share. It is linearizable, so a load that begins after a commit has
//! returned sees what was committed.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::workload::Row;

#[derive(Debug)]
pub(crate) struct Source {
    pool: SqlitePool,
}

impl Source {
    /// An empty table in a new file.
    pub(crate) async fn create(file: &Path) -> Result<(), sqlx::Error> {
        let source = Self::connect(file, true).await?;
        sqlx::raw_sql(
            "CREATE TABLE rows (part INTEGER, id INTEGER, version INTEGER, PRIMARY KEY (part, id))",
        )
        .execute(&source.pool)
        .await?;
        for row in Row::all() {
            sqlx::query("INSERT INTO rows VALUES (?, ?, 0)")
                .bind(row.part as i64)
                .bind(row.id as i64)
                .execute(&source.pool)
                .await?;
        }
        source.pool.close().await;
        Ok(())
    }

    pub(crate) async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        Self::connect(file, false).await
    }

    async fn connect(file: &Path, create: bool) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // Survives killed processes, not a power cut: enough here, and many times faster.
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// How often the row was written.
    pub(crate) async fn version(&self, row: Row) -> Result<u64, sqlx::Error> {
        let version: i64 = sqlx::query_scalar("SELECT version FROM rows WHERE part = ? AND id = ?")
            .bind(row.part as i64)
            .bind(row.id as i64)
            .fetch_one(&self.pool)
            .await?;
        Ok(version as u64)
    }

    /// Writes the row, and tells its new version.
    pub(crate) async fn write(&self, row: Row) -> Result<u64, sqlx::Error> {
        let version: i64 = sqlx::query_scalar(
            "UPDATE rows SET version = version + 1 WHERE part = ? AND id = ? RETURNING version",
        )
        .bind(row.part as i64)
        .bind(row.id as i64)
        .fetch_one(&self.pool)
        .await?;
        Ok(version as u64)
    }
}
