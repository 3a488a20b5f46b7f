//! Functions that load in the background: what they take with them, in every form that a parameter may have.
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]
#![allow(clippy::too_many_lines, reason = "a list of forms")]

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::path::Path as FilePath;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cache_runtime::{Cache, cached, invalidates};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A pool.
#[derive(Clone)]
struct Db(u64);

impl Db {
    async fn load(&self, id: u64) -> Result<u64, DbError> {
        tokio::task::yield_now().await;
        Ok(self.0 + id)
    }
}

#[derive(Debug, PartialEq)]
enum DbError {
    Timeout,
    Gone,
}

impl DbError {
    fn timeout() -> Self {
        Self::Timeout
    }
}

type DbResult<T> = Result<T, DbError>;

// Policies: those that load in the background, and those that don't.

#[cached("revalidated", "1m", stale_while_revalidate = "1m")]
async fn revalidated(#[skip] db: &Db, id: u64) -> DbResult<u64> {
    db.load(id).await
}

#[cached("ahead", "1m", refresh_ahead = on)]
async fn ahead(#[skip] db: &Db, id: u64) -> DbResult<u64> {
    db.load(id).await
}

#[cached("ahead:number", "1m", refresh_ahead = 2)]
async fn ahead_by_number(#[skip] db: &Db, id: u64) -> u64 {
    db.load(id).await.unwrap_or_default()
}

#[cached(
    "all",
    "1m",
    stale_while_revalidate = Duration::from_secs(id),
    stale_if_error = "1h",
    refresh_ahead = 1.5,
    single_flight = fleet,
    lock = "5s",
    soft_timeout = "200ms",
    load_timeout = "2s",
    on_timeout = || DbError::Timeout,
    cache_if = |value| *value > 0,
    none_ttl = "30s",
    local = "10s",
    tags = ["id:{id}"],
)]
async fn all(#[skip] db: &Db, id: u64) -> DbResult<Option<u64>> {
    let found = db.load(id).await?;
    Ok(Some(found))
}

#[cached("foreground", "1m", stale_if_error = 3600, refresh_ahead = off, single_flight = process, load_timeout = "2s", on_timeout = DbError::timeout)]
async fn foreground(
    #[skip] db: &mut Db,
    #[skip] borrowed: Option<&str>,
    id: u64,
) -> Result<u64, DbError> {
    db.0 += 1;
    db.load(id + borrowed.map_or(0, |text| text.len() as u64))
        .await
}

#[cached("alone", single_flight = off)]
async fn alone(id: u64) -> u64 {
    id
}

#[cached("waits", lock = Duration::from_millis(id), load_timeout = Duration::from_millis(id), on_timeout = || {
    if true {
        return DbError::Timeout;
    }
    DbError::Gone
})]
async fn waits(id: u64) -> DbResult<u64> {
    Ok(id)
}

// Parameters.

fn long(text: &str) -> bool {
    text.len() > 1
}

#[cached("texts", stale_while_revalidate = "1m", key = (a, b, c), skip(d), cache_if = long, ttl_with = |text| Duration::from_secs(text.len() as u64))]
async fn texts(a: &str, b: String, c: &[u8], d: &'static str) -> String {
    let e: &'static str = d;
    tokio::task::yield_now().await;
    format!("{a}{b}{}{e}", c.len())
}

#[cached("mutable", stale_while_revalidate = "1m")]
async fn mutable(mut id: u64, mut name: &str, (mut a, b): (&str, u64)) -> u64 {
    id += b;
    name = &name[1..];
    a = &a[1..];
    tokio::task::yield_now().await;
    id + (name.len() + a.len()) as u64
}

/// What a page is asked for with.
#[derive(Clone, Serialize, Deserialize)]
struct Page {
    limit: u64,
    after: Option<String>,
}

