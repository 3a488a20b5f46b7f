//! Invalidations, pushed to browsers.

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::middleware::from_fn;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::answers;
use super::params::{self, Params};
use super::problem::Problem;
use crate::cache::Cache;
use crate::engine::Engine;
use crate::feed::{Listener, Told};
use crate::key::Pattern;
use crate::store::StoreError;
use crate::sync::lock;

/// Patterns that one request may ask for.
const MOST_PATTERNS: usize = 64;

/// Listeners of one instance, unless it is said otherwise.
const LISTENERS: usize = 1000;

/// A sign of life, where there is nothing to tell: proxies cut what is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often Redis is asked whether any invalidation was missed, while somebody listens.
const BEAT: Duration = Duration::from_secs(1);

/// Browsers that lost their connection come back after so many milliseconds, not all at once.
const RETRY: std::ops::Range<u64> = 1_000..3_000;

/// Tells browsers what is old, so that they ask again: [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html) of
/// one cache, closed until it is said who [hears](Self::hears) what. The npm package `@cache-runtime/tanstack-query` listens to them.
///
/// `GET /events?pattern=tasks:7:*&pattern=…` asks for 64 patterns at most; without any, for all that the request may hear. What it may not is 403, and more
/// [listeners](Self::listeners) than there are places for 503, each with an error in JSON as in [`Management`](super::Management).
///
/// | event | data | what |
/// |---|---|---|
/// | `hears` | patterns | first of all: for these it is told; and none, while Redis is away |
/// | `invalidate` | patterns | what they name is old |
/// | `reset` | `null` | anything that is heard of may be old |
/// | `alive` | `null` | nothing, for 15 seconds: where that does not come the connection is dead |
///
/// An event is sent once the invalidation has been done, so that who then asks gets nothing from before; whichever instance did it. Values that are
/// [updated](macro@crate::updates), put or set are told of as well. `reset` begins each connection, but for one that comes back (`Last-Event-ID`) to the same instance and
/// has missed no more than 4,096 patterns: that one is told of those. It also comes when something may have been missed: the connection to Redis was lost and is back,
/// a browser was too slow, everything or a [tag](crate::Tag) was invalidated. While Redis is away, what this instance invalidates is told. Redis is asked each second, while somebody
/// listens, whether it is there and anything was missed.
///
/// Nobody is told the name of anything outside of what it may hear: of a pattern that reaches further it hears as of its own.
///
/// A function with `local` may be answered from another instance's near cache for up to [`local_staleness`](crate::Builder::local_staleness) longer. A page that asks there right after it
/// was told keeps that answer, as it is told once: leave `local` away from what such pages show, or give their queries a `staleTime`.
///
/// A pushed invalidation may be followed by a load from a replica of the database that lags (`hold_off`): a browser that reads there should not believe its answers for long.
///
/// ```
/// use axum::Router;
/// use cache_runtime::http::Pushes;
/// use cache_runtime::{Cache, cached};
///
/// #[cached("tasks", "10m")]
/// async fn task(user_id: u64, task_id: u64) -> Option<String> {
///     None
/// }
///
/// #[derive(Clone)]
/// struct User {
///     id: u64,
/// }
///
/// # fn app() -> Router {
/// let pushes = Pushes::new(&Cache::current()).hears(|request| {
///     // What a middleware of your own knows of the request. A companion's pattern keeps each value in its segment.
///     let user = request.extensions.get::<User>();
///     user.map(|user| task::pattern(Some(user.id), None))
/// });
/// Router::new().nest("/api/cache", pushes.router())
/// # }
/// ```
pub struct Pushes {
    cache: Cache,
    hears: Box<Hears>,
    listeners: usize,
}

type Hears = dyn Fn(&Parts) -> Vec<Pattern> + Send + Sync;

/// What the connections share.
struct Hub {
    engine: Arc<Engine>,
    hears: Box<Hears>,
    places: Arc<Semaphore>,
    /// Lives as long as somebody listens.
    beat: Mutex<Weak<Beat>>,
    /// Whether all invalidations are heard of, as far as is known.
    hearing: watch::Sender<bool>,
}

/// Finds out that Redis is gone, or that something was missed, where nobody else asks it anything. Dropped, it ends.
struct Beat(JoinHandle<()>);

/// A connection that listens; dropped with it.
struct Connection {
    listener: Listener,
    hearing: watch::Receiver<bool>,
    _beat: Arc<Beat>,
    _place: OwnedSemaphorePermit,
}

impl Pushes {
    /// Of this cache. Until it is said who [hears](Self::hears) what, every request is refused.
    pub fn new(cache: &Cache) -> Self {
        cache.engine.near.feed().open();
        Self {
            cache: cache.clone(),
            hears: Box::new(|_| Vec::new()),
            listeners: LISTENERS,
        }
    }

    /// Which keys a request may hear of. Names of keys tell who somebody's customers are: nobody hears of what is not named here.
    ///
    /// It is asked once, when a connection begins: what is taken from somebody later, he hears of until his connection ends. A [pattern that is
    /// read](Pattern::parse) with a value in it is no longer that pattern where the value has a `:` or a `*`; a companion's `pattern` is.
    #[must_use]
    pub fn hears<I: IntoIterator<Item = Pattern>>(
        mut self,
        hears: impl Fn(&Parts) -> I + Send + Sync + 'static,
    ) -> Self {
        self.hears = Box::new(move |request| hears(request).into_iter().collect());
        self
    }

