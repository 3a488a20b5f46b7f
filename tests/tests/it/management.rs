//! The management API, asked over a real connection (C3, A10, B14, D6, E5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use cache_runtime::http::{self, Management, Scope, Token};
use cache_runtime::{
    Audit, AuditAction, Cache, Job, Jobs, Key, Pattern, RateLimit, Secrets, cached,
};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use futures_util::future::join_all;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::world::{World, patient};

const ALL: [Scope; 5] = [
    Scope::Statistics,
    Scope::Keys,
    Scope::Values,
    Scope::Clear,
    Scope::Operate,
];

#[cached(namespace = "rows", ttl = "1h", key = id, cache = cache)]
async fn row(cache: &Cache, id: u64) -> u64 {
    id * 2
}

#[cached(namespace = "patients", ttl = "1h", key = id, encrypt = on, cache = cache)]
async fn patient_row(cache: &Cache, id: u64) -> String {
    format!("patient {id}")
}

/// A service that answers until it is dropped.
struct Service {
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
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            client: Client::new(),
            serving: serving.abort_handle(),
        }
    }

    async fn of(management: Management) -> Self {
        Self::start(Router::new().nest("/cache", management.router())).await
    }

    /// What is answered to `token`: always JSON.
    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let mut request = self
            .client
            .request(method, format!("{}/cache{path}", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text);
        (status, body.unwrap_or_else(|_| panic!("{status}: {text}")))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, Some("all")).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

fn managed(cache: &Cache) -> Management {
    Management::new(cache)
        .token(Token::new("all", "all").may(ALL))
        .token(Token::new("nothing", "nothing"))
        .token(Token::new("statistics", "statistics").may([Scope::Statistics]))
}

async fn both(with: impl Fn(cache_runtime::Builder) -> cache_runtime::Builder) -> Vec<World> {
    let server = RedisServer::start().await;
    let redis = with(patient(Cache::builder().redis(server.url()))).build();
    let memory = with(Cache::builder()).build();
    vec![
        World::over(redis.unwrap(), Some(server)),
        World::over(memory.unwrap(), None),
    ]
}

const PATHS: [(Method, &str); 10] = [
    (Method::GET, "/whoami"),
    (Method::GET, "/stats"),
    (Method::GET, "/health"),
    (Method::GET, "/report"),
    (Method::GET, "/openapi.json"),
    (Method::GET, "/jobs"),
    (Method::GET, "/keys"),
    (Method::GET, "/key/rows:1"),
    (Method::DELETE, "/key/rows:1"),
    (Method::DELETE, "/clear?confirm=everything"),
];

#[tokio::test]
async fn it_is_closed_by_default() {
    let cache = Cache::builder().build().unwrap();
    row(&cache, 1).await;
    let closed = Service::of(Management::new(&cache)).await;
    let open = Service::of(managed(&cache)).await;
    for (method, path) in PATHS {
        for token in [None, Some(""), Some("all"), Some("nothing")] {
            let (status, body) = closed.ask(method.clone(), path, token).await;
            assert_eq!(
                (status.as_u16(), &body["error"]["code"]),
                (401, &json!("unauthorized"))
            );
        }
        for (token, expected) in [("wrong", 401), ("nothing", 403), ("al", 401), ("all ", 200)] {
            if path.starts_with("/key") || path.starts_with("/clear") {
                continue;
            }
            let (status, body) = open.ask(method.clone(), path, Some(token)).await;
            assert_eq!(status, expected, "{path} {token}: {body}");
        }
    }
    let (status, _) = open
        .ask(Method::DELETE, "/key/rows:1", Some("statistics"))
        .await;
    assert_eq!(status, 403);
    assert!(cache.exists(&row::key(1)).await, "nobody has cleared it");
    let (_, known) = open.ask(Method::GET, "/whoami", Some("statistics")).await;
    assert_eq!(
        known,
        json!({"name": "statistics", "scopes": ["statistics"]})
    );
    // A scope that everybody has is no other one.
    let anyone = Service::of(Management::new(&cache).anyone_may([Scope::Statistics])).await;
    assert_eq!(anyone.ask(Method::GET, "/stats", None).await.0, 200);
    assert_eq!(anyone.ask(Method::GET, "/keys", None).await.0, 401);
}

