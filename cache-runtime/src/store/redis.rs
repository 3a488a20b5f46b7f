//! The store that a fleet shares. Only this module and its own know the Redis client.
//!
//! | name in Redis | what |
//! |---|---|
//! | `prefix:exec:dashboard:ws12` | an entry |
//! | `prefix:%gen:exec` | hash: the generations of the domain `exec` |
//! | `prefix:%tags` | hash: the generations of tags |
//! | `prefix:%mark:exec`, `prefix:%mark:%tags` | hash: what writers are about to write, and until when |
//! | `prefix:%pushes` | how many invalidations were pushed; with `@` and the database's number the name of their channel |
//! | `prefix:%lease:{prefix:exec:dashboard:ws12}` | hash: which instance loads for the fleet, and with which ticket |
//! | `prefix:%wake@0` | the channel of those that wait for such a load |
//! | `prefix:%fence:{prefix:exec:dashboard:ws12}` | while a load runs: its fence, in the entry's slot of a cluster |
//! | `prefix:%behind:{prefix:views}:stream`, `…:pending`, `…:dead` | lasting: writes that wait for their source, what readers see of them, what could not be read |
//! | `prefix:%behind:{prefix:views}:lease` | which consumer hands them to the source |

mod attempt;
mod behind;
mod change;
mod lease;
pub(crate) mod link;
pub(crate) mod server;
mod sweep;
pub(crate) mod tls;

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{Client, Pipeline, RedisError, Script, ScriptInvocation, Value};

pub(crate) use self::lease::Asked;
use self::link::{Link, Live, Settings};
use super::{Address, Busy, Filling, Opening, Seen, StoreError, Ticket};
use crate::envelope::HEADER;
use crate::generations::{self, Field, ROOT, Stamp, Stamping};
use crate::key::{Key, Tag};
use crate::near;
use crate::wakes::Wakes;

/// How long an abandoned load's fence stays. A load that takes longer is answered and not stored.
const FENCE_LIFE: Duration = Duration::from_secs(600);

/// What stands in for the head of a key that holds no string at all.
const NOT_A_STRING: &[u8] = b"!";

/// The field of the root, in hashes of generations and of marks.
const ROOT_NAME: &str = "root";
/// Stands where a domain would, for tags.
const TAGS: &str = "%tags";

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/open.lua")));
static FILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/fill.lua")));

/// Entries and generations in Redis, under one prefix.
#[derive(Debug)]
pub(crate) struct Redis {
    link: Link,
    /// With its `:`, or empty.
    prefix: String,
    /// What an operation is usually given.
    deadline: Duration,
    /// Of an operation that broke off.
    retries: u32,
}

impl Redis {
    pub(crate) fn new(
        client: Client,
        mut settings: Settings,
        deadline: Duration,
        retries: u32,
    ) -> Self {
        if !settings.prefix.is_empty() {
            settings.prefix.push(':');
        }
        Self {
            prefix: settings.prefix.clone(),
            link: Link::new(client, settings),
            deadline,
            retries,
        }
    }

    /// Whether the circuit is open.
    pub(crate) fn is_away(&self) -> bool {
        self.link.is_down()
    }

