//! The store that a fleet shares. Only this module and its own know the Redis client.
//!
//! | name in Redis | what |
//! |---|---|
//! | `prefix:exec:dashboard:ws12` | an entry |
//! | `prefix:%gen:exec` | hash: the generations of the domain `exec` |
//! | `prefix:%tags` | hash: the generations of tags |
//! | `prefix:%fence:{prefix:exec:dashboard:ws12}` | while a load runs: its fence, in the entry's slot of a cluster |

pub(crate) mod link;
mod sweep;

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisError, Script, ScriptInvocation, Value};

use self::link::{Link, Live};
use super::{Address, Opening, Seen, StoreError, Ticket};
use crate::envelope::HEADER;
use crate::generations::{self, Field, ROOT, Stamp, Stamping};
use crate::key::{Key, Reach, Tag, Target};

/// How long an abandoned load's fence stays. A load that takes longer is answered and not stored.
const FENCE_LIFE: Duration = Duration::from_secs(600);

/// Generations that a domain keeps, some 8 MB of them. Past that they are dropped, and every answer of the domain is loaded anew once.
const MOST_SCOPES: usize = 100_000;

/// What stands in for the head of a key that holds no string at all.
const NOT_A_STRING: &[u8] = b"!";

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/open.lua")));
static FILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/fill.lua")));

/// Entries and generations in Redis, under one prefix.
#[derive(Debug)]
pub(crate) struct Redis {
    link: Link,
    /// With its `:`, or empty.
    prefix: String,
    deadline: Duration,
}

