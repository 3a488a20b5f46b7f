//! One process of a fleet, many of whose callers want one cold key at one time: `single_flight = fleet`.
//!
//! ```text
//! cargo run --release -p cache-tests --bin stampede -- --redis redis://127.0.0.1:6379 --callers 1000 --load-ms 300
//! ```
//!
//! Loads are counted in Redis, under `loads`, so that several processes count together, and under `together` the most at one time. Prints how many callers were answered, and whether all
//! alike.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write as _};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached};
use clap::Parser;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Script};

/// Many callers of one cold key.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// The server.
    #[arg(long)]
    redis: String,
    #[arg(long, default_value_t = 1_000)]
    callers: usize,
    /// How long a load takes.
    #[arg(long, default_value_t = 300)]
    load_ms: u64,
    /// The lease, and the longest wait for another's load.
    #[arg(long, default_value_t = 5_000)]
    lock_ms: u64,
    /// Every load fails.
    #[arg(long)]
    fail: bool,
}

/// Counts a load, and those that run.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local running = redis.call('INCR', 'running')
         local together = tonumber(redis.call('GET', 'together') or 0)
         redis.call('SET', 'together', math.max(running, together))
         return redis.call('INCR', 'loads')",
    )
});

struct Fleet {
    options: Options,
    cache: Cache,
    redis: MultiplexedConnection,
}

#[cached(
    namespace = "stampede", ttl = "1h", key = (), skip(fleet), cache = fleet.cache,
    single_flight = fleet, lock = Duration::from_millis(fleet.options.lock_ms)
)]
async fn answer(fleet: &Fleet) -> Result<u64, String> {
    let mut redis = fleet.redis.clone();
    let loads: redis::RedisResult<u64> = BEGIN.prepare_invoke().invoke_async(&mut redis).await;
    tokio::time::sleep(Duration::from_millis(fleet.options.load_ms)).await;
    let ended: redis::RedisResult<()> = redis.decr("running", 1).await;
    match ended.and(loads) {
        Ok(_) if fleet.options.fail => Err("the source fails".to_owned()),
        Ok(loads) => Ok(loads),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let fleet = Fleet {
        cache: Cache::builder()
            .redis(&options.redis)
            // A crowd of one machine's processes is slower than one of a fleet.
            .operation_timeout(Duration::from_secs(10))
            .call_budget(Duration::from_secs(30))
            .build()?,
        redis: redis::Client::open(options.redis.as_str())?
            .get_multiplexed_async_connection()
            .await?,
        options,
    };
    let began = Instant::now();
    let calls = (0..fleet.options.callers).map(|_| answer(&fleet));
    let answers = futures_util::future::join_all(calls).await;
    let took = began.elapsed();
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let answers: BTreeSet<_> = answers.into_iter().flatten().collect();
    let counts = fleet.cache.stats().total;
    writeln!(
        io::stdout(),
        "{}",
        serde_json::json!({
            "callers": fleet.options.callers,
            "failed": failed,
            "answers": answers,
            "loads": counts.loads,
            "milliseconds": took.as_millis() as u64,
        })
    )?;
    Ok(())
}
