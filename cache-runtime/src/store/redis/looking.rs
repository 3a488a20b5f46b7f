//! A look-up: alone in a round trip, or together with those that wait at the same moment.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, Value};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::link::Live;
use super::many::{Hashed, found, life};
use super::nodes::{Node, Place};
use super::sending::{Reply, refused};
use super::told::Told;
use super::{ROOT_NAME, Redis, tag_field};
use crate::generations::{self, Field, Stamp};
use crate::key::{Key, Tag, digest};
use crate::store::{Address, Seen, StoreError};
use crate::together::{Asked, Lead, RELIED_ON, Tick, Together, Waiting, Watch};

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
    loop {
        let (all, places) = distinct(&batch);
        let seen = redis.read_many(&all, redis.deadline).await;
        for (one, place) in batch.into_iter().zip(places) {
            one.answer(seen[place].clone());
        }
        match lead.batch() {
            Some(next) => batch = next,
            None => return,
        }
    }
}

/// What a batch asks for, each key once, and where among them each of its requests is: many may wait for one hot key.
fn distinct(batch: &[Waiting<Wanted, Result<Seen, StoreError>>]) -> (Vec<Address<'_>>, Vec<usize>) {
    let mut all: Vec<Address<'_>> = Vec::with_capacity(batch.len());
    let mut known: HashMap<u64, usize, BuildHasherDefault<Hashed>> = HashMap::default();
    let places = batch.iter().map(|one| {
        let at = one.request.address();
        let place = *known.entry(digest(at.key.as_str())).or_insert(all.len());
        if all.get(place).is_some_and(|known| known.asks_the_same(&at)) {
            return place;
        }
        all.push(at);
        all.len() - 1
    });
    let places = places.collect();
    (all, places)
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
        // Those that wait together wait for one node.
        let Some(node) = self.node_of(at.key) else {
            return Box::pin(self.read_alone(at, patience)).await;
        };
        let answer = match node.lookups.ask(|| Wanted::of(at)) {
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
        // What carries it has a deadline too, but may be on a runtime that nobody drives.
        let until = Instant::now() + patience;
        let answer = tokio::time::timeout_at(until, answer).await;
        match answer.map_err(|_| StoreError::TimedOut)? {
            Ok(seen) => seen,
            Err(_) => {
                let left = until.saturating_duration_since(Instant::now());
                self.read_alone(at, left).await
            }
        }
    }

    /// The node that has all that a look-up of `key` asks for; `None` where there are two, or none is known.
    pub(super) fn node_of(&self, key: &Key) -> Option<Arc<Node>> {
        if !self.nodes.is_cluster() {
            return self.nodes.known(self.nodes.slot(&[]));
        }
        let key = key.as_str();
        let known = |name: String| self.nodes.known(self.nodes.slot(name.as_bytes()));
        let node = known(self.entry(key))?;
        let other = known(self.tags(self.zone(key)))?;
        Arc::ptr_eq(&node, &other).then_some(node)
    }

    async fn read_alone(&self, at: Address<'_>, patience: Duration) -> Result<Seen, StoreError> {
        if self.reads_replicas() {
            let seen = Box::pin(self.read_vouched(&[at], patience)).await;
            return seen
                .into_iter()
                .next()
                .unwrap_or(Err(StoreError::Unreachable));
        }
        if self.nodes.is_cluster() {
            return Box::pin(self.read_apart(at, patience)).await;
        }
        let mut commands = Pipeline::with_capacity(4);
        self.commands(at, |_, command| {
            commands.add_command(command);
        });
        let commands = &commands;
        self.attempt(Place::Home, patience, move |reached| async move {
            let answers = reached
                .connection()
                .req_packed_commands(commands, 0, commands.len())
                .await?;
            let mut answers = answers.into_iter();
            let entry = found(answers.next().unwrap_or(Value::Nil))?;
            let lives = if at.lives { answers.next() } else { None };
            let mut stamp = Told::beside(&reached.live);
            let mut has_roots = true;
            for hash in answers {
                has_roots &= stamp.hash(&hash)?;
            }
            Ok(Seen {
                entry,
                stamp: has_roots.then(|| stamp.finish()),
                lives: lives.as_ref().and_then(life),
            })
        })
        .await
    }

    /// The same in a cluster, where the generations may be at another node than the entry.
    async fn read_apart(&self, at: Address<'_>, patience: Duration) -> Result<Seen, StoreError> {
        let mut commands = Vec::with_capacity(4);
        self.commands(at, |name, command| {
            commands.push(self.command(name, command))
        });
        let mut replies = self
            .send(commands, patience, self.retries)
            .await
            .into_iter();
        let mut next = || replies.next().unwrap_or(Err(StoreError::Unreachable));
        let Reply { value, by, .. } = next()?;
        let entry = found(value).map_err(|error| refused(&error))?;
        let lives = match at.lives {
            true => life(&next()?.value),
            false => None,
        };
        let stamp = stamp(&by, replies)?;
        Ok(Seen {
            entry,
            stamp,
            lives,
        })
    }

    /// The commands of a look-up, each with the name that it is about: the entry, how long it has still to live, and the generations of all scopes that
    /// it lies in, one hash for the domain and one for tags.
    fn commands(&self, at: Address<'_>, mut ask: impl FnMut(&str, Cmd)) {
        let key = at.key.as_str();
        let entry = self.entry(key);
        ask(&entry, command("GET", &entry, 0));
        if at.lives {
            ask(&entry, command("PTTL", &entry, 0));
        }
        let zone = self.zone(key);
        let mut generations = |hash: String, fields: &mut dyn ExactSizeIterator<Item = Field>| {
            let mut command = command("HMGET", &hash, 1 + fields.len());
            command.arg(ROOT_NAME);
            for field in fields {
                command.arg(&field.to_le_bytes()[..]);
            }
            ask(&hash, command);
        };
        generations(
            self.domain(zone, generations::domain(key)),
            &mut generations::scopes(key).into_iter(),
        );
        if !at.tags.is_empty() {
            generations(self.tags(zone), &mut at.tags.iter().map(tag_field));
        }
    }
}

/// A command about `name`, with room for so many fields of 8 bytes.
pub(super) fn command(verb: &str, name: &str, fields: usize) -> Cmd {
    let mut command = Cmd::with_capacity(2 + fields, verb.len() + name.len() + 8 * fields);
    command.arg(verb).arg(name);
    command
}

/// The stamp of what the `HMGET`s answered; `None` while a root is missing.
fn stamp(
    entry: &Live,
    replies: impl Iterator<Item = Result<Reply, StoreError>>,
) -> Result<Option<Stamp>, StoreError> {
    let replies = replies.collect::<Result<Vec<_>, _>>()?;
    let mut stamp = Told::beside(entry);
    for reply in &replies {
        stamp.by(&reply.by);
        let has_root = stamp.hash(&reply.value).map_err(|error| refused(&error))?;
        if !has_root {
            return Ok(None);
        }
    }
    Ok(Some(stamp.finish()))
}
