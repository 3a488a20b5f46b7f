//! The near cache: no round trip for a hit, and no older than it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Pattern, Tag, Target, cached, invalidates};
use cache_tests::{Direction, Proxy, RedisServer, eventually};

use crate::world::{World, patient};

#[cached(namespace = "rows:all", ttl = "1h", key = id, tags = ["row:{id}"], local = "30m", cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates(row(id), cache = world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

fn pattern(text: &str) -> Target {
    Pattern::parse(text).unwrap().into()
}

/// What each way of invalidating names of row 1.
fn ways() -> [Target; 6] {
    [
        row::key(1).into(),
        pattern("rows:*"),
        pattern("rows:*:1"),
        pattern("rows:a*:1"),
        Tag::new("row", [&1_u64 as _]).into(),
        Target::Tags,
    ]
}

#[tokio::test]
async fn a_near_hit_asks_nobody() {
    for world in World::both().await {
        row(&world, 1).await;
        row(&world, 1).await;
        let before = match &world.server {
            Some(server) => server.commands_processed().await,
            None => 0,
        };
        for _ in 0..100 {
            assert_eq!(row(&world, 1).await, 0);
        }
        if let Some(server) = &world.server {
            // A sign of life may fall in between.
            assert!(server.commands_processed().await - before <= 1);
        }
        let stats = world.cache.stats();
        assert!(stats.total.near_hits >= 100, "{stats:?}");
        assert_eq!((stats.total.loads, stats.near_values), (1, 1));
        assert!(stats.near_bytes > 0);
    }
}

