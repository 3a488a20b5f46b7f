use tokio::runtime::Runtime;

use redis::aio::MultiplexedConnection;

use super::servers::{one_thread, redis};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};
use crate::row::Row;
use crate::sides::{
    ByHand, CachedMemory, CachedRedis, CachedSharded, Fred, HitboxMoka, HitboxRedis, Moka,
    MultiTier, MultiTierRedis, Ours, OursNear, Peer, QuickCache,
};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "memory",
    how: "bytes an entry of 200 B: in Redis (`MEMORY USAGE` of all that 1,000 entries take) all together, and what that is above the names of the keys and the rows as JSON; in this process what 10,000 entries allocate, the cache with room for 20,000 included, and what that is above the rows themselves",
    run,
};

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let server = runtime.block_on(redis());
    let url = server.url();
    let connection = runtime.block_on(server.connection());

    let measures = [
        ("an entry in Redis", Unit::Bytes),
        ("above key and value", Unit::Bytes),
    ];
    let measures = measures.map(|(case, unit)| (case.to_owned(), unit));
    let mut in_redis = Contest::of_several(SCENARIO.name, measures).cold();
    for peer in [
        Peer::of::<ByHand>(),
        Peer::of::<Ours>(),
        Peer::of::<Fred>(),
        Peer::of::<CachedRedis>(),
        Peer::of::<HitboxRedis>(),
        Peer::of::<MultiTierRedis>(),
    ] {
        runtime.block_on(peer.start(url.clone()));
        let (runtime, connection) = (&runtime, connection.clone());
        in_redis.add_several(peer.name, move || {
            let taken = runtime.block_on(taken(connection.clone(), peer, size.of(1_000)));
            taken.map(Figure::from).into()
        });
    }
    let mut lines = in_redis.run(1);

    let measures = [
        ("an entry in this process", Unit::Bytes),
        ("above the value", Unit::Bytes),
    ];
    let measures = measures.map(|(case, unit)| (case.to_owned(), unit));
    let mut here = Contest::of_several(SCENARIO.name, measures).cold();
    for peer in [
        Peer::of::<OursNear>(),
        Peer::of::<Moka>(),
        Peer::of::<QuickCache>(),
        Peer::of::<CachedMemory>(),
        Peer::of::<CachedSharded>(),
        Peer::of::<HitboxMoka>(),
        Peer::of::<MultiTier>(),
    ] {
        let (runtime, url) = (&runtime, url.clone());
        here.add_several(peer.name, move || {
            let taken = allocated(runtime, &url, peer, size.of(10_000));
            taken.map(Figure::from).into()
        });
    }
    lines.extend(here.run(1));
    lines
}

async fn taken(mut redis: MultiplexedConnection, peer: Peer, entries: u64) -> [f64; 2] {
    let flush = redis::cmd("FLUSHALL").exec_async(&mut redis).await;
    flush.expect("it is up");
    let mut values = 0;
    for id in 0..entries {
        let row = peer.read(id).await.expect("a row");
        values += serde_json::to_string(&row).expect("it is plain").len();
    }
    let all: Vec<Vec<u8>> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis)
        .await
        .expect("it is up");
    let (mut bytes, mut names) = (0, 0);
    for key in &all {
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        // What has expired meanwhile takes nothing.
        let usage: Option<usize> = usage.query_async(&mut redis).await.expect("it is up");
        bytes += usage.unwrap_or_default();
        names += key.len();
    }
    let above = bytes as f64 - (names + values) as f64;
    [bytes as f64 / entries as f64, above / entries as f64]
}

/// What is allocated on this thread, which is all there is.
fn allocated(runtime: &Runtime, url: &str, peer: Peer, entries: u64) -> [f64; 2] {
    let rows = allocation_counter::measure(|| {
        let rows: Vec<Row> = (0..entries).map(|id| Row::of(id, 0)).collect();
        std::mem::forget(rows);
    });
    let all = allocation_counter::measure(|| {
        runtime.block_on(async {
            peer.start(url.to_owned()).await;
            for id in 0..entries {
                peer.read(id).await.expect("a row");
            }
        });
    });
    let [rows, all] = [rows, all].map(|counted| counted.bytes_current as f64 / entries as f64);
    [all, all - rows]
}
