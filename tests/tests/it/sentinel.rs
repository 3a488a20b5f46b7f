//! Redis Sentinel: the master is found, followed through failovers, and left when it is the master no more.

use std::time::{Duration, Instant};

use cache_runtime::{Builder, Cache, Pattern, Target, cached, invalidates};
use cache_tests::{Authority, Proxy, RedisSentinels, RedisServer, eventually};
use tokio::process::Command;
use tracing::Level;

use crate::heard::Heard;
use crate::world::World;

#[cached(namespace = "rows:all", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:near", ttl = "1h", key = id, local = "30m", cache = world.cache)]
async fn near(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates(row(id), "rows:near:*", cache = world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

/// Patient enough for a loaded machine, and not so much that what hangs were waited for.
fn over(builder: Builder) -> World {
    let builder = builder
        .operation_timeout(Duration::from_secs(5))
        .call_budget(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10));
    World::over(builder.build().unwrap(), None)
}

fn watched(redis: &RedisSentinels) -> World {
    over(Cache::builder().redis_sentinel(redis.master(), redis.urls()))
}

/// Where it is connected to.
async fn port(world: &World) -> Option<u16> {
    let facts = world.cache.try_server_facts().await.ok()?;
    facts.address.rsplit_once(':')?.1.parse().ok()
}

/// Whether what one loads the other finds.
async fn share(worlds: [&World; 2], id: u64) -> bool {
    let [one, other] = worlds;
    row(one, id).await;
    let before = other.loads() + one.loads();
    row(other, id).await;
    row(one, id).await;
    other.loads() + one.loads() == before
}

/// From the source as well as from the cache.
async fn goes_on(worlds: [&World; 2], id: u64, value: u64) {
    let began = Instant::now();
    for world in worlds {
        world.set_row(id, value);
        write(world, id, value).await;
        assert_eq!(row(world, id).await, value);
        assert_eq!(near(world, id).await, value);
    }
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "callers have waited"
    );
}

async fn tell(server: &RedisServer, command: &str) -> redis::RedisResult<()> {
    let mut connection = server.connection().await;
    let mut words = command.split(' ');
    let mut sent = redis::cmd(words.next().unwrap());
    sent.arg(words.collect::<Vec<_>>())
        .exec_async(&mut connection)
        .await
}

#[tokio::test]
async fn the_master_is_found_by_any_sentinel_and_by_the_command_line() {
    let mut redis = RedisSentinels::start(Some("watchers")).await;
    let [here, there] = [watched(&redis), watched(&redis)];
    assert!(share([&here, &there], 1).await);
    assert_eq!(port(&here).await, Some(redis.servers[0].port()));

    // With the rights that the guide asks for, it is told of news, too.
    let mut restricted = Vec::new();
    for sentinel in &redis.sentinels {
        let rights = "+sentinel|master +sentinel|get-master-addr-by-name +subscribe &+switch-master &+promoted-slave";
        let user = format!("ACL SETUSER ada on >lovelace {rights}");
        tell(sentinel, &user).await.unwrap();
        restricted.push(sentinel.url().replace(":watchers@", "ada:lovelace@"));
    }
    let ada = over(Cache::builder().redis_sentinel(redis.master(), restricted));
    assert!(share([&here, &ada], 3).await);
    for sentinel in &redis.sentinels {
        let mut connection = sentinel.connection().await;
        let hers = |line: &str| line.contains("user=ada") && line.contains("sub=2");
        eventually("it listens", async || {
            let clients: String = redis::cmd("CLIENT")
                .arg("LIST")
                .query_async(&mut connection)
                .await
                .unwrap();
            clients.lines().any(hers)
        })
        .await;
    }

    redis.sentinels[0].kill();
    redis.sentinels[1].pause();
    let late = watched(&redis);
    eventually("it is found by one of three", async || {
        share([&here, &late], 2).await
    })
    .await;
    redis.sentinels[1].resume();

    let sentinels = redis.urls().join(",");
    let own = sentinels.replace(":watchers@", "");
    let tool = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachectl-tested"));
        command
            .env_clear()
            .args(["--timeout", "60s"])
            .args(arguments)
            .kill_on_drop(true);
        command
    };
    let mut by_options = tool(&[
        "ping",
        "--master",
        &redis.master(),
        "--sentinels",
        &sentinels,
    ]);
    assert!(by_options.output().await.unwrap().status.success());
    let mut by_environment = tool(&["ping"]);
    by_environment
        .env("REDIS_MASTER", RedisSentinels::NAME)
        .env("REDIS_SENTINELS", own)
        .env("REDIS_SENTINEL_PASSWORD", "watchers")
        .env("REDIS_PASSWORD", "servers");
    assert!(by_environment.output().await.unwrap().status.success());
    assert!(
        !tool(&["ping", "--sentinels", &sentinels])
            .output()
            .await
            .unwrap()
            .status
            .success()
    );
}

