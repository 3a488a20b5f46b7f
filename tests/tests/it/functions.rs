//! What the attributes do on every kind of function, and what their options mean (A7, C1, D2, E2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cache_runtime::{Cache, Key, cached, invalidates};
use cache_tests::eventually;
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::world::World;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Agent {
    id: u64,
    name: String,
    uuid: Uuid,
}

fn agent(id: u64) -> Agent {
    Agent {
        id,
        name: format!("@agent{id}"),
        uuid: Uuid::from_u128(id.into()),
    }
}

/// Counts how often a body runs.
#[derive(Debug, Default)]
struct Runs(AtomicU64);

impl Runs {
    fn count(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Calls twice, and expects the second answer to be the first one, without another run.
macro_rules! cached_once {
    ($runs:expr, $call:expr) => {{
        let before = $runs.so_far();
        let first = $call;
        assert_eq!($runs.so_far(), before + 1, "the first call has to load");
        assert_eq!($call, first);
        assert_eq!($runs.so_far(), before + 1, "the second call has to hit");
        first
    }};
}

type Answer<T> = Result<T, std::io::Error>;

#[tokio::test]
async fn every_kind_of_answer() {
    #[cached(namespace = "kinds:plain", key = id, skip(runs), cache = cache)]
    async fn plain(cache: &Cache, runs: &Runs, id: u64) -> Agent {
        runs.count();
        agent(id)
    }

    #[cached(namespace = "kinds:alias", key = id, skip(runs), cache = cache)]
    async fn alias(cache: &Cache, runs: &Runs, id: u64) -> Answer<Agent> {
        runs.count();
        Ok(agent(id))
    }

    #[cached(namespace = "kinds:option", key = id, skip(runs), cache = cache)]
    async fn option(cache: &Cache, runs: &Runs, id: u64) -> Option<Agent> {
        runs.count();
        (id > 0).then(|| agent(id))
    }

    #[cached(namespace = "kinds:arc", key = id, skip(runs), cache = cache)]
    async fn arc(cache: &Cache, runs: &Runs, id: u64) -> Arc<Agent> {
        runs.count();
        Arc::new(agent(id))
    }

    #[cached(namespace = "kinds:generic", key = id.as_ref(), skip(runs, value), cache = cache)]
    async fn generic<T>(cache: &Cache, runs: &Runs, id: impl AsRef<str>, value: T) -> usize
    where
        T: Into<Vec<u8>>,
    {
        runs.count();
        id.as_ref().len() + value.into().len()
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        assert_eq!(cached_once!(runs, plain(cache, runs, 1).await), agent(1));
        assert_eq!(
            cached_once!(runs, alias(cache, runs, 2).await.unwrap()),
            agent(2)
        );
        assert_eq!(
            cached_once!(runs, option(cache, runs, 3).await),
            Some(agent(3))
        );
        assert_eq!(*cached_once!(runs, arc(cache, runs, 4).await), agent(4));
        assert_eq!(
            cached_once!(runs, generic(cache, runs, "abc", "de").await),
            5
        );
        // Without `none_ttl`, nothing is not remembered.
        let before = runs.so_far();
        assert_eq!(
            (option(cache, runs, 0).await, option(cache, runs, 0).await),
            (None, None)
        );
        assert_eq!(runs.so_far(), before + 2);
    }
}

/// D1: a repository's methods, which cache and invalidate.
mod repository {
    use super::*;

    pub(super) struct Goals<Db> {
        pub(super) cache: Cache,
        pub(super) tenant: &'static str,
        pub(super) runs: Runs,
        pub(super) db: Db,
    }

    pub(super) trait Reads {
        async fn title(&self, id: u64) -> Answer<String>;
    }

    impl<Db: AsRef<str>> Goals<Db> {
        #[cached(namespace = "goals", ttl = "10m", key = (self.tenant, id), cache = self.cache)]
        pub(crate) async fn goal(&self, id: u64) -> Answer<Option<String>> {
            self.runs.count();
            Ok(Some(format!("{}/{id}", self.db.as_ref())))
        }

        #[invalidates(self.goal(id), cache = self.cache)]
        pub(super) async fn complete(&self, id: u64) -> Answer<u64> {
            Ok(id)
        }

        #[invalidates("goals:{self.tenant}:*", cache = self.cache)]
        pub(super) async fn complete_all(&self) -> Answer<()> {
            Ok(())
        }
    }

    impl<Db: AsRef<str>> Reads for Goals<Db> {
        #[cached(namespace = "titles", key = (self.tenant, id), cache = self.cache)]
        async fn title(&self, id: u64) -> Answer<String> {
            self.runs.count();
            Ok(format!("goal {id}"))
        }
    }
}

#[tokio::test]
async fn a_repository_caches_and_invalidates() {
    use repository::{Goals, Reads};

    for world in World::both().await {
        let goals = Goals {
            cache: world.cache.clone(),
            tenant: "t1",
            runs: Runs::default(),
            db: "db".to_owned(),
        };
        assert_eq!(
            cached_once!(goals.runs, goals.goal(7).await.unwrap()).as_deref(),
            Some("db/7")
        );
        assert_eq!(
            cached_once!(goals.runs, goals.title(7).await.unwrap()),
            "goal 7"
        );
        goals.complete(7).await.unwrap();
        cached_once!(goals.runs, goals.goal(7).await.unwrap());
        goals.complete_all().await.unwrap();
        cached_once!(goals.runs, goals.goal(7).await.unwrap());
        assert_eq!(goals.goal_key(7).as_str(), "goals:t1:7");
        assert_eq!(
            goals.goal_peek(7).await.unwrap().unwrap().as_deref(),
            Some("db/7")
        );
        goals.goal_invalidate(7).await;
        assert!(goals.goal_peek(7).await.is_none());
    }
}

#[tokio::test]
async fn an_axum_handler_is_cached_as_it_stands() {
    #[derive(Debug, Clone)]
    struct App {
        cache: Cache,
        runs: Arc<Runs>,
    }

    #[cached("handler", "1m", key = (org, id), skip(app), cache = app.cache)]
    async fn handler(
        State(app): State<App>,
        Path((org, id)): Path<(String, u64)>,
    ) -> Result<Json<Agent>, String> {
        app.runs.count();
        if id == 0 {
            Err(format!("none in {org}"))
        } else {
            Ok(Json(agent(id)))
        }
    }

    for world in World::both().await {
        let app = App {
            cache: world.cache.clone(),
            runs: Arc::default(),
        };
        let router: axum::Router = axum::Router::new()
            .route("/{org}/{id}", axum::routing::get(handler))
            .with_state(app.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        for _ in 0..3 {
            assert!(http_get(address, "/acme/7").await.contains("\"@agent7\""));
        }
        assert_eq!(app.runs.so_far(), 1);
        http_get(address, "/acme/0").await;
        http_get(address, "/acme/0").await;
        assert_eq!(app.runs.so_far(), 3, "an error is not stored");
        server.abort();
    }
}

async fn http_get(address: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn nothing_is_remembered_with_none_ttl() {
    #[cached(namespace = "none", key = id, none_ttl = "1m", skip(runs), cache = cache)]
    async fn find(cache: &Cache, runs: &Runs, id: u64) -> Answer<Option<Agent>> {
        runs.count();
        Ok((id > 0).then(|| agent(id)))
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        assert_eq!(
            cached_once!(runs, find(cache, runs, 0).await.unwrap()),
            None
        );
        assert_eq!(
            cached_once!(runs, find(cache, runs, 1).await.unwrap()),
            Some(agent(1))
        );
        assert_eq!(
            find::peek(cache, 0).await.map(Result::unwrap),
            Some(None),
            "known to be nothing"
        );
        assert!(find::peek(cache, 2).await.is_none(), "not known");
    }
}

#[tokio::test]
async fn conditions_look_at_the_value() {
    #[cached(namespace = "if", key = id, cache_if = |agent| agent.id % 2 == 0, skip(runs), cache = cache)]
    async fn even(cache: &Cache, runs: &Runs, id: u64) -> Answer<Agent> {
        runs.count();
        Ok(agent(id))
    }

    #[cached(namespace = "ttl_with", key = id, ttl_with = |agent| Duration::from_secs(agent.id * 60), skip(runs), cache = cache)]
    async fn by_value(cache: &Cache, runs: &Runs, id: u64) -> Agent {
        runs.count();
        agent(id)
    }

    let world = World::redis().await;
    let (cache, runs) = (&world.cache, &Runs::default());
    cached_once!(runs, even(cache, runs, 2).await.unwrap());
    let before = runs.so_far();
    even(cache, runs, 1).await.unwrap();
    even(cache, runs, 1).await.unwrap();
    assert_eq!(runs.so_far(), before + 2);

    by_value(cache, runs, 10).await;
    let mut redis = world.server().connection().await;
    let ttl: u64 = redis.ttl("cache:ttl_with:10").await.unwrap();
    assert!((535..=600).contains(&ttl), "{ttl}");
    // No time to live: not stored, rather than stored for ever.
    by_value(cache, runs, 0).await;
    assert!(!redis.exists::<_, bool>("cache:ttl_with:0").await.unwrap());
}

#[tokio::test]
async fn every_entry_expires() {
    const SHORT: Duration = Duration::from_millis(30);

    #[cached(namespace = "short", ttl = SHORT, key = id, skip(runs), cache = cache)]
    async fn short(cache: &Cache, runs: &Runs, id: u64) -> u64 {
        runs.count()
    }

    #[cached(namespace = "default", key = id, cache = cache)]
    async fn default(cache: &Cache, id: u64) -> u64 {
        id
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        let first = short(cache, runs, 1).await;
        eventually("the entry has expired", async || {
            short(cache, runs, 1).await > first
        })
        .await;
    }
    let world = World::redis().await;
    default(&world.cache, 1).await;
    let mut redis = world.server().connection().await;
    let ttl: u64 = redis.ttl("cache:default:1").await.unwrap();
    assert!((265..=300).contains(&ttl), "{ttl}");
    // B13: no key of ours without expiry, but for the generations.
    let keys: Vec<String> = redis.keys("cache:[^%]*").await.unwrap();
    for key in keys {
        assert!(
            redis.ttl::<_, i64>(&key).await.unwrap() > 0,
            "{key} never expires"
        );
    }
}

/// B4: bypass for one call.
#[tokio::test]
async fn skip_cache_loads_and_stores() {
    #[cached(namespace = "skip", key = id, skip_cache = fresh, skip(runs), cache = cache)]
    async fn find(cache: &Cache, runs: &Runs, id: u64, fresh: bool) -> u64 {
        runs.count()
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        assert_eq!(find(cache, runs, 1, false).await, 1);
        assert_eq!(find(cache, runs, 1, true).await, 2);
        assert_eq!(
            find(cache, runs, 1, false).await,
            2,
            "the fresh answer was not stored"
        );
    }
}

/// E8: the newer program's entries survive the older one beside it.
#[tokio::test]
async fn two_versions_side_by_side() {
    let new_program = World::redis().await;
    let old_program = new_program.instance();
    let (old_runs, new_runs) = (Runs::default(), Runs::default());
    // One function, as each program has it.
    let old = async || {
        #[cached(namespace = "versions", key = id, version = 1, skip(runs), cache = cache)]
        async fn find(cache: &Cache, runs: &Runs, id: u64) -> u64 {
            runs.count();
            id
        }
        find(&old_program.cache, &old_runs, 1).await
    };
    let new = async || {
        #[cached(namespace = "versions", key = id, version = 2, skip(runs), cache = cache)]
        async fn find(cache: &Cache, runs: &Runs, id: u64) -> String {
            runs.count();
            id.to_string()
        }
        find(&new_program.cache, &new_runs, 1).await
    };
    for _ in 0..4 {
        assert_eq!(old().await, 1);
        assert_eq!(new().await, "1");
    }
    assert_eq!(
        new_runs.so_far(),
        1,
        "the old program overwrote the new one's entry"
    );
    assert_eq!(old_runs.so_far(), 4);
    let undecodable = old_program.cache.stats().total.undecodable;
    assert_eq!(
        undecodable, 3,
        "of a newer version, not of another function"
    );
}

#[tokio::test]
async fn the_companion() {
    #[cached(namespace = "companion", ttl = "1m", key = (id, part), skip(runs), cache = cache)]
    async fn find(cache: &Cache, runs: &Runs, id: u64, part: &str) -> Answer<u64> {
        Ok(runs.count())
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        assert_eq!(find::key(1, "a:b").as_str(), "companion:1:a%3Ab");
        assert_eq!(find::pattern(Some(1), None).as_str(), "companion:1:*");
        assert!(find::peek(cache, 1, "a").await.is_none());
        assert_eq!(find(cache, runs, 1, "a").await.unwrap(), 1);
        assert_eq!(find::peek(cache, 1, "a").await.unwrap().unwrap(), 1);
        assert_eq!(find::uncached(cache, runs, 1, "a").await.unwrap(), 2);
        assert_eq!(
            find(cache, runs, 1, "a").await.unwrap(),
            1,
            "uncached has stored"
        );
        assert_eq!(find::refresh(cache, runs, 1, "a").await.unwrap(), 3);
        assert_eq!(
            find(cache, runs, 1, "a").await.unwrap(),
            3,
            "refresh has not stored"
        );
        find::put(cache, 1, "a", 77).await;
        assert_eq!(find(cache, runs, 1, "a").await.unwrap(), 77);
        find::put(cache, 1, "a", Ok(78)).await;
        assert_eq!(find(cache, runs, 1, "a").await.unwrap(), 78);
        find::put(cache, 1, "a", Err(std::io::Error::other("no"))).await;
        assert_eq!(
            find(cache, runs, 1, "a").await.unwrap(),
            78,
            "an error was stored"
        );
        find::invalidate(cache, 1, "a").await;
        assert_eq!(find(cache, runs, 1, "a").await.unwrap(), 4);
        cache.invalidate([find::pattern(None, Some("a"))]).await;
        assert_eq!(find(cache, runs, 1, "a").await.unwrap(), 5);
    }
}

#[tokio::test]
async fn invalidations_follow_the_outcome() {
    #[cached(namespace = "outcome", key = id, cache = cache)]
    async fn find(cache: &Cache, id: u64) -> u64 {
        id
    }

    #[invalidates(find(id), cache = cache)]
    async fn fallible(cache: &Cache, id: u64, fail: bool) -> Answer<()> {
        if fail {
            Err(std::io::Error::other("no"))
        } else {
            Ok(())
        }
    }

    #[invalidates(find(id), on = always, cache = cache)]
    async fn always(cache: &Cache, id: u64) -> Answer<()> {
        Err(std::io::Error::other("perhaps half done"))
    }

    #[invalidates(find(id), cache = cache)]
    async fn optional(cache: &Cache, id: u64, found: bool) -> Option<()> {
        found.then_some(())
    }

    #[invalidates("outcome:{result.id}", cache = cache)]
    async fn created(cache: &Cache, id: u64) -> Answer<Agent> {
        Ok(agent(id))
    }

    #[invalidates(find(result.id), cache = cache)]
    async fn created_typed(cache: &Cache, id: u64) -> Answer<Option<Agent>> {
        Ok((id > 0).then(|| agent(id)))
    }

    #[invalidates(patterns = ["outcome:{id}", "other:*"], cache = cache)]
    async fn listed(cache: &Cache, id: String) -> String {
        id
    }

    for world in World::both().await {
        let cache = &world.cache;
        macro_rules! survives {
            ($write:expr) => {{
                find(cache, 1).await;
                let _ = $write;
                find::peek(cache, 1).await.is_some()
            }};
        }
        assert!(survives!(fallible(cache, 1, true).await));
        assert!(!survives!(fallible(cache, 1, false).await));
        assert!(!survives!(always(cache, 1).await));
        assert!(survives!(optional(cache, 1, false).await));
        assert!(!survives!(optional(cache, 1, true).await));
        assert!(!survives!(created(cache, 1).await));
        assert!(!survives!(created_typed(cache, 1).await));
        assert!(survives!(created_typed(cache, 0).await));
        // The writer knows the id as text, the reader as a number.
        assert!(!survives!(listed(cache, "1".to_owned()).await));
    }
}

/// A10 and the like: two functions that would answer for each other are told apart.
#[tokio::test]
async fn functions_never_answer_for_each_other() {
    #[cached(namespace = "agents", key = id, skip(runs), cache = cache)]
    async fn by_id(cache: &Cache, runs: &Runs, id: &str) -> String {
        runs.count();
        format!("agent {id}")
    }

    #[cached(namespace = "agents:list", skip(runs), cache = cache)]
    async fn list(cache: &Cache, runs: &Runs) -> String {
        runs.count();
        "all agents".to_owned()
    }

    #[cached(namespace = "agents", key = id, skip(runs), cache = cache)]
    async fn score(cache: &Cache, runs: &Runs, id: &str) -> String {
        runs.count();
        format!("score of {id}")
    }

    for world in World::both().await {
        let (cache, runs) = (&world.cache, &Runs::default());
        for _ in 0..3 {
            // One physical key, two functions.
            assert_eq!(by_id(cache, runs, "list").await, "agent list");
            assert_eq!(list(cache, runs).await, "all agents");
        }
        // The same template twice: the second function is not cached at all.
        cached_once!(runs, by_id(cache, runs, "7").await);
        assert_eq!(score(cache, runs, "7").await, "score of 7");
        assert_eq!(score(cache, runs, "7").await, "score of 7");
        assert_eq!(cache.stats().function("score").unwrap().bypassed, 2);
    }
}

/// Which of two functions with the same keys is cached depends on the order of calls in each process; neither reads the other's.
#[tokio::test]
async fn functions_of_two_processes_never_answer_for_each_other() {
    #[cached(namespace = "people", key = id, cache = cache)]
    async fn email(cache: &Cache, id: u64) -> String {
        format!("email of {id}")
    }

    #[cached(namespace = "people", key = id, cache = cache)]
    async fn secret(cache: &Cache, id: u64) -> String {
        format!("secret of {id}")
    }

    let here = World::redis().await;
    let there = here.instance();
    for _ in 0..3 {
        assert_eq!(email(&here.cache, 1).await, "email of 1");
        assert_eq!(secret(&there.cache, 1).await, "secret of 1");
    }
}

/// What is not to be stored is for those that waited for it, and for nobody who comes later.
#[tokio::test]
async fn an_answer_that_is_not_stored_is_not_kept_for_later_callers() {
    #[cached(namespace = "later", key = id, cache = world.cache)]
    async fn find(world: &World, id: u64) -> Option<u64> {
        Some(world.load(id).await).filter(|row| *row > 0)
    }

    for world in World::both().await {
        // Of two callers one loads; the other is not looked after any more, and keeps its seat at the key.
        world.close_gate();
        let mut one = Box::pin(find(&world, 1));
        let mut other = Box::pin(find(&world, 1));
        tokio::select! {
            _ = &mut one => unreachable!("the gate is closed"),
            _ = &mut other => unreachable!("the gate is closed"),
            () = async {
                world.arrival().await;
                eventually("both have missed", async || world.cache.stats().total.misses == 2).await;
            } => {}
        }
        world.open_gate();
        let answer = tokio::select! {
            answer = &mut one => answer,
            answer = &mut other => answer,
        };
        assert_eq!(answer, None);
        world.set_row(1, 7);
        assert_eq!(
            find(&world, 1).await,
            Some(7),
            "in {}",
            world.cache.store_name()
        );
    }
}

/// Whatever keeps a new answer from being stored, the old one is not the right one any more.
#[tokio::test]
async fn what_cannot_be_put_or_set_leaves_nothing_old() {
    #[cached(namespace = "put", key = id, max_size = 100, cache = world.cache)]
    async fn find(world: &World, id: u64) -> String {
        "x".repeat(world.load(id).await as usize)
    }

    for world in World::both().await {
        let (cache, large) = (&world.cache, "y".repeat(200));
        let by_hand = Key::new("sessions", [&1 as _]);
        world.set_row(1, 1);
        for stores in [false, true] {
            assert_eq!(find(&world, 1).await, "x");
            assert!(cache.set(&by_hand, "x", None).await);
            cache.set_enabled(stores);
            find::put(&world, 1, large.clone()).await;
            let text = match stores {
                true => "y".repeat(2 << 20),
                false => "y".to_owned(),
            };
            assert!(!cache.set(&by_hand, &text, None).await);
            cache.set_enabled(true);
            assert_eq!(find::peek(&world, 1).await, None, "{stores}");
            assert_eq!(cache.get::<String>(&by_hand).await, None, "{stores}");
        }
    }
}

/// A fresh answer that is not to be stored takes the stored one away.
#[tokio::test]
async fn replacing_by_what_is_not_stored_leaves_nothing_old() {
    #[cached(namespace = "replaced", key = id, cache = world.cache)]
    async fn find(world: &World, id: u64) -> Option<u64> {
        Some(world.load(id).await).filter(|row| *row > 0)
    }

    for world in World::both().await {
        world.set_row(1, 5);
        assert_eq!(find(&world, 1).await, Some(5));
        world.set_row(1, 0);
        assert_eq!(find::refresh(&world, 1).await, None);
        assert_eq!(find(&world, 1).await, None, "refresh left the old answer");
        world.set_row(1, 5);
        assert_eq!(find(&world, 1).await, Some(5));
        find::put(&world, 1, None).await;
        assert!(
            find::peek(&world, 1).await.is_none(),
            "put left the old answer"
        );
    }
}
