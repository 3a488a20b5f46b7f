//! A process that counts by write-behind until it is killed: it writes, and hands over to a source that is slow to answer.
//!
//! The source is the hash `source` in Redis, and counts each write once, by its id. Writes that were acknowledged are counted under `acknowledged`.

use std::error::Error;
use std::time::Duration;

use cache_runtime::{Cache, Write};
use clap::Parser;
use redis::{AsyncCommands as _, Script};

/// Counts until it is killed.
#[derive(Debug, Parser)]
struct Options {
    /// The server.
    #[arg(long)]
    redis: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut redis = redis::Client::open(options.redis.as_str())?
        .get_multiplexed_async_connection()
        .await?;
    let source = redis.clone();
    let cache = Cache::builder()
        .redis(&options.redis)
        .operation_timeout(Duration::from_secs(20))
        .build()?;
    let every = Duration::from_millis(20);
    let views =
        cache
            .write_behind("views")
            .every(every)
            .counters(move |batch: Vec<Write<u64, i64>>| {
                let mut source = source.clone();
                async move {
                    let once = Script::new(include_str!("behind.lua"));
                    for write in batch {
                        once.key("source")
                            .arg(write.key)
                            .arg(write.value)
                            .arg(write.id)
                            .invoke_async::<()>(&mut source)
                            .await?;
                    }
                    // Here it is killed: the source has it, and the queue does not know.
                    let _: u64 = source.incr("batches", 1).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok::<_, redis::RedisError>(())
                }
            })?;
    for n in 0_u64.. {
        views.add(&(n % 5), 1).await?;
        let _: u64 = redis.incr("acknowledged", 1).await?;
    }
    Ok(())
}