#[cached("patterns", stale_while_revalidate = "1m", key = (limit, a, b, pair, c))]
async fn patterns(
    Page { limit, after: _ }: &Page,
    &(a, b): &(u64, u64),
    pair @ (_, c): (u64, u64),
) -> u64 {
    tokio::task::yield_now().await;
    *limit + a + b + c + pair.0
}

#[cached("patterns:skipped", stale_while_revalidate = "1m")]
async fn skipped_patterns(
    #[skip] Page { limit, after }: &Page,
    #[skip] &(mut a, _): &(u64, u64),
    id: u64,
) -> u64 {
    a += limit + after.iter().count() as u64;
    tokio::task::yield_now().await;
    a + id
}

#[cached("asked", refresh_ahead = on, key = id, skip(path, db, call, on, shared))]
async fn asked(
    path: &FilePath,
    db: &Arc<Mutex<Db>>,
    call: fn(&str) -> &str,
    on: Option<&'static str>,
    shared: Arc<dyn Fn(&str) -> String + Send + Sync>,
    id: &Uuid,
) -> usize {
    let number = db.lock().map_or(0, |db| db.0);
    tokio::task::yield_now().await;
    path.as_os_str().len()
        + call(on.unwrap_or_default()).len()
        + shared(&id.to_string()).len()
        + usize::from(number > 0)
}

/// What the body does not mention is not taken.
#[cached("unmentioned", stale_while_revalidate = "1m", key = (name, rc.len()), skip(_db))]
async fn unmentioned(name: Option<&str>, rc: Rc<str>, _db: &mut Db, _: &dyn Debug) -> u64 {
    struct Other {
        name: u64,
    }
    Other { name: 1 }.name
}

#[cached("unused", stale_while_revalidate = "1m", key = (level, deep))]
async fn same_names(level: &str, deep: u64) -> u64 {
    mod level {
        pub(super) fn get(deep: u64) -> u64 {
            deep
        }
    }
    level::get(1)
}

/// Counts its copies.
#[derive(Default)]
struct Counted(Arc<AtomicU64>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

#[cached("counted", stale_while_revalidate = "1m")]
async fn counted(#[skip] counted: &Counted, #[skip] _: &Counted, id: u64) -> u64 {
    id + counted.0.load(Ordering::Relaxed)
}

#[cached("handle", stale_while_revalidate = "1m", cache = app.cache)]
async fn handle(app: App, id: u64) -> u64 {
    app.db.load(id).await.unwrap_or_default()
}

#[cached("handle:borrowed", stale_while_revalidate = "1m", cache = app.cache)]
async fn borrowed_handle(app: &App, id: u64) -> u64 {
    app.db.load(id).await.unwrap_or_default()
}

#[cached("off", stale_while_revalidate = "1m", companion = off)]
async fn off(id: &str) -> usize {
    id.len()
}

#[cached("raw", stale_while_revalidate = "1m", key = r#type)]
async fn r#raw(r#type: &str) -> usize {
    r#type.len()
}

// Generics.

#[cached("found", stale_while_revalidate = "1m", key = (id, type_name::<T>()))]
async fn found<T>(id: &str) -> Result<T, String>
where
    T: Serialize + DeserializeOwned + Default + Send + 'static,
{
    tokio::task::yield_now().await;
    if id.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(T::default())
}

#[cached("generic", stale_while_revalidate = "1m", key = (a.to_string(), b.to_string(), c.as_ref(), d.as_ref()))]
async fn generic<A: Display + Clone + Send + Sync + 'static, B: Display + Send + 'static>(
    a: &A,
    b: B,
    c: impl AsRef<str> + Send + 'static,
    d: &(impl AsRef<str> + Clone + Send + Sync + 'static),
) -> String {
    tokio::task::yield_now().await;
    format!("{a}{b}{}{}", c.as_ref(), d.as_ref())
}

#[cached("lifetimes", stale_while_revalidate = "1m", skip(loader))]
async fn lifetimes<'a, 'b, F>(
    loader: &'b F,
    id: &'a str,
    all: &[u8],
) -> Result<Cow<'a, str>, DbError>
where
    F: Fn(&str) -> String + Clone + Send + Sync + 'static,
{
    tokio::task::yield_now().await;
    if all.is_empty() {
        return Err(DbError::Gone);
    }
    Ok(Cow::Owned(loader(id)))
}

#[cached("elided", stale_while_revalidate = "1m")]
async fn elided(id: &str) -> Cow<'_, str> {
    Cow::Owned(id.to_owned())
}

