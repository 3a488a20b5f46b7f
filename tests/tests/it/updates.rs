//! `#[updates]`: what a writer has written is the next answer, or nothing is stored at all.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{
    AfterCommit, Cache, Error, Pattern, Tag, Target, cached, invalidates, updates,
};
use cache_tests::eventually;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::world::{World, patient};

#[cached(namespace = "rows:all", ttl = "1h", key = id, tags = ["row:{id}"], cache = world.cache)]
async fn row(world: &World, id: u64, #[skip] held: Option<&Held>) -> u64 {
    let value = world.load(id).await;
    if let Some(held) = held {
        held.stop().await;
    }
    value
}

#[updates(row(world, id))]
async fn write(world: &World, id: u64, value: u64) -> Result<u64, String> {
    if value == 0 {
        return Err(format!("row {id} may not be 0"));
    }
    world.set_row(id, value);
    Ok(value)
}

/// Stops before it writes, and before it answers.
#[updates(row(world, id))]
async fn write_slowly(world: &World, id: u64, held: &Held) -> u64 {
    held.stop().await;
    let value = world.row(id) + 1;
    world.set_row(id, value);
    held.stop().await;
    value
}

/// Where a body waits until it is let go on.
#[derive(Debug)]
struct Held {
    arrived: Semaphore,
    passes: Semaphore,
}

impl Held {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            arrived: Semaphore::new(0),
            passes: Semaphore::new(0),
        })
    }

    async fn stop(&self) {
        self.arrived.add_permits(1);
        self.passes.acquire().await.unwrap().forget();
    }

    fn pass(&self) {
        self.passes.add_permits(1);
    }

    /// Waits until the call has come to a stop, or to its end.
    async fn arrival(&self) {
        let arrived = tokio::time::timeout(Duration::from_secs(60), self.arrived.acquire());
        arrived.await.expect("nobody came").unwrap().forget();
    }

    async fn until_end<T>(&self, call: impl Future<Output = T>) -> T {
        let answer = call.await;
        self.arrived.add_permits(1);
        answer
    }
}

fn writing(world: &Arc<World>, id: u64, held: &Arc<Held>) -> JoinHandle<u64> {
    let (world, held) = (world.clone(), held.clone());
    tokio::spawn(async move { held.until_end(write_slowly(&world, id, &held)).await })
}

fn reading(world: &Arc<World>, id: u64, held: &Arc<Held>) -> JoinHandle<u64> {
    let (world, held) = (world.clone(), held.clone());
    tokio::spawn(async move { held.until_end(row(&world, id, Some(&held))).await })
}

/// What the next call answers, and whether it needs no load.
async fn read(world: &World, id: u64) -> (u64, bool) {
    let loads = world.loads();
    let value = row(world, id, None).await;
    (value, world.loads() == loads)
}

#[tokio::test]
async fn what_was_written_is_the_next_answer() {
    for world in World::both().await {
        assert_eq!(read(&world, 1).await, (0, false));
        write(&world, 1, 5).await.unwrap();
        assert_eq!(read(&world, 1).await, (5, true));
        write(&world, 2, 6).await.unwrap();
        assert_eq!(read(&world, 2).await, (6, true), "never loaded");
        let total = world.cache.stats().total;
        assert_eq!((total.invalidations, total.queued_invalidations), (0, 0));
        row::invalidate(&world, 1).await;
        let tag = Tag::new("row", [&2_u64 as _]);
        world.cache.invalidate([Target::from(tag)]).await;
        assert_eq!(read(&world, 1).await, (5, false));
        assert_eq!(read(&world, 2).await, (6, false));
    }
}

#[tokio::test]
async fn after_an_error_nothing_is_stored_and_nothing_invalidated() {
    for world in World::both().await {
        read(&world, 1).await;
        write(&world, 1, 0).await.unwrap_err();
        assert_eq!(read(&world, 1).await, (0, true));
        assert_eq!(world.cache.stats().total.invalidations, 0);
    }
}