/// The master is told, and dies; a replica that has not heard of it is promoted.
#[tokio::test]
async fn a_killed_master_is_followed_and_nothing_comes_back() {
    let mut redis = RedisSentinels::start(None).await;
    let [here, there] = [watched(&redis), watched(&redis)];
    for id in 0..3 {
        assert!(share([&here, &there], id).await);
        near(&there, id).await;
    }
    // The replicas have all of it, and hear nothing any more.
    let mut connection = redis.servers[0].connection().await;
    let in_step: redis::RedisResult<u64> = redis::cmd("WAIT")
        .arg((2, 20_000))
        .query_async(&mut connection)
        .await;
    assert_eq!(in_step.unwrap(), 2);
    let cut = async |command: &str| {
        let mut words = command.split(' ');
        let mut sent = redis::cmd(words.next().unwrap());
        sent.arg(words.collect::<Vec<_>>());
        sent.exec_async(&mut connection.clone()).await.unwrap();
    };
    cut("CONFIG SET requirepass other").await;
    cut("CLIENT KILL TYPE replica").await;
    for world in [&here, &there] {
        world.set_row(0, 1);
    }
    write(&here, 0, 1).await;
    assert_eq!(
        here.cache.stats().pending_invalidations,
        0,
        "the master was told"
    );
    redis.servers[0].kill();

    // Nobody waits, and what cannot be told now is told later.
    for value in 10..20 {
        goes_on([&here, &there], 1, value).await;
    }
    assert!(here.cache.stats().pending_invalidations > 0);
    let promoted = redis.promoted().await;
    for world in [&here, &there] {
        eventually("the new master is used", async || {
            goes_on([&here, &there], 2, 7).await;
            port(world).await == Some(promoted.port())
                && world.cache.stats().pending_invalidations == 0
        })
        .await;
        assert_eq!(
            (row(world, 0).await, row(world, 1).await),
            (1, 19),
            "what was invalidated is back"
        );
        assert_eq!(
            (near(world, 0).await, near(world, 1).await),
            (1, 19),
            "what was invalidated is back"
        );
    }
    eventually("they share again", async || share([&here, &there], 5).await).await;
}

/// All is well, and the old master goes on serving: as long as the sentinels let it, its connections live.
#[tokio::test]
async fn a_failover_that_is_asked_for_is_followed() {
    let redis = RedisSentinels::start(None).await;
    let [here, there] = [watched(&redis), watched(&redis)];
    assert!(share([&here, &there], 1).await);
    redis.fail_over().await;
    let promoted = redis.promoted().await;
    for world in [&here, &there] {
        eventually("the old master is left", async || {
            goes_on([&here, &there], 1, 3).await;
            port(world).await == Some(promoted.port())
        })
        .await;
    }
    eventually("they share again", async || share([&here, &there], 2).await).await;
}

/// The old master serves those that are connected to it, and no sentinel reaches it to tell it so.
#[tokio::test]
async fn an_old_master_that_is_cut_off_from_the_sentinels_is_left() {
    let redis = RedisSentinels::start(None).await;
    let here = watched(&redis);
    row(&here, 1).await;
    near(&here, 1).await;
    redis.cut_off().await;
    let promoted = redis.promoted().await;
    let late = watched(&redis);
    late.set_row(1, 5);
    write(&late, 1, 5).await;
    here.set_row(1, 5);
    eventually("the old master is left", async || {
        port(&here).await == Some(promoted.port())
    })
    .await;
    assert_eq!((row(&here, 1).await, near(&here, 1).await), (5, 5));
    eventually("they share", async || share([&here, &late], 2).await).await;
    let info: String = redis::cmd("INFO")
        .arg("replication")
        .query_async(&mut redis.servers[0].connection().await)
        .await
        .unwrap();
    assert!(info.contains("role:master"), "nobody has told it");
}

