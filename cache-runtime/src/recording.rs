//! What a cache has counted and how it is, told to the recorder of the `metrics` facade ([`Cache::record_metrics`]).

use metrics::{Key, Label, Unit, with_recorder};

use crate::cache::Cache;
use crate::engine::Engine;
use crate::health::Health;
use crate::meters::{Invalidated, ORIGIN};
use crate::observe::{Counters, Stats};
use crate::store::Store;

/// Of what is measured as it happens.
const HISTOGRAMS: [(&str, &str); 4] = [
    (
        "cache_lookup_duration_seconds",
        "How long look-ups in the store took; each key of a batch has its part.",
    ),
    (
        "cache_load_duration_seconds",
        "How long loads took, also those that failed.",
    ),
    (
        "cache_round_trip_duration_seconds",
        "How long Redis took, retries apart: `ok`, `failed` when it refused or the connection broke, or `timed_out`.",
    ),
    ("cache_batch_keys", "How many keys were looked up together."),
];

const INVALIDATED: (&str, &str) = (
    "cache_invalidated_scopes_total",
    "Keys, patterns, tags and whole caches invalidated, by kind.",
);
const EVICTIONS: (&str, &str) = (
    "cache_evictions_total",
    "Keys that the server has evicted since it was started; all instances tell of the same.",
);
const REPLICA_READS: (&str, &str) = (
    "cache_replica_reads_total",
    "Entries whose bytes were asked of a replica: `answered`, `behind` where it had another one or none, or `silent`; of the last two the master was asked.",
);
const AUDIT_DROPPED: (&str, &str) = (
    "cache_audit_dropped_total",
    "Audit records that the log did not take, as too many waited.",
);

impl Cache {
    /// Tells the recorder of the `metrics` facade what was counted since it was told last, and how this cache and its server are. Needs the feature `metrics`.
    ///
    /// It is for whoever scrapes, before each time (the router of [`Prometheus`](crate::Prometheus) does it), or for a task that does it every 10 seconds where an
    /// exporter pushes. Times and sizes are told as they happen, the rest only here: a hit costs no more for it. Every name and label stands in
    /// [the crate's documentation](crate#metrics).
    ///
    /// Never fails, and takes a second at most, also where Redis hangs. Safe to drop at any time: what was not told is told the next time.
    ///
    /// A recorder that is installed later than the cache gets what was counted before too, but not the times, which it hears of from the first
    /// call of this on. Of several caches each is told of under its prefix, as the label `cache`; the counts of those that have the same are added up, and of their gauges the last one stands.
    ///
    /// ```
    /// # use cache_runtime::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::builder().build().unwrap();
    /// cache.record_metrics().await;
    /// # }
    /// ```
    pub async fn record_metrics(&self) {
        describe();
        self.engine.record_counts();
        let health = self.engine.health().await;
        self.engine.record_gauges(&health);
    }
}

impl Engine {
    fn record_counts(&self) {
        for function in self.register.functions() {
            function.meters.renew();
            let untold = function.counters.untold(&function.told);
            for (figure, n) in Counters::FIGURES.iter().zip(untold) {
                let mut labels = function.meters.labels.clone();
                labels.extend(figure.source.map(|source| Label::new("source", source)));
                count(figure.metric, labels, n);
            }
        }
        self.meters.renew();
        if let Store::Redis(redis) = &self.store {
            redis.trips().renew();
            for (outcome, n) in redis.untold_replica_reads() {
                let labels = vec![self.meters.label.clone(), Label::new("outcome", outcome)];
                count(REPLICA_READS.0, labels, n);
            }
        }
        for (scope, invalidated) in Invalidated::SCOPES
            .into_iter()
            .zip(&self.meters.invalidated)
        {
            let labels = vec![self.meters.label.clone(), Label::new("scope", scope)];
            count(INVALIDATED.0, labels, invalidated.untold());
        }
    }

    fn record_gauges(&self, health: &Health) {
        let stats = self.stats();
        let label = &self.meters.label;
        for gauge in GAUGES {
            if let Some(value) = (gauge.value)(self, health, &stats) {
                let key = Key::from_parts(gauge.name, vec![label.clone()]);
                with_recorder(|recorder| recorder.register_gauge(&key, &ORIGIN).set(value));
            }
        }
        let evicted = health
            .server
            .as_ref()
            .and_then(|server| server.evicted_keys);
        if let Some(evicted) = evicted {
            let key = Key::from_parts(EVICTIONS.0, vec![label.clone()]);
            with_recorder(|recorder| recorder.register_counter(&key, &ORIGIN).absolute(evicted));
        }
        let told = &self.meters.audit_dropped;
        count(
            AUDIT_DROPPED.0,
            vec![label.clone()],
            told.rise_to(stats.audit_dropped),
        );
    }
}

fn count(name: &'static str, labels: Vec<Label>, n: u64) {
    let key = Key::from_parts(name, labels);
    with_recorder(|recorder| recorder.register_counter(&key, &ORIGIN).increment(n));
}

/// How a cache or its server is.
struct Gauge {
    name: &'static str,
    doc: &'static str,
    /// `None`: there is no such thing.
    value: fn(&Engine, &Health, &Stats) -> Option<f64>,
}

