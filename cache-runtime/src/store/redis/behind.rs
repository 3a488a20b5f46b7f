//! Queues of writes: a stream with one consumer group, in one slot of a cluster with what readers see of it.

use std::time::Duration;

use redis::Value;

use super::script::Script;
use super::sending::refused;
use super::{Redis, milliseconds};
use crate::behind::queue::{Depth, Entry, Id, Kind, MOST_DEAD};
use crate::store::StoreError;

static ENQUEUE: Script = Script::new(include_str!("enqueue.lua"));
static TAKE: Script = Script::new(include_str!("take.lua"));
static SETTLE: Script = Script::new(include_str!("settle.lua"));

/// Id, key and value.
type Taken = (String, Vec<u8>, Vec<u8>);

impl Redis {
    /// Queues a write, once; `false`: the queue is full.
    pub(crate) async fn enqueue(
        &self,
        queue: &str,
        kind: Kind,
        capacity: usize,
        (key, value): (&[u8], &[u8]),
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = ENQUEUE.call();
        script
            .key(self.queue(queue, "stream"))
            .key(self.queue(queue, "pending"))
            .arg(kind.name())
            .arg(capacity)
            .arg(key)
            .arg(value);
        let script = &script;
        // Not again: it would be counted twice.
        let place = self.place_of(script);
        self.attempt_once(place, patience, move |live| async move {
            let answer: Value = script.invoke(&live).await?;
            Ok(answer == Value::Int(1))
        })
        .await
    }

    /// The next batch; `None`: another consumer has the lease.
    pub(crate) async fn take(
        &self,
        queue: &str,
        token: u64,
        life: Duration,
        most: usize,
        patience: Duration,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut script = TAKE.call();
        script
            .key(self.queue(queue, "stream"))
            .key(self.queue(queue, "lease"))
            .arg(token)
            .arg(milliseconds(life))
            .arg(most);
        self.run(&script, patience, |answer| {
            let batch: Option<Vec<Taken>> = redis::from_redis_value(answer)?;
            let entry = |(id, key, value): Taken| Entry {
                id: Id::parse(&id),
                key,
                value,
            };
            Ok(batch.map(|batch| batch.into_iter().map(entry).collect()))
        })
        .await
    }

    /// Forgets what was `delivered`, moves what is `dead` aside, and prolongs the lease or, with a `life` of zero, ends it; whether it was
    /// still held.
    pub(crate) async fn settle(
        &self,
        queue: &str,
        kind: Kind,
        (token, life): (u64, Duration),
        dead: &[Id],
        delivered: &[Id],
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = SETTLE.call();
        for part in ["stream", "pending", "lease", "dead"] {
            script.key(self.queue(queue, part));
        }
        script
            .arg(token)
            .arg(milliseconds(life))
            .arg(kind.name())
            .arg(MOST_DEAD)
            .arg(dead.len());
        for id in dead.iter().chain(delivered) {
            script.arg(id.in_redis());
        }
        self.run(&script, patience, |answer| Ok(answer == Value::Int(1)))
            .await
    }

    /// What waits for `key`.
    pub(crate) async fn pending(
        &self,
        queue: &str,
        kind: Kind,
        key: &[u8],
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let name = self.queue(queue, "pending");
        let command = &redis::Cmd::hget(&name, key);
        let found: Option<Vec<u8>> = self
            .attempt(self.place(&name), patience, move |live| async move {
                command.query_async(&mut live.connection()).await
            })
            .await?;
        Ok(found.map(|found| match kind {
            Kind::Sum => found,
            // Behind its id.
            Kind::Last => {
                let space = found.iter().position(|byte| *byte == b' ');
                found[space.map_or(0, |at| at + 1)..].to_vec()
            }
        }))
    }

    pub(crate) async fn depth(&self, queue: &str, patience: Duration) -> Result<Depth, StoreError> {
        let stream = &self.queue(queue, "stream");
        let mut commands = redis::pipe();
        commands.cmd("XLEN").arg(stream);
        commands
            .cmd("XRANGE")
            .arg(stream)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1);
        commands
            .cmd("XREVRANGE")
            .arg(stream)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        commands.cmd("TIME");
        type Ends = Vec<(String, Vec<Vec<u8>>)>;
        let told = self.send_about(stream, &commands, patience).await?;
        let told = redis::from_redis_value(Value::Array(told));
        let (waiting, first, last, time): (u64, Ends, Ends, (u64, u64)) =
            told.map_err(|error| refused(&error.into()))?;
        let id = |ends: Ends| ends.first().map(|(id, _)| Id::parse(id));
        let now = time.0 * 1000 + time.1 / 1000;
        let first = id(first);
        Ok(Depth {
            waiting,
            oldest: first.map(|id| Duration::from_millis(now.saturating_sub(id.0))),
            first,
            last: id(last),
        })
    }

    fn queue(&self, queue: &str, part: &str) -> String {
        format!("{0}%behind:{{{0}{queue}}}:{part}", self.prefix)
    }
}
