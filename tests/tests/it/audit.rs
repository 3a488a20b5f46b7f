//! B12: who read, wrote and cleared by hand, how often, and how often they may.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cache_runtime::{
    AfterCommit, Audit, AuditAction, AuditActor, AuditOutcome, AuditRecord, Builder, Cache,
    ErrorKind, Everything, Key, Pattern, RateLimit, Tag, invalidates,
};
use cache_tests::{RedisServer, eventually};
use futures_util::StreamExt as _;
use tracing::Level;

use crate::heard::Heard;
use crate::world::{World, patient};

const HOUR: Duration = Duration::from_secs(3600);
const SECRET: &str = "hunter2";

fn key(id: u64) -> Key {
    Key::new("agents", [&id as _])
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// Without and with Redis.
async fn both(configure: impl Fn(Builder) -> Builder) -> [World; 2] {
    let memory = configure(Cache::builder()).build().unwrap();
    let server = RedisServer::start().await;
    let redis = configure(patient(Cache::builder().redis(server.url())));
    let redis = redis.build().unwrap();
    [World::over(memory, None), World::over(redis, Some(server))]
}

/// What is in the log, the first first.
async fn log(cache: &Cache) -> Vec<AuditRecord> {
    cache.flush_audit().await.unwrap();
    let mut log = cache.try_audit_log(1_000).await.unwrap();
    log.reverse();
    log
}

/// In one line each, without the time.
async fn lines(cache: &Cache) -> Vec<String> {
    let line = |record: &AuditRecord| {
        let by = record.by.as_str();
        format!(
            "{by} {} {}: {}",
            record.action, record.target, record.outcome
        )
    };
    log(cache).await.iter().map(line).collect()
}

#[invalidates("agents:{id}", cache = cache)]
async fn rename(cache: &Cache, id: u64) -> Result<(), u64> {
    if cache.is_enabled() { Ok(()) } else { Err(id) }
}

/// Each operation of a handle with a name is recorded, and nothing of what was read or written.
#[tokio::test]
async fn what_is_done_by_hand_is_recorded() {
    for world in both(|builder| builder.audit(Audit::new().log(1_000))).await {
        let (before, cache) = (SystemTime::now(), &world.cache);
        let alice = cache.by("alice");
        let agents = alice.namespace("agents");
        alice.set(&key(7), SECRET, HOUR).await;
        agents.mset([(8, SECRET)]).await;
        alice.get::<String>(&key(7)).await;
        alice.get::<String>(&key(9)).await;
        alice.mget::<String>(&[key(7), key(8)]).await;
        agents.get_or_set(&9, async { SECRET.to_owned() }).await;
        alice.exists(&key(7)).await;
        alice.ttl(&key(7)).await;
        alice.expire(&key(7), HOUR).await;
        alice.expire(&key(404), HOUR).await;
        alice.incr(&key(7), 1, HOUR).await;
        alice.counter(&key(7)).await;
        alice.reset_counter(&key(7)).await;
        let listed = alice.scan(pattern("agents:*")).count().await;
        alice.delete(&key(7)).await;
        alice.invalidate([pattern("agents:*:x")]).await;
        alice.invalidate([Tag::new("agent", [&7 as _])]).await;
        agents.clear().await;
        alice.clear(Everything).await;
        let expected = [
            "alice write agents:7: done",
            "alice write agents:8: done",
            "alice read agents:7: done",
            "alice read agents:9: done",
            "alice read agents:7: done",
            "alice read agents:8: done",
            "alice read agents:9: done",
            "alice read agents:7: done",
            "alice read agents:7: done",
            "alice expire agents:7: done",
            "alice expire agents:404: not done",
            "alice count agents:7: done",
            "alice read agents:7: done",
            "alice reset agents:7: done",
            "alice list agents:*: done",
            "alice delete agents:7: done",
            "alice invalidate agents:*:x: done",
            "alice invalidate tag agent:7: done",
            "alice clear agents:*: done",
            "alice clear agents: done",
            "alice clear everything: done",
        ];
        assert_eq!(
            (lines(cache).await, listed),
            (expected.map(str::to_owned).into(), 3)
        );
        let records = log(cache).await;
        let text = format!("{records:?}");
        assert!(
            !text.contains(SECRET) && !text.contains("Function"),
            "{text}"
        );
        let since = before - Duration::from_millis(1);
        assert!(records.iter().all(|record| record.at >= since));
        // Without a name nothing was recorded of these, and of the rest below it is.
        cache.set(&key(7), SECRET, HOUR).await;
        cache.get::<String>(&key(7)).await;
        assert_eq!(lines(cache).await.len(), expected.len());
    }
}

/// Invalidations are recorded whoever asks for them; inside a transaction when they are asked for, and when they are done.
#[tokio::test]
async fn whoever_invalidates_is_recorded() {
    for world in both(|builder| builder.audit(Audit::new().log(1_000))).await {
        let cache = &world.cache;
        rename(cache, 7).await.unwrap();
        cache.invalidate([key(8)]).await;
        let transaction = AfterCommit::new();
        let work = async {
            rename(cache, 9).await.unwrap();
            cache.by("bob").delete(&key(10)).await;
        };
        transaction.scope(work).await;
        let path = format!("{}::rename", module_path!());
        let held = [
            format!("{path} invalidate agents:7: done"),
            "Cache::invalidate invalidate agents:8: done".to_owned(),
            format!("{path} invalidate agents:9: held"),
            "bob delete agents:10: held".to_owned(),
        ];
        assert_eq!(lines(cache).await, held);
        transaction.committed().await;
        let log = log(cache).await;
        assert_eq!(log.len(), 6);
        for record in &log[4..] {
            assert_eq!(record.by, AuditActor::Function("AfterCommit".to_owned()));
            assert_eq!(record.outcome, AuditOutcome::Done);
        }
        // A write that fails makes nothing old.
        cache.set_enabled(false);
        rename(cache, 7).await.unwrap_err();
        assert_eq!(lines(cache).await.len(), 6);
    }
}

/// Keys are told in each place as was asked for.
#[tokio::test]
async fn keys_can_be_hashed_or_left_out() {
    let heard = Heard::listen();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let told = told.clone();
        move |record: &AuditRecord| {
            told.lock().unwrap().push(record.target.clone());
            assert_ne!(record.action, AuditAction::Delete, "on purpose");
        }
    };
    let audit = Audit::new().events().log(100).sink(sink);
    for audit in [audit.clone().hash_keys(SECRET), audit.leave_keys_out()] {
        for world in both(|builder| builder.audit(audit.clone())).await {
            let carol = world.cache.by("carol");
            for _ in 0..2 {
                carol
                    .delete(&Key::new("users", [&"ada@example.com" as _]))
                    .await;
            }
            carol.invalidate([Tag::new("ada@example.com", [])]).await;
            for place in [
                format!("{:?}", log(&world.cache).await),
                format!("{:?} {:?}", told.lock().unwrap(), world.cache),
            ] {
                assert!(!place.contains("ada") && !place.contains(SECRET), "{place}");
            }
            let log = log(&world.cache).await;
            assert_eq!(log[0].target, log[1].target);
        }
    }
    let told = told.lock().unwrap();
    assert!(told[0].starts_with("users:#") && told[0] == told[3] && told[6].is_empty());
    assert!(told[2].starts_with("tag #"), "{told:?}");
    assert!(heard.has(
        Level::INFO,
        &["by=\"carol\"", "on=\"users:#", "outcome=done"]
    ));
    assert!(heard.has(Level::INFO, &["by=\"carol\"", "on=\"\"", "action=delete"]));
    // The sink has panicked each time, which is said once for each cache.
    assert_eq!(heard.text().matches("sink panicked").count(), 4);
}

