//! What an HTTP client sees of cached functions, over real connections (A11).

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, PRAGMA,
    VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response, Sse, sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{Cache, CacheLayer, cached, invalidates};
use cache_tests::eventually;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, Method, RequestBuilder};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::world::World;

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "near_rows", ttl = "1h", local = "1m", key = id, cache = world.cache)]
async fn near_row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "checked", ttl = "1h", key = id, cache = world.cache, cache_if = |row| *row > 0)]
async fn positive(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "stale_rows", ttl = "1ms", stale_while_revalidate = "1h", key = id, cache = world.cache)]
async fn stale_row(world: Arc<World>, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates(row(id), near_row(id), cache = world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

type Shared = State<Arc<World>>;

/// A service over a world, that answers until it is dropped.
struct Service {
    world: Arc<World>,
    address: String,
    client: Client,
    serving: AbortHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Service {
    async fn start(world: World, layer: CacheLayer) -> Self {
        let world = Arc::new(world);
        let router = routes().layer(layer).with_state(world.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            world,
            address,
            client: Client::new(),
            serving: serving.abort_handle(),
        }
    }

    /// One over each store.
    async fn both(layer: CacheLayer) -> Vec<Self> {
        let worlds = World::both().await;
        join_all(worlds.map(|world| Self::start(world, layer.clone()))).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = format!("{}{path}", self.address);
        self.client.request(method, address)
    }

    async fn get(&self, path: &str) -> Seen {
        Seen::of(self.request(Method::GET, path)).await
    }

    async fn get_unless(&self, path: &str, tag: &str) -> Seen {
        Seen::of(self.request(Method::GET, path).header(IF_NONE_MATCH, tag)).await
    }
}

/// An answer.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    /// Empty where it is not there.
    fn header(&self, name: impl AsRef<str>) -> &str {
        let value = self.headers.get(name.as_ref());
        value.map_or("", |value| value.to_str().unwrap())
    }
}

fn routes() -> Router<Arc<World>> {
    async fn one(State(world): Shared, Path(id): Path<u64>) -> Json<u64> {
        Json(row(&world, id).await)
    }
    async fn change(State(world): Shared, Path((id, value)): Path<(u64, u64)>) {
        write(&world, id, value).await;
    }
    async fn several(State(world): Shared, Path((from, to)): Path<(u64, u64)>) -> Json<Vec<u64>> {
        let mut rows = Vec::new();
        for id in from..to {
            rows.push(row(&world, id).await);
        }
        Json(rows)
    }
    async fn missing(State(world): Shared, Path(id): Path<u64>) -> Response {
        row(&world, id).await;
        StatusCode::NOT_FOUND.into_response()
    }
    async fn spawned(State(world): Shared, Path(id): Path<u64>) -> Json<u64> {
        Json(
            tokio::spawn(async move { row(&world, id).await })
                .await
                .unwrap(),
        )
    }
    async fn own() -> impl IntoResponse {
        let headers = [
            (ETAG, "\"own\""),
            (CACHE_CONTROL, "public, max-age=7"),
            (VARY, "accept"),
        ];
        (headers, "own")
    }
    /// An answer that the service says something of itself.
    async fn said(
        State(world): Shared,
        Path((name, value)): Path<(String, String)>,
    ) -> impl IntoResponse {
        row(&world, 7).await;
        ([(name, value)], "said")
    }
    Router::new()
        .route("/said/{name}/{value}", get(said))
        .route("/rows/{id}", get(one))
        .route("/rows/{id}/{value}", post(change))
        .route("/several/{from}/{to}", get(several))
        .route("/missing/{id}", get(missing))
        .route("/spawned/{id}", get(spawned))
        .route("/own", get(own))
        .route("/plain", get(async || "plain"))
        .route("/empty", get(async || ""))
        .route("/posted", post(async || "posted"))
        .route(
            "/unkept",
            get(async || ([(CACHE_CONTROL, "no-store")], "secret")),
        )
        .route("/large", get(async || "x".repeat((1 << 20) + 1)))
        .route("/largest", get(async || "x".repeat(1 << 20)))
        .route(
            "/near/{id}",
            get(async |State(world): Shared, Path(id): Path<u64>| Json(near_row(&world, id).await)),
        )
        .route(
            "/positive/{id}",
            get(async |State(world): Shared, Path(id): Path<u64>| Json(positive(&world, id).await)),
        )
        .route(
            "/stale/{id}",
            get(async |State(world): Shared, Path(id): Path<u64>| Json(stale_row(world, id).await)),
        )
        .route(
            "/bypassed/{id}",
            get(async |State(world): Shared, Path(id): Path<u64>| {
                Json(Cache::bypass(row(&world, id)).await)
            }),
        )
}

#[tokio::test]
async fn what_the_cache_did_is_told() {
    for service in Service::both(CacheLayer::new()).await {
        let miss = service.get("/rows/7").await;
        assert_eq!((miss.status, &*miss.body), (StatusCode::OK, "0"));
        assert_eq!(miss.header("x-cache"), "MISS");
        assert_eq!(
            miss.header("cache-status"),
            "cache-runtime; fwd=miss; stored; detail=\"1 load\""
        );
        assert_eq!(miss.header(CACHE_CONTROL), "private, no-cache");
        assert_eq!(miss.header(AGE), "");

        let hit = service.get("/rows/7").await;
        assert_eq!(hit.header("x-cache"), "HIT");
        let status = hit.header("cache-status");
        let ttl = status.strip_prefix("cache-runtime; hit; ttl=").unwrap();
        let ttl: u64 = ttl
            .strip_suffix("; detail=\"1 hit\"")
            .unwrap()
            .parse()
            .unwrap();
        // An hour, up to a tenth of which is taken off at random, and what has passed.
        assert!((3_000..=3_600).contains(&ttl), "{status}");
        assert!(hit.header(AGE).parse::<u64>().unwrap() < 600);
        assert_eq!(hit.header(ETAG), miss.header(ETAG));

        let bypass = service.get("/bypassed/7").await;
        assert_eq!(bypass.header("x-cache"), "BYPASS");
        assert_eq!(
            bypass.header("cache-status"),
            "cache-runtime; fwd=bypass; detail=\"1 bypass\""
        );
        let plain = service.get("/plain").await;
        assert_eq!(
            (plain.header("x-cache"), plain.header("cache-status")),
            ("", "")
        );
        assert_eq!(plain.header(CACHE_CONTROL), "private, no-cache");
        for name in ["x-process-time", "x-query-time"] {
            let time: f64 = plain.header(name).parse().unwrap();
            assert!((0.0..60_000.0).contains(&time), "{name}: {time}");
        }
        assert_eq!(plain.header("x-query-count"), "0");
    }
}

/// Of several calls the worst.
#[tokio::test]
async fn several_calls_are_one_answer() {
    for service in Service::both(CacheLayer::new()).await {
        service.get("/several/1/3").await;
        let mixed = service.get("/several/0/3").await;
        assert_eq!(mixed.body, "[0,0,0]");
        assert_eq!(mixed.header("x-cache"), "MISS");
        let status = mixed.header("cache-status");
        assert!(
            status.ends_with("; stored; detail=\"2 hit, 1 load\""),
            "{status}"
        );
        assert_ne!(mixed.header(AGE), "");
        assert_eq!(service.get("/several/0/3").await.header("x-cache"), "HIT");
    }
}

#[tokio::test]
async fn stale_and_near_answers_are_told() {
    for service in Service::both(CacheLayer::new().max_age(Duration::from_secs(60))).await {
        service.get("/stale/7").await;
        // What loads it anew stands still, so that it stays as it is.
        service.world.close_gate();
        eventually("the answer is past its ttl", async || {
            let stale = service.get("/stale/7").await;
            stale.header("x-cache") == "STALE"
                && stale.header("cache-status") == "cache-runtime; hit; detail=\"1 stale\""
                && stale.header(CACHE_CONTROL) == "private, no-cache"
                && !stale.header(AGE).is_empty()
        })
        .await;
        service.world.open_gate();

        service.get("/near/7").await;
        eventually("the near cache answers", async || {
            let seen = service.get("/near/7").await;
            seen.header("cache-status")
                .ends_with("detail=\"1 near-hit\"")
                && seen.header("x-cache") == "HIT"
                && !seen.header(AGE).is_empty()
        })
        .await;
    }
}

/// RFC 9110, 13.1.2 and 15.4.5.
#[tokio::test]
async fn who_has_it_is_spared() {
    for service in Service::both(CacheLayer::new()).await {
        let first = service.get("/rows/7").await;
        let tag = first.header(ETAG).to_owned();
        assert!(tag.len() == 34 && tag.starts_with('"'), "{tag}");
        for list in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", W/\"another,\" ,{tag}"),
            "*".to_owned(),
        ] {
            let spared = service.get_unless("/rows/7", &list).await;
            assert_eq!(spared.status, StatusCode::NOT_MODIFIED, "{list}");
            assert_eq!(spared.body, "");
            assert_eq!(spared.header(ETAG), tag);
            assert_eq!(spared.header(CACHE_CONTROL), "private, no-cache");
            assert_eq!(spared.header("x-cache"), "HIT");
            assert_eq!(spared.header(CONTENT_TYPE), "");
            assert!(!spared.headers.contains_key(CONTENT_LENGTH));
        }
        for list in ["\"other\"", "", "7", "\"*\"", tag.trim_matches('"')] {
            let sent = service.get_unless("/rows/7", list).await;
            assert_eq!((sent.status, &*sent.body), (StatusCode::OK, "0"), "{list}");
        }
        // In two lines, and in bytes that are no text.
        let several = service.request(Method::GET, "/rows/7");
        let several = several
            .header(IF_NONE_MATCH, &b"\"\xff\""[..])
            .header(IF_NONE_MATCH, &tag);
        assert_eq!(Seen::of(several).await.status, StatusCode::NOT_MODIFIED);

        let head = Seen::of(service.request(Method::HEAD, "/rows/7")).await;
        assert_eq!((head.status, head.header(ETAG)), (StatusCode::OK, &*tag));
        assert_eq!(head.header(CONTENT_LENGTH), "1");
        let head = service
            .request(Method::HEAD, "/rows/7")
            .header(IF_NONE_MATCH, &tag);
        assert_eq!(Seen::of(head).await.status, StatusCode::NOT_MODIFIED);

        // Nothing is known of a body that was cut off.
        let head = Seen::of(service.request(Method::HEAD, "/empty")).await;
        assert_eq!((head.status, head.header(ETAG)), (StatusCode::OK, ""));

        // Its own tag and words stay, and are respected.
        let own = service.get_unless("/own", "\"own\"").await;
        assert_eq!(own.status, StatusCode::NOT_MODIFIED);
        assert_eq!(own.header(CACHE_CONTROL), "public, max-age=7");
        assert_eq!((own.header(VARY), own.header(ETAG)), ("accept", "\"own\""));
        assert_eq!(service.get("/own").await.body, "own");
        let empty = service.get("/empty").await;
        assert_eq!(
            service
                .get_unless("/empty", empty.header(ETAG))
                .await
                .status,
            StatusCode::NOT_MODIFIED
        );
    }
}