/// The value is found by the types, whatever each of the two functions wraps it in.
#[tokio::test]
async fn what_is_stored_is_the_value_in_the_answer() {
    type Answer<T> = Result<T, String>;

    #[cached(namespace = "named", ttl = "1h", key = id, none_ttl = "1h", cache = cache)]
    async fn named(cache: &Cache, id: u64) -> Answer<Option<String>> {
        Ok(None)
    }

    #[updates(named(cache, id))]
    async fn plain(cache: &Cache, id: u64) -> String {
        "plain".to_owned()
    }

    #[updates(named(cache, id))]
    async fn maybe(cache: &Cache, id: u64, name: Option<&str>) -> Option<String> {
        name.map(str::to_owned)
    }

    #[updates(named(cache, id))]
    async fn nested(cache: &Cache, id: u64, name: Option<&str>) -> Answer<Option<String>> {
        Ok(name.map(str::to_owned))
    }

    for world in World::both().await {
        let cache = &world.cache;
        let name = async || named(cache, 1).await.unwrap();
        plain(cache, 1).await;
        assert_eq!(name().await.as_deref(), Some("plain"));
        maybe(cache, 1, Some("maybe")).await;
        assert_eq!(name().await.as_deref(), Some("maybe"));
        maybe(cache, 1, None).await;
        assert_eq!(
            name().await.as_deref(),
            Some("maybe"),
            "nothing was written"
        );
        nested(cache, 1, Some("nested")).await.unwrap();
        assert_eq!(name().await.as_deref(), Some("nested"));
        nested(cache, 1, None).await.unwrap();
        assert_eq!(name().await, None, "written, and nothing is known of it");
    }
}

/// Two writers and a reader who loads meanwhile, step by step: the ticket, the commit, the fill.
#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_nobody_gets_what_was_overwritten() {
    const READER: usize = 2;

    for world in World::both().await {
        let world = Arc::new(world);
        let orders = orders(&mut [3, 3, 2]);
        assert_eq!(orders.len(), 560);
        for (id, order) in (0..).zip(orders) {
            let held = [Held::new(), Held::new(), Held::new()];
            let mut calls = [None, None, None];
            let mut steps = [0; 3];
            // What a call that begins now has to reach, and what the reader had to.
            let (mut promised, mut needed) = (0, 0);
            for &actor in &order {
                steps[actor] += 1;
                let (held, call) = (&held[actor], &mut calls[actor]);
                match (actor, steps[actor]) {
                    (READER, 1) => {
                        needed = promised;
                        *call = Some(reading(&world, id, held));
                        held.arrival().await;
                    }
                    (READER, _) => {
                        held.pass();
                        let seen = call.take().unwrap().await.unwrap();
                        assert!(seen >= needed, "{order:?}: {seen} after {needed}");
                    }
                    (_, 1) => {
                        *call = Some(writing(&world, id, held));
                        held.arrival().await;
                    }
                    (_, 2) => {
                        held.pass();
                        held.arrival().await;
                    }
                    (_, _) => {
                        held.pass();
                        promised = promised.max(call.take().unwrap().await.unwrap());
                        let (seen, _) = read(&world, id).await;
                        assert!(seen >= promised, "{order:?}: {seen} after {promised}");
                    }
                }
            }
            assert_eq!(read(&world, id).await.0, 2, "{order:?}");
        }
    }
}

/// All orders in which actors with so many steps each can take them.
fn orders(steps: &mut [usize]) -> Vec<Vec<usize>> {
    let mut orders = Vec::new();
    for actor in 0..steps.len() {
        if steps[actor] > 0 {
            steps[actor] -= 1;
            let rest = self::orders(steps);
            orders.extend(rest.into_iter().map(|rest| [vec![actor], rest].concat()));
            steps[actor] += 1;
        }
    }
    match orders.is_empty() {
        true => vec![Vec::new()],
        false => orders,
    }
}