/// The log is of the whole fleet, and bounded.
#[tokio::test]
async fn the_log_is_bounded() {
    for world in both(|builder| builder.audit(Audit::new().log(200))).await {
        let other = match &world.server {
            Some(server) => {
                let builder = patient(Cache::builder().redis(server.url()));
                builder.audit(Audit::new().log(200)).build().unwrap()
            }
            None => world.cache.clone(),
        };
        for id in 0..1_000 {
            world.cache.by("alice").exists(&key(id)).await;
        }
        other.by("bob").exists(&key(7)).await;
        other.flush_audit().await.unwrap();
        world.cache.flush_audit().await.unwrap();
        let kept = world.cache.audit_log(2_000).await;
        assert!((200..=400).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().any(|record| record.by.as_str() == "bob"));
        assert_eq!(world.cache.audit_log(3).await, kept[..3]);
    }
}

/// While Redis is away records wait, up to ten thousand, and are written when it is back; the others are counted.
#[tokio::test]
async fn records_wait_for_redis() {
    let server = RedisServer::start().await;
    let builder = Cache::builder().redis(server.url());
    let cache = builder.audit(Audit::new().log(20_000)).build().unwrap();
    let mut world = World::over(cache, Some(server));
    let alice = world.cache.by("alice");
    eventually("it is connected", async || {
        alice.try_exists(&key(0)).await.is_ok()
    })
    .await;
    world.server.as_mut().unwrap().kill();
    for id in 0..10_100 {
        alice.exists(&key(id)).await;
        if id == 5_000 {
            alice.delete(&key(id)).await;
        }
    }
    assert!(world.cache.flush_audit().await.is_err());
    assert!(world.cache.audit_log(1).await.is_empty());
    let dropped = world.cache.stats().audit_dropped;
    assert!((1..=200).contains(&dropped), "{dropped}");
    world.server.as_mut().unwrap().restart().await;
    eventually("all that waited is written", async || {
        world.cache.flush_audit().await.is_ok()
    })
    .await;
    let reader = patient(Cache::builder().redis(world.server().url()));
    let log = reader.build().unwrap().try_audit_log(10_000).await.unwrap();
    let delete = log
        .iter()
        .rfind(|record| record.action == AuditAction::Delete);
    assert_eq!(
        delete.map(|record| record.outcome),
        Some(AuditOutcome::Queued)
    );
    let mut redis = world.server().connection().await;
    let mut count = redis::cmd("XLEN");
    count.arg("cache:%audit");
    let written: usize = count.query_async(&mut redis).await.unwrap();
    assert!(written >= 10_000, "{written}");
}

