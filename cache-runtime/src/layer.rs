//! What cached functions do for a request, told over HTTP: a layer around any service, which tags answers and spares those that the client has.

mod asked;
mod body;
mod conditional;
mod service;
mod told;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

pub use self::body::CacheBody;
#[cfg(any(fuzzing, test))]
pub(crate) use self::conditional::names;
pub use self::service::CacheService;

/// Bytes of an answer that is tagged.
const TAGGED: usize = 1 << 20;

/// A [`tower`](https://docs.rs/tower) layer that tells over HTTP what the cached functions did that were called for a request. Needs the feature `tower`.
///
/// It keeps no answers: the cached functions are the cache. Of each answer to `GET` and `HEAD` it says
///
/// | header | what |
/// |---|---|
/// | `ETag` | a strong tag, a hash of the body: of status 200, up to a size ([`tagged`](Self::tagged)) |
/// | `Cache-Control` | `private, no-cache`: a client may keep it, and asks each time whether it is still right; otherwise by [`max_age`](Self::max_age) |
/// | `Age` | seconds since the oldest answer was loaded that came from the cache |
///
/// and `304 Not Modified`, without the body, to who has that already (`If-None-Match`, RFC 9110, 13.1.2; other conditions are the service's own). The service is asked for it each
/// time, so that what was invalidated is 304 for nobody. What the service says itself stays: its `ETag` (which is compared), its `Cache-Control` (with `no-store` nothing is tagged), its `Age`,
/// its `Vary`. Bodies whose size is not known beforehand pass untouched, such as streams and events: no byte waits.
///
/// Every answer has, unless [`diagnostics`](Self::diagnostics) are off,
///
/// | header | what |
/// |---|---|
/// | `X-Cache` | `HIT`, `STALE`, `MISS` (loaded, by this request or another one) or `BYPASS` (not looked up, or the store was away): of several calls the worst; absent where there was none |
/// | `Cache-Status` | the same as RFC 9211 writes it, with the number of calls: `cache-runtime; fwd=miss; stored; detail="2 hit, 1 load"` |
/// | `X-Process-Time` | milliseconds that the request took, up to its answer's headers |
/// | `X-Query-Count`, `X-Query-Time` | queries that went through a [`QueryMeter`](crate::QueryMeter), and the milliseconds that they took, added up |
///
/// It sees what is called in the request's own task, not in those that it spawns, nor while a body is streamed.
///
/// ```
/// use axum::{Json, Router, extract::Path, routing::get};
/// use cache_runtime::{CacheLayer, cached};
///
/// #[cached("titles", "10m", key = task_id)]
/// async fn title(Path(task_id): Path<u64>) -> Json<String> {
///     Json(format!("task {task_id}"))
/// }
///
/// let app: Router = Router::new().route("/tasks/{task_id}", get(title)).layer(CacheLayer::new());
/// ```
///
/// **Compression**: put a layer that compresses around this one. Inside, it makes a stream of the body, which has no tag. It has to see to `Vary`, and to mark the tag as weak
/// (`W/`) if its clients ask for ranges; `If-None-Match` accepts either. **`HEAD`**: inside [`Router::layer`](https://docs.rs/axum/latest/axum/struct.Router.html#method.layer) its
/// tag is that of `GET`; around a service that has cut the body already there is none.
#[derive(Clone)]
pub struct CacheLayer {
    options: Options,
}

#[derive(Clone)]
struct Options {
    max_age: Duration,
    stale_while_revalidate: Duration,
    tagged: usize,
    reloads: Option<Reloads>,
    diagnostics: bool,
}

type Reloads = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl CacheLayer {
    /// Whatever a client keeps it asks for each time.
    pub fn new() -> Self {
        Self {
            options: Options {
                max_age: Duration::ZERO,
                stale_while_revalidate: Duration::ZERO,
                tagged: TAGGED,
                reloads: None,
                diagnostics: true,
            },
        }
    }

    /// Clients may keep an answer for so long without asking: in whole seconds, and never longer than what it is made of is fresh. Default: zero.
    ///
    /// The price: no invalidation reaches them before. It holds for answers of status 200 whose calls were all answered from the cache or stored; others stay
    /// `no-cache`. `max-age` counts from when the oldest of them was loaded, so it is `Age` and what is left.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.options.max_age = max_age;
        self
    }

    /// After [`max_age`](Self::max_age) clients may show what they have for so long, while they ask (RFC 5861). Default: zero, and without `max_age` nothing.
    ///
    /// The price: what was invalidated may be shown once more, for `max_age` and this time together.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.options.stale_while_revalidate = window;
        self
    }

    /// Bodies of up to so many bytes are tagged, which takes reading them before the answer begins, and hashing: about 1 ms for a MiB, at one go. Default: 1 MiB; with 0
    /// none is.
    #[must_use]
    pub fn tagged(mut self, most: usize) -> Self {
        self.options.tagged = most;
        self
    }

    /// Who may have answers loaded anew: for a request with `Cache-Control: no-cache` (or `Pragma`, from clients that have no other word) the cached functions that it calls load,
    /// and replace what is stored; with `no-store` they load, and leave the cache alone. What they call themselves is looked up as usual.
    ///
    /// Default: nobody, and those words are ignored. Every browser sends them when its user reloads the page with a key held down, and who may send them makes each request as dear
    /// as a miss: allow it to those whom you know. The layer comes before authentication where that is inside, so look at the headers, or put it inside and look at the extensions.
    ///
    /// ```
    /// # use cache_runtime::CacheLayer;
    /// # #[derive(Clone)] struct Admin;
    /// let layer = CacheLayer::new().reload_if(|request| request.extensions.get::<Admin>().is_some());
    /// ```
    #[must_use]
    pub fn reload_if(mut self, allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.options.reloads = Some(Arc::new(allowed));
        self
    }

    /// Whether answers have `X-Cache`, `Cache-Status`, `X-Process-Time`, `X-Query-Count` and `X-Query-Time`. Default: they do.
    ///
    /// Whoever reads them learns whether somebody has asked for the same before (RFC 9211, 6).
    #[must_use]
    pub fn diagnostics(mut self, shown: bool) -> Self {
        self.options.diagnostics = shown;
        self
    }
}

impl Options {
    fn may_reload(&self, request: &Parts) -> bool {
        let allowed = self.reloads.as_ref();
        allowed.is_some_and(|allowed| allowed(request))
    }
}

impl Default for CacheLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, Arc::new(self.options.clone()))
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("max_age", &self.max_age)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("tagged", &self.tagged)
            .field("reload_if", &self.reloads.is_some())
            .field("diagnostics", &self.diagnostics)
            .finish()
    }
}
