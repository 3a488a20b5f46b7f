use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Target, cached};
use cache_tests::{RedisServer, eventually};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use redis::aio::MultiplexedConnection;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

use super::servers::{redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "fleet",
    how: "what a fleet costs one Redis, by its own account: CPU time of its main thread, bytes that it sends, memory of its clients. Each instance is a cache of its own with a connection of its own, all in this process, and one of them invalidates, one after the other, for a second at least, 1,000 keys and more, as many patterns, and 100 times 100 keys in one call; then 64 tasks do so, of all instances in turn, each with a key. What the fleet costs while nobody does anything is taken off there. And what generations take",
    run,
};

/// Of what is invalidated, one after the other.
const INVALIDATIONS: u64 = 1_000;
const AT_ONCE: usize = 64;
/// Between two hits of an instance.
const PAUSE: Duration = Duration::from_millis(100);

/// What stands in the source.
static SOURCE: AtomicU64 = AtomicU64::new(0);

#[cached(namespace = "kept", ttl = "1h", local = "1h", key = (workspace, id), cache = cache)]
async fn kept(cache: &Cache, workspace: u64, id: u64) -> u64 {
    SOURCE.load(Ordering::SeqCst)
}

#[cached(namespace = "stored", ttl = "1h", key = (workspace, id), cache = cache)]
async fn stored(cache: &Cache, workspace: u64, id: u64) -> u64 {
    SOURCE.load(Ordering::SeqCst)
}

fn run(size: Size) -> Vec<Line> {
    raise_limit();
    let runtime = threads();
    let mut fleets = Contest::of_several(SCENARIO.name, measures()).cold();
    for (name, instances, near) in [
        ("10 instances", 10, true),
        ("100 instances", 100, true),
        ("1,000 instances", 1_000, true),
        ("1,000 instances, nothing with `local`", 1_000, false),
    ] {
        let runtime = &runtime;
        fleets.add_several(name, move || {
            runtime.block_on(async {
                let mut fleet = Fleet::start(instances, near, size).await;
                fleet.measured().await
            })
        });
    }
    let mut lines = fleets.run(size.at_most(3));
    lines.extend(generations(&runtime, size));
    lines.extend(in_process());
    lines
}

fn measures() -> Vec<(String, Unit)> {
    let measures = [
        ("connections", Unit::Count),
        ("Redis' memory for a connection", Unit::Bytes),
        ("coming up, Redis' CPU for an instance", Unit::Microseconds),
        ("idle, commands a second", Unit::Count),
        ("idle, Redis' CPU in a second", Unit::Milliseconds),
        ("idle, bytes that Redis sends in a second", Unit::Bytes),
        (
            "10 hits a second of each instance, commands a second",
            Unit::Count,
        ),
        (
            "10 hits a second of each instance, Redis' CPU in a second",
            Unit::Milliseconds,
        ),
        ("a key invalidated, Redis' CPU", Unit::Microseconds),
        ("a key invalidated, bytes that Redis sends", Unit::Bytes),
        (
            "a key invalidated, CPU of this process for an instance",
            Unit::Microseconds,
        ),
        ("keys, as many as fill a core of Redis", Unit::PerSecond),
        ("a pattern invalidated, Redis' CPU", Unit::Microseconds),
        (
            "100 keys invalidated in one call, Redis' CPU",
            Unit::Microseconds,
        ),
        (
            "a key invalidated by one of 64 tasks, Redis' CPU",
            Unit::Microseconds,
        ),
        (
            "keys by 64 tasks, as many as fill a core of Redis",
            Unit::PerSecond,
        ),
    ];
    measures.map(|(case, unit)| (case.to_owned(), unit)).into()
}

struct Fleet {
    size: Size,
    near: bool,
    instances: Vec<Cache>,
    server: RedisServer,
    connection: MultiplexedConnection,
    /// What it took to come up.
    started: Spent,
}

