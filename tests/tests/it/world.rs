//! What most tests need: a cache, and a source of truth that counts how often it is asked and can be held half way.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Builder, Cache};
use cache_tests::RedisServer;
use tokio::sync::Semaphore;

/// A cache over a table of numbers.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cache: Cache,
    pub(crate) server: Option<RedisServer>,
    rows: Mutex<HashMap<u64, u64>>,
    loads: AtomicU64,
    gate: Gate,
}

/// Holds a load between its reading of the row and its answer.
#[derive(Debug)]
struct Gate {
    closed: AtomicBool,
    arrived: Semaphore,
    passed: Semaphore,
}

impl World {
    /// With a Redis server of its own.
    pub(crate) async fn redis() -> Self {
        let server = RedisServer::start().await;
        let cache = patient(Cache::builder().redis(server.url()))
            .build()
            .unwrap();
        Self::over(cache, Some(server))
    }

    /// In this process.
    pub(crate) fn memory() -> Self {
        Self::over(Cache::builder().build().unwrap(), None)
    }

    /// One of each, for what must hold in both.
    pub(crate) async fn both() -> [Self; 2] {
        [Self::memory(), Self::redis().await]
    }

    pub(crate) fn over(cache: Cache, server: Option<RedisServer>) -> Self {
        let gate = Gate {
            closed: AtomicBool::new(false),
            arrived: Semaphore::new(0),
            passed: Semaphore::new(0),
        };
        Self {
            cache,
            server,
            rows: Mutex::default(),
            loads: AtomicU64::new(0),
            gate,
        }
    }

    /// Another instance of the program, over the same server.
    pub(crate) fn instance(&self) -> Self {
        let url = self.server.as_ref().expect("a world with a server").url();
        Self::over(patient(Cache::builder().redis(url)).build().unwrap(), None)
    }

    pub(crate) fn server(&self) -> &RedisServer {
        self.server.as_ref().expect("a world with a server")
    }

    /// What the source says now.
    pub(crate) fn row(&self, id: u64) -> u64 {
        *self.rows.lock().unwrap().entry(id).or_default()
    }

    /// Changes the source alone.
    pub(crate) fn set_row(&self, id: u64, value: u64) {
        self.rows.lock().unwrap().insert(id, value);
    }

    /// How a cached function asks the source: counted, and held at the gate when it is closed.
    pub(crate) async fn load(&self, id: u64) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let row = self.row(id);
        if self.gate.closed.load(Ordering::SeqCst) {
            self.gate.arrived.add_permits(1);
            self.gate.passed.acquire().await.unwrap().forget();
        }
        row
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// From now on loads stop at the gate.
    pub(crate) fn close_gate(&self) {
        self.gate.closed.store(true, Ordering::SeqCst);
    }

    /// Waits until a load has read its row and stands at the gate.
    pub(crate) async fn arrival(&self) {
        let arrived = tokio::time::timeout(Duration::from_secs(30), self.gate.arrived.acquire());
        arrived
            .await
            .expect("no load came to the gate within 30 s")
            .unwrap()
            .forget();
    }

    /// Takes back the pass of a load that was cancelled at the gate.
    pub(crate) fn discard_pass(&self) {
        self.gate
            .passed
            .try_acquire()
            .expect("a pass that nobody took")
            .forget();
    }

    /// Holds no load any more, after the one at the gate was cancelled.
    pub(crate) fn discard_gate(&self) {
        self.gate.closed.store(false, Ordering::SeqCst);
    }

    /// Lets one load go on; later ones are not held.
    pub(crate) fn open_gate(&self) {
        self.gate.closed.store(false, Ordering::SeqCst);
        self.gate.passed.add_permits(1);
    }
}

/// A loaded machine must not fail a test.
pub(crate) fn patient(builder: Builder) -> Builder {
    builder
        .operation_timeout(Duration::from_secs(20))
        .call_budget(Duration::from_secs(60))
        .connect_timeout(Duration::from_secs(20))
}
