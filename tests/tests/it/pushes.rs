//! What browsers are told of invalidations, over real connections (B7).

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::request::Parts;
use cache_runtime::http::Pushes;
use cache_runtime::{Cache, Key, Pattern, Tag, Target, cached, invalidates, updates};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use futures_util::poll;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, tags = ["row:{id}"], cache = &world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates(row(id), cache = &world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

#[updates(row(world, id))]
async fn overwrite(world: &World, id: u64, value: u64) -> u64 {
    world.set_row(id, value);
    value
}

/// A service that answers until it is dropped.
struct Service {
    address: String,
    serving: AbortHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Service {
    async fn of(pushes: Pushes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/cache/events", listener.local_addr().unwrap());
        let router = Router::new().nest("/cache", pushes.router());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            serving: serving.abort_handle(),
        }
    }

    /// Anybody hears of all rows.
    async fn open(cache: &Cache) -> Self {
        Self::of(Pushes::new(cache).hears(|_| [pattern("rows:*")])).await
    }

    fn ask(&self, patterns: &[&str]) -> RequestBuilder {
        let patterns: Vec<_> = patterns.iter().map(|text| ("pattern", *text)).collect();
        Client::new().get(&self.address).query(&patterns)
    }

    async fn listen(&self, patterns: &[&str]) -> Ear {
        let mut ear = Ear::of(self.ask(patterns).send().await.unwrap());
        let hears = ear.next().await;
        assert_eq!(hears.name, "hears");
        assert_eq!(ear.next().await.name, "reset");
        ear
    }

    /// Comes back after `id`.
    async fn back(&self, id: &str) -> Ear {
        let request = self.ask(&[]).header("last-event-id", id);
        let mut ear = Ear::of(request.send().await.unwrap());
        assert_eq!(ear.next().await.name, "hears");
        ear
    }
}

/// What a browser hears.
struct Ear {
    response: Response,
    unread: String,
    /// What it can rely on to be told of.
    hears: Value,
}

#[derive(Debug, Default)]
struct Heard {
    name: String,
    data: Value,
    id: String,
}

impl Ear {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            response,
            unread: String::new(),
            hears: Value::Null,
        }
    }

    async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(Duration::from_secs(60), self.read());
        let heard = next.await.expect("an event within a minute");
        if heard.name == "hears" {
            self.hears = heard.data.clone();
        }
        heard
    }

    /// Reads on until `is` holds.
    async fn until(&mut self, is: impl Fn(&Self, &Heard) -> bool) {
        let reading = async {
            while {
                let heard = self.next().await;
                !is(self, &heard)
            } {}
        };
        let read = tokio::time::timeout(Duration::from_secs(60), reading);
        read.await.expect("that is heard within a minute");
    }

    async fn read(&mut self) -> Heard {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let mut heard = Heard::default();
                for line in event.lines() {
                    match line.split_once(": ").unwrap_or_default() {
                        ("event", name) => heard.name = name.to_owned(),
                        ("data", data) => heard.data = serde_json::from_str(data).unwrap(),
                        ("id", id) => heard.id = id.to_owned(),
                        ("retry", time) => assert!((1000..3000).contains(&time.parse().unwrap())),
                        _ => panic!("{line}"),
                    }
                }
                self.unread = rest.to_owned();
                return heard;
            }
            let chunk = self.response.chunk().await.unwrap();
            let chunk = chunk.expect("the stream goes on");
            self.unread += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next patterns that are old.
    async fn old(&mut self) -> Vec<String> {
        let heard = self.next().await;
        assert_eq!(heard.name, "invalidate", "{heard:?}");
        serde_json::from_value(heard.data).unwrap()
    }

    async fn reset(&mut self) {
        let heard = self.next().await;
        assert_eq!(heard.name, "reset", "{heard:?}");
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

async fn refused(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn nobody_hears_of_anything_unless_it_is_said() {
    let cache = Cache::builder().build().unwrap();
    let closed = Service::of(Pushes::new(&cache)).await;
    let message = "this request may not hear of that";
    let forbidden = json!({"error": {"code": "forbidden", "message": message}});
    for patterns in [&[][..], &["rows:*"]] {
        let answer = refused(closed.ask(patterns)).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, forbidden.clone()));
    }
    let of_user = |request: &Parts| {
        let user = request.headers.get("user")?.to_str().ok()?;
        Some(Pattern::from(Key::new("users", [&user as _])))
    };
    let hears = move |request: &Parts| {
        let user = of_user(request);
        let below = user.as_ref().map(|user| pattern(&format!("{user}:*")));
        below.into_iter().chain(user)
    };
    let service = Service::of(Pushes::new(&cache).hears(hears)).await;
    let ask = |patterns: &[&str]| service.ask(patterns).header("user", "7");
    for patterns in [
        &["users:8"][..],
        &["users:*"],
        &["users:*:7"],
        &["users:7*"],
        &["users:7", "users:8:*"],
        &["others"],
    ] {
        let answer = refused(ask(patterns)).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, forbidden.clone()));
    }
    let bad = "users:7";
    for patterns in [&["*"][..], &["users::7"], &["users:7 "], &[bad; 65]] {
        let (status, problem) = refused(ask(patterns)).await;
        assert_eq!(status, 400);
        assert_eq!(problem["error"]["code"], "bad_request");
    }
    assert_eq!(refused(service.ask(&[])).await.0, 403);

    let mut ear = Ear::of(ask(&["users:7:*"]).send().await.unwrap());
    assert_eq!(ear.next().await.data, json!(["users:7:*"]));
    ear.reset().await;
    let mut all = Ear::of(ask(&[]).send().await.unwrap());
    assert_eq!(all.next().await.data, json!(["users:7:*", "users:7"]));
    all.reset().await;
    let old = ["users:8:*", "users:7", "users:*:acme", "users:7:name"];
    cache.invalidate(old.map(pattern)).await;
    assert_eq!(ear.old().await, ["users:7:*", "users:7:name"]);
    assert_eq!(all.old().await, ["users:7", "users:7:*", "users:7:name"]);
}