/// It knows of no failover, and is the only one that answers.
#[tokio::test]
async fn a_sentinel_that_lags_leads_nobody_back() {
    let mut redis = RedisSentinels::start(None).await;
    let here = watched(&redis);
    row(&here, 1).await;
    redis.sentinels[2].kill();
    redis.cut_off().await;
    let promoted = redis.promoted().await.port();
    eventually("the old master is left", async || {
        port(&here).await == Some(promoted)
    })
    .await;
    for sentinel in &mut redis.sentinels[..2] {
        sentinel.kill();
    }
    redis.sentinels[2].restart().await;
    eventually("it was asked some times", async || {
        let mut connection = redis.sentinels[2].connection().await;
        let clients: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut connection)
            .await
            .unwrap();
        let figure = |line: &str, name: &str| -> Option<u64> {
            line.split(' ')
                .find_map(|field| field.strip_prefix(name)?.parse().ok())
        };
        let asks = |line: &str| {
            line.contains("cmd=sentinel|")
                && figure(line, "age=") >= Some(3)
                && figure(line, "idle=") <= Some(1)
        };
        clients.lines().any(asks)
    })
    .await;
    assert_eq!(port(&here).await, Some(promoted));
    assert_eq!(here.cache.stats().total.degraded, 0);
}

/// Two masters at one time, each with an instance: what is told to the old one the new one does not hear. When the first instance comes over, it is made old there.
#[tokio::test]
async fn what_the_old_master_was_told_the_new_one_is_told_again() {
    let redis = RedisSentinels::start(None).await;
    let mut network = Vec::new();
    for sentinel in &redis.sentinels {
        network.push(Proxy::start(sentinel.port()).await);
    }
    let here =
        over(Cache::builder().redis_sentinel(redis.master(), network.iter().map(Proxy::url)));
    row(&here, 1).await;
    // It hears of no sentinel, and its master has a replica that they do not know of.
    for proxy in &network {
        proxy.refuse(true);
        proxy.cut();
    }
    redis.cut_off().await;
    let follower = redis.follower().await;
    let promoted = redis.promoted().await;
    let there = watched(&redis);
    eventually("there the new master is used", async || {
        share([&there, &there], 1).await
    })
    .await;
    let writes = [
        row::key(1).into(),
        Target::from(Pattern::parse("rows:near:*").unwrap()),
    ];
    near(&there, 1).await;
    for world in [&here, &there] {
        world.set_row(1, 5);
    }
    here.cache
        .try_invalidate(writes)
        .await
        .expect("the old master is told");
    assert_eq!(
        (row(&here, 1).await, port(&here).await),
        (5, Some(redis.servers[0].port()))
    );
    assert_eq!(row(&there, 1).await, 0, "the masters are not two");
    drop(follower);
    for proxy in &network {
        proxy.refuse(false);
    }
    eventually("it comes over", async || {
        port(&here).await == Some(promoted.port())
    })
    .await;
    assert_eq!(row(&there, 1).await, 5);
    eventually("it is pushed", async || near(&there, 1).await == 5).await;
}

