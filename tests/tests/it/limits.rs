//! Counters and rate limits, in memory and in Redis.

use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Key, RateLimit};
use cache_tests::{RedisServer, eventually};
use futures_util::future::join_all;
use redis::AsyncCommands as _;

use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

fn key(id: u32) -> Key {
    Key::new("api:calls", [&id as _])
}

/// E1, E10: none of many concurrent changes is lost, and they go both ways.
#[tokio::test]
async fn a_thousand_concurrent_changes_are_a_thousand() {
    for world in World::both().await {
        let cache = &world.cache;
        let counted = key(1);
        let all = join_all((0..1000).map(|_| cache.try_incr(&counted, 1, HOUR))).await;
        let mut seen: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
        assert_eq!(cache.counter(&key(1)).await, Some(1000));
        assert_eq!(cache.decr(&key(1), 1001, HOUR).await, Some(-1));
        assert_eq!(cache.counter(&key(2)).await, None);
        cache.reset_counter(&key(1)).await;
        assert_eq!(cache.counter(&key(1)).await, None);
    }
}

/// E10: the expiry of a counter is that of its first change, unless each one is to prolong it.
#[tokio::test]
async fn the_ttl_is_set_once() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    let name = "cache:%count:{cache:api:calls:1}";
    world.cache.try_incr(&key(1), 1, HOUR / 2).await.unwrap();
    world.cache.try_incr(&key(1), 1, HOUR).await.unwrap();
    let left: u64 = redis.ttl(name).await.unwrap();
    assert!((1..=1800).contains(&left), "{left}");
    world
        .cache
        .try_incr_sliding(&key(1), 1, HOUR)
        .await
        .unwrap();
    let left: u64 = redis.ttl(name).await.unwrap();
    assert!(left > 1800, "{left}");
}

/// E10: a counter ends, and then begins again at 0.
#[tokio::test]
async fn a_counter_ends() {
    for world in World::both().await {
        let cache = &world.cache;
        cache.incr(&key(1), 5, Duration::from_millis(50)).await;
        eventually("the counter has ended", async || {
            cache.try_counter(&key(1)).await.unwrap().is_none()
        })
        .await;
        assert_eq!(cache.incr(&key(1), 1, HOUR).await, Some(1));
    }
}

/// A sum past `i64` is refused, and the counter stays as it was; large numbers are exact.
#[tokio::test]
async fn overflow_is_refused() {
    for world in World::both().await {
        let cache = &world.cache;
        let most = i64::MAX - 1;
        assert_eq!(cache.try_incr(&key(1), most, HOUR).await.unwrap(), most);
        let error = cache.try_incr(&key(1), 2, HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(cache.counter(&key(1)).await, Some(most));
        let error = cache.try_decr(&key(1), i64::MIN, HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let none = Duration::ZERO;
        let error = cache.try_incr(&key(1), 1, none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// Clearing the cache lifts no limit.
#[tokio::test]
async fn invalidations_do_not_reach_counters_and_limits() {
    for world in World::both().await {
        let (cache, limit) = (&world.cache, RateLimit::fixed(1, HOUR));
        cache.incr(&key(1), 1, HOUR).await;
        assert!(cache.allow(&key(1), &limit).await.allowed);
        cache.try_invalidate([key(1)]).await.unwrap();
        assert_eq!(cache.counter(&key(1)).await, Some(1));
        assert!(!cache.try_allow(&key(1), &limit).await.unwrap().allowed);
    }
}

/// E10: instances share a limit, concurrent requests do not pass it, and what is refused does not count.
#[tokio::test]
async fn a_limit_is_kept() {
    for limit in [RateLimit::fixed(10, HOUR), RateLimit::sliding(10, HOUR)] {
        for world in World::both().await {
            let other = match &world.server {
                Some(_) => world.instance().cache,
                None => world.cache.clone(),
            };
            let asks = (0..40).map(|n| {
                let cache = if n % 2 == 0 { &world.cache } else { &other };
                async move { cache.try_allow(&key(1), &limit).await.unwrap() }
            });
            let answers = join_all(asks).await;
            assert_eq!(answers.iter().filter(|one| one.allowed).count(), 10);
            for refused in answers.iter().filter(|one| !one.allowed) {
                assert_eq!((refused.limit, refused.remaining), (10, 0));
                assert!(refused.retry_after.is_some_and(|time| time > HOUR / 2));
                assert!(refused.resets_after > HOUR / 2);
            }
            let another = world.cache.try_allow(&key(2), &limit).await.unwrap();
            assert_eq!((another.allowed, another.remaining), (true, 9));
            let more = world.cache.try_allow_n(&key(2), &limit, 10).await.unwrap();
            assert_eq!((more.allowed, more.remaining), (false, 9));
            let less = world.cache.try_allow_n(&key(2), &limit, 9).await.unwrap();
            assert_eq!((less.allowed, less.remaining), (true, 0));
            let never = world.cache.try_allow_n(&key(3), &limit, 11).await.unwrap();
            assert_eq!((never.allowed, never.retry_after), (false, None));
        }
    }
}

/// E10: after `retry_after` it is allowed, by the server's clock, which is moved here.
#[tokio::test]
async fn the_server_s_clock_decides() {
    let server = RedisServer::builder().movable_clock().start().await;
    let builder = crate::world::patient(Cache::builder().redis(server.url()));
    let world = World::over(builder.build().unwrap(), Some(server));
    for (id, limit) in [RateLimit::fixed(4, HOUR), RateLimit::sliding(4, HOUR)]
        .into_iter()
        .enumerate()
    {
        let (cache, key) = (&world.cache, key(id as u32));
        let clock = world.server().clock();
        clock.set(0);
        let taken = cache.try_allow_n(&key, &limit, 4).await.unwrap();
        assert!(taken.allowed);
        let refused = cache.try_allow(&key, &limit).await.unwrap();
        let wait = refused.retry_after.unwrap().as_secs();
        clock.set(wait as i64 - 60);
        assert!(!cache.try_allow(&key, &limit).await.unwrap().allowed);
        clock.set(wait as i64 + 60);
        let allowed = cache.try_allow(&key, &limit).await.unwrap();
        assert!(allowed.allowed, "{allowed:?}");
        let second = cache.try_allow(&key, &limit).await.unwrap();
        // A fixed window is all free again, a sliding one by and by.
        assert_eq!(second.allowed, id == 0, "{second:?}");
    }
}

/// While Redis is away: everything is allowed and nothing counted, the twins tell, and it is seen.
#[tokio::test]
async fn without_redis_they_degrade() {
    let mut world = World::redis().await;
    world.server.as_mut().unwrap().kill();
    let (cache, limit) = (&world.cache, RateLimit::fixed(1, HOUR));
    for _ in 0..3 {
        assert!(cache.allow(&key(1), &limit).await.allowed);
        assert_eq!(cache.incr(&key(1), 1, HOUR).await, None);
        assert_eq!(cache.counter(&key(1)).await, None);
    }
    assert!(cache.try_allow(&key(1), &limit).await.is_err());
    assert!(cache.try_incr(&key(1), 1, HOUR).await.is_err());
    assert_eq!(cache.stats().total.degraded, 11);
}
