//! Many keys in one round trip: look-ups, and scripts that are called once for each key.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisError, Value};

use super::link::Live;
use super::{NOT_A_STRING, ROOT_NAME, Redis, tag_field, unexpected};
use crate::generations::{self, Field, ROOT, Stamp, Stamping};
use crate::store::{Address, Seen, StoreError};

/// The hashes of generations that a look-up of many keys asks for, each once, and what of them each key depends on.
#[derive(Default)]
struct Asked<'a> {
    /// By domain; `None` stands for tags.
    hashes: Vec<(Option<&'a str>, Fields)>,
    places: HashMap<Option<&'a str>, usize>,
    /// For each key, one after the other: hash, and places in it.
    needed: Vec<(usize, usize)>,
    /// For each key where its own end in `needed`.
    ends: Vec<usize>,
}

/// The fields of one hash, each once.
#[derive(Default)]
struct Fields {
    fields: Vec<Field>,
    places: HashMap<Field, usize, BuildHasherDefault<Hashed>>,
}

/// Of fields, which are hashes.
#[derive(Default)]
struct Hashed(u64);

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
    fn of(ats: &[Address<'a>]) -> Self {
        let mut asked = Self::default();
        for at in ats {
            let key = at.key.as_str();
            let hash = asked.hash(Some(generations::domain(key)));
            for field in generations::scopes(key) {
                asked.need(hash, field);
            }
            if !at.tags.is_empty() {
                let hash = asked.hash(None);
                for tag in at.tags {
                    asked.need(hash, tag_field(tag));
                }
            }
            asked.ends.push(asked.needed.len());
        }
        asked
    }

    /// The hash of a domain, and its root.
    fn hash(&mut self, domain: Option<&'a str>) -> usize {
        let next = self.hashes.len();
        // Keys that are next to each other often are of one domain.
        let same = |last: &usize| self.hashes[*last].0 == domain;
        let last = self.needed.last().map(|(hash, _)| *hash).filter(same);
        let hash = last.unwrap_or_else(|| *self.places.entry(domain).or_insert(next));
        if hash == next {
            self.hashes.push((domain, Fields::default()));
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

    /// The stamps of all keys, of what the `HMGET`s answered; `None` while a root is missing.
    fn stamps(
        &self,
        live: &Live,
        answers: &[Vec<Value>],
    ) -> Result<Vec<Option<Stamp>>, RedisError> {
        let whole = |(answer, (_, fields)): (&Vec<Value>, &(_, Fields))| {
            answer.len() == fields.fields.len()
        };
        if answers.len() != self.hashes.len() || !answers.iter().zip(&self.hashes).all(whole) {
            return Err(unexpected(&Value::Nil));
        }
        // Keys that are next to each other often depend on the same.
        let mut stamps: Vec<Option<Stamp>> = Vec::with_capacity(self.ends.len());
        let mut before: &[(usize, usize)] = &[];
        for needed in self.each() {
            stamps.push(match stamps.last() {
                Some(same) if before == needed => *same,
                _ => stamp(live, answers, needed)?,
            });
            before = needed;
        }
        Ok(stamps)
    }
}

/// The stamp of the generations at these places; the first of a hash is its root.
fn stamp(
    live: &Live,
    answers: &[Vec<Value>],
    needed: &[(usize, usize)],
) -> Result<Option<Stamp>, RedisError> {
    let mut stamp = Stamping::new(live.incarnation());
    for (hash, place) in needed {
        match &answers[*hash][*place] {
            Value::BulkString(bytes) => stamp.add(bytes),
            Value::Nil if *place == 0 => return Ok(None),
            Value::Nil => stamp.add(&[]),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Some(stamp.finish()))
}

impl Redis {
    /// The entries of all of `ats`, and the stamps that they must carry: `MGET`, and one `HMGET` for each domain.
    pub(crate) async fn read_many(
        &self,
        ats: &[Address<'_>],
        patience: Duration,
    ) -> Result<Vec<Seen>, StoreError> {
        if ats.is_empty() {
            return Ok(Vec::new());
        }
        let asked = Asked::of(ats);
        let mut commands = Pipeline::with_capacity(2 + asked.hashes.len());
        let mut entry = String::new();
        let entries = commands.cmd("MGET");
        for at in ats {
            entry.clear();
            entry.push_str(&self.prefix);
            entry.push_str(at.key.as_str());
            entries.arg(&entry);
        }
        for at in ats.iter().filter(|at| at.lives) {
            commands.pttl(self.entry(at.key.as_str()));
        }
        for (domain, fields) in &asked.hashes {
            let name = domain.map_or_else(|| self.tags(), |domain| self.domain(domain));
            let command = commands.cmd("HMGET").arg(name).arg(ROOT_NAME);
            for field in &fields.fields[1..] {
                command.arg(&field.to_le_bytes()[..]);
            }
        }
        let (commands, asked) = (&commands, &asked);
        self.attempt(patience, move |live| async move {
            let answers = live
                .connection()
                .req_packed_commands(commands, 0, commands.len())
                .await?;
            let mut answers = answers.into_iter();
            let entries = array(answers.next())?;
            let aged = ats.iter().filter(|at| at.lives).count();
            let lives: Vec<_> = answers.by_ref().take(aged).collect();
            let generations = answers
                .map(|answer| array(Some(answer)))
                .collect::<Result<Vec<_>, _>>()?;
            let stamps = asked.stamps(&live, &generations)?;
            if entries.len() != ats.len() {
                return Err(unexpected(&Value::Nil));
            }
            let mut lives = lives.iter();
            let seen = ats.iter().zip(entries).zip(stamps);
            let seen = seen.map(|((at, entry), stamp)| {
                let lives = if at.lives { lives.next() } else { None };
                Ok(Seen {
                    entry: found(entry)?,
                    stamp,
                    lives: lives.and_then(life),
                })
            });
            seen.collect()
        })
        .await
    }
}

fn array(answer: Option<Value>) -> Result<Vec<Value>, RedisError> {
    match answer {
        Some(Value::Array(values)) => Ok(values),
        other => Err(unexpected(&other.unwrap_or(Value::Nil))),
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