/// What another instance has stored is kept here after the first look, for as long as it lives there at most.
#[tokio::test]
async fn what_others_stored_is_kept_too() {
    const BRIEF: Duration = Duration::from_secs(2);
    const LONG: Duration = Duration::from_secs(3600);

    #[cached(namespace = "brief", ttl = BRIEF, local = LONG, cache = world.cache)]
    async fn brief(#[skip] world: &World) -> u64 {
        world.load(1).await
    }

    let here = World::redis().await;
    let there = here.instance();
    row(&here, 1).await;
    assert_eq!((row(&there, 1).await, row(&there, 1).await), (0, 0));
    let total = there.cache.stats().total;
    assert_eq!((total.hits, total.near_hits, total.loads), (1, 1, 0));

    let stored = Instant::now();
    brief(&here).await;
    brief(&there).await;
    eventually("it expires there", async || {
        brief(&there).await;
        there.loads() == 1
    })
    .await;
    assert!(stored.elapsed() < LONG / 2, "it outlived the entry");
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    #[cached(namespace = "found", ttl = "1h", none_ttl = "1h", local = "1h", key = id, cache = cache)]
    async fn found(
        cache: &Cache,
        #[skip] runs: &AtomicU64,
        id: u64,
    ) -> Result<Option<Arc<String>>, String> {
        runs.fetch_add(1, Ordering::SeqCst);
        match id {
            0 => Ok(None),
            1 => Ok(Some(Arc::new("one".to_owned()))),
            _ => Err("no".to_owned()),
        }
    }

    #[cached(namespace = "generic", ttl = "1h", local = "1h", key = (id, std::any::type_name::<T>()), cache = cache)]
    async fn generic<T>(cache: &Cache, id: u64) -> T
    where
        T: From<u8>
            + Clone
            + Send
            + Sync
            + serde::Serialize
            + serde::de::DeserializeOwned
            + 'static,
    {
        T::from(7)
    }

    let (cache, runs) = (Cache::builder().build().unwrap(), AtomicU64::new(0));
    for _ in 0..3 {
        assert_eq!(found(&cache, &runs, 0).await, Ok(None));
        assert_eq!(
            found(&cache, &runs, 1).await,
            Ok(Some(Arc::new("one".to_owned())))
        );
        assert_eq!(found(&cache, &runs, 2).await, Err("no".to_owned()));
        assert_eq!(
            (
                generic::<u64>(&cache, 1).await,
                generic::<f64>(&cache, 1).await
            ),
            (7, 7.0)
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1 + 1 + 3);
    // Shared, not copied.
    let (one, other) = (found(&cache, &runs, 1).await, found(&cache, &runs, 1).await);
    assert!(Arc::ptr_eq(
        &one.unwrap().unwrap(),
        &other.unwrap().unwrap()
    ));
}

/// This instance's own invalidations hold at once; the others hear of them.
#[tokio::test]
async fn an_invalidation_reaches_every_near_cache() {
    for here in World::both().await {
        for target in ways() {
            row(&here, 1).await;
            row(&here, 1).await;
            here.set_row(1, here.row(1) + 1);
            here.cache.invalidate([target.clone()]).await;
            assert_eq!(row(&here, 1).await, here.row(1), "{target}");
        }
    }
    let here = World::redis().await;
    let there = here.instance();
    for (value, target) in (1..).zip(ways()) {
        row(&there, 1).await;
        row(&there, 1).await;
        let near = there.cache.stats().total.near_hits;
        row(&there, 1).await;
        assert_eq!(there.cache.stats().total.near_hits, near + 1, "not kept");
        there.set_row(1, value);
        here.cache.invalidate([target.clone()]).await;
        eventually(&format!("{target} is heard of"), async || {
            row(&there, 1).await == value
        })
        .await;
    }
}

/// What is put or refreshed takes the place of what others have kept.
#[tokio::test]
async fn a_new_value_takes_the_place_of_the_old_everywhere() {
    let here = World::redis().await;
    let there = here.instance();
    row(&here, 1).await;
    row(&there, 1).await;
    row::put(&here, 1, 5).await;
    assert_eq!(row(&here, 1).await, 5);
    eventually("what was put is heard of", async || {
        row(&there, 1).await == 5
    })
    .await;
    here.set_row(1, 6);
    assert_eq!(row::refresh(&here, 1).await, 6);
    assert_eq!(row(&here, 1).await, 6);
    eventually("the refresh is heard of", async || {
        row(&there, 1).await == 6
    })
    .await;
}

/// The race, here between the answer of Redis and the keeping: the push is faster than the reader.
#[tokio::test]
async fn an_invalidation_during_a_load_is_not_missed() {
    for world in World::both().await {
        let world = Arc::new(world);
        let target = ways();
        for (value, target) in (1..).zip(target) {
            row(&world, 2).await;
            world.close_gate();
            let reader = tokio::spawn({
                let world = world.clone();
                async move { row(&world, 1).await }
            });
            world.arrival().await;
            world.set_row(1, value);
            world.cache.invalidate([target.clone()]).await;
            world.open_gate();
            reader.await.unwrap();
            assert_eq!(row(&world, 1).await, value, "{target}");
            assert_eq!(row(&world, 1).await, value, "{target}");
            world.cache.invalidate([row::key(1)]).await;
        }
    }
}

/// Behind a proxy, an instance that reads, and one beside it that writes.
async fn apart(staleness: Duration) -> (Proxy, World, World) {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let far = Cache::builder()
        .redis(proxy.url())
        .connect_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_millis(500))
        .local_staleness(staleness);
    let far = World::over(far.build().unwrap(), None);
    let near = World::over(
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap(),
        Some(server),
    );
    (proxy, far, near)
}

