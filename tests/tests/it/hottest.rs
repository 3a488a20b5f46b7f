//! A15: warming by observed use.

use std::time::Duration;

use cache_runtime::{Everything, Warming, WarmingEnd, cached};
use cache_tests::eventually;
use futures_util::future::join_all;
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};

use crate::world::World;

mod keys {
    cache_runtime::cache_keys! {
        /// In the key the parts stand in another order.
        pub hot_part(id: u64, part: &str) = "hot:declared:{part}:{id}", ttl = "1h";
    }
}

#[cached(namespace = "hot:rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Timeframe {
    Week,
    Days(u32),
}

#[cached(namespace = "hot:boards", ttl = "1h", key = (team, timeframe), cache = world.cache)]
async fn board(world: &World, team: &str, timeframe: Timeframe) -> u64 {
    let days = match timeframe {
        Timeframe::Week => 7,
        Timeframe::Days(days) => days,
    };
    world.load(team.len() as u64).await + u64::from(days)
}

#[cached(namespace = "hot:plus", ttl = "1h", key = id + 1, cache = world.cache)]
async fn plus(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(keys::hot_part(id, part), cache = world.cache)]
async fn part(world: &World, part: &str, id: u64) -> u64 {
    let _ = part;
    world.load(id).await
}

#[cached(namespace = "hot:config", ttl = "1h", cache = world.cache)]
async fn config(world: &World) -> u64 {
    world.load(0).await
}

impl World {
    #[cached(namespace = "hot:methods", ttl = "1h", key = id, cache = self.cache)]
    pub(crate) async fn hot_method(&self, id: u64) -> u64 {
        self.load(id).await
    }
}

/// Row `id` is called `calls` times.
async fn call(world: &World, calls: impl IntoIterator<Item = (u64, usize)>) {
    for (id, times) in calls {
        for _ in 0..times {
            row(world, id).await;
        }
    }
}

fn hottest_rows(world: &World, most: usize) -> Warming<'_> {
    Warming::new().hottest(
        "rows",
        row::hottest(most).of(&world.cache),
        move |id| async move {
            row(world, id).await;
        },
    )
}

/// Nothing is not everything.
#[tokio::test]
async fn none_are_none() {
    for world in World::both().await {
        call(&world, [(1, 5), (2, 3)]).await;
        world.cache.remember_hottest().await;
        let report = hottest_rows(&world, 0).run().await;
        assert_eq!(report.sets[0].loaded + report.sets[0].fresh, 0, "{report}");
    }
}

/// What the server remembers of the rows.
async fn remembered(world: &World) -> Vec<(String, f64)> {
    let mut connection = world.server().connection().await;
    let name = "cache:%top:{cache:hot:rows:*}";
    connection.zrevrange_withscores(name, 0, -1).await.unwrap()
}

/// The next process loads what the last one was asked for most, and nothing else.
#[tokio::test]
async fn the_next_instance_is_warmed_by_what_was_hot() {
    let world = World::redis().await;
    call(&world, (0..10).map(|id| (id, 20 - id as usize))).await;
    world.cache.remember_hottest().await;
    world.cache.clear(Everything).await;

    let next = world.instance();
    let report = hottest_rows(&next, 3).run().await;
    let set = &report.sets[0];
    assert_eq!(
        (set.loaded, set.skipped, report.end),
        (3, 0, WarmingEnd::Complete)
    );
    for id in 0..3 {
        row(&next, id).await;
    }
    assert_eq!(next.loads(), 3, "{report}");
    row(&next, 3).await;
    assert_eq!(next.loads(), 4, "the fourth was not hot enough");
}

/// The calls of all instances count together, each of them once.
#[tokio::test]
async fn the_fleet_remembers_together() {
    let world = World::redis().await;
    let other = world.instance();
    call(&world, [(1, 5), (2, 4)]).await;
    call(&other, [(2, 3), (3, 6)]).await;
    for world in [&world, &other, &world] {
        world.cache.remember_hottest().await;
    }
    let expected = [(2, 7.0), (3, 6.0), (1, 5.0)];
    let expected = expected.map(|(id, calls)| (format!("hot:rows:{id}"), calls));
    assert_eq!(remembered(&world).await, expected);
}

