//! Queries are counted and timed, of each request and of the process (A10, A11), with SQLite and PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{Cache, CacheLayer, QueryFigures, QueryMeter, cached, http};
use cache_tests::{PostgresServer, eventually};
use futures_util::future::join_all;
use reqwest::{Client, Response};
use serde_json::Value;
use sqlx::{PgPool, SqlitePool};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// A service over a database of its own.
struct Service {
    site: Arc<Site>,
    address: String,
    client: Client,
    serving: AbortHandle,
    _folder: TempDir,
}

/// What its handlers share.
struct Site {
    cache: Cache,
    queries: Arc<QueryMeter>,
    db: SqlitePool,
    /// Loads of `agent` wait for one of these.
    passes: Semaphore,
}

#[cached(namespace = "agents", ttl = "1h", key = id, cache = site.cache)]
async fn agent(site: &Site, id: i64) -> (String, i64) {
    let query = sqlx::query_as::<_, (String,)>("SELECT name FROM agents WHERE id = ?").bind(id);
    let (name,) = site
        .queries
        .query("agent by id", query.fetch_one(&site.db))
        .await
        .unwrap();
    let query = sqlx::query_scalar("SELECT count(*) FROM agents").fetch_one(&site.db);
    (
        name,
        site.queries.query("agents in all", query).await.unwrap(),
    )
}

