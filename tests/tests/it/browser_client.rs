//! The client in a real browser: pages whose answers are invalidated by push (B7).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{self, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Html;
use axum::routing::get;
use cache_runtime::http::Pushes;
use cache_runtime::{Cache, Key, Pattern, cached, typescript_keys};
use cache_tests::{Browser, Proxy, RedisServer, eventually};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::By;
use tokio::net::TcpListener;

use crate::world::{World, patient};

#[cached(namespace = "pages:rows", ttl = "1h", key = id, cache = &world.cache)]
async fn row(world: &World, id: u32) -> u64 {
    world.load(id.into()).await
}

/// A service with a page.
struct Service {
    world: World,
    script: String,
    /// Of rows, with what each said of caching.
    requests: Mutex<Vec<(u32, Option<String>)>>,
}

impl Service {
    /// Its port. It runs as long as the test.
    async fn start(world: World) -> (Arc<Self>, u16) {
        let service = Arc::new(Self {
            script: bundle(),
            world,
            requests: Mutex::default(),
        });
        let pushes = Pushes::new(&service.world.cache).hears(|request| {
            // The page of the tests has a cookie, or a token.
            let token = request.headers.get(AUTHORIZATION);
            let cookie = request.headers.get("cookie");
            let known = token.is_some_and(|token| token == "Bearer secret")
                || cookie.is_some_and(|cookie| cookie == "session=secret");
            known.then(|| row::pattern(None))
        });
        let router = Router::new()
            .route(
                "/",
                get(Html(
                    "<!doctype html><title>rows</title><script type=module src=/page.js></script>",
                )),
            )
            .route("/page.js", get(script))
            .route("/rows/{id}", get(answer))
            .with_state(service.clone())
            .nest("/cache", pushes.router());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (service, port)
    }

    /// How often a row was asked for.
    fn asked(&self, id: u32) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(row, _)| *row == id).count()
    }
}

async fn script(
    State(service): State<Arc<Service>>,
) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/javascript")], service.script.clone())
}

async fn answer(
    State(service): State<Arc<Service>>,
    extract::Path(id): extract::Path<u32>,
    headers: HeaderMap,
) -> String {
    let control = headers.get(CACHE_CONTROL);
    let control = control.map(|control| control.to_str().unwrap().to_owned());
    service.requests.lock().unwrap().push((id, control));
    row(&service.world, id).await.to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn run(command: &mut Command) -> String {
    let done = command
        .output()
        .expect("installed: npm ci in tests/web and in clients/tanstack-query");
    let said = String::from_utf8_lossy(&done.stderr);
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{told}");
    told
}

/// `keys.ts` of this very program.
fn written_keys() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys.ts");
    fs::write(&file, typescript_keys()).unwrap();
    (folder, file)
}

/// The page's script: the sources of the client, and the keys as Rust writes them.
fn bundle() -> String {
    let (_folder, keys) = written_keys();
    let web = root().join("tests/web");
    let alias = |name: &str, path: &Path| format!("--alias:{name}={}", path.display());
    run(Command::new(web.join("node_modules/.bin/esbuild"))
        .current_dir(&web)
        .args(["page.ts", "--bundle", "--format=esm", "--log-level=warning"])
        .arg(alias("keys", &keys))
        .arg(alias(
            "@cache-runtime/tanstack-query",
            &root().join("clients/tanstack-query/src/index.ts"),
        ))
        // Two copies would not know each other's tokens.
        .arg(alias(
            "@tanstack/query-core",
            &web.join("node_modules/@tanstack/query-core"),
        )))
}