#[tokio::test]
async fn statistics_have_the_documented_shapes() {
    for world in both(|builder| builder).await {
        let cache = &world.cache;
        let router = Router::new()
            .nest("/cache", managed(cache).router())
            .route("/cache/performance", http::performance(cache))
            .route("/cache/cache-health", http::cache_health(cache))
            .route("/cache/service-health", http::service_health(cache))
            .route("/cache/cache-stats", http::cache_stats(cache));
        let service = Service::start(router).await;
        for id in [1, 1, 1, 2] {
            row(cache, id).await;
        }
        let is_redis = cache.store_name() == "redis";
        for path in ["/stats", "/cache-stats"] {
            let stats = service.get(path).await;
            assert_eq!(stats["status"], "enabled");
            assert_eq!(
                (&stats["stats"]["hits"], &stats["stats"]["misses"]),
                (&json!(2), &json!(2))
            );
            assert_eq!(stats["stats"]["hit_rate"], 50.0);
            assert_eq!(stats["server"]["version"].is_string(), is_redis);
            assert_eq!(stats["server"]["uptime_seconds"].is_u64(), is_redis);
            assert_eq!(stats["server"]["connected_clients"].is_u64(), is_redis);
            assert!(
                stats["memory"]["used_memory"]
                    .as_str()
                    .unwrap()
                    .ends_with('B'),
                "{stats}"
            );
            assert!(stats["stats"]["total_keys"].as_u64() >= Some(2), "{stats}");
            let function = &stats["functions"][0];
            assert_eq!(
                (&function["namespace"], &function["hit_rate"]),
                (&json!("rows"), &json!(50.0))
            );
            assert_eq!(function["counts"]["loads"], 2);
            for (times, count) in [("load_times", 2), ("lookup_times", 4)] {
                assert_eq!(function[times]["count"], count, "{function}");
            }
        }
        let performance = service.get("/performance").await;
        let metrics = &performance["cache_metrics"];
        assert_eq!(
            *metrics,
            json!({
                "hits": 2, "misses": 2, "sets": 2, "deletes": 0, "errors": 0, "total_reads": 4,
                "hit_rate_percent": 50.0, "redis_connected": is_redis,
            })
        );
        assert!(performance["nfr_target"].is_string() && performance["recommendation"].is_string());
        for path in ["/health", "/cache-health"] {
            let health = service.get(path).await;
            assert_eq!(health["redis_connected"], is_redis);
            assert_eq!(health["hit_rate"], 0.5);
            assert!(health["response_time_ms"].is_f64() && health["memory_used_mb"].is_f64());
            assert!(health["keys_count"].as_u64() >= Some(2), "{health}");
            assert_eq!(health["evictions_per_minute"].is_f64(), is_redis);
            assert!(
                health["timestamp"].as_str().unwrap().ends_with('Z'),
                "{health}"
            );
        }
        let health = service.get("/service-health").await;
        assert_eq!(health["available"], true);
        for name in ["uptime_seconds", "connected_clients", "ops_per_sec"] {
            assert_eq!(health[name].is_u64(), is_redis, "{health}");
        }
        assert!(health["used_memory_mb"].is_f64());
    }
}

#[tokio::test]
async fn keys_are_listed_page_by_page_and_shown() {
    for world in both(|builder| builder.secrets(Secrets::new(1, [7; 32]))).await {
        let cache = &world.cache;
        let service = Service::of(managed(cache)).await;
        for id in 0..250 {
            row(cache, id).await;
        }
        patient_row(cache, 7).await;
        let strange = Key::new("rows", [&"a b/ü:%" as _]);
        cache.set(&strange, &json!({"strange": true}), None).await;

        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = service
                .get(&format!("/keys?pattern=rows:*&limit=40{cursor}"))
                .await;
            let keys = page["keys"].as_array().unwrap();
            assert!(
                keys.len() <= 40 && page["total_found"] == keys.len(),
                "{page}"
            );
            seen.extend(keys.iter().map(|key| key.as_str().unwrap().to_owned()));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 251);
        let all = service.get("/keys?limit=1000").await;
        assert_eq!(all["total_found"], 252, "{all}");

        let entry = service.get("/key/rows:7").await;
        assert_eq!(
            (&entry["value"], &entry["type"]),
            (&json!(14), &json!("number"))
        );
        assert_eq!(
            (&entry["state"], &entry["current"]),
            (&json!("shown"), &json!(true))
        );
        assert!(entry["ttl"].as_u64() > Some(3_000), "{entry}");
        assert_eq!(entry["form"]["stored_by"], json!(["it::management::row"]));
        let path = strange.as_str().replace('%', "%25").replace('/', "%2F");
        let entry = service.get(&format!("/key/{path}")).await;
        assert_eq!(
            (&entry["value"]["strange"], &entry["type"]),
            (&json!(true), &json!("object"))
        );

        let hidden = service.get("/key/patients:7").await;
        assert_eq!(
            (&hidden["state"], &hidden["value"]),
            (&json!("encrypted"), &json!(null))
        );
        // Who may not list keys is not told of them by the report either.
        let (_, report) = service
            .ask(Method::GET, "/report", Some("statistics"))
            .await;
        assert!(!report.to_string().contains("rows:"), "{report}");
        assert!(service.get("/report").await.to_string().contains("rows:"));
    }
}