/// Whatever is not a plain answer to a reader is neither tagged nor kept back.
#[tokio::test]
async fn what_may_not_be_tagged_is_not() {
    let service = Service::start(World::memory(), CacheLayer::new()).await;
    for (method, path, status) in [
        (Method::GET, "/missing/7", StatusCode::NOT_FOUND),
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::POST, "/posted", StatusCode::OK),
        (Method::GET, "/unkept", StatusCode::OK),
        (Method::GET, "/large", StatusCode::OK),
    ] {
        let asked = service.request(method, path).header(IF_NONE_MATCH, "*");
        let seen = Seen::of(asked).await;
        assert_eq!((seen.status, seen.header(ETAG)), (status, ""), "{path}");
    }
    assert_eq!(service.get("/large").await.body.len(), (1 << 20) + 1);
    let missing = service.get("/missing/7").await;
    assert_eq!(missing.header(CACHE_CONTROL), "private, no-cache");
    assert_eq!(missing.header("x-cache"), "HIT");
    assert_eq!(
        service.get("/unkept").await.header(CACHE_CONTROL),
        "no-store"
    );
    let posted = Seen::of(service.request(Method::POST, "/posted")).await;
    assert_eq!(posted.header(CACHE_CONTROL), "");

    let largest = service.get("/largest").await;
    assert_eq!(
        (largest.header(ETAG).len(), largest.body.len()),
        (34, 1 << 20)
    );
    let service = Service::start(World::memory(), CacheLayer::new().tagged(0)).await;
    assert_eq!(service.get("/empty").await.header(ETAG), "");
    assert_eq!(service.get("/plain").await.header(ETAG), "");
}

