//! One process of a fleet that runs a job until it is killed.
//!
//! ```text
//! cargo run -p cache-tests --bin jobs -- --redis redis://127.0.0.1:6379 --name one --schedule '* * * * * *' --work-ms 300
//! ```
//!
//! Each run that begins is told in Redis, at the end of the list `runs`: the milliseconds at which it was to begin, those of the server's clock, and the process's name.

use std::error::Error;
use std::future::pending;
use std::time::{Duration, UNIX_EPOCH};

use cache_runtime::{Cache, Job, JobRun, Jobs};
use clap::Parser;
use redis::Script;

/// Runs a job until it is killed.
#[derive(Debug, Parser)]
struct Options {
    /// The server.
    #[arg(long)]
    redis: String,
    /// What the instance is called.
    #[arg(long)]
    name: String,
    #[arg(long, default_value = "* * * * * *")]
    schedule: String,
    /// How long a run takes.
    #[arg(long, default_value_t = 0)]
    work_ms: u64,
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let redis = redis::Client::open(options.redis.as_str())?
        .get_multiplexed_async_connection()
        .await?;
    let cache = Cache::builder().redis(&options.redis).build()?;
    let (name, takes) = (options.name.clone(), options.work_ms);
    let count = move |run: JobRun| {
        let (mut redis, name) = (redis.clone(), name.clone());
        async move {
            let scheduled = run.scheduled().duration_since(UNIX_EPOCH);
            let scheduled = scheduled.unwrap_or_default().as_millis() as u64;
            Script::new(
                "local time = redis.call('TIME')
                 local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
                 return redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. now .. ' ' .. ARGV[2])",
            )
            .key("runs")
            .arg(scheduled)
            .arg(name)
            .invoke_async::<()>(&mut redis)
            .await?;
            tokio::time::sleep(Duration::from_millis(takes)).await;
            Ok::<_, redis::RedisError>(())
        }
    };
    let job = Job::new("count", &options.schedule, count);
    let jobs = Jobs::new(&cache)
        .instance(options.name)
        .job(job.jitter(Duration::from_millis(options.jitter_ms)))
        .start()?;
    pending::<()>().await;
    drop(jobs);
    Ok(())
}
