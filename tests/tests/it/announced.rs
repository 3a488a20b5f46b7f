//! Writes that are announced, refused, or followed by a hold-off.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{AfterCommit, Cache, Error, ErrorKind, cached, invalidates};
use cache_tests::{RedisServer, eventually};

use crate::world::{World, patient};

#[cached(namespace = "rows:all", ttl = "1h", key = id, tags = ["row:{id}"], cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

mod refused {
    use super::*;

    #[derive(Debug)]
    struct Unavailable(ErrorKind);

    impl From<Error> for Unavailable {
        fn from(error: Error) -> Self {
            Self(error.kind())
        }
    }

    #[invalidates(row(id), on_unreachable = fail, cache = world.cache)]
    async fn write(world: &World, id: u64, value: u64) -> Result<(), Unavailable> {
        world.set_row(id, value);
        Ok(())
    }

    #[invalidates(row(id), on_unreachable = queue, cache = world.cache)]
    async fn write_anyway(world: &World, id: u64, value: u64) -> Result<(), Unavailable> {
        world.set_row(id, value);
        Ok(())
    }

    #[tokio::test]
    async fn a_write_that_could_not_be_made_known_is_not_begun() {
        let mut world = World::redis().await;
        write(&world, 1, 1).await.unwrap();
        assert_eq!(row(&world, 1).await, 1);
        world.server.as_mut().unwrap().kill();
        eventually("the loss is noticed", async || {
            match write(&world, 1, 2).await {
                Err(Unavailable(kind)) => {
                    assert!(matches!(kind, ErrorKind::Unreachable | ErrorKind::Refused));
                    true
                }
                Ok(()) => false,
            }
        })
        .await;
        assert_eq!(world.row(1), 1, "it was written");
        let stats = world.cache.stats();
        assert_eq!(
            stats.pending_invalidations, 0,
            "what was not written is not owed"
        );
        assert!(stats.total.refused_writes >= 1);
        write_anyway(&world, 1, 3).await.unwrap();
        assert_eq!(world.row(1), 3);
        assert_eq!(world.cache.stats().pending_invalidations, 1);

        world.server.as_mut().unwrap().restart().await;
        eventually("Redis is used again", async || {
            write(&world, 1, 4).await.is_ok()
        })
        .await;
        assert_eq!(row(&world, 1).await, 4);
    }

    /// A typing error in the address does not make a cache of its own of it, of which the fleet would hear nothing.
    #[tokio::test]
    async fn with_an_address_that_cannot_be_used_it_is_refused() {
        const NAME: &str = "announced::refused::with_an_address_that_cannot_be_used_it_is_refused";

        #[invalidates("rows:*", on_unreachable = fail)]
        async fn strict() -> Result<(), Unavailable> {
            Ok(())
        }

        if std::env::var("CACHE_TEST_ADDRESS").is_ok() {
            strict().await.unwrap_err();
            return;
        }
        for (name, value) in [("REDIS_URL", "redis:/nonsense"), ("REDIS_PORT", "abc")] {
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", NAME])
                .env("CACHE_TEST_ADDRESS", "")
                .env("REDIS_HOST", "localhost")
                .env(name, value)
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{name}={value}");
        }
    }

    /// A store of this process is always there.
    #[tokio::test]
    async fn without_redis_nothing_is_refused() {
        let world = World::memory();
        write(&world, 1, 1).await.unwrap();
        assert_eq!(row(&world, 1).await, 1);
    }
}

mod held_off {
    use super::*;

    /// Loads answer from a replica that is behind.
    #[invalidates(row(id), hold_off = "1h", cache = world.cache)]
    async fn by_key(world: &World, id: u64) {}

    #[invalidates("rows:*:{id}", hold_off = "1h", cache = world.cache)]
    async fn by_pattern(world: &World, id: u64) {}

    #[invalidates("rows:*", hold_off = "1h", cache = world.cache)]
    async fn by_domain(world: &World, _: u64) {}

    #[invalidates("rows:al*:{id}", hold_off = "1h", cache = world.cache)]
    async fn by_sweep(world: &World, id: u64) {}