/// A service that says how old its answer is, or how long it may be kept, means that and not what it is made of.
#[tokio::test]
async fn what_a_service_says_of_its_answer_stays() {
    for service in Service::both(CacheLayer::new().max_age(Duration::from_secs(60))).await {
        for _ in 0..2 {
            let kept = service.get("/said/cache-control/max-age=7").await;
            assert_eq!(
                (kept.header(CACHE_CONTROL), kept.header(AGE)),
                ("max-age=7", "")
            );
        }
        let aged = service.get("/said/age/5").await;
        assert_eq!(
            (aged.header(AGE), aged.header(CACHE_CONTROL)),
            ("5", "private, no-cache")
        );
        assert_eq!(aged.header("x-cache"), "HIT");
        let unkept = service.get("/said/cache-control/No-Store").await;
        assert_eq!(unkept.header(ETAG), "");
    }
}

/// Each piece arrives while the next one is not there yet.
#[tokio::test]
async fn streams_are_not_held_up() {
    let go = Arc::new(Notify::new());
    let waiting = go.clone();
    let pieces = move |n: u64| {
        let waiting = waiting.clone();
        async move {
            if n > 0 {
                waiting.notified().await;
            }
            Ok::<_, Infallible>(n)
        }
    };
    let events = pieces.clone();
    let streamed = get(async move || {
        let body = stream::iter(0..2).then(pieces);
        Body::from_stream(body.map(|n| n.map(|n| n.to_string())))
    });
    let told = get(async move || {
        let events = stream::iter(0..2).then(events);
        Sse::new(events.map(|n| n.map(|n| sse::Event::default().data(n.to_string()))))
    });
    let router = Router::new()
        .route("/stream", streamed)
        .route("/events", told);
    let router = router.layer(CacheLayer::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    for (path, pieces) in [
        ("/stream", ["0", "1"]),
        ("/events", ["data: 0\n\n", "data: 1\n\n"]),
    ] {
        let asked = Client::new()
            .get(format!("{address}{path}"))
            .header(IF_NONE_MATCH, "*");
        let begins = timeout(Duration::from_secs(30), asked.send());
        let mut response = begins.await.expect("it is held up").unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key(ETAG));
        assert_eq!(response.chunk().await.unwrap().unwrap(), pieces[0]);
        go.notify_one();
        assert_eq!(response.chunk().await.unwrap().unwrap(), pieces[1]);
        assert_eq!(response.chunk().await.unwrap(), None);
    }
    serving.abort();
}

