//! Look-ups that wait at the same moment leave together; each gets its own answer, whatever becomes of the others.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, KeyPart, Tag, cached};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use futures_util::FutureExt;
use futures_util::future::join_all;
use redis::AsyncCommands;

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "deep", ttl = "1h", key = (id, third), tags = ["third:{third}"], cache = world.cache)]
async fn deep(world: &World, id: u64, third: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "aged", ttl = "1h", stale_if_error = "1h", key = id, cache = world.cache)]
async fn aged(world: &World, id: u64) -> Result<String, String> {
    Ok(format!("{id} {}", world.load(id).await))
}

/// Look-ups of so many callers as the server has seen them.
async fn trips(server: &RedisServer) -> usize {
    let stats = server.commandstats().await;
    let of = |name: &str| stats.get(name).copied().unwrap_or_default();
    usize::try_from(of("get") + of("mget")).unwrap()
}

#[tokio::test]
async fn many_hits_at_a_time_take_few_round_trips() {
    let world = World::redis().await;
    join_all((0..1_000).map(|id| row(&world, id))).await;
    let before = trips(world.server()).await;
    let answers = join_all((0..1_000).map(|id| row(&world, id))).await;
    assert!(
        (0..1_000)
            .zip(answers)
            .all(|(id, answer)| answer == world.row(id))
    );
    let together = trips(world.server()).await - before;
    assert!(together < 20, "{together} round trips");
    assert_eq!(world.loads(), 1_000);
    // One caller does not gain by it, nor wait for it.
    let before = world.server().commandstats().await.get("mget").copied();
    for id in 0..10 {
        row(&world, id).await;
    }
    assert_eq!(
        world.server().commandstats().await.get("mget").copied(),
        before
    );
}