    #[invalidates(tag = "row:{id}", hold_off = "1h", cache = world.cache)]
    async fn by_tag(world: &World, id: u64) {}

    #[tokio::test]
    async fn what_a_lagging_replica_says_right_after_a_write_is_not_stored() {
        macro_rules! try_all {
            ($($way:ident),*) => {$(
                for world in World::both().await {
                    let place = concat!(stringify!($way), " in ");
                    let name = world.cache.store_name();
                    assert_eq!((row(&world, 1).await, row(&world, 2).await), (0, 0));
                    $way(&world, 1).await;
                    // The replica has not got it yet.
                    assert_eq!(row(&world, 1).await, 0);
                    world.set_row(1, 5);
                    assert_eq!(row(&world, 1).await, 5, "{place}{name}: the lagging answer was stored");
                    row::put(&world, 1, 7).await;
                    row::refresh(&world, 1).await;
                    world.set_row(1, 6);
                    assert_eq!(row(&world, 1).await, 6, "{place}{name}: stored by hand");
                    assert!(world.cache.stats().total.held_back >= 3);
                    if stringify!($way) != "by_domain" && !(stringify!($way) == "by_sweep" && name == "redis") {
                        let loads = world.loads();
                        row(&world, 2).await;
                        row(&world, 2).await;
                        assert!(world.loads() <= loads + 1, "{place}{name}: another row is not cached");
                    }
                }
            )*};
        }
        try_all!(by_key, by_pattern, by_domain, by_sweep, by_tag);
    }

    /// Answered, not stored, and still loaded once for all that wait together.
    #[tokio::test]
    async fn callers_of_that_time_share_loads() {
        for world in World::both().await {
            by_key(&world, 1).await;
            world.close_gate();
            let calls: Vec<_> = (0..100).map(|_| row(&world, 1)).collect();
            let open = async {
                eventually("all wait", async || world.cache.stats().total.misses == 100).await;
                world.open_gate();
            };
            tokio::join!(futures_util::future::join_all(calls), open);
            assert_eq!((world.loads(), world.cache.stats().total.held_back), (1, 1));
        }
    }

    #[tokio::test]
    async fn it_ends_and_it_may_be_the_cache_s_own() {
        let server = RedisServer::start().await;
        let brief = Duration::from_millis(300);
        for builder in [Cache::builder(), Cache::builder().redis(server.url())] {
            let cache = patient(builder.hold_off(brief)).build().unwrap();
            let world = World::over(cache, None);
            row::invalidate(&world, 1).await;
            row(&world, 1).await;
            assert_eq!(world.cache.stats().total.held_back, 1);
            eventually("it is stored again", async || {
                let loads = world.loads();
                row(&world, 1).await;
                world.loads() == loads
            })
            .await;
        }
    }
}

/// A source that other processes share: a file.
#[derive(Debug)]
struct Source {
    cache: Cache,
    folder: PathBuf,
}

impl Source {
    fn over(redis: &str, folder: &Path) -> Self {
        Self {
            cache: patient(Cache::builder().redis(redis)).build().unwrap(),
            folder: folder.to_owned(),
        }
    }

    fn has(&self, file: &str) -> bool {
        self.folder.join(file).exists()
    }

    fn set(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join("new"), text).unwrap();
        std::fs::rename(self.folder.join("new"), self.folder.join(file)).unwrap();
    }
}

#[cached(namespace = "files:of", ttl = "1h", key = id, tags = ["file:{id}"], cache = source.cache)]
async fn file(source: &Source, #[skip] loads: &AtomicU64, id: u64) -> String {
    loads.fetch_add(1, Ordering::SeqCst);
    std::fs::read_to_string(source.folder.join("row")).unwrap()
}

/// Writes when it is told to, and is killed before it can invalidate.
async fn doomed(source: &Source) {
    source.set("announced", "");
    eventually("told to write", async || source.has("go")).await;
    source.set("row", "new");
    std::future::pending().await
}

#[invalidates(file(id), crash_safe = "3s", cache = source.cache)]
async fn by_key(source: &Source, id: u64) {
    doomed(source).await;
}