/// P1 over HTTP: a client that keeps answers and asks each time, as browsers do, never has what was invalidated before it asked.
#[tokio::test]
async fn nobody_is_told_that_what_was_invalidated_is_right() {
    for service in Service::both(CacheLayer::new()).await {
        let mut seen = HashSet::new();
        let mut kept = service.get("/rows/7").await;
        for value in 1..20 {
            let again = service.get_unless("/rows/7", kept.header(ETAG)).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED);
            let wrote = service.request(Method::POST, &format!("/rows/7/{value}"));
            assert_eq!(Seen::of(wrote).await.status, StatusCode::OK);
            assert!(seen.insert(kept.header(ETAG).to_owned()));
            // Whatever it has of before.
            let list: Vec<_> = seen.iter().cloned().collect();
            kept = service.get_unless("/rows/7", &list.join(", ")).await;
            assert_eq!(
                (kept.status, &*kept.body),
                (StatusCode::OK, &*value.to_string())
            );
        }
    }
}

/// What `max_age` costs is what it says: so long, and never longer than what the answer is made of is fresh.
#[tokio::test]
async fn clients_may_keep_what_is_fresh() {
    let day = Duration::from_secs(86_400);
    let hour = 3_600;
    for service in Service::both(CacheLayer::new().max_age(day)).await {
        let max_age = |seen: &Seen| -> u64 {
            let said = seen.header(CACHE_CONTROL);
            let age = said.strip_prefix("private, max-age=");
            age.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
        };
        for path in ["/rows/7", "/rows/7"] {
            let seen = service.get(path).await;
            let age: u64 = seen.header(AGE).parse().unwrap_or_default();
            assert!(
                max_age(&seen) <= hour && max_age(&seen) > hour * 4 / 5,
                "{seen:?}"
            );
            assert!(age < 600, "{seen:?}");
        }
        // Near its expiry: the age is what has passed of the hour, and what is left is a minute.
        let minute = Duration::from_secs(60);
        assert!(service.world.cache.expire(&row::key(7), minute).await);
        let seen = service.get("/rows/7").await;
        let age: u64 = seen.header(AGE).parse().unwrap();
        assert!((hour * 4 / 5..hour).contains(&age), "{seen:?}");
        let left = max_age(&seen) - age;
        assert!((1..=60).contains(&left), "{seen:?}");

        // Of nothing, of what is not stored, and of what was not found nobody knows how long it is right.
        for path in [
            "/plain",
            "/positive/7",
            "/positive/7",
            "/missing/7",
            "/bypassed/7",
        ] {
            let seen = service.get(path).await;
            assert_eq!(seen.header(CACHE_CONTROL), "private, no-cache", "{path}");
        }
    }
    let layer = CacheLayer::new().max_age(Duration::from_secs(60));
    let layer = layer.stale_while_revalidate(Duration::from_secs(30));
    let service = Service::start(World::memory(), layer).await;
    let seen = service.get("/rows/7").await;
    assert_eq!(
        seen.header(CACHE_CONTROL),
        "private, max-age=60, stale-while-revalidate=30"
    );
}

