//! The console, looked at with Chromium.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use cache_runtime::http::{Management, Scope, Token};
use cache_runtime::{Cache, Job, Jobs, Pattern, RunningJobs, cached};
use cache_tests::{Browser, Proxy, RedisServer, eventually};
use serde_json::{Value, json};
use thirtyfour::TypingData;
use thirtyfour::prelude::*;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::world::patient;

#[cached(namespace = "tasks", ttl = "1h", key = id, cache = cache)]
async fn task(cache: &Cache, id: u64) -> String {
    tokio::time::sleep(Duration::from_millis(3 + id % 7)).await;
    format!("task {id}")
}

#[cached(namespace = "boards", ttl = "1h", local = "10s", key = id, cache = cache)]
async fn board(cache: &Cache, id: u64) -> Vec<u64> {
    tokio::time::sleep(Duration::from_millis(20 + id % 5)).await;
    (0..id).collect()
}

const CONSOLE: &str = "/admin/cache/console/";

/// A service with a console, until it is dropped.
struct Service {
    address: String,
    port: u16,
    /// Questions for statistics: of now, and the most at one time.
    asking: Arc<[AtomicUsize; 2]>,
    serving: AbortHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Service {
    async fn start(cache: &Cache, jobs: Option<RunningJobs>) -> Self {
        use Scope::{Clear, Keys, Operate, Statistics, Values};
        let management = Management::new(cache)
            .token(Token::new("ops", "right").may([Statistics, Keys, Values, Clear, Operate]))
            .token(Token::new("viewer", "viewer").may([Statistics]))
            .token(Token::new("nobody", "nothing"));
        Self::of(match jobs {
            Some(jobs) => management.jobs(Arc::new(jobs)),
            None => management,
        })
        .await
    }

    async fn of(management: Management) -> Self {
        let asking = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let counted = from_fn_with_state(asking.clone(), count);
        let router = management.router().layer(counted);
        let router = Router::new().nest("/admin/cache", router);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address: format!("http://127.0.0.1:{port}"),
            port,
            asking,
            serving: serving.abort_handle(),
        }
    }

    fn console(&self) -> String {
        format!("{}{CONSOLE}", self.address)
    }

    fn most_at_once(&self) -> usize {
        self.asking[1].load(Ordering::SeqCst)
    }
}

async fn count(
    State(asking): State<Arc<[AtomicUsize; 2]>>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().ends_with("/stats") {
        return next.run(request).await;
    }
    let [now, most] = &*asking;
    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    let response = next.run(request).await;
    now.fetch_sub(1, Ordering::SeqCst);
    response
}

/// A browser that shows the console.
struct Page {
    browser: Browser,
}

impl Page {
    /// With the focus where a token is asked for: what is typed earlier goes nowhere.
    async fn open(address: &str) -> Self {
        let browser = Browser::start().await;
        browser.goto(address).await.unwrap();
        let page = Self { browser };
        let asked = async || page.focus().await == "token";
        eventually("a token is asked for", asked).await;
        page
    }

