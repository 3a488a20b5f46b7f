//! D7: what a cache counts and how it is, through the `metrics` facade and for Prometheus.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Everything, Pattern, Prometheus, Tag, cached, invalidates};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::world::{World, patient};

#[cached(namespace = "rows:by_id", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:near", ttl = "1h", local = "1h", key = id, cache = world.cache)]
async fn near(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:batch", ttl = "1h", key = ids, batch = ids, cache = world.cache)]
async fn rows(world: &World, ids: &[u64]) -> Vec<Option<u64>> {
    let mut rows = Vec::new();
    for id in ids {
        rows.push(Some(world.load(*id).await));
    }
    rows
}

#[invalidates(row(id), cache = world.cache)]
async fn write(world: &World, id: u64) {
    world.set_row(id, 1);
}

/// Calls of every kind.
pub(crate) async fn traffic(world: &World) {
    for id in [1, 2, 1, 1] {
        row(world, id).await;
        near(world, id).await;
    }
    rows(world, &[1, 2, 3]).await;
    rows(world, &[1, 2, 3, 4]).await;
    write(world, 1).await;
    row(world, 1).await;
    world
        .cache
        .invalidate([Pattern::parse("rows:*").unwrap()])
        .await;
    world.cache.invalidate([Tag::new("all", [])]).await;
    world.cache.clear(Everything).await;
}

/// A recorder of this thread alone, and what renders it.
pub(crate) fn recorder() -> (PrometheusRecorder, Prometheus) {
    let recorder = Prometheus::exporter().build_recorder();
    let prometheus = Prometheus::of(recorder.handle());
    (recorder, prometheus)
}

/// What was exported: the name, and the labels in their order.
#[derive(Debug)]
pub(crate) struct Exported(BTreeMap<String, f64>);

impl Exported {
    pub(crate) fn of(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter_map(|line| line.rsplit_once(' '));
        Self(
            lines
                .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
                .collect(),
        )
    }

    /// The sum over all series of this name that have all these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |series: &str| {
            labels
                .iter()
                .all(|(label, value)| series.contains(&format!("{label}=\"{value}\"")))
        };
        let found: Vec<f64> = self
            .0
            .iter()
            .filter(|(series, _)| series.split('{').next() == Some(name) && has(series))
            .map(|(_, value)| *value)
            .collect();
        assert!(!found.is_empty(), "{name} {labels:?} is not in {self:#?}");
        found.iter().sum()
    }

    pub(crate) fn series(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

async fn scrape(prometheus: &Prometheus, caches: &[&Cache]) -> Exported {
    Exported::of(&prometheus.render(caches.iter().copied()).await)
}

#[tokio::test]
async fn what_was_counted_is_exported_and_not_twice() {
    for redis in [false, true] {
        let (recorder, prometheus) = recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let world = match redis {
            true => World::redis().await,
            false => World::memory(),
        };
        traffic(&world).await;
        scrape(&prometheus, &[&world.cache]).await;
        let exported = scrape(&prometheus, &[&world.cache]).await;

        let stats = world.cache.stats();
        let counts = serde_json::to_value(stats.total).unwrap();
        for (name, count) in counts.as_object().unwrap() {
            let (metric, source) = match name.as_str() {
                "hits" => ("hits", Some("store")),
                "near_hits" => ("hits", Some("near")),
                "stale" => ("hits", Some("stale")),
                other => (other, None),
            };
            let labels: Vec<_> = source
                .map(|source| ("source", source))
                .into_iter()
                .collect();
            let sum = exported.sum(&format!("cache_{metric}_total"), &labels);
            assert_eq!(Some(sum), count.as_f64(), "{name}");
        }
        let of_row = [
            ("cache", "cache"),
            ("namespace", "rows:by_id"),
            ("function", "it::metrics::row"),
        ];
        let sum = |name, labels: &[_]| exported.sum(name, labels);
        assert_eq!(sum("cache_misses_total", &of_row), 3.0);
        assert_eq!(sum("cache_hits_total", &of_row), 2.0);
        assert!(sum("cache_stored_bytes_total", &of_row) > sum("cache_read_bytes_total", &of_row));
        assert!(sum("cache_read_bytes_total", &of_row) > 0.0);
        assert_eq!(sum("cache_load_duration_seconds_count", &of_row), 3.0);
        // One for each look.
        assert!(sum("cache_lookup_duration_seconds_count", &of_row) >= 5.0);
        assert!(sum("cache_batch_keys_sum", &[]) >= 7.0);
        for (scope, times) in [
            ("key", 1.0),
            ("pattern", 1.0),
            ("tag", 1.0),
            ("everything", 1.0),
        ] {
            let of_scope = [("scope", scope)];
            assert!(
                sum("cache_invalidated_scopes_total", &of_scope) >= times,
                "{scope}"
            );
        }
        assert_eq!(sum("cache_circuit_open", &[]), 0.0);
        assert_eq!(sum("cache_pending_invalidations", &[]), 0.0);
        assert_eq!(sum("cache_enabled", &[]), 1.0);
        assert!(sum("cache_memory_used_bytes", &[]) >= 0.0);
        if world.server.is_some() {
            assert!(
                sum(
                    "cache_round_trip_duration_seconds_count",
                    &[("outcome", "ok")]
                ) > 10.0
            );
            assert_eq!(sum("redis_connected", &[]), 1.0);
            assert_eq!(sum("cache_evictions_total", &[]), 0.0);
            assert!(sum("cache_connected_clients", &[]) >= 1.0);
        }
        let told = format!("{exported:?}");
        assert!(!told.contains("rows:by_id:1"), "a key: {told}");
    }
}

/// Caches with one prefix are one; others have series of their own.
#[tokio::test]
async fn several_caches_are_told_apart_by_their_prefix() {
    let (recorder, prometheus) = recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let memory = |prefix| {
        let cache = Cache::builder().prefix(prefix).build().unwrap();
        World::over(cache, None)
    };
    let worlds = [memory("shop"), memory("shop"), memory("blog")];
    for world in &worlds {
        row(world, 1).await;
    }
    let caches: Vec<&Cache> = worlds.iter().map(|world| &world.cache).collect();
    scrape(&prometheus, &caches).await;
    let exported = scrape(&prometheus, &caches).await;
    for (cache, loads) in [("shop", 2.0), ("blog", 1.0)] {
        let sum = exported.sum("cache_loads_total", &[("cache", cache)]);
        assert_eq!(sum, loads, "{cache}");
    }
}

#[tokio::test]
async fn a_recorder_that_comes_late_gets_all_counts_and_the_times_from_then_on() {
    let world = World::memory();
    row(&world, 1).await;
    let (recorder, prometheus) = recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let exported = scrape(&prometheus, &[&world.cache]).await;
    assert_eq!(exported.sum("cache_loads_total", &[]), 1.0);
    row(&world, 2).await;
    let exported = scrape(&prometheus, &[&world.cache]).await;
    assert_eq!(exported.sum("cache_loads_total", &[]), 2.0);
    assert_eq!(
        exported.sum("cache_load_duration_seconds_count", &[]),
        1.0,
        "only the second one was heard of"
    );
}

#[tokio::test]
async fn a_server_that_hangs_or_is_away_is_told_within_a_deadline() {
    let (recorder, prometheus) = recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = patient(Cache::builder().redis(proxy.url()))
        .build()
        .unwrap();
    let exported = scrape(&prometheus, &[&cache]).await;
    assert_eq!(exported.sum("redis_connected", &[]), 1.0);

    proxy.hold(Direction::ToClient, true);
    let asked = Instant::now();
    let exported = scrape(&prometheus, &[&cache]).await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{asked:?}");
    assert_eq!(exported.sum("redis_connected", &[]), 0.0);
    assert!(exported.sum("cache_keys", &[]).is_nan(), "nobody knows");
    let timed_out = [("outcome", "timed_out")];
    assert!(exported.sum("cache_round_trip_duration_seconds_count", &timed_out) >= 1.0);

    proxy.hold(Direction::ToClient, false);
    proxy.refuse(true);
    proxy.cut();
    eventually("the circuit is open", async || {
        let exported = scrape(&prometheus, &[&cache]).await;
        exported.sum("cache_circuit_open", &[]) == 1.0
    })
    .await;
    cache.invalidate([Pattern::parse("rows:1").unwrap()]).await;
    let exported = scrape(&prometheus, &[&cache]).await;
    assert_eq!(exported.sum("cache_pending_invalidations", &[]), 1.0);
    assert_eq!(exported.sum("cache_queued_invalidations_total", &[]), 1.0);
    let age = exported.sum("cache_oldest_pending_invalidation_seconds", &[]);
    assert!(age > 0.0, "{age}");

    proxy.refuse(false);
    eventually("it is back, and all is delivered", async || {
        let exported = scrape(&prometheus, &[&cache]).await;
        exported.sum("cache_circuit_open", &[]) == 0.0
            && exported.sum("cache_pending_invalidations", &[]) == 0.0
    })
    .await;
}

#[tokio::test]
async fn the_text_is_as_prometheus_wants_it() {
    for redis in [false, true] {
        let (recorder, prometheus) = recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let world = match redis {
            true => World::redis().await,
            false => World::memory(),
        };
        traffic(&world).await;
        let text = prometheus.render([&world.cache]).await;
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool of the package prometheus: see scripts/test");
        let mut stdin = promtool.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let said = promtool.wait_with_output().unwrap();
        let (out, error) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        assert!(
            said.status.success() && out.is_empty() && error.is_empty(),
            "{out}{error}\n{text}"
        );
        // Several figures are one metric: its text is that of all of them.
        let hits = "# HELP cache_hits_total Look-ups answered from the cache.";
        assert!(text.contains(hits), "{text}");
    }
}
