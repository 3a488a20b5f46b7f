//! Many keys in one round trip: look-ups, and scripts that are called once for each key.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisError, Value};

use super::{NOT_A_STRING, ROOT_NAME, Redis, field_name, tag_field, unexpected};
use crate::generations::{self, Field, ROOT, Stamping};
use crate::store::{Address, Seen, StoreError};

/// The generations of one hash that are asked for, each once.
#[derive(Default)]
struct Asked {
    fields: Vec<Field>,
    places: HashMap<Field, usize>,
}

impl Asked {
    fn add(&mut self, field: Field) {
        let next = self.fields.len();
        if *self.places.entry(field).or_insert(next) == next {
            self.fields.push(field);
        }
    }
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
        let mut hashes: Vec<(String, Asked)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut ask = |name: String, fields: &mut dyn Iterator<Item = Field>| {
            let place = *places.entry(name).or_insert_with_key(|name| {
                hashes.push((name.clone(), Asked::default()));
                hashes.len() - 1
            });
            let asked = &mut hashes[place].1;
            asked.add(ROOT);
            fields.for_each(|field| asked.add(field));
            place
        };
        // For each key the places of its domain's hash and of that of tags.
        let lies_in: Vec<(usize, Option<usize>)> = ats
            .iter()
            .map(|at| {
                let key = at.key.as_str();
                let domain = self.domain(generations::domain(key));
                let domain = ask(domain, &mut generations::scopes(key).into_iter());
                let tags = (!at.tags.is_empty())
                    .then(|| ask(self.tags(), &mut at.tags.iter().map(tag_field)));
                (domain, tags)
            })
            .collect();

        let mut commands = Pipeline::with_capacity(2 + hashes.len());
        commands.mget(
            ats.iter()
                .map(|at| self.entry(at.key.as_str()))
                .collect::<Vec<_>>(),
        );
        let aged: Vec<_> = ats.iter().filter(|at| at.lives).collect();
        for at in &aged {
            commands.pttl(self.entry(at.key.as_str()));
        }
        for (name, asked) in &hashes {
            let command = commands.cmd("HMGET").arg(name).arg(ROOT_NAME);
            for field in &asked.fields[1..] {
                command.arg(field_name(*field));
            }
        }
        let (commands, hashes, lies_in, aged) = (&commands, &hashes, &lies_in, aged.len());
        self.attempt(patience, move |live| async move {
            let answers = live
                .connection()
                .req_packed_commands(commands, 0, commands.len())
                .await?;
            let mut answers = answers.into_iter();
            let entries = array(answers.next())?;
            let lives: Vec<_> = answers.by_ref().take(aged).collect();
            let generations = answers
                .map(|answer| array(Some(answer)))
                .collect::<Result<Vec<_>, _>>()?;
            if entries.len() != ats.len() || generations.len() != hashes.len() {
                return Err(unexpected(&Value::Nil));
            }
            let mut lives = lives.into_iter();
            ats.iter()
                .zip(lies_in)
                .zip(entries)
                .map(|((at, (domain, tags)), entry)| {
                    let key = at.key.as_str();
                    let mut stamp = Stamping::new(live.incarnation());
                    let scopes = generations::scopes(key);
                    let rooted = add(
                        &mut stamp,
                        &hashes[*domain].1,
                        &generations[*domain],
                        scopes,
                    )? && match tags {
                        None => true,
                        Some(tags) => {
                            let fields = at.tags.iter().map(tag_field).collect();
                            add(&mut stamp, &hashes[*tags].1, &generations[*tags], fields)?
                        }
                    };
                    Ok(Seen {
                        entry: found(entry)?,
                        stamp: rooted.then(|| stamp.finish()),
                        lives: at
                            .lives
                            .then(|| lives.next())
                            .flatten()
                            .as_ref()
                            .and_then(life),
                    })
                })
                .collect()
        })
        .await
    }
}

/// Adds the generations of `fields` to `stamp`, the root first; whether there is a root.
fn add(
    stamp: &mut Stamping,
    asked: &Asked,
    generations: &[Value],
    fields: Vec<Field>,
) -> Result<bool, RedisError> {
    if matches!(generations.first(), None | Some(Value::Nil)) {
        return Ok(false);
    }
    for field in std::iter::once(ROOT).chain(fields) {
        match generations.get(asked.places[&field]) {
            Some(Value::BulkString(bytes)) => stamp.add(bytes),
            Some(Value::Nil) => stamp.add(&[]),
            other => return Err(unexpected(other.unwrap_or(&Value::Nil))),
        }
    }
    Ok(true)
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
