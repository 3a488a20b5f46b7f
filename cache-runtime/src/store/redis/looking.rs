//! A look-up: alone in a round trip, or together with those that wait at the same moment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisError, Value};
use tokio::runtime::Handle;

use super::link::Live;
use super::many::{found, life};
use super::{RELIED_ON, ROOT_NAME, Redis, tag_field, unexpected};
use crate::generations::{self, Stamp, Stamping};
use crate::key::{Key, Tag};
use crate::store::{Address, Seen, StoreError};
use crate::together::{Asked, Lead, Tick, Together, Waiting, Watch};

/// Look-ups that wait.
pub(super) type Lookups = Together<Wanted, Result<Seen, StoreError>>;

/// An [`Address`] that waits.
pub(super) struct Wanted {
    key: Key,
    tags: Vec<Tag>,
    lives: bool,
}

impl Wanted {
    fn of(at: Address<'_>) -> Self {
        Self {
            key: at.key.clone(),
            tags: at.tags.to_vec(),
            lives: at.lives,
        }
    }

    fn address(&self) -> Address<'_> {
        Address {
            key: &self.key,
            tags: &self.tags,
            lives: self.lives,
        }
    }
}

/// Leave to look up. Those that wait by the time it ends leave together.
struct Turn {
    redis: Arc<Redis>,
    lead: Option<Lead<Wanted, Result<Seen, StoreError>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let first = self.lead.as_ref().and_then(Lead::batch);
        if let (Some(lead), Some(first)) = (self.lead.take(), first)
            && let Ok(runtime) = Handle::try_current()
        {
            // It ends by the deadline of its last round trip, and without it those that wait ask anew.
            runtime.spawn(look_up(self.redis.clone(), lead, first));
        }
    }
}

/// Looks up for all that wait, until nobody does.
async fn look_up(
    redis: Arc<Redis>,
    lead: Lead<Wanted, Result<Seen, StoreError>>,
    mut batch: Vec<Waiting<Wanted, Result<Seen, StoreError>>>,
) {
    // They may have waited for two ticks.
    let patience = redis.deadline.saturating_sub(2 * RELIED_ON);
    let patience = patience.max(redis.deadline / 2);
    loop {
        let all: Vec<_> = batch.iter().map(|one| one.request.address()).collect();
        let seen = redis.read_many(&all, patience).await;
        match seen {
            Ok(seen) => {
                for (one, seen) in batch.into_iter().zip(seen) {
                    one.answer(Ok(seen));
                }
            }
            // One name that cannot be read is no fault of the others.
            Err(StoreError::Refused(_)) if batch.len() > 1 => {
                let each = batch.into_iter().map(async |one| {
                    let seen = redis.read_alone(one.request.address(), patience).await;
                    one.answer(seen);
                });
                join_all(each).await;
            }
            Err(error) => {
                for one in batch {
                    one.answer(Err(error.clone()));
                }
            }
        }
        match lead.batch() {
            Some(next) => batch = next,
            None => return,
        }
    }
}

/// Ticks until nobody waits.
async fn watch(redis: Arc<Redis>, mut watch: Watch<Wanted, Result<Seen, StoreError>>) {
    loop {
        tokio::time::sleep(RELIED_ON).await;
        match watch.tick() {
            Tick::Over => return,
            Tick::Quiet => {}
            Tick::Stuck(lead) => drop(Turn {
                redis: redis.clone(),
                lead: Some(lead),
            }),
        }
    }
}

impl Redis {
    /// What is stored under a key, and the stamp that it must carry; both are read after this was called.
    pub(crate) async fn read(
        self: &Arc<Self>,
        at: Address<'_>,
        patience: Duration,
    ) -> Result<Seen, StoreError> {
        let answer = match self.lookups.ask(|| Wanted::of(at)) {
            Asked::Leads(lead) => {
                let _turn = Turn {
                    redis: self.clone(),
                    lead: Some(lead),
                };
                return self.read_alone(at, patience).await;
            }
            Asked::Waits(answer, watched) => {
                if let Some(watched) = watched {
                    // It ends when nobody waits any more; with its runtime, all that wait ask anew.
                    tokio::spawn(watch(self.clone(), watched));
                }
                answer
            }
        };
        // What carries it has a deadline: one of its own is for who has less time.
        let answer = if patience < self.deadline {
            let answer = tokio::time::timeout(patience, answer).await;
            answer.map_err(|_| StoreError::TimedOut)?
        } else {
            answer.await
        };
        match answer {
            Ok(seen) => seen,
            Err(_) => self.read_alone(at, patience).await,
        }
    }

    async fn read_alone(&self, at: Address<'_>, patience: Duration) -> Result<Seen, StoreError> {
        let mut commands = Pipeline::with_capacity(4);
        commands.get(self.entry(at.key.as_str()));
        if at.lives {
            commands.pttl(self.entry(at.key.as_str()));
        }
        self.generations(&mut commands, at);
        let commands = &commands;
        self.attempt(patience, move |live| async move {
            let answers = live
                .connection()
                .req_packed_commands(commands, 0, commands.len())
                .await?;
            let mut answers = answers.into_iter();
            let entry = found(answers.next().unwrap_or(Value::Nil))?;
            let lives = if at.lives { answers.next() } else { None };
            let lives = lives.as_ref().and_then(life);
            Ok(Seen {
                entry,
                stamp: stamp(&live, answers)?,
                lives,
            })
        })
        .await
    }

    /// Asks for the generations of all scopes that `at` lies in: one hash for the domain, one for tags.
    pub(super) fn generations(&self, commands: &mut Pipeline, at: Address<'_>) {
        let key = at.key.as_str();
        let command = commands
            .cmd("HMGET")
            .arg(self.domain(generations::domain(key)))
            .arg(ROOT_NAME);
        for field in generations::scopes(key) {
            command.arg(&field.to_le_bytes()[..]);
        }
        if !at.tags.is_empty() {
            let command = commands.cmd("HMGET").arg(self.tags()).arg(ROOT_NAME);
            for tag in at.tags {
                command.arg(&tag_field(tag).to_le_bytes()[..]);
            }
        }
    }
}

/// The stamp of what the `HMGET`s answered; `None` while a root is missing.
pub(super) fn stamp(
    live: &Live,
    answers: impl Iterator<Item = Value>,
) -> Result<Option<Stamp>, RedisError> {
    let mut stamp = Stamping::new(live.incarnation());
    for hash in answers {
        let hash = match hash {
            Value::Array(hash) => hash,
            Value::ServerError(error) => return Err(error.into()),
            other => return Err(unexpected(&other)),
        };
        if matches!(hash.first(), None | Some(Value::Nil)) {
            return Ok(None);
        }
        for generation in hash {
            match generation {
                Value::BulkString(bytes) => stamp.add(&bytes),
                Value::Nil => stamp.add(&[]),
                other => return Err(unexpected(&other)),
            }
        }
    }
    Ok(Some(stamp.finish()))
}
