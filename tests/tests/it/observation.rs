//! P7: what happened is counted and traced.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use cache_runtime::{Cache, cached, invalidates};
use cache_tests::RedisServer;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, span};

use crate::world::World;

#[cached(namespace = "rows:by_id", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[invalidates(row(id), "rows:*", cache = world.cache)]
async fn write(world: &World, id: u64) {
    world.set_row(id, 1);
}

/// A5, B3: counters by function and namespace.
#[tokio::test]
async fn every_decision_is_counted() {
    for world in World::both().await {
        for id in [1, 2, 1, 1] {
            row(&world, id).await;
        }
        write(&world, 1).await;
        row(&world, 1).await;

        let stats = world.cache.stats();
        let counts = stats.function("observation::row").unwrap();
        assert_eq!(
            (counts.hits, counts.misses, counts.loads, counts.stores),
            (2, 3, 3, 3)
        );
        assert_eq!(counts.hit_rate(), Some(0.4));
        assert_eq!(stats.namespaces()["rows:by_id"], counts);
        assert_eq!(stats.function("write").unwrap().invalidations, 2);
        assert_eq!(stats.total.lookups(), 5);
        assert_eq!(
            Cache::builder().build().unwrap().stats().total.hit_rate(),
            None
        );
    }
}

/// Keeps what this crate says on threads that listen, level and text.
///
/// It is installed for the whole process: `tracing` caches for each callsite whether anybody is interested, and a subscriber of
/// one thread alone comes too late where another thread has been there before.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(Level, String)>>>);

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

impl tracing::Subscriber for Heard {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LISTENING.get() && metadata.target().starts_with("cache_runtime")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write as _;
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0
            .lock()
            .unwrap()
            .push((*event.metadata().level(), text.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Heard {
    fn has(&self, level: Level, words: &[&str]) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|(known, text)| *known == level && words.iter().all(|word| text.contains(word)))
    }
}

/// D8: hit and miss at debug, invalidation at info, slow at warn, connection lost at error.
#[tokio::test]
async fn events_have_the_levels_that_people_expect() {
    let heard = Heard::default();
    tracing::subscriber::set_global_default(heard.clone()).unwrap();
    LISTENING.set(true);
    let mut server = RedisServer::builder().password("hunter2").start().await;
    let cache = Cache::builder()
        .redis(server.url())
        .slow_threshold(std::time::Duration::from_nanos(1));
    let world = World::over(crate::world::patient(cache).build().unwrap(), None);

    row(&world, 7).await;
    row(&world, 7).await;
    write(&world, 7).await;
    server.kill();
    row(&world, 7).await;

    for (level, words) in [
        (Level::INFO, &["connected to Redis"][..]),
        (Level::DEBUG, &["cache miss", "rows:by_id:7"]),
        (Level::DEBUG, &["cache hit", "rows:by_id:7"]),
        (
            Level::INFO,
            &["invalidated", "rows:*", "observation::write"],
        ),
        (Level::WARN, &["slow", "rows:by_id:7"]),
        (Level::ERROR, &["connection to Redis lost", "127.0.0.1"]),
    ] {
        assert!(
            heard.has(level, words),
            "{level} {words:?} is not in {:#?}",
            heard.0.lock().unwrap()
        );
    }
    let said = heard.0.lock().unwrap();
    assert!(
        !said.iter().any(|(_, text)| text.contains("hunter2")),
        "{said:#?}"
    );
}