// Methods.

/// Goals of a tenant.
#[derive(Clone, Debug)]
pub struct Goals {
    tenant: u64,
    cache: Cache,
}

impl Display for Goals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.tenant)
    }
}

mod plus {
    pub(super) fn one(id: u64) -> u64 {
        id + 1
    }
}

use self::plus::one;

impl Goals {
    /// One goal.
    ///
    /// # Errors
    /// Never.
    #[cached("goal", stale_while_revalidate = "1m", key = (self.tenant, id), cache = self.cache)]
    pub async fn goal(&self, id: u64) -> Result<String, String> {
        use std::fmt::{self, Write as _};

        struct Inner(u64);
        impl Inner {
            fn get(&self) -> u64 {
                self.0
            }
        }
        fn two(all: [u64; 2]) -> u64 {
            all.iter().sum()
        }
        macro_rules! tenant {
            () => {
                self.tenant
            };
        }
        let mut text = String::new();
        write!(text, "{self}{}", self::one(id)).map_err(|_: fmt::Error| String::new())?;
        let plus = |more: u64| self.tenant + more;
        let mut vec = vec![self.tenant, Inner(tenant!()).get()];
        vec.push(plus(two([1, 2])));
        self.name(id)
            .await
            .map(|name| format!("{name}{text}{self:>4}{}", vec.len()))
    }

    #[cached("goal:name", refresh_ahead = on, key = (self.tenant, id))]
    pub(crate) async fn name<'a>(&'a self, id: u64) -> Result<String, String> {
        let Self { tenant, .. } = self;
        tokio::task::yield_now().await;
        Ok(format!("{tenant}-{id}"))
    }

    #[cached("goal:arc", stale_while_revalidate = "1m", key = (self.tenant, page), cache = self.cache)]
    pub(crate) async fn arc(self: Arc<Self>, page: u64) -> Vec<u64> {
        tokio::task::yield_now().await;
        vec![page, self.tenant]
    }

    #[cached("goal:typed", stale_while_revalidate = "1m", key = (self.tenant, page))]
    pub(crate) async fn typed(self: &Arc<Self>, page: &u64) -> Vec<u64> {
        tokio::task::yield_now().await;
        vec![*page, self.tenant]
    }

    #[cached("goal:value", stale_while_revalidate = "1m", key = (self.tenant, page))]
    pub(crate) async fn value(mut self, page: u64) -> u64 {
        self.tenant += page;
        tokio::task::yield_now().await;
        self.tenant
    }

    #[cached("goal:of", stale_while_revalidate = "1m")]
    pub(crate) async fn of(tenant: &u64) -> Option<u64> {
        Some(Self::PLUS + tenant)
    }

    const PLUS: u64 = 1;

    #[cached("goal:skipped", stale_while_revalidate = "1m", skip(self))]
    pub(crate) async fn skipped(&mut self, id: u64) -> u64 {
        one(id)
    }
}

/// Rows of any type.
#[derive(Clone)]
struct Table<T> {
    name: String,
    rows: Vec<T>,
}

impl<T> Table<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    #[cached("row", stale_while_revalidate = "1m", key = (self.name, type_name::<T>(), id))]
    pub async fn row(&self, id: usize) -> Option<T> {
        tokio::task::yield_now().await;
        self.rows.get(id).cloned()
    }
}

/// What has goals.
pub trait HasGoals {
    /// One goal.
    fn goal(&self, id: u64) -> impl Future<Output = Result<String, String>> + Send;