/// Who may not have answers loaded anew gets them as everybody does.
#[tokio::test]
async fn no_cache_is_for_those_who_may() {
    let allowed = CacheLayer::new().reload_if(|request| request.headers.contains_key("x-admin"));
    let mut services = Service::both(CacheLayer::new()).await;
    services.extend(Service::both(allowed).await);
    for (at, service) in services.iter().enumerate() {
        let allows = at >= 2;
        service.get("/rows/7").await;
        service.world.set_row(7, 5);
        for (header, value) in [
            (CACHE_CONTROL, "no-cache"),
            (CACHE_CONTROL, "max-age=0, No-Cache"),
            (CACHE_CONTROL, "no-store"),
            (PRAGMA, "no-cache"),
        ] {
            let asked = service
                .request(Method::GET, "/rows/7")
                .header(header, value);
            let seen = Seen::of(asked).await;
            assert_eq!(
                (&*seen.body, seen.header("x-cache")),
                ("0", "HIT"),
                "{value}"
            );
        }
        assert_eq!(service.world.loads(), 1);

        let admin = |header, value| {
            let request = service
                .request(Method::GET, "/rows/7")
                .header("x-admin", "1");
            Seen::of(request.header(header, value))
        };
        // Pragma is ignored beside the other; what else is asked for is no reason to load.
        for value in ["max-age=0", "only-if-cached"] {
            let request = service
                .request(Method::GET, "/rows/7")
                .header("x-admin", "1");
            let request = request
                .header(CACHE_CONTROL, value)
                .header(PRAGMA, "no-cache");
            assert_eq!(Seen::of(request).await.body, "0");
        }
        let unstored = admin(CACHE_CONTROL, "no-store").await;
        assert_eq!(unstored.body, if allows { "5" } else { "0" });
        assert_eq!(service.get("/rows/7").await.body, "0");
        for (header, value) in [(CACHE_CONTROL, "max-age=0, no-cache"), (PRAGMA, "no-cache")] {
            service.world.set_row(7, service.world.row(7) + 1);
            let now = if allows {
                service.world.row(7).to_string()
            } else {
                "0".to_owned()
            };
            let loaded = admin(header, value).await;
            assert_eq!(loaded.body, now);
            if allows {
                let status = loaded.header("cache-status");
                assert_eq!(
                    status,
                    "cache-runtime; fwd=request; stored; detail=\"1 load\""
                );
            }
            assert_eq!(service.get("/rows/7").await.body, now);
        }
    }
}

