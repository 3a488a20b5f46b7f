//! How many instructions a hit takes, which a noisy machine does not change: counted by callgrind, and held against a budget.
//!
//! `./scripts/instructions [PATH…] [--json] [--accept]`
//!
//! Each path is walked by this program itself under `valgrind --tool=callgrind`, so many times and twice as often: the difference is what the calls
//! take, without what comes before and after them. The counts are those of this compiler and processor, to a few percent; a change of either moves the
//! budget (`--accept`). Redis' own work is not in them, nor the kernel's.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock, OnceLock};

use cache_runtime::{Cache, cached};
use cache_tests::RedisServer;
use clap::Parser;
use futures_util::future::join_all;
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

/// Where the child finds Redis.
const REDIS: &str = "BENCH_REDIS_URL";

/// More than this above its budget is a regression; as much below it is progress that the budget has not heard of.
const TOLERANCE: f64 = 0.05;

/// Calls that are counted: what comes before them differs by some million instructions from run to run.
const CALLS: u64 = 200_000;
/// Of those that go to Redis, and take longer.
const CALLS_TO_REDIS: u64 = 6_400;

/// Counts the instructions of hits, and holds them against `benches/instructions.json`.
#[derive(Parser)]
struct Options {
    /// What to count; all where nothing is named.
    paths: Vec<String>,
    /// Lines of JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Makes what is counted the budget.
    #[arg(long)]
    accept: bool,
    /// Walks one path so often, and counts nothing.
    #[arg(long, hide = true)]
    walk: Option<u64>,
}

#[derive(Serialize)]
struct Counted<'a> {
    path: &'a str,
    instructions: u64,
    budget: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    id: u64,
    name: String,
    tags: Vec<String>,
    text: String,
}

impl Row {
    fn of(id: u64) -> Self {
        Self {
            id,
            name: format!("row {id}"),
            tags: vec!["one".to_owned(), "another".to_owned()],
            text: "abcdefgh".repeat(14),
        }
    }
}

static CACHE: OnceLock<Cache> = OnceLock::new();

/// A port where nobody listens.
static AWAY: LazyLock<Cache> = LazyLock::new(|| {
    let cache = Cache::builder().redis("redis://127.0.0.1:1").build();
    cache.expect("a cache")
});

#[cached(namespace = "near", ttl = "1h", local = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn near(id: u64) -> Row {
    Row::of(id)
}

#[cached(namespace = "shared", ttl = "1h", local = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn shared(id: u64) -> Arc<Row> {
    Arc::new(Row::of(id))
}

#[cached(namespace = "stored", ttl = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn stored(id: u64) -> Row {
    Row::of(id)
}

#[cached(namespace = "away", ttl = "1h", key = id, cache = AWAY)]
async fn away(id: u64) -> u64 {
    black_box(id)
}

async fn walk(path: &str, calls: u64) {
    match path {
        "clone" => {
            let row = Row::of(1);
            for _ in 0..calls {
                black_box(black_box(&row).clone());
            }
        }
        "near_hit" => {
            for _ in 0..calls {
                black_box(near(black_box(1)).await);
            }
        }
        "near_hit_arc" => {
            for _ in 0..calls {
                black_box(shared(black_box(1)).await);
            }
        }
        "redis_hit" => {
            for _ in 0..calls {
                black_box(stored(black_box(1)).await);
            }
        }
        "redis_hits_64" => {
            let tasks = (0..64).map(|task| async move {
                for _ in 0..calls / 64 {
                    black_box(stored(black_box(task)).await);
                }
            });
            join_all(tasks.map(tokio::spawn)).await;
        }
        "raw_get" | "raw_gets_64" => {
            let tasks = if path == "raw_get" { 1 } else { 64 };
            let url = std::env::var(REDIS).expect("a server");
            let client = redis::Client::open(url).expect("an address");
            let connection = client.get_multiplexed_async_connection().await;
            let connection = connection.expect("it is up");
            let row = serde_json::to_vec(&Row::of(1)).expect("it is plain");
            let mut first = connection.clone();
            let _: () = first.set("raw", row).await.expect("it is up");
            let tasks = (0..tasks).map(|_| {
                let mut connection = connection.clone();
                async move {
                    for _ in 0..calls / tasks {
                        let json: Vec<u8> = connection.get(format!("raw{}", "")).await.expect("up");
                        black_box(serde_json::from_slice::<Row>(&json).expect("it was stored so"));
                    }
                }
            });
            join_all(tasks.map(tokio::spawn)).await;
        }
        "circuit_open" => {
            for _ in 0..calls {
                black_box(away(black_box(1)).await);
            }
        }
        other => panic!("there is no path `{other}`"),
    }
}

