//! TLS and users: who is trusted, who is let in, and what is never told.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cache_runtime::{
    Builder, Cache, Job, JobOutcome, Jobs, Key, Pattern, RateLimit, Write, cached, invalidates,
};
use cache_tests::{Authority, Certified, RedisServer, RedisServerBuilder, eventually};
use futures_util::StreamExt as _;
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tracing::Level;

use crate::heard::Heard;
use crate::world::{World, patient};

const HOST: &[&str] = &["127.0.0.1"];

/// As docs/security.md lists them.
pub(crate) const RIGHTS: &[&str] = &[
    "~cache:*",
    "&cache:*",
    "+get",
    "+mget",
    "+pttl",
    "+hmget",
    "+unlink",
    "+zrevrange",
    "+scan",
    "+info",
    "+subscribe",
    "+publish",
    "+evalsha",
    "+eval",
    "+script|load",
    "+select", // With those that the scripts call.
    "+del",
    "+getrange",
    "+hdel",
    "+hexists",
    "+hget",
    "+hgetall",
    "+hlen",
    "+hset",
    "+hsetnx",
    "+incr",
    "+incrby",
    "+pexpire",
    "+set",
    "+time",
    "+zincrby",
    "+zremrangebyrank",
    "+zunionstore",
    // For health.
    "+ping",
    "+dbsize",
    // For jobs and the audit's log.
    "+xadd",
    "+xrevrange",
    // For write-behind.
    "+exists",
    "+hincrby",
    "+xack",
    "+xdel",
    "+xgroup",
    "+xinfo",
    "+xlen",
    "+xrange",
    "+xreadgroup",
];

