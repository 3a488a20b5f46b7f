//! Write-behind (A15).

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_runtime::{Cache, Counters, ErrorKind, Values, Write};
use cache_tests::{RedisServer, eventually};
use redis::{AsyncCommands as _, Script};
use tokio::process::Command;

use crate::world::World;

const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

/// A source that counts each write once, by its id.
#[derive(Debug, Default)]
struct Source {
    rows: Mutex<HashMap<u64, (i64, String)>>,
    batches: AtomicU64,
    fails: AtomicBool,
    running: AtomicBool,
}

impl Source {
    fn row(&self, key: u64) -> i64 {
        self.rows.lock().unwrap().get(&key).map_or(0, |row| row.0)
    }

    fn apply(&self, batch: Vec<Write<u64, i64>>, sums: bool) -> Result<(), &'static str> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        let poisoned = batch.iter().any(|write| write.key == 666);
        if poisoned || self.fails.load(Ordering::SeqCst) {
            return Err("no");
        }
        let mut rows = self.rows.lock().unwrap();
        for write in batch {
            let row = rows.entry(write.key).or_default();
            if row.1 < write.id {
                let before = if sums { row.0 } else { 0 };
                *row = (before + write.value, write.id);
            }
        }
        Ok(())
    }
}

fn counters(cache: &Cache, source: &Arc<Source>, every: Duration) -> Counters<u64> {
    let source = source.clone();
    let queue = cache.write_behind("views").every(every).attempts(2);
    let sink = move |batch| {
        let source = source.clone();
        async move { source.apply(batch, true) }
    };
    queue.counters(sink).unwrap()
}

#[tokio::test]
async fn sums_reach_the_source_merged_and_are_seen_before() {
    for world in World::both().await {
        let source = Arc::<Source>::default();
        let writer = world.cache.write_behind("views");
        let writer = writer.counters_without_sink().unwrap();
        let mut acknowledged: HashMap<u64, i64> = HashMap::new();
        for key in (0..100).map(|n| n % 2) {
            writer.add(&key, 1).await.unwrap();
            *acknowledged.entry(key).or_default() += 1;
            let waiting = writer.pending(&key).await.unwrap().unwrap_or(0);
            assert_eq!(waiting + source.row(key), acknowledged[&key]);
        }
        assert_eq!(writer.stats().await.unwrap().waiting, 100);
        let views = counters(&world.cache, &source, NEVER);
        views.flush().await.unwrap();
        assert_eq!((source.row(0), source.row(1)), (50, 50));
        assert_eq!(views.pending(&1).await.unwrap(), None);
        assert_eq!(source.batches.load(Ordering::SeqCst), 1);
        let stats = views.stats().await.unwrap();
        assert_eq!(
            (stats.waiting, stats.delivered, stats.oldest),
            (0, 100, None)
        );
        views.stop().await;
    }
}

#[tokio::test]
async fn the_last_value_counts() {
    for world in World::both().await {
        let source = Arc::<Source>::default();
        let to = source.clone();
        let titles: Values<u64, i64> = world
            .cache
            .write_behind("titles")
            .values(move |batch| {
                let to = to.clone();
                async move { to.apply(batch, false) }
            })
            .unwrap();
        for n in 0..50 {
            titles.put(&7, &n).await.unwrap();
            let seen = titles
                .pending(&7)
                .await
                .unwrap()
                .unwrap_or_else(|| source.row(7));
            assert_eq!(seen, n);
        }
        titles.flush().await.unwrap();
        assert_eq!(
            (source.row(7), titles.pending(&7).await.unwrap()),
            (49, None)
        );
    }
}

#[tokio::test]
async fn a_full_queue_refuses() {
    for world in World::both().await {
        let queue = world.cache.write_behind("small").capacity(3);
        let queue = queue.counters_without_sink::<u64>().unwrap();
        for _ in 0..3 {
            queue.add(&1, 1).await.unwrap();
        }
        assert_eq!(
            queue.add(&1, 1).await.unwrap_err().kind(),
            ErrorKind::TooLarge
        );
        assert_eq!(queue.pending(&1).await.unwrap(), Some(3));
        assert_eq!(queue.stats().await.unwrap().refused, 1);
    }
}

#[tokio::test]
async fn a_source_that_fails_gets_everything_when_it_is_well() {
    for world in World::both().await {
        let source = Arc::<Source>::default();
        source.fails.store(true, Ordering::SeqCst);
        let views = counters(&world.cache, &source, SOON);
        for n in 0..20 {
            views.add(&(n % 4), 1).await.unwrap();
        }
        eventually("the source was asked again", async || {
            views.stats().await.unwrap().retried > 3
        })
        .await;
        assert_eq!(views.pending(&1).await.unwrap(), Some(5));
        source.fails.store(false, Ordering::SeqCst);
        views.flush().await.unwrap();
        assert_eq!((source.row(1), views.pending(&1).await.unwrap()), (5, None));
    }
}

