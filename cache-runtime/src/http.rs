//! The management API: what a person on call asks a running service, as an axum router to nest anywhere (feature `http`); the console, a page that asks it
//! (feature `console`); and [`Pushes`], which tell browsers what is old.

mod access;
mod answers;
mod clearing;
#[cfg(feature = "console")]
mod console;
#[cfg(feature = "jobs")]
mod jobs;
mod keys;
mod params;
mod problem;
mod pushes;
mod shapes;
mod statistics;
mod switching;
mod whoami;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::access::{Access, Bearer, Guard};
pub use self::access::{Scope, Token};
use self::problem::Problem;
pub use self::pushes::Pushes;
pub use self::shapes::{
    cache_health, cache_stats, database_performance, performance, service_health,
};
use crate::cache::Cache;
#[cfg(feature = "jobs")]
use crate::jobs::RunningJobs;
use crate::rate_limit::RateLimit;

/// Requests that are answered at one time; those beyond are told to come again.
const AT_ONCE: usize = 64;

/// Bytes of a request's body.
const LARGEST_BODY: usize = 4 << 10;

/// A management API of one cache, closed until [tokens](Self::token) are given.
///
/// | request | scope | what |
/// |---|---|---|
/// | `GET /stats` | statistics | counters, server, memory, in all and by function |
/// | `GET /health` | statistics | [`Health`](crate::Health), and its line |
/// | `GET /report` | statistics | [`Report`](crate::Report); its keys for those who may list keys |
/// | `GET /jobs`, `GET /jobs/{job}` | statistics | jobs, and what became of their runs |
/// | `GET /keys?pattern=…&limit=…&cursor=…` | keys | keys, page by page |
/// | `GET /key/{key}` | values | one entry, decoded; encrypted values are not shown |
/// | `DELETE /key/{key}` | clear | makes it old |
/// | `DELETE /clear?pattern=…` | clear | makes all old that match; with `sweep=true` also by a walk through all keys |
/// | `DELETE /clear?confirm=everything` | clear | makes everything old |
/// | `PUT /enabled` | operate | switches this instance's cache, or a namespace, off and on |
/// | `POST /jobs/{job}/run` | operate | runs a job now |
/// | `GET /whoami` | any | whose token it is, and its scopes |
/// | `GET /openapi.json` | statistics | all of this, as OpenAPI 3.1 |
///
/// Every answer is JSON, also errors: `{"error": {"code": "…", "message": "…"}}`. Nobody knows the scope: 401 without a token that is right, 403
/// with one that may not. Clearing is limited, 60 times a minute for each token ([`clear_limit`](Self::clear_limit)): 429. More than 64 requests at once
/// are 503. What is read, cleared and switched stands in the cache's [audit](crate::Audit) under the token's name, and runs of jobs in their history.
///
/// With the feature `console` there is a page for people too, at `/console/`. It asks for a token, and has no other way in than this API.
///
/// ```
/// use axum::Router;
/// use cache_runtime::Cache;
/// use cache_runtime::http::{Management, Scope, Token};
///
/// # fn app(secret: &str) -> Router {
/// let management = Management::new(&Cache::current())
///     .token(Token::new("ops", secret).may([Scope::Statistics, Scope::Keys, Scope::Values, Scope::Clear]))
///     .token(Token::new("dashboard", "another secret").may([Scope::Statistics]));
/// Router::new().nest("/api/v1/cache", management.router())
/// # }
/// ```
pub struct Management {
    cache: Cache,
    access: Access,
    clear_limit: RateLimit,
    #[cfg(feature = "jobs")]
    jobs: Option<Arc<RunningJobs>>,
}

/// What the handlers share.
struct Managed {
    cache: Cache,
    access: Arc<Access>,
    clear_limit: RateLimit,
    places: Semaphore,
    #[cfg(feature = "jobs")]
    jobs: Option<Arc<RunningJobs>>,
}

