//! P4 among instances: `single_flight = fleet`.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, cached};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use futures_util::future::join_all;
use redis::AsyncCommands as _;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, single_flight = fleet, lock = "10m", cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// A process with many callers of one key.
fn process(server: &RedisServer, options: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["--redis", &server.url()])
        .args(options)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn figures(process: Child) -> Value {
    let output = process.wait_with_output().await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn loads(server: &RedisServer) -> u64 {
    let loads: Option<u64> = server.connection().await.get("loads").await.unwrap();
    loads.unwrap_or_default()
}

#[tokio::test]
async fn four_processes_of_a_thousand_callers_cost_one_load() {
    let server = RedisServer::start().await;
    let options = [
        "--callers",
        "1000",
        "--load-ms",
        "500",
        "--lock-ms",
        "20000",
    ];
    let processes: Vec<_> = (0..4).map(|_| process(&server, &options)).collect();
    for figures in join_all(processes.into_iter().map(figures)).await {
        assert_eq!(figures["failed"], 0, "{figures}");
        assert_eq!(figures["answers"], serde_json::json!([1]), "{figures}");
    }
    assert_eq!(loads(&server).await, 1);
}

/// Long before the lease of a row would end.
async fn soon<F: Future>(work: F) -> F::Output {
    let work = tokio::time::timeout(Duration::from_secs(60), work);
    work.await.expect("it waits for the lease to end")
}

/// A source that fails costs one load for each process, and not one after the other.
#[tokio::test]
async fn a_failing_source_is_asked_once_by_each_process() {
    let server = RedisServer::start().await;
    let options = [
        "--callers",
        "250",
        "--load-ms",
        "1000",
        "--lock-ms",
        "60000",
        "--fail",
    ];
    let processes: Vec<_> = (0..4).map(|_| process(&server, &options)).collect();
    for figures in join_all(processes.into_iter().map(figures)).await {
        assert_eq!(figures["failed"], 250, "{figures}");
    }
    let loads = loads(&server).await;
    assert!(loads <= 8, "{loads} loads of 1,000 callers in 4 processes");
    let together: u64 = server.connection().await.get("together").await.unwrap();
    assert!(
        together >= 2,
        "one process waited for the failure of the other"
    );
}

/// The lease ends by itself, long before the ttl of an hour.
#[tokio::test]
async fn a_killed_holder_is_not_waited_for() {
    let server = RedisServer::start().await;
    let mut holder = process(
        &server,
        &[
            "--callers",
            "1",
            "--load-ms",
            "3600000",
            "--lock-ms",
            "1000",
        ],
    );
    eventually("the holder loads", async || loads(&server).await == 1).await;
    holder.kill().await.unwrap();
    let next = process(
        &server,
        &["--callers", "10", "--load-ms", "0", "--lock-ms", "20000"],
    );
    let figures = figures(next).await;
    assert_eq!(figures["answers"], serde_json::json!([2]), "{figures}");
    // Shorter than its own lock: it was the lease that ended.
    assert!(figures["milliseconds"].as_u64() < Some(15_000), "{figures}");
}

/// A lease is prolonged while its holder loads.
#[tokio::test]
async fn a_load_that_is_longer_than_its_lease_is_waited_for() {
    let server = RedisServer::start().await;
    let holder = process(
        &server,
        &["--callers", "1", "--load-ms", "2500", "--lock-ms", "1000"],
    );
    eventually("the holder loads", async || loads(&server).await == 1).await;
    let next = process(
        &server,
        &["--callers", "10", "--load-ms", "0", "--lock-ms", "20000"],
    );
    for figures in [figures(holder).await, figures(next).await] {
        assert_eq!(figures["answers"], serde_json::json!([1]), "{figures}");
    }
}

#[tokio::test]
async fn a_cancelled_leader_hands_over_to_another_instance() {
    let here = Arc::new(World::redis().await);
    let there = Arc::new(here.instance());
    here.set_row(1, 1);
    there.set_row(1, 2);
    here.close_gate();
    let leader = tokio::spawn({
        let here = here.clone();
        async move { row(&here, 1).await }
    });
    here.arrival().await;
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let there = there.clone();
            tokio::spawn(async move { row(&there, 1).await })
        })
        .collect();
    eventually("they wait", async || {
        let mut redis = here.server().connection().await;
        let awaited: Option<u8> = redis
            .hget("cache:%lease:{cache:rows:1}", "awaited")
            .await
            .unwrap();
        awaited.is_some()
    })
    .await;
    assert_eq!(there.loads(), 0);
    leader.abort();
    for answer in soon(join_all(waiting)).await {
        assert_eq!(answer.unwrap(), 2);
    }
    assert_eq!((here.loads(), there.loads()), (1, 1));
}