/// A page of `service`, listening.
async fn page(port: u16, token: Option<&str>) -> Browser {
    let browser = Browser::start().await;
    browser
        .goto(format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap();
    eventually("the page has its script", async || {
        let there = act(&browser, "return typeof app === 'object'", &[]).await;
        there == true
    })
    .await;
    match token {
        Some(token) => act(&browser, "app.connect(arguments[0])", &[json!(token)]).await,
        None => {
            act(
                &browser,
                "document.cookie = 'session=secret'; app.connect()",
                &[],
            )
            .await
        }
    };
    eventually(
        "it has been told what it hears, and of nothing before",
        async || act(&browser, "return app.heard", &[]).await == json!(["hears", "reset"]),
    )
    .await;
    browser
}

async fn act(browser: &Browser, script: &str, arguments: &[Value]) -> Value {
    let answer = browser.execute(script, arguments.to_vec()).await.unwrap();
    answer.json().clone()
}

async fn shows(browser: &Browser, id: &str, text: &str) {
    eventually(&format!("{id} shows {text}"), async || {
        match browser.find(By::Id(id)).await {
            Ok(output) => output.text().await.is_ok_and(|shown| shown == text),
            Err(_) => false,
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_shows_what_is_current() {
    let world = World::redis().await;
    let other = world.instance();
    let (service, port) = Service::start(world).await;
    let browser = page(port, None).await;
    shows(&browser, "state", "open").await;
    act(&browser, "app.show(1); app.show(2); app.show(4, true)", &[]).await;
    shows(&browser, "row-1", "0 idle").await;
    shows(&browser, "row-2", "0 idle").await;
    shows(&browser, "row-4", "pending idle").await;

    // Another process writes.
    service.world.set_row(1, 7);
    other.cache.invalidate([row::key(1)]).await;
    shows(&browser, "row-1", "7 idle").await;
    assert_eq!((service.asked(1), service.asked(2)), (2, 1));

    // What is there already is shown, and not asked for.
    act(&browser, "app.prefetch(3)", &[]).await;
    eventually("row 3 is fetched", async || service.asked(3) == 1).await;
    shows(&browser, "row-1", "7 idle").await;
    eventually("row 3 is there", async || {
        act(
            &browser,
            "app.show(3); return document.getElementById('row-3').textContent",
            &[],
        )
        .await
            == "0 idle"
    })
    .await;
    assert_eq!(service.asked(3), 1);

    service.requests.lock().unwrap().clear();
    act(&browser, "app.refetch(1)", &[]).await;
    eventually("row 1 is fetched", async || service.asked(1) == 1).await;
    // One that is overtaken would be asked for again, past all caches too.
    shows(&browser, "row-1", "7 idle").await;
    other.cache.invalidate([row::pattern(None)]).await;
    for id in [1, 2, 3] {
        eventually("all are fetched", async || {
            service.asked(id) > usize::from(id == 1)
        })
        .await;
    }
    let requests = service.requests.lock().unwrap().clone();
    let reload = Some("no-cache".to_owned());
    assert_eq!(requests[0], (1, reload.clone()));
    assert!(
        requests[1..].iter().all(|(_, control)| *control != reload),
        "{requests:?}"
    );
    assert_eq!(service.asked(4), 0, "it was skipped");
}

#[tokio::test]
async fn a_page_catches_up_with_what_it_has_missed() {
    let server = RedisServer::start().await;
    let cache = || {
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap()
    };
    let (before, port) = Service::start(World::over(cache(), None)).await;
    let (after, next_port) = Service::start(World::over(cache(), None)).await;
    let proxy = Proxy::start(port).await;
    let browser = page(proxy.port(), Some("secret")).await;
    act(&browser, "app.show(1)", &[]).await;
    shows(&browser, "row-1", "0 idle").await;

    proxy.refuse(true);
    proxy.cut();
    shows(&browser, "state", "connecting").await;
    after.world.set_row(1, 7);
    after.world.cache.invalidate([row::key(1)]).await;
    proxy.lead_to(next_port);
    proxy.refuse(false);
    shows(&browser, "state", "open").await;
    shows(&browser, "row-1", "7 idle").await;
    assert_eq!((before.asked(1), after.asked(1)), (1, 1));
}

/// Of what both languages can say.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Nothing,
    List(Vec<Self>),
}

impl Part {
    /// For the page.
    fn tagged(&self) -> Value {
        match self {
            Self::Text(text) => json!(["text", text]),
            Self::Integer(number) => json!(["integer", number.to_string()]),
            Self::Float(number) if number.is_nan() => json!(["float", "NaN"]),
            Self::Float(number) if number.is_infinite() => {
                let sign = if *number < 0.0 { "-" } else { "" };
                json!(["float", format!("{sign}Infinity")])
            }
            Self::Float(number) => json!(["float", format!("{number:e}")]),
            Self::Bool(bool) => json!(["bool", bool]),
            Self::Nothing => json!(["none"]),
            Self::List(parts) => {
                json!(["list", parts.iter().map(Self::tagged).collect::<Vec<_>>()])
            }
        }
    }

    fn any() -> impl Strategy<Value = Self> {
        let text = prop_oneof![
            any::<String>(),
            "[ -~]{0,8}",
            "[:*%?(),='é🦀\u{200b}]{0,4}",
            "x{90,100}"
        ];
        let leaf = prop_oneof![
            3 => text.prop_map(Self::Text),
            1 => any::<i64>().prop_map(Self::Integer),
            1 => (-9_i64..9).prop_map(Self::Integer),
            2 => any::<f64>().prop_map(Self::Float),
            1 => (-9_i32..9, -20_i32..20).prop_map(|(digit, power)| Self::Float(f64::from(digit) * 10_f64.powi(power))),
            1 => any::<bool>().prop_map(Self::Bool),
            1 => Just(Self::Nothing),
        ];
        leaf.prop_recursive(2, 12, 4, |part| {
            prop::collection::vec(part, 0..4).prop_map(Self::List)
        })
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Integer(number) => number.serialize(serializer),
            Self::Float(number) => number.serialize(serializer),
            Self::Bool(bool) => bool.serialize(serializer),
            Self::Nothing => serializer.serialize_none(),
            Self::List(parts) => parts.serialize(serializer),
        }
    }
}

#[tokio::test]
async fn keys_are_made_alike_in_both_languages() {
    let (_, port) = Service::start(World::memory()).await;
    let browser = page(port, None).await;
    let mut runner = TestRunner::default();
    let any = Part::any();
    let made_up = (0..3000).map(|_| any.new_tree(&mut runner).unwrap().current());
    // Numbers next to each other, of which many lie half way between the two shortest texts that name them.
    let ties =
        (0..1000).map(|step| Part::Float(f64::from_bits(244_203_802_963_670_f64.to_bits() + step)));
    let parts: Vec<Part> = made_up.chain(ties).collect();
    let tagged: Vec<_> = parts.iter().map(Part::tagged).collect();
    let made = act(&browser, "return app.keys(arguments[0])", &[json!(tagged)]).await;
    let made: Vec<String> = serde_json::from_value(made).unwrap();
    assert_eq!(made.len(), parts.len());
    let mut hashed = 0;
    for (part, made) in parts.iter().zip(made) {
        let key = Key::new("d", [part as _]).to_string();
        let made = made.strip_prefix("cache:").unwrap();
        if key.starts_with("d:%h") {
            // What is hashed here is spelled there, and known to be.
            hashed += 1;
            assert!(made.len() > "d:".len() + 96, "{part:?}: {made}");
        } else {
            assert_eq!(made, key, "{part:?}");
        }
        assert!(Pattern::parse(&key).is_ok());
    }
    assert!(hashed > 10, "{hashed}");
}

/// All keys of this program, of whatever types.
#[test]
fn keys_are_right_typescript() {
    let (folder, keys) = written_keys();
    let client = root().join("clients/tanstack-query");
    let settings = json!({
        "compilerOptions": {
            "target": "ES2022", "module": "NodeNext", "lib": ["ES2022", "DOM"], "types": [], "strict": true, "noUnusedLocals": true, "noEmit": true,
            "paths": {"@cache-runtime/tanstack-query": [client.join("src/index.ts")]},
        },
        "files": [keys],
    });
    let project = folder.path().join("tsconfig.json");
    fs::write(&project, settings.to_string()).unwrap();
    run(Command::new(client.join("node_modules/.bin/tsc"))
        .arg("--project")
        .arg(project));
}