impl Redis {
    pub(crate) fn new(link: Link, prefix: &str, deadline: Duration) -> Self {
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}:")
        };
        Self {
            link,
            prefix,
            deadline,
        }
    }

    pub(crate) async fn read(&self, at: Address<'_>) -> Result<Seen, StoreError> {
        let mut commands = Pipeline::with_capacity(3);
        commands.get(self.entry(at.key.as_str()));
        self.generations(&mut commands, at);
        self.within_deadline(async |live| {
            let answers = live
                .connection()
                .req_packed_commands(&commands, 0, commands.len())
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
            Ok(Seen {
                entry,
                stamp: stamp(&live, answers)?,
            })
        })
        .await
    }

    pub(crate) async fn open(
        &self,
        at: Address<'_>,
        opening: &Opening,
    ) -> Result<Option<Ticket>, StoreError> {
        let key = at.key.as_str();
        let (replace, head) = match opening {
            Opening::Missed(head) => (0, head.as_slice()),
            Opening::Replace => (1, &[][..]),
        };
        let scopes = generations::scopes(key);
        let mut script = OPEN.prepare_invoke();
        script
            .key(self.entry(key))
            .key(self.fence(key))
            .key(self.domain(generations::domain(key)));
        if !at.tags.is_empty() {
            script.key(self.tags());
        }
        script
            .arg(replace)
            .arg(head)
            .arg(HEADER)
            .arg(fastrand::u64(1..))
            .arg(milliseconds(FENCE_LIFE));
        script
            .arg(&fastrand::u64(..).to_le_bytes())
            .arg(scopes.len());
        for field in scopes {
            script.arg(&field.to_le_bytes());
        }
        for tag in at.tags {
            script.arg(&generations::scope_of_tag(tag.as_str()).to_le_bytes());
        }
        self.run(&script, |live, answer| match answer {
            Value::Nil => Ok(None),
            Value::Array(answer) => {
                let mut answer = answer.into_iter();
                let fence = answer.next().map(redis::from_redis_value).transpose()?;
                let stamp = stamp(live, answer)?;
                Ok(fence
                    .zip(stamp)
                    .map(|(fence, stamp)| Ticket { stamp, fence }))
            }
            other => Err(unexpected(&other)),
        })
        .await
    }

    pub(crate) async fn fill(
        &self,
        key: &Key,
        fence: u64,
        entry: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let key = key.as_str();
        let mut script = FILL.prepare_invoke();
        script
            .key(self.entry(key))
            .key(self.fence(key))
            .arg(fence)
            .arg(entry)
            .arg(milliseconds(ttl).max(1));
        self.run(&script, |_, answer| Ok(answer == Value::Int(1)))
            .await
    }

    pub(crate) async fn invalidate(&self, targets: &[Target]) -> Result<(), StoreError> {
        let mut scopes = Vec::new();
        let mut names = Vec::new();
        let mut sweeps = Vec::new();
        for target in targets {
            match target {
                Target::Tag(tag) => scopes.push((self.tags(), tag_field(tag))),
                Target::Tags => scopes.push((self.tags(), ROOT)),
                Target::Pattern(pattern) => match &pattern.reach() {
                    Reach::Exact => {
                        names.extend([self.entry(pattern.as_str()), self.fence(pattern.as_str())])
                    }
                    Reach::Partial => sweeps.push(pattern),
                    reach @ Reach::Scope { domain, .. } => {
                        scopes.push((
                            self.domain(domain),
                            generations::scope_of(reach).unwrap_or(ROOT),
                        ));
                    }
                },
            }
        }
        self.advance(scopes, names).await?;
        for pattern in sweeps {
            self.sweep(pattern).await?;
        }
        Ok(())
    }

    /// Gives each of `scopes` a new generation and removes the keys called `names`, all at once.
    async fn advance(
        &self,
        scopes: Vec<(String, Field)>,
        mut names: Vec<String>,
    ) -> Result<(), StoreError> {
        if scopes.is_empty() {
            return self.unlink(&names).await;
        }
        let mut commands = Pipeline::with_capacity(2 * scopes.len() + 1);
        commands.atomic();
        for (hash, field) in &scopes {
            let field = match *field {
                ROOT => b"root".to_vec(),
                field => field.to_le_bytes().to_vec(),
            };
            let generation = fastrand::u64(..).to_le_bytes();
            commands.hset(hash, field, &generation[..]).ignore();
            commands.hlen(hash);
        }
        if !names.is_empty() {
            commands.unlink(&names).ignore();
        }
        let lengths: Result<Vec<usize>, _> = self
            .within_deadline(async |live| commands.query_async(&mut live.connection()).await)
            .await;
        let hashes = scopes.into_iter().map(|(hash, _)| hash);
        match lengths {
            // Without its generations a whole domain is old, which is always safe: they stay bounded so.
            Ok(lengths) => {
                let full = hashes
                    .zip(lengths)
                    .filter(|(_, length)| *length > MOST_SCOPES);
                self.unlink(&full.map(|(hash, _)| hash).collect::<Vec<_>>())
                    .await
            }
            // Out of memory, a server still deletes, though not in a transaction.
            Err(StoreError::Refused(_)) => {
                names.extend(hashes);
                self.unlink(&names).await
            }
            Err(error) => Err(error),
        }
    }

    /// Removes keys, in one command.
    async fn unlink(&self, names: &[String]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let unlink = redis::Cmd::unlink(names);
        self.within_deadline(async |live| unlink.exec_async(&mut live.connection()).await)
            .await
    }

    /// Asks for the generations of all scopes that `at` lies in: one hash for the domain, one for tags.
    fn generations(&self, commands: &mut Pipeline, at: Address<'_>) {
        let key = at.key.as_str();
        let command = commands
            .cmd("HMGET")
            .arg(self.domain(generations::domain(key)))
            .arg("root");
        for field in generations::scopes(key) {
            command.arg(&field.to_le_bytes());
        }
        if !at.tags.is_empty() {
            let command = commands.cmd("HMGET").arg(self.tags()).arg("root");
            for tag in at.tags {
                command.arg(&tag_field(tag).to_le_bytes());
            }
        }
    }

    async fn run<T>(
        &self,
        script: &ScriptInvocation<'_>,
        read: impl FnOnce(&Live, Value) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        self.within_deadline(async |live| {
            let answer = script.invoke_async(&mut live.connection()).await?;
            read(&live, answer)
        })
        .await
    }

    /// The one place where an operation meets its deadline, and where a broken connection is given up.
    async fn within_deadline<T, F>(
        &self,
        operation: impl FnOnce(std::sync::Arc<Live>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut used = None;
        let answer = tokio::time::timeout(self.deadline, async {
            let live = self.link.live().await?;
            used = Some(live.clone());
            operation(live).await.map_err(Failure::Client)
        })
        .await;
        let (error, broken) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Failure::NotConnected)) => (StoreError::Unreachable, false),
            Ok(Err(Failure::Client(error))) => {
                let broken = error.is_unrecoverable_error()
                    || error.is_io_error()
                    || error.code() == Some("READONLY");
                (StoreError::Refused(link::described(&error)), broken)
            }
            Err(_) => (StoreError::TimedOut, true),
        };
        if let Some(live) = used.filter(|_| broken) {
            self.link.lost(&live, &error);
        }
        Err(error)
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
        format!("{}%tags", self.prefix)
    }
}

/// Why an operation did not get an answer, before its deadline is considered.
enum Failure {
    NotConnected,
    Client(RedisError),
}

impl From<link::NotConnected> for Failure {
    fn from(_: link::NotConnected) -> Self {
        Self::NotConnected
    }
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
