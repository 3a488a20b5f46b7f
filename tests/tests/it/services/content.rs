use cache_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Database, Instance, World};
use crate::services::Told as _;

const ADMIN: &str = "a secret";

async fn start(settings: &[(&'static str, &str)]) -> World {
    let database = Database::Sqlite(tempfile::tempdir().unwrap());
    World::with("content", database, settings).await
}

/// A read that is a miss, and right after it a hit with the same answer.
async fn kept(world: &World, path: &str) -> Value {
    let first = world.get(path).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert!(!first.is_hit(), "{path} is older than what was written");
    let second = world.get(path).await;
    assert!(second.is_hit(), "{second:?}");
    assert_eq!(first.body, second.body);
    second.body
}

fn tasks(answer: &Value) -> &Vec<Value> {
    answer["tasks"].as_array().unwrap()
}

async fn tasks_answer_as_documented(world: &World) {
    let ten = kept(world, "/api/tasks/pending").await;
    assert_eq!(tasks(&ten).len(), 10);
    assert_eq!(
        tasks(&kept(world, "/api/tasks/pending?limit=2").await).len(),
        2
    );
    let metrics = kept(world, "/api/metrics").await;
    assert_eq!(metrics["runs"]["runs"], 100_000);
    let days = kept(world, "/api/analytics/daily").await;
    assert_eq!(days.as_array().unwrap().len(), 90);

    // Made: it is the most urgent one.
    let new = json!({"title": "write about subject 7", "topic": "topic-7", "priority": 9});
    let made = world.send(Method::POST, "/api/tasks", &new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(
        tasks(&kept(world, "/api/tasks/pending").await)[0],
        made.body
    );
    let waiting = |metrics: &Value| {
        let all = tasks(metrics).iter();
        let waiting = all.clone().find(|one| one["status"] == "pending");
        waiting.unwrap()["tasks"].as_i64().unwrap()
    };
    let more = kept(world, "/api/metrics").await;
    assert_eq!(waiting(&more), waiting(&metrics) + 1);
    assert!(world.get("/api/analytics/daily").await.is_hit());

    // Run: it waits no longer, and has cost something.
    let id = made.body["id"].as_str().unwrap();
    let run = json!({"day": "2026-01-01", "milliseconds": 120, "cents": 3, "failed": false});
    let path = format!("/api/tasks/{id}/runs");
    let ran = world.send(Method::POST, &path, &run).await;
    assert_eq!(ran.status, StatusCode::CREATED, "{ran:?}");
    assert_eq!(kept(world, "/api/tasks/pending").await, ten);
    let metrics = kept(world, "/api/metrics").await;
    assert_eq!(metrics["runs"]["runs"], 100_001);
    let days = kept(world, "/api/analytics/daily").await;
    let last = days.as_array().unwrap().last().unwrap();
    assert_eq!((&last["runs"], &last["cents"]), (&json!(1), &json!(3)));

    // Deleted, and what it has cost with it.
    let path = format!("/api/tasks/{id}");
    let gone = world.request(Method::DELETE, &path).told().await;
    assert_eq!(gone.body, json!({"success": true}));
    assert_eq!(kept(world, "/api/metrics").await["runs"]["runs"], 100_000);
    let again = world.request(Method::DELETE, &path).told().await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(world.get("/api/metrics").await.is_hit(), "nothing is old");
    let unknown = world
        .send(Method::POST, &format!("{path}/runs"), &run)
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    for wrong in ["0", "101", "x"] {
        let path = format!("/api/tasks/pending?limit={wrong}");
        assert!(world.get(&path).await.status.is_client_error());
    }
    let unnamed = json!({"title": "", "topic": "x"});
    let unnamed = world.send(Method::POST, "/api/tasks", &unnamed).await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn content_answers_as_documented(world: &World) {
    let path = "/api/content/7";
    let page = kept(world, path).await;
    assert_eq!(page["topic"], "topic-7");
    assert!(
        page["html"]
            .as_str()
            .unwrap()
            .starts_with("<h1>Subject 7</h1>\n<p>")
    );
    let related = page["related"].as_array().unwrap();
    assert_eq!(related.len(), 5);

    // The title of another stands on this page.
    let other = format!("/api/content/{}", related[0]["id"]);
    kept(world, &other).await;
    let foreign = "/api/content/8";
    kept(world, foreign).await;
    let draft = json!({"title": "Changed", "text": "# <Head>\n\nfour words & no more"});
    let put = world.send(Method::PUT, &other, &draft).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT, "{put:?}");
    let changed = kept(world, &other).await;
    assert_eq!(changed["title"], "Changed");
    assert_eq!(
        changed["html"],
        "<h1>&lt;Head&gt;</h1>\n<p>four words &amp; no more</p>\n"
    );
    assert_eq!(changed["words"], 7);
    assert_eq!(kept(world, path).await["related"][0]["title"], "Changed");
    assert!(
        world.get(foreign).await.is_hit(),
        "another topic is not concerned"
    );

    let gone = world.request(Method::DELETE, &other).told().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&other).await.status, StatusCode::NOT_FOUND);
    let without = kept(world, path).await;
    let ids = without["related"].as_array().unwrap().iter();
    assert!(!ids.clone().any(|one| one["id"] == related[0]["id"]));
    let put = world.send(Method::PUT, &other, &draft).await;
    assert_eq!(put.status, StatusCode::NOT_FOUND);
    let untitled = json!({"title": "", "text": ""});
    let put = world.send(Method::PUT, path, &untitled).await;
    assert_eq!(put.status, StatusCode::UNPROCESSABLE_ENTITY);
}

impl Instance {
    /// A session of Ada's: its token.
    async fn log_in(&self) -> String {
        let key = json!({"key": "example-key-of-ada"});
        let login = self.send(Method::POST, "/api/login", &key).await;
        assert_eq!(login.status, StatusCode::OK, "{login:?}");
        login.body["token"].as_str().unwrap().to_owned()
    }

    async fn session(&self, method: Method, token: &str) -> Answer {
        let request = self.request(method, "/api/session").bearer_auth(token);
        request.told().await
    }

    async fn reset(&self, path: &str, token: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/api/admin/{path}"));
        request.bearer_auth(token).told().await
    }

    async fn calls(&self, endpoint: &str) -> Value {
        let request = self.request(Method::GET, "/api/metrics/calls");
        request.query(&[("endpoint", endpoint)]).told().await.body
    }
}

/// E1, E2, E3, E6: query results, computations, sessions and real-time metrics, as the document has them.
#[tokio::test]
async fn four_uses_on_sqlite() {
    let world = start(&[("ADMIN_TOKEN", ADMIN)]).await;
    tasks_answer_as_documented(&world).await;
    content_answers_as_documented(&world).await;

    // A session needs no query, from its first request on, and ends at once.
    let token = world.log_in().await;
    for call in 1..3 {
        let session = world.session(Method::GET, &token).await;
        assert_eq!((session.status, session.queries), (StatusCode::OK, 0));
        assert_eq!(session.body["name"], "ada");
        assert_eq!(session.body["calls_today"], call);
    }
    let other = world.log_in().await;
    let ended = world.session(Method::DELETE, &token).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let closed = world.session(Method::GET, &token).await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);

    // Counters.
    let before = world.calls("/api/content/{id}").await["calls"].as_i64();
    world.get("/api/content/9").await;
    world.get("/api/content/10").await;
    let after = world.calls("/api/content/{id}").await;
    assert_eq!(after["calls"].as_i64(), before.map(|calls| calls + 2));
    assert_eq!(after["errors"], 0);

    // By hand, of some and of all, for who may.
    let (tasks, article) = ("/api/tasks/pending", "/api/content/9");
    kept(&world, tasks).await;
    let refused = world.reset("reset", "another").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(world.get(tasks).await.is_hit());
    kept(&world, "/api/analytics/daily").await;
    let done = world.reset("reset", ADMIN).await;
    assert_eq!(done.body, json!({"reset": ["query:*", "metrics:*"]}));
    kept(&world, tasks).await;
    kept(&world, "/api/metrics").await;
    assert!(world.get("/api/analytics/daily").await.is_hit());
    let partly = world.get(article).await;
    assert_eq!(partly.queries, 1, "what others read is a query's result");
    let done = world.reset("reset-all", ADMIN).await;
    assert_eq!(done.body, json!({"reset": ["*"]}));
    for path in [tasks, article, "/api/metrics", "/api/analytics/daily"] {
        kept(&world, path).await;
    }
    let session = world.session(Method::GET, &other).await;
    assert_eq!(session.body["name"], "ada");
    assert_eq!(session.body["calls_today"], 3, "a counter is no answer");

    // E5
    let health = world.get("/api/health").await.body;
    assert_eq!(
        (&health["status"], &health["available"]),
        (&json!("healthy"), &json!(true))
    );
    for figure in [
        "uptime_seconds",
        "used_memory_mb",
        "connected_clients",
        "ops_per_sec",
    ] {
        assert!(health[figure].is_number(), "{health}");
    }

    // E3: keys that a person can read, and no token among them.
    let mut redis = world.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis)
        .await
        .unwrap();
    for key in [
        "query:tasks:pending:10",
        "metrics:summary",
        "computation:analytics:daily",
        "content:9",
        "query:content:related:topic-9:9",
    ] {
        assert!(keys.contains(&format!("content:{key}")), "{key}: {keys:?}");
    }
    assert!(
        !keys
            .iter()
            .any(|key| key.contains(&token) || key.contains(&other))
    );
}

