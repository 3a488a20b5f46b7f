//! The store that a fleet shares. Only this module and its own know the Redis client.
//!
//! | name in Redis | what |
//! |---|---|
//! | `prefix:exec:dashboard:ws12` | an entry |
//! | `prefix:%gen:exec` | hash: the generations of the domain `exec`; in a cluster one for each zone, `prefix:%gen{17}:exec` |
//! | `prefix:%tags` | hash: the generations of tags; in a cluster `prefix:%tags{17}` |
//! | `prefix:%mark:exec`, `prefix:%mark:%tags` | hash: what writers are about to write, and until when; in a cluster `prefix:%mark{17}:exec` |
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

#[cfg(feature = "testing")]
mod aging;
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
mod nodes;
mod scan;
mod script;
mod sending;
mod sentinel;
pub(crate) mod server;
mod sweep;
pub(crate) mod tls;
mod told;
mod vitals;
mod vouching;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, Value};

pub(crate) use self::lease::Asked;
use self::link::Settings;
use self::nodes::{Nodes, Place, Slot, Zone};
use self::script::Call;
use self::sending::Command;
use self::server::{Reading, Servers};
use self::vouching::ReplicaReads;
use super::{Address, StoreError};
use crate::generations::{self, Field, ROOT};
use crate::key::Tag;
#[cfg(feature = "metrics")]
use crate::meters::Trips;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::wakes::Wakes;

/// What stands in for the head of a key that holds no string at all.
const NOT_A_STRING: &[u8] = b"!";

/// The field of the root, in hashes of generations and of marks.
const ROOT_NAME: &str = "root";
/// Stands where a domain would, for tags.
const TAGS: &str = "%tags";

/// Entries and generations in Redis, under one prefix.
#[derive(Debug)]
pub(crate) struct Redis {
    nodes: Nodes,
    settings: Arc<Settings>,
    /// With its `:`, or empty.
    prefix: String,
    /// Channels are the server's, not a database's.
    channel: String,
    wake_channel: String,
    /// What an operation is usually given.
    deadline: Duration,
    /// Of an operation that broke off.
    retries: u32,
    cannot_push: AtomicBool,
    replica_reads: ReplicaReads,
}

impl Redis {
    pub(crate) fn new(
        servers: Servers,
        mut settings: Settings,
        deadline: Duration,
        retries: u32,
    ) -> Self {
        if !settings.prefix.is_empty() {
            settings.prefix.push(':');
        }
        let database = servers.database();
        let settings = Arc::new(settings);
        Self {
            prefix: settings.prefix.clone(),
            channel: link::channel(&settings.prefix, database),
            wake_channel: link::wake_channel(&settings.prefix, database),
            nodes: Nodes::new(servers, settings.clone()),
            settings,
            deadline,
            retries,
            cannot_push: AtomicBool::new(false),
            replica_reads: ReplicaReads::default(),
        }
    }

    /// How long its round trips take.
    #[cfg(feature = "metrics")]
    pub(crate) fn trips(&self) -> &Trips {
        &self.settings.trips
    }

    /// Whether bytes of entries are asked of replicas.
    fn reads_replicas(&self) -> bool {
        self.settings.reading != Reading::Master
    }

    /// Whether it is known that nothing can be asked: the circuit is open, in a cluster that of each node.
    pub(crate) fn is_away(&self) -> bool {
        self.nodes.is_away()
    }

    /// Why there is no connection, where that is known.
    pub(crate) fn why_away(&self) -> Option<String> {
        self.nodes.why_away()
    }

    /// Removes keys: in one command, or in a cluster one by one.
    async fn unlink(&self, names: &[String], patience: Duration) -> Result<(), StoreError> {
        if self.nodes.is_cluster() {
            let each = names
                .iter()
                .map(|name| self.command(name, Cmd::unlink(name)));
            let replies = self.send(each.collect(), patience, self.retries).await;
            return replies
                .into_iter()
                .try_for_each(|reply| reply?.value().map(drop));
        }
        let Some(first) = names.first() else {
            return Ok(());
        };
        let unlink = &Cmd::unlink(names);
        self.attempt(self.place(first), patience, move |live| async move {
            unlink.exec_async(&mut live.connection()).await
        })
        .await
    }

    /// Sees to it that this instance's near cache hears of invalidations; whether it does.
    pub(crate) async fn listen(&self, patience: Duration) -> Result<bool, StoreError> {
        let near = &self.settings.near;
        near.want();
        let listening = self.attempt(Place::Home, patience, move |home| async move {
            let listens = home.listen().await;
            // No look-up goes over a cluster's home, to find out that it does not answer.
            if listens && self.nodes.is_cluster() && !near.is_proven(near.now()) {
                home.prove().await?;
            }
            Ok(listens)
        });
        match listening.await {
            // The other nodes may be well.
            Err(_) if self.nodes.is_cluster() => Ok(false),
            listens => listens,
        }
    }

