//! What is answered, in the shapes that the document describes.

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::analytics::Timed;
use crate::cache::Cache;
use crate::health::{Health, ServerHealth};
use crate::inspect::{Entry, EntryForm, EntryValue};
use crate::observe::{FunctionStats, Stats};

/// Tells this process from others that answer at the same address.
static INSTANCE: LazyLock<String> = LazyLock::new(|| format!("{:08x}", fastrand::u32(..)));

/// What the cache has counted, and what its server says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    /// `enabled` or `disabled`.
    status: &'static str,
    /// `redis` or `memory`.
    store: &'static str,
    connected: bool,
    /// Of this process, made up when it was started: what is counted is its own.
    instance: &'static str,
    /// How long this cache has been there.
    age_seconds: f64,
    /// `true` while Redis is not asked, as it did not answer.
    circuit_open: bool,
    /// Namespaces that are switched off on this instance, with those below them.
    switched_off: Vec<String>,
    health: HealthAnswer,
    server: ServerAnswer,
    memory: MemoryAnswer,
    stats: CountsAnswer,
    near: NearAnswer,
    queue: QueueAnswer,
    functions: Vec<FunctionAnswer>,
}

/// The server; `null` is what it does not say.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ServerAnswer {
    version: Option<String>,
    uptime_seconds: Option<u64>,
    connected_clients: Option<u64>,
    operations_per_second: Option<u64>,
    evicted_keys: Option<u64>,
    evictions_per_minute: Option<f64>,
    eviction_policy: Option<String>,
}

/// Its memory, for people and in bytes.
#[derive(Debug, Default, Serialize, ToSchema)]
struct MemoryAnswer {
    used_memory: Option<String>,
    peak_memory: Option<String>,
    total_system_memory: Option<String>,
    used_memory_bytes: Option<u64>,
    peak_memory_bytes: Option<u64>,
    total_system_memory_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
}

/// Of all functions together, on this instance.
#[derive(Debug, Serialize, ToSchema)]
struct CountsAnswer {
    /// In the server's database.
    total_keys: Option<u64>,
    /// Answers from the cache, near or stale ones too.
    hits: u64,
    misses: u64,
    /// In percent; `null` before the first look-up.
    hit_rate: Option<f64>,
    /// Each counter by its name.
    #[schema(value_type = Object)]
    counts: crate::observe::Counts,
}

/// The near cache of this instance.
#[derive(Debug, Serialize, ToSchema)]
struct NearAnswer {
    values: usize,
    bytes: u64,
}

/// Invalidations that wait to be delivered.
#[derive(Debug, Serialize, ToSchema)]
struct QueueAnswer {
    pending_invalidations: usize,
    oldest_seconds: Option<f64>,
}

/// One function.
#[derive(Debug, Serialize, ToSchema)]
struct FunctionAnswer {
    function: &'static str,
    namespace: &'static str,
    /// In percent.
    hit_rate: Option<f64>,
    /// Each counter by its name.
    #[schema(value_type = Object)]
    counts: crate::observe::Counts,
    /// Of look-ups in the store; `null` where they are not measured.
    lookup_times: Option<TimesAnswer>,
    /// Of loads; `null` where they are not measured.
    load_times: Option<TimesAnswer>,
}

/// What things took together: the differences of two answers tell of the time in between.
#[derive(Debug, Serialize, ToSchema)]
struct TimesAnswer {
    /// Of look-ups about, as one in 64 stands for all.
    count: u64,
    total_seconds: f64,
    /// The slowest one that was measured.
    slowest_seconds: f64,
}

impl StatsAnswer {
    pub(super) async fn of(cache: &Cache) -> Self {
        let health = cache.health().await;
        let stats = cache.stats();
        let server = health.server.as_ref();
        Self {
            status: if health.enabled {
                "enabled"
            } else {
                "disabled"
            },
            store: health.store,
            connected: health.connected,
            instance: &INSTANCE,
            age_seconds: health.age.as_secs_f64(),
            circuit_open: cache.engine.store.is_away(),
            switched_off: cache.engine.switches.off(),
            server: server.map(ServerAnswer::of).unwrap_or_default(),
            memory: server.map(MemoryAnswer::of).unwrap_or_default(),
            stats: CountsAnswer {
                total_keys: server.map(|server| server.keys),
                hits: stats.total.lookups() - stats.total.misses,
                misses: stats.total.misses,
                hit_rate: stats.total.hit_rate().map(percent),
                counts: stats.total,
            },
            near: NearAnswer {
                values: stats.near_values,
                bytes: stats.near_bytes,
            },
            queue: QueueAnswer::of(&stats),
            functions: stats
                .functions
                .into_iter()
                .map(FunctionAnswer::of)
                .collect(),
            health: HealthAnswer::of(health),
        }
    }
}

impl QueueAnswer {
    fn of(stats: &Stats) -> Self {
        Self {
            pending_invalidations: stats.pending_invalidations,
            oldest_seconds: stats.oldest_pending.map(|age| age.as_secs_f64()),
        }
    }
}

impl ServerAnswer {
    fn of(server: &ServerHealth) -> Self {
        Self {
            version: server.version.clone(),
            uptime_seconds: server.uptime.map(|time| time.as_secs()),
            connected_clients: server.connected_clients,
            operations_per_second: server.operations_per_second,
            evicted_keys: server.evicted_keys,
            evictions_per_minute: server.evictions_per_minute,
            eviction_policy: server.eviction_policy.clone(),
        }
    }
}

