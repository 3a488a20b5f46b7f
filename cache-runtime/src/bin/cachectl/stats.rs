//! `stats`: the server's figures, and what the namespaces take.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_runtime::{Cache, Key, ServerHealth};
use clap::Args;
use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::{Failure, Verdict};
use crate::output::{Output, bold, bytes, table};

/// Keys that are weighed in one round trip.
const TOGETHER: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keys that are looked at, at most: a sample, where there are more.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

#[derive(Debug, Serialize)]
struct Stats {
    server: ServerHealth,
    sample: Sample,
}

/// What was looked at.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) keys: u64,
    /// Whether there are no others.
    pub(crate) complete: bool,
    pub(crate) namespaces: BTreeMap<String, Namespace>,
}

/// What the keys of one first segment take.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Namespace {
    pub(crate) keys: u64,
    /// Of values, as they are stored.
    pub(crate) bytes: u64,
    pub(crate) without_expiry: u64,
}

impl Sample {
    /// Of `limit` keys at most; `seen` is told how many there are so far.
    pub(crate) async fn take(
        cache: &Cache,
        limit: u64,
        seen: impl Fn(u64),
    ) -> Result<Self, Failure> {
        let mut sample = Self::default();
        let mut keys = cache.try_scan_all();
        loop {
            let mut some = Vec::with_capacity(TOGETHER);
            while some.len() < TOGETHER && sample.keys + (some.len() as u64) < limit {
                match keys.try_next().await? {
                    Some(key) => some.push(key),
                    None => {
                        sample.complete = true;
                        break;
                    }
                }
            }
            sample.add(cache, &some).await?;
            seen(sample.keys);
            if sample.complete || sample.keys == limit {
                return Ok(sample);
            }
        }
    }

    async fn add(&mut self, cache: &Cache, keys: &[Key]) -> Result<(), Failure> {
        for (key, weight) in keys.iter().zip(cache.try_weigh(keys).await?) {
            let name = key.as_str().split(':').next().unwrap_or_default();
            let namespace = self.namespaces.entry(name.to_owned()).or_default();
            namespace.keys += 1;
            namespace.bytes += weight.bytes.unwrap_or_default();
            namespace.without_expiry += u64::from(weight.lasting);
            self.keys += 1;
        }
        Ok(())
    }

    /// The largest first.
    pub(crate) fn by_keys(&self) -> Vec<(&str, Namespace)> {
        let namespaces = self.namespaces.iter();
        let mut namespaces: Vec<_> = namespaces.map(|(name, of)| (name.as_str(), *of)).collect();
        namespaces.sort_by_key(|(_, of)| std::cmp::Reverse(of.keys));
        namespaces
    }
}

pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    // Fails where there is no server, and says why.
    cache.try_ping().await?;
    let server = cache.health().await.server.unwrap_or_default();
    let bar = bar(server.keys.min(options.limit));
    let sample = Sample::take(cache, options.limit, |seen| bar.set_position(seen)).await;
    bar.finish_and_clear();
    let stats = Stats {
        server,
        sample: sample?,
    };
    out.either(&stats, described)?;
    Ok(Verdict::Yes)
}

/// On standard error, and on a terminal alone.
fn bar(keys: u64) -> ProgressBar {
    let bar = ProgressBar::new(keys);
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} keys, {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn described(stats: &Stats) -> String {
    let Stats { server, sample } = stats;
    let known = |number: Option<u64>| number.map_or("not known".to_owned(), |n| n.to_string());
    let limit = server.memory_limit.map_or("no limit".to_owned(), bytes);
    let policy = server.eviction_policy.as_deref().unwrap_or("not known");
    let memory = format!("{} of {limit}, {policy}", bytes(server.used_memory));
    let uptime = server.uptime.unwrap_or_default();
    let lines = [
        ("version", server.version.clone().unwrap_or_default()),
        ("uptime", span(uptime)),
        ("clients", known(server.connected_clients)),
        ("operations/s", known(server.operations_per_second)),
        ("memory", memory),
        ("evicted", known(server.evicted_keys)),
        ("names in database", server.keys.to_string()),
    ];
    let lines = lines.map(|(name, text)| format!("{:<26}{text}\n", bold(name)));
    let of = match sample.complete {
        true => format!("all {} keys of the cache", sample.keys),
        false => format!("a sample of {} keys; --limit takes more", sample.keys),
    };
    let mut rows = vec![
        [
            "namespace",
            "keys",
            "share",
            "bytes",
            "per key",
            "no expiry",
        ]
        .map(str::to_owned),
    ];
    for (name, of) in sample.by_keys() {
        rows.push([
            name.to_owned(),
            of.keys.to_string(),
            format!("{:.1} %", of.keys as f64 * 100.0 / sample.keys as f64),
            bytes(of.bytes),
            bytes(of.bytes / of.keys),
            of.without_expiry.to_string(),
        ]);
    }
    format!("{}\n{of}\n{}", lines.concat(), table(&rows))
}

fn span(time: Duration) -> String {
    indicatif::HumanDuration(time).to_string()
}
