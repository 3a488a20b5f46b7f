//! P3: an invalidation that could not be delivered is kept, respected here, and delivered later; and a writer that is dropped
//! half way still invalidates.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Pattern, Tag, Target, cached, invalidates};
use cache_tests::{RedisServer, eventually};

use crate::world::{World, patient};

#[cached(namespace = "rows:all", ttl = "1h", key = id, tags = ["row:{id}"], cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "others", ttl = "1h", key = id, cache = world.cache)]
async fn other(world: &World, id: u64) -> u64 {
    world.load(id).await
}

fn by_key(id: u64) -> Target {
    row::key(id).into()
}

fn by_pattern(_: u64) -> Target {
    Pattern::parse("rows:*").unwrap().into()
}

fn by_tag(id: u64) -> Target {
    Tag::new("row", [&id as _]).into()
}

async fn redis(server: &RedisServer, command: &[&str]) {
    let mut connection = server.connection().await;
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    sent.exec_async(&mut connection).await.unwrap();
}

/// A server that serves its old entries and takes no writes.
#[tokio::test]
async fn what_could_not_be_delivered_is_respected_here_and_delivered_later() {
    for target in [by_key, by_pattern, by_tag] {
        let here = World::redis().await;
        let there = here.instance();
        row(&here, 1).await;
        other(&here, 1).await;
        redis(here.server(), &["ACL", "SETUSER", "default", "-@write"]).await;

        here.set_row(1, 5);
        there.set_row(1, 5);
        let error = here.cache.try_invalidate([target(1)]).await.unwrap_err();
        assert_eq!(error.kind(), cache_runtime::ErrorKind::Refused);
        assert_eq!(here.cache.stats().pending_invalidations, 1);
        assert!(here.cache.stats().oldest_pending.is_some());
        eventually("Redis is read again", async || {
            let loads = here.loads();
            other(&here, 1).await;
            here.loads() == loads
        })
        .await;
        for _ in 0..20 {
            assert_eq!(row(&here, 1).await, 5, "{} waits and was served", target(1));
        }
        assert_eq!(
            row(&there, 1).await,
            0,
            "the other instance has nothing to know it from"
        );

        redis(here.server(), &["ACL", "SETUSER", "default", "+@write"]).await;
        eventually("it is delivered", async || {
            here.cache.stats().pending_invalidations == 0
        })
        .await;
        eventually("the other instance is connected", async || {
            row(&there, 1).await == 5
        })
        .await;
        assert_eq!(row(&here, 1).await, 5);
        let loads = here.loads();
        row(&here, 1).await;
        assert_eq!(here.loads(), loads, "not cached any more");
    }
}

/// A server that hangs for longer than the writer waits.
#[tokio::test]
async fn a_hanging_server_hears_of_it_when_it_is_back() {
    let server = RedisServer::start().await;
    let cache = Cache::builder()
        .redis(server.url())
        .operation_timeout(Duration::from_millis(100));
    let world = World::over(cache.build().unwrap(), Some(server));
    row(&world, 1).await;
    world.server().pause();
    world.set_row(1, 5);
    row::invalidate(&world, 1).await;
    for _ in 0..20 {
        assert_eq!(row(&world, 1).await, 5);
    }
    world.server().resume();
    eventually("it is delivered", async || {
        world.cache.stats().pending_invalidations == 0
    })
    .await;
    assert_eq!(row(&world, 1).await, 5);
}

