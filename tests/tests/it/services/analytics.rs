use std::time::Duration;

use cache_tests::PostgresServer;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Database, Told as _, World};

const SECRETS: &str = "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn start(database: Database) -> World {
    World::with("analytics", database, &[("CACHE_SECRETS", SECRETS)]).await
}

async fn on_sqlite() -> World {
    start(Database::Sqlite(tempfile::tempdir().unwrap())).await
}

/// Too long for a key.
const SUMMARY: &str = "Feeds the gnu that nobody has fed for as long as anybody in this town remembers, and sweeps the floor";

fn run(user: &str) -> Value {
    json!({
        "user_id": user, "date": "2024-02-29", "failed": false, "duration_ms": 900, "credits": 3, "summary": SUMMARY,
    })
}

/// What shows the runs of workspace 12, and of its agent 170, in a number.
async fn shown(world: &World) -> [i64; 7] {
    let number = async |path: &str, pointer: &str| {
        let answer = world.get(path).await;
        let found = answer.body.pointer(pointer).and_then(Value::as_i64);
        found.unwrap_or_else(|| panic!("{path}: {answer:?}"))
    };
    let dashboard = "/api/v1/executive/dashboard?workspace_id=ws12&timeframe=30d";
    // However it is spelled.
    let text = format!(" {} ", SUMMARY.to_uppercase());
    let report = [
        ("workspace_id", "ws12"),
        ("from", "2024-01-01"),
        ("until", "2024-12-31"),
        ("by", "status"),
        ("text", &text),
    ];
    let report = world.request(Method::GET, "/api/v1/query").query(&report);
    let report = report.told().await;
    let found = report.body.pointer("/0/runs").and_then(Value::as_i64);
    let credits = "/api/v1/metrics/credits?workspace_id=ws12&timeframe=90d";
    [
        number(dashboard, "/kpis/runs").await,
        -number(dashboard, "/credits_left").await / 3,
        number(
            "/api/v1/executive/kpis?workspace_id=ws12&timeframe=30d",
            "/runs",
        )
        .await,
        number("/api/v1/agents/agent170/analytics?timeframe=30d", "/runs").await,
        number("/api/v1/metrics/runs?workspace_id=ws12", "/59/runs").await,
        number(credits, "/transactions").await,
        found.unwrap_or_default(),
    ]
}