/// Row 1 was just invalidated by another instance: reads it until it is new, and tells how often it was old. No call may get
/// the old one that begins after `bound`.
async fn old_no_longer_than(bound: Duration, world: &World, new: u64) -> usize {
    let invalidated = Instant::now();
    for old in 0.. {
        let began = invalidated.elapsed();
        if row(world, 1).await == new {
            return old;
        }
        assert!(began <= bound, "served {began:?} after it was invalidated");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    unreachable!()
}

/// The stated bound: on a connection that is dead without a sign nothing is served that was invalidated longer ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silently_dead_connection_serves_nothing_older_than_the_bound() {
    let bound = Duration::from_secs(2);
    let (proxy, far, near) = apart(bound).await;
    assert_eq!((row(&far, 1).await, row(&far, 1).await), (0, 0));
    for direction in Direction::BOTH {
        proxy.hold(direction, true);
    }
    far.set_row(1, 5);
    write(&near, 1, 5).await;
    let old = old_no_longer_than(bound, &far, 5).await;
    assert!(old > 10, "the near cache was not used");
    assert_eq!(row(&far, 1).await, 5);
    for direction in Direction::BOTH {
        proxy.hold(direction, false);
    }
    eventually("the near cache is used again", async || {
        assert_eq!(row(&far, 1).await, 5);
        let hits = far.cache.stats().total.near_hits;
        row(&far, 1).await;
        far.cache.stats().total.near_hits > hits
    })
    .await;
}

/// The subscriber is cut off while others write, and comes back to what it has missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_cut_off_is_not_served() {
    let (proxy, far, near) = apart(Duration::from_secs(1_000)).await;
    for value in 1..=20 {
        eventually("the near cache is used", async || {
            row(&far, 1).await;
            let hits = far.cache.stats().total.near_hits;
            row(&far, 1).await;
            far.cache.stats().total.near_hits > hits
        })
        .await;
        proxy.refuse(true);
        proxy.cut();
        far.set_row(1, value);
        write(&near, 1, value).await;
        proxy.refuse(false);
        let connected = far.cache.stats().total.hits;
        eventually("it is connected again", async || {
            row(&far, 2).await;
            row::peek(&far, 2).await.is_some()
        })
        .await;
        assert_eq!(
            row(&far, 1).await,
            value,
            "missed, and served ({connected})"
        );
    }
}

/// Someone else's push is lost on the way: the gap in the numbers is seen with the next one.
#[tokio::test]
async fn a_gap_makes_everything_old() {
    let here = World::redis().await;
    let there = here.instance();
    row(&there, 1).await;
    here.cache.invalidate([pattern("others:*")]).await;
    eventually("it is heard of", async || {
        row(&there, 1).await;
        let near = there.cache.stats().total.near_hits;
        row(&there, 1).await;
        there.cache.stats().total.near_hits > near
    })
    .await;
    let mut redis = here.server().connection().await;
    let _: () = redis::cmd("INCR")
        .arg("cache:%pushes")
        .query_async(&mut redis)
        .await
        .unwrap();
    let looked = there.cache.stats().total.hits;
    here.cache.invalidate([pattern("others:*")]).await;
    eventually("everything is looked up again", async || {
        row(&there, 1).await;
        there.cache.stats().total.hits > looked
    })
    .await;
}

/// A server or a user that does not let us listen: no near cache, and nothing else is missing.
#[tokio::test]
async fn without_pushes_there_are_no_near_hits() {
    let server = RedisServer::start().await;
    let mut redis = server.connection().await;
    let _: () = redis::cmd("ACL")
        .arg(&["SETUSER", "default", "resetchannels"])
        .query_async(&mut redis)
        .await
        .unwrap();
    let world = World::over(
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap(),
        Some(server),
    );
    for value in 1..=3 {
        write(&world, 1, value).await;
        assert_eq!((row(&world, 1).await, row(&world, 1).await), (value, value));
    }
    let total = world.cache.stats().total;
    assert_eq!((total.near_hits, total.hits, total.degraded), (0, 3, 0));
    assert_eq!(total.invalidations, 3);
}