/// It is bounded, it ends, and what is long ago counts less.
#[tokio::test]
async fn what_is_remembered_is_bounded_and_fades() {
    let world = World::redis().await;
    call(&world, [(7, 8)]).await;
    world.cache.remember_hottest().await;
    let mut connection = world.server().connection().await;
    let halved = "cache:%top:{cache:hot:rows:*}:halved";
    // As after six hours.
    assert!(connection.del::<_, bool>(halved).await.unwrap());
    call(&world, [(7, 2)]).await;
    world.cache.remember_hottest().await;
    assert_eq!(remembered(&world).await, [("hot:rows:7".to_owned(), 6.0)]);

    for instance in 0..5 {
        let other = world.instance();
        let ids = (0..250).map(|id| (1_000 * (instance + 1) + id, 1));
        call(&other, ids).await;
        other.cache.remember_hottest().await;
    }
    let remembered = remembered(&world).await;
    assert_eq!((remembered.len(), remembered[0].1), (1_000, 6.0));
    for name in [halved, &halved[..halved.len() - ":halved".len()]] {
        let left: i64 = connection.pttl(name).await.unwrap();
        assert!(left > 0, "{name} never ends");
    }
}

/// While there are calls it is done by itself.
#[tokio::test]
async fn it_is_remembered_now_and_then() {
    let world = World::redis().await;
    call(&world, [(7, 3)]).await;
    assert_eq!(remembered(&world).await, []);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    row(&world, 7).await;
    eventually("the hottest keys are remembered", async || {
        !remembered(&world).await.is_empty()
    })
    .await;
}

/// A process by itself knows what it has seen.
#[tokio::test]
async fn without_redis_this_process_remembers() {
    let world = World::memory();
    call(&world, [(1, 1), (2, 3), (3, 2)]).await;
    world.cache.remember_hottest().await;
    let report = hottest_rows(&world, 2).run().await;
    assert_eq!(report.sets[0].fresh, 2, "{report}");
    world.cache.clear(Everything).await;
    let report = hottest_rows(&world, 10).run().await;
    assert_eq!((report.sets[0].loaded, world.loads()), (3, 6), "{report}");
}

/// Functions with several parts, of declared keys, with none, with others than their parameters, and methods.
#[tokio::test]
async fn arguments_are_read_back_from_keys() {
    for world in &World::both().await {
        let long = "x".repeat(200);
        join_all(["a:*", "", &long].map(|team| board(world, team, Timeframe::Week))).await;
        board(world, "a", Timeframe::Days(3)).await;
        part(world, "head", 7).await;
        plus(world, 7).await;
        config(world).await;
        world.hot_method(7).await;
        world.cache.remember_hottest().await;
        let loads = world.loads();

        let cache = &world.cache;
        let report = Warming::new()
            .hottest(
                "boards",
                board::hottest(9).of(cache),
                |(team, timeframe)| async move {
                    board(world, &team, timeframe).await;
                },
            )
            .hottest(
                "parts",
                keys::hot_part::hottest(9).of(cache),
                |(head, id)| async move {
                    part(world, &head, id).await;
                },
            )
            .hottest(
                "parts again",
                part::hottest(9).of(cache),
                |(head, id): (String, _)| async move {
                    part(world, &head, id).await;
                },
            )
            .hottest("plus", plus::hottest(9).of(cache), |next: u64| async move {
                plus(world, next - 1).await;
            })
            .hottest(
                "another type",
                plus::hottest(9).of(cache),
                |next: bool| async move {
                    row(world, u64::from(next)).await;
                },
            )
            .hottest("config", config::hottest(9).of(cache), |()| async move {
                config(world).await;
            })
            .hottest(
                "methods",
                World::hot_method_hottest(9).of(cache),
                |id| async move {
                    world.hot_method(id).await;
                },
            )
            .run()
            .await;

        let figures: Vec<_> = report
            .sets
            .iter()
            .map(|set| (set.fresh, set.skipped))
            .collect();
        let expected = [(2, 2), (1, 0), (1, 0), (1, 0), (0, 1), (1, 0), (1, 0)];
        assert_eq!(figures, expected, "{report}");
        assert_eq!(
            world.loads(),
            loads,
            "the arguments were those of the calls"
        );
    }
}

/// Nobody waits for Redis beyond the deadline, and what is away is no error.
#[tokio::test]
async fn the_deadline_holds_for_the_asking() {
    let mut world = World::redis().await;
    row(&world, 7).await;
    world.server().pause();
    let warming = hottest_rows(&world, 3).deadline(Duration::from_millis(50));
    // Redis itself would be waited for twice as long.
    let report = tokio::time::timeout(Duration::from_secs(10), warming.run());
    assert_eq!(report.await.unwrap().end, WarmingEnd::Deadline);
    world.server.as_mut().unwrap().kill();
    world.cache.remember_hottest().await;
}