    /// Another, by default.
    #[allow(async_fn_in_trait)]
    #[cached("goal:default", stale_while_revalidate = "1m", key = (type_name::<Self>(), id), skip(self))]
    async fn another(&self, id: u64) -> u64
    where
        Self: Clone + Display + Send + Sync + 'static,
    {
        id + self.to_string().len() as u64
    }
}

impl HasGoals for Goals {
    #[cached(
        "goal:trait",
        stale_while_revalidate = "1m",
        key = "{self.tenant}:{id}"
    )]
    async fn goal(&self, id: u64) -> Result<String, String> {
        tokio::task::yield_now().await;
        Ok(format!("{}-{id}", self.tenant))
    }
}

// Handlers.

#[derive(Clone)]
struct App {
    cache: Cache,
    db: Db,
}

#[cached("users", "1m", stale_while_revalidate = "1m", stale_if_error = "1h", key = id, skip(app))]
async fn user(State(app): State<App>, Path(id): Path<Uuid>) -> Result<Json<u64>, StatusCode> {
    let found = app.db.load(1).await;
    found
        .map(|found| Json(found + id.as_u64_pair().0))
        .map_err(|_| StatusCode::BAD_GATEWAY)
}

#[cached("list", "1m", stale_while_revalidate = "1m", cache = app.cache)]
async fn list(
    State(app): State<Arc<App>>,
    Query(Page { limit, after }): Query<Page>,
    Path((org, team)): Path<(Uuid, String)>,
) -> Option<Json<Vec<u64>>> {
    let found = app.db.load(limit).await.ok()?;
    drop((org, team));
    after.is_none().then(|| Json(vec![found]))
}

#[invalidates(revalidated(id), all(_), texts("a", _, b"",))]
async fn change(id: u64) -> u64 {
    id
}

macro_rules! reader {
    ($name:ident, $id:ident) => {
        #[cached("made", stale_while_revalidate = "1m", key = "{id}:{other}")]
        async fn $name(id: &u64, other: &str) -> String {
            format!("{id}{other}")
        }

        impl Goals {
            #[cached("made:method", stale_while_revalidate = "1m", key = (self.tenant, $id))]
            pub(crate) async fn $name(&self, $id: &u64) -> String {
                format!("{self}{}", $id)
            }
        }
    };
}