#[tokio::test]
async fn one_bad_key_keeps_no_other_of_its_batch_waiting_and_is_not_lost() {
    for world in World::both().await {
        let source = Arc::<Source>::default();
        let writer = world
            .cache
            .write_behind("views")
            .counters_without_sink()
            .unwrap();
        for key in [1, 666, 2] {
            writer.add(&key, 1).await.unwrap();
        }
        let views = counters(&world.cache, &source, SOON);
        eventually("the others are there", async || {
            source.row(1) == 1 && source.row(2) == 1
        })
        .await;
        assert_eq!(views.pending(&666).await.unwrap(), Some(1));
        views.stop().await;
        assert_eq!(writer.stats().await.unwrap().waiting, 1);
    }
}

/// Killed between the source's commit and the acknowledgement, and while it writes.
#[tokio::test]
async fn a_killed_process_loses_nothing() {
    let server = RedisServer::start().await;
    let mut redis = server.connection().await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_behind"))
        .args(["--redis", &server.url()])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("batches are in the source", async || {
        redis.get::<_, Option<u64>>("batches").await.unwrap() >= Some(2)
    })
    .await;
    process.kill().await.unwrap();

    let cache = World::over(
        crate::world::patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap(),
        None,
    )
    .cache;
    let to = redis.clone();
    let views: Counters<u64> = cache
        .write_behind("views")
        .every(SOON)
        .counters(move |batch: Vec<Write<u64, i64>>| {
            let mut to = to.clone();
            async move {
                let once = Script::new(include_str!("../../src/bin/behind.lua"));
                for write in batch {
                    let mut once = once.key("source");
                    once.arg(write.key).arg(write.value).arg(write.id);
                    once.invoke_async::<()>(&mut to).await?;
                }
                Ok::<_, redis::RedisError>(())
            }
        })
        .unwrap();
    views.flush().await.unwrap();
    let rows: Vec<u64> = redis.hvals("source").await.unwrap();
    let acknowledged: u64 = redis.get("acknowledged").await.unwrap();
    let sum: u64 = rows.iter().sum();
    // One was queued and not yet counted as such, at most.
    assert!(
        sum == acknowledged || sum == acknowledged + 1,
        "{sum} of {acknowledged}"
    );
    for key in 0..5 {
        assert_eq!(views.pending(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn one_consumer_at_a_time_and_in_order() {
    let world = World::redis().await;
    let (one, two) = (world.instance(), world.instance());
    let source = Arc::<Source>::default();
    let start = |cache: &Cache| -> Values<u64, i64> {
        let source = source.clone();
        let queue = cache.write_behind("titles").every(SOON).batch(3);
        let sink = move |batch: Vec<Write<u64, i64>>| {
            let source = source.clone();
            async move {
                assert!(!source.running.swap(true, Ordering::SeqCst), "two at once");
                let before = source.row(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert!(batch[0].value > before, "out of order");
                let done = source.apply(batch, false);
                source.running.store(false, Ordering::SeqCst);
                done
            }
        };
        queue.values(sink).unwrap()
    };
    let (first, second) = (start(&one.cache), start(&two.cache));
    for n in 1..=60 {
        first.put(&1, &n).await.unwrap();
        if n == 30 {
            first.stop().await;
        }
    }
    second.flush().await.unwrap();
    assert_eq!(source.row(1), 60);
    let retried = first.stats().await.unwrap().retried + second.stats().await.unwrap().retried;
    assert_eq!(
        retried, 0,
        "a sink failed: two ran at once, or out of order"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_moved_aside() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    let stream = "cache:%behind:{cache:views}:stream";
    for fields in [["foreign", "bytes"].as_slice(), &["k", "1", "v", "many"]] {
        let mut add = redis::cmd("XADD");
        add.arg(stream).arg("*").arg(fields);
        add.exec_async(&mut redis).await.unwrap();
    }
    let source = Arc::<Source>::default();
    let views = counters(&world.cache, &source, SOON);
    views.add(&1, 2).await.unwrap();
    views.flush().await.unwrap();
    assert_eq!((source.row(1), views.stats().await.unwrap().dead), (2, 2));
    let mut count = redis::cmd("XLEN");
    count.arg("cache:%behind:{cache:views}:dead");
    let dead: u64 = count.query_async(&mut redis).await.unwrap();
    assert_eq!(dead, 2);
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_and_no_hang() {
    let mut world = World::redis().await;
    let url = world.server().url();
    let cache = Cache::builder()
        .redis(url)
        .operation_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let views = cache
        .write_behind("views")
        .counters_without_sink::<u64>()
        .unwrap();
    eventually("it is connected", async || views.add(&1, 1).await.is_ok()).await;
    world.server().pause();
    assert_eq!(
        views.add(&1, 1).await.unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    world.server().resume();
    world.server.as_mut().unwrap().kill();
    assert!(views.add(&1, 1).await.is_err());
}

#[tokio::test]
async fn what_is_configured_wrongly_is_told() {
    let world = World::memory();
    for name in ["", "a b", "{x}", "a:b"] {
        let error = world
            .cache
            .write_behind(name)
            .counters_without_sink::<u64>();
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("write-behind queue")
        );
    }
    let queue = world
        .cache
        .write_behind("big")
        .values_without_sink::<u64, String>()
        .unwrap();
    let big = "x".repeat(1 << 20);
    assert_eq!(
        queue.put(&1, &big).await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
}
