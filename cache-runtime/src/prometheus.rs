//! Figures for Prometheus: where they are kept, and the route that it scrapes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use futures_util::future::join_all;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinSet;

use crate::cache::Cache;
use crate::error::ConfigError;

/// What a cache's answers take: 0.1 ms to 10 s.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// As many as are looked up in one round trip.
const KEYS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 256.0];

/// Measured times wait in memory until they are scraped, or so long.
const UPKEEP: Duration = Duration::from_secs(5);

/// The text that Prometheus scrapes, 0.0.4 of its exposition formats.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures of caches for Prometheus. Needs the feature `prometheus`.
///
/// ```
/// use cache_runtime::{Cache, Prometheus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = Prometheus::install()?;
/// let app: axum::Router = axum::Router::new().merge(prometheus.router([Cache::current()])); // GET /metrics
/// # Ok(())
/// # }
/// ```
///
/// The route is open to whoever reaches it; it tells names of functions and namespaces, and never a key, a value, or who has called.
#[derive(Debug)]
pub struct Prometheus {
    handle: PrometheusHandle,
    /// Ends with it.
    _upkeep: JoinSet<()>,
}

impl Prometheus {
    /// Makes it the process's recorder of the `metrics` facade, so that it gets the figures of other crates as well. A program that has an exporter already takes
    /// [`of`](Self::of).
    ///
    /// Call it before the cache is made, so that it hears of all times; see [`Cache::record_metrics`].
    ///
    /// # Errors
    /// There is another recorder.
    ///
    /// # Panics
    /// Outside a Tokio runtime: a task takes in what was measured, every 5 seconds, so that what nobody scrapes does not fill the memory. It ends when this, or the
    /// router that it has become, is dropped.
    pub fn install() -> Result<Self, ConfigError> {
        let handle = Self::exporter().install_recorder().map_err(|error| {
            let problem = format!("the recorder of metrics cannot be installed: {error}");
            ConfigError::check(vec![problem]).expect_err("a problem was told")
        })?;
        let (mut upkeep, kept) = (JoinSet::new(), handle.clone());
        upkeep.spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                kept.run_upkeep();
            }
        });
        Ok(Self {
            handle,
            _upkeep: upkeep,
        })
    }

    /// Over an exporter that the program has installed, and whose upkeep it sees to.
    pub fn of(handle: PrometheusHandle) -> Self {
        Self {
            handle,
            _upkeep: JoinSet::new(),
        }
    }

    /// How [`install`](Self::install) begins its exporter: with buckets from 0.1 ms to 10 s for every histogram whose name ends with `_duration_seconds`. Without them there would be
    /// summaries, which nobody can add up over instances.
    pub fn exporter() -> PrometheusBuilder {
        let buckets = [
            (
                Matcher::Suffix("_duration_seconds".to_owned()),
                &SECONDS[..],
            ),
            (Matcher::Full("cache_batch_keys".to_owned()), &KEYS[..]),
        ];
        buckets
            .into_iter()
            .fold(PrometheusBuilder::new(), |exporter, (of, buckets)| {
                let exporter = exporter.set_buckets_for_metric(of, buckets);
                exporter.expect("there are buckets")
            })
    }

    /// `GET /metrics`, for these caches: [`render`](Self::render).
    pub fn router<S>(self, caches: impl IntoIterator<Item = Cache>) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let caches: Vec<Cache> = caches.into_iter().collect();
        let this = Arc::new((self, caches));
        let scraped = move || {
            let this = this.clone();
            async move {
                let (prometheus, caches) = &*this;
                ([(CONTENT_TYPE, TEXT)], prometheus.render(caches).await)
            }
        };
        Router::new().route("/metrics", get(scraped))
    }

    /// All figures of the process, those of these caches as they are now, as text. Takes a second at most, also where Redis hangs.
    ///
    /// Safe to drop at any time.
    pub async fn render(&self, caches: impl IntoIterator<Item = &Cache>) -> String {
        join_all(caches.into_iter().map(Cache::record_metrics)).await;
        self.handle.render()
    }
}