impl Fleet {
    async fn start(instances: u64, near: bool, size: Size) -> Self {
        let server = redis().await;
        let mut fleet = Self {
            size,
            near,
            instances: Vec::new(),
            connection: server.connection().await,
            server,
            started: Spent::default(),
        };
        let before = fleet.account().await;
        for _ in 0..instances {
            let instance = fleet.instance();
            fleet.instances.push(instance);
            fleet
                .call(&fleet.instances[fleet.instances.len() - 1])
                .await;
        }
        fleet.started = before.until(&fleet.account().await);
        fleet.keep().await;
        fleet
    }

    /// Patient, as a thousand of them share this machine; small, and without analytics, which tell Redis every half minute what is hot.
    fn instance(&self) -> Cache {
        let cache = Cache::builder()
            .redis(self.server.url())
            .operation_timeout(Duration::from_secs(5))
            .call_budget(Duration::from_secs(10))
            .local_capacity(1 << 16)
            .analytics(false);
        cache.build().expect("a cache")
    }

    async fn call(&self, instance: &Cache) -> u64 {
        match self.near {
            true => kept(instance, 1, 1).await,
            false => stored(instance, 1, 1).await,
        }
    }

    fn key(&self, workspace: u64, id: u64) -> Target {
        match self.near {
            true => kept::key(workspace, id).into(),
            false => stored::key(workspace, id).into(),
        }
    }

    fn pattern(&self, workspace: u64) -> Target {
        match self.near {
            true => kept::pattern(Some(workspace), None).into(),
            false => stored::pattern(Some(workspace), None).into(),
        }
    }

    /// Sees to it that each instance hits.
    async fn keep(&self) {
        let hits = |instance: &Cache| {
            let total = instance.stats().total;
            if self.near {
                total.near_hits
            } else {
                total.hits
            }
        };
        join_all(self.instances.iter().map(async |instance| {
            let before = hits(instance);
            eventually("it hits", async || {
                self.call(instance).await;
                hits(instance) > before
            })
            .await;
        }))
        .await;
    }

    /// In the order of [`measures`].
    async fn measured(&mut self) -> Vec<Figure> {
        let time = Duration::from_millis(self.size.of(5_000));
        let before = self.account().await;
        tokio::time::sleep(time).await;
        let account = self.account().await;
        let idle = before.until(&account);
        let hits = self.hits(time).await;

        let least = self.size.of(INVALIDATIONS);
        let began = process_cpu();
        let (count, keys) = self
            .invalidating(least, 1, |fleet, id| vec![fleet.key(2, id)])
            .await;
        self.all_hear().await;
        let process = process_cpu() - began;
        let process = process / (count * self.instances.len() as f64);
        let patterns = self.invalidating(least, 1, |fleet, id| vec![fleet.pattern(3 + id)]);
        let patterns = patterns.await;
        let many = self.invalidating(least.div_ceil(10), 1, |fleet, id| {
            let ids = id * 100..(id + 1) * 100;
            ids.map(|id| fleet.key(2, id)).collect()
        });
        let many = many.await;
        let at_once = self
            .invalidating(least, AT_ONCE, |fleet, id| vec![fleet.key(2, id)])
            .await;
        self.all_hear().await;

        let [key, pattern, many, at_once] = [(count, keys), patterns, many, at_once]
            .map(|(count, spent)| spent.without(&idle).by(count));
        let (idle, hits) = (idle.by(idle.seconds), hits.by(hits.seconds));
        let fleet = self.instances.len() as f64;
        [
            // But for the one that asks.
            account.connections - 1.0,
            account.memory / account.connections,
            self.started.cpu / fleet,
            idle.commands,
            idle.cpu / 1e3,
            idle.bytes,
            hits.commands,
            hits.cpu / 1e3,
            key.cpu,
            key.bytes,
            process,
            1e6 / key.cpu,
            pattern.cpu,
            many.cpu,
            at_once.cpu,
            1e6 / at_once.cpu,
        ]
        .map(Figure::from)
        .into()
    }

