//! B6: scheduled jobs, each run by one instance of the fleet.

use std::collections::BTreeSet;
use std::future::pending;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_runtime::{
    Cache, ErrorKind, Job, JobOutcome, JobRecord, JobRun, Jobs, RunningJobs, Warming, cached,
};
use cache_tests::{Clock, RedisServer, eventually};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tokio::process::Child;
use tokio::sync::Semaphore;
use tracing::Level;

use crate::heard::Heard;
use crate::world::{World, patient};

const EACH_SECOND: &str = "* * * * * *";
/// Not before anybody looks.
const SELDOM: &str = "0 0 29 2 *";

/// The runs that began, in their order.
#[derive(Debug, Clone, Default)]
struct Book(Arc<Mutex<Vec<SystemTime>>>);

impl Book {
    fn job(&self, schedule: &str) -> Job {
        let book = self.clone();
        Job::new("count", schedule, move |run: JobRun| {
            book.0.lock().unwrap().push(run.scheduled());
            async {}
        })
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether each one has an instant of its own, later than those before.
    fn is_in_order(&self) -> bool {
        self.0.lock().unwrap().is_sorted_by(|one, next| one < next)
    }
}

fn start(cache: &Cache, name: &str, job: Job) -> RunningJobs {
    Jobs::new(cache).instance(name).job(job).start().unwrap()
}

async fn history(jobs: &RunningJobs) -> Vec<JobRecord> {
    jobs.history("count").await.unwrap()
}

/// How often each outcome stands in the history.
async fn outcomes(jobs: &RunningJobs, outcome: &JobOutcome) -> usize {
    let history = history(jobs).await;
    history.iter().filter(|run| run.outcome == *outcome).count()
}

/// Holds runs until they are let go.
#[derive(Debug, Clone)]
struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
    /// Whether a run was dropped before its end.
    dropped: Arc<AtomicBool>,
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
            dropped: Arc::default(),
        }
    }

    fn job(&self, schedule: &str) -> Job {
        let gate = self.clone();
        Job::new("count", schedule, move |run: JobRun| {
            let gate = gate.clone();
            async move {
                let guard = Dropped(gate.dropped);
                run.report("half way");
                gate.arrived.add_permits(1);
                gate.open.acquire().await.unwrap().forget();
                run.report("all of it");
                std::mem::forget(guard);
            }
        })
    }

    /// Waits until a run has begun.
    async fn arrival(&self) {
        let arrived = tokio::time::timeout(Duration::from_secs(30), self.arrived.acquire());
        let arrived = arrived.await.expect("no run began within 30 s");
        arrived.unwrap().forget();
    }

    fn open(&self) {
        self.open.add_permits(1);
    }

    fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// Of three instances one does each run, and the history tells which.
#[tokio::test]
async fn each_run_is_done_by_one_instance() {
    for world in World::both().await {
        let book = Book::default();
        let caches = (0..3).map(|_| match &world.server {
            Some(_) => world.instance().cache,
            None => world.cache.clone(),
        });
        let caches: Vec<_> = caches.collect();
        let names = ["a", "b", "c"];
        let fleet: Vec<_> = (names.iter().zip(&caches))
            .map(|(name, cache)| start(cache, name, book.job(EACH_SECOND)))
            .collect();
        eventually("four runs were done", async || book.len() >= 4).await;
        let mut fleet = fleet.into_iter();
        let reader = fleet.next().unwrap();
        for jobs in fleet {
            jobs.stop().await;
        }
        assert!(book.is_in_order(), "{book:?}");
        eventually("all are in the history", async || {
            let all = book.0.lock().unwrap().clone();
            let history = history(&reader).await;
            let done: Vec<_> = history.iter().rev().map(|run| run.scheduled).collect();
            done.starts_with(&all)
                && history.iter().all(|run| {
                    run.outcome == JobOutcome::Succeeded && names.contains(&run.by.as_str())
                })
        })
        .await;
    }
}