impl Management {
    /// Of this cache. Without a [token](Self::token) nobody is let in.
    pub fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            access: Access::default(),
            clear_limit: RateLimit::sliding(60, Duration::from_secs(60)),
            #[cfg(feature = "jobs")]
            jobs: None,
        }
    }

    /// Lets in who shows this token, as `Authorization: Bearer …`.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.access.tokens.push(token);
        self
    }

    /// What may be done without a token. Default: nothing. It is for a network that is closed itself: whoever reaches the port is let in.
    #[must_use]
    pub fn anyone_may(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.access.anyone = scopes.into_iter().collect();
        self
    }

    /// How often each token may clear, the fleet together. Default: 60 times in a minute, sliding.
    #[must_use]
    pub fn clear_limit(mut self, limit: RateLimit) -> Self {
        self.clear_limit = limit;
        self
    }

    /// Jobs to show and to run.
    #[cfg(feature = "jobs")]
    #[must_use]
    pub fn jobs(mut self, jobs: Arc<RunningJobs>) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// The router. Its paths are relative: nest it where it belongs.
    pub fn router(self) -> Router {
        let managed = self.managed();
        let (router, _) = routes(&managed).split_for_parts();
        #[cfg(feature = "console")]
        let router = router.merge(console::routes());
        finished(router, &managed)
    }

    /// Routes of your own behind the same tokens: nobody reaches them without `scope`.
    pub fn protect(&self, scope: Scope, router: Router) -> Router {
        let guard = Guard {
            access: Arc::new(self.access.clone()),
            scope: Some(scope),
        };
        router.route_layer(from_fn_with_state(guard, access::permit))
    }

    /// What the router offers, as an OpenAPI 3.1 document in JSON.
    ///
    /// # Panics
    /// Never: the document is part of the program.
    pub fn openapi() -> &'static str {
        static DOCUMENT: LazyLock<String> = LazyLock::new(Management::document);
        &DOCUMENT
    }

    fn document() -> String {
        let managed =
            Self::new(&Cache::builder().build().expect("the defaults are right")).managed();
        let (_, document) = routes(&managed).split_for_parts();
        document.to_json().expect("it holds texts and numbers")
    }

    fn managed(self) -> Arc<Managed> {
        Arc::new(Managed {
            cache: self.cache,
            access: Arc::new(self.access),
            clear_limit: self.clear_limit,
            places: Semaphore::new(AT_ONCE),
            #[cfg(feature = "jobs")]
            jobs: self.jobs,
        })
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Cache management", description = "What a running cache does, and what can be done about it."),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Document;

/// All routes, each behind its scope.
fn routes(managed: &Arc<Managed>) -> OpenApiRouter {
    let behind = |scope, router: OpenApiRouter<Arc<Managed>>| {
        let guard = Guard {
            access: managed.access.clone(),
            scope,
        };
        router
            .route_layer(from_fn_with_state(guard, access::permit))
            .with_state(managed.clone())
    };
    let whoami = OpenApiRouter::new().routes(routes!(whoami::whoami));
    let statistics = OpenApiRouter::new()
        .routes(routes!(statistics::stats))
        .routes(routes!(statistics::health))
        .routes(routes!(statistics::report))
        .routes(routes!(statistics::openapi));
    let keys = OpenApiRouter::new().routes(routes!(keys::list));
    let values = OpenApiRouter::new().routes(routes!(keys::value));
    let clear = OpenApiRouter::new()
        .routes(routes!(clearing::delete))
        .routes(routes!(clearing::clear));
    let operate = OpenApiRouter::new().routes(routes!(switching::enabled));
    #[cfg(feature = "jobs")]
    let (statistics, operate) = (
        statistics
            .routes(routes!(jobs::all))
            .routes(routes!(jobs::history)),
        operate.routes(routes!(jobs::run)),
    );
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(behind(None, whoami))
        .merge(behind(Some(Scope::Statistics), statistics))
        .merge(behind(Some(Scope::Keys), keys))
        .merge(behind(Some(Scope::Values), values))
        .merge(behind(Some(Scope::Clear), clear))
        .merge(behind(Some(Scope::Operate), operate))
}

/// What holds for every request.
fn finished(router: Router, managed: &Arc<Managed>) -> Router {
    router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(managed.clone(), access::admit))
        .layer(from_fn(answers::never_stored))
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("access", &self.access)
            .field("clear_limit", &self.clear_limit)
            .finish_non_exhaustive()
    }
}