    async fn hits(&mut self, time: Duration) -> Spent {
        // After a while without hits the first ones ask Redis.
        self.keep().await;
        let before = self.account().await;
        let began = Instant::now();
        while began.elapsed() < time {
            join_all(self.instances.iter().map(|instance| self.call(instance))).await;
            tokio::time::sleep(PAUSE).await;
        }
        before.until(&self.account().await)
    }

    /// So many at least, and for the second in which each instance asks Redis once what its role is: else too much or too little of that would be taken off.
    ///
    /// One instance does it where there is one task; else all of them in turn.
    async fn invalidating(
        &mut self,
        least: u64,
        tasks: usize,
        targets: fn(&Self, u64) -> Vec<Target>,
    ) -> (f64, Spent) {
        let before = self.account().await;
        let fleet = &*self;
        let done = AtomicU64::new(0);
        let second = Duration::from_millis(self.size.of(1_000));
        let until = |id: &u64| ready(*id < least || before.at.elapsed() < second);
        let all = stream::iter(0..).take_while(until);
        all.for_each_concurrent(tasks, async |id| {
            let instance = match tasks {
                1 => 0,
                _ => id as usize % fleet.instances.len(),
            };
            let invalidated = fleet.instances[instance].try_invalidate(targets(fleet, id));
            invalidated.await.expect("it is up");
            done.fetch_add(1, Ordering::Relaxed);
        })
        .await;
        let spent = before.until(&self.account().await);
        (done.into_inner() as f64, spent)
    }

    /// Shows that each instance is told, and waits until all have heard what came before.
    async fn all_hear(&self) {
        let new = SOURCE.fetch_add(1, Ordering::SeqCst) + 1;
        let key = self.key(1, 1);
        let invalidated = self.instances[0].try_invalidate([key]);
        invalidated.await.expect("it is up");
        let hear =
            |instance| eventually("it hears", async move || self.call(instance).await == new);
        join_all(self.instances.iter().map(hear)).await;
    }

    async fn account(&mut self) -> Account {
        Account::of(&mut self.connection).await
    }
}

/// What Redis says of itself.
struct Account {
    at: Instant,
    /// Microseconds of the thread that serves.
    cpu: f64,
    commands: f64,
    bytes: f64,
    /// Of this answer, which are not among them yet.
    own_bytes: f64,
    connections: f64,
    memory: f64,
}

impl Account {
    async fn of(connection: &mut MultiplexedConnection) -> Self {
        let info = redis::cmd("INFO").query_async(connection).await;
        let info: String = info.expect("it is up");
        let field = |name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok();
            info.lines().find_map(value)
        };
        let cpu = |thread: &str| {
            let [system, user] = ["sys", "user"].map(|kind| format!("used_cpu_{kind}{thread}"));
            Some(field(&system)? + field(&user)?)
        };
        // Since Redis 7.
        let cpu: Option<f64> = cpu("_main_thread").or_else(|| cpu(""));
        let field = |name| field(name).expect("it says so");
        Self {
            at: Instant::now(),
            cpu: 1e6 * cpu.expect("it says so"),
            commands: field("total_commands_processed"),
            bytes: field("total_net_output_bytes"),
            own_bytes: info.len() as f64,
            connections: field("connected_clients"),
            memory: field("mem_clients_normal"),
        }
    }

    fn until(&self, later: &Self) -> Spent {
        Spent {
            seconds: (later.at - self.at).as_secs_f64(),
            cpu: later.cpu - self.cpu,
            // Asking is one itself.
            commands: later.commands - self.commands - 1.0,
            bytes: later.bytes - self.bytes - self.own_bytes,
        }
    }
}

/// What was done between two of these.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    seconds: f64,
    cpu: f64,
    commands: f64,
    bytes: f64,
}

impl Spent {
    /// For each of so many.
    fn by(&self, count: f64) -> Self {
        Self {
            seconds: self.seconds / count,
            cpu: self.cpu / count,
            commands: self.commands / count,
            bytes: self.bytes / count,
        }
    }