#[cached(namespace = "plain", ttl = "1h", key = id, cache = world.cache)]
async fn plain(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// A pattern that cuts inside a segment takes a while: whoever hears of it early may read what is not yet removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_is_heard_of_when_it_is_done() {
    let server = RedisServer::builder()
        .config("enable-debug-command", "yes")
        .start()
        .await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let here = World::over(cache, Some(server));
    let there = Arc::new(here.instance());
    let mut redis = here.server().connection().await;
    let many = ["POPULATE", "200000"];
    let _: () = redis::cmd("DEBUG")
        .arg(&many)
        .query_async(&mut redis)
        .await
        .unwrap();
    row(&there, 1).await;
    there.set_row(1, 5);
    let reader = tokio::spawn({
        let there = there.clone();
        async move {
            loop {
                row(&there, 1).await;
                tokio::task::yield_now().await;
            }
        }
    });
    here.cache
        .try_invalidate([pattern("rows:a*:1")])
        .await
        .unwrap();
    eventually("the new row", async || row(&there, 1).await == 5).await;
    reader.abort();
}

/// A connection that may not listen any more proves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_listen_proves_nothing() {
    let here = World::redis().await;
    let there = here.instance();
    row(&there, 1).await;
    row(&there, 1).await;
    let mut redis = here.server().connection().await;
    let mut acl = async |channels: &str| {
        let _: () = redis::cmd("ACL")
            .arg(&["SETUSER", "default", channels])
            .query_async(&mut redis)
            .await
            .unwrap();
    };
    // It closes the connections that listen.
    acl("resetchannels").await;
    eventually("others have noticed", async || {
        plain(&there, 2).await;
        row::peek(&there, 3).await;
        let loads = there.loads();
        plain(&there, 2).await;
        there.loads() == loads
    })
    .await;
    acl("allchannels").await;
    there.set_row(1, 5);
    write(&here, 1, 5).await;
    old_no_longer_than(Duration::from_secs(2), &there, 5).await;
}

/// A writer that may not publish is found out by the next proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_was_not_sent_is_missed_for_the_bound_at_most() {
    let here = World::redis().await;
    let mut redis = here.server().connection().await;
    let user = [
        "SETUSER",
        "mute",
        "on",
        ">secret",
        "~*",
        "+@all",
        "resetchannels",
    ];
    let _: () = redis::cmd("ACL")
        .arg(&user)
        .query_async(&mut redis)
        .await
        .unwrap();
    let url = here
        .server()
        .url()
        .replace("redis://", "redis://mute:secret@");
    let mute = World::over(patient(Cache::builder().redis(url)).build().unwrap(), None);
    row(&here, 1).await;
    row(&here, 1).await;
    here.set_row(1, 5);
    write(&mute, 1, 5).await;
    assert_eq!(mute.cache.stats().pending_invalidations, 0);
    old_no_longer_than(Duration::from_secs(2), &here, 5).await;
    let near = here.cache.stats().total.near_hits;
    row(&here, 1).await;
    assert_eq!(
        here.cache.stats().total.near_hits,
        near + 1,
        "not used any more"
    );
}

/// After a while without calls the near cache is used again.
#[tokio::test]
async fn after_a_pause_it_is_used_again() {
    let server = RedisServer::start().await;
    let brief =
        patient(Cache::builder().redis(server.url())).local_staleness(Duration::from_millis(50));
    let world = World::over(brief.build().unwrap(), Some(server));
    row(&world, 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    eventually("a near hit", async || {
        let near = world.cache.stats().total.near_hits;
        row(&world, 1).await;
        world.cache.stats().total.near_hits > near
    })
    .await;
}

/// Two environments in one server, with the same prefix.
#[tokio::test]
async fn another_database_is_not_heard() {
    let server = RedisServer::start().await;
    let of = |database: u8| {
        let url = format!("{}/{database}", server.url());
        World::over(patient(Cache::builder().redis(url)).build().unwrap(), None)
    };
    let (here, there) = (of(0), of(1));
    row(&here, 1).await;
    for id in 0..50 {
        row::invalidate(&there, 1).await;
        plain(&here, id).await;
        assert_eq!(row(&here, 1).await, 0);
    }
    let total = here.cache.stats().total;
    assert_eq!((total.near_hits, total.hits), (50, 0));
}
