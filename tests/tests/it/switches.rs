//! Switching off: while the program runs, for a namespace, for a while. And asking where answers came from.

use cache_runtime::{Cache, Source, cached};

use crate::world::World;

#[cached(namespace = "exec:rows", ttl = "1h", local = "1m", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "others", ttl = "1h", key = id, cache = world.cache)]
async fn other(world: &World, id: u64) -> u64 {
    world.load(id).await
}

async fn source(world: &World) -> Source {
    let (_, seen) = Cache::observe(row(world, 1)).await;
    assert!(seen.calls[0].function.ends_with("switches::row"));
    seen.calls[0].source
}

#[tokio::test]
async fn off_and_on_while_the_program_runs() {
    for world in World::both().await {
        world.set_row(1, 1);
        assert_eq!(source(&world).await, Source::Load);
        assert_eq!(source(&world).await, Source::NearHit);
        world.cache.set_enabled(false);
        assert!(!world.cache.is_enabled());
        assert_eq!(source(&world).await, Source::Bypass);
        // Nothing old is served when it is on again.
        world.set_row(1, 2);
        row::invalidate(&world, 1).await;
        world.cache.set_enabled(true);
        assert_eq!(row(&world, 1).await, 2);
        assert_eq!(source(&world).await, Source::NearHit);
    }
}

#[tokio::test]
async fn off_for_a_namespace() {
    for world in World::both().await {
        for _ in 0..2 {
            row(&world, 1).await;
            other(&world, 1).await;
        }
        world.cache.set_namespace_enabled("exec", false);
        assert_eq!(source(&world).await, Source::Bypass);
        assert_eq!(row::peek(&world, 1).await, None);
        let (_, seen) = Cache::observe(other(&world, 1)).await;
        assert_eq!(seen.count(Source::Hit), 1);
        world.cache.set_namespace_enabled("exec", true);
        assert_eq!(source(&world).await, Source::NearHit);
    }
}

#[tokio::test]
async fn off_for_a_while() {
    for world in World::both().await {
        world.set_row(1, 1);
        row(&world, 1).await;
        world.set_row(1, 2);
        let (answers, seen) = Cache::observe(Cache::bypass(async {
            (row(&world, 1).await, row(&world, 1).await)
        }))
        .await;
        assert_eq!((answers, seen.count(Source::Bypass)), ((2, 2), 2));
        assert_eq!(row(&world, 1).await, 1, "nothing was stored");
    }
}

#[tokio::test]
async fn where_answers_came_from() {
    let world = World::redis().await;
    let ((), seen) = Cache::observe(async {
        for id in [1, 1, 2] {
            other(&world, id).await;
        }
        let (_, inner) = Cache::observe(other(&world, 2)).await;
        assert_eq!(inner.calls.len(), 1);
        let (a, b) = tokio::join!(other(&world, 3), other(&world, 3));
        assert_eq!(a, b);
        other::refresh(&world, 1).await;
        other::uncached(&world, 1).await;
    })
    .await;
    let mut sources: Vec<_> = seen.calls.iter().map(|call| call.source.as_str()).collect();
    // The answer is shared before it is stored.
    sources.swap(4, 5);
    assert_eq!(
        sources,
        [
            "load",
            "hit",
            "load",
            "hit",
            "load",
            "coalesced",
            "load",
            "bypass"
        ]
    );
    let ((), many) = Cache::observe(async {
        for _ in 0..1_005 {
            other(&world, 1).await;
        }
    })
    .await;
    assert_eq!((many.calls.len(), many.more), (1_000, 5));
}

/// A call may be part of a deep future; what it needs on the way to a load stands in boxes.
#[tokio::test]
async fn the_future_of_a_call_is_small() {
    let world = World::memory();
    let size = size_of_val(&row(&world, 1));
    assert!(size < 4096, "{size} bytes");
}