    async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let answer = self.browser.execute(script, arguments).await.unwrap();
        answer.json().clone()
    }

    /// What a person reads there; nothing where it is hidden.
    async fn text(&self, id: &str) -> String {
        let script = "const it = document.getElementById(arguments[0]); return it?.checkVisibility() ? it.innerText : ''";
        let text = self.run(script, vec![json!(id)]).await;
        text.as_str().unwrap().to_owned()
    }

    async fn shows(&self, id: &str, text: &str) {
        let mut shown = String::new();
        let what = format!("`{text}` stands in #{id}");
        let seen = eventually(&what, async || {
            shown = self.text(id).await;
            shown.contains(text)
        });
        seen.await;
    }

    async fn element(&self, css: &str) -> WebElement {
        self.browser.find(By::Css(css)).await.unwrap()
    }

    async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }

    /// In the place of what stood there.
    async fn type_into(&self, css: &str, keys: impl Into<TypingData>) {
        let field = self.element(css).await;
        field.clear().await.unwrap();
        field.send_keys(keys).await.unwrap();
    }

    /// Types, wherever the focus is.
    async fn press(&self, keys: impl Into<TypingData>) {
        let chain = self.browser.action_chain().send_keys(keys);
        chain.perform().await.unwrap();
    }

    async fn focus(&self) -> String {
        let id = self.run("return document.activeElement.id", vec![]).await;
        id.as_str().unwrap().to_owned()
    }

    /// Goes there with the keyboard alone.
    async fn tab_to(&self, id: &str) {
        for _ in 0..100 {
            if self.focus().await == id {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("no Tab leads to #{id}");
    }

    async fn theme(&self, theme: &str) {
        for _ in 0..3 {
            if self.text("theme").await.ends_with(theme) {
                return;
            }
            // Not with the mouse: a dialog may be open.
            self.run("document.getElementById('theme').click()", vec![])
                .await;
        }
        panic!("there is no theme {theme}");
    }

    /// What axe finds wrong for people who see little, or nothing, or use no mouse.
    async fn accessible(&self) {
        let axe = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/web/node_modules/axe-core/axe.min.js"
        );
        let axe = fs::read_to_string(axe).unwrap_or_else(|error| {
            panic!("{axe}: {error}; run `npm ci --prefix tests/web --ignore-scripts`")
        });
        self.run(&axe, vec![]).await;
        for theme in ["light", "dark"] {
            self.theme(theme).await;
            let run = "const done = arguments[0]; axe.run().then(({violations}) => done(violations.map(({id, nodes}) => [id, nodes.map(({html, failureSummary}) => [html, failureSummary])])), (error) => done(String(error)))";
            let found = self.browser.execute_async(run, vec![]).await.unwrap();
            assert_eq!(*found.json(), json!([]), "{theme}: {:#}", found.json());
        }
    }

    /// All of it, written for a person to look at: `target/console-{theme}.png`.
    async fn picture(&self, name: &str) {
        if name != "down" {
            self.theme(name).await;
        }
        let script = "return document.documentElement.scrollHeight + outerHeight - innerHeight";
        let height = self.run(script, vec![]).await.as_u64().unwrap();
        let height = u32::try_from(height).unwrap();
        let resized = self.browser.set_window_rect(0, 0, 1280, height);
        resized.await.unwrap();
        let file = format!("../target/console-{name}.png");
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
        self.browser.screenshot(&file).await.unwrap();
    }

    /// Nothing left the service's address, and nothing was refused or thrown in the page. What the API refuses is logged by the browser too.
    async fn was_quiet(&self, service: &str) {
        let loaded = "return performance.getEntriesByType('resource').map((one) => one.name)";
        let loaded = self.run(loaded, vec![]).await;
        let loaded = loaded.as_array().unwrap();
        assert!(loaded.len() > 10, "{loaded:?}");
        for url in loaded {
            assert!(url.as_str().unwrap().starts_with(service), "{url}");
        }
        let log = self.browser.browser_log().await.unwrap();
        let bad = log
            .iter()
            .filter(|entry| entry.source.as_deref() != Some("network"));
        assert_eq!(bad.count(), 0, "{log:?}");
    }
}

async fn traffic(cache: &Cache) {
    for id in 0..40 {
        for _ in 0..3 {
            task(cache, id % 25).await;
        }
        board(cache, id % 4).await;
    }
}