#[tokio::test]
async fn clearing_makes_old_and_is_limited_and_recorded() {
    let limit = RateLimit::fixed(4, Duration::from_secs(3600));
    for world in both(|builder| builder.audit(Audit::new().log(100))).await {
        let cache = &world.cache;
        let service = Service::of(managed(cache).clear_limit(limit)).await;
        let delete = async |path: &str| service.ask(Method::DELETE, path, Some("all")).await;
        row(cache, 1).await;
        let (status, body) = delete("/clear?pattern=rows:*").await;
        assert_eq!(
            (status.as_u16(), body),
            (200, json!({"cleared": "rows:*", "queued": false}))
        );
        assert_eq!(row::peek(cache, 1).await, None);
        row(cache, 1).await;
        assert_eq!(delete("/key/rows:1").await.0, 200);
        assert_eq!(row::peek(cache, 1).await, None);
        row(cache, 1).await;
        assert_eq!(delete("/clear?confirm=everything").await.0, 200);
        assert_eq!(row::peek(cache, 1).await, None);
        // It is said what would be costly, and nothing is counted or done.
        for path in [
            "/clear?pattern=ro*",
            "/clear",
            "/clear?confirm=all",
            "/clear?pattern=rows:*&confirm=everything",
        ] {
            let (status, body) = delete(path).await;
            assert_eq!(
                (status.as_u16(), &body["error"]["code"]),
                (400, &json!("bad_request")),
                "{path}"
            );
        }
        assert_eq!(delete("/clear?pattern=rows:1*&sweep=true").await.0, 200);
        row(cache, 1).await;
        let (status, body) = delete("/clear?pattern=rows:*").await;
        assert_eq!(
            (status.as_u16(), &body["error"]["code"]),
            (429, &json!("too_many_requests"))
        );
        assert!(cache.exists(&row::key(1)).await);
        cache.flush_audit().await.unwrap();
        let log = cache.try_audit_log(100).await.unwrap();
        let cleared: Vec<_> = log
            .iter()
            .filter(|record| record.by.as_str() == "all")
            .map(|record| record.action)
            .collect();
        assert!(cleared.contains(&AuditAction::Clear) && cleared.contains(&AuditAction::Delete));
    }
}

