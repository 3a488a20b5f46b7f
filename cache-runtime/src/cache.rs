//! The cache's handle, and the default that annotated functions use.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::audit::{AuditAction, AuditOutcome};
use crate::builder::Builder;
use crate::callers::Caller;
use crate::engine::{self, Engine};
use crate::environment;
use crate::error::{ConfigError, Error};
use crate::event::Event;
use crate::key::Target;
use crate::observe::Stats;
use crate::report::Report;
use crate::scope;
use crate::site::Site;
use crate::source::{self, Observations};

/// The only global: the cache that annotated functions use.
static INSTALLED: ArcSwapOption<Engine> = ArcSwapOption::const_empty();

/// A cache; clones are handles of the same one.
///
/// Nothing has to be set up: the first call of an annotated function makes a default cache [from the environment](Self::from_env), and
/// [`Builder::install`] replaces it.
#[derive(Clone)]
pub struct Cache {
    pub(crate) engine: Arc<Engine>,
    /// In whose name it is used.
    pub(crate) caller: Option<Caller>,
}

/// Who invalidates where nobody is named.
pub(crate) static BY_HAND: Site = Site::new("Cache::invalidate", "");

impl Cache {
    pub(crate) fn new(engine: Engine) -> Self {
        Self::of(Arc::new(engine))
    }

    fn of(engine: Arc<Engine>) -> Self {
        let caller = None;
        Self { engine, caller }
    }

    /// Configures a cache, from defaults that need no server.
    pub fn builder() -> Builder {
        Builder::new()
    }