    pub(crate) async fn read(
        &self,
        at: Address<'_>,
        patience: Duration,
    ) -> Result<Seen, StoreError> {
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
            let entry = match answers.next() {
                Some(Value::BulkString(bytes)) => Some(Bytes::from(bytes)),
                Some(Value::ServerError(error)) if error.code() == "WRONGTYPE" => {
                    Some(Bytes::from_static(NOT_A_STRING))
                }
                Some(Value::ServerError(error)) => return Err(error.into()),
                _ => None,
            };
            let lives = if at.lives { answers.next() } else { None };
            let lives = match lives {
                Some(Value::Int(left)) => u64::try_from(left).ok().map(Duration::from_millis),
                _ => None,
            };
            Ok(Seen {
                entry,
                stamp: stamp(&live, answers)?,
                lives,
            })
        })
        .await
    }

    pub(crate) async fn open(
        &self,
        at: Address<'_>,
        opening: &Opening,
        patience: Duration,
    ) -> Result<Option<Ticket>, StoreError> {
        let key = at.key.as_str();
        let (replace, head) = match opening {
            Opening::Missed(head) => (0, head.as_slice()),
            Opening::Replace => (1, &[][..]),
        };
        let scopes = generations::scopes(key);
        let domain = generations::domain(key);
        let mut script = OPEN.prepare_invoke();
        script
            .key(self.entry(key))
            .key(self.fence(key))
            .key(self.domain(domain))
            .key(self.marks(domain));
        if !at.tags.is_empty() {
            script.key(self.tags()).key(self.marks(TAGS));
        }
        script
            .arg(replace)
            .arg(head)
            .arg(HEADER)
            .arg(fastrand::u64(1..))
            .arg(milliseconds(FENCE_LIFE))
            .arg(&fastrand::u64(..).to_le_bytes())
            .arg(mark_of_key(key))
            .arg(scopes.len());
        for field in scopes {
            script.arg(field_name(field));
        }
        for tag in at.tags {
            script.arg(field_name(tag_field(tag)));
        }
        self.run(&script, patience, |live, answer| match answer {
            Value::Nil => Ok(None),
            Value::Array(answer) => {
                let mut answer = answer.into_iter();
                let mut next = || answer.next().map(redis::from_redis_value).transpose();
                let (fence, busy): (Option<u64>, Option<u64>) = (next()?, next()?);
                let stamp = stamp(live, answer)?;
                Ok(fence.zip(stamp).map(|(fence, stamp)| Ticket {
                    stamp,
                    fence,
                    busy: match busy {
                        None | Some(0) => Busy::No,
                        Some(1) => Busy::HeldOff,
                        Some(_) => Busy::Announced,
                    },
                }))
            }
            other => Err(unexpected(&other)),
        })
        .await
    }

    pub(crate) async fn fill(
        &self,
        key: &Key,
        filling: Filling,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let push = if filling.replaces {
            near::encode(&[key.clone().into()])
        } else {
            String::new()
        };
        let key = key.as_str();
        let mut script = FILL.prepare_invoke();
        script
            .key(self.entry(key))
            .key(self.fence(key))
            .key(self.pushes())
            .arg(filling.fence)
            .arg(&*filling.entry)
            .arg(milliseconds(filling.life).max(1))
            .arg(self.channel())
            .arg(push);
        if let Some(token) = filling.lease {
            script
                .key(self.lease_of(key))
                .arg(token)
                .arg(self.link.wake_channel())
                .arg(key);
        }
        let script = &script;
        // Not again: what was stored meanwhile is not to be taken for a refusal.
        self.attempt_once(patience, move |live| async move {
            let answer: Value = script.invoke_async(&mut live.connection()).await?;
            Ok(answer == Value::Int(1))
        })
        .await
    }

    /// Removes keys, in one command.
    async fn unlink(&self, names: &[String], patience: Duration) -> Result<(), StoreError> {
        let unlink = &redis::Cmd::unlink(names);
        self.attempt(patience, move |live| async move {
            unlink.exec_async(&mut live.connection()).await
        })
        .await
    }

    /// Sees to it that this instance's near cache hears of invalidations; whether it does.
    pub(crate) async fn listen(&self, patience: Duration) -> Result<bool, StoreError> {
        self.link.near().want();
        self.attempt(patience, move |live| async move {
            Ok(live.listen(&self.link).await)
        })
        .await
    }

    /// Who waits for other instances' loads.
    pub(crate) fn wakes(&self) -> &Wakes {
        self.link.wakes()
    }

    /// Sees to it that near hits soon have a proof again that nothing was missed.
    pub(crate) fn prove(&self) {
        self.link.prove();
    }

    /// Asks for the generations of all scopes that `at` lies in: one hash for the domain, one for tags.
    fn generations(&self, commands: &mut Pipeline, at: Address<'_>) {
        let key = at.key.as_str();
        let command = commands
            .cmd("HMGET")
            .arg(self.domain(generations::domain(key)))
            .arg(ROOT_NAME);
        for field in generations::scopes(key) {
            command.arg(field_name(field));
        }
        if !at.tags.is_empty() {
            let command = commands.cmd("HMGET").arg(self.tags()).arg(ROOT_NAME);
            for tag in at.tags {
                command.arg(field_name(tag_field(tag)));
            }
        }
    }

    async fn run<T>(
        &self,
        script: &ScriptInvocation<'_>,
        patience: Duration,
        read: impl Fn(&Live, Value) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let read = &read;
        self.attempt(patience, move |live| async move {
            let answer = script.invoke_async(&mut live.connection()).await?;
            read(&live, answer)
        })
        .await
    }

    fn entry(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn fence(&self, key: &str) -> String {
        format!("{0}%fence:{{{0}{key}}}", self.prefix)
    }

    fn domain(&self, domain: &str) -> String {
        format!("{}%gen:{domain}", self.prefix)
    }

    fn tags(&self) -> String {
        format!("{}{TAGS}", self.prefix)
    }

    fn marks(&self, domain: &str) -> String {
        format!("{}%mark:{domain}", self.prefix)
    }

    fn pushes(&self) -> String {
        pushes(&self.prefix)
    }

    fn channel(&self) -> &str {
        self.link.channel()
    }
}

/// The key that counts a cache's pushes.
fn pushes(prefix: &str) -> String {
    format!("{prefix}%pushes")
}

/// The field of a hash of generations.
fn field_name(field: Field) -> Vec<u8> {
    match field {
        ROOT => ROOT_NAME.as_bytes().to_vec(),
        field => field.to_le_bytes().to_vec(),
    }
}

/// What marks a single key.
fn mark_of_key(key: &str) -> Vec<u8> {
    format!("={key}").into_bytes()
}

fn tag_field(tag: &Tag) -> Field {
    generations::scope_of_tag(tag.as_str())
}

/// The stamp of what the `HMGET`s answered; `None` while a root is missing.
fn stamp(live: &Live, answers: impl Iterator<Item = Value>) -> Result<Option<Stamp>, RedisError> {
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

fn unexpected(answer: &Value) -> RedisError {
    let kind = match answer {
        Value::ServerError(error) => return error.clone().into(),
        Value::Nil => "nil",
        Value::Int(_) => "a number",
        Value::Array(_) => "an array",
        _ => "something else",
    };
    RedisError::from((
        redis::ErrorKind::UnexpectedReturnType,
        "an answer of another type was expected",
        kind.to_owned(),
    ))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