/// A process that runs a job until it is killed.
fn process(server: &RedisServer, name: &str, options: &[&str], clock: Option<&Clock>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobs"));
    command
        .args(["--redis", &server.url(), "--name", name])
        .args(options)
        .stdout(Stdio::null());
    if let Some(clock) = clock {
        clock.give(&mut command);
    }
    tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// When a run was to begin and when it did, in milliseconds of the server's clock, and whose it was.
type Began = (u64, u64, String);

async fn began(redis: &mut MultiplexedConnection) -> Vec<Began> {
    let runs: Vec<String> = redis.lrange("runs", 0, -1).await.unwrap();
    let run = |text: String| {
        let parts: Vec<_> = text.split(' ').collect();
        let number = |at: usize| parts[at].parse().unwrap();
        (number(0), number(1), parts[2].to_owned())
    };
    runs.into_iter().map(run).collect()
}

/// Killed in the middle of its run: that instant is not run again, stands as interrupted, and after the lease another process goes on.
#[tokio::test]
async fn a_killed_process_s_run_is_interrupted_and_not_done_again() {
    let server = RedisServer::builder().movable_clock().start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let reader = start(&cache, "reader", Book::default().job(SELDOM));
    let mut redis = server.connection().await;
    let mut fleet: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            (
                name,
                process(&server, name, &["--work-ms", "3600000"], None),
            )
        })
        .into();
    for (killed, offset) in [(0, 60), (1, 120)] {
        eventually("a process runs", async || {
            began(&mut redis).await.len() == killed + 1
        })
        .await;
        let (instant, _, by) = began(&mut redis).await[killed].clone();
        let at = fleet.iter().position(|(name, _)| *name == by).unwrap();
        fleet.remove(at).1.kill().await.unwrap();
        let skipped = outcomes(&reader, &JobOutcome::Skipped).await;
        eventually("the others still wait", async || {
            outcomes(&reader, &JobOutcome::Skipped).await > skipped
        })
        .await;
        // The lease ends.
        server.clock().set(offset);
        let is_it = |run: &JobRecord| {
            run.outcome == JobOutcome::Interrupted
                && run.scheduled == UNIX_EPOCH + Duration::from_millis(instant)
                && run.by == by
        };
        eventually("the run stands as interrupted", async || {
            history(&reader).await.iter().any(is_it)
        })
        .await;
    }
    eventually("the last process runs", async || {
        began(&mut redis).await.len() == 3
    })
    .await;
    let runs = began(&mut redis).await;
    let instants: BTreeSet<_> = runs.iter().map(|run| run.0).collect();
    let processes: BTreeSet<_> = runs.iter().map(|run| &run.2).collect();
    assert_eq!((instants.len(), processes.len()), (3, 3), "{runs:?}");
    assert_eq!(outcomes(&reader, &JobOutcome::Running).await, 1);
    assert_eq!(outcomes(&reader, &JobOutcome::Interrupted).await, 2);
}

/// Processes are killed at any moment, many times: no instant is run twice.
#[tokio::test]
async fn whoever_is_killed_no_run_is_done_twice() {
    let server = RedisServer::builder().movable_clock().start().await;
    let mut redis = server.connection().await;
    let options = ["--work-ms", "100", "--jitter-ms", "200"];
    let mut fleet = Vec::new();
    for round in 0..8 {
        fleet.push(process(&server, "one", &options, None));
        if round >= 3 {
            fleet.remove(0).kill().await.unwrap();
            // It may have been in the middle of a run.
            server.clock().set(60 * round);
        }
        let before = began(&mut redis).await.len();
        eventually("the fleet goes on", async || {
            began(&mut redis).await.len() > before
        })
        .await;
    }
    let runs = began(&mut redis).await;
    assert!(runs.is_sorted_by(|one, next| one.0 < next.0), "{runs:?}");
}

/// Processes whose clocks are half an hour apart, and are then put the other way round, agree by the server's clock.
#[tokio::test]
async fn the_server_s_clock_decides() {
    let server = RedisServer::start().await;
    let mut redis = server.connection().await;
    let clocks = [Clock::new(), Clock::new()];
    let mut fleet = Vec::new();
    for (clock, (name, offset)) in clocks.iter().zip([("late", -900), ("early", 900)]) {
        clock.set(offset);
        let options = ["--jitter-ms", "500"];
        fleet.push(process(&server, name, &options, Some(clock)));
    }
    for offset in [900, -900] {
        let before = began(&mut redis).await.len();
        eventually("both have run the job", async || {
            let runs = began(&mut redis).await;
            let names: BTreeSet<_> = runs[before..].iter().map(|run| &run.2).collect();
            names.len() == 2
        })
        .await;
        clocks[0].set(offset);
        clocks[1].set(-offset);
    }
    let runs = began(&mut redis).await;
    assert!(runs.is_sorted_by(|one, next| one.0 < next.0), "{runs:?}");
    for (scheduled, began, _) in &runs {
        // Not before its time, and not a quarter of an hour after it.
        assert!((0..=120_000).contains(&(began - scheduled)), "{runs:?}");
    }
}

