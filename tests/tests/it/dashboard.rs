//! D7: the dashboard for Grafana asks for what is exported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use cache_tests::eventually;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::metrics::{Exported, recorder, traffic};
use crate::world::World;

const DASHBOARD: &str = include_str!("../../../dashboards/grafana.json");

/// Words of PromQL that are no names.
const WORDS: [&str; 9] = [
    "by",
    "histogram_quantile",
    "le",
    "max",
    "min",
    "rate",
    "sum",
    "topk",
    "label_values",
];

#[test]
fn it_can_be_imported() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64()), "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}

#[tokio::test]
async fn every_metric_and_label_that_it_names_is_exported() {
    let (recorder, prometheus) = recorder();
    let _recorder = ::metrics::set_default_local_recorder(&recorder);
    let world = World::redis().await;
    traffic(&world).await;
    let text = prometheus.render([&world.cache]).await;
    let exported = exported(&Exported::of(&text));
    let queries = queries();
    assert!(queries.len() > 30, "{queries:#?}");
    for query in queries {
        let names: Vec<&str> = words(&query).collect();
        let metrics: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| name.starts_with("cache_") || name.starts_with("redis_"))
            .collect();
        assert!(!metrics.is_empty(), "{query}");
        for metric in &metrics {
            assert!(exported.contains_key(*metric), "{metric} of {query}");
        }
        for label in names.iter().filter(|name| !metrics.contains(name)) {
            assert!(
                WORDS.contains(label)
                    || metrics
                        .iter()
                        .all(|metric| exported[*metric].contains(*label)),
                "{label} of {query}"
            );
        }
    }
}

/// By a real Prometheus, which scrapes the route.
#[tokio::test]
async fn every_query_is_answered() {
    let (recorder, prometheus) = recorder();
    let _recorder = ::metrics::set_default_local_recorder(&recorder);
    let world = World::redis().await;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let scraped = listener.local_addr().unwrap().port();
    let app = prometheus.router([world.cache.clone()]);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let answer = get(scraped, "/metrics").await.expect("it is served");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");

    let server = PrometheusServer::start(scraped);
    for query in queries() {
        let asked = format!("/api/v1/query?query={}", encoded(&query));
        let mut said = String::new();
        eventually(&format!("an answer to {query}"), async || {
            // Rates need some.
            traffic(&world).await;
            said = get(server.port, &asked).await.unwrap_or_default();
            assert!(!said.contains("\"status\":\"error\""), "{query}: {said}");
            said.contains("\"metric\":")
        })
        .await;
    }
    serving.abort();
}

/// All queries of the panels, with what Grafana puts in the places of its variables.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries = targets.map(|target| target["expr"].as_str().expect("a query"));
    queries
        .map(|query| {
            let query = query.replace("$__rate_interval", "1m");
            ["$cache", "$namespace", "$function"]
                .into_iter()
                .fold(query, |query, variable| query.replace(variable, ".*"))
        })
        .collect()
}

/// The names in a query: of metrics, labels and functions.
fn words(query: &str) -> impl Iterator<Item = &str> {
    // What is in quotes is a value, in brackets a time.
    let outside = query.split('"').step_by(2);
    let outside = outside.flat_map(|part| {
        part.split('[')
            .map(|part| part.split_once(']').map_or(part, |(_, after)| after))
    });
    let words =
        outside.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Each name with its labels.
fn exported(exported: &Exported) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in exported.series() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split("\"").step_by(2);
        let labels = labels.map(|label| label.trim_matches([',', '=', '}', ' ']).to_owned());
        names
            .entry(name.to_owned())
            .or_default()
            .extend(labels.filter(|label| !label.is_empty()));
    }
    names
}

/// A Prometheus that scrapes one port, on a free port and in a temporary folder.
struct PrometheusServer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl PrometheusServer {
    fn start(scraped: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let says = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: cache\n  static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]\n"
        );
        fs::write(&config, says).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the package prometheus: see scripts/test");
        Self {
            process,
            port,
            _folder: folder,
        }
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The whole answer, with its head; `None` while nobody listens.
async fn get(port: u16, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let asks = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(asks.as_bytes()).await.ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