#[tokio::test]
async fn who_hears_of_it_gets_nothing_from_before() {
    const ROWS: u64 = 200;
    for world in World::both().await {
        let service = Service::open(&world.cache).await;
        let mut ear = service.listen(&["rows:*"]).await;
        for id in 0..ROWS {
            row(&world, id).await;
        }
        let writing = async {
            for id in 0..ROWS {
                write(&world, id, 1).await;
            }
        };
        let reading = async {
            let mut heard = Vec::new();
            while heard.len() < ROWS as usize {
                for key in ear.old().await {
                    let id = key.strip_prefix("rows:").unwrap().parse().unwrap();
                    assert_eq!(row(&world, id).await, 1, "{key}");
                    heard.push(id);
                }
            }
            heard
        };
        let ((), mut heard) = tokio::join!(writing, reading);
        heard.sort_unstable();
        assert_eq!(heard, Vec::from_iter(0..ROWS));
    }
}

#[tokio::test]
async fn what_is_not_done_yet_is_not_told() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let instance = |url| World::over(patient(Cache::builder().redis(url)).build().unwrap(), None);
    let (far, near) = (instance(proxy.url()), instance(server.url()));
    let service = Service::open(&far.cache).await;
    let mut ear = service.listen(&[]).await;
    // Its pushes still come.
    proxy.hold(Direction::ToServer, true);
    let mut writing = pin!(write(&far, 1, 2));
    assert!(poll!(&mut writing).is_pending());
    write(&near, 2, 2).await;
    assert_eq!(ear.old().await, ["rows:2"]);
    proxy.hold(Direction::ToServer, false);
    writing.await;
    assert_eq!(ear.old().await, ["rows:1"]);
}

#[tokio::test]
async fn it_is_told_in_order() {
    let world = World::redis().await;
    let service = Service::open(&world.cache).await;
    let mut ear = service.listen(&[]).await;
    for id in 0..100 {
        write(&world, id, 1).await;
    }
    let mut last = None;
    while last != Some(99) {
        let ids = ear.old().await;
        let ids = ids.iter().map(|key| key["rows:".len()..].parse().unwrap());
        let ids: Vec<u32> = ids.collect();
        assert!(last < ids.iter().min().copied(), "{last:?}, then {ids:?}");
        last = ids.into_iter().max();
    }
}

#[tokio::test]
async fn whatever_makes_something_old_is_told() {
    for world in World::both().await {
        // Where there is a server, by another instance.
        let (near, far) = match &world.server {
            Some(_) => (world.instance(), world),
            None => (World::over(world.cache.clone(), None), world),
        };
        let service = Service::open(&near.cache).await;
        let mut ear = service.listen(&[]).await;
        row(&far, 1).await;

        write(&far, 1, 2).await;
        assert_eq!(ear.old().await, ["rows:1"]);
        far.cache.invalidate([pattern("rows:*")]).await;
        assert_eq!(ear.old().await, ["rows:*"]);
        overwrite(&far, 1, 3).await;
        assert_eq!(ear.old().await, ["rows:1"]);
        row::put(&far, 1, 4).await;
        assert_eq!(ear.old().await, ["rows:1"]);
        let by_hand = Key::new("rows", [&7 as _]);
        far.cache.set(&by_hand, &1, None).await;
        assert_eq!(ear.old().await, ["rows:7"]);

        far.cache.invalidate([Tag::new("row", [&1 as _])]).await;
        ear.reset().await;
        far.cache.invalidate([Target::All]).await;
        ear.until(|_, heard| heard.name == "reset").await;
        // A load is none of it.
        row(&far, 9).await;
        write(&far, 2, 1).await;
        assert_eq!(ear.old().await, ["rows:2"]);
    }
}