/// What one request's calls do is told to that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_run_at_one_time_are_told_apart() {
    for service in Service::both(CacheLayer::new()).await {
        service.get("/several/0/10").await;
        let asked = (0..200_u64).map(|n| {
            let service = &service;
            async move {
                let (from, fresh) = if n % 2 == 0 {
                    (0, true)
                } else {
                    (1_000 + n * 10, false)
                };
                let seen = service.get(&format!("/several/{from}/{}", from + 10)).await;
                let detail = seen
                    .header("cache-status")
                    .rsplit("detail=")
                    .next()
                    .unwrap();
                let (word, told) = if fresh {
                    ("HIT", "\"10 hit\"")
                } else {
                    ("MISS", "\"10 load\"")
                };
                assert_eq!((seen.header("x-cache"), detail), (word, told), "{n}");
            }
        });
        join_all(asked).await;
        let spawned = service.get("/spawned/0").await;
        assert_eq!((&*spawned.body, spawned.header("x-cache")), ("0", ""));
    }
}

/// While Redis is away clients keep nothing without asking, and are told why.
#[tokio::test]
async fn without_redis_nothing_is_kept() {
    let layer = CacheLayer::new().max_age(Duration::from_secs(60));
    let mut world = World::redis().await;
    world.server.as_mut().unwrap().kill();
    let service = Service::start(world, layer).await;
    for _ in 0..2 {
        let seen = service.get("/rows/7").await;
        assert_eq!((seen.status, &*seen.body), (StatusCode::OK, "0"));
        assert_eq!(seen.header(CACHE_CONTROL), "private, no-cache");
        assert_eq!(seen.header("x-cache"), "BYPASS");
        assert!(
            seen.header("cache-status")
                .ends_with("detail=\"1 degraded\"")
        );
    }
}

#[tokio::test]
async fn diagnostics_can_be_hidden() {
    let service = Service::start(World::memory(), CacheLayer::new().diagnostics(false)).await;
    service.get("/rows/7").await;
    let seen = service.get("/rows/7").await;
    assert_ne!((seen.header(ETAG), seen.header(AGE)), ("", ""));
    for name in [
        "x-cache",
        "cache-status",
        "x-process-time",
        "x-query-count",
        "x-query-time",
    ] {
        assert_eq!(seen.header(name), "", "{name}");
    }
    assert!(!seen.headers.contains_key(ACCEPT_RANGES));
}

/// A client that hangs up half way leaves nothing behind, and the next one is answered.
#[tokio::test]
async fn a_request_that_is_dropped_leaves_the_cache_as_it_was() {
    for service in Service::both(CacheLayer::new()).await {
        service.world.close_gate();
        let asked = tokio::spawn(service.request(Method::GET, "/rows/7").send());
        service.world.arrival().await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        service.world.discard_gate();
        let seen = service.get("/rows/7").await;
        assert_eq!((&*seen.body, seen.header("x-cache")), ("0", "MISS"));
    }
}