#[tokio::test]
async fn it_answers_as_documented_on_postgres() {
    let world = World::on_postgres("content").await;
    tasks_answer_as_documented(&world).await;
    content_answers_as_documented(&world).await;
    let token = world.log_in().await;
    let session = world.session(Method::GET, &token).await;
    assert_eq!(session.status, StatusCode::OK);
}

/// E10: a client that asks too often is told when to come again; logging in is limited always.
#[tokio::test]
async fn a_client_asks_so_often_and_no_more() {
    let world = start(&[("REQUESTS_PER_MINUTE", "12")]).await;
    let wrong = json!({"key": "a guess"});
    let login = async || {
        let request = world.request(Method::POST, "/api/login").json(&wrong);
        let response = request.send().await.unwrap();
        let retry = response.headers().get("retry-after").cloned();
        let retry = retry.map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        (response.status(), retry)
    };
    for _ in 0..10 {
        assert_eq!(login().await, (StatusCode::UNAUTHORIZED, None));
    }
    let told = |(status, retry): (StatusCode, Option<u64>)| {
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        let seconds = retry.expect("when to come again");
        assert!((1..=120).contains(&seconds), "{seconds}");
    };
    told(login().await);
    // That was the eleventh request of all.
    assert_eq!(world.get("/api/metrics").await.status, StatusCode::OK);
    let refused = world.request(Method::GET, "/api/metrics");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// E4: without Redis at all, and with it switched off, everything goes on; sessions are the database's.
#[tokio::test]
async fn everything_works_without_redis() {
    for (setting, value, kept) in [("REDIS_ENABLED", "false", false), ("REDIS_URL", "", true)] {
        let world = start(&[(setting, value)]).await;
        let first = world.get("/api/metrics").await;
        assert_eq!(first.status, StatusCode::OK);
        let second = world.get("/api/metrics").await;
        assert_eq!((second.is_hit(), second.body), (kept, first.body));
        let token = world.log_in().await;
        let session = world.session(Method::GET, &token).await;
        assert_eq!(session.status, StatusCode::OK);
        let ended = world.session(Method::DELETE, &token).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        let closed = world.session(Method::GET, &token).await;
        assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
        assert_eq!(world.get("/api/health").await.status, StatusCode::OK);
        let mut redis = world.redis.connection().await;
        let names: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
        assert_eq!(names, 0, "nobody has written to Redis");
    }
}

/// A session that is ended while Redis stands still is closed here at once, and stays so when Redis, which still has it, goes on.
#[tokio::test]
async fn a_session_ends_also_while_redis_stands_still() {
    let hasty = [("REDIS_SOCKET_TIMEOUT", "0.3"), ("CACHE_BUDGET", "0.3")];
    let world = start(&hasty).await;
    let token = world.log_in().await;
    world.redis.pause();
    let session = world.session(Method::GET, &token).await;
    assert_eq!(session.body["name"], "ada");
    assert_eq!(session.body["calls_today"], Value::Null);
    world.session(Method::DELETE, &token).await;
    let closed = world.session(Method::GET, &token).await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    world.redis.resume();
    eventually("Redis is used again", async || {
        world.get("/api/health").await.body["available"] == true
    })
    .await;
    let closed = world.session(Method::GET, &token).await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
}
