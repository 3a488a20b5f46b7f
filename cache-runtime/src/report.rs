//! What a cache is worth, and what would make it better ([`Cache::report`](crate::Cache::report)).

mod display;
mod facts;
mod figures;
mod recommendation;
mod rules;

use std::time::Duration;

use serde::{Serialize, Serializer};

use self::facts::Facts;
#[cfg(feature = "http")]
pub(crate) use self::figures::bytes;
pub use self::recommendation::{Advice, Recommendation, Severity};
use crate::analytics::HotKey;
use crate::engine::Engine;
use crate::observe::ends_path;

/// Hottest keys that are told of each function.
const HOTTEST: usize = 10;

/// What a cache has been worth since it was built, in this process, and what is recommended; `Display` is text for people.
///
/// It never holds values. Keys stand in [`hottest`](FunctionReport::hottest) alone.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// `redis` or `memory`.
    pub store: &'static str,
    /// How long the cache has been there; serialized in seconds, as are all times.
    #[serde(serialize_with = "seconds")]
    pub age: Duration,
    /// All functions together.
    pub total: Usage,
    /// Each function whose answers are cached, ordered by namespace.
    pub functions: Vec<FunctionReport>,
    /// The most urgent first.
    pub recommendations: Vec<Recommendation>,
}

/// What one function's cache has been worth.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FunctionReport {
    /// The function's path; `by hand` for what was stored under a namespace without a function.
    pub function: &'static str,
    /// Its namespace.
    pub namespace: &'static str,
    /// Its figures.
    #[serde(flatten)]
    pub usage: Usage,
    /// Its hottest keys, ten at most, the hottest first. None for a function with `encrypt = on`.
    pub hottest: Vec<HotKey>,
}

/// Figures of one function, or of all of them. What is `None` has not been seen yet, or is not analysed
/// ([`Builder::analytics`](crate::Builder::analytics)).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Calls, those too that did not look.
    pub calls: u64,
    /// The part of the look-ups that were hits, from 0 to 1.
    pub hit_rate: Option<f64>,
    /// Times that the body ran.
    pub loads: u64,
    /// How long a load takes, the encoding of its answer too. A batch's load is shared by its keys.
    #[serde(serialize_with = "some_seconds")]
    pub mean_load: Option<Duration>,
    /// How long a look-up in the store takes.
    #[serde(serialize_with = "some_seconds")]
    pub mean_lookup: Option<Duration>,
    /// What the hits would have taken as loads.
    #[serde(serialize_with = "some_seconds")]
    pub saved: Option<Duration>,
    /// Different keys that were called, within some 3 %. Those that other instances have loaded and that were hit here are seen in one call of 64.
    pub keys: Option<u64>,
    /// Bytes of the entries that were stored, one after the other.
    pub stored_bytes: Option<u64>,
    /// Bytes of the entries that were read and answered, estimated.
    pub read_bytes: Option<u64>,
    /// The part of the stored answers that this process has never answered with before they expired or were replaced, from 0 to 1. Where instances
    /// share a store another one may have.
    pub unused: Option<f64>,
    /// The part of the loads in the place of an earlier answer that brought the same bytes, from 0 to 1.
    pub unchanged: Option<f64>,
}

impl Report {
    pub(crate) fn of(engine: &Engine) -> Self {
        let stats = engine.register.stats(&engine.outbox, &engine.near);
        let age = engine.register.age();
        let mut functions = Vec::new();
        let mut recommendations = rules::of_cache(&stats);
        let mut all = Vec::new();
        for function in engine.register.functions() {
            if function.namespace.is_empty() {
                // It only invalidates.
                continue;
            }
            let facts = Facts::of(&function, engine.store.is_shared(), age);
            recommendations.extend(rules::of_function(function.site.function, &facts));
            let analysis = function.analysis.as_ref();
            let hottest = analysis.map(|analysis| analysis.hottest(HOTTEST));
            functions.push(FunctionReport {
                function: function.site.function,
                namespace: function.namespace,
                usage: facts.usage(),
                hottest: hottest.unwrap_or_default(),
            });
            all.push(facts);
        }
        functions.sort_by_key(|function| (function.namespace, function.function));
        recommendations.sort_by(|a, b| (b.severity, a.function).cmp(&(a.severity, b.function)));
        Self {
            store: engine.store.name(),
            age,
            total: Facts::total(&all),
            functions,
            recommendations,
        }
    }

    /// What is reported of the function of this path (`crate::module::name`); the end of the path suffices.
    pub fn function(&self, path: &str) -> Option<&FunctionReport> {
        let mut functions = self.functions.iter();
        functions.find(|function| ends_path(function.function, path))
    }
}

pub(crate) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(crate) fn some_seconds<S: Serializer>(
    time: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(to)
}