/// Whatever is invalidated between ticket and fill: the value may be from before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_invalidated_meanwhile_is_not_served() {
    let ways: [Target; 4] = [
        row::key(1).into(),
        Pattern::parse("rows:*").unwrap().into(),
        Pattern::parse("rows:*:1").unwrap().into(),
        Tag::new("row", [&1_u64 as _]).into(),
    ];
    for world in World::both().await {
        let world = Arc::new(world);
        for target in ways.clone() {
            read(&world, 1).await;
            let held = Held::new();
            let write = writing(&world, 1, &held);
            held.arrival().await;
            held.pass();
            held.arrival().await;
            let newer = world.row(1) + 1;
            world.set_row(1, newer);
            world.cache.invalidate([target.clone()]).await;
            held.pass();
            write.await.unwrap();
            assert_eq!(read(&world, 1).await, (newer, false), "{target}");
            assert_eq!(read(&world, 1).await, (newer, true), "{target}");
        }
    }
}

/// Also when what was stored is gone at once, so that the load would be joined.
#[tokio::test(flavor = "multi_thread")]
async fn who_calls_after_the_update_joins_no_older_load() {
    for world in World::both().await {
        let world = Arc::new(world);
        for id in 0..10 {
            let (held_reader, held_writer) = (Held::new(), Held::new());
            let write = writing(&world, id, &held_writer);
            held_writer.arrival().await;
            // It shares the writer's ticket.
            let reader = reading(&world, id, &held_reader);
            held_reader.arrival().await;
            held_writer.pass();
            held_writer.pass();
            assert_eq!(write.await.unwrap(), 1);
            if id % 2 == 0 {
                row::invalidate(&world, id).await;
            }
            assert_eq!(read(&world, id).await.0, 1);
            held_reader.pass();
            assert_eq!(reader.await.unwrap(), 0);
            assert_eq!(read(&world, id).await, (1, true), "the reader has stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_dropped_or_panics_invalidates() {
    #[updates(row(world, id))]
    async fn panics(world: &World, id: u64) -> u64 {
        world.set_row(id, 7);
        panic!("after the commit")
    }

    for world in World::both().await {
        let world = Arc::new(world);
        read(&world, 1).await;
        let held = Held::new();
        let write = writing(&world, 1, &held);
        held.arrival().await;
        held.pass();
        held.arrival().await;
        write.abort();
        write.await.unwrap_err();
        assert_eq!(read(&world, 1).await.0, 1);

        let write = tokio::spawn({
            let world = world.clone();
            async move { panics(&world, 1).await }
        });
        write.await.unwrap_err();
        assert_eq!(read(&world, 1).await.0, 7);
        eventually("both are delivered", async || {
            world.cache.stats().pending_invalidations == 0
        })
        .await;
        assert_eq!(world.cache.stats().total.queued_invalidations, 2);
    }
}

/// What the function says of its values holds for those that a writer brings.
#[tokio::test]
async fn what_may_not_be_stored_is_invalidated() {
    #[cached(
        namespace = "words", ttl = "1h", key = id, cache = cache, max_size = 20,
        cache_if = |word: &String| word.len() > least
    )]
    async fn word(cache: &Cache, id: u64, #[skip] least: usize) -> String {
        "loaded".to_owned()
    }

    #[updates(word(cache, id, 1))]
    async fn change(cache: &Cache, id: u64, word: &str) -> String {
        word.to_owned()
    }

    for world in World::both().await {
        let cache = &world.cache;
        for refused in ["a", "far too long to be stored"] {
            change(cache, 1, "stored").await;
            assert_eq!(word(cache, 1, 1).await, "stored");
            change(cache, 1, refused).await;
            assert_eq!(word(cache, 1, 1).await, "loaded", "{refused}");
        }
        assert_eq!(cache.stats().total.invalidations, 2);
    }
}

/// Before the commit nobody else sees what was written, and after it nobody what was there before.
#[tokio::test]
async fn inside_a_transaction_it_is_an_invalidation_after_the_commit() {
    for world in World::both().await {
        let stored = async || row::peek(&world, 1).await;
        read(&world, 1).await;
        let transaction = AfterCommit::new();
        transaction.scope(write(&world, 1, 5)).await.unwrap();
        assert_eq!(stored().await, Some(0));
        assert_eq!(transaction.scope(read(&world, 1)).await, (5, false));
        assert_eq!(stored().await, Some(0));
        transaction.committed().await;
        assert_eq!(stored().await, None);
        assert_eq!(read(&world, 1).await, (5, false));

        let transaction = AfterCommit::new();
        transaction.scope(write(&world, 1, 6)).await.unwrap();
        world.set_row(1, 5);
        transaction.rolled_back().await;
        assert_eq!(read(&world, 1).await, (5, true));
    }
}

/// A cache that stores nothing tells the fleet all the same.
#[tokio::test]
async fn where_nothing_is_stored_the_others_hear_of_it() {
    let here = World::redis().await;
    let there = here.instance();
    let both = async |value| {
        there.set_row(1, value);
        write(&here, 1, value).await.unwrap();
        assert_eq!(read(&there, 1).await, (value, false));
    };
    read(&there, 1).await;
    here.cache.set_enabled(false);
    both(1).await;
    here.cache.set_enabled(true);
    here.cache.set_namespace_enabled("rows:all", false);
    both(2).await;
    here.cache.set_namespace_enabled("rows:all", true);
    Cache::bypass(both(3)).await;

    let held_off = patient(Cache::builder().redis(here.server().url()));
    let held_off = held_off.hold_off(Duration::from_millis(1)).build().unwrap();
    let held_off = World::over(held_off, None);
    there.set_row(1, 4);
    write(&held_off, 1, 4).await.unwrap();
    assert_eq!(read(&there, 1).await, (4, false));
}

/// While another writer has announced itself nothing is stored: its commit may come at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_while_a_write_is_announced() {
    #[invalidates(row(id), crash_safe = "1m", cache = world.cache)]
    async fn announced(world: &World, id: u64, held: &Held) {
        held.stop().await;
        world.set_row(id, 8);
    }

    for world in World::both().await {
        let (world, held) = (Arc::new(world), Held::new());
        let other = tokio::spawn({
            let (world, held) = (world.clone(), held.clone());
            async move { announced(&world, 1, &held).await }
        });
        held.arrival().await;
        write(&world, 1, 5).await.unwrap();
        assert_eq!(row::peek(&world, 1).await, None);
        assert_eq!(world.cache.stats().total.stores, 0);
        held.pass();
        other.await.unwrap();
        assert_eq!(read(&world, 1).await.0, 8);
    }
}

