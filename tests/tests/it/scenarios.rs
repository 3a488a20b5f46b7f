//! P1 in the situations that cost others their freshness, one test each. The race itself is in `freshness`, lost data in `loss`, writers
//! that are killed in `announced`, undelivered invalidations in `undelivered`, the near cache in `near`.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Pattern, Tag, Target, cached, invalidates};
use cache_tests::{Clock, Direction, Proxy, RedisServer, eventually};
use tokio::sync::oneshot;

use crate::world::{World, patient};

#[cached(namespace = "rows:all", ttl = "1h", key = id, tags = ["row:{id}"], cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// The same keys of a near cache.
#[cached(namespace = "near:all", ttl = "1h", key = id, local = "1h", cache = world.cache)]
async fn near(world: &World, id: u64) -> u64 {
    world.load(id).await
}

fn ways() -> [Target; 4] {
    [
        row::key(1).into(),
        Pattern::parse("rows:*").unwrap().into(),
        Pattern::parse("rows:*:1").unwrap().into(),
        Tag::new("row", [&1_u64 as _]).into(),
    ]
}

/// A refresh in the background has read the old row; the writer commits and invalidates; the refresh stores.
#[tokio::test]
async fn a_refresh_on_its_way_stores_nothing_old() {
    for world in World::both().await {
        let world = Arc::new(world);
        for (value, target) in (1..).zip(ways()) {
            row(&world, 1).await;
            world.close_gate();
            let refresh = tokio::spawn({
                let world = world.clone();
                async move { row::refresh(&world, 1).await }
            });
            world.arrival().await;
            world.set_row(1, value);
            world.cache.invalidate([target.clone()]).await;
            world.open_gate();
            refresh.await.unwrap();
            assert_eq!(row(&world, 1).await, value, "{target}");
        }
    }
}

/// The same loader twice in one process: the first is overtaken by an invalidation and by the second, and comes last.
#[tokio::test]
async fn the_slower_of_two_loads_does_not_overwrite_the_faster() {
    #[cached(namespace = "rows:slow", ttl = "1h", key = id, tags = ["row:{id}"], cache = cache)]
    async fn slow(
        cache: &Cache,
        id: u64,
        #[skip] value: u64,
        #[skip] until: oneshot::Receiver<()>,
    ) -> u64 {
        until.await.unwrap();
        value
    }

    fn done() -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        sender.send(()).unwrap();
        receiver
    }

    for world in World::both().await {
        let cache = world.cache.clone();
        let targets: [Target; 4] = [
            slow::key(1).into(),
            Pattern::parse("rows:*").unwrap().into(),
            Pattern::parse("rows:*:1").unwrap().into(),
            Tag::new("row", [&1_u64 as _]).into(),
        ];
        for (value, target) in (1..).zip(targets) {
            let (open, until) = oneshot::channel();
            let mut first = Box::pin(slow(&cache, 1, 0, until));
            eventually("the first loads", async || {
                assert!(futures_util::poll!(&mut first).is_pending());
                cache.stats().total.loads % 2 == 1
            })
            .await;
            cache.invalidate([target.clone()]).await;
            assert_eq!(slow(&cache, 1, value, done()).await, value);
            open.send(()).unwrap();
            assert_eq!(first.await, 0);
            assert_eq!(
                slow(&cache, 1, 99, done()).await,
                value,
                "{target}: the slower one was stored, or the faster one was not"
            );
            cache.invalidate([target]).await;
        }
    }
}

/// A write that fails makes nothing old, and nothing new.
#[tokio::test]
async fn a_write_that_fails_changes_nothing() {
    #[invalidates(row(id), "rows:*:{id}", tag = "row:{id}", cache = world.cache)]
    async fn fails(world: &World, id: u64) -> Result<(), String> {
        Err(format!("row {id} is locked by {}", world.loads()))
    }

    for world in World::both().await {
        row(&world, 1).await;
        fails(&world, 1).await.unwrap_err();
        let loads = world.loads();
        row(&world, 1).await;
        assert_eq!(world.loads(), loads);
    }
}