    #[doc = include_str!("environment.md")]
    ///
    /// # Errors
    /// Everything in the environment that is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Builder::from_env()?.build()
    }

    /// The default cache. Where none is installed, it is made from the environment; what is wrong there is logged and left out,
    /// and where it is the server's address, a switch or the prefix, the cache is switched off.
    pub fn current() -> Self {
        if let Some(engine) = engine::current().or_else(|| INSTALLED.load_full()) {
            return Self::of(engine);
        }
        let (builder, problems) = environment::read(|name| std::env::var(name).ok());
        for problem in problems {
            tracing::error!(%problem, "cache configuration");
        }
        let made = builder.build().unwrap_or_else(|error| {
            tracing::error!(%error, "cache switched off");
            Self::off()
        });
        // Of several first callers one installs.
        let before = INSTALLED.compare_and_swap(&None::<Arc<Engine>>, Some(made.engine.clone()));
        before
            .as_ref()
            .map_or(made, |engine| Self::of(engine.clone()))
    }

    /// Makes this the cache that annotated functions use from now on; the one before lives on with its handles.
    pub fn install(self) {
        INSTALLED.store(Some(self.engine));
    }

    /// Makes everything that `targets` name old, on all instances: a call that begins after this returned never gets what was loaded
    /// before. It costs one round trip, however many keys there are; but for patterns that cut inside a segment, which walk through all keys.
    ///
    /// What cannot be delivered is queued and retried in the background, also when this future is dropped; until then this instance
    /// answers what it names from the source. Other instances may serve the old answers until it is delivered.
    pub async fn invalidate<T: Into<Target>>(&self, targets: impl IntoIterator<Item = T>) {
        let targets = targets.into_iter().map(Into::into).collect();
        // Logged and counted where it happened.
        let _ = self
            .make_old(&BY_HAND, AuditAction::Invalidate, targets)
            .await;
    }

    /// Like [`invalidate`](Self::invalidate), and tells when it was queued.
    ///
    /// # Errors
    /// Redis could not be reached, did not answer in time, or refused; the invalidation is queued, but where the server that was meant cannot be used at all. [`Limited`](crate::ErrorKind::Limited) when whom the
    /// handle is [for](Self::by) has asked too often: then nothing is done. That is asked first, so that a future which is dropped meanwhile has done nothing.
    pub async fn try_invalidate<T: Into<Target>>(
        &self,
        targets: impl IntoIterator<Item = T>,
    ) -> Result<(), Error> {
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        self.within_limit(AuditAction::Invalidate, &targets).await?;
        self.make_old(&BY_HAND, AuditAction::Invalidate, targets)
            .await
    }

    /// Makes everything old that `event` stands for; as [`invalidate`](Self::invalidate).
    pub async fn emit(&self, event: impl Event) {
        self.invalidate(event.targets()).await;
    }

    /// Like [`emit`](Self::emit), and tells when it was queued.
    ///
    /// # Errors
    /// As [`try_invalidate`](Self::try_invalidate).
    pub async fn try_emit(&self, event: impl Event) -> Result<(), Error> {
        self.try_invalidate(event.targets()).await
    }

    /// What this cache has done since it was built.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// What this cache has been worth since it was built, and what would make it better: times, keys, bytes, hottest keys, and recommendations with the
    /// figures that they rest on. It is of this process; others of the fleet have their own.
    ///
    /// ```
    /// use cache_runtime::{Cache, cached};
    ///
    /// #[cached("squares", "1m")]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// square(7).await;
    /// square(7).await;
    /// let report = Cache::current().report();
    /// let squares = report.function("square").expect("it was called");
    /// assert_eq!((squares.usage.hit_rate, squares.usage.keys), (Some(0.5), Some(1)));
    /// assert_eq!(squares.hottest[0].key, "squares:7");
    /// assert!(report.recommendations.is_empty()); // two calls say nothing
    /// println!("{report}");
    /// # }
    /// ```
    pub fn report(&self) -> Report {
        Report::of(&self.engine)
    }

    /// Tells Redis now which keys were hot since it was told last, so that [`Warming::hottest`](crate::Warming::hottest) finds them after a restart. It is for
    /// the end of a program: while there are calls, it is done every 30 seconds.
    ///
    /// Redis adds up the calls of all instances, for 1,000 keys of each function at most. What was called 6 hours ago counts half, and after 14 days
    /// without a call all is forgotten. When Redis is away nothing is told, and without Redis there is nobody to tell.
    ///
    /// Safe to drop at any time.
    pub async fn remember_hottest(&self) {
        self.engine.remember_hottest().await;
    }

    /// `"redis"`, or `"memory"` for the store of this process.
    pub fn store_name(&self) -> &'static str {
        self.engine.store.name()
    }

    /// Whether answers are looked up and stored.
    pub fn is_enabled(&self) -> bool {
        self.engine.switches.is_on()
    }

    /// Switches looking up and storing off, or on again, while the program runs. Invalidations still go out, for the rest of the fleet, so that
    /// nothing old is served when it is on again.
    pub fn set_enabled(&self, enabled: bool) {
        self.engine.switches.set(enabled);
        tracing::info!(enabled, "cache switched");
        self.note(
            AuditAction::of_switch(enabled),
            &"everything",
            AuditOutcome::Done,
        );
    }

    /// The same for the functions of one namespace, and of those below it: `exec` is also `exec:dashboard`.
    pub fn set_namespace_enabled(&self, namespace: &str, enabled: bool) {
        self.engine.switches.set_namespace(namespace, enabled);
        tracing::info!(namespace, enabled, "cache switched");
        self.note(
            AuditAction::of_switch(enabled),
            &namespace,
            AuditOutcome::Done,
        );
    }

    /// Runs `work`, and each cached function that it calls runs its body: nothing is looked up, nothing is stored. Invalidations are done as
    /// usual. It holds for `work`'s own task, not for those that it spawns.
    pub fn bypass<F: Future>(work: F) -> impl Future<Output = F::Output> {
        scope::bypassing(work)
    }

    /// Runs `work`, and tells where the answers of the cached functions that it called came from. It sees `work`'s own task, not those that it
    /// spawns.
    ///
    /// ```
    /// use cache_runtime::{Cache, Source, cached};
    ///
    /// #[cached("squares", "1m")]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// square(7).await;
    /// let (answer, seen) = Cache::observe(square(7)).await;
    /// assert_eq!((answer, seen.calls[0].source), (49, Source::Hit));
    /// # }
    /// ```
    pub fn observe<F: Future>(work: F) -> impl Future<Output = (F::Output, Observations)> {
        source::observe(work)
    }

    /// In place of one that cannot be built.
    fn off() -> Self {
        let mut builder = Builder::new().enabled(false);
        builder.severed = true;
        builder.build().expect("the defaults are right")
    }
}

impl Cache {
    /// Asks the default cache, if it has been made: `false` where it has not.
    pub(crate) fn with_installed(ask: impl FnOnce(&Arc<Engine>) -> bool) -> bool {
        match engine::current() {
            Some(engine) => ask(&engine),
            None => INSTALLED.load().as_ref().is_some_and(ask),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.engine.store)
            .field("enabled", &self.is_enabled())
            .finish_non_exhaustive()
    }
}