/// Redis goes away before the ticket, and between ticket and fill.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_invalidation_waits() {
    let mut world = World::redis().await;
    read(&world, 1).await;
    let mut connection = world.server().connection().await;
    redis::cmd("SAVE")
        .exec_async(&mut connection)
        .await
        .unwrap();
    world.server.as_mut().unwrap().kill();
    write(&world, 1, 5).await.unwrap();
    assert_eq!(world.cache.stats().pending_invalidations, 1);
    assert_eq!(read(&world, 1).await.0, 5);
    world.server.as_mut().unwrap().restart().await;
    eventually("it is delivered", async || {
        read(&world, 1).await.0 == 5 && world.cache.stats().pending_invalidations == 0
    })
    .await;

    let (world, held) = (Arc::new(world), Held::new());
    eventually("it is stored again", async || {
        write(&world, 1, 5).await.unwrap();
        row::peek(&world, 1).await == Some(5)
    })
    .await;
    let write = writing(&world, 1, &held);
    held.arrival().await;
    let mut connection = world.server().connection().await;
    let deny = ["SETUSER", "default", "-@write"];
    redis::cmd("ACL")
        .arg(&deny)
        .exec_async(&mut connection)
        .await
        .unwrap();
    held.pass();
    held.pass();
    assert_eq!(write.await.unwrap(), 6);
    assert_eq!(world.cache.stats().pending_invalidations, 1);
    assert_eq!(read(&world, 1).await.0, 6);
    let allow = ["SETUSER", "default", "+@write"];
    redis::cmd("ACL")
        .arg(&allow)
        .exec_async(&mut connection)
        .await
        .unwrap();
    eventually("it is delivered", async || {
        assert_eq!(read(&world, 1).await.0, 6);
        world.cache.stats().pending_invalidations == 0
    })
    .await;
}