/// A minute without Redis, during which every row was written.
#[tokio::test]
async fn an_outage_of_a_minute_loses_no_invalidation() {
    let mut world = World::redis().await;
    let there = world.instance();
    for id in 0..100 {
        row(&world, id).await;
    }
    let mut redis = world.server().connection().await;
    redis::cmd("SAVE").exec_async(&mut redis).await.unwrap();
    world.server.as_mut().unwrap().kill();
    for id in 0..100 {
        world.set_row(id, 5);
        there.set_row(id, 5);
        row::invalidate(&world, id).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let stats = world.cache.stats();
    assert_eq!(stats.pending_invalidations, 100);
    assert!(stats.oldest_pending.unwrap() >= Duration::from_secs(60));
    // It comes back with all the old entries, and one that keeps what it finds.
    world.server.as_mut().unwrap().restart().await;
    eventually("all are delivered", async || {
        world.cache.stats().pending_invalidations == 0
    })
    .await;
    for id in 0..100 {
        assert_eq!((row(&world, id).await, row(&there, id).await), (5, 5));
    }
    assert_eq!(world.cache.stats().oldest_pending, None);
}

/// An invalidation between the answer of Redis and the near cache's insert, with a push that is late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_between_redis_answer_and_the_near_insert_is_not_missed() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = |url: String| patient(Cache::builder().redis(url)).build().unwrap();
    let far = Arc::new(World::over(cache(proxy.url()), None));
    let writer = World::over(cache(server.url()), None);
    near(&far, 2).await;
    for value in 1..=100 {
        // Stored by another instance, so that the far one finds it in Redis.
        near(&writer, 1).await;
        proxy.hold(Direction::ToClient, true);
        let reader = tokio::spawn({
            let far = far.clone();
            async move { near(&far, 1).await }
        });
        // The answer is held on its way as soon as Redis has counted the command.
        let looked = server.commandstats().await["get"];
        if value % 2 == 0 {
            tokio::task::yield_now().await;
        }
        far.set_row(1, value);
        writer.set_row(1, value);
        near::invalidate(&writer, 1).await;
        proxy.hold(Direction::ToClient, false);
        let early = reader.await.unwrap();
        assert!(
            early == value || early + 1 == value,
            "{early}, {looked} look-ups"
        );
        eventually("the push is heard of", async || {
            near(&far, 1).await == value
        })
        .await;
        for _ in 0..10 {
            assert_eq!(near(&far, 1).await, value, "the old value came back");
        }
    }
}

/// Two nodes, one of them 15 minutes behind, write and read each other's answers. This test is also the other node.
#[tokio::test]
async fn nodes_whose_clocks_differ_by_15_minutes_agree() {
    const NAME: &str = "scenarios::nodes_whose_clocks_differ_by_15_minutes_agree";

    /// Expires before the clocks would meet.
    #[cached(namespace = "rows:brief", ttl = "5m", key = id, cache = world.cache)]
    async fn brief(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    if let Ok(url) = std::env::var("CACHE_TEST_NODE") {
        let cache = patient(Cache::builder().redis(url)).build().unwrap();
        let world = World::over(cache, None);
        world.set_row(1, 6);
        assert_eq!(
            brief(&world, 1).await,
            5,
            "what the other node stored is a hit"
        );
        brief::invalidate(&world, 1).await;
        assert_eq!(brief(&world, 1).await, 6);
        return;
    }
    for offset in [-900, 900] {
        let world = World::redis().await;
        world.set_row(1, 5);
        brief(&world, 1).await;
        let clock = Clock::new();
        clock.set(offset);
        let mut node = Command::new(std::env::current_exe().unwrap());
        node.args(["--exact", NAME])
            .env("CACHE_TEST_NODE", world.server().url())
            .stdout(Stdio::null());
        clock.give(&mut node);
        let status = tokio::task::spawn_blocking(move || node.status())
            .await
            .unwrap();
        assert!(status.unwrap().success(), "the other node, {offset} s away");
        world.set_row(1, 7);
        let loads = world.loads();
        assert_eq!(
            brief(&world, 1).await,
            6,
            "what the other node stored is a hit"
        );
        assert_eq!(world.loads(), loads);
        brief::invalidate(&world, 1).await;
        assert_eq!(brief(&world, 1).await, 7);
    }
}

/// A node that starts after everything was cleared has heard of nothing; neither what was stored nor what is still on its way
/// reaches it.
#[tokio::test]
async fn a_node_that_starts_after_a_clear_sees_nothing_from_before() {
    for target in ways() {
        let old = Arc::new(World::redis().await);
        row(&old, 2).await;
        old.close_gate();
        let reader = tokio::spawn({
            let old = old.clone();
            async move { row(&old, 1).await }
        });
        old.arrival().await;
        old.cache.invalidate([target.clone()]).await;
        let new = old.instance();
        new.set_row(1, 5);
        old.open_gate();
        reader.await.unwrap();
        assert_eq!(row(&new, 1).await, 5, "{target}");
        assert_eq!(row(&old, 1).await, 5, "{target}");
    }
}