    /// What was more than usual.
    fn without(&self, usual: &Self) -> Self {
        let usual = usual.by(usual.seconds / self.seconds);
        Self {
            seconds: self.seconds,
            cpu: self.cpu - usual.cpu,
            commands: self.commands - usual.commands,
            bytes: self.bytes - usual.bytes,
        }
    }
}

/// What the hashes take that invalidations leave behind: of one domain, and no more of it is kept.
fn generations(runtime: &Runtime, size: Size) -> Vec<Line> {
    let server = runtime.block_on(redis());
    let measures = [
        ("what generations take", Unit::Megabytes),
        ("each", Unit::Bytes),
    ];
    let measures = measures.map(|(case, unit)| (case.to_owned(), unit));
    let mut contest = Contest::of_several(SCENARIO.name, measures).cold();
    for (name, scopes, hold_off) in [
        ("1,000 scopes of a domain", size.of(1_000), 0),
        ("10,000 scopes of a domain", size.of(10_000), 0),
        ("100,000 scopes of a domain", size.of(100_000), 0),
        ("1,000 marks of a domain", size.of(1_000), 3_600),
    ] {
        let (runtime, server) = (&runtime, &server);
        contest.add_several(name, move || {
            let all = runtime.block_on(taken(server, scopes, hold_off));
            [all / 1e6, all / scopes as f64].map(Figure::from).into()
        });
    }
    contest.run(1)
}

async fn taken(server: &RedisServer, scopes: u64, hold_off: u64) -> f64 {
    let mut connection = server.connection().await;
    let flush = redis::cmd("FLUSHALL").exec_async(&mut connection).await;
    flush.expect("it is up");
    let cache = Cache::builder()
        .redis(server.url())
        .operation_timeout(Duration::from_secs(5))
        .call_budget(Duration::from_secs(10))
        .hold_off(Duration::from_secs(hold_off));
    let cache = cache.build().expect("a cache");
    let all: Vec<u64> = (0..scopes).collect();
    for some in all.chunks(500) {
        let patterns = some.iter().map(|id| kept::pattern(Some(*id), None));
        cache.try_invalidate(patterns).await.expect("it is up");
    }
    let hash = if hold_off > 0 {
        "%mark:kept"
    } else {
        "%gen:kept"
    };
    let found = redis::cmd("KEYS")
        .arg(format!("*{hash}"))
        .query_async(&mut connection)
        .await;
    let found: Vec<String> = found.expect("it is up");
    let [name] = &found[..] else {
        panic!("one hash of them: {found:?}");
    };
    let fields = redis::cmd("HLEN")
        .arg(name)
        .query_async(&mut connection)
        .await;
    let fields: u64 = fields.expect("it is up");
    assert_eq!(fields, scopes, "all of them are kept");
    let mut usage = redis::cmd("MEMORY");
    usage.arg("USAGE").arg(name).arg("SAMPLES").arg(0);
    usage.query_async(&mut connection).await.expect("it is up")
}

/// What a cache allocates on this thread, which builds it.
fn in_process() -> Vec<Line> {
    let case = "memory of an instance before it keeps anything";
    let mut contest = Contest::new(SCENARIO.name, case, Unit::Megabytes).cold();
    contest.add("cache-runtime", || {
        let mut built = None;
        let allocated = allocation_counter::measure(|| {
            let cache = Cache::builder().redis("redis://127.0.0.1:1");
            built = Some(cache.build().expect("a cache"));
        });
        Figure::from(allocated.bytes_current as f64 / 1e6)
    });
    contest.run(1)
}

/// Microseconds that this process has run, on all cores.
fn process_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    1e6 * time.tv_sec as f64 + time.tv_nsec as f64 / 1e3
}

/// A socket for each instance: many systems allow 1,024 files where nobody asks for more.
fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).expect("it is allowed");
}
