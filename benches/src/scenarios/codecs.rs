use std::time::{Duration, Instant};

use cache_runtime::{Cache, Codec, Compression, Key, Protection, Secrets};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

use super::servers::{one_thread, redis};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit, median};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "codecs",
    how: "what 10,000 dashboards of some 5 KB (names, texts, and a series of numbers each) take in Redis by codec and compression: `used_memory` with them above without them, and the length of a stored string. Times are those of one `set` and one `get` by hand, round trips included, so that only their differences say something",
    run,
};

const VALUES: u64 = 10_000;

const CODECS: [(&str, Codec); 3] = [
    ("JSON", Codec::Json),
    ("MessagePack", Codec::MessagePack),
    ("postcard", Codec::Postcard),
];

const COMPRESSIONS: [(&str, Compression); 3] = [
    ("", Compression::Off),
    (", LZ4", Compression::Lz4),
    (", Zstandard", Compression::Zstd),
];

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let measures = [
        ("all in Redis", Unit::Megabytes),
        ("a stored string", Unit::Bytes),
        ("`set`", Unit::Microseconds),
        ("`get`", Unit::Microseconds),
    ];
    let measures = measures.map(|(case, unit)| (case.to_owned(), unit));
    let mut contest = Contest::of_several(SCENARIO.name, measures).cold();
    let mut add = |name: String, codec, compression, encrypted| {
        let way = Way {
            codec,
            compression,
            encrypted,
        };
        let (runtime, values) = (&runtime, size.of(VALUES));
        contest.add_several(name, move || {
            runtime
                .block_on(way.measure(values))
                .map(Figure::from)
                .into()
        });
    };
    for (codec, with_codec) in CODECS {
        for (compression, with_compression) in COMPRESSIONS {
            let name = format!("{codec}{compression}");
            add(name, with_codec, with_compression, false);
        }
    }
    let name = "JSON, Zstandard, encrypted".to_owned();
    add(name, Codec::Json, Compression::Zstd, true);
    contest.run(1)
}

#[derive(Clone, Copy)]
struct Way {
    codec: Codec,
    compression: Compression,
    encrypted: bool,
}

impl Way {
    async fn measure(self, values: u64) -> [f64; 4] {
        let server = redis().await;
        let mut builder = Cache::builder()
            .redis(server.url())
            .codec(self.codec)
            .compression(self.compression)
            .operation_timeout(Duration::from_secs(5))
            .call_budget(Duration::from_secs(5));
        if self.encrypted {
            builder = builder
                .secrets(Secrets::new(1, [7; 32]))
                .protection(Protection::Encrypted);
        }
        let cache = builder.build().expect("a cache");
        let mut redis = server.connection().await;
        let hour = Duration::from_secs(3600);
        cache.set(&key(values), &dashboard(values), hour).await;
        let before = used_memory(&mut redis).await;
        let (mut sets, mut gets) = (Vec::new(), Vec::new());
        for id in 0..values {
            let value = dashboard(id);
            let began = Instant::now();
            assert!(cache.set(&key(id), &value, hour).await);
            sets.push(began.elapsed().as_secs_f64() * 1e6);
        }
        for id in 0..values {
            let began = Instant::now();
            let value: Dashboard = cache.get(&key(id)).await.expect("a hit");
            gets.push(began.elapsed().as_secs_f64() * 1e6);
            assert_eq!(value.workspace_id, id);
        }
        let after = used_memory(&mut redis).await;
        let mut length = redis::cmd("STRLEN");
        length.arg(format!("cache:dashboards:{}", values / 2));
        let length: u64 = length.query_async(&mut redis).await.expect("an entry");
        [
            (after - before) as f64 / 1e6,
            length as f64,
            median(sets.into_iter()),
            median(gets.into_iter()),
        ]
    }
}

fn key(id: u64) -> Key {
    Key::new("dashboards", [&id as _])
}

async fn used_memory(redis: &mut MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("memory").query_async(redis).await.expect("INFO");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok())
        .expect("used_memory")
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