/// While one run is under way the next ones are skipped, here and elsewhere, and each is told once.
#[tokio::test]
async fn runs_do_not_overlap() {
    for world in World::both().await {
        let gate = Gate::new();
        let other = match &world.server {
            Some(_) => world.instance().cache,
            None => world.cache.clone(),
        };
        let fleet = [
            start(&world.cache, "a", gate.job(EACH_SECOND)),
            start(&other, "b", gate.job(EACH_SECOND)),
        ];
        gate.arrival().await;
        eventually("two runs were skipped", async || {
            outcomes(&fleet[0], &JobOutcome::Skipped).await >= 2
        })
        .await;
        assert_eq!(gate.arrived.available_permits(), 0);
        let by_hand = fleet[1].run_now("count").await.unwrap();
        assert_eq!(by_hand.outcome, JobOutcome::Skipped);
        gate.open();
        eventually("the run is done", async || {
            outcomes(&fleet[0], &JobOutcome::Succeeded).await == 1
        })
        .await;
        let history = history(&fleet[0]).await;
        let done = history
            .iter()
            .find(|run| run.outcome == JobOutcome::Succeeded);
        assert_eq!(done.unwrap().figures, "all of it");
        // But for the one by hand each has its instant.
        let instants: BTreeSet<_> = history.iter().map(|run| run.scheduled).collect();
        assert_eq!(instants.len(), history.len(), "{history:?}");
    }
}

