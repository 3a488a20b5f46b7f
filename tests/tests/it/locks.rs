//! B11: locks with a guard, among tasks and among instances.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Key};
use cache_tests::{Proxy, eventually};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use redis::AsyncCommands as _;

use crate::world::{World, patient};

const LEASE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(120);

fn key() -> Key {
    Key::new("reports", [&7 as _])
}

/// Two instances over one server; in memory two handles.
async fn pairs() -> Vec<(World, Cache)> {
    let pair = |world: World| {
        let other = match &world.server {
            Some(_) => world.instance().cache,
            None => world.cache.clone(),
        };
        (world, other)
    };
    World::both().await.into_iter().map(pair).collect()
}

/// B11: of all tasks of all instances one is inside at any time, and each one's fencing token is higher than those before.
#[tokio::test]
async fn one_is_inside_at_any_time() {
    for (world, other) in pairs().await {
        let (inside, fence) = (AtomicU32::new(0), std::sync::Mutex::new(0));
        let work = (0..40).map(|n| {
            let cache = if n % 2 == 0 { &world.cache } else { &other };
            let (inside, fence) = (&inside, &fence);
            async move {
                let lock = cache.try_lock_within(&key(), LEASE, LONG).await;
                let lock = lock.unwrap().expect("it is given back soon");
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                let before = std::mem::replace(&mut *fence.lock().unwrap(), lock.fence());
                assert!(before < lock.fence());
                tokio::task::yield_now().await;
                assert!(lock.is_held());
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                if n % 3 == 0 {
                    lock.release().await.unwrap();
                }
            }
        });
        join_all(work).await;
    }
}

/// B11: who does not wait gets none while it is held, and a guard that is dropped frees it.
#[tokio::test]
async fn a_dropped_guard_frees_the_lock() {
    for (world, other) in pairs().await {
        let lock = world.cache.lock(&key(), LEASE).await.unwrap();
        assert!(other.try_lock(&key(), LEASE).await.unwrap().is_none());
        assert!(world.cache.try_lock(&key(), LEASE).await.unwrap().is_none());
        let short = Duration::from_millis(30);
        let none = other.try_lock_within(&key(), LEASE, short).await.unwrap();
        assert!(none.is_none());
        drop(lock);
        eventually("the lock is free", async || {
            other.try_lock(&key(), LEASE).await.unwrap().is_some()
        })
        .await;
    }
}

/// B11: it is prolonged while it is held, far beyond its lease, and free after it when the holder's runtime is gone.
#[tokio::test]
async fn a_holder_that_is_gone_holds_it_for_its_lease() {
    for (world, other) in pairs().await {
        let lease = Duration::from_secs(1);
        let (cache, held) = (world.cache.clone(), tokio::sync::Semaphore::new(0));
        let held = std::sync::Arc::new(held);
        let url = world.server.as_ref().map(|server| server.url());
        let told = held.clone();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let lock = runtime.block_on(async {
                // With a connection that ends with this runtime.
                let cache = match url {
                    Some(url) => patient(Cache::builder().redis(url)).build().unwrap(),
                    None => cache,
                };
                cache.try_lock(&key(), lease).await.unwrap().unwrap()
            });
            told.add_permits(1);
            let _ = ended.recv();
            // As when the process is killed: nothing is given back.
            std::mem::forget(lock);
            runtime.shutdown_background();
        });
        held.acquire().await.unwrap().forget();
        let none = other.try_lock_within(&key(), LEASE, 3 * lease).await;
        assert!(none.unwrap().is_none(), "it was prolonged");
        drop(end);
        holder.join().unwrap();
        let lock = other.try_lock_within(&key(), LEASE, LONG).await.unwrap();
        assert!(lock.is_some());
    }
}

/// B11: a holder that is cut off learns that it has lost the lock, and its fencing token is lower than the next one's.
#[tokio::test]
async fn a_holder_that_is_cut_off_has_lost_it() {
    let world = World::redis().await;
    let proxy = Proxy::start(world.server().port()).await;
    let far = Cache::builder().redis(proxy.url()).build().unwrap();
    let lease = Duration::from_secs(2);
    let mut lock = None;
    eventually("the lock is taken through the proxy", async || {
        lock = far.lock(&key(), lease).await;
        lock.is_some()
    })
    .await;
    let lock = lock.unwrap();
    proxy.refuse(true);
    proxy.cut();
    let lost = tokio::time::timeout(Duration::from_secs(30), lock.lost()).await;
    assert!(lost.is_ok() && !lock.is_held());
    let next = world.cache.try_lock_within(&key(), LEASE, LONG).await;
    assert!(next.unwrap().unwrap().fence() > lock.fence());
}

/// B11: who waits gets it when it is given back, and all that wait on other instances are told.
#[tokio::test]
async fn who_waits_is_told() {
    for (world, other) in pairs().await {
        let lock = world.cache.lock(&key(), LEASE).await.unwrap();
        let mut told = match &world.server {
            Some(server) => {
                let client = redis::Client::open(server.url()).unwrap();
                let mut told = client.get_async_pubsub().await.unwrap();
                told.subscribe("cache:%wake@0").await.unwrap();
                Some(told)
            }
            None => None,
        };
        let waiting = tokio::spawn(async move {
            let lock = other.try_lock_within(&key(), LEASE, LONG).await.unwrap();
            lock.is_some()
        });
        if let Some(server) = &world.server {
            let mut redis = server.connection().await;
            eventually("one waits", async || {
                let name = "cache:%lock:{cache:%lock:reports:7}";
                redis.hexists(name, "awaited").await.unwrap()
            })
            .await;
        }
        lock.release().await.unwrap();
        assert!(waiting.await.unwrap());
        if let Some(told) = &mut told {
            let told = tokio::time::timeout(LEASE, told.on_message().next()).await;
            let said: String = told.unwrap().unwrap().get_payload().unwrap();
            assert_eq!(said, "%lock:reports:7");
        }
    }
}

/// Fencing tokens rise also when Redis has lost what it knew.
#[tokio::test]
async fn fencing_tokens_rise_over_a_flush() {
    let world = World::redis().await;
    let first = world.cache.lock(&key(), LEASE).await.unwrap();
    let mut redis = world.server().connection().await;
    let () = redis::cmd("FLUSHALL")
        .query_async(&mut redis)
        .await
        .unwrap();
    let second = world.cache.lock(&key(), LEASE).await.unwrap();
    assert!(second.fence() > first.fence());
    // The first one's guard does not give back what is not its own.
    first.release().await.unwrap();
    assert!(world.cache.try_lock(&key(), LEASE).await.unwrap().is_none());
}

/// While Redis is away nobody gets the lock, nobody hangs, and the twin tells why.
#[tokio::test]
async fn without_redis_there_is_no_lock() {
    let world = World::redis().await;
    let cache = Cache::builder()
        .redis(world.server().url())
        .build()
        .unwrap();
    eventually("it is connected", async || {
        cache.try_counter(&key()).await.is_ok()
    })
    .await;
    world.server().pause();
    let key = key();
    let wait = cache.lock_within(&key, LEASE, LONG);
    let none = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(none.unwrap().is_none());
    assert!(cache.try_lock(&key, LEASE).await.is_err());
    assert!(cache.stats().total.degraded >= 2);
    world.server().resume();
}