#[tokio::test]
async fn what_cannot_be_delivered_is_said_to_be_queued() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = Cache::builder().redis(proxy.url());
    let cache = cache.connect_timeout(Duration::from_secs(20));
    let cache = cache.build().unwrap();
    row(&cache, 1).await;
    let service = Service::of(managed(&cache)).await;
    proxy.refuse(true);
    proxy.cut();
    eventually("it is away", async || !cache.health().await.connected).await;
    let (status, body) = service
        .ask(Method::DELETE, "/clear?pattern=rows:*", Some("all"))
        .await;
    assert_eq!((status.as_u16(), &body["queued"]), (202, &json!(true)));
    let (status, body) = service.ask(Method::GET, "/keys", Some("all")).await;
    assert_eq!(
        (status.as_u16(), &body["error"]["code"]),
        (503, &json!("store_unreachable"))
    );
    let health = service.get("/health").await;
    assert_eq!(
        (&health["status"], &health["redis_connected"]),
        (&json!("unavailable"), &json!(false))
    );
    assert_eq!(
        service.get("/stats").await["queue"]["pending_invalidations"],
        1
    );
    proxy.refuse(false);
    eventually("it is delivered", async || {
        service.get("/stats").await["queue"]["pending_invalidations"] == 0
    })
    .await;
    // One that hangs keeps nobody waiting.
    proxy.hold(Direction::ToClient, true);
    let asked = Instant::now();
    service.get("/health").await;
    service.get("/stats").await;
    assert!(asked.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn bad_input_is_told_as_such() {
    for world in both(|builder| builder).await {
        let service = Service::of(managed(&world.cache)).await;
        let long = "a".repeat(5_000);
        let cases = [
            (Method::GET, "/keys?limit=-1".to_owned(), 400),
            (Method::GET, "/keys?limit=0".to_owned(), 400),
            (Method::GET, "/keys?limit=1001".to_owned(), 400),
            (Method::GET, "/keys?limit=many".to_owned(), 400),
            (
                Method::GET,
                "/keys?limit=99999999999999999999".to_owned(),
                400,
            ),
            (Method::GET, "/keys?cursor=1".to_owned(), 400),
            (Method::GET, "/keys?cursor=-1--1".to_owned(), 400),
            (Method::GET, "/keys?pattern=*".to_owned(), 400),
            (Method::GET, "/keys?pattern=a::b".to_owned(), 400),
            (Method::GET, format!("/keys?pattern={long}"), 400),
            (Method::GET, format!("/key/{long}"), 400),
            (Method::GET, "/key/rows:*".to_owned(), 400),
            (Method::GET, "/key/rows%20:1".to_owned(), 400),
            (Method::GET, "/key/%FF".to_owned(), 400),
            (Method::GET, "/key/rows:404".to_owned(), 404),
            (Method::GET, "/jobs/none".to_owned(), 404),
            (Method::POST, "/jobs/none/run".to_owned(), 404),
            (Method::PUT, "/enabled".to_owned(), 400),
            (Method::GET, "/nowhere".to_owned(), 404),
            (Method::POST, "/stats".to_owned(), 405),
            (Method::DELETE, format!("/clear?pattern={long}"), 400),
        ];
        for (method, path, expected) in cases {
            let (status, body) = service.ask(method, &path, Some("all")).await;
            let path = &path[..path.len().min(40)];
            assert_eq!(status, expected, "{path}: {body}");
            assert!(body["error"]["message"].is_string(), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn it_switches_and_runs_jobs() {
    for world in both(|builder| builder.audit(Audit::new().log(100))).await {
        let cache = &world.cache;
        let jobs = Jobs::new(cache)
            .job(Job::health("0 4 * * *"))
            .start()
            .unwrap();
        let service = Service::of(managed(cache).jobs(Arc::new(jobs))).await;
        let put = async |body: &Value| {
            let request = service
                .client
                .put(format!("{}/cache/enabled", service.address));
            let request = request.bearer_auth("all").json(body);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(put(&json!({"enabled": false})).await, 200);
        assert!(!cache.is_enabled());
        assert_eq!(service.get("/stats").await["status"], "disabled");
        assert_eq!(put(&json!({"enabled": true})).await, 200);
        assert_eq!(
            put(&json!({"enabled": false, "namespace": "rows"})).await,
            200
        );
        row(cache, 1).await;
        assert!(cache.is_enabled() && cache.stats().total.bypassed == 1);
        cache.flush_audit().await.unwrap();
        let log = cache.try_audit_log(100).await.unwrap();
        let switched = |action| log.iter().filter(|record| record.action == action).count();
        let switched = [AuditAction::SwitchOff, AuditAction::SwitchOn].map(switched);
        assert_eq!(switched, [2, 1], "{log:?}");
        assert!(log.iter().all(|record| record.by.as_str() == "all"));
        for wrong in [
            json!({}),
            json!({"enabled": 1}),
            json!({"enabled": true, "namespac": "x"}),
        ] {
            assert_eq!(put(&wrong).await, 400, "{wrong}");
        }
        assert_eq!(
            put(&json!({"enabled": true, "namespace": "x".repeat(9_000)})).await,
            400
        );

        let all = service.get("/jobs").await;
        assert_eq!(all[0]["name"], "health");
        assert!(all[0]["next_run"].as_str().unwrap().ends_with('Z'), "{all}");
        let (status, run) = service
            .ask(Method::POST, "/jobs/health/run", Some("all"))
            .await;
        assert_eq!(
            (status.as_u16(), &run["outcome"]),
            (200, &json!("succeeded"))
        );
        assert_eq!(service.get("/jobs/health").await, json!([run]));
    }
}

/// Those past the places that there are do not wait for them.
#[tokio::test]
async fn past_64_at_once_a_request_is_told_to_come_again() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = patient(Cache::builder().redis(proxy.url()));
    let cache = cache.build().unwrap();
    row(&cache, 1).await;
    let service = Arc::new(Service::of(managed(&cache)).await);
    proxy.hold(Direction::ToClient, true);
    let ask = || {
        let service = service.clone();
        tokio::spawn(async move {
            let path = "/key/rows:1";
            service.ask(Method::GET, path, Some("all")).await
        })
    };
    let mut held: Vec<_> = (0..64).map(|_| ask()).collect();
    let busy = loop {
        // Until all places are taken, one more is held too.
        let mut next = ask();
        tokio::select! {
            answer = &mut next => break answer.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(50)) => held.push(next),
        }
    };
    assert_eq!(
        (busy.0.as_u16(), &busy.1["error"]["code"]),
        (503, &json!("busy"))
    );
    proxy.hold(Direction::ToClient, false);
    let answers = join_all(held).await;
    let answers = answers.into_iter().map(|answer| answer.unwrap().0.as_u16());
    let let_in = answers.filter(|status| *status == 200).count();
    assert_eq!(let_in, 64);
}

/// Some are told to come again, and all are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_at_once_are_answered() {
    let server = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    row(&cache, 1).await;
    let service = Arc::new(Service::of(managed(&cache)).await);
    let callers = (0..100).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..100 {
                seen.push(service.ask(Method::GET, "/key/rows:1", Some("all")).await);
            }
            seen
        })
    });
    for seen in join_all(callers).await {
        for (status, body) in seen.unwrap() {
            match status.as_u16() {
                200 => assert_eq!(body["value"], 2),
                503 => assert_eq!(body["error"]["code"], "busy"),
                _ => panic!("{status}: {body}"),
            }
        }
    }
    assert_eq!(
        service.ask(Method::GET, "/key/rows:1", Some("all")).await.0,
        200
    );
}