/// From signing in to clearing everything, on one page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_and_clears_what_is_cached() {
    let server = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(server.url()));
    let cache = cache.build().unwrap();
    let jobs = Jobs::new(&cache).job(Job::health("0 4 * * *"));
    let service = Service::start(&cache, Some(jobs.start().unwrap())).await;
    let page = Page::open(&service.console()).await;

    page.shows("login", "Sign in").await;
    page.accessible().await;
    // With the keyboard alone.
    page.tab_to("token").await;
    page.press("wrong" + Key::Enter).await;
    page.shows("login-error", "does not know this token").await;
    page.press("right" + Key::Enter).await;
    page.shows("pill", "Healthy").await;
    page.shows("outcomes", "No cached function was called")
        .await;
    let kept = "return [sessionStorage.length, localStorage.length, document.cookie, location.href.includes('right')]";
    assert_eq!(page.run(kept, vec![]).await, json!([1, 1, "", false]));

    // It follows what happens.
    traffic(&cache).await;
    page.shows("outcomes", "160 calls of 2 functions").await;
    traffic(&cache).await;
    page.shows("outcomes", "320 calls of 2 functions").await;
    page.shows("hit-rate", "calls a second").await;
    page.shows("latency", "load").await;
    page.shows("loads", "console::board takes").await;
    page.shows("recommendations", "Nothing to recommend").await;
    page.click("#outcomes summary").await;
    page.shows("outcomes", "it::console::task").await;

    // Whatever is stored is text.
    let hostile =
        "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>";
    let key = cache_runtime::Key::new("hostile", [&hostile as _]);
    cache.set(&key, &json!({ hostile: hostile }), None).await;
    let mut other = server.connection().await;
    let name = format!("cache:hostile:{hostile}");
    let mut set = redis::cmd("SET");
    let set = set.arg(name).arg(hostile);
    set.exec_async(&mut other).await.unwrap();
    page.type_into("#pattern", "hostile:*" + Key::Enter).await;
    page.shows("keys-status", "2 keys.").await;
    page.shows("keys", hostile).await;
    for (entry, told) in [(2, "Not shown"), (1, "current")] {
        page.click(&format!("#keys li:nth-child({entry}) button"))
            .await;
        page.shows("entry", told).await;
    }
    page.shows("entry", &format!("\"{}\"", hostile.replace('"', "\\\"")))
        .await;
    let made = "return document.querySelectorAll('#browser :is(img, script)').length";
    assert_eq!(page.run(made, vec![]).await, 0);
    page.picture("light").await;
    page.picture("dark").await;
    page.accessible().await;

    page.click("#entry .danger").await;
    page.accessible().await;
    page.click("#confirm-yes").await;
    page.shows("entry", "cleared").await;
    assert!(!cache.exists(&key).await);

    // With the keyboard alone.
    page.tab_to("clear-pattern").await;
    page.press("tasks:*" + Key::Enter).await;
    assert_eq!(page.focus().await, "confirm-no");
    page.press(Key::Escape).await;
    assert!(cache.exists(&task::key(1)).await, "nobody was sure");
    page.press(Key::Enter).await;
    page.tab_to("confirm-yes").await;
    page.press(Key::Enter).await;
    page.shows("clear-status", "tasks:*: cleared").await;
    assert!(!cache.exists(&task::key(1)).await && cache.exists(&board::key(1)).await);
    assert_eq!(page.focus().await, "clear-pattern");
    page.type_into("#clear-pattern", "x*" + Key::Enter).await;
    page.click("#confirm-yes").await;
    page.shows("clear-status", "not cleared").await;
    page.tab_to("clear-everything").await;
    page.press("" + Key::Enter + "every" + Key::Enter).await;
    assert_eq!(page.focus().await, "word");
    assert!(cache.exists(&board::key(1)).await, "its word was not said");
    page.press("thing" + Key::Enter).await;
    page.shows("clear-status", "Everything: cleared").await;
    assert!(!cache.exists(&board::key(1)).await);

    page.click("#switches button").await;
    page.click("#confirm-yes").await;
    page.shows("pill", "Switched off").await;
    assert!(!cache.is_enabled());
    page.click("#switches button").await;
    page.shows("switches-status", "switched on").await;
    page.click("#jobs button").await;
    page.shows("jobs-status", "succeeded").await;
    page.was_quiet(&service.address).await;
    assert_eq!(service.most_at_once(), 1);
    page.click("#sign-out").await;
    page.shows("login", "Sign in").await;
    assert_eq!(page.text("console").await, "");
    let rows = "return document.querySelectorAll('#console :is(td, dd)').length";
    assert_eq!(page.run(rows, vec![]).await, 0, "nothing of it is left");
    assert_eq!(page.run(kept, vec![]).await, json!([0, 1, "", false]));
}