const GAUGES: &[Gauge] = &[
    Gauge {
        name: "cache_enabled",
        doc: "Whether answers are looked up and stored: 1, or 0.",
        value: |_, health, _| Some(f64::from(u8::from(health.enabled))),
    },
    Gauge {
        name: "cache_circuit_open",
        doc: "Whether the circuit is open, so that the sources answer: 1, or 0 while it is closed.",
        value: |engine, _, _| Some(f64::from(u8::from(engine.store.is_away()))),
    },
    Gauge {
        name: "redis_connected",
        doc: "Whether Redis has answered within a second: 1, or 0.",
        value: |engine, health, _| {
            let connected = f64::from(u8::from(health.connected));
            engine.store.is_shared().then_some(connected)
        },
    },
    Gauge {
        name: "cache_ping_duration_seconds",
        doc: "How long the last PING took.",
        value: |_, health, _| {
            let took = health.response_time;
            Some(took.map_or(f64::NAN, |took| took.as_secs_f64()))
        },
    },
    Gauge {
        name: "cache_pending_invalidations",
        doc: "Invalidations that wait to be delivered.",
        value: |_, _, stats| Some(stats.pending_invalidations as f64),
    },
    Gauge {
        name: "cache_oldest_pending_invalidation_seconds",
        doc: "How long the oldest of them waits; 0 when none does.",
        value: |_, _, stats| Some(stats.oldest_pending.unwrap_or_default().as_secs_f64()),
    },
    Gauge {
        name: "cache_near_values",
        doc: "Values in the near cache.",
        value: |_, _, stats| Some(stats.near_values as f64),
    },
    Gauge {
        name: "cache_near_bytes",
        doc: "What the values in the near cache weigh, counted as they are encoded, with their keys.",
        value: |_, _, stats| Some(stats.near_bytes as f64),
    },
    Gauge {
        name: "cache_memory_used_bytes",
        doc: "What the store says that it uses.",
        value: |_, health, _| of_server(health, |server| Some(server.used_memory)),
    },
    Gauge {
        name: "cache_memory_limit_bytes",
        doc: "Redis' maxmemory; 0 where there is no limit.",
        value: |engine, health, _| {
            let limit = of_server(health, |server| Some(server.memory_limit.unwrap_or(0)));
            limit.filter(|_| engine.store.is_shared())
        },
    },
    Gauge {
        name: "cache_keys",
        doc: "Names in Redis' database; entries in the store of a process.",
        value: |_, health, _| of_server(health, |server| Some(server.keys)),
    },
    Gauge {
        name: "cache_connected_clients",
        doc: "Connections to Redis, of all its clients.",
        value: |_, health, _| of_server(health, |server| server.connected_clients),
    },
];

/// What the server says, where it says it; not a number while it does not answer.
fn of_server(health: &Health, figure: fn(&crate::ServerHealth) -> Option<u64>) -> Option<f64> {
    match &health.server {
        Some(server) => figure(server).map(|figure| figure as f64),
        None => Some(f64::NAN),
    }
}

/// Tells the recorder what everything means. It takes what is new to it.
fn describe() {
    with_recorder(|recorder| {
        // Of several figures of one metric the first says what it is; the last one told counts.
        let counters = (Counters::FIGURES.iter().rev()).map(|figure| (figure.metric, figure.doc));
        for (name, doc) in counters.chain([INVALIDATED, EVICTIONS, REPLICA_READS, AUDIT_DROPPED]) {
            recorder.describe_counter(name.into(), unit(name), plain(doc).into());
        }
        for (name, doc) in HISTOGRAMS {
            recorder.describe_histogram(name.into(), unit(name), plain(doc).into());
        }
        for gauge in GAUGES {
            recorder.describe_gauge(gauge.name.into(), unit(gauge.name), plain(gauge.doc).into());
        }
    });
}

fn unit(name: &str) -> Option<Unit> {
    let is = |unit: &str| name.trim_end_matches("_total").ends_with(unit);
    match () {
        () if is("_seconds") => Some(Unit::Seconds),
        () if is("_bytes") => Some(Unit::Bytes),
        () => Some(Unit::Count),
    }
}

/// The words of a doc comment, without its links.
fn plain(doc: &str) -> String {
    let mut words = String::with_capacity(doc.len());
    let mut parts = doc.trim().split("](");
    words.extend(parts.next());
    for part in parts {
        words.push_str(part.split_once(')').map_or(part, |(_, after)| after));
    }
    words.replace(['`', '['], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_words() {
        let doc = " Answers not stored: see [`Codec`](crate::Codec), and [more](x) of `it`.";
        assert_eq!(plain(doc), "Answers not stored: see Codec, and more of it.");
        let hits = &Counters::FIGURES[0];
        assert_eq!(
            (hits.metric, hits.source),
            ("cache_hits_total", Some("store"))
        );
    }

    #[test]
    fn units_are_those_of_the_names() {
        assert_eq!(unit("cache_stored_bytes_total"), Some(Unit::Bytes));
        assert_eq!(unit("cache_load_duration_seconds"), Some(Unit::Seconds));
        assert_eq!(unit("cache_hits_total"), Some(Unit::Count));
    }
}