/// Who is connected needs no sentinel, as long as the master's replicas go on.
#[tokio::test]
async fn without_sentinels_a_master_with_replicas_is_relied_on() {
    let mut redis = RedisSentinels::start(None).await;
    let here = watched(&redis);
    row(&here, 1).await;
    for sentinel in &mut redis.sentinels {
        sentinel.kill();
    }
    let mut connection = redis.servers[0].connection().await;
    let mut asked = 0;
    let mut looks = None;
    eventually("it was looked after some times", async || {
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let calls = info
            .split_once("cmdstat_info:calls=")
            .unwrap()
            .1
            .split_once(',')
            .unwrap()
            .0;
        // Without those of this test.
        let calls = calls.parse::<u64>().unwrap() - asked;
        asked += 1;
        calls >= *looks.get_or_insert(calls) + 3
    })
    .await;
    let loads = here.loads();
    row(&here, 1).await;
    assert_eq!(here.loads(), loads, "the cache is not used any more");
    assert_eq!(here.cache.stats().total.degraded, 0);

    // Whom neither a sentinel nor a replica knows for the master may have a successor.
    for replica in &mut redis.servers[1..] {
        replica.kill();
    }
    eventually("it is left", async || {
        here.cache.health().await.problem.is_some()
    })
    .await;
    here.set_row(1, 4);
    write(&here, 1, 4).await;
    assert_eq!(row(&here, 1).await, 4);
    redis.sentinels[0].restart().await;
    eventually("one of three says so", async || {
        let problem = here.cache.health().await.problem;
        problem.is_some_and(|problem| problem.contains("neither most of the sentinels"))
    })
    .await;
    redis.sentinels[1].restart().await;
    eventually("it is used again", async || share([&here, &here], 1).await).await;
    assert_eq!(row(&here, 1).await, 4);
}

/// No connection is made, for that reason; the source answers.
async fn degrades(world: &World, heard: &Heard, reason: &str) {
    eventually(reason, async || {
        assert_eq!(row(world, 1).await, 0);
        heard.has(Level::ERROR, &["cannot connect to Redis", reason])
    })
    .await;
    let problem = world.cache.health().await.problem.unwrap();
    assert!(problem.contains(reason), "{problem}");
}

#[tokio::test]
async fn what_is_wrong_is_told_and_no_secret() {
    let mut redis = RedisSentinels::start(Some("hunter2")).await;
    let wrong = |master: &str, sentinels: &[String]| {
        over(Cache::builder().redis_sentinel(master, sentinels))
    };
    let urls = redis.urls();
    let others: Vec<_> = urls
        .iter()
        .map(|url| url.replace("hunter2", "hunter3"))
        .collect();
    let servers: Vec<_> = redis.servers.iter().map(RedisServer::url).collect();
    let mut told = String::new();
    for (world, reason) in [
        (
            wrong("redis://:servers@shops", &urls),
            "know no master of this name",
        ),
        (
            wrong(&redis.master(), &others),
            "the sentinels refuse the user or password",
        ),
        (
            wrong(&redis.master(), &servers),
            "what was named as a sentinel is none",
        ),
        (wrong(RedisSentinels::NAME, &urls), "NOAUTH"),
    ] {
        let heard = Heard::listen();
        degrades(&world, &heard, reason).await;
        told += &format!("{world:?} {:?} {}", world.cache, heard.text());
    }
    for sentinel in &mut redis.sentinels {
        sentinel.kill();
    }
    let heard = Heard::listen();
    let builder = Cache::builder().redis_sentinel(redis.master(), &urls);
    told += &format!("{builder:?}");
    let world = over(builder);
    degrades(&world, &heard, "no sentinel answers").await;
    told += &heard.text();
    for hidden in ["hunter", ":servers"] {
        assert!(!told.contains(hidden), "{hidden} is told: {told}");
    }
    redis.sentinels[2].restart().await;
    eventually("it is found after all", async || {
        share([&world, &world], 1).await
    })
    .await;
}

#[tokio::test]
async fn sentinels_and_servers_are_spoken_to_over_tls() {
    let authority = Authority::new();
    let server = RedisServer::builder()
        .tls(authority.certify(&["127.0.0.1"]), Some(&authority))
        .config("tls-replication", "yes");
    let redis = RedisSentinels::pair(server).await;
    let own = authority.certify(&[]);
    let builder = Cache::builder().redis_sentinel(redis.master(), redis.urls());
    let world = over(
        builder
            .tls_ca(authority.certificate())
            .tls_client(own.certificate, own.key),
    );
    assert!(share([&world, &world], 1).await);
    assert!(redis.urls()[0].starts_with("rediss://") && port(&world).await.is_some());
    tell(&redis.servers[0], "PING").await.unwrap();
}