#[invalidates("files:*:{id}", crash_safe = "3s", cache = source.cache)]
async fn by_pattern(source: &Source, id: u64) {
    doomed(source).await;
}

#[invalidates("files:o*:{id}", crash_safe = "3s", cache = source.cache)]
async fn by_sweep(source: &Source, id: u64) {
    doomed(source).await;
}

#[invalidates(tag = "file:{id}", crash_safe = "3s", cache = source.cache)]
async fn by_tag(source: &Source, id: u64) {
    doomed(source).await;
}

const WAYS: [&str; 4] = ["key", "pattern", "sweep", "tag"];

async fn write(way: &str, source: &Source) {
    match way {
        "key" => by_key(source, 1).await,
        "pattern" => by_pattern(source, 1).await,
        "sweep" => by_sweep(source, 1).await,
        _ => by_tag(source, 1).await,
    }
}

/// A writer is killed between its commit and its invalidation. This test is also that writer, in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_killed_between_commit_and_invalidation_leaves_nothing_stale() {
    const NAME: &str =
        "announced::a_writer_killed_between_commit_and_invalidation_leaves_nothing_stale";
    if let Ok(order) = std::env::var("CACHE_TEST_WRITER") {
        let [way, redis, folder] = order.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{order}");
        };
        return write(way, &Source::over(redis, Path::new(folder))).await;
    }
    for way in WAYS {
        let server = RedisServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let source = Source::over(&server.url(), folder.path());
        source.set("row", "old");
        let loads = AtomicU64::new(0);
        assert_eq!(file(&source, &loads, 1).await, "old");
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(
                "CACHE_TEST_WRITER",
                format!("{way} {} {}", server.url(), folder.path().display()),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it is announced", async || source.has("announced")).await;
        // Whoever reads now reads the old row, rightly; and must not leave it behind.
        assert_eq!(file(&source, &loads, 1).await, "old");
        source.set("go", "");
        eventually("it is committed", async || {
            std::fs::read_to_string(folder.path().join("row")).unwrap() == "new"
        })
        .await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert_eq!(
            file(&source, &loads, 1).await,
            "new",
            "{way}: the killed writer left the old row"
        );
        eventually("the lease ends", async || {
            let before = loads.load(Ordering::SeqCst);
            assert_eq!(file(&source, &loads, 1).await, "new");
            loads.load(Ordering::SeqCst) == before
        })
        .await;
    }
}

/// Each writer has a mark of its own.
#[tokio::test]
async fn one_writer_s_end_does_not_end_another_s_announcement() {
    #[invalidates(row(id), "rows:*:{id}", tag = "row:{id}", crash_safe = "1h", cache = world.cache)]
    async fn hangs(world: &World, id: u64) {
        std::future::pending::<()>().await;
    }

    #[invalidates(row(id), "rows:*:{id}", tag = "row:{id}", crash_safe = "1h", cache = world.cache)]
    async fn passes(world: &World, id: u64, value: u64) -> Result<(), ()> {
        world.set_row(id, value);
        if value == 0 { Err(()) } else { Ok(()) }
    }

    for world in World::both().await {
        passes(&world, 1, 1).await.unwrap();
        passes(&world, 1, 0).await.unwrap_err();
        row(&world, 1).await;
        let loads = world.loads();
        row(&world, 1).await;
        assert_eq!(world.loads(), loads, "a finished writer's mark stayed");

        let mut killed = Box::pin(hangs(&world, 1));
        eventually("it is announced", async || {
            assert!(futures_util::poll!(&mut killed).is_pending());
            let loads = world.loads();
            row(&world, 1).await;
            world.loads() > loads
        })
        .await;
        passes(&world, 1, 2).await.unwrap();
        assert_eq!(row(&world, 1).await, 2);
        world.set_row(1, 3);
        assert_eq!(
            row(&world, 1).await,
            3,
            "stored while the other writer was at work"
        );
        // As if it had been killed: nothing of it runs any more.
        std::mem::forget(killed);
    }
}