/// Nothing is shown as if it were so when it cannot be known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_away_is_said() {
    let mut server = RedisServer::start().await;
    let cache = Cache::builder().redis(server.url());
    let cache = cache.connect_timeout(Duration::from_secs(20));
    let cache = cache.build().unwrap();
    let service = Service::start(&cache, None).await;
    let network = Proxy::start(service.port).await;
    let address = format!("http://127.0.0.1:{}", network.port());
    let page = Page::open(&format!("{address}{CONSOLE}")).await;
    page.press("right" + Key::Enter).await;
    page.shows("line", "Redis Connected").await;
    task(&cache, 1).await;
    page.shows("outcomes", "of 1 function").await;

    server.kill();
    page.shows("pill", "Down").await;
    page.shows("tiles", "open").await;
    page.shows("banners", "The circuit is open").await;
    page.shows("announcement", "Down").await;
    cache.invalidate([Pattern::parse("tasks:*").unwrap()]).await;
    page.shows("banners", "1 invalidation cannot be delivered")
        .await;
    page.type_into("#pattern", "" + Key::Enter).await;
    page.shows("keys-status", "No keys: ").await;
    page.type_into("#clear-pattern", "boards:*" + Key::Enter)
        .await;
    page.click("#confirm-yes").await;
    page.shows("clear-status", "queued").await;
    page.accessible().await;
    page.picture("down").await;
    server.restart().await;
    page.shows("line", "Redis Connected").await;
    page.shows("tiles", "closed").await;
    page.shows("tiles", "empty").await;

    network.refuse(true);
    network.cut();
    page.shows("banners", "has not answered since").await;
    page.shows("loads", "console::task takes").await;
    page.accessible().await;
    network.refuse(false);
    let gone = async || page.text("banners").await.is_empty();
    eventually("it answers again", gone).await;
    page.was_quiet(&address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_may_not_is_hidden_and_said() {
    let cache = Cache::builder().build().unwrap();
    task(&cache, 1).await;
    let service = Service::start(&cache, None).await;
    let page = Page::open(&service.console()).await;
    page.press("nothing" + Key::Enter).await;
    page.shows("login-error", "may do nothing").await;
    page.press("viewer" + Key::Enter).await;
    page.shows("outcomes", "1 call of 1 function").await;
    page.shows("line", "Memory Connected").await;
    for lacking in [
        "Listing keys takes the scope keys",
        "Clearing takes the scope clear",
    ] {
        page.shows("console", lacking).await;
    }
    for hidden in ["keys-form", "clear-form", "switches"] {
        assert_eq!(page.text(hidden).await, "");
    }
    page.accessible().await;

    // Behind one address several instances may answer: each has its own figures.
    let another = "const done = arguments[0]; import(new URL('history.js', location)).then((history) => {
        const stats = structuredClone(history.latest());
        const [own, other] = [history.shown(), {...stats, instance: 'another'}];
        other.functions[0].counts.hits += 1000;
        history.add(other);
        history.add(other);
        const seen = [history.intervals(), history.shown() === own, history.names().includes('another')];
        done([seen[0].every((one) => one.hitRate === null), seen[1], seen[2]]);
    }, (error) => done(String(error)))";
    let seen = page.browser.execute_async(another, vec![]).await.unwrap();
    assert_eq!(*seen.json(), json!([true, true, true]));
    page.was_quiet(&service.address).await;

    // Where everybody may look nobody has to sign in.
    let open = Management::new(&cache).anyone_may([Scope::Statistics]);
    let open = Service::of(open).await;
    page.browser.goto(open.console()).await.unwrap();
    page.shows("line", "Memory Connected").await;
    page.click("#sign-out").await;
    page.shows("login", "Sign in").await;
}

/// The page is no secret, and nothing else is there without a token.
#[tokio::test]
async fn it_is_served_wherever_the_router_is_nested() {
    let cache = Cache::builder().build().unwrap();
    let service = Service::start(&cache, None).await;
    let get = async |path: &str| {
        reqwest::get(format!("{}{path}", service.address))
            .await
            .unwrap()
    };
    let page = get(CONSOLE.trim_end_matches('/')).await;
    assert_eq!((page.status().as_u16(), page.url().path()), (200, CONSOLE));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "trusted-types 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.headers()[name], value);
    }
    let html = page.text().await.unwrap();
    assert!(!html.contains("://") && !html.contains("style=") && !html.contains("onclick"));
    let script = get(&format!("{CONSOLE}console.js")).await;
    assert_eq!(
        script.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(get(&format!("{CONSOLE}nothing.js")).await.status(), 404);
    assert_eq!(get("/admin/cache/whoami").await.status(), 401);
}
