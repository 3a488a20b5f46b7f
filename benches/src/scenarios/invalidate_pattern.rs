use std::time::{Duration, Instant};

use cache_runtime::cached;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

use super::servers::{redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};
use crate::sides::{MultiTier, Ours, Side, cache, patient, started};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "invalidate_pattern",
    how: "one pattern that names 10,000, 100,000 and 1,000,000 stored keys, and how long it takes until none of them is served any more. By hand it is `SCAN` in steps of 1,000, and `UNLINK` of what each step finds",
    run,
};

/// Keys that are stored at once.
const CHUNK: u64 = 5_000;

#[cached(namespace = "items", ttl = "1h", key = (workspace, id), cache = cache())]
async fn item(workspace: u64, id: u64) -> u64 {
    workspace + id
}

fn run(size: Size) -> Vec<Line> {
    let runtime = threads();
    // One for each, so that nobody walks through others' keys.
    let [ours, by_hand, theirs] = [(); 3].map(|()| runtime.block_on(redis()));
    patient(ours.url());
    runtime.block_on(async {
        started::<Ours>(ours.url()).await;
        started::<MultiTier>(theirs.url()).await;
    });
    let connections = [&by_hand, &theirs].map(|server| runtime.block_on(server.connection()));
    let [by_hand, theirs] = connections;

    let mut lines = Vec::new();
    for (keys, text) in [
        (10_000, "10,000 keys"),
        (100_000, "100,000 keys"),
        (1_000_000, "1,000,000 keys"),
    ] {
        let keys = size.of(keys);
        runtime.block_on(store(keys));
        let mut contest = Contest::new(SCENARIO.name, text, Unit::Milliseconds).cold();
        contest.add("SCAN and UNLINK by hand", || {
            measured(&runtime, &by_hand, keys, walk(by_hand.clone()))
        });
        contest.add(Ours::NAME, || runtime.block_on(invalidate(keys)));
        contest.add(MultiTier::NAME, || {
            let pattern = MultiTier::invalidate_pattern("items:7:*");
            measured(&runtime, &theirs, keys, async { pattern.await.is_ok() })
        });
        lines.extend(contest.run(size.at_most(3)));
    }
    lines
}

async fn store(keys: u64) {
    for first in (0..keys).step_by(CHUNK as usize) {
        let ids = first..keys.min(first + CHUNK);
        let entries = ids.map(|id| (item::key(7, id), 7 + id)).collect::<Vec<_>>();
        let hour = Duration::from_secs(3600);
        let stored = cache().try_mset(&entries, hour).await;
        assert_eq!(stored.expect("it is up"), entries.len());
    }
}

async fn invalidate(keys: u64) -> Figure {
    // What was invalidated is still there; it is stored anew for the round, and read.
    let last = item::key(7, keys - 1);
    cache()
        .set(&last, &(6 + keys), Duration::from_secs(3600))
        .await;
    assert!(item::peek(7, keys - 1).await.is_some());
    let began = Instant::now();
    cache()
        .try_invalidate([item::pattern(Some(7), None)])
        .await
        .expect("it is up");
    let took = began.elapsed();
    assert_eq!(item::peek(7, keys - 1).await, None);
    Figure::from(took.as_secs_f64() * 1e3)
}

/// What `work` takes that removes as many keys, which are stored before; not a number where it did not.
fn measured(
    runtime: &Runtime,
    connection: &MultiplexedConnection,
    keys: u64,
    work: impl Future<Output = bool>,
) -> Figure {
    let mut connection = connection.clone();
    runtime.block_on(async {
        redis::cmd("FLUSHALL")
            .exec_async(&mut connection)
            .await
            .expect("it is up");
        for first in (0..keys).step_by(CHUNK as usize) {
            let mut all = redis::pipe();
            for id in first..keys.min(first + CHUNK) {
                all.set_ex(format!("items:7:{id}"), 7 + id, 3600).ignore();
            }
            all.exec_async(&mut connection).await.expect("it is up");
        }
        let began = Instant::now();
        let done = work.await;
        let took = began.elapsed();
        let left: u64 = redis::cmd("DBSIZE")
            .query_async(&mut connection)
            .await
            .expect("it is up");
        if done && left == 0 {
            Figure::from(took.as_secs_f64() * 1e3)
        } else {
            Figure::from(f64::NAN)
        }
    })
}

async fn walk(mut connection: MultiplexedConnection) -> bool {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg("items:7:*");
        scan.arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) =
            scan.query_async(&mut connection).await.expect("it is up");
        if !keys.is_empty() {
            let done: Result<u64, _> = connection.unlink(keys).await;
            done.expect("it is up");
        }
        if next == 0 {
            return true;
        }
        cursor = next;
    }
}
