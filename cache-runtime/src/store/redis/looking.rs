//! A look-up: alone in a round trip, or together with those that wait at the same moment.

use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisError, Value};

use super::link::Live;
use super::many::{found, life};
use super::{ROOT_NAME, Redis, tag_field, unexpected};
use crate::generations::{self, Stamp, Stamping};
use crate::key::{Key, Tag};
use crate::store::{Address, Seen, StoreError};
use crate::together::{Lead, Together, Turn};

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

impl Redis {
    /// What is stored under a key, and the stamp that it must carry; both are read after this was called.
    pub(crate) async fn read(
        &self,
        at: Address<'_>,
        patience: Duration,
    ) -> Result<Seen, StoreError> {
        match self.lookups.at_once() {
            Some(lead) => self.read_leading(lead, at, patience).await,
            // In a box, so that the future of a call that is alone stays small.
            None => Box::pin(self.read_waiting(at, patience)).await,
        }
    }

    async fn read_waiting(&self, at: Address<'_>, patience: Duration) -> Result<Seen, StoreError> {
        let began = Instant::now();
        loop {
            let left = patience.saturating_sub(began.elapsed());
            let turn = tokio::time::timeout(left, self.lookups.wait(Wanted::of(at)));
            match turn.await.map_err(|_| StoreError::TimedOut)? {
                Turn::Answer(answer) => return answer,
                Turn::Lead(lead) => {
                    let left = patience.saturating_sub(began.elapsed());
                    return self.read_leading(lead, at, left).await;
                }
                Turn::Again => {}
            }
        }
    }

    /// Reads for all that wait now.
    async fn read_leading(
        &self,
        lead: Lead<Wanted, Result<Seen, StoreError>>,
        at: Address<'_>,
        patience: Duration,
    ) -> Result<Seen, StoreError> {
        let others = lead.others();
        if others.is_empty() {
            return self.read_alone(at, patience).await;
        }
        let all: Vec<_> = std::iter::once(at)
            .chain(others.iter().map(|other| other.request.address()))
            .collect();
        let seen = Box::pin(self.read_many(&all, patience)).await;
        match seen {
            Ok(seen) => {
                let mut seen = seen.into_iter();
                let mine = seen.next();
                for (other, seen) in others.into_iter().zip(seen) {
                    other.answer(Ok(seen));
                }
                mine.ok_or(StoreError::TimedOut)
            }
            // The others may have more patience, and ask anew.
            Err(StoreError::TimedOut) => Err(StoreError::TimedOut),
            Err(error) => {
                for other in others {
                    other.answer(Err(error.clone()));
                }
                Err(error)
            }
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