impl MemoryAnswer {
    fn of(server: &ServerHealth) -> Self {
        Self {
            used_memory: Some(size(server.used_memory)),
            peak_memory: server.peak_memory.map(size),
            total_system_memory: server.system_memory.map(size),
            used_memory_bytes: Some(server.used_memory),
            peak_memory_bytes: server.peak_memory,
            total_system_memory_bytes: server.system_memory,
            memory_limit_bytes: server.memory_limit,
        }
    }
}

impl FunctionAnswer {
    fn of(function: FunctionStats) -> Self {
        Self {
            function: function.function,
            namespace: function.namespace,
            hit_rate: function.counts.hit_rate().map(percent),
            counts: function.counts,
            lookup_times: function.lookup_times.map(TimesAnswer::of),
            load_times: function.load_times.map(TimesAnswer::of),
        }
    }
}

impl TimesAnswer {
    fn of(timed: Timed) -> Self {
        Self {
            count: timed.count,
            total_seconds: timed.total.as_secs_f64(),
            slowest_seconds: timed.slowest.as_secs_f64(),
        }
    }
}

/// How the cache is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthAnswer {
    /// All of it in one line, for people.
    line: String,
    /// `healthy`, `degraded`, `unavailable` or `disabled`.
    status: String,
    redis_connected: bool,
    response_time_ms: Option<f64>,
    memory_used_mb: Option<f64>,
    keys_count: Option<u64>,
    /// From 0 to 1.
    hit_rate: Option<f64>,
    evictions_per_minute: Option<f64>,
    errors: u64,
    pending_invalidations: usize,
    /// Why the store does not answer.
    problem: Option<String>,
    /// In RFC 3339.
    timestamp: String,
}

impl HealthAnswer {
    pub(super) fn of(health: Health) -> Self {
        let server = health.server.as_ref();
        Self {
            line: health.to_string(),
            status: health.status.to_string(),
            redis_connected: health.connected && health.store == "redis",
            response_time_ms: health.response_time.map(milliseconds),
            memory_used_mb: server.map(|server| megabytes(server.used_memory)),
            keys_count: server.map(|server| server.keys),
            hit_rate: health.hit_rate.map(|rate| rounded(rate, 4)),
            evictions_per_minute: server
                .and_then(|server| server.evictions_per_minute)
                .map(|rate| rounded(rate, 2)),
            errors: health.errors,
            pending_invalidations: health.pending_invalidations,
            problem: health.problem,
            timestamp: now(),
        }
    }
}

/// An entry, as it stands in the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryAnswer {
    key: String,
    /// `null` where it is not shown, as `state` tells.
    #[schema(value_type = Value)]
    value: Value,
    /// `shown`, `nothing` (the answer was `None`), `encrypted`, `opaque` (a codec without names), or `unreadable`.
    state: &'static str,
    /// The kind of JSON value, where it is shown.
    r#type: Option<&'static str>,
    /// For how many seconds it is fresh yet.
    ttl: Option<u64>,
    /// After how many seconds the store drops it.
    expires_in: Option<u64>,
    /// Seconds since it was stored.
    age: Option<u64>,
    /// Whether it may still be answered; `null` where that cannot be told.
    current: Option<bool>,
    /// Bytes.
    size: usize,
    form: Option<FormAnswer>,
}

/// How it is written, and by whom.
#[derive(Debug, Serialize, ToSchema)]
struct FormAnswer {
    #[schema(value_type = String)]
    codec: crate::codec::Codec,
    #[schema(value_type = String)]
    compression: crate::compression::Compression,
    #[schema(value_type = String)]
    protection: crate::protection::Protection,
    version: u16,
    load_time_ms: f64,
    /// Functions of this program whose entry it is.
    stored_by: Vec<&'static str>,
}

impl EntryAnswer {
    pub(super) fn of(entry: Entry) -> Self {
        let (state, value) = match entry.value {
            EntryValue::Shown(value) => ("shown", value),
            EntryValue::Nothing => ("nothing", Value::Null),
            EntryValue::Encrypted => ("encrypted", Value::Null),
            EntryValue::Opaque => ("opaque", Value::Null),
            EntryValue::Unreadable => ("unreadable", Value::Null),
        };
        let seconds = |time: Duration| time.as_secs();
        Self {
            key: entry.key,
            r#type: (state == "shown").then(|| kind(&value)),
            value,
            state,
            ttl: entry.ttl.map(seconds),
            expires_in: entry.expires_in.map(seconds),
            age: entry.age.map(seconds),
            current: entry.current,
            size: entry.size,
            form: entry.form.map(FormAnswer::of),
        }
    }
}

impl FormAnswer {
    fn of(form: EntryForm) -> Self {
        Self {
            codec: form.codec,
            compression: form.compression,
            protection: form.protection,
            version: form.version,
            load_time_ms: milliseconds(form.load_time),
            stored_by: form.stored_by,
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Nothing of this belongs into anybody's cache.
pub(super) async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn now() -> String {
    jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .map_or_else(|_| String::new(), |now| now.to_string())
}

pub(super) fn percent(share: f64) -> f64 {
    rounded(share * 100.0, 2)
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20), 1)
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3, 2)
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

/// `2.5MB`
fn size(bytes: u64) -> String {
    crate::report::bytes(bytes).replace(' ', "")
}
