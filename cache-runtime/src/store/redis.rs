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
//! | `prefix:%count:{prefix:api:calls:7}` | a counter |
//! | `prefix:%limit:{prefix:api:calls:7}:fixed60000` | hash: the window of a rate limit |
//! | `prefix:%lock:{prefix:%lock:reports:7}` | hash: who holds a lock, until when, and its last fencing token |
//! | `prefix:%top:{prefix:agents:*}` | sorted set: the hottest keys of a function; with `:halved`, that they were halved lately |
//! | `prefix:%fence:{prefix:exec:dashboard:ws12}` | while a load runs: its fence, in the entry's slot of a cluster |
//! | `prefix:%audit` | lasting: stream of the last records of what was done by hand |
//! | `prefix:%behind:{prefix:views}:stream`, `…:pending`, `…:dead` | lasting: writes that wait for their source, what readers see of them, what could not be read |
//! | `prefix:%behind:{prefix:views}:lease` | which consumer hands them to the source |
//! | `prefix:%job:{prefix:clean}`, `…:history` | hash: the last instant of a job that was settled, and who runs it, until when; stream: what became of its runs |

mod attempt;
mod audit;
mod behind;
mod change;
mod counting;
#[cfg(feature = "cli")]
mod examining;
mod filling;
mod hottest;
#[cfg(feature = "jobs")]
mod jobs;
mod lease;
pub(crate) mod link;
mod locking;
mod looking;
mod many;
mod scan;
mod script;
mod sentinel;
pub(crate) mod server;
mod sweep;
pub(crate) mod tls;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use redis::{Client, RedisError, Value};

pub(crate) use self::lease::Asked;
use self::link::{Link, Live, Settings};
use self::looking::Lookups;
use self::script::Call;
use super::{StoreError, TOGETHER};
use crate::generations::{self, Field, ROOT};
use crate::key::Tag;
#[cfg(feature = "metrics")]
use crate::meters::Trips;
use crate::wakes::Wakes;

/// Look-ups rely on a round trip that was begun by a caller for so long, or for twice as long: the caller may be slow, or never polled again.
const RELIED_ON: Duration = Duration::from_millis(5);

/// What stands in for the head of a key that holds no string at all.
const NOT_A_STRING: &[u8] = b"!";

/// The field of the root, in hashes of generations and of marks.
const ROOT_NAME: &str = "root";
/// Stands where a domain would, for tags.
const TAGS: &str = "%tags";

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
    lookups: Arc<Lookups>,
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
            lookups: Lookups::new(TOGETHER),
        }
    }

    /// How long its round trips take.
    #[cfg(feature = "metrics")]
    pub(crate) fn trips(&self) -> &Trips {
        self.link.trips()
    }

    /// Whether the circuit is open.
    pub(crate) fn is_away(&self) -> bool {
        self.link.is_down()
    }

    /// Why there is no connection, where that is known.
    pub(crate) fn why_away(&self) -> Option<String> {
        self.link.why()
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

    /// The same, and that it has heard of all that were pushed before.
    #[cfg(feature = "http")]
    pub(crate) async fn hear(&self, patience: Duration) -> Result<bool, StoreError> {
        self.link.near().want();
        self.attempt(patience, move |live| async move {
            Ok(live.listen(&self.link).await && live.prove(&self.link).await?)
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

    async fn run<T>(
        &self,
        script: &Call,
        patience: Duration,
        read: impl Fn(&Live, Value) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let read = &read;
        self.attempt(patience, move |live| async move {
            let answer = script.invoke(&live).await?;
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

#[cfg(test)]
mod tests {
    use crate::key::is_of_key;

    /// Else clearing everything would take them for entries. They stand in the table above.
    #[test]
    fn no_name_of_our_own_can_be_one_of_a_key() {
        let table = include_str!("redis.rs").lines();
        let table = table.filter(|line| line.starts_with("//! | `prefix:%"));
        let names = table.flat_map(|line| line.split('%').skip(1));
        let word = |name: &str| {
            name.split(|c: char| !c.is_ascii_lowercase())
                .next()
                .map(str::to_owned)
        };
        let names: Vec<_> = names.filter_map(word).collect();
        assert!(names.len() > 12, "{names:?}");
        for name in names {
            assert!(!is_of_key(&format!("%{name}")), "%{name}");
        }
    }
}