/// One that can never be delivered, ahead of a hundred that can.
#[tokio::test]
async fn one_that_is_refused_for_ever_holds_up_no_other() {
    let server = RedisServer::start().await;
    let world = World::over(
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap(),
        Some(server),
    );
    for id in 0..100 {
        row(&world, id).await;
    }
    redis(world.server(), &["ACL", "SETUSER", "default", "resetkeys"]).await;
    let poison: Target = Pattern::parse("poison:*").unwrap().into();
    world.cache.try_invalidate([poison]).await.unwrap_err();
    for id in 0..100 {
        world.set_row(id, 5);
        row::invalidate(&world, id).await;
    }
    assert_eq!(world.cache.stats().pending_invalidations, 101);
    redis(
        world.server(),
        &[
            "ACL",
            "SETUSER",
            "default",
            "~cache:rows:*",
            "~cache:%fence:*",
            "~cache:%gen:rows",
            "~cache:%tags",
            "~cache:%mark:*",
            "~cache:%pushes",
        ],
    )
    .await;
    eventually("all others are delivered", async || {
        world.cache.stats().pending_invalidations == 1
    })
    .await;
    for id in 0..100 {
        assert_eq!(row(&world, id).await, 5);
        let loads = world.loads();
        row(&world, id).await;
        assert_eq!(world.loads(), loads, "not cached any more");
    }
}

mod writers {
    use super::*;

    #[invalidates(row(id), cache = world.cache)]
    pub(super) async fn named(world: &World, id: u64) -> Result<u64, String> {
        world.set_row(id, 9);
        world.load(id).await;
        Ok(id)
    }

    #[invalidates(row(result), cache = world.cache)]
    pub(super) async fn typed_by_result(world: &World, id: u64) -> Result<u64, String> {
        named::uninvalidated(world, id).await
    }

    #[invalidates("rows:all:{result}", cache = world.cache)]
    pub(super) async fn by_result(world: &World, id: u64) -> Result<u64, String> {
        named::uninvalidated(world, id).await
    }

    #[invalidates(tag = "row:{result}", cache = world.cache)]
    pub(super) async fn tagged_by_result(world: &World, id: u64) -> Result<u64, String> {
        named::uninvalidated(world, id).await
    }

    #[invalidates(row(id), cache = world.cache)]
    pub(super) async fn panics(world: &World, id: u64) -> Result<u64, String> {
        world.set_row(id, 9);
        world.load(id).await;
        panic!("after the write")
    }

    pub(super) mod named {
        use super::*;

        pub(in super::super) async fn uninvalidated(world: &World, id: u64) -> Result<u64, String> {
            world.set_row(id, 9);
            world.load(id).await;
            Ok(id)
        }
    }
}

/// An HTTP client hangs up after the row was written, and before the answer.
#[tokio::test]
async fn a_writer_that_is_dropped_half_way_still_invalidates() {
    macro_rules! dropped {
        ($world:expr, $writer:path) => {{
            let world = $world;
            world.set_row(1, 0);
            row::invalidate(&world, 1).await;
            assert_eq!(row(&world, 1).await, 0);
            world.close_gate();
            let writer = tokio::spawn({
                let world = world.clone();
                async move { $writer(&world, 1).await }
            });
            world.arrival().await;
            writer.abort();
            writer.await.unwrap_err();
            world.open_gate();
            world.discard_pass();
            assert_eq!(
                row(&world, 1).await,
                9,
                concat!(stringify!($writer), " in {}"),
                world.cache.store_name()
            );
            eventually("it is delivered", async || {
                world.cache.stats().pending_invalidations == 0
            })
            .await;
            assert_eq!(row(&world, 1).await, 9);
        }};
    }

    for world in World::both().await {
        let world = Arc::new(world);
        dropped!(&world, writers::named);
        dropped!(&world, writers::typed_by_result);
        dropped!(&world, writers::by_result);
        dropped!(&world, writers::tagged_by_result);
    }
}

#[tokio::test]
async fn a_writer_that_panics_still_invalidates() {
    for world in World::both().await {
        let world = Arc::new(world);
        assert_eq!(row(&world, 1).await, 0);
        let writer = tokio::spawn({
            let world = world.clone();
            async move { writers::panics(&world, 1).await }
        });
        assert!(writer.await.unwrap_err().is_panic());
        assert_eq!(row(&world, 1).await, 9);
    }
}

/// One that was never begun has written nothing.
#[tokio::test]
async fn a_writer_that_never_began_invalidates_nothing() {
    let world = World::memory();
    row(&world, 1).await;
    drop(writers::named(&world, 1));
    let loads = world.loads();
    row(&world, 1).await;
    assert_eq!(world.loads(), loads);
}