const PATHS: [&str; 8] = [
    "clone",
    "near_hit",
    "near_hit_arc",
    "redis_hit",
    "raw_get",
    "redis_hits_64",
    "raw_gets_64",
    "circuit_open",
];

#[expect(clippy::print_stdout, reason = "a report for people and scripts")]
#[expect(clippy::print_stderr, reason = "what is wrong")]
fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let known = |path: &&String| PATHS.contains(&path.as_str());
    if let Some(unknown) = options.paths.iter().find(|path| !known(path)) {
        eprintln!("there is no path `{unknown}`: there are {PATHS:?}");
        return ExitCode::from(2);
    }
    if let (Some(calls), [path]) = (options.walk, &options.paths[..]) {
        runtime.block_on(prepare());
        runtime.block_on(walk(path, calls));
        return ExitCode::SUCCESS;
    }
    let server = runtime.block_on(RedisServer::start());
    let mut budgets = budgets();
    let mut over = false;
    for path in PATHS {
        if !options.paths.is_empty() && !options.paths.iter().any(|wanted| wanted == path) {
            continue;
        }
        let instructions = count(path, &server.url());
        let budget = budgets.get(path).copied();
        let ratio = budget.map(|budget| instructions as f64 / budget as f64);
        let verdict = match ratio {
            None => "no budget",
            Some(ratio) if ratio > 1.0 + TOLERANCE => "over its budget",
            Some(ratio) if ratio < 1.0 - TOLERANCE => "below its budget: --accept it",
            Some(_) => "",
        };
        over |= ratio.is_some_and(|ratio| ratio > 1.0 + TOLERANCE);
        if options.json {
            let counted = Counted {
                path,
                instructions,
                budget,
            };
            let line = serde_json::to_string(&counted).expect("plain figures");
            println!("{line}");
        } else {
            let budget = budget.map_or("-".to_owned(), |budget| budget.to_string());
            println!("{path:14} {instructions:>8} instructions a call, of {budget:>8}   {verdict}");
        }
        budgets.insert(path.to_owned(), instructions);
    }
    if options.accept {
        let text = serde_json::to_string_pretty(&budgets).expect("plain figures");
        fs::write(file(), text + "\n").expect("the budget can be written");
        return ExitCode::SUCCESS;
    }
    if over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Fills the caches, and waits until what comes with a first call has ended.
async fn prepare() {
    let builder = match std::env::var(REDIS) {
        Ok(url) => Cache::builder().redis(url),
        Err(_) => Cache::builder(),
    };
    CACHE.get_or_init(|| builder.build().expect("a cache"));
    for id in 0..64 {
        stored(id).await;
    }
    for _ in 0..300 {
        let _ = (
            near(1).await,
            shared(1).await,
            stored(1).await,
            away(1).await,
        );
    }
}

/// Instructions of one call.
fn count(path: &str, redis: &str) -> u64 {
    let calls = match path.contains("redis") || path.contains("raw") {
        true => CALLS_TO_REDIS,
        false => CALLS,
    };
    let [once, twice] = [calls, 2 * calls].map(|calls| {
        let me = std::env::current_exe().expect("a path");
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(me)
            .args([path, "--walk", &calls.to_string()])
            .env(REDIS, redis)
            .stdin(Stdio::null())
            .output()
            .expect("valgrind is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = collected.and_then(|(_, count)| count.trim().parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("no count of {path}: {said}"))
    });
    twice.saturating_sub(once) / calls
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn budgets() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).expect("a map of numbers")
}