#[tokio::test]
async fn what_redis_cannot_be_told_is_told_here_and_all_is_doubted_when_it_is_back() {
    let mut world = World::redis().await;
    let service = Service::open(&world.cache).await;
    let mut ear = service.listen(&[]).await;
    row(&world, 1).await;
    world.server.as_mut().unwrap().kill();
    ear.until(|ear, _| ear.hears == json!([])).await;
    write(&world, 1, 2).await;
    assert_eq!(ear.old().await, ["rows:1"]);
    assert_eq!(row(&world, 1).await, 2);
    // One that comes meanwhile hears too.
    let mut late = service.listen(&[]).await;
    world.server.as_mut().unwrap().restart().await;
    for ear in [&mut ear, &mut late] {
        let reset = std::cell::Cell::new(false);
        ear.until(|ear, heard| {
            reset.set(reset.get() || heard.name == "reset");
            reset.get() && ear.hears == json!(["rows:*"])
        })
        .await;
    }
}

/// Nobody else asks Redis anything.
#[tokio::test]
async fn a_connection_to_redis_that_is_silently_dead_is_noticed() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = Cache::builder().redis(proxy.url()).build().unwrap();
    let other = World::over(
        Cache::builder().redis(server.url()).build().unwrap(),
        Some(server),
    );
    let service = Service::open(&cache).await;
    let mut ear = service.listen(&[]).await;
    if ear.hears == json!([]) {
        // A loaded machine took Redis for dead.
        ear.until(|ear, _| ear.hears == json!(["rows:*"])).await;
    }
    proxy.hold(Direction::ToServer, true);
    proxy.hold(Direction::ToClient, true);
    write(&other, 1, 2).await;
    ear.until(|ear, _| ear.hears == json!([])).await;
    let before = proxy.accepted();
    eventually("it is given up", async || proxy.accepted() > before).await;
    proxy.hold(Direction::ToServer, false);
    proxy.hold(Direction::ToClient, false);
    ear.until(|_, heard| heard.name == "reset").await;
}

#[tokio::test]
async fn who_is_slow_is_told_so_and_nothing_is_kept_for_it() {
    let world = World::memory();
    let service = Service::open(&world.cache).await;
    let mut ear = service.listen(&[]).await;
    // On this thread nothing else runs until all of it is done.
    for id in 0..5_000 {
        write(&world, id, 1).await;
    }
    ear.reset().await;
    write(&world, 7, 2).await;
    assert_eq!(ear.old().await, ["rows:7"]);
}

#[tokio::test]
async fn who_comes_back_hears_what_it_has_missed() {
    let world = World::redis().await;
    let (service, other) = (Service::open(&world.cache).await, world.instance());
    let mut ear = service.listen(&[]).await;
    write(&world, 1, 1).await;
    let id = ear.next().await.id;
    drop(ear);
    write(&other, 2, 1).await;
    write(&world, 3, 1).await;
    let mut back = service.back(&id).await;
    let mut missed = back.old().await;
    while missed.len() < 2 {
        missed.extend(back.old().await);
    }
    assert_eq!(missed, ["rows:2", "rows:3"]);

    let elsewhere = Service::open(&other.cache).await;
    elsewhere.back(&id).await.reset().await;
    service.back("nonsense").await.reset().await;
    // The ring holds 4,096.
    for at in 0..5_000 {
        write(&World::over(world.cache.clone(), None), at, 1).await;
    }
    service.back(&id).await.reset().await;
}

#[tokio::test]
async fn so_many_listen_and_who_leaves_makes_room() {
    let world = World::redis().await;
    let pushes = Pushes::new(&world.cache).hears(|_| [pattern("rows:*")]);
    let service = Service::of(pushes.listeners(2)).await;
    let one = service.listen(&[]).await;
    let mut other = service.listen(&[]).await;
    let refused = service.ask(&[]).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    drop(one);
    eventually("there is a place", async || {
        service.ask(&[]).send().await.unwrap().status() == 200
    })
    .await;
    write(&world, 1, 1).await;
    assert_eq!(other.old().await, ["rows:1"]);
}

/// Else browsers would believe their answers, and nobody would tell them.
#[tokio::test]
async fn where_nothing_can_be_heard_nobody_listens() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    let _: () = redis::cmd("ACL")
        .arg(&[
            "SETUSER",
            "deaf",
            "on",
            ">secret",
            "~*",
            "+@all",
            "-subscribe",
        ])
        .query_async(&mut connection)
        .await
        .unwrap();
    let url = format!("redis://deaf:secret@127.0.0.1:{}", server.port());
    let cache = patient(Cache::builder().redis(url)).build();
    let service = Service::open(&cache.unwrap()).await;
    let (status, problem) = refused(service.ask(&[])).await;
    assert_eq!(status, 503);
    assert_eq!(problem["error"]["code"], "not_pushed");
}