    /// How many may listen to this instance at one time. Default: 1,000.
    #[must_use]
    pub fn listeners(mut self, most: usize) -> Self {
        self.listeners = most;
        self
    }

    /// The router, of `GET /events`. Its path is relative: nest it where it belongs.
    pub fn router(self) -> Router {
        let hub = Hub {
            engine: self.cache.engine,
            hears: self.hears,
            places: Arc::new(Semaphore::new(self.listeners.min(Semaphore::MAX_PERMITS))),
            beat: Mutex::default(),
            hearing: watch::Sender::new(false),
        };
        Router::new()
            .route("/events", get(events))
            .layer(from_fn(answers::never_stored))
            .with_state(Arc::new(hub))
    }
}

async fn events(
    State(hub): State<Arc<Hub>>,
    Params(asked): Params<Vec<(String, String)>>,
    request: Parts,
) -> Result<Response, Problem> {
    let hears = permitted(&asked, (hub.hears)(&request))?;
    let place = hub.places.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::no_place())?;
    // Where Redis is away, a reset follows when it is back.
    if let Ok(false) = hub.hear().await {
        return Err(Problem::deaf());
    }
    let left_off = request.headers.get("last-event-id");
    let left_off = left_off.and_then(|id| id.to_str().ok());
    let mut connection = Connection {
        listener: Listener::new(hub.engine.near.feed(), hears, left_off),
        hearing: hub.hearing.subscribe(),
        _beat: hub.beat(),
        _place: place,
    };
    let first = connection.hears();
    let rest = stream::unfold(connection, async |mut connection| {
        Some((connection.next().await, connection))
    });
    let all = stream::iter([first]).chain(rest).map(Ok::<_, Infallible>);
    // Else nginx keeps events until it has some kilobytes of them.
    Ok(([("x-accel-buffering", "no")], Sse::new(all)).into_response())
}

/// What is asked for, if all of it may be heard; or all that may be heard.
fn permitted(asked: &[(String, String)], may: Vec<Pattern>) -> Result<Vec<Pattern>, Problem> {
    let asked = asked.iter().filter(|(name, _)| name == "pattern");
    let asked = asked.map(|(_, pattern)| params::pattern(pattern));
    let asked: Vec<_> = asked.collect::<Result<_, _>>()?;
    if asked.len() > MOST_PATTERNS {
        let message = format!("more than {MOST_PATTERNS} patterns are too many for one request");
        return Err(Problem::bad_request(message));
    }
    let mut heard = asked.iter();
    if may.is_empty() || !heard.all(|asked| may.iter().any(|may| may.includes(asked))) {
        return Err(Problem::not_heard());
    }
    Ok(if asked.is_empty() { may } else { asked })
}

impl Hub {
    /// Sees to it that this instance hears of invalidations; whether it does.
    async fn hear(&self) -> Result<bool, StoreError> {
        let heard = self.engine.store.hear(self.engine.patience.operation).await;
        let hears = matches!(heard, Ok(true));
        self.hearing
            .send_if_modified(|known| std::mem::replace(known, hears) != hears);
        heard
    }

    fn beat(self: &Arc<Self>) -> Arc<Beat> {
        let mut beat = lock(&self.beat);
        beat.upgrade().unwrap_or_else(|| {
            let hub = self.clone();
            let new = Arc::new(Beat(tokio::spawn(async move {
                loop {
                    tokio::time::sleep(BEAT).await;
                    // Where it fails so often, the connection is made anew, and begins with a reset.
                    let _ = hub.hear().await;
                }
            })));
            *beat = Arc::downgrade(&new);
            new
        })
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// The next event. Safe to drop at any time.
    async fn next(&mut self) -> Event {
        let event = match tokio::time::timeout(KEEP_ALIVE, self.news()).await {
            Ok(None) => self.hears(),
            Ok(Some(Told::Patterns(patterns))) => {
                let patterns = json(patterns.iter().map(String::as_str));
                Event::default().event("invalidate").data(patterns)
            }
            Ok(Some(Told::Everything)) => Event::default().event("reset").data("null"),
            Err(_) => Event::default().event("alive").data("null"),
        };
        // Also where nothing is told: who comes back is told of less.
        match self.listener.place() {
            Some(place) => event.id(place),
            None => event,
        }
    }

    /// What was told; or nothing, where what can be relied on has changed.
    async fn news(&mut self) -> Option<Told> {
        let changed = pin!(self.hearing.changed());
        let told = pin!(self.listener.told());
        match select(changed, told).await {
            Either::Left(_) => None,
            Either::Right((told, _)) => Some(told),
        }
    }

    /// What it can rely on to be told of: nothing while Redis is away.
    fn hears(&mut self) -> Event {
        let hears = match *self.hearing.borrow_and_update() {
            true => self.listener.hears(),
            false => &[],
        };
        Event::default()
            .event("hears")
            .data(json(hears.iter().map(Pattern::as_str)))
            .retry(Duration::from_millis(fastrand::u64(RETRY)))
    }
}

fn json<'a>(patterns: impl Iterator<Item = &'a str>) -> String {
    serde_json::to_string(&patterns.collect::<Vec<_>>()).unwrap_or_default()
}

impl fmt::Debug for Pushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushes")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