/// What waits to be written keeps no cache alive that nobody uses any more.
#[tokio::test]
async fn a_cache_that_is_dropped_stops_writing() {
    let mut server = RedisServer::start().await;
    server.kill();
    let alive = Arc::new(());
    let held = alive.clone();
    let audit = Audit::new().log(100).sink(move |_| _ = &held);
    let cache = Cache::builder().redis(server.url()).audit(audit);
    let cache = cache.build().unwrap();
    cache.by("alice").exists(&key(1)).await;
    assert!(cache.flush_audit().await.is_err());
    drop(cache);
    eventually("the cache is gone", async || Arc::strong_count(&alive) == 1).await;
}

/// Past its limit a name's `try_` forms do nothing, on whatever instance. Whatever must not be lost is never limited.
#[tokio::test]
async fn invalidations_of_a_name_are_limited() {
    let limit = RateLimit::fixed(4, HOUR);
    let configure = |builder: Builder| {
        builder
            .invalidation_limit(limit)
            .audit(Audit::new().log(1_000))
    };
    for world in both(configure).await {
        let cache = &world.cache;
        let other = match &world.server {
            Some(server) => configure(patient(Cache::builder().redis(server.url())))
                .build()
                .unwrap(),
            None => cache.clone(),
        };
        let (here, there) = (cache.by("alice"), other.by("alice"));
        let agents = here.namespace("agents");
        here.try_delete(&key(1)).await.unwrap();
        there.try_invalidate([key(1), key(2)]).await.unwrap();
        here.try_clear(Everything).await.unwrap();
        agents.try_clear().await.unwrap();
        assert!(cache.set(&key(1), &1, None).await);
        for refused in [
            here.try_delete(&key(1)).await,
            there.try_invalidate([key(1)]).await,
            here.try_clear(Everything).await,
            agents.try_clear().await,
            agents.try_delete(&1).await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limited);
            assert!(error.to_string().contains("again in"), "{error}");
        }
        assert!(cache.exists(&key(1)).await);
        // These are not: another name, none, a function, and what is not asked whether it may.
        cache.by("bob").try_delete(&key(1)).await.unwrap();
        cache.try_delete(&key(1)).await.unwrap();
        rename(&here, 1).await.unwrap();
        assert!(cache.set(&key(1), &1, None).await);
        here.delete(&key(1)).await;
        assert!(!cache.exists(&key(1)).await);
        here.invalidate([key(1)]).await;
        agents.clear().await;
        here.clear(Everything).await;
        // Reading is not either.
        here.try_exists(&key(1)).await.unwrap();

        let of = |cache: &Cache, name: &str| {
            let stats = cache.stats().callers;
            let found = stats
                .iter()
                .find(|caller| caller.name.as_deref() == Some(name));
            found.map(|caller| (caller.invalidations, caller.limited))
        };
        let (alice, elsewhere) = match &world.server {
            Some(_) => ((9, 4), Some((2, 1))),
            None => ((11, 5), Some((11, 5))),
        };
        assert_eq!(of(cache, "alice"), Some(alice));
        assert_eq!(of(&other, "alice"), elsewhere);
        assert_eq!(of(cache, "bob"), Some((1, 0)));
        let limited = |record: &&AuditRecord| record.outcome == AuditOutcome::Limited;
        // One of them named two patterns.
        other.flush_audit().await.unwrap();
        assert_eq!(log(cache).await.iter().filter(limited).count(), 6);
    }
}

/// Without Redis nobody is limited: what is asked for is queued.
#[tokio::test]
async fn while_redis_is_away_nobody_is_limited() {
    let mut server = RedisServer::start().await;
    server.kill();
    let cache = Cache::builder().redis(server.url());
    let cache = cache.invalidation_limit(RateLimit::fixed(1, HOUR));
    let alice = cache.build().unwrap().by("alice");
    for _ in 0..3 {
        let error = alice.try_delete(&key(1)).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Limited);
    }
    let stats = alice.stats();
    assert_eq!(stats.pending_invalidations, 1);
    assert_eq!(stats.callers[0].invalidations, 3);
}

/// However many names there are, a thousand are counted apart.
#[tokio::test]
async fn names_are_bounded() {
    let cache = Cache::builder().build().unwrap();
    for id in 0..1_500 {
        cache.by(&format!("{id:04}")).delete(&key(id)).await;
    }
    cache.by("0007").delete(&key(7)).await;
    let callers = cache.stats().callers;
    assert_eq!(callers.len(), 1_001);
    assert_eq!(
        (callers[7].name.as_deref(), callers[7].invalidations),
        (Some("0007"), 2)
    );
    let others = callers.last().unwrap();
    assert_eq!((&others.name, others.invalidations), (&None, 500));
    let long = cache.by(&"x".repeat(1_000));
    assert!(!format!("{long:?}").contains(&"x".repeat(101)));
}
