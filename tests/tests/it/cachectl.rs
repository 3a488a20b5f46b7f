//! `cachectl`, as a process of its own: what it says, how it exits, and what becomes of the services beside it.

use std::process::{Output, Stdio};
use std::time::Duration;

use cache_runtime::{Cache, Everything, Key, Pattern, cached};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use futures_util::StreamExt as _;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::world::{World, patient};

const HOUR: Duration = Duration::from_secs(3600);
/// Within which also a process on a busy machine has ended.
const DEADLINE: Duration = Duration::from_secs(120);
const SECRET: &str = "s3cret-of-the-server";

/// Over `url`, and nothing else of this machine's environment.
fn cachectl(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachectl-tested"));
    command
        .args(arguments)
        .env_clear()
        .env("REDIS_URL", url)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn ended(mut command: Command) -> Output {
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    output.expect("it ends in time").unwrap()
}

/// What it exits with, and says on standard output and standard error.
async fn said(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let patient = ["--timeout", "60s"].iter().chain(arguments);
    let output = ended(cachectl(url, &patient.copied().collect::<Vec<_>>())).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().expect("no signal ended it"),
        text(output.stdout),
        text(output.stderr),
    )
}

/// What it says when all is well.
async fn text(url: &str, arguments: &[&str]) -> String {
    let (code, out, err) = said(url, arguments).await;
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

/// With `--json`: how it exits, and its lines.
async fn lines(url: &str, arguments: &[&str]) -> (i32, Vec<Value>) {
    let json = ["--json"].iter().chain(arguments);
    let (code, out, err) = said(url, &json.copied().collect::<Vec<_>>()).await;
    assert_eq!(err, "", "{arguments:?}");
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
    (code, lines.collect())
}

async fn json(url: &str, arguments: &[&str]) -> Value {
    let (code, mut lines) = lines(url, arguments).await;
    assert_eq!((code, lines.len()), (0, 1), "{arguments:?}: {lines:?}");
    lines.remove(0)
}

/// A server with a password, and a cache over it with some entries.
async fn filled() -> (RedisServer, Cache) {
    let server = RedisServer::builder().password(SECRET).start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    for id in 0..5 {
        let value = json!({ "id": id, "title": "Buy milk" });
        assert!(cache.set(&task(id), &value, HOUR).await);
    }
    (server, cache)
}

fn task(id: u64) -> Key {
    Key::new("tasks", [&id as _])
}

#[tokio::test]
async fn the_server_is_described() {
    let (server, _cache) = filled().await;
    let url = server.url();
    let ping = text(&url, &["ping", "--count", "3"]).await;
    assert!(ping.starts_with("3 round trips: min "), "{ping}");
    let ping = json(&url, &["ping"]).await;
    assert_eq!(ping["count"], 10);
    assert!(ping["min_ms"].as_f64() <= ping["max_ms"].as_f64(), "{ping}");

    let (code, health) = lines(&url, &["health"]).await;
    // On a busy machine it may be slow.
    let healthy = health[0]["status"] == "healthy";
    assert_eq!(code, i32::from(!healthy), "{health:?}");
    assert_eq!(health[0]["connected"], true);

    let stats = text(&url, &["stats"]).await;
    assert!(stats.contains("all 5 keys of the cache"), "{stats}");
    let stats = json(&url, &["stats"]).await;
    assert_eq!(stats["sample"]["namespaces"]["tasks"]["keys"], 5);
    assert_eq!(stats["sample"]["namespaces"]["tasks"]["without_expiry"], 0);
    assert!(stats["server"]["used_memory"].as_u64() > Some(0), "{stats}");
    let stats = json(&url, &["stats", "--limit", "2"]).await;
    assert_eq!(
        (&stats["sample"]["keys"], &stats["sample"]["complete"]),
        (&json!(2), &json!(false))
    );
}

#[tokio::test]
async fn entries_are_listed_and_shown() {
    let (server, cache) = filled().await;
    let url = server.url();
    for all in [&["keys"][..], &["keys", "*"], &["keys", "tasks:*"]] {
        let listed = text(&url, all).await;
        let mut keys: Vec<_> = listed.lines().collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["tasks:0", "tasks:1", "tasks:2", "tasks:3", "tasks:4"]
        );
    }
    assert_eq!(text(&url, &["keys", "boards:*"]).await, "");
    let (_, some) = lines(&url, &["keys", "tasks:*", "--limit", "2"]).await;
    assert_eq!(some.len(), 2);
    assert!(some[0]["key"].as_str().unwrap().starts_with("tasks:"));

    let shown = text(&url, &["get", "tasks:3"]).await;
    for part in [
        "current     yes",
        "codec       Json",
        r#""title": "Buy milk""#,
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let raw = text(&url, &["get", "tasks:3", "--raw"]).await;
    assert_eq!(raw.trim(), r#"{"id":3,"title":"Buy milk"}"#);
    let shown = json(&url, &["get", "tasks:3"]).await;
    assert_eq!(
        (&shown["value"]["id"], &shown["current"]),
        (&json!(3), &json!(true))
    );
    let ttl = json(&url, &["ttl", "tasks:3"]).await;
    assert!(
        (1.0..=3600.0).contains(&ttl["ttl"].as_f64().unwrap()),
        "{ttl}"
    );
    assert!(text(&url, &["ttl", "tasks:3"]).await.trim().ends_with('s'));

    // Invalidated, and still there.
    cache.invalidate([Pattern::parse("tasks:*").unwrap()]).await;
    assert_eq!(json(&url, &["get", "tasks:3"]).await["current"], false);
    assert!(
        text(&url, &["ttl", "tasks:3"])
            .await
            .contains(", invalidated")
    );
}

#[tokio::test]
async fn all_keys_are_listed_by_the_library_too() {
    for world in World::both().await {
        let cache = &world.cache;
        cache.set(&task(1), &1, HOUR).await;
        cache.set(&Key::new("boards", [&2 as _]), &1, HOUR).await;
        let keys = cache.try_scan_all().map(|key| key.unwrap().to_string());
        let mut keys: Vec<_> = keys.collect().await;
        keys.sort_unstable();
        assert_eq!(keys, ["boards:2", "tasks:1"]);
    }
}

#[tokio::test]
async fn encrypted_values_are_not_shown() {
    let server = RedisServer::start().await;
    let secrets = format!("1:{}", "ab".repeat(32));
    let run = async |arguments: &[&str]| {
        let mut command = cachectl(&server.url(), arguments);
        command.env("CACHE_SECRETS", &secrets);
        ended(command).await
    };
    let cache = patient(Cache::builder().redis(server.url()))
        .secrets(cache_runtime::Secrets::parse(&secrets).unwrap())
        .protection(cache_runtime::Protection::Encrypted)
        .build()
        .unwrap();
    assert!(cache.set(&task(1), "hidden words", HOUR).await);
    let shown = run(&["--json", "get", "tasks:1"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(r#""state":"encrypted""#), "{shown}");
    let raw = run(&["get", "tasks:1", "--raw"]).await;
    assert_eq!(raw.status.code(), Some(1));
    let raw = String::from_utf8(raw.stderr).unwrap();
    for said in [&shown, &raw] {
        assert!(!said.contains("hidden") && !said.contains("abab"), "{said}");
    }
}

/// By generations: what a service has near, and what it is loading, is old.
#[tokio::test]
async fn running_services_never_serve_what_was_invalidated() {
    #[cached("titles", "1h", key = id, local = "1h", tags = ["workspace:{id}"], cache = &world.cache)]
    async fn title(#[skip] world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let world = World::redis().await;
    let url = world.server().url();
    for (n, arguments) in [
        &["invalidate", "titles:*"][..],
        &["invalidate", "titles:7"],
        &["invalidate", "boards:*", "--tag", "workspace:7"],
        &["del", "titles:1", "titles:7"],
        &["clear", "--yes"],
    ]
    .into_iter()
    .enumerate()
    {
        let row = n as u64 + 1;
        world.set_row(7, row - 1);
        // Near, and in Redis.
        eventually("it is near", async || {
            let before = world.loads();
            title(&world, 7).await;
            before == world.loads()
        })
        .await;
        world.set_row(7, row);
        text(&url, arguments).await;
        let what = arguments.join(" ");
        eventually(&what, async || title(&world, 7).await == row).await;

        // A load on its way, of the row before.
        world
            .cache
            .invalidate([Pattern::parse("titles:*").unwrap()])
            .await;
        world.close_gate();
        let load = title(&world, 7);
        tokio::pin!(load);
        tokio::select! {
            _ = &mut load => panic!("it is held"),
            () = world.arrival() => {}
        }
        world.set_row(7, row + 100);
        text(&url, arguments).await;
        world.open_gate();
        load.await;
        eventually(&what, async || title(&world, 7).await == row + 100).await;
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_right_is_told() {
    let (server, cache) = filled().await;
    let url = server.url();
    for (arguments, code, says) in [
        (
            &["get", "tasks:9"][..],
            1,
            "nothing is stored under `tasks:9`",
        ),
        (&["ttl", "tasks:9"], 1, "nothing is stored under `tasks:9`"),
        (&["get", "tasks:*"], 2, "`tasks:*`"),
        (&["get", "a::b"], 2, "empty segment"),
        (&["keys", "*:7"], 2, "must begin with a literal segment"),
        (&["keys", "--limit", "0"], 2, "--limit"),
        (&["stats", "--limit", "0"], 2, "--limit"),
        (&["ping", "--count", "0"], 2, "--count"),
        (&["bench", "--keys", "100001"], 2, "--keys"),
        (&["watch", "--every", "1ms"], 2, "at least 100 ms"),
        (&["watch"], 2, "on a terminal"),
        (&["invalidate", "*"], 2, "`cachectl clear`"),
        (&["invalidate", "--tag", ""], 2, "a tag has a name"),
        (&["del"], 2, "KEY"),
        (&["invalidate"], 2, "--tag"),
        (&[], 2, "ommand"),
        (&["del", "tasks:*"], 2, "`tasks:*`"),
        (&["clear"], 2, "--yes"),
        (&["--timeout", "0s", "ping"], 2, "a time is"),
        (
            &["--url", "nonsense", "ping"],
            2,
            "the Redis URL cannot be used",
        ),
        (&["--prefix", "a b", "ping"], 2, "prefix"),
        (&["--prefix", "", "keys"], 2, "without a prefix"),
        (&["nonsense"], 2, "nonsense"),
    ] {
        // With `--json` it needs no terminal.
        if arguments != ["watch"] {
            let json = [&["--json"], arguments].concat();
            let output = ended(cachectl(&url, &json)).await;
            let out: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(code), "{json:?}: {out}");
            let error = out["error"].as_str().unwrap();
            assert!(
                error.contains(says) && !error.contains('\x1b'),
                "{json:?}: {error}"
            );
        }
        let output = ended(cachectl(&url, arguments)).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(
            output.stdout.is_empty() && err.contains(says),
            "{arguments:?}: {err}"
        );
    }
    assert!(
        cache.exists(&task(1)).await,
        "`clear` without `--yes` clears nothing"
    );
    let mut nowhere = cachectl(&url, &["ping"]);
    let nowhere = ended({
        nowhere.env_remove("REDIS_URL");
        nowhere
    })
    .await;
    let err = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        nowhere.status.code() == Some(2) && err.contains("set REDIS_URL"),
        "{err}"
    );
}

#[tokio::test]
async fn every_command_ends_without_redis() {
    let (mut server, _) = filled().await;
    server.kill();
    each_fails(&server.url(), "refused").await;
}

/// A server that takes connections, and says nothing.
#[tokio::test]
async fn every_command_ends_while_redis_hangs() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    proxy.hold(Direction::ToClient, true);
    each_fails(&proxy.url(), "").await;
}

async fn each_fails(url: &str, why: &str) {
    for arguments in [
        &["ping"][..],
        &["health"],
        &["stats"],
        &["keys"],
        &["keys", "tasks:*"],
        &["get", "tasks:1"],
        &["ttl", "tasks:1"],
        &["del", "tasks:1"],
        &["invalidate", "tasks:*"],
        &["invalidate", "--tag", "x"],
        &["clear", "--yes"],
        &["watch"],
        &["bench"],
        &["doctor"],
    ] {
        let json = [&["--json", "--timeout", "300ms"], arguments].concat();
        let output = ended(cachectl(url, &json)).await;
        let out: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (code, problem) = match arguments[0] {
            "health" => (2, &out["problem"]),
            "doctor" => (1, &out["found"]),
            _ => (3, &out["error"]),
        };
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}");
        let problem = problem.as_str().unwrap();
        assert!(
            problem.contains("Redis") && problem.contains(why),
            "{arguments:?}: {problem}"
        );
        assert!(!out.to_string().contains(SECRET), "{out}");
    }
}

#[tokio::test]
async fn no_password_is_told() {
    let (server, _cache) = filled().await;
    let url = server.url();
    let wrong = url.replace(SECRET, "another-s3cret");
    for (url, code) in [(&url, 0), (&wrong, 3)] {
        for arguments in [&["ping"][..], &["--json", "ping"], &["--url", url, "ping"]] {
            let (ended, out, err) = said(url, arguments).await;
            assert_eq!(ended, code, "{arguments:?}: {out}{err}");
            assert!(
                !format!("{out}{err}").contains("s3cret"),
                "{arguments:?}: {out}{err}"
            );
        }
    }
    // What was typed in the wrong place is repeated without it.
    for arguments in [
        &[url.as_str()][..],
        &["get", &url],
        &["--json", "get", &url],
        &["--utl", &url],
    ] {
        let (code, out, err) = said(&url, arguments).await;
        assert_ne!(code, 0, "{arguments:?}");
        assert!(
            !format!("{out}{err}").contains(SECRET),
            "{arguments:?}: {out}{err}"
        );
    }
    let (_, checks) = lines(&url, &["doctor"]).await;
    assert!(!format!("{checks:?}").contains(SECRET));
}

#[tokio::test]
async fn a_closed_pipe_ends_it_quietly() {
    let (server, cache) = filled().await;
    let many: Vec<_> = (0..5_000).map(|id| (task(id), id)).collect();
    assert_eq!(cache.mset(&many, HOUR).await, many.len());
    let mut child = cachectl(&server.url(), &["keys", "*"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::with_capacity(16, child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .next_line()
            .await
            .unwrap()
            .unwrap()
            .starts_with("tasks:")
    );
    drop(lines);
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output());
    let output = output.await.expect("it ends in time").unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[tokio::test]
async fn watching_writes_a_line_each_time_and_ends_by_a_signal() {
    let (server, _cache) = filled().await;
    let mut child = cachectl(&server.url(), &["--json", "watch", "--every", "100ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let line: Value = serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap();
        assert_eq!(line["health"]["connected"], true);
        assert_eq!(line["sample"]["namespaces"]["tasks"]["keys"], 5);
    }
    interrupt(&child);
    let status = tokio::time::timeout(DEADLINE, child.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
}

/// C5: connection, hit against miss, invalidation and concurrency, with figures.
#[tokio::test]
async fn a_benchmark_leaves_nothing_behind() {
    let (server, cache) = filled().await;
    let url = server.url();
    let names = async || -> usize {
        server
            .connection()
            .await
            .keys::<_, Vec<String>>("*")
            .await
            .unwrap()
            .len()
    };
    let before = names().await;
    let figures = json(&url, &["bench", "--keys", "50", "--concurrency", "8"]).await;
    assert_eq!(
        (
            &figures["loads"],
            &figures["invalidation"]["served_afterwards"]
        ),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&figures["hit"]["count"], &figures["count"]),
        (&json!(50), &Value::Null)
    );
    assert!(
        figures["concurrency"]["per_second"].as_f64() > Some(0.0),
        "{figures}"
    );
    assert_eq!(names().await, before);

    let table = text(&url, &["bench", "--keys", "50"]).await;
    assert!(
        table.contains("50 keys invalidated by one pattern"),
        "{table}"
    );

    // Also when it is interrupted half way.
    let mut child = cachectl(&url, &["bench", "--keys", "100000"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it has begun to store", async || {
        names().await > before + 100
    })
    .await;
    interrupt(&child);
    let status = tokio::time::timeout(DEADLINE, child.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(1));
    assert_eq!(names().await, before);
    assert!(cache.exists(&task(1)).await);
}

fn interrupt(child: &tokio::process::Child) {
    let id = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
}

#[tokio::test]
async fn the_doctor_says_what_to_change() {
    let (server, cache) = filled().await;
    let url = server.url();
    let level = async |name: &str| {
        let (code, checks) = lines(&url, &["doctor"]).await;
        let check = checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name} in {checks:?}"));
        assert!(
            check["level"] == "ok" || check["change"].is_string(),
            "{check}"
        );
        (code, check["level"].as_str().unwrap().to_owned())
    };
    let expect = async |name: &str, wanted: &str| {
        let (code, said) = level(name).await;
        assert_eq!(said, wanted, "{name}");
        if wanted == "fail" {
            assert_eq!(code, 1, "{name}");
        }
    };
    let mut connection = server.connection().await;
    let mut set = async |name: &str, value: &str| {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg(name).arg(value);
        config.exec_async(&mut connection).await.unwrap();
    };
    for fine in [
        "connection",
        "version",
        "mode",
        "rights",
        "pushes",
        "expiry",
        "prefix",
        "password",
        "transport",
    ] {
        expect(fine, "ok").await;
    }
    expect("memory", "warn").await;
    set("maxmemory", "100mb").await;
    expect("memory", "ok").await;
    expect("eviction", "warn").await;
    set("maxmemory-policy", "allkeys-lfu").await;
    expect("eviction", "ok").await;
    set("maxmemory-policy", "allkeys-random").await;
    expect("eviction", "warn").await;
    // Nothing can be stored any more.
    set("maxmemory-policy", "noeviction").await;
    set("maxmemory", "1mb").await;
    expect("rights", "fail").await;
    set("maxmemory", "0").await;

    let mut connection = server.connection().await;
    let _: () = connection.set("cache:foreign:1", "for ever").await.unwrap();
    expect("expiry", "warn").await;
    cache.clear(Everything).await;
    let names: Vec<String> = connection.keys("cache:*doctor*").await.unwrap();
    assert_eq!(names, [""; 0], "it leaves nothing behind");

    let text = text(&url, &["doctor"]).await;
    assert!(
        text.contains("→ CONFIG SET maxmemory") && !text.contains('\x1b'),
        "{text}"
    );
}

#[tokio::test]
async fn the_doctor_knows_what_a_user_may_not_do_and_what_is_no_primary() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    let mut user = async |rights: &str| {
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER")
            .arg("ada")
            .arg("reset")
            .arg("on")
            .arg(">pass");
        for right in rights.split(' ') {
            acl.arg(right);
        }
        acl.exec_async(&mut connection).await.unwrap();
    };
    let url = format!("redis://ada:pass@127.0.0.1:{}", server.port());
    let check = async |name: &str| {
        let (code, checks) = lines(&url, &["doctor"]).await;
        let mut checks = checks.into_iter();
        let check = checks.find(|check| check["name"] == name).unwrap();
        assert!(!check.to_string().contains("ada"), "{check}");
        (code, check["level"].as_str().unwrap().to_owned())
    };
    user("~cache:* &cache:* +@all").await;
    assert_eq!(check("pushes").await, (0, "ok".to_owned()));
    user("~cache:* resetchannels +@all").await;
    assert_eq!(check("pushes").await, (0, "warn".to_owned()));
    user("~cache:* &cache:* +@all -set -evalsha -eval").await;
    assert_eq!(check("rights").await, (1, "fail".to_owned()));

    let (_, checks) = lines(&url.replace("pass", "wrong"), &["doctor"]).await;
    assert_eq!(
        (&checks[0]["name"], checks.len()),
        (&json!("connection"), 1)
    );
    let change = checks[0]["change"].as_str().unwrap();
    assert!(change.contains("password"), "{change}");

    let mut connection = server.connection().await;
    let mut replica = redis::cmd("REPLICAOF");
    replica
        .arg("127.0.0.1")
        .arg(1)
        .exec_async(&mut connection)
        .await
        .unwrap();
    let (code, checks) = lines(&server.url(), &["doctor"]).await;
    assert_eq!((code, checks.len()), (1, 1));
    assert!(
        checks[0]["found"]
            .as_str()
            .unwrap()
            .contains("the server is a replica")
    );
    assert!(checks[0]["change"].as_str().unwrap().contains("primary"));
}

#[tokio::test]
async fn the_doctor_measures_the_way_to_the_server() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    for (delay, level) in [(15, "warn"), (60, "fail")] {
        proxy.delay(Direction::ToClient, Duration::from_millis(delay));
        let mut command = cachectl(&proxy.url(), &["--json", "doctor", "--timeout", "60s"]);
        // A busy machine adds to 15 ms.
        let timeout = if level == "warn" { "10" } else { "0.05" };
        command.env("REDIS_SOCKET_TIMEOUT", timeout);
        let output = ended(command).await;
        let checks = String::from_utf8(output.stdout).unwrap();
        let checks = checks
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let checks: Vec<Value> = checks.collect();
        let latency = checks.iter().find(|check| check["name"] == "latency");
        assert_eq!(latency.unwrap()["level"], level, "{checks:?}");
    }
}

#[tokio::test]
async fn flags_take_the_place_of_the_environment() {
    let (server, _cache) = filled().await;
    let nowhere = "redis://127.0.0.1:1";
    let listed = text(nowhere, &["--url", &server.url(), "keys"]).await;
    assert_eq!(listed.lines().count(), 5);
    let other = text(&server.url(), &["--prefix", "other", "keys"]).await;
    assert_eq!(other, "");
}

#[tokio::test]
async fn it_explains_itself() {
    let help = text("redis://127.0.0.1:1", &["--help"]).await;
    for said in [
        "Exit codes:",
        "REDIS_URL",
        "list of processes",
        "doctor",
        "watch",
    ] {
        assert!(help.contains(said), "{said}:\n{help}");
    }
    for command in [
        "ping",
        "health",
        "stats",
        "keys",
        "get",
        "ttl",
        "del",
        "invalidate",
        "clear",
        "watch",
        "bench",
        "doctor",
        "completions",
    ] {
        let help = text("redis://127.0.0.1:1", &[command, "--help"]).await;
        assert!(help.contains("Example"), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text("", &["completions", shell]).await;
        assert!(
            script.contains("cachectl") && script.contains("doctor"),
            "{shell}"
        );
    }
}