/// B1, B2, B4, B5, B8, B12: on SQLite and on PostgreSQL.
async fn it_answers_as_documented(world: &World) {
    let path = "/api/v1/executive/dashboard?workspace_id=ws12&timeframe=30d";
    let first = world.get(path).await;
    assert_eq!(first.cache, "MISS");
    assert_eq!(first.body["workspace"], "Workspace 12");
    assert_eq!(first.body["trend"].as_array().unwrap().len(), 30);
    assert_eq!(first.body["top_agents"].as_array().unwrap().len(), 5);
    let second = world.get(path).await;
    assert!(second.is_hit() && second.body == first.body, "{second:?}");
    let skipped = world.get(&format!("{path}&skip_cache=true")).await;
    assert!(skipped.queries > 0 && skipped.body == first.body);

    // A run is seen by all that show it, and by nobody else.
    let other = "/api/v1/executive/dashboard?workspace_id=ws13&timeframe=30d";
    world.get(other).await;
    let agents = "/api/v1/workspaces/ws12/agents?timeframe=30d";
    let all = world.get(agents).await;
    assert_eq!(all.body.as_array().unwrap().len(), 15);
    assert!(world.get(agents).await.is_hit());
    let before = shown(world).await;
    assert_eq!(before, shown(world).await);
    let done = world
        .send(
            Method::POST,
            "/api/v1/agents/agent170/runs",
            &run("user600"),
        )
        .await;
    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    assert_eq!(shown(world).await, before.map(|number| number + 1));
    assert!(world.get(other).await.is_hit());
    // Of 15 agents 14 were cached, and the other one is known by now.
    assert!(world.get(agents).await.is_hit());

    // Credits alone.
    let bought = json!({"amount": 5000, "date": "2024-02-29"});
    let credits = "/api/v1/workspaces/ws12/credits";
    world.send(Method::POST, credits, &bought).await;
    let mut now = before.map(|number| number + 1);
    now[5] += 1;
    now[1] = shown(world).await[1];
    assert_eq!(shown(world).await, now);
    assert!(now[1] < before[1] - 1000, "{} {}", now[1], before[1]);
    let kpis = "/api/v1/executive/kpis?workspace_id=ws12&timeframe=30d";
    world.send(Method::POST, credits, &bought).await;
    assert!(world.get(kpis).await.is_hit());

    // A workspace.
    let workspace = "/api/v1/workspaces/ws12";
    let renamed = world
        .send(Method::PUT, workspace, &json!({"name": "Twelve"}))
        .await;
    assert_eq!(renamed.body["name"], "Twelve");
    assert_eq!(world.get(path).await.body["workspace"], "Twelve");

    // Users.
    let activity = "/api/v1/users/user7/activity";
    let on = "?date=2024-02-20";
    let active = "/api/v1/metrics/users/active?date=2024-02-20";
    let (did, were) = (
        world.get(&format!("{activity}{on}")).await,
        world.get(active).await,
    );
    assert_eq!(did.body["email"], "user7@example.com");
    assert!(world.get(&format!("{activity}{on}")).await.is_hit());
    assert!(world.get(active).await.is_hit());
    let new = json!({"date": "2024-02-20", "kind": "unheard of"});
    world.send(Method::POST, activity, &new).await;
    let does = world.get(&format!("{activity}{on}")).await.body;
    let unheard = json!({"kind": "unheard of", "times": 1});
    assert!(
        does["done"].as_array().unwrap().contains(&unheard),
        "{does}"
    );
    let are = world.get(active).await;
    assert_eq!(are.cache, "MISS");
    assert!(are.body["dau"].as_i64() >= were.body["dau"].as_i64());

    for nothing in [
        "/api/v1/executive/dashboard?workspace_id=ws999",
        "/api/v1/workspaces/ws999",
        "/api/v1/agents/agent999/analytics",
        "/api/v1/users/user9999/activity?date=2024-02-20",
    ] {
        assert_eq!(world.get(nothing).await.status, StatusCode::NOT_FOUND);
    }
    let unnamed = world
        .send(Method::PUT, workspace, &json!({"name": ""}))
        .await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn it_answers_as_documented_on_sqlite() {
    let world = on_sqlite().await;
    it_answers_as_documented(&world).await;
    // What is personal stands in Redis, and nobody can read it there.
    let mut redis = world.redis.connection().await;
    let stored: Vec<u8> = redis::cmd("GET")
        .arg("analytics:user:activity:user7:2024-02-20")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(stored.len() > 100 && !String::from_utf8_lossy(&stored).contains("example"));
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("analytics:query:result:*")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(keys.len(), 1, "two spellings of a question: {keys:?}");
    assert!(keys[0].starts_with("analytics:query:result:ws12:%h"));
}

#[tokio::test]
async fn it_answers_as_documented_on_postgres() {
    let world = start(Database::Postgres(PostgresServer::start().await)).await;
    it_answers_as_documented(&world).await;
}

/// B3, B6, B12, B14.
#[tokio::test]
async fn it_looks_after_its_cache() {
    let world = on_sqlite().await;
    let path = "/api/v1/executive/dashboard?workspace_id=ws1";
    assert!(world.get(path).await.is_hit(), "those who pay are warm");
    let agent = "/api/v1/agents/agent1/analytics";
    world.get(agent).await;
    let clear = async |what: &str| {
        let url = format!("/api/v1/cache/invalidate/{what}");
        world.request(Method::POST, &url).send().await.unwrap()
    };
    assert_eq!(
        clear("workspace/ws1").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.get(path).await.cache, "MISS");
    assert!(world.get(agent).await.is_hit());
    assert_eq!(clear("agent/agent1").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.get(agent).await.cache, "MISS");
    for _ in 2..10 {
        clear("agent/agent1").await;
    }
    let refused = clear("agent/agent1").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));

    let stats = world.get("/api/v1/cache/stats").await;
    assert_eq!(stats.status, StatusCode::OK);
    let jobs = world.get("/api/v1/cache/jobs").await.body.to_string();
    for job in ["clean", "health", "refresh", "warm"] {
        assert!(jobs.contains(&format!("\"{job}\"")), "{job} in {jobs}");
    }
    let run = world.request(Method::POST, "/api/v1/cache/jobs/warm/run");
    assert_eq!(run.told().await.status, StatusCode::UNAUTHORIZED);
}

/// B7: what a page does, here without a browser.
#[tokio::test]
async fn browsers_are_told_what_is_old() {
    let world = on_sqlite().await;
    let page = world.get("/").await.body;
    assert!(
        page.as_str()
            .unwrap()
            .contains("new EventSource(`/api/cache/events?")
    );
    let keys = world.get("/api/cache/keys.ts").await.body;
    let builder = "dashboard: (workspaceId: string, timeframe: KeyPart): CacheKey => key`exec:dashboard:${workspaceId}:${timeframe}`,";
    assert!(keys.as_str().unwrap().contains(builder), "{keys}");

    let events = "/api/cache/events?pattern=exec:dashboard:ws12:7d";
    let mut events = world.request(Method::GET, events).send().await.unwrap();
    let mut told = String::new();
    let mut until = async |word: &str| {
        let wait = async {
            while !told.contains(word) {
                let chunk = events.chunk().await.unwrap().unwrap();
                told.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "no {word} in {told}");
    };
    until("event: reset").await;
    world
        .send(
            Method::POST,
            "/api/v1/agents/agent170/runs",
            &run("user600"),
        )
        .await;
    until("event: invalidate\ndata: [\"exec:dashboard:ws12:7d\"]").await;
    let personal = "/api/cache/events?pattern=user:activity:user7:*";
    let refused = world.request(Method::GET, personal).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

/// Without secrets nothing personal is stored.
#[tokio::test]
async fn what_cannot_be_encrypted_is_not_cached() {
    let world = World::start("analytics").await;
    let path = "/api/v1/users/user7/activity?date=2024-02-20";
    let first = world.get(path).await;
    let second = world.get(path).await;
    assert_eq!(first.body, second.body);
    assert!(second.queries > 0);
    let mut redis = world.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("analytics:user:*")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(keys.is_empty(), "{keys:?}");
}
