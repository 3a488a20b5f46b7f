//! The same load with what people write by hand: get, load, set; commit, delete. A pattern and a tag are a walk through the keys.
//!
//! It races, as everybody's does, and the checker has to see it.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult};
use tokio::sync::Mutex;

use crate::PATIENCE;
use crate::caching::Via;
use crate::history::Value;
use crate::workload::{Call, Failed, Function, Row, Way};

/// Seconds.
const TTL: u64 = 600;

#[derive(Debug)]
pub(crate) struct Naive {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    lost: AtomicU64,
}

impl Naive {
    pub(crate) fn new(redis: &str) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(redis)?,
            connection: Mutex::new(None),
            lost: AtomicU64::new(0),
        })
    }

    pub(crate) async fn read(
        &self,
        via: Via,
        function: Function,
        row: Row,
        call: &Call<'_>,
    ) -> Option<Result<Value, Failed>> {
        if matches!(via, Via::Function | Via::Peek)
            && let Ok(bytes) = self
                .ask::<Vec<u8>>(redis::Cmd::get(key(function, row)))
                .await
            && let Ok(value) = serde_json::from_slice(&bytes)
        {
            return Some(Ok(value));
        }
        if via == Via::Peek {
            return None;
        }
        let answer = call.load(function, row.part, row.id).await;
        if let (Ok(value), true) = (&answer, via != Via::Uncached) {
            self.put(*value).await;
        }
        Some(answer)
    }

    pub(crate) async fn write(&self, way: Way, row: Row, call: &Call<'_>) -> Result<(), Failed> {
        call.write(row.part, row.id).await?;
        for pattern in patterns(way, row) {
            if self.delete(&pattern).await.is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    pub(crate) async fn put(&self, value: Value) {
        let bytes = serde_json::to_vec(&value).expect("numbers and names");
        let key = key(value.function, value.row);
        // What is not stored now is stored after the next miss.
        let _ = self.ask::<()>(redis::Cmd::set_ex(key, bytes, TTL)).await;
    }

    /// Invalidations that nobody will make good for.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    async fn delete(&self, pattern: &str) -> RedisResult<()> {
        if !pattern.contains('*') {
            return self.ask(redis::Cmd::del(pattern)).await;
        }
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(pattern)
                .arg("COUNT")
                .arg(1000);
            let (next, found): (u64, Vec<String>) = self.ask(scan).await?;
            if !found.is_empty() {
                self.ask::<()>(redis::Cmd::del(found)).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: redis::Cmd) -> RedisResult<T> {
        let mut connection = self.connect().await?;
        let answer = command.query_async(&mut connection).await;
        if answer.is_err() {
            *self.connection.lock().await = None;
        }
        answer
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(connection.insert(made.await?).clone())
    }
}

fn key(function: Function, Row { part, id }: Row) -> String {
    match function {
        Function::Exact => format!("soak:exact:{part}:{id}"),
        Function::Trailing => format!("soak:trailing:{part}:{id}"),
        Function::Middle => format!("soak:middle:{part}:{id}"),
        Function::Tagged => format!("tagged:{part}:{id}"),
        Function::Near => format!("soak:near:{part}:{id}"),
    }
}

fn patterns(way: Way, row: Row) -> Vec<String> {
    let Row { part, id } = row;
    match way {
        Way::Exact => vec![key(Function::Exact, row), key(Function::Near, row)],
        Way::Through => vec![key(Function::Exact, row)],
        Way::Trailing => vec![format!("soak:trailing:{part}:*")],
        Way::Middle => vec![format!("soak:middle:*:{id}")],
        Way::MiddleAndTrailing => vec![format!("soak:*:{part}:*")],
        Way::Tag => vec![format!("tagged:{part}:*")],
        Way::All => [Way::Exact, Way::Trailing, Way::Middle, Way::Tag]
            .into_iter()
            .flat_map(|way| patterns(way, row))
            .collect(),
        Way::Cut => vec!["soak:exact:*:1*".to_owned()],
    }
}