/// A run ends well, in an error, in a panic of the closure or of its future, and in time.
#[tokio::test]
async fn what_becomes_of_a_run_is_told() {
    for world in World::both().await {
        let gate = Gate::new();
        let named = |name: &str, job: Job| job.named(name);
        let jobs = Jobs::new(&world.cache)
            .job(Job::new("well", SELDOM, async |run: JobRun| {
                run.report("3 of 3");
            }))
            .job(Job::new("fails", SELDOM, async |run: JobRun| {
                run.report("1 of 3");
                Err::<(), _>("no disk".repeat(100))
            }))
            .job(Job::new("panics", SELDOM, async |run: JobRun| {
                assert_eq!(run.job(), "", "on purpose")
            }))
            .job(Job::new("panics_early", SELDOM, |run: JobRun| {
                assert_eq!(run.job(), "", "on purpose");
                async {}
            }))
            .job(named(
                "hangs",
                gate.job(SELDOM).timeout(Duration::from_millis(50)),
            ))
            .start()
            .unwrap();
        let run = async |name: &str| {
            let run = jobs.run_now(name).await.unwrap();
            let history = jobs.history(name).await.unwrap();
            assert_eq!(history, std::slice::from_ref(&run));
            assert!(run.took.is_some() && run.by.contains('/'), "{run:?}");
            (run.outcome, run.figures)
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(run("well").await, (JobOutcome::Succeeded, text("3 of 3")));
        let (failed, figures) = run("fails").await;
        assert_eq!(figures, "1 of 3");
        assert!(matches!(failed, JobOutcome::Failed(error) if error.len() == 300));
        let panicked = JobOutcome::Failed(text("it panicked"));
        for name in ["panics", "panics_early"] {
            assert_eq!(run(name).await, (panicked.clone(), text("")));
        }
        assert_eq!(run("hangs").await, (JobOutcome::TimedOut, text("half way")));
        assert!(gate.is_dropped());
        let error = jobs.run_now("another").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// Stopped, an instance ends what it does; dropped, it drops it, and leaves the job to others at once.
#[tokio::test]
async fn a_stopped_instance_ends_its_run_and_a_dropped_one_drops_it() {
    for world in World::both().await {
        let gate = Gate::new();
        let jobs = start(&world.cache, "a", gate.job(EACH_SECOND));
        gate.arrival().await;
        gate.open();
        jobs.stop().await;
        assert!(!gate.is_dropped());
        let reader = start(&world.cache, "reader", gate.job(SELDOM));
        assert_eq!(outcomes(&reader, &JobOutcome::Succeeded).await, 1);

        let jobs = start(&world.cache, "b", gate.job(EACH_SECOND));
        gate.arrival().await;
        drop(jobs);
        eventually("it is interrupted", async || {
            gate.is_dropped() && outcomes(&reader, &JobOutcome::Interrupted).await == 1
        })
        .await;
        gate.open();
        let next = reader.run_now("count").await.unwrap();
        assert_eq!(next.outcome, JobOutcome::Succeeded);
    }
}

/// An instance that stood still for longer than its lease drops its run when it learns that another one has begun.
#[tokio::test]
async fn an_instance_that_lost_its_lease_drops_its_run() {
    let server = RedisServer::builder().movable_clock().start().await;
    let cache = || {
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap()
    };
    let (gate, other) = (Gate::new(), Gate::new());
    let first = start(&cache(), "a", gate.job(SELDOM));
    let second = start(&cache(), "b", other.job(SELDOM));
    let run = async {
        let (lost, _) = tokio::join!(first.run_now("count"), async {
            gate.arrival().await;
            server.clock().set(60);
            let (next, _) = tokio::join!(second.run_now("count"), async {
                other.arrival().await;
                eventually("the first is dropped", async || gate.is_dropped()).await;
                other.open();
            });
            assert_eq!(next.unwrap().outcome, JobOutcome::Succeeded);
        });
        lost.unwrap()
    };
    assert_eq!(run.await.outcome, JobOutcome::Interrupted);
    assert_eq!(outcomes(&first, &JobOutcome::Interrupted).await, 1);
    assert_eq!(outcomes(&first, &JobOutcome::Succeeded).await, 1);
}

/// While Redis is away no run begins, that is said once, and they go on when it is back; a run that was under way does too, though Redis has lost it.
#[tokio::test]
async fn a_restart_of_redis_stops_no_job() {
    let heard = Heard::listen();
    let mut world = World::redis().await;
    let (book, gate) = (Book::default(), Gate::new());
    let other = world.instance();
    let fleet: Vec<_> = [&world.cache, &other.cache]
        .map(|cache| {
            let jobs = Jobs::new(cache).job(book.job(EACH_SECOND));
            let long = gate.job(EACH_SECOND).named("long");
            jobs.job(long).start().unwrap()
        })
        .into();
    gate.arrival().await;
    eventually("a run was done", async || book.len() > 0).await;
    world.server.as_mut().unwrap().kill();
    let said = || heard.text().matches("jobs wait").count();
    eventually("both instances say it", async || said() == 2).await;
    let before = book.len();
    assert!(fleet[0].history("count").await.is_err());
    assert!(fleet[0].run_now("count").await.is_err());
    world.server.as_mut().unwrap().restart().await;
    eventually("they go on", async || book.len() > before + 1).await;
    assert_eq!(said(), 2, "{heard:?}");
    assert!(heard.has(Level::INFO, &["jobs go on"]));
    assert!(book.is_in_order(), "{book:?}");
    let mut redis = world.server().connection().await;
    eventually("the long run is known again", async || {
        redis
            .hexists("cache:%job:{cache:long}", "token")
            .await
            .unwrap()
    })
    .await;
    gate.open();
    eventually("it is done", async || {
        let runs = fleet[0].history("long").await.unwrap();
        runs.iter().any(|run| run.outcome == JobOutcome::Succeeded)
    })
    .await;
    assert!(!gate.is_dropped());
}

/// Redis stays away for longer than a lease can be trusted: the run is dropped before another one could begin.
#[tokio::test]
async fn without_redis_a_run_is_given_up() {
    let mut world = World::redis().await;
    let gate = Gate::new();
    let jobs = start(&world.cache, "a", gate.job(EACH_SECOND));
    gate.arrival().await;
    world.server.as_mut().unwrap().kill();
    eventually("the run is dropped", async || gate.is_dropped()).await;
    drop(jobs);
}

/// Two hours without any instance: the runs that were missed are told, and those that are to be caught up with are done once.
#[tokio::test]
async fn what_was_missed_is_told_or_done_once() {
    let server = RedisServer::builder().movable_clock().start().await;
    let cache = || {
        patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap()
    };
    let (book, caught_up) = (Book::default(), Book::default());
    let start = |cache: &Cache| {
        let jobs = Jobs::new(cache).job(book.job("0 * * * *"));
        let job = caught_up.job("0 * * * *").named("caught_up").catch_up();
        jobs.job(job).start().unwrap()
    };
    let mut redis = server.connection().await;
    let jobs = start(&cache());
    for name in ["cache:%job:{cache:count}", "cache:%job:{cache:caught_up}"] {
        eventually("it is known", async || redis.exists(name).await.unwrap()).await;
    }
    drop(jobs);
    // To the middle of an hour.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let offset = 7200 + 1800 - now % 3600;
    server.clock().set(offset);
    let fleet = [start(&cache()), start(&cache())];
    eventually("it was caught up with", async || caught_up.len() == 1).await;
    eventually("it was missed", async || {
        outcomes(&fleet[0], &JobOutcome::Missed).await == 1
    })
    .await;
    for jobs in &fleet {
        eventually("all have seen it", async || {
            let ahead = UNIX_EPOCH + Duration::from_secs((now + offset) as u64);
            jobs.next_runs().iter().all(|(_, at)| *at > ahead)
        })
        .await;
    }
    assert_eq!((book.len(), caught_up.len()), (0, 1));
    assert_eq!(history(&fleet[0]).await.len(), 1);
    let done = fleet[1].history("caught_up").await.unwrap();
    assert!(done.iter().all(|run| run.outcome == JobOutcome::Succeeded) && done.len() == 1);
}

/// The last hundred runs are kept, and not for ever.
#[tokio::test]
async fn the_history_is_bounded() {
    for world in World::both().await {
        let book = Book::default();
        let jobs = start(&world.cache, "a", book.job(SELDOM));
        for _ in 0..105 {
            jobs.run_now("count").await.unwrap();
        }
        let kept = history(&jobs).await;
        let last: Vec<_> = book
            .0
            .lock()
            .unwrap()
            .iter()
            .rev()
            .take(100)
            .copied()
            .collect();
        assert_eq!(
            kept.iter().map(|run| run.scheduled).collect::<Vec<_>>(),
            last
        );
        if let Some(server) = &world.server {
            let mut redis = server.connection().await;
            for name in [
                "cache:%job:{cache:count}",
                "cache:%job:{cache:count}:history",
            ] {
                let left: i64 = redis.ttl(name).await.unwrap();
                assert!(left > 24 * 3600, "{name}: {left}");
            }
        }
    }
}

/// B6, B13: what stands without an expiry under the prefix is removed, and nothing of the cache's own, nor of a cache below.
#[tokio::test]
async fn cleaning_removes_what_has_no_expiry() {
    let world = World::redis().await;
    let below = patient(
        Cache::builder()
            .redis(world.server().url())
            .prefix("cache:below"),
    );
    let below = below.build().unwrap();
    for cache in [&world.cache, &below] {
        let rows = cache.namespace("rows");
        assert_eq!(rows.mset((0..50).map(|id| (id, id))).await, 50);
        rows.set(&(None::<u8>, "odd"), &1).await;
        let queue = cache.write_behind("views").counters_without_sink::<u64>();
        queue.unwrap().add(&1, 1).await.unwrap();
    }
    let mut redis = world.server().connection().await;
    for id in 0..2_000 {
        let () = redis.set(format!("cache:stray:{id}"), "x").await.unwrap();
    }
    let () = redis.hset("cache:stray", "a", 1).await.unwrap();
    let () = redis.set("another:stray", 1).await.unwrap();
    let before: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
    let jobs = start(&world.cache, "a", Job::clean("0 4 * * *"));
    let run = jobs.run_now("clean").await.unwrap();
    assert_eq!(run.outcome, JobOutcome::Succeeded, "{run}");
    assert_eq!(run.figures, "removed 2001 of 2103");
    let after: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
    // Beside what was removed there are the job's own names.
    assert_eq!(after, before - 2001 + 2);
    let again = jobs.run_now("clean").await.unwrap();
    assert_eq!(again.figures, "removed 0 of 102");

    let memory = World::memory().cache;
    memory.namespace("rows").set(&1, &1).await;
    let jobs = start(&memory, "a", Job::clean("0 4 * * *"));
    let run = jobs.run_now("clean").await.unwrap();
    assert_eq!(run.figures, "removed 0 of 1");
}

/// D5: how Redis is, in one event and in the history.
#[tokio::test]
async fn health_is_told() {
    let heard = Heard::listen();
    for slow in [Duration::from_nanos(1), Duration::from_secs(60)] {
        let server = RedisServer::start().await;
        let cache = patient(Cache::builder().redis(server.url()).slow_threshold(slow));
        let cache = cache.build().unwrap();
        cache.namespace("rows").get::<u64>(&1).await;
        let jobs = start(&cache, "a", Job::health("*/15 * * * *"));
        let run = jobs.run_now("health").await.unwrap();
        for said in ["Redis Connected", "ms", "MB", "Hit Rate: 0.0%"] {
            assert!(run.figures.contains(said), "{run}");
        }
        assert!(!run.figures.contains("0.0MB"), "{run}");
    }
    assert!(heard.has(Level::WARN, &["the cache is slow", "Redis Connected"]));
    assert!(heard.has(Level::INFO, &["the cache is well", "Redis Connected"]));
}

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// Warming leaves alone what is fresh, refreshing loads it anew; both tell how much it was, and when they came to nothing.
#[tokio::test]
async fn warming_and_refreshing_are_jobs() {
    for world in World::both().await {
        let world = Arc::new(world);
        let rows = {
            let world = world.clone();
            move || {
                let world = world.clone();
                Warming::new().set("rows", 0..10, move |id| {
                    let world = world.clone();
                    async move {
                        row(&world, id).await;
                    }
                })
            }
        };
        let nothing = || {
            let call = |_| async { Err::<(), _>("not there") };
            Warming::new().set("nothing", 0..3, call)
        };
        let jobs = Jobs::new(&world.cache)
            .job(Job::warm("0 */6 * * *", rows.clone()))
            .job(Job::refresh("30 * * * *", rows))
            .job(Job::warm("0 */6 * * *", nothing).named("nothing"))
            .start()
            .unwrap();
        let figures = async |job: &str| jobs.run_now(job).await.unwrap().figures;
        let rest = "0 failed, 0 degraded, 0 left";
        assert_eq!(figures("warm").await, format!("10 loaded, 0 fresh, {rest}"));
        assert_eq!(figures("warm").await, format!("0 loaded, 10 fresh, {rest}"));
        assert_eq!(
            figures("refresh").await,
            format!("10 loaded, 0 fresh, {rest}")
        );
        assert_eq!(world.loads(), 20);
        let failed = jobs.run_now("nothing").await.unwrap().outcome;
        assert_eq!(failed, JobOutcome::Failed("not there".to_owned()));
    }
}

/// Everything that is wrong is told at once, and a job that hangs for ever is none of it.
#[tokio::test]
async fn what_is_configured_wrongly_is_told() {
    let cache = World::memory().cache;
    let job = |name: &str, schedule| Job::new(name, schedule, |_| pending::<()>());
    let error = Jobs::new(&cache)
        .job(job("late", "0 25 * * *"))
        .job(job("never", "0 4 31 2 *"))
        .job(job("a b", "0 4 * * *"))
        .job(job("twice", "0 4 * * *"))
        .job(job("twice", "0 5 * * *"))
        .job(job("short", "0 5 * * *").timeout(Duration::ZERO))
        .time_zone("Europe/Atlantis")
        .start()
        .unwrap_err();
    let problems = error.problems();
    let expected = [
        ["late", "`0 25 * * *`", "its hour is `25`"],
        ["never", "`0 4 31 2 *`", "no such day"],
        ["a b", "must be named", "letters"],
        ["twice", "two jobs", "`named`"],
        ["short", "timeout", "longer than 0"],
        ["Europe/Atlantis", "time zone", "database"],
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, words) in problems.iter().zip(expected) {
        assert!(words.iter().all(|word| problem.contains(word)), "{problem}");
    }
    let jobs = Jobs::new(&cache).time_zone("Europe/Berlin");
    let jobs = jobs.job(job("fine", "@daily").jitter(Duration::MAX));
    let next = jobs.start().unwrap().next_runs();
    assert!(
        next[0].0 == "fine" && next[0].1 > SystemTime::now(),
        "{next:?}"
    );
}