#[tokio::test]
async fn it_may_be_refused_without_redis() {
    #[derive(Debug)]
    struct Unavailable;

    impl From<Error> for Unavailable {
        fn from(_: Error) -> Self {
            Self
        }
    }

    #[updates(row(world, id), on_unreachable = fail)]
    async fn write(world: &World, id: u64, value: u64) -> Result<u64, Unavailable> {
        world.set_row(id, value);
        Ok(value)
    }

    let mut world = World::redis().await;
    write(&world, 1, 1).await.unwrap();
    assert_eq!(read(&world, 1).await, (1, true));
    world.server.as_mut().unwrap().kill();
    eventually("the loss is noticed", async || {
        write(&world, 1, 2).await.is_err()
    })
    .await;
    let stats = world.cache.stats();
    assert_eq!(
        stats.pending_invalidations, 0,
        "what was not written is not owed"
    );
    assert!(stats.total.refused_writes >= 1);
}

/// Near caches drop what they have: here before the writer returns, elsewhere by push.
#[tokio::test]
async fn near_caches_hear_of_it() {
    #[cached(namespace = "near", ttl = "1h", key = id, local = "1h", cache = world.cache)]
    async fn near(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    #[updates(near(world, id))]
    async fn write(world: &World, id: u64, value: u64) -> u64 {
        world.set_row(id, value);
        value
    }

    async fn is_kept(world: &World) {
        eventually("the near cache has it", async || {
            let before = world.cache.stats().total.near_hits;
            near(world, 1).await;
            world.cache.stats().total.near_hits > before
        })
        .await;
    }

    for here in World::both().await {
        let there = here.server.is_some().then(|| here.instance());
        for value in 1..50 {
            is_kept(&here).await;
            if let Some(there) = &there {
                is_kept(there).await;
            }
            write(&here, 1, value).await;
            assert_eq!(near(&here, 1).await, value);
            if let Some(there) = &there {
                eventually("the other instance hears of it", async || {
                    near(there, 1).await == value
                })
                .await;
            }
        }
        let loads = there.map_or(0, |there| there.loads());
        assert_eq!((here.loads(), loads), (1, 0), "what was stored is read");
    }
}

/// Both attributes on one function, in either order.
#[tokio::test]
async fn it_stands_beside_invalidates() {
    #[cached(namespace = "lists", ttl = "1h", key = first, cache = world.cache)]
    async fn list(world: &World, first: u64) -> u64 {
        world.load(first).await
    }

    #[updates(row(world, id))]
    #[invalidates(list(result), cache = world.cache)]
    async fn above(world: &World, id: u64, value: u64) -> u64 {
        world.set_row(id, value);
        id
    }

    #[invalidates(list(result), cache = world.cache)]
    #[updates(row(world, id))]
    async fn below(world: &World, id: u64, value: u64) -> u64 {
        world.set_row(id, value);
        id
    }

    for world in World::both().await {
        list(&world, 1).await;
        above(&world, 1, 1).await;
        assert_eq!(read(&world, 1).await, (1, true));
        let loads = world.loads();
        assert_eq!((list(&world, 1).await, world.loads()), (1, loads + 1));
        world.set_row(1, 0);
        row::invalidate(&world, 1).await;
        below(&world, 1, 1).await;
        assert_eq!(read(&world, 1).await, (1, true));
        let loads = world.loads();
        assert_eq!((list(&world, 1).await, world.loads()), (1, loads + 1));
    }
}