/// Announced or not, the write is done.
#[tokio::test]
async fn what_cannot_be_announced_is_written_all_the_same() {
    #[invalidates(row(id), crash_safe = "1s", cache = world.cache)]
    async fn write(world: &World, id: u64) {
        world.set_row(id, 5);
    }

    let mut world = World::redis().await;
    row(&world, 1).await;
    world.server.as_mut().unwrap().kill();
    write(&world, 1).await;
    assert_eq!(world.row(1), 5);
    assert_eq!(world.cache.stats().pending_invalidations, 1);
}

/// What writers of a transaction have announced ends with it.
#[tokio::test]
async fn a_transaction_takes_its_announcements_down() {
    #[invalidates(row(id), crash_safe = "1h", cache = world.cache)]
    async fn write(world: &World, id: u64) {
        world.set_row(id, 5);
    }

    for world in World::both().await {
        for commit in [true, false] {
            let invalidations = AfterCommit::new();
            invalidations.scope(write(&world, 1)).await;
            if commit {
                invalidations.committed().await;
            } else {
                invalidations.rolled_back().await;
            }
            row(&world, 1).await;
            let loads = world.loads();
            row(&world, 1).await;
            assert_eq!(
                world.loads(),
                loads,
                "not stored, though the transaction is over"
            );
        }
    }
}

/// However many keys are held off, a look at the marks stays short.
#[tokio::test]
async fn marks_are_bounded() {
    let server = RedisServer::start().await;
    for builder in [Cache::builder(), Cache::builder().redis(server.url())] {
        let cache = patient(builder.hold_off(Duration::from_secs(3600)))
            .build()
            .unwrap();
        let world = World::over(cache, None);
        for thousand in 0..10 {
            let keys = (thousand * 1_000..(thousand + 1) * 1_000).map(row::key);
            world.cache.invalidate(keys).await;
        }
        row(&world, 7).await;
        row(&world, 9_999).await;
        assert_eq!(
            world.cache.stats().total.held_back,
            2,
            "forgotten past the bound"
        );
    }
    let mut redis = server.connection().await;
    let marks: u64 = redis::cmd("HLEN")
        .arg("cache:%mark:rows")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!((1..=1_000).contains(&marks), "{marks}");
}

/// Out of memory nothing can be held off; but everything can be made old, also by who may not publish.
#[tokio::test]
async fn out_of_memory_a_hold_off_keeps_no_invalidation_back() {
    let server = RedisServer::builder()
        .config("maxmemory", "3mb")
        .config("maxmemory-policy", "noeviction")
        .start()
        .await;
    let cache = |hold_off| {
        let builder = patient(Cache::builder().redis(server.url())).hold_off(hold_off);
        World::over(builder.build().unwrap(), None)
    };
    let (here, there) = (cache(Duration::from_millis(1)), cache(Duration::ZERO));
    row(&there, 1).await;
    let mut redis = server.connection().await;
    for command in [
        ["CONFIG", "SET", "maxmemory", "1"],
        ["ACL", "SETUSER", "default", "resetchannels"],
    ] {
        let _: () = redis::cmd(command[0])
            .arg(&command[1..])
            .query_async(&mut redis)
            .await
            .unwrap();
    }
    there.set_row(1, 5);
    let domain = cache_runtime::Pattern::parse("rows:*").unwrap();
    here.cache.try_invalidate([domain]).await.unwrap();
    assert_eq!(row(&there, 1).await, 5);
}

/// The deadline of an operation is the most that a call waits, with a near cache too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_near_cache_waits_no_longer_for_a_server_that_hangs() {
    #[cached(namespace = "near", ttl = "1h", key = id, local = "1h", cache = world.cache)]
    async fn near(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let server = RedisServer::start().await;
    server.pause();
    let deadline = Duration::from_secs(2);
    let builder = Cache::builder()
        .redis(server.url())
        .operation_timeout(deadline);
    let world = World::over(builder.connect_timeout(deadline * 5).build().unwrap(), None);
    let began = std::time::Instant::now();
    near(&world, 1).await;
    assert!(began.elapsed() < deadline * 2, "{:?}", began.elapsed());
    server.resume();
}
