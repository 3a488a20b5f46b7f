use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Database, Told as _, World};

const USER: &str = "/api/users/user26";
const GOAL: &str = "/api/users/user26/goals/goal2";

/// D1, D2, D4: on SQLite and on PostgreSQL.
async fn it_answers_as_documented(world: &World) {
    let lists = [
        "/goals",
        "/tasks?status=pending",
        "/tasks?status=done",
        "/dashboard",
        "/ari",
        "/ari/history",
    ];
    let lists = lists.map(|rest| format!("{USER}{rest}"));
    for path in &lists {
        let first = world.get(path).await;
        assert_eq!(
            (first.status, first.cache.as_str()),
            (StatusCode::OK, "MISS"),
            "{path}"
        );
        let second = world.get(path).await;
        assert!(second.is_hit() && second.body == first.body, "{path}");
    }
    let still_hits = async |expected: [bool; 6]| {
        for (path, expected) in lists.iter().zip(expected) {
            assert_eq!(world.get(path).await.is_hit(), expected, "{path}");
        }
    };
    still_hits([true; 6]).await;

    // A goal is written through.
    let goal = world.get(GOAL).await.body;
    assert_eq!(goal["status"], "active");
    let change = json!({"title": "Read more", "progress": 0.5});
    let changed = world.send(Method::PUT, GOAL, &change).await;
    assert_eq!(changed.body["title"], "Read more");
    let read = world.get(GOAL).await;
    assert!(read.is_hit() && read.body == changed.body, "{read:?}");
    still_hits([false, true, true, false, true, true]).await;

    // Completed, with its nine tasks that are not.
    let open = async || {
        let dashboard = world.get(&lists[3]).await.body;
        let tasks = dashboard["tasks"].as_array().unwrap().clone();
        let open = tasks.iter().filter(|of| of["status"] != "done");
        open.map(|of| of["number"].as_i64().unwrap()).sum::<i64>()
    };
    let before = open().await;
    let done = world.request(Method::POST, &format!("{GOAL}/complete"));
    assert_eq!(done.told().await.body["status"], "completed");
    assert_eq!(world.get(GOAL).await.body["progress"], 1.0);
    let active = world.get(&lists[0]).await.body;
    assert!(
        active
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["id"] != "goal2")
    );
    assert_eq!(open().await, before - 9);
    still_hits([true, false, false, true, true, true]).await;

    // One that is new, and its task.
    let new = json!({"title": "Write a book"});
    let made = world
        .send(Method::POST, &format!("{USER}/goals"), &new)
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let active = world.get(&lists[0]).await.body;
    assert!(active.as_array().unwrap().contains(&made.body));
    let task = json!({"goal_id": made.body["id"], "title": "The first page", "made": 19999});
    let task = world
        .send(Method::POST, &format!("{USER}/tasks"), &task)
        .await;
    assert_eq!(task.status, StatusCode::CREATED);
    still_hits([true, false, true, false, true, true]).await;
    assert_eq!(world.get(&lists[1]).await.body[0], task.body);
    let path = format!("{USER}/tasks/{}", task.body["id"].as_str().unwrap());
    let done = json!({"status": "done", "done": 20000});
    world.send(Method::PUT, &path, &done).await;
    assert_eq!(
        world.get(&lists[2]).await.body[0]["title"],
        "The first page"
    );

    // A snapshot.
    still_hits([true, false, true, false, true, true]).await;
    let snapshot = json!({"day": 20000, "autonomy": 0.25, "skill": 0.5, "reliance": 0.75});
    world.send(Method::POST, &lists[4], &snapshot).await;
    still_hits([true, true, true, false, false, false]).await;
    assert_eq!(world.get(&lists[4]).await.body, snapshot);
    assert_eq!(world.get(&lists[5]).await.body[0]["day"], 20000);

    // The user: all of it is old, and nothing of anybody else's.
    let other = "/api/users/user7/dashboard";
    world.get(other).await;
    let user = json!({"name": "Ada", "style": "doing"});
    world.send(Method::PUT, USER, &user).await;
    assert!(world.get(other).await.is_hit());
    assert_eq!(world.get(USER).await.body["name"], "Ada");
    still_hits([false; 6]).await;

    for nothing in [
        "/api/users/user999",
        "/api/users/user7/goals/goal2",
        "/api/users/user7/goals/goal9999",
    ] {
        assert_eq!(world.get(nothing).await.status, StatusCode::NOT_FOUND);
    }
    let foreign = json!({"title": "Not yours", "progress": 0.5});
    let foreign = world
        .send(Method::PUT, "/api/users/user7/goals/goal2", &foreign)
        .await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(GOAL).await.body["title"], "Read more");
    let wrong = json!({"title": "", "progress": 0.5});
    let wrong = world.send(Method::PUT, GOAL, &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    // D5, D6, D7.
    let health = world.get("/api/system/cache-health").await.body;
    assert_eq!(health["redis_connected"], true);
    assert!(health["keys_count"].as_u64().unwrap() > 5, "{health}");
    let metrics = world.get("/metrics").await.body;
    for name in [
        "cache_hits_total",
        "cache_misses_total",
        "cache_evictions_total",
        "cache_memory_used_bytes",
        "redis_connected",
    ] {
        assert!(
            metrics.as_str().unwrap().contains(&format!("\n{name}{{")),
            "{name} in {metrics}"
        );
    }
}

#[tokio::test]
async fn it_answers_as_documented_on_sqlite() {
    it_answers_as_documented(&World::start("goals").await).await;
}

#[tokio::test]
async fn it_answers_as_documented_on_postgres() {
    it_answers_as_documented(&World::on_postgres("goals").await).await;
}

async fn with(settings: &[(&'static str, &str)]) -> World {
    let database = Database::Sqlite(tempfile::tempdir().unwrap());
    World::with("goals", database, settings).await
}

/// D9: `CACHE_ENABLED`, `CACHE_TTL_SECONDS`, `REDIS_MAX_CONNECTIONS`, `REDIS_SOCKET_TIMEOUT`.
#[tokio::test]
async fn d9_the_environment_is_heeded() {
    let path = format!("{USER}/dashboard");
    let off = with(&[("CACHE_ENABLED", "false")]).await;
    for _ in 0..2 {
        let answer = off.get(&path).await;
        assert!(
            answer.status == StatusCode::OK && answer.queries > 1,
            "{answer:?}"
        );
    }

    let on = with(&[
        ("CACHE_TTL_SECONDS", "1000"),
        ("REDIS_MAX_CONNECTIONS", "2"),
        ("REDIS_SOCKET_TIMEOUT", "0.5"),
        ("CACHE_BUDGET", "0.5"),
    ])
    .await;
    let all = (1..20).map(async |n| on.get(&format!("/api/users/user{n}/dashboard")).await);
    futures_util::future::join_all(all).await;
    on.get(&path).await;
    let mut redis = on.redis.connection().await;
    let left: i64 = redis::cmd("TTL")
        .arg("goals:dashboard:metrics:user26")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!((800..=1000).contains(&left), "{left} s");
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut redis)
        .await
        .unwrap();
    // This connection is one of them, and the pushes have theirs.
    assert!(clients.lines().count() <= 4, "{clients}");
    // It answers from the database, well before a default of its own would.
    on.redis.pause();
    let without = on.get(&path).await;
    on.redis.resume();
    assert!(without.queries > 1, "{without:?}");
    assert_eq!(without.body, off.get(&path).await.body);
}