reader!(made, given);

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn works() {
    let mut db = Db(1);
    assert_eq!(is_send(revalidated(&db, 1)).await, Ok(2));
    assert_eq!(is_send(revalidated(&Db(5), 1)).await, Ok(2));
    assert_eq!(is_send(revalidated::refresh(&Db(5), 1)).await, Ok(6));
    assert_eq!(revalidated::uncached(&db, 1).await, Ok(2));
    assert_eq!(revalidated::peek(1).await, Some(Ok(6)));
    assert_eq!(
        (ahead(&db, 1).await, ahead_by_number(&db, 1).await),
        (Ok(2), 2)
    );
    assert_eq!(is_send(all(&db, 1)).await, Ok(Some(2)));
    assert_eq!(is_send(all::peek(1)).await, Some(Ok(Some(2))));
    is_send(all::put(2, Some(9))).await;
    assert_eq!(all(&db, 2).await, Ok(Some(9)));
    assert_eq!(foreground(&mut db, Some("a"), 1).await, Ok(4));
    assert_eq!((alone(1).await, waits(1).await), (1, Ok(1)));

    let a = String::from("a");
    assert_eq!(is_send(texts(&a, a.clone(), b"a", "a")).await, "aa1a");
    is_send(texts::put(&a, a.clone(), b"b", a.clone())).await;
    assert_eq!(mutable(1, "ab", ("cde", 1)).await, 5);
    let page = Page {
        limit: 1,
        after: None,
    };
    assert_eq!(is_send(patterns(&page, &(1, 2), (3, 4))).await, 11);
    assert_eq!(is_send(skipped_patterns(&page, &(1, 2), 3)).await, 5);
    let _ = patterns::pattern(None, None, None);
    let shared = Arc::new(Mutex::new(Db(1)));
    let id = Uuid::nil();
    let answer = asked(
        FilePath::new("a"),
        &shared,
        |text| text,
        Some("a"),
        Arc::new(str::to_owned),
        &id,
    );
    assert_eq!(is_send(answer).await, 39);
    assert_eq!(
        unmentioned(Some("a"), Rc::from("a"), &mut db, &page.limit).await,
        1
    );
    assert_eq!(same_names("a", 1).await, 1);
    let (copied, other) = (Counted::default(), Counted::default());
    assert_eq!(
        (
            counted(&copied, &other, 1).await,
            counted(&copied, &other, 1).await
        ),
        (2, 2)
    );
    assert_eq!(
        (
            copied.0.load(Ordering::Relaxed),
            other.0.load(Ordering::Relaxed)
        ),
        (1, 0)
    );
    let app = App {
        cache: Cache::current(),
        db: Db(1),
    };
    assert_eq!(
        (handle(app.clone(), 1).await, borrowed_handle(&app, 1).await),
        (2, 2)
    );
    handle::put(app.clone(), 1, 5).await;
    assert_eq!(handle(app.clone(), 1).await, 5);
    assert_eq!((off(&a).await, raw(&a).await), (1, 1));

    assert_eq!(is_send(found::<u64>(&a)).await, Ok(0));
    assert_eq!(is_send(generic(&1, 2, "3", &a)).await, "123a");
    let upper = str::to_uppercase;
    assert_eq!(
        is_send(lifetimes(&upper, &a, &[0])).await,
        Ok(Cow::Borrowed("A"))
    );
    assert_eq!(
        is_send(lifetimes::refresh(&upper, &a, &[0])).await,
        Ok(Cow::Borrowed("A"))
    );
    assert_eq!(elided(&a).await, "a");

    let mut goals = Goals {
        tenant: 7,
        cache: Cache::current(),
    };
    assert_eq!(is_send(goals.goal(1)).await.as_deref(), Ok("7-17273"));
    assert_eq!(
        is_send(goals.goal_refresh(1)).await,
        goals.goal_peek(1).await.unwrap_or(Err(String::new()))
    );
    goals.name_put(1, "a".to_owned()).await;
    assert_eq!(goals.name(1).await.as_deref(), Ok("a"));
    let shared = Arc::new(goals.clone());
    assert_eq!(
        (
            is_send(shared.clone().arc(1)).await,
            is_send(shared.typed(&1)).await
        ),
        (vec![1, 7], vec![1, 7])
    );
    assert_eq!(
        (
            is_send(goals.clone().value(1)).await,
            Goals::of(&1).await,
            goals.skipped(1).await
        ),
        (8, Some(2), 2)
    );
    assert_eq!(
        is_send(HasGoals::goal(&goals, 1)).await.as_deref(),
        Ok("7-1")
    );
    assert_eq!(goals.another(1).await, 2);
    let table = Table {
        name: "t".to_owned(),
        rows: vec![1_u8],
    };
    assert_eq!(is_send(table.row(0)).await, Some(1));
    assert_eq!(
        (made(&1, "a").await.as_str(), goals.made(&1).await.as_str()),
        ("1a", "71")
    );

    let _ = axum::Router::<App>::new().route("/users/{id}", axum::routing::get(user));
    assert_eq!(
        user(State(app.clone()), Path(Uuid::nil()))
            .await
            .map(|found| found.0),
        Ok(2)
    );
    let answer = list(State(Arc::new(app)), Query(page), Path((Uuid::nil(), a))).await;
    assert_eq!(answer.map(|found| found.0), Some(vec![2]));
    assert_eq!(change(1).await, 1);
    assert_eq!(revalidated::peek(1).await, None);
}
