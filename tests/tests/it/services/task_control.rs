use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Database, Instance, World};
use crate::services::Told as _;

const SERVICE: &str = "task_control";
/// Number 7, which is of project 8, and waits.
const TASK: &str = "7a000000-0000-4000-8000-000000000007";
const LIST: &str = "/api/v1/tasks?project=8&status=pending";
const SUMMARY: &str = "/api/v1/tasks/summary?project=8";
const SUMMARY_OF_ANOTHER: &str = "/api/v1/tasks/summary?project=9";
const TIERS: [(&str, &str); 3] = [
    ("COMMUNITY_TOKEN", "community"),
    ("BUSINESS_TOKEN", "business"),
    ("ENTERPRISE_TOKEN", "enterprise"),
];

async fn start() -> World {
    let database = Database::Sqlite(tempfile::tempdir().unwrap());
    World::with(SERVICE, database, &TIERS).await
}

impl Instance {
    async fn manage(&self, method: Method, path: &str, tier: &str) -> Answer {
        let request = self.request(method, &format!("/api/v1/cache{path}"));
        request.bearer_auth(tier).told().await
    }
}

/// C1, C2, and the tags of C6.
async fn it_answers_as_documented(world: &World) {
    let path = format!("/api/v1/tasks/{TASK}");
    let first = world.get(&path).await;
    assert_eq!((first.cache.as_str(), first.queries), ("MISS", 1));
    let expected = json!({
        "id": TASK, "project_id": 8, "name": "task 7", "status": "pending", "priority": 2, "changes": 3,
    });
    assert_eq!(first.body, expected);
    assert!(world.get(&path).await.is_hit());
    let list = world.get(LIST).await.body;
    assert_eq!(list.as_array().unwrap().len(), 50);
    assert!(world.get(LIST).await.is_hit());
    let count = |summary: &Value, status: &str| {
        let all = summary.as_array().unwrap().iter();
        let count = all.clone().find(|one| one["status"] == status).unwrap();
        count["tasks"].as_i64().unwrap()
    };
    let before = world.get(SUMMARY).await.body;

    // Updated: the task, and all of its project. What is another's is not old.
    let change = json!({"name": "renamed", "status": "done", "priority": 4, "author": "ada"});
    let put = world.send(Method::PUT, &path, &change).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT, "{put:?}");
    let task = world.get(&path).await.body;
    assert_eq!(
        (&task["name"], &task["status"], &task["changes"]),
        (&json!("renamed"), &json!("done"), &json!(4))
    );
    assert_eq!(world.get(LIST).await.cache, "MISS");
    let after = world.get(SUMMARY).await.body;
    assert_eq!(count(&after, "pending"), count(&before, "pending") - 1);
    assert_eq!(count(&after, "done"), count(&before, "done") + 1);
    assert!(world.get(SUMMARY_OF_ANOTHER).await.is_hit());

    // Made: it is the most urgent one of its project.
    let new = json!({"project_id": 8, "name": "new", "priority": 9});
    let made = world.send(Method::POST, "/api/v1/tasks", &new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(world.get(LIST).await.body[0], made.body);
    let own = format!("/api/v1/tasks/{}", made.body["id"].as_str().unwrap());
    assert_eq!(world.get(&own).await.body, made.body);

    // Deleted.
    let gone = world.request(Method::DELETE, &own).told().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&own).await.status, StatusCode::NOT_FOUND);
    assert_ne!(world.get(LIST).await.body[0], made.body);
    assert_eq!(world.get(SUMMARY).await.body, after);
    let again = world.request(Method::DELETE, &own).told().await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let put = world.send(Method::PUT, &own, &change).await;
    assert_eq!(put.status, StatusCode::NOT_FOUND);
    assert!(world.get(SUMMARY).await.is_hit(), "nothing is old");
    let unnamed = json!({"project_id": 8, "name": ""});
    let unnamed = world.send(Method::POST, "/api/v1/tasks", &unnamed).await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY);

    // By hand: set, got, deleted, cleared.
    let editor = format!("{path}/editor");
    let ada = json!({"name": "ada"});
    assert_eq!(world.get(&editor).await.status, StatusCode::NOT_FOUND);
    for remove in [editor.as_str(), "/api/v1/tasks/editors"] {
        world.send(Method::PUT, &editor, &ada).await;
        assert_eq!(world.get(&editor).await.body, ada);
        world.request(Method::DELETE, remove).told().await;
        assert_eq!(world.get(&editor).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn it_answers_as_documented_on_sqlite() {
    it_answers_as_documented(&start().await).await;
}

#[tokio::test]
async fn it_answers_as_documented_on_postgres() {
    it_answers_as_documented(&World::on_postgres(SERVICE).await).await;
}

/// C3: what a token may do depends on its tier.
#[tokio::test]
async fn tiers_see_what_they_may() {
    let world = start().await;
    let path = format!("/api/v1/tasks/{TASK}");
    let key = format!("/key/task:{TASK}");
    world.get(&path).await;
    let asked = [
        (Method::GET, "/stats", [403, 200, 200]),
        (
            Method::GET,
            "/keys?pattern=task:*&limit=100",
            [403, 403, 200],
        ),
        (Method::GET, &key, [403, 403, 200]),
        (Method::DELETE, "/clear?pattern=task:*", [403, 200, 200]),
        (Method::DELETE, "/clear?confirm=everything", [403, 200, 200]),
    ];
    for (method, path, expected) in &asked {
        for ((_, tier), expected) in TIERS.iter().zip(expected) {
            world.get(&format!("/api/v1/tasks/{TASK}")).await;
            let answer = world.manage(method.clone(), path, tier).await;
            assert_eq!(answer.status, *expected, "{tier}, {path}: {answer:?}");
        }
        let stranger = world.manage(method.clone(), path, "guessed").await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    }

    // What they see.
    let task = world.get(&path).await.body;
    assert!(world.get(&path).await.is_hit());
    let stats = world.manage(Method::GET, "/stats", "business").await.body;
    assert!(stats["server"]["version"].is_string(), "{stats}");
    assert!(stats["memory"]["used_memory"].is_string(), "{stats}");
    assert!(stats["stats"]["hits"].as_u64().unwrap() > 0, "{stats}");
    let keys = "/keys?pattern=task:*&limit=100";
    let keys = world.manage(Method::GET, keys, "enterprise").await.body;
    assert_eq!(keys["keys"], json!([format!("task:{TASK}")]));
    let entry = world.manage(Method::GET, &key, "enterprise").await.body;
    assert_eq!(entry["value"], task);
    assert!(
        (1..=300).contains(&entry["ttl"].as_u64().unwrap()),
        "{entry}"
    );

    // What they clear.
    world.get(SUMMARY).await;
    let clear = "/clear?pattern=task:*";
    world.manage(Method::DELETE, clear, "business").await;
    assert_eq!(world.get(&path).await.cache, "MISS");
    assert!(world.get(SUMMARY).await.is_hit());
    let clear = "/clear?confirm=everything";
    world.manage(Method::DELETE, clear, "business").await;
    assert_eq!(world.get(SUMMARY).await.cache, "MISS");
}

/// C4: editions beside each other have rows and answers of their own: in one database of Redis by their prefix, or in one of their own.
#[tokio::test]
async fn editions_see_nothing_of_each_other() {
    let community = start().await;
    let (folder, port) = (
        tempfile::tempdir().unwrap(),
        community.redis.port().to_string(),
    );
    let [enterprise, business] =
        ["enterprise", "business"].map(|name| format!("sqlite:{}/{name}", folder.path().display()));
    let enterprise = [
        ("EDITION", "enterprise"),
        ("DATABASE_URL", &enterprise),
        ("REDIS_URL", &community.redis.url()),
    ];
    let business = [
        ("EDITION", "business"),
        ("DATABASE_URL", &business),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("REDIS_DB", "1"),
        ("CACHE_TTL", "60"),
        ("BUSINESS_TOKEN", "business"),
    ];
    let enterprise = Instance::start(SERVICE, enterprise).await;
    let business = Instance::start(SERVICE, business).await;
    let path = format!("/api/v1/tasks/{TASK}");
    for instance in [&community.instance, &enterprise, &business] {
        assert_eq!(instance.get(&path).await.cache, "MISS");
        assert!(instance.get(&path).await.is_hit());
    }

    let ttl = async |redis: &mut MultiplexedConnection, edition: &str| -> i64 {
        let mut ttl = redis::cmd("TTL");
        ttl.arg(format!("task_control_{edition}:task:{TASK}"));
        ttl.query_async(redis).await.unwrap()
    };
    let mut redis = community.redis.connection().await;
    assert!(ttl(&mut redis, "community").await > 60);
    assert!(ttl(&mut redis, "enterprise").await > 60);
    assert_eq!(ttl(&mut redis, "business").await, -2);
    let mut select = redis::cmd("SELECT");
    let () = select.arg(1).query_async(&mut redis).await.unwrap();
    assert!((1..=60).contains(&ttl(&mut redis, "business").await));

    let change = json!({"name": "of business", "status": "done", "priority": 4, "author": "ada"});
    business.send(Method::PUT, &path, &change).await;
    assert_eq!(business.get(&path).await.body["name"], "of business");
    let all = "/clear?confirm=everything";
    business.manage(Method::DELETE, all, "business").await;
    for other in [&community.instance, &enterprise] {
        let task = other.get(&path).await;
        assert!(task.is_hit());
        assert_eq!(task.body["name"], "task 7");
    }
    let wrong = [("EDITION", "another")];
    let refused = tokio::spawn(Instance::start(SERVICE, wrong)).await;
    assert!(refused.is_err(), "there is no such edition");
}

/// C6: warming, and no stampede: of many that ask two instances for what nobody has, one asks the database. Tags are shown above; Prometheus in `metrics` and
/// `dashboard`, Redis Cluster in `cluster`.
#[tokio::test]
async fn later_wishes() {
    let world = start().await;
    assert!(world.get(SUMMARY).await.is_hit(), "warmed");
    let Database::Sqlite(folder) = &world.database else {
        unreachable!("it is SQLite")
    };
    let url = format!("sqlite:{}/db", folder.path().display());
    let shared = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &world.redis.url()),
    ];
    let another = Instance::start(SERVICE, shared).await;
    let asked = (0..20).flat_map(|_| [world.get(LIST), another.get(LIST)]);
    let answers = join_all(asked).await;
    let queries: u64 = answers.iter().map(|answer| answer.queries).sum();
    assert_eq!(queries, 1);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
}
