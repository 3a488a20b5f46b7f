//! Look-ups of many keys: one round trip to each node that has any of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, RedisError, Value};

use super::link::Live;
use super::looking::command;
use super::nodes::Zone;
use super::sending::{Command, Reply, refused};
use super::told::Told;
use super::{NOT_A_STRING, ROOT_NAME, Redis, tag_field, unexpected};
use crate::envelope::HEADER;
use crate::generations::{self, Field, ROOT, Stamp};
use crate::store::{Address, Seen, StoreError};

/// The hashes of generations that a look-up of many keys asks for, each once, and what of them each key depends on.
#[derive(Default)]
struct Asked<'a> {
    hashes: Vec<(Hash<'a>, Fields)>,
    places: HashMap<Hash<'a>, usize>,
    /// For each key, one after the other: hash, and places in it.
    needed: Vec<(usize, usize)>,
    /// For each key where its own end in `needed`.
    ends: Vec<usize>,
}

/// By zone and domain; `None` stands for tags.
type Hash<'a> = (Zone, Option<&'a str>);

/// An answer's values, and who gave them.
type Values = Result<(Vec<Value>, Arc<Live>), StoreError>;

/// What is stored under a key, and who told it.
pub(super) type Entry = Result<(Option<Bytes>, Arc<Live>), StoreError>;

/// The fields of one hash, each once.
#[derive(Default)]
struct Fields {
    fields: Vec<Field>,
    places: HashMap<Field, usize, BuildHasherDefault<Hashed>>,
}

/// Of what is a hash already.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a field is a number");
    }

    fn write_u64(&mut self, field: u64) {
        self.0 = field;
    }
}

impl<'a> Asked<'a> {
    fn of(redis: &Redis, ats: &[Address<'a>]) -> Self {
        let mut asked = Self::default();
        for at in ats {
            let key = at.key.as_str();
            let zone = redis.zone(key);
            let hash = asked.hash((zone, Some(generations::domain(key))));
            for field in generations::scopes(key) {
                asked.need(hash, field);
            }
            if !at.tags.is_empty() {
                let hash = asked.hash((zone, None));
                for tag in at.tags {
                    asked.need(hash, tag_field(tag));
                }
            }
            asked.ends.push(asked.needed.len());
        }
        asked
    }

    /// The hash of a domain, and its root.
    fn hash(&mut self, name: Hash<'a>) -> usize {
        let next = self.hashes.len();
        // Keys that are next to each other often are of one domain.
        let same = |last: &usize| self.hashes[*last].0 == name;
        let last = self.needed.last().map(|(hash, _)| *hash).filter(same);
        let hash = last.unwrap_or_else(|| *self.places.entry(name).or_insert(next));
        if hash == next {
            self.hashes.push((name, Fields::default()));
        }
        self.need(hash, ROOT);
        hash
    }

    fn need(&mut self, hash: usize, field: Field) {
        let Fields { fields, places } = &mut self.hashes[hash].1;
        let next = fields.len();
        let place = *places.entry(field).or_insert(next);
        if place == next {
            fields.push(field);
        }
        self.needed.push((hash, place));
    }

    /// What each key depends on, in the order of the keys.
    fn each(&self) -> impl Iterator<Item = &[(usize, usize)]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.needed[begin..*end])
    }

    /// Of each key what is stored, and the stamp that it must carry.
    fn seen(&self, entries: Vec<Entry>, hashes: &[Values]) -> Vec<Result<Seen, StoreError>> {
        let mut all: Vec<Result<Seen, StoreError>> = Vec::with_capacity(entries.len());
        // Keys that are next to each other often depend on the same.
        let mut before: (&[(usize, usize)], Option<Arc<Live>>) = (&[], None);
        for (entry, needed) in entries.into_iter().zip(self.each()) {
            let seen = entry.and_then(|(entry, by)| {
                let same = before.0 == needed
                    && before.1.as_ref().is_some_and(|one| Arc::ptr_eq(one, &by));
                let stamp = match all.last() {
                    Some(Ok(last)) if same => last.stamp,
                    _ => stamp(&by, hashes, needed)?,
                };
                before = (needed, Some(by));
                Ok(Seen {
                    entry,
                    stamp,
                    lives: None,
                })
            });
            all.push(seen);
        }
        all
    }
}

/// The stamp of the generations at these places; the first of a hash is its root. `None` while one is missing.
fn stamp(
    entry: &Live,
    hashes: &[Values],
    needed: &[(usize, usize)],
) -> Result<Option<Stamp>, StoreError> {
    let mut stamp = Told::beside(entry);
    for (hash, place) in needed {
        let (values, by) = hashes[*hash].as_ref().map_err(Clone::clone)?;
        let value = &values[*place];
        if *place == 0 && *value == Value::Nil {
            return Ok(None);
        }
        stamp.by(by);
        stamp.add(value).map_err(|error| refused(&error))?;
    }
    Ok(Some(stamp.finish()))
}