#[tokio::test]
async fn routes_of_ones_own_stand_behind_the_same_tokens() {
    let cache = Cache::builder().build().unwrap();
    let management = managed(&cache);
    let own = Router::new().route("/cache/own", http::performance(&cache));
    let service = Service::start(management.protect(Scope::Statistics, own)).await;
    assert_eq!(service.ask(Method::GET, "/own", None).await.0, 401);
    assert_eq!(
        service.ask(Method::GET, "/own", Some("nothing")).await.0,
        403
    );
    service.get("/own").await;
}

/// No secret is told, in no state.
#[test]
fn tokens_are_not_shown() {
    let cache = Cache::builder().build().unwrap();
    let management = Management::new(&cache).token(Token::new("ops", "hunter2").may(ALL));
    let shown = format!("{management:?}");
    assert!(
        shown.contains("ops") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(std::panic::catch_unwind(|| Token::new("ops", "")).is_err());
}

/// A walk through very many names is not one request's.
#[tokio::test]
async fn a_page_that_takes_long_ends_before_the_last_key() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = patient(Cache::builder().redis(proxy.url()));
    let cache = cache.build().unwrap();
    let rows: Vec<_> = (0..5_000)
        .map(|id: u64| (Key::new("rows", [&id as _]), id))
        .collect();
    assert_eq!(cache.mset(&rows, None).await, 5_000);
    let service = Service::of(managed(&cache)).await;
    // Five steps and more, of which a page has time for two.
    proxy.delay(Direction::ToClient, Duration::from_millis(600));
    let page = service.get("/keys?pattern=none:*").await;
    assert_eq!(page["keys"], json!([]));
    let cursor = page["cursor"].as_str().expect("it is not the last page");
    proxy.delay(Direction::ToClient, Duration::ZERO);
    let mut next = Some(cursor.to_owned());
    while let Some(cursor) = next {
        let page = service
            .get(&format!("/keys?pattern=none:*&cursor={cursor}"))
            .await;
        next = page["cursor"].as_str().map(str::to_owned);
    }
}

