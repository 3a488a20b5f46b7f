//! Invalidations inside a database transaction go out after its commit: with SQLite and with PostgreSQL.

use std::sync::Arc;

use cache_runtime::{AfterCommit, Cache, cached, invalidates};
use cache_tests::{PostgresServer, RedisServer, eventually};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, Transaction};

use crate::world::patient;

/// An application over a database, with two instances of its cache.
#[derive(Debug)]
struct App {
    pool: AnyPool,
    cache: Cache,
    there: Cache,
    _redis: RedisServer,
    _postgres: Option<PostgresServer>,
    _folder: tempfile::TempDir,
}

impl App {
    async fn over(postgres: Option<PostgresServer>) -> Self {
        install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let url = match &postgres {
            Some(server) => server.url(),
            None => format!("sqlite://{}/rows.db?mode=rwc", folder.path().display()),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(4)
            .connect(&url)
            .await
            .unwrap();
        if postgres.is_none() {
            sqlx::query("PRAGMA journal_mode = WAL")
                .execute(&pool)
                .await
                .unwrap();
        }
        sqlx::query("CREATE TABLE titles (id BIGINT PRIMARY KEY, title TEXT NOT NULL)")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("INSERT INTO titles VALUES (1, 'old'), (2, 'other')")
            .execute(&pool)
            .await
            .unwrap();
        let redis = RedisServer::start().await;
        let cache = || {
            patient(Cache::builder().redis(redis.url()))
                .build()
                .unwrap()
        };
        Self {
            cache: cache(),
            there: cache(),
            pool,
            _redis: redis,
            _postgres: postgres,
            _folder: folder,
        }
    }

    async fn both() -> [Self; 2] {
        [
            Self::over(None).await,
            Self::over(Some(PostgresServer::start().await)).await,
        ]
    }

    async fn title(&self) -> String {
        title(&self.pool, &self.cache, 1).await.unwrap()
    }

    async fn title_there(&self) -> String {
        title(&self.pool, &self.there, 1).await.unwrap()
    }
}

#[cached(namespace = "titles", ttl = "1h", key = id, cache = cache)]
async fn title<'a, E: sqlx::Executor<'a, Database = Any>>(
    #[skip] db: E,
    cache: &Cache,
    id: i64,
) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT title FROM titles WHERE id = $1")
        .bind(id)
        .fetch_one(db)
        .await
}