impl Redis {
    /// The entries of all of `ats`, and the stamps that they must carry.
    pub(crate) async fn read_many(
        &self,
        ats: &[Address<'_>],
        patience: Duration,
    ) -> Vec<Result<Seen, StoreError>> {
        if ats.is_empty() {
            return Vec::new();
        }
        match self.reads_replicas() {
            true => Box::pin(self.read_vouched(ats, patience)).await,
            false => self.read_masters(ats, &[], patience).await,
        }
    }

    /// The same from masters: `MGET`, or in a cluster `GET` of each, and one `HMGET` for each domain; of those that are `vouched` for the heads alone, in place of the entries.
    pub(super) async fn read_masters(
        &self,
        ats: &[Address<'_>],
        vouched: &[bool],
        patience: Duration,
    ) -> Vec<Result<Seen, StoreError>> {
        let asked = Asked::of(self, ats);
        let mut commands = self.gets(ats, vouched);
        let gets = commands.len();
        for at in ats.iter().filter(|at| at.lives) {
            let entry = self.entry(at.key.as_str());
            commands.push(self.command(&entry, command("PTTL", &entry, 0)));
        }
        for ((zone, domain), fields) in &asked.hashes {
            let name = match domain {
                Some(domain) => self.domain(*zone, domain),
                None => self.tags(*zone),
            };
            let mut command = command("HMGET", &name, fields.fields.len());
            command.arg(ROOT_NAME);
            for field in &fields.fields[1..] {
                command.arg(&field.to_le_bytes()[..]);
            }
            commands.push(self.command(&name, command));
        }
        let mut replies = self
            .send(commands, patience, self.retries)
            .await
            .into_iter();
        let entries = entries(replies.by_ref().take(gets), ats.len());
        let aged = ats.iter().filter(|at| at.lives).count();
        let lives: Vec<_> = replies.by_ref().take(aged).collect();
        let hashes: Vec<_> = replies
            .zip(&asked.hashes)
            .map(|(reply, (_, fields))| array(reply, fields.fields.len()))
            .collect();
        let mut all = asked.seen(entries, &hashes);
        let aged = all.iter_mut().zip(ats).filter(|(_, at)| at.lives);
        for ((seen, _), lives) in aged.zip(lives) {
            if let (Ok(seen), Ok(reply)) = (seen, lives) {
                seen.lives = life(&reply.value);
            }
        }
        all
    }

    /// Commands that get the entries, or the heads of those that are `vouched` for: `MGET` is for one server and whole entries alone.
    pub(super) fn gets(&self, ats: &[Address<'_>], vouched: &[bool]) -> Vec<Command> {
        let names = ats.iter().map(|at| self.entry(at.key.as_str()));
        if self.nodes.is_cluster() || vouched.contains(&true) {
            let vouched = vouched.iter().copied().chain(std::iter::repeat(false));
            let get = |(name, vouched): (String, bool)| {
                let get = match vouched {
                    true => Cmd::getrange(&name, 0, HEADER as isize - 1),
                    false => command("GET", &name, 0),
                };
                self.command(&name, get)
            };
            return names.zip(vouched).map(get).collect();
        }
        let mut command = redis::cmd("MGET");
        for name in names {
            command.arg(name);
        }
        vec![self.command("", command)]
    }
}

/// The entries that one `MGET` or so many `GET`s answer.
pub(super) fn entries(
    replies: impl Iterator<Item = Result<Reply, StoreError>>,
    keys: usize,
) -> Vec<Entry> {
    let one = |value, by| match found(value) {
        Ok(entry) => Ok((entry, by)),
        Err(error) => Err(refused(&error)),
    };
    let mut all = Vec::with_capacity(keys);
    for reply in replies {
        match reply {
            Ok(Reply {
                value: Value::Array(values),
                by,
                ..
            }) => all.extend(values.into_iter().map(|value| one(value, by.clone()))),
            Ok(Reply { value, by, .. }) => all.push(one(value, by)),
            Err(error) => all.push(Err(error)),
        }
    }
    // `MGET` that was not answered was about all of them.
    let last = all.last().and_then(|last| last.as_ref().err()).cloned();
    let rest = last.unwrap_or_else(|| refused(&unexpected(&Value::Nil)));
    all.resize_with(keys, || Err(rest.clone()));
    all
}

/// So many values.
fn array(reply: Result<Reply, StoreError>, length: usize) -> Values {
    let reply = reply?;
    match reply.value {
        Value::Array(values) if values.len() == length => Ok((values, reply.by)),
        other => Err(refused(&unexpected(&other))),
    }
}

/// An entry, as `GET` and `MGET` answer it.
pub(super) fn found(answer: Value) -> Result<Option<Bytes>, RedisError> {
    match answer {
        Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
        Value::ServerError(error) if error.code() == "WRONGTYPE" => {
            Ok(Some(Bytes::from_static(NOT_A_STRING)))
        }
        Value::ServerError(error) => Err(error.into()),
        _ => Ok(None),
    }
}

/// How long an entry has still to live, as `PTTL` answers it.
pub(super) fn life(answer: &Value) -> Option<Duration> {
    match answer {
        Value::Int(left) => u64::try_from(*left).ok().map(Duration::from_millis),
        _ => None,
    }
}
