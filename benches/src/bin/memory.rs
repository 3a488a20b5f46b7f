//! What 10,000 values of some 5 KB take in Redis, by codec and compression (B9: under 500 MB; with compression under 100 MB), and what writing and
//! reading one costs.
//!
//! `cargo run --release -p cache-benches --bin memory [-- --json]`
//!
//! The values are dashboards: names, texts, and a series of numbers each. Memory is what Redis says it uses (`used_memory`) with them above without them; bytes an entry are those
//! of the stored string. Times are medians of one `set` and one `get` by hand, Redis and its round trips included, so that only their differences say something.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Codec, Compression, Key, Protection, Secrets};
use cache_tests::RedisServer;
use clap::Parser;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

const VALUES: u64 = 10_000;

/// What values take in Redis.
#[derive(Parser)]
struct Options {
    /// A line of JSON for each way of storing, in place of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Deserialize)]
struct Dashboard {
    workspace_id: u64,
    title: String,
    agents: Vec<Agent>,
    runs_by_hour: Vec<Point>,
}

#[derive(Serialize, Deserialize)]
struct Agent {
    id: u64,
    name: String,
    status: Status,
    success_rate: f64,
    credits_used: u32,
}

#[derive(Serialize, Deserialize)]
enum Status {
    Idle,
    Running,
    Failed,
}

#[derive(Serialize, Deserialize)]
struct Point {
    hour: u32,
    runs: u32,
    failed: u32,
}

/// Numbers that look like data, the same in each run.
fn dashboard(id: u64) -> Dashboard {
    let mut seed = id;
    let mut next = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    Dashboard {
        workspace_id: id,
        title: format!("Workspace {id}: what its agents did today"),
        agents: (0..15)
            .map(|n| Agent {
                id: id * 100 + n,
                name: format!("@agent-{}", next(100_000)),
                status: match next(3) {
                    0 => Status::Idle,
                    1 => Status::Running,
                    _ => Status::Failed,
                },
                success_rate: next(10_000) as f64 / 10_000.0,
                credits_used: next(50_000) as u32,
            })
            .collect(),
        runs_by_hour: (0..100)
            .map(|hour| Point {
                hour,
                runs: next(2_000) as u32,
                failed: next(50) as u32,
            })
            .collect(),
    }
}

/// One way of storing, and what it took.
#[derive(Serialize)]
struct Row {
    codec: &'static str,
    compression: &'static str,
    encrypted: bool,
    bytes_an_entry: u64,
    megabytes: f64,
    set_microseconds: f64,
    get_microseconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::parse();
    let codecs = [
        ("json", Codec::Json),
        ("msgpack", Codec::MessagePack),
        ("postcard", Codec::Postcard),
    ];
    let compressions = [
        ("off", Compression::Off),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    let ways = codecs.iter().flat_map(|codec| {
        compressions
            .iter()
            .map(move |compression| (*codec, *compression, false))
    });
    let encrypted = (codecs[0], compressions[2], true);
    let mut rows = Vec::new();
    for (codec, compression, encrypted) in ways.chain([encrypted]) {
        let row = measure(codec, compression, encrypted).await;
        if options.json {
            print_line(&serde_json::to_string(&row).expect("a row"));
        }
        rows.push(row);
    }
    if !options.json {
        print_table(&rows);
    }
}

async fn measure(
    (codec, with_codec): (&'static str, Codec),
    (compression, with_compression): (&'static str, Compression),
    encrypted: bool,
) -> Row {
    let server = RedisServer::start().await;
    let mut builder = Cache::builder()
        .redis(server.url())
        .codec(with_codec)
        .compression(with_compression)
        .operation_timeout(Duration::from_secs(5))
        .call_budget(Duration::from_secs(5));
    if encrypted {
        builder = builder
            .secrets(Secrets::new(1, [7; 32]))
            .protection(Protection::Encrypted);
    }
    let cache = builder.build().expect("a cache");
    let mut redis = server.connection().await;
    let hour = Duration::from_secs(3600);
    cache.set(&key(VALUES), &dashboard(VALUES), hour).await;
    let before = used_memory(&mut redis).await;
    let (mut sets, mut gets) = (Vec::new(), Vec::new());
    for id in 0..VALUES {
        let value = dashboard(id);
        let began = Instant::now();
        assert!(cache.set(&key(id), &value, hour).await);
        sets.push(began.elapsed());
    }
    for id in 0..VALUES {
        let began = Instant::now();
        let value: Dashboard = cache.get(&key(id)).await.expect("a hit");
        gets.push(began.elapsed());
        assert_eq!(value.workspace_id, id);
    }
    let after = used_memory(&mut redis).await;
    let mut bytes = redis::cmd("STRLEN");
    bytes.arg("cache:dashboards:5000");
    Row {
        codec,
        compression,
        encrypted,
        bytes_an_entry: bytes.query_async(&mut redis).await.expect("an entry"),
        megabytes: (after - before) as f64 / 1e6,
        set_microseconds: median(sets),
        get_microseconds: median(gets),
    }
}

fn key(id: u64) -> Key {
    Key::new("dashboards", [&id as _])
}

async fn used_memory(redis: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(redis)
        .await
        .expect("INFO");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok())
        .expect("used_memory")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn print_line(line: &str) {
    println!("{line}");
}

fn print_table(rows: &[Row]) {
    print_line(&format!("{VALUES} values in Redis"));
    print_line(
        "codec      compression  encrypted   bytes an entry         MB     set µs     get µs",
    );
    for row in rows {
        print_line(&format!(
            "{:<10} {:<12} {:<10} {:>15} {:>10.1} {:>10.0} {:>10.0}",
            row.codec,
            row.compression,
            if row.encrypted { "yes" } else { "no" },
            row.bytes_an_entry,
            row.megabytes,
            row.set_microseconds,
            row.get_microseconds
        ));
    }
}