#[invalidates("titles:{id}", cache = cache)]
async fn rename(
    tx: &mut Transaction<'_, Any>,
    cache: &Cache,
    id: i64,
    title: &str,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE titles SET title = $1 WHERE id = $2")
        .bind(title)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The commonest way to get it wrong: invalidated before the commit, the old row is loaded again and stays.
#[tokio::test]
async fn before_the_commit_everybody_has_the_old_row_and_after_it_the_new() {
    for app in App::both().await {
        assert_eq!(
            (app.title().await, app.title_there().await),
            ("old".into(), "old".into())
        );
        let mut tx = app.pool.begin().await.unwrap();
        let invalidations = AfterCommit::new();
        invalidations
            .scope(rename(&mut tx, &app.cache, 1, "new"))
            .await
            .unwrap();
        assert_eq!(app.cache.stats().total.invalidations, 0);
        // Outside the transaction the old row is right; it is stored again.
        assert_eq!(
            (app.title().await, app.title_there().await),
            ("old".into(), "old".into())
        );
        // Inside, the new one is, and it stays there.
        let inside = invalidations
            .scope(title(&mut *tx, &app.cache, 1))
            .await
            .unwrap();
        assert_eq!(inside, "new");
        assert_eq!(
            (app.title().await, app.title_there().await),
            ("old".into(), "old".into())
        );

        tx.commit().await.unwrap();
        invalidations.committed().await;
        assert_eq!(
            (app.title().await, app.title_there().await),
            ("new".into(), "new".into())
        );
        assert_eq!(app.cache.stats().pending_invalidations, 0);
    }
}

#[tokio::test]
async fn after_a_rollback_nothing_is_invalidated_and_nothing_uncommitted_is_stored() {
    for app in App::both().await {
        app.title().await;
        let mut tx = app.pool.begin().await.unwrap();
        let invalidations = AfterCommit::new();
        let work = async {
            rename(&mut tx, &app.cache, 1, "never").await?;
            title(&mut *tx, &app.cache, 1).await
        };
        assert_eq!(invalidations.scope(work).await.unwrap(), "never");
        tx.rollback().await.unwrap();
        invalidations.rolled_back().await;
        let loads = app.cache.stats().total.loads;
        assert_eq!(
            (app.title().await, app.title_there().await),
            ("old".into(), "old".into())
        );
        assert_eq!(app.cache.stats().total.loads, loads, "the entry is gone");
        assert_eq!(app.cache.stats().total.invalidations, 0);
    }
}

/// A commit whose answer is lost, or a client that hangs up after it.
#[tokio::test]
async fn in_doubt_the_invalidations_are_done() {
    for app in App::both().await {
        app.title().await;
        let app = Arc::new(app);
        let request = tokio::spawn({
            let app = app.clone();
            async move {
                let mut tx = app.pool.begin().await.unwrap();
                let invalidations = AfterCommit::new();
                invalidations
                    .scope(rename(&mut tx, &app.cache, 1, "new"))
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                std::future::pending::<()>().await;
                invalidations.committed().await;
            }
        });
        eventually("it is committed", async || {
            let row: sqlx::Result<String> =
                sqlx::query_scalar("SELECT title FROM titles WHERE id = 1")
                    .fetch_one(&app.pool)
                    .await;
            row.is_ok_and(|title| title == "new")
        })
        .await;
        request.abort();
        request.await.unwrap_err();
        assert_eq!(app.title().await, "new");
        eventually("it is delivered", async || {
            app.cache.stats().pending_invalidations == 0
        })
        .await;
        assert_eq!(app.title_there().await, "new");
    }
}

/// Savepoints: what the inner one holds goes to the outer one.
#[tokio::test]
async fn an_inner_transaction_hands_over_to_the_outer_one() {
    let cache = Cache::builder().build().unwrap();
    let pool = AnyPoolOptions::new();
    install_default_drivers();
    let pool = pool
        .max_connections(1)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("CREATE TABLE titles (id BIGINT PRIMARY KEY, title TEXT NOT NULL)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let outer = AfterCommit::new();
    let work = async {
        let kept = AfterCommit::new();
        kept.scope(rename(&mut tx, &cache, 1, "a")).await.unwrap();
        kept.committed().await;
        let undone = AfterCommit::new();
        undone.scope(rename(&mut tx, &cache, 2, "b")).await.unwrap();
        undone.rolled_back().await;
        let in_doubt = AfterCommit::new();
        in_doubt
            .scope(rename(&mut tx, &cache, 3, "c"))
            .await
            .unwrap();
        drop(in_doubt);
    };
    outer.scope(work).await;
    let stats = cache.stats();
    assert_eq!(
        (stats.total.invalidations, stats.pending_invalidations),
        (0, 0)
    );
    tx.commit().await.unwrap();
    outer.committed().await;
    assert_eq!(cache.stats().total.invalidations, 2);
}

/// A writer that is cancelled inside the scope may have written: its invalidation belongs to the transaction like the others.
#[tokio::test]
async fn a_cancelled_writer_belongs_to_its_transaction() {
    #[invalidates("titles:{id}", cache = cache)]
    async fn hangs(cache: &Cache, id: i64) {
        std::future::pending::<()>().await;
    }

    let cache = Cache::builder().build().unwrap();
    let invalidations = AfterCommit::new();
    {
        let mut call = std::pin::pin!(invalidations.scope(hangs(&cache, 1)));
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    assert_eq!(cache.stats().pending_invalidations, 0);
    invalidations.committed().await;
    let total = cache.stats().total;
    assert_eq!((total.invalidations, total.queued_invalidations), (1, 0));
}
