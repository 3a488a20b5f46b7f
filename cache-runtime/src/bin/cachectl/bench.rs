//! `bench`: what this server gives this library, from this machine.

mod figures;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Builder, Cache, Everything, Key, Pattern};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::figures::{Concurrency, Figures, Invalidation};
use crate::failure::{Failure, Verdict};
use crate::output::Output;
use crate::ping::{self, Times};
use crate::signal;

const TTL: Duration = Duration::from_secs(600);
/// Connections that are made, one after the other.
const CONNECTIONS: usize = 10;
/// Operations that are measured one after the other, of each kind, at most.
const ALONE: usize = 1_000;
/// Hits of many callers.
const TOGETHER: usize = 20_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keys that are stored, read and invalidated.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keys: u32,

    /// Callers at one time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    concurrency: u32,

    /// Bytes of each value.
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,
}

/// Whatever becomes of it, its names are removed: also when it is told to end, and where an operation fails.
pub(crate) async fn run(
    builder: Builder,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let builder = builder.prefix(format!("cachectl-bench-{:016x}", fastrand::u64(..)));
    let cache = builder.clone().build()?;
    let measured = tokio::select! {
        measured = measure(&builder, &cache, options) => measured,
        () = signal::end() => Err(Failure::Negative("interrupted".to_owned())),
    };
    let erased = cache.try_erase(Everything).await;
    let figures = match measured {
        Ok(figures) => figures,
        Err(failure) => return Err(failure.explained(&cache).await),
    };
    erased?;
    out.either(&figures, ToString::to_string)?;
    Ok(match figures.invalidation.served_afterwards {
        0 => Verdict::Yes,
        _ => Verdict::No,
    })
}

async fn measure(builder: &Builder, cache: &Cache, options: &Options) -> Result<Figures, Failure> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let another = builder.clone().build()?;
        let (took, pinged) = timed(another.try_ping()).await;
        pinged?;
        connections.push(took);
    }
    let round_trip = ping::pings(cache, 100).await?;
    let keys: Vec<_> = (0..options.keys)
        .map(|n| Key::new("bench", [&n as _]))
        .collect();
    let value = "x".repeat(options.size as usize);
    let (alone, others) = keys.split_at(keys.len().min(ALONE));
    let get = async |key: &Key| cache.try_get::<String>(key).await.map(drop);
    let miss = each(alone, get).await?;
    let store = each(alone, async |key| {
        cache.try_set(key, &value, TTL).await.map(drop)
    })
    .await?;
    let hit = each(alone, get).await?;
    for others in others.chunks(ALONE) {
        let entries: Vec<_> = others.iter().map(|key| (key.clone(), &value)).collect();
        cache.try_mset(&entries, TTL).await?;
    }
    Ok(Figures {
        connection: Times::of(connections),
        round_trip,
        miss,
        store,
        hit,
        concurrency: concurrency(cache, &keys, options.concurrency as usize).await?,
        loads: loads(cache, options.concurrency).await,
        callers: options.concurrency,
        invalidation: invalidation(cache, &keys).await?,
    })
}

/// One after the other.
async fn each(
    keys: &[Key],
    operation: impl AsyncFn(&Key) -> Result<(), cache_runtime::Error>,
) -> Result<Times, Failure> {
    let mut times = Vec::with_capacity(keys.len());
    for key in keys {
        let (took, done) = timed(operation(key)).await;
        done?;
        times.push(took);
    }
    Ok(Times::of(times))
}

/// Hits, by so many callers at one time.
async fn concurrency(cache: &Cache, keys: &[Key], callers: usize) -> Result<Concurrency, Failure> {
    let began = Instant::now();
    let reads = keys.iter().cycle().take(TOGETHER);
    let reads = reads.map(async |key| {
        let (took, value) = timed(cache.try_get::<String>(key)).await;
        value.map(|_| took)
    });
    let times: Vec<_> = stream::iter(reads)
        .buffer_unordered(callers)
        .try_collect()
        .await?;
    Ok(Concurrency {
        per_second: times.len() as f64 / began.elapsed().as_secs_f64(),
        times: Times::of(times),
    })
}

/// How many of so many callers of one cold key load it.
async fn loads(cache: &Cache, callers: u32) -> u64 {
    let loads = Arc::new(AtomicU64::new(0));
    let key = Key::new("bench", [&"cold" as _]);
    let calls = (0..callers).map(|_| {
        cache.get_or_set(&key, TTL, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            loads.fetch_add(1, Ordering::Relaxed)
        })
    });
    futures_util::future::join_all(calls).await;
    loads.load(Ordering::Relaxed)
}

/// One pattern over all of the keys; what is still served afterwards is a fault.
async fn invalidation(cache: &Cache, keys: &[Key]) -> Result<Invalidation, Failure> {
    let (took, done) = timed(cache.try_invalidate([Pattern::parse("bench:*")?])).await;
    done?;
    let served = cache.try_mget::<String>(keys).await?;
    Ok(Invalidation {
        keys: keys.len(),
        ms: took.as_secs_f64() * 1e3,
        served_afterwards: served.iter().flatten().count(),
    })
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}
