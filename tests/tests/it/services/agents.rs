use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use crate::services::Told as _;

const AGENT: &str = "a0000000-0000-4000-8000-000000000002";
const CHANNEL: &str = "c0000000-0000-4000-8000-000000000007";

/// A7, A8, A9, A10, A11: on SQLite and on PostgreSQL.
async fn it_answers_as_documented(world: &World) {
    // Warmed at the start.
    for path in ["/api/agents", "/api/channels"] {
        let all = world.get(path).await;
        assert!(all.is_hit(), "{all:?}");
        assert!(all.body.as_array().unwrap().len() > 200);
    }
    let agent = format!("/api/agents/{AGENT}");
    let known = world.get(&agent).await;
    assert!(known.is_hit(), "{known:?}");
    let expected = json!({
        "id": AGENT, "name": "@backend", "role": "writes services", "status": "active",
        "model": {"provider": "anthropic", "temperature": 0.1}, "created": "2025-01-01T08:00:00Z",
    });
    assert_eq!(known.body, expected);

    // The same agent by name, and in the list: changed everywhere.
    let by_name = "/api/agents/name/@backend";
    let named = world.get(by_name).await;
    assert_eq!((named.cache.as_str(), named.queries), ("MISS", 1));
    assert!(world.get(by_name).await.is_hit());
    let done = world.request(Method::PATCH, &format!("{agent}/deactivate"));
    assert_eq!(done.told().await.body["status"], "inactive");
    for path in [&agent, by_name] {
        let changed = world.get(path).await;
        assert_eq!(
            (changed.cache.as_str(), &changed.body["status"]),
            ("MISS", &json!("inactive"))
        );
    }
    let all = world.get("/api/agents").await;
    let all = all.body.as_array().unwrap();
    let listed = all.iter().find(|one| one["id"] == AGENT).unwrap();
    assert_eq!(listed["status"], "inactive");
    world
        .request(Method::PATCH, &format!("{agent}/activate"))
        .told()
        .await;
    assert_eq!(world.get(&agent).await.body["status"], "active");

    // Messages, and clearing them.
    let count = format!("/api/channels/{CHANNEL}/messages/count");
    let before = world.get(&count).await.body["messages"].as_i64().unwrap();
    let message = json!({"text": "hello"});
    let sent = world
        .send(
            Method::POST,
            &format!("/api/channels/{CHANNEL}/messages"),
            &message,
        )
        .await;
    assert_eq!(sent.status, StatusCode::CREATED);
    assert_eq!(world.get(&count).await.body["messages"], before + 1);
    assert!(world.get(&count).await.is_hit());
    world
        .request(Method::POST, &format!("/api/channels/{CHANNEL}/clear"))
        .told()
        .await;
    assert_eq!(world.get(&count).await.body["messages"], 0);

    // A channel that comes and goes.
    let made = world
        .send(
            Method::POST,
            "/api/channels",
            &json!({"name": "new", "topic": "x"}),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let path = format!("/api/channels/{}", made.body["id"].as_str().unwrap());
    let listed = async || {
        let all = world.get("/api/channels").await.body;
        all.as_array().unwrap().contains(&made.body)
    };
    assert!(listed().await);
    assert_eq!(world.get(&path).await.body, made.body);
    let gone = world.request(Method::DELETE, &path).told().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
    assert!(!listed().await);
    let unnamed = world
        .send(Method::POST, "/api/channels", &json!({"name": ""}))
        .await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY);

    // Workflows.
    for (verb, status) in [("start", "running"), ("cancel", "cancelled")] {
        world.get("/api/workflows/7").await;
        world
            .request(Method::POST, &format!("/api/workflows/7/{verb}"))
            .told()
            .await;
        let workflow = world.get("/api/workflows/7").await;
        assert_eq!(
            (workflow.cache.as_str(), &workflow.body["status"]),
            ("MISS", &json!(status))
        );
    }
    world
        .request(Method::DELETE, "/api/workflows/7")
        .told()
        .await;
    assert_eq!(
        world.get("/api/workflows/7").await.status,
        StatusCode::NOT_FOUND
    );

    // What all of it cost.
    let metrics = &world.get("/api/performance/cache").await.body["cache_metrics"];
    assert_eq!(metrics["redis_connected"], true);
    let reads = metrics["hits"].as_u64().unwrap() + metrics["misses"].as_u64().unwrap();
    assert_eq!(metrics["total_reads"], reads);
    let database = world.get("/api/performance/database").await.body;
    assert!(database["database_metrics"]["queries"].as_u64().unwrap() > 10);
    assert!(database["pool"]["size"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn it_answers_as_documented_on_sqlite() {
    let world = World::start("agents").await;
    it_answers_as_documented(&world).await;
    // A3: a person can read what is stored.
    let mut redis = world.redis.connection().await;
    let stored = format!("agents:agents:{AGENT}");
    let found: bool = redis::cmd("EXISTS")
        .arg(stored)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(found);
}

#[tokio::test]
async fn it_answers_as_documented_on_postgres() {
    it_answers_as_documented(&World::on_postgres("agents").await).await;
}

/// A13: what a client sees while Redis is down is what the database says.
#[tokio::test]
async fn nobody_notices_that_redis_is_down() {
    let mut world = World::start("agents").await;
    let path = format!("/api/agents/{AGENT}");
    let before = world.get(&path).await;
    world.redis.kill();
    let without = world.get(&path).await;
    assert_eq!(
        (without.status, &without.body),
        (StatusCode::OK, &before.body)
    );
    assert_eq!(without.queries, 1);
    let told: Value = world.get("/api/performance/cache").await.body;
    assert_eq!(told["cache_metrics"]["redis_connected"], false);
}