/// The load that another instance has announced may end before its lead is asked for.
#[tokio::test]
async fn a_load_that_has_just_ended_is_not_done_again() {
    let here = Arc::new(World::redis().await);
    let proxy = Proxy::start(here.server().port()).await;
    let there = patient(Cache::builder().redis(proxy.url())).build();
    let there = Arc::new(World::over(there.unwrap(), None));
    row(&there, 9).await;
    here.set_row(1, 7);
    here.close_gate();
    let begun = |world: &Arc<World>| {
        let world = world.clone();
        tokio::spawn(async move { row(&world, 1).await })
    };
    let first = begun(&here);
    here.arrival().await;
    let scripts = async || here.server().commandstats().await["evalsha"];
    let before = scripts().await;
    // Its announcement is done long before it hears of that.
    proxy.delay(Direction::ToClient, Duration::from_secs(2));
    let second = begun(&there);
    eventually("it has announced its load", async || {
        scripts().await > before
    })
    .await;
    here.open_gate();
    let stored = async || {
        let mut redis = here.server().connection().await;
        redis.exists::<_, bool>("cache:rows:1").await.unwrap()
    };
    eventually("the first has stored", stored).await;
    assert_eq!((first.await.unwrap(), soon(second).await.unwrap()), (7, 7));
    assert_eq!(
        (here.loads(), there.loads()),
        (1, 1),
        "it has loaded row 9 alone"
    );
}

/// Who is gone before it knows that it leads has given the lead back all the same.
#[tokio::test]
async fn a_caller_that_is_dropped_while_it_asks_for_the_lead_keeps_nothing() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let here = World::over(
        patient(Cache::builder().redis(proxy.url()))
            .build()
            .unwrap(),
        None,
    );
    row(&here, 9).await;
    here.close_gate();
    let mut redis = server.connection().await;
    let mut has_lease = async || {
        let name = "cache:%lease:{cache:rows:1}";
        redis.exists::<_, bool>(name).await.unwrap()
    };
    // The server gives the lease long before the answer comes.
    proxy.delay(Direction::ToClient, Duration::from_millis(500));
    let here = Arc::new(here);
    let call = tokio::spawn({
        let here = here.clone();
        async move { row(&here, 1).await }
    });
    eventually("it has the lead", &mut has_lease).await;
    call.abort();
    proxy.delay(Direction::ToClient, Duration::ZERO);
    eventually("the lead is given back", async || !has_lease().await).await;
}

/// What is not stored cannot be found by the others: they do not wait for one another.
#[tokio::test]
async fn answers_that_are_not_stored_are_not_loaded_by_one_instance_after_the_other() {
    #[cached(namespace = "none", ttl = "1h", key = id, single_flight = fleet, lock = "10m", cache = world.cache)]
    async fn absent(world: &World, id: u64) -> Option<u64> {
        world.load(id).await;
        None
    }

    let here = World::redis().await;
    absent(&here, 1).await;
    let mut redis = here.server().connection().await;
    let note: Option<u8> = redis
        .hget("cache:%lease:{cache:none:1}", "failed")
        .await
        .unwrap();
    assert_eq!(note, Some(1));
}

/// Nobody waits for a load from before an invalidation.
#[tokio::test]
async fn who_comes_after_an_invalidation_does_not_wait_for_who_came_before() {
    let here = Arc::new(World::redis().await);
    let there = here.instance();
    here.set_row(1, 1);
    here.close_gate();
    let leader = tokio::spawn({
        let here = here.clone();
        async move { row(&here, 1).await }
    });
    here.arrival().await;
    there.set_row(1, 2);
    row::invalidate(&there, 1).await;
    // The leader stands at the gate all the while.
    assert_eq!(soon(row(&there, 1)).await, 2);
    here.open_gate();
    assert_eq!(leader.await.unwrap(), 1);
    here.set_row(1, 2);
    assert_eq!(row(&here, 1).await, 2);
    assert_eq!(there.loads(), 1);
}