#[cached(namespace = "names", ttl = "1ms", stale_while_revalidate = "1h", key = id, cache = site.cache)]
async fn name(site: Arc<Site>, id: i64) -> String {
    site.passes.acquire().await.unwrap().forget();
    let query = sqlx::query_scalar("SELECT name FROM agents WHERE id = ?").bind(id);
    site.queries
        .query("name by id", query.fetch_one(&site.db))
        .await
        .unwrap()
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agents.sqlite");
        let db = SqlitePool::connect(&format!("sqlite:{}?mode=rwc", file.display()))
            .await
            .unwrap();
        sqlx::raw_sql("CREATE TABLE agents (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
            .execute(&db)
            .await
            .unwrap();
        for id in 0..100 {
            let insert = sqlx::query("INSERT INTO agents VALUES (?, 'agent ' || ?)")
                .bind(id)
                .bind(id);
            insert.execute(&db).await.unwrap();
        }
        let site = Arc::new(Site {
            cache: Cache::builder().build().unwrap(),
            queries: Arc::default(),
            db,
            passes: Semaphore::new(1),
        });
        type Shared = State<Arc<Site>>;
        let pool = site.db.clone();
        let performance = http::database_performance(
            site.queries.clone(),
            move || serde_json::json!({"size": pool.size()}),
        );
        let router = Router::new()
            .route(
                "/agents/{id}",
                get(async |State(site): Shared, Path(id): Path<i64>| Json(agent(&site, id).await)),
            )
            .route(
                "/names/{id}",
                get(async |State(site): Shared, Path(id): Path<i64>| name(site, id).await),
            )
            .route(
                "/both/{id}",
                get(async |State(site): Shared, Path(id): Path<i64>| {
                    let asked = tokio::join!(agent(&site, id), agent(&site, id + 1));
                    Json(asked)
                }),
            )
            .route("/api/performance/database", performance)
            .layer(CacheLayer::new())
            .with_state(site.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            site,
            address,
            client: Client::new(),
            serving: serving.abort_handle(),
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> Response {
        let response = self
            .client
            .get(format!("{}{path}", self.address))
            .send()
            .await
            .unwrap();
        response.error_for_status().unwrap()
    }

    fn figures(&self, name: &str) -> QueryFigures {
        let stats = self.site.queries.stats();
        let found = stats.queries.iter().find(|(known, _)| *known == name);
        found.map(|(_, figures)| *figures).unwrap_or_default()
    }
}

fn number(response: &Response, header: &str) -> f64 {
    response.headers()[header]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_tells_its_queries() {
    let service = Service::start().await;
    let loaded = service.get("/agents/7").await;
    assert_eq!(number(&loaded, "x-query-count"), 2.0);
    let (queries, all) = (
        number(&loaded, "x-query-time"),
        number(&loaded, "x-process-time"),
    );
    assert!(0.0 < queries && queries <= all, "{queries} of {all} ms");
    let hit = service.get("/agents/7").await;
    assert_eq!(
        (number(&hit, "x-query-count"), number(&hit, "x-query-time")),
        (0.0, 0.0)
    );
    assert_eq!(hit.text().await.unwrap(), r#"["agent 7",100]"#);
    assert_eq!(number(&service.get("/both/20").await, "x-query-count"), 4.0);

    let asked = (0..40).map(|id| {
        let service = &service;
        async move {
            // Some are answered already, and some share a load.
            let response = service.get(&format!("/agents/{}", id % 30)).await;
            number(&response, "x-query-count")
        }
    });
    let counts = join_all(asked).await;
    assert!(
        counts.iter().all(|count| [0.0, 2.0].contains(count)),
        "{counts:?}"
    );
    // Each query is one request's: 20, 21 and 7 were loaded before.
    assert_eq!(counts.iter().sum::<f64>(), 27.0 * 2.0);
    assert_eq!(service.figures("agent by id").count, 30);
}

/// What is loaded in the background is nobody's request.
#[tokio::test]
async fn loads_in_the_background_are_counted_apart() {
    let service = Service::start().await;
    assert_eq!(number(&service.get("/names/7").await, "x-query-count"), 1.0);
    eventually("the answer is past its ttl", async || {
        service.get("/names/7").await.headers()["x-cache"] == "STALE"
    })
    .await;
    service.site.passes.add_permits(1);
    eventually("it was loaded again", async || {
        let seen = service.get("/names/7").await;
        assert_eq!(number(&seen, "x-query-count"), 0.0);
        service.figures("name by id").count == 2
    })
    .await;
}

/// A10: what a dashboard reads.
#[tokio::test]
async fn the_database_s_performance_is_answered() {
    let service = Service::start().await;
    for id in [7, 8, 7] {
        service.get(&format!("/agents/{id}")).await;
    }
    let answer = service.get("/api/performance/database").await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer: Value = answer.json().await.unwrap();
    let metrics = &answer["database_metrics"];
    assert_eq!(
        (&metrics["queries"], &metrics["slow_threshold_ms"]),
        (&4.into(), &100.0.into())
    );
    for figure in ["total_time_ms", "average_time_ms", "longest_time_ms"] {
        assert!(metrics[figure].as_f64().unwrap() > 0.0, "{answer}");
    }
    let queries = answer["queries"].as_array().unwrap();
    let names: Vec<_> = queries
        .iter()
        .map(|query| query["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"agent by id") && names.contains(&"agents in all"),
        "{answer}"
    );
    assert!(
        queries.iter().all(|query| query["queries"] == 2),
        "{answer}"
    );
    assert_eq!(
        answer["pool"],
        serde_json::json!({"size": service.site.db.size()})
    );
}

/// A query that takes long is slow, and one that nobody waits for any more is counted too.
#[tokio::test]
async fn slow_and_dropped_queries_are_counted() {
    let server = PostgresServer::start().await;
    let db = PgPool::connect(&server.url()).await.unwrap();
    let queries = QueryMeter::new().slow_threshold(Duration::from_millis(20));
    let slept = sqlx::query("SELECT pg_sleep(0.02)").execute(&db);
    queries.query("sleep", slept).await.unwrap();
    let (slowest, figures) = queries.stats().queries[0];
    assert_eq!((slowest, figures.count, figures.slow), ("sleep", 1, 1));
    assert!(figures.longest >= Duration::from_millis(20));

    let sleeping = sqlx::query("SELECT pg_sleep(3600)").execute(&db);
    let sleeping = queries.query("sleep", sleeping);
    let dropped = tokio::time::timeout(Duration::from_millis(1), sleeping);
    assert!(dropped.await.is_err());
    assert_eq!(queries.stats().total.count, 2);
}