    /// The same, and that it has heard of all that were pushed before.
    #[cfg(feature = "http")]
    pub(crate) async fn hear(&self, patience: Duration) -> Result<bool, StoreError> {
        self.settings.near.want();
        self.attempt(Place::Home, patience, move |home| async move {
            let listens = home.listen().await;
            if listens {
                home.prove().await?;
            }
            Ok(listens)
        })
        .await
    }

    /// Who waits for other instances' loads.
    pub(crate) fn wakes(&self) -> &Wakes {
        &self.settings.wakes
    }

    /// Sees to it that this instance hears of other instances' loads that end; what is left of `patience` then. Where it cannot hear, those that wait look now
    /// and then.
    async fn hear_wakes(&self, patience: Duration) -> Duration {
        let began = Instant::now();
        // A cluster's home that hangs leaves time for the node that is to be asked.
        let most = match self.nodes.is_cluster() {
            true => patience / 2,
            false => patience,
        };
        let hears = self.attempt(Place::Home, most, move |home| async move {
            home.hear_wakes().await;
            Ok(())
        });
        let _ = hears.await;
        patience.saturating_sub(began.elapsed())
    }

    /// Sees to it that near hits soon have a proof again that nothing was missed.
    pub(crate) fn prove(&self) {
        if let Some(home) = self.nodes.hearing() {
            home.link.prove();
        }
    }

    /// The server did an invalidation, and would not push it.
    fn cannot_push(&self, answer: &str) {
        if !self.cannot_push.swap(true, Ordering::Relaxed) {
            let answer = server::without_user(answer);
            tracing::error!(
                answer,
                "Redis does not push invalidations, so that other instances' near caches hear of them late: allow this user to publish on the cache's channel"
            );
        }
    }

    /// Whether a push was refused so.
    #[cfg(feature = "cli")]
    fn was_refused_pushing(&self) -> bool {
        self.cannot_push.load(Ordering::Relaxed)
    }

    /// Something is about to be made old in these domains, of which another server would have to be told. A cluster's masters stop serving before others take
    /// their place.
    fn will_tell<'a>(&self, domains: impl IntoIterator<Item = &'a str>) {
        if let Nodes::One(node) = &self.nodes {
            node.link.will_tell(domains);
        }
    }

    async fn run<T>(
        &self,
        script: &Call,
        patience: Duration,
        read: impl Fn(Value) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let read = &read;
        self.attempt(self.place_of(script), patience, move |live| async move {
            read(script.invoke(&live).await?)
        })
        .await
    }

    /// Where the entry of a key stands.
    fn slot_of(&self, at: &Address<'_>) -> Slot {
        self.nodes.slot(self.entry(at.key.as_str()).as_bytes())
    }

    /// Where `name` stands.
    fn place(&self, name: &str) -> Place {
        Place::Slot(self.nodes.slot(name.as_bytes()))
    }

    /// Where the keys of a script stand.
    fn place_of(&self, script: &Call) -> Place {
        Place::Slot(self.nodes.slot(script.first_key()))
    }

    /// `command`, which is about `name`.
    fn command(&self, name: &str, command: Cmd) -> Command {
        Command {
            slot: self.nodes.slot(name.as_bytes()),
            command,
            script: None,
        }
    }

    fn call(&self, call: &Call) -> Command {
        Command {
            slot: self.nodes.slot(call.first_key()),
            command: call.command(),
            script: Some(call.script()),
        }
    }

    /// The zone whose generations and marks are those of `key`.
    fn zone(&self, key: &str) -> Zone {
        if !self.nodes.is_cluster() {
            return Zone::ONLY;
        }
        self.nodes.zone(self.nodes.slot(self.entry(key).as_bytes()))
    }

    fn entry(&self, key: &str) -> String {
        [&self.prefix, key].concat()
    }

    fn fence(&self, key: &str) -> String {
        format!("{0}%fence:{{{0}{key}}}", self.prefix)
    }

    fn domain(&self, zone: Zone, domain: &str) -> String {
        format!("{}%gen{zone}:{domain}", self.prefix)
    }

    fn tags(&self, zone: Zone) -> String {
        format!("{}{TAGS}{zone}", self.prefix)
    }

    fn marks(&self, zone: Zone, domain: &str) -> String {
        format!("{}%mark{zone}:{domain}", self.prefix)
    }

    fn pushes(&self) -> String {
        pushes(&self.prefix)
    }
}

/// The hash of generations of a domain, or of tags, on a server that is by itself.
fn generations_of(prefix: &str, domain: &str) -> String {
    match domain {
        TAGS => format!("{prefix}{TAGS}"),
        domain => format!("{prefix}%gen:{domain}"),
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