/// A hot key is not read once for each of its callers.
#[tokio::test]
async fn who_asks_for_the_same_is_answered_together() {
    let world = World::redis().await;
    row(&world, 1).await;
    let hits = async || {
        let mut connection = world.server().connection().await;
        let mut info = redis::cmd("INFO");
        let told: String = info
            .arg("stats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix("keyspace_hits:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = hits().await;
    let answers = join_all((0..1_000).map(|_| row(&world, 1))).await;
    assert!(answers.iter().all(|answer| *answer == world.row(1)));
    assert_eq!(world.loads(), 1);
    // Of the entry and of the generations.
    let hits = hits().await - before;
    assert!(hits <= 40, "{hits} keys were read");
}

#[tokio::test]
async fn functions_of_every_kind_share_a_round_trip() {
    let world = World::redis().await;
    let ids = || 0..90_u64;
    let all = async || {
        let before = (world.loads(), trips(world.server()).await);
        let rows = join_all(ids().map(|id| row(&world, id)));
        let deeps = join_all(ids().map(|id| deep(&world, id, id % 3)));
        let ageds = join_all(ids().map(|id| aged(&world, id)));
        let (rows, deeps, ageds) = futures_util::join!(rows, deeps, ageds);
        for (at, id) in ids().enumerate() {
            let value = world.row(id);
            assert_eq!(
                (rows[at], deeps[at], &ageds[at]),
                (value, value, &Ok(format!("{id} {value}")))
            );
        }
        (
            world.loads() - before.0,
            trips(world.server()).await - before.1,
        )
    };
    assert_eq!(all().await.0, 270);
    let (loads, together) = all().await;
    assert_eq!(loads, 0);
    assert!(together < 12, "{together} round trips");
    // Each is made old in another way, and no more than that.
    for id in ids() {
        world.set_row(id, id + 1_000);
    }
    let part: [&dyn KeyPart; 1] = [&1_u64];
    world.cache.invalidate([Tag::new("third", part)]).await;
    world.cache.invalidate([deep::pattern(None, Some(0))]).await;
    world
        .cache
        .invalidate([row::pattern(None), aged::pattern(None)])
        .await;
    world
        .cache
        .invalidate(ids().filter(|id| id % 3 == 2).map(|id| deep::key(id, 2)))
        .await;
    assert_eq!(all().await.0, 270);
    assert_eq!(all().await.0, 0);
}

/// Nobody waits longer for those that it shares a round trip with than it would alone, and those that give up hold nobody.
#[tokio::test]
async fn a_server_that_hangs_holds_nobody() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let world = World::over(
        patient(Cache::builder().redis(proxy.url()))
            .build()
            .unwrap(),
        None,
    );
    join_all((0..300).map(|id| row(&world, id))).await;
    proxy.hold(Direction::ToClient, true);
    let mut given_up: Vec<_> = (0..50).map(|id| Box::pin(row(&world, id))).collect();
    for call in &mut given_up {
        assert!(call.now_or_never().is_none());
    }
    let waiting = (50..300).map(|id| row(&world, id));
    let waiting = join_all(waiting);
    let mut waiting = std::pin::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(given_up);
    proxy.hold(Direction::ToClient, false);
    assert!(
        waiting
            .await
            .into_iter()
            .zip(50..)
            .all(|(answer, id)| answer == world.row(id))
    );
    assert_eq!(world.loads(), 300, "all were hits");
}

/// As with `buffered` streams whose consumer is busy.
#[tokio::test]
async fn callers_that_nobody_polls_hold_nobody() {
    let world = World::redis().await;
    join_all((0..10).map(|id| row(&world, id))).await;
    let mut stuck: Vec<_> = (0..5).map(|id| Box::pin(row(&world, id))).collect();
    for call in &mut stuck {
        assert!(call.now_or_never().is_none());
    }
    for id in 0..10 {
        assert_eq!(row(&world, id).await, world.row(id));
    }
    assert_eq!(join_all((0..10).map(|id| row(&world, id))).await.len(), 10);
    assert_eq!(world.loads(), 10, "all were hits");
    assert!(
        join_all(stuck)
            .await
            .into_iter()
            .zip(0..)
            .all(|(answer, id)| answer == world.row(id))
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_no_fault_of_the_others() {
    let world = World::redis().await;
    let all = async || {
        let before = world.loads();
        let rows = join_all((0..50).map(|id| row(&world, id)));
        let deeps = join_all((0..50).map(|id| deep(&world, id, 0)));
        futures_util::join!(rows, deeps);
        world.loads() - before
    };
    assert_eq!((all().await, all().await), (100, 0));
    let mut connection = world.server().connection().await;
    let name: Vec<String> = connection.keys("*%gen:rows").await.unwrap();
    let _: () = connection.del(&name).await.unwrap();
    let _: () = connection.set(&name[0], "no hash").await.unwrap();
    assert_eq!(all().await, 50, "the others are hits");
}

/// P2: each call alone pays for its wait, and soon none does.
#[tokio::test]
async fn the_circuit_opens_however_many_wait() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = Cache::builder().redis(proxy.url()).build().unwrap();
    let world = World::over(cache, None);
    let all = async || join_all((0..200).map(|id| row(&world, id))).await;
    all().await;
    let before = proxy.accepted();
    proxy.hold(Direction::ToClient, true);
    eventually("another connection is made", async || {
        all().await;
        proxy.accepted() > before
    })
    .await;
    proxy.hold(Direction::ToClient, false);
}

/// The batch is carried by the runtime of the caller that led before, which may not be driven any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_stands_still_holds_nobody() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = Cache::builder().redis(proxy.url()).build().unwrap();
    let world = Arc::new(World::over(cache, None));
    join_all((0..20).map(|id| row(&world, id))).await;
    proxy.hold(Direction::ToClient, true);
    let (sent, leads) = tokio::sync::oneshot::channel();
    let leaders = std::thread::spawn({
        let world = world.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut both = std::pin::pin!(join_all([row(&world, 0), row(&world, 1)]));
                assert!(both.as_mut().now_or_never().is_none());
                sent.send(()).unwrap();
                both.await;
            });
            // Neither driven nor dropped while the others wait.
            runtime
        }
    });
    leads.await.unwrap();
    let waiting = join_all((2..20).map(|id| row(&world, id)));
    let mut waiting = std::pin::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    proxy.hold(Direction::ToClient, false);
    let runtime = leaders.join().unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    let answers = waited.expect("they wait no longer than the cache may take");
    assert!(
        (2..20)
            .zip(answers)
            .all(|(id, answer)| answer == world.row(id))
    );
    tokio::task::spawn_blocking(|| drop(runtime)).await.unwrap();
}