/// What is listed stays listed, whatever a pattern is: a page of a rare one is bounded by time, not by luck.
#[tokio::test]
async fn pages_of_patterns_that_match_nothing_end() {
    for world in both(|builder| builder).await {
        for id in 0..3_000 {
            world.cache.namespace("rows").set(&id, &id).await;
        }
        let service = Service::of(managed(&world.cache)).await;
        let page = service.get("/keys?pattern=none:*").await;
        assert_eq!((&page["keys"], &page["cursor"]), (&json!([]), &json!(null)));
        let pattern = Pattern::parse("rows:1*").unwrap();
        let page = service
            .get(&format!("/keys?pattern={pattern}&limit=1000"))
            .await;
        assert!(
            page["total_found"] == 1_000 && page["cursor"].is_string(),
            "{page}"
        );
    }
}

/// Whatever is sent, what comes back is what the document says: made-up requests for everything that it lists.
#[tokio::test]
async fn what_is_answered_is_what_the_document_says() {
    let server = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    for id in 0..20 {
        row(&cache, id).await;
    }
    let jobs = Jobs::new(&cache)
        .job(Job::health("0 4 * * *"))
        .start()
        .unwrap();
    let service = Service::of(managed(&cache).jobs(Arc::new(jobs))).await;
    let document = service.get("/openapi.json").await;
    assert_eq!(
        document,
        serde_json::from_str::<Value>(Management::openapi()).unwrap()
    );
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for round in 0..40 {
                let (url, body) = made_up(path, operation);
                let token = [Some("all"), Some("nothing"), Some("wrong"), None]
                    [if round < 30 { 0 } else { round % 4 }];
                let mut request = service
                    .client
                    .request(method.clone(), format!("{}/cache{url}", service.address));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let response = request.send().await.unwrap();
                let status = response.status();
                let answer: Value = response.json().await.unwrap();
                let told = format!("{method} {url} {body:?} {status} {answer}");
                let documented = &operation["responses"][status.as_str()];
                let schema = &documented["content"]["application/json"]["schema"];
                assert!(schema.is_object(), "not in the document: {told}");
                let schema = json!({"allOf": [schema], "components": document["components"]});
                if let Err(error) = jsonschema::validate(&schema, &answer) {
                    panic!("{error}: {told}");
                }
                match token {
                    Some("all") => asked += 1,
                    Some("nothing") => assert_eq!(status, 403, "{told}"),
                    _ => assert_eq!(status, 401, "{told}"),
                }
            }
        }
    }
    assert!(asked >= 12 * 30, "{asked}");
    // Nothing was done that was not asked for.
    assert!(service.get("/stats").await["status"].is_string());
}

/// A URL and a body for an operation: right ones, nearly right ones, and nonsense.
fn made_up(path: &str, operation: &Value) -> (String, Option<Value>) {
    const TEXTS: [&str; 16] = [
        "rows:*",
        "rows:1",
        "rows:1*",
        "*",
        "",
        ":",
        "a::b",
        "rows%3A1",
        "%00",
        "%FF",
        "-1",
        "18446744073709551616",
        "everything",
        "true",
        "health",
        "ü'\"<>",
    ];
    let text = || match fastrand::u8(..4) {
        0 => (0..fastrand::usize(..30))
            .map(|_| fastrand::char('!'..'\u{300}'))
            .collect(),
        _ => TEXTS[fastrand::usize(..TEXTS.len())].to_owned(),
    };
    let encoded = |text: &str| -> String {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        bytes.collect()
    };
    let mut url = path.to_owned();
    let mut query = Vec::new();
    let none = Vec::new();
    for parameter in operation["parameters"].as_array().unwrap_or(&none) {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" {
            let mut value = text();
            while value.is_empty() {
                value = text();
            }
            url = url.replace(&format!("{{{name}}}"), &encoded(&value));
        } else if fastrand::bool() {
            let value = match parameter["schema"].to_string().contains("integer") {
                true => fastrand::i16(-20..1_100).to_string(),
                false => text(),
            };
            query.push(format!("{name}={}", encoded(&value)));
        }
    }
    if !query.is_empty() {
        url = format!("{url}?{}", query.join("&"));
    }
    let body = operation
        .get("requestBody")
        .map(|_| match fastrand::u8(..4) {
            0 => json!([text()]),
            1 => json!({"enabled": text()}),
            _ => json!({"enabled": true, "namespace": text()}),
        });
    (url, body)
}