#[cached(namespace = "rows:all", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:near", ttl = "1h", key = id, local = "30m", cache = world.cache)]
async fn near(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:fleet", ttl = "1h", key = id, single_flight = fleet, cache = world.cache)]
async fn fleet(world: &World, id: u64) -> u64 {
    world.load(id).await;
    id
}

#[cached(row(ids), batch = ids, cache = world.cache)]
async fn rows(world: &World, ids: Vec<u64>) -> HashMap<u64, u64> {
    world.load(ids[0]).await;
    ids.into_iter().map(|id| (id, id)).collect()
}

#[invalidates(row(id), near(id), "rows:a*:{id}", cache = world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

fn over(builder: Builder) -> World {
    World::over(builder.build().unwrap(), None)
}

/// A loaded machine has time to find out what is wrong.
fn connecting(builder: Builder) -> Builder {
    builder.connect_timeout(Duration::from_secs(20))
}

fn trusting(authority: &Authority, server: &RedisServer) -> Builder {
    let builder = Cache::builder().redis(server.url());
    connecting(builder.tls_ca(authority.certificate()))
}

/// With a certificate by `authority` that is right.
fn certified(authority: &Authority) -> RedisServerBuilder {
    RedisServer::builder().tls(authority.certify(HOST), None)
}

async fn tell(redis: &mut MultiplexedConnection, command: &str, arguments: &[&str]) {
    let mut command = redis::cmd(command);
    let told = command.arg(arguments).exec_async(redis).await;
    told.unwrap();
}

/// Whether the second of two calls hits.
async fn works(world: &World) -> bool {
    row(world, 1).await;
    let before = world.loads();
    row(world, 1).await;
    world.loads() == before
}

/// No connection is made, for that reason, and the source answers without an error and without waiting.
async fn degrades(heard: &Heard, builder: Builder, reason: &str) {
    let world = over(builder.operation_timeout(Duration::from_millis(200)));
    world.set_row(1, 7);
    eventually(reason, async || {
        assert_eq!(row(&world, 1).await, 7);
        heard.has(Level::ERROR, &["cannot connect to Redis", reason]) || {
            assert!(
                !heard.has(Level::ERROR, &["cannot connect"]),
                "{reason}: {heard:#?}"
            );
            false
        }
    })
    .await;
    let began = Instant::now();
    for _ in 0..500 {
        assert_eq!(row(&world, 1).await, 7);
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "every call has waited"
    );
    let stats = world.cache.stats();
    assert_eq!((stats.total.hits, stats.total.stores), (0, 0));
    write(&world, 1, 8).await;
    assert!(world.cache.stats().pending_invalidations > 0);
    assert!(
        !heard.has(Level::INFO, &["connected to Redis"]),
        "{heard:#?}"
    );
}

#[tokio::test]
async fn answers_are_shared_over_tls() {
    let authority = Authority::new();
    let mut server = certified(&authority).password("hunter2").start().await;
    let [here, there] = [(); 2].map(|()| over(patient(trusting(&authority, &server))));
    assert!(works(&here).await);
    row(&there, 1).await;
    assert_eq!(there.loads(), 0);
    here.set_row(1, 5);
    write(&there, 1, 5).await;
    assert_eq!(row(&here, 1).await, 5);

    // The certificates are there for later connections too.
    server.kill();
    here.set_row(1, 6);
    eventually("the source answers", async || row(&here, 1).await == 6).await;
    server.restart().await;
    eventually("Redis is used again", async || works(&here).await).await;
}

#[tokio::test]
async fn several_authorities_are_trusted() {
    let [first, second] = [Authority::new(), Authority::new()];
    let server = certified(&second).start().await;
    let both = [first.certificate(), second.certificate()].concat();
    // In the other order: what is said of TLS holds for whatever server is named.
    let world = over(patient(Cache::builder().tls_ca(both).redis(server.url())));
    assert!(works(&world).await);
}

#[tokio::test]
async fn pushes_come_over_tls() {
    let authority = Authority::new();
    let server = certified(&authority).start().await;
    // Nothing but a push makes the other's near value old in time.
    let builder =
        || patient(trusting(&authority, &server)).local_staleness(Duration::from_secs(1_000));
    let [here, there] = [(); 2].map(|()| over(builder()));
    for value in 1..=5 {
        eventually("the near cache is used", async || {
            near(&there, 1).await;
            let hits = there.cache.stats().total.near_hits;
            near(&there, 1).await;
            there.cache.stats().total.near_hits > hits
        })
        .await;
        there.set_row(1, value);
        write(&here, 1, value).await;
        eventually("the push comes", async || near(&there, 1).await == value).await;
    }
}

/// A user with the rights that the guide asks for, and a database other than the first.
/// One of each thing that asks something of Redis which calls and invalidations do not.
async fn everything_else(world: &World) {
    let cache = &world.cache;
    let minute = Duration::from_secs(60);
    assert_eq!(fleet(world, 1).await, 1);
    assert_eq!(rows(world, vec![1, 7]).await.len(), 2);
    let key = Key::new("hand", [&1 as _]);
    assert!(cache.try_set(&key, &1, None).await.unwrap());
    assert_eq!(cache.try_get::<u64>(&key).await.unwrap(), Some(1));
    assert!(cache.try_expire(&key, minute).await.unwrap());
    let found: Vec<_> = cache
        .try_scan(Pattern::parse("hand:*").unwrap())
        .collect()
        .await;
    assert_eq!(found.len(), 1);
    assert_eq!(cache.try_incr(&key, 2, minute).await.unwrap(), 2);
    assert_eq!(cache.try_counter(&key).await.unwrap(), Some(2));
    let limit = RateLimit::sliding(5, minute);
    assert!(cache.try_allow(&key, &limit).await.unwrap().allowed);
    let lock = cache.try_lock(&key, minute).await.unwrap();
    drop(lock);
    cache.try_delete(&key).await.unwrap();
    let jobs = Jobs::new(cache)
        .job(Job::health("0 4 * * *"))
        .start()
        .unwrap();
    let run = jobs.run_now("health").await.unwrap();
    assert_eq!(run.outcome, JobOutcome::Succeeded, "{run}");
    assert_eq!(jobs.history("health").await.unwrap().len(), 1);
    let views = cache.write_behind("views").every(Duration::from_secs(3600));
    let views = views.counters(async |_: Vec<Write<u64, i64>>| Ok::<_, std::io::Error>(()));
    let views = views.unwrap();
    views.add(&1, 1).await.unwrap();
    assert_eq!(views.pending(&1).await.unwrap(), Some(1));
    views.flush().await.unwrap();
    views.stats().await.unwrap();
}

#[tokio::test]
async fn a_user_with_restricted_rights_and_a_database() {
    let authority = Authority::new();
    for server in [RedisServer::builder(), certified(&authority)] {
        // Else the default user would be let in with any password.
        let server = server.password("default").start().await;
        let mut redis = server.connection().await;
        let user = [&["SETUSER", "ada", "on", ">p@ss:w/rd"], RIGHTS].concat();
        tell(&mut redis, "ACL", &user).await;
        let url = server.url().replace(":default@", "ada:p%40ss%3Aw%2Frd@") + "/3";
        let builder = || match url.starts_with("rediss") {
            true => patient(Cache::builder().redis(&url).tls_ca(authority.certificate())),
            false => patient(Cache::builder().redis(&url)),
        };
        let [here, there] = [(); 2].map(|()| over(builder()));
        assert!(works(&here).await);
        for value in 1..=3 {
            near(&here, 1).await;
            write(&there, 1, value).await;
            let all = [Pattern::parse("rows:*").unwrap()];
            there.cache.try_invalidate(all).await.unwrap();
            here.set_row(1, value);
            assert_eq!(row(&here, 1).await, value);
            eventually("the push comes", async || near(&here, 1).await == value).await;
        }
        here.cache.remember_hottest().await;
        everything_else(&here).await;
        tell(&mut redis, "SELECT", &["3"]).await;
        for name in ["cache:rows:all:1", "cache:%top:{cache:rows:all:*}"] {
            assert!(redis.exists::<_, bool>(name).await.unwrap(), "{name}");
        }
        let denied: Vec<redis::Value> = redis::cmd("ACL")
            .arg("LOG")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert_eq!(denied, [], "{url}");
    }
}

#[tokio::test]
async fn a_certificate_is_shown_where_one_is_demanded() {
    let [authority, clients, strangers] = [(); 3].map(|()| Authority::new());
    let server = RedisServer::builder().tls(authority.certify(HOST), Some(&clients));
    let server = server.start().await;
    let show =
        |Certified { certificate, key }| trusting(&authority, &server).tls_client(certificate, key);
    let world = over(patient(show(clients.certify(&[]))));
    assert!(works(&world).await);

    degrades(
        &Heard::listen(),
        trusting(&authority, &server),
        "CertificateRequired",
    )
    .await;
    degrades(
        &Heard::listen(),
        show(strangers.certify(&[])),
        "fatal alert",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_connected_to() {
    let [authority, another] = [(); 2].map(|()| Authority::new());
    for (shown, reason) in [
        (another.certify(HOST), "invalid peer certificate"),
        (authority.certify_expired(HOST), "expired"),
        (authority.certify(&["redis.example"]), "not valid for name"),
        (authority.certify(&[]), "not valid for"),
    ] {
        let server = RedisServer::builder().tls(shown, None).start().await;
        degrades(&Heard::listen(), trusting(&authority, &server), reason).await;
        assert!(!server.commandstats().await.contains_key("get"));
    }
    // The system does not know this authority.
    let server = certified(&authority).start().await;
    let system = connecting(Cache::builder().redis(server.url()));
    degrades(&Heard::listen(), system, "UnknownIssuer").await;
}

/// Either the bytes make no sense or the rest of them is waited for.
#[tokio::test]
async fn one_speaks_tls_and_the_other_does_not() {
    let authority = Authority::new();
    let plain = RedisServer::start().await;
    let url = plain.url().replace("redis", "rediss");
    let hasty = || Cache::builder().connect_timeout(Duration::from_millis(500));
    let builder = hasty().redis(url).tls_ca(authority.certificate());
    degrades(&Heard::listen(), builder, "").await;

    let server = certified(&authority).start().await;
    let url = server.url().replace("rediss", "redis");
    degrades(&Heard::listen(), hasty().redis(url), "").await;
}

/// Neither while connecting fails nor while all is well.
#[tokio::test]
async fn no_secret_is_told() {
    let [authority, another] = [(); 2].map(|()| Authority::new());
    let server = RedisServer::builder().tls(authority.certify(HOST), Some(&authority));
    let mut server = server.start().await;
    let mut redis = server.connection().await;
    let user = [
        "SETUSER",
        "ada",
        "on",
        ">hunter2",
        "allkeys",
        "allchannels",
        "+@all",
        "-hmget",
    ];
    tell(&mut redis, "ACL", &user).await;
    let own = authority.certify(&[]);
    let secret = own.key.lines().nth(1).unwrap().to_owned();
    let builder = |scheme: &str, password: &str, authority: &Authority| {
        let url = format!("{scheme}://ada:{password}@127.0.0.1:{}", server.port());
        let builder = Cache::builder().redis(url).tls_ca(authority.certificate());
        builder.tls_client(own.certificate.as_str(), own.key.as_str())
    };
    let right = builder("rediss", "hunter2", &authority);
    let heard = Heard::listen();
    let mut told = String::new();
    let cases = [
        (right.clone(), "NoPerm"),
        (builder("rediss", "hunter3", &authority), "WRONGPASS"),
        (builder("rediss", "hunter2", &another), "certificate"),
    ];
    for (builder, reason) in cases {
        told += &format!("{builder:?}");
        let world = over(builder);
        eventually(reason, async || {
            row(&world, 1).await;
            write(&world, 1, 1).await;
            heard.text().contains(reason)
        })
        .await;
        let refused = world
            .cache
            .try_invalidate([Pattern::parse("rows:*").unwrap()])
            .await;
        told += &format!("{:?} {refused:?} {world:?}", world.cache);
    }
    let unfit = [
        builder("redis", "hunter2", &authority),
        builder("rediss", "hunter2#", &authority),
        right
            .clone()
            .tls_client(another.certify(&[]).certificate, own.key.as_str()),
        right
            .clone()
            .tls_client(own.key.as_str(), own.certificate.as_str()),
        right.clone().tls_ca(own.key.as_str()),
    ];
    for builder in unfit {
        let error = builder.build().unwrap_err();
        told += &format!("{error} {error:?}");
    }
    let world = over(patient(right));
    server.kill();
    row(&world, 1).await;
    told += &heard.text();
    assert!(
        told.contains("connected to Redis") && told.contains("cannot connect"),
        "{told}"
    );
    for hidden in ["hunter", "ada", secret.as_str(), "PRIVATE KEY"] {
        assert!(!told.contains(hidden), "{hidden} is told: {told}");
    }
}

#[test]
fn what_cannot_be_used_is_told_when_the_cache_is_built() {
    let authority = Authority::new();
    let [one, two] = [(); 2].map(|()| authority.certify(&[]));
    let tls = || Cache::builder().redis("rediss://127.0.0.1:1");
    for (builder, problems) in [
        (tls().tls_ca("nonsense"), &["tls_ca"][..]),
        (tls().tls_ca(one.key.as_str()), &["tls_ca"]),
        (
            tls().tls_ca("").tls_client("", ""),
            &["tls_ca", "the certificate", "the key"],
        ),
        (tls().tls_client(one.certificate.as_str(), ""), &["the key"]),
        (tls().tls_client("", one.key.as_str()), &["the certificate"]),
        (
            tls().tls_client(one.certificate.as_str(), two.key),
            &["is not the key of"],
        ),
        (
            Cache::builder()
                .redis("redis://127.0.0.1:1")
                .tls_ca(authority.certificate()),
            &["rediss://"],
        ),
        (
            Cache::builder().redis("rediss://127.0.0.1:1/#insecure"),
            &["#insecure"],
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.problems().len(), problems.len(), "{error}");
        for (told, problem) in error.problems().iter().zip(problems) {
            assert!(told.contains(problem), "{told}");
        }
    }
    tls().tls_client(one.certificate, one.key).build().unwrap();
    Cache::builder()
        .tls_ca(authority.certificate())
        .build()
        .unwrap();
}

/// The whole of it from the environment. This test is also the program that it describes.
#[tokio::test]
async fn the_environment_says_all_of_it() {
    const NAME: &str = "tls::the_environment_says_all_of_it";
    const ROLE: &str = "CACHE_TEST_OF_ENVIRONMENT";

    if std::env::var_os(ROLE).is_some() {
        let world = over(patient(Builder::from_env().unwrap()));
        assert!(works(&world).await);
        return;
    }
    let authority = Authority::new();
    let server = RedisServer::builder().tls(authority.certify(HOST), Some(&authority));
    let server = server.password("default").start().await;
    let mut redis = server.connection().await;
    let user = [&["SETUSER", "ada", "on", ">hunter2"], RIGHTS].concat();
    tell(&mut redis, "ACL", &user).await;
    let own = authority.certify(&[]);
    let file = |name: &str, content: &str| {
        let path = server.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let ca = file("ca.pem", authority.certificate());
    // The second of them moves the system's roots.
    for trust in ["REDIS_TLS_CA", "SSL_CERT_FILE"] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program
            .args(["--exact", NAME])
            .stdout(Stdio::null())
            .env(ROLE, "program")
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", server.port().to_string())
            .env("REDIS_TLS", "true")
            .env("REDIS_USER", "ada")
            .env("REDIS_PASSWORD", "hunter2")
            .env("REDIS_DB", "2")
            .env(trust, &ca)
            .env("REDIS_TLS_CERT", file("own.pem", &own.certificate))
            .env("REDIS_TLS_KEY", file("own.key", &own.key));
        let status = tokio::task::spawn_blocking(move || program.status());
        assert!(status.await.unwrap().unwrap().success(), "{trust}");
    }
    tell(&mut redis, "SELECT", &["2"]).await;
    assert!(redis.exists::<_, bool>("cache:rows:all:1").await.unwrap());
}
