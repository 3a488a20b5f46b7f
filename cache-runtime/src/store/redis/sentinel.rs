//! Redis Sentinel: whoever watches over a master and its replicas is asked which of them is the master.
//!
//! The [guidelines for clients](https://redis.io/docs/latest/develop/reference/sentinel-clients/) have the sentinels asked one after the other, and the first answer
//! believed. One that lags, or is cut off from the others, would send everybody to the old master then. So all are asked at once, and those are believed that
//! know of the latest failover: its number is the *configuration epoch*, which a sentinel gets from the majority before it promotes anybody. The `sentinel` feature
//! of the client goes by the guidelines, and so is not used.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError,
    RedisResult, Value, from_redis_value,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// For how long the others are waited for once most have answered: one that is away must not delay each attempt to connect.
const GRACE: Duration = Duration::from_millis(100);

/// What they publish when another server has become the master: the one that promotes it, and the others when they learn of it.
const NEWS: [&str; 2] = ["+promoted-slave", "+switch-master"];

/// All that were named for one master.
pub(crate) struct Sentinels {
    /// Of the master.
    name: String,
    all: Vec<Sentinel>,
    news: Arc<Notify>,
    /// The latest failover that any of them has told of.
    latest: AtomicU64,
}

struct Sentinel {
    client: Client,
    /// Kept from one question to the next, since the news come over it too.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What they said.
#[derive(Debug)]
pub(super) struct Told {
    /// Where the master is, by each that knows of the latest failover.
    places: Vec<Place>,
    /// Whether most of them answered.
    pub(super) by_most: bool,
}

/// Host and port, as they are announced.
pub(super) type Place = (String, u16);

struct Answer {
    place: Place,
    epoch: u64,
}

/// Why one of them gave no answer. What is said of all of them is the last of these.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Silent,
    NoSentinel,
    Refused,
    Unknown,
}

impl Sentinels {
    pub(super) fn new(name: String, clients: Vec<Client>) -> Self {
        let sentinel = |client| Sentinel {
            client,
            connection: Mutex::new(None),
        };
        Self {
            name,
            all: clients.into_iter().map(sentinel).collect(),
            news: Arc::new(Notify::new()),
            latest: AtomicU64::new(0),
        }
    }

    /// Where the master is; within `patience`, and soon after most have answered.
    ///
    /// Safe to drop: connections whose answer is outstanding are closed.
    pub(super) async fn ask(&self, patience: Duration) -> Result<Told, &'static str> {
        let asking = self.all.iter().map(|one| one.ask(&self.name, &self.news));
        let mut asking: FuturesUnordered<_> = asking.collect();
        let (mut answers, mut trouble) = (Vec::new(), Trouble::Silent);
        let mut until = Instant::now() + patience;
        while let Ok(Some(answered)) = timeout_at(until, asking.next()).await {
            match answered {
                Ok(answer) => answers.push(answer),
                Err(why) => trouble = trouble.max(why),
            }
            if are_most(answers.len(), self.all.len()) {
                until = until.min(Instant::now() + GRACE);
            }
        }
        if answers.is_empty() {
            return Err(trouble.described());
        }
        let known = self.latest.load(Ordering::Relaxed);
        let (latest, told) = believed(answers, self.all.len(), known)?;
        self.latest.store(latest, Ordering::Relaxed);
        Ok(told)
    }

    /// Returns when one of them that was asked before tells of another master.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

fn are_most(some: usize, all: usize) -> bool {
    some * 2 > all
}

/// The latest failover that these answers of `all` sentinels tell of, and what those say that know of it. One before that which is `known` is not believed:
/// it leads back to a master that was left. Unless all say so, since they may have been set up anew.
fn believed(answers: Vec<Answer>, all: usize, known: u64) -> Result<(u64, Told), &'static str> {
    let by_most = are_most(answers.len(), all);
    let least = if answers.len() < all { known } else { 0 };
    let latest = answers.iter().map(|answer| answer.epoch).max();
    let latest = latest
        .filter(|latest| *latest >= least)
        .ok_or("the sentinels that answer have not heard of the last failover")?;
    let places = answers.into_iter().filter(|answer| answer.epoch == latest);
    let places = places.map(|answer| answer.place).collect();
    Ok((latest, Told { places, by_most }))
}

impl Trouble {
    fn described(&self) -> &'static str {
        match self {
            Self::Silent => "no sentinel answers",
            Self::NoSentinel => "what was named as a sentinel is none",
            Self::Refused => "the sentinels refuse the user or password that was given for them",
            Self::Unknown => "the sentinels know no master of this name",
        }
    }
}

impl Told {
    /// Where to connect to: what most of them say, where they differ.
    pub(super) fn place(&self) -> Option<&Place> {
        let votes = |place: &Place| self.places.iter().filter(|other| *other == place).count();
        self.places.iter().max_by_key(|place| votes(place))
    }

    /// Whether any of them says that it is there.
    pub(super) fn is_at(&self, (host, port): (&str, u16)) -> bool {
        self.places
            .iter()
            .any(|place| place.0 == host && place.1 == port)
    }
}

impl Sentinel {
    async fn ask(&self, name: &str, news: &Arc<Notify>) -> Result<Answer, Trouble> {
        let kept = lock(&self.connection).take();
        if let Some(connection) = kept
            && let Ok(answer) = self.answered(connection, name).await
        {
            return Ok(answer);
        }
        // It was closed meanwhile, or had ended with its runtime.
        let connection = self.connect(news).await.map_err(|error| trouble(&error))?;
        self.answered(connection, name).await
    }

    async fn answered(
        &self,
        mut connection: MultiplexedConnection,
        name: &str,
    ) -> Result<Answer, Trouble> {
        let answer = question(&mut connection, name).await?;
        *lock(&self.connection) = Some(connection);
        Ok(answer)
    }

    async fn connect(&self, news: &Arc<Notify>) -> Result<MultiplexedConnection, RedisError> {
        let info = self.client.get_connection_info().clone();
        #[cfg(feature = "tls")]
        super::tls::provide(info.addr());
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let news = news.clone();
        let hear = move |push: PushInfo| {
            if push.kind == PushKind::Message {
                news.notify_one();
            }
            Ok::<_, SendError>(())
        };
        // Whoever asks has the deadline.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(hear);
        let mut connection = Client::open(info.set_redis_settings(settings))?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        // A user that may not has the next question to wait for.
        let _ = connection.subscribe(&NEWS).await;
        Ok(connection)
    }
}

/// While a failover is being finished, for minutes at worst, `SENTINEL MASTER` tells the new epoch with the old address in the sentinel that does it. So the
/// address is asked for by the other command, right behind: nothing comes between the two, as a sentinel does what it has received in one go.
async fn question(connection: &mut MultiplexedConnection, name: &str) -> Result<Answer, Trouble> {
    let mut commands = redis::pipe();
    commands.cmd("SENTINEL").arg("MASTER").arg(name);
    commands
        .cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(name);
    commands.ignore_errors();
    let asked: RedisResult<Vec<RedisResult<Value>>> = commands.query_async(connection).await;
    let [state, place] = <[_; 2]>::try_from(asked.map_err(|error| trouble(&error))?)
        .map_err(|_| Trouble::NoSentinel)?;
    let place = place.map_err(|error| trouble(&error))?;
    let place: Option<Place> = from_redis_value(place).map_err(|_| Trouble::NoSentinel)?;
    let place = place.ok_or(Trouble::Unknown)?;
    let state = state.map_err(|error| trouble(&error))?;
    let state: HashMap<String, Value> = from_redis_value(state).map_err(|_| Trouble::NoSentinel)?;
    let epoch = state.get("config-epoch").cloned();
    let epoch = epoch.and_then(|epoch| from_redis_value(epoch).ok());
    let epoch = epoch.ok_or(Trouble::NoSentinel)?;
    Ok(Answer { place, epoch })
}

fn trouble(error: &RedisError) -> Trouble {
    let code = error.code().unwrap_or_default();
    if error.kind() == ErrorKind::AuthenticationFailed
        || ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code)
    {
        Trouble::Refused
    } else if error.kind() == ErrorKind::Io {
        Trouble::Silent
    } else {
        Trouble::NoSentinel
    }
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sentinels({self})")
    }
}

impl fmt::Display for Sentinels {
    /// The master's name and where they are; never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "master {} of sentinels", self.name)?;
        for (number, one) in self.all.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma} {}", one.client.get_connection_info().addr())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answers: &[(u16, u64)], known: u64) -> Option<(u64, u16, bool)> {
        let answer = |(port, epoch): &(u16, u64)| Answer {
            place: ("::1".to_owned(), *port),
            epoch: *epoch,
        };
        let (latest, told) = believed(answers.iter().map(answer).collect(), 3, known).ok()?;
        assert!(told.is_at(("::1", told.place()?.1)) && !told.is_at(("::2", 1)));
        Some((latest, told.place()?.1, told.by_most))
    }

    #[test]
    fn who_knows_of_the_latest_failover_is_believed() {
        assert_eq!(told(&[(1, 4), (2, 5), (1, 4)], 4), Some((5, 2, true)));
        assert_eq!(told(&[(1, 0)], 0), Some((0, 1, false)));
        // Announced under several addresses, it has to be one of them.
        assert_eq!(told(&[(2, 5), (1, 5), (1, 5)], 0), Some((5, 1, true)));
    }

    #[test]
    fn nobody_leads_back_to_a_master_that_was_left() {
        assert_eq!(told(&[(1, 4)], 5), None);
        assert_eq!(told(&[(1, 4), (1, 4)], 5), None);
        assert_eq!(told(&[(1, 4), (2, 5)], 5), Some((5, 2, true)));
        // But all of them are right.
        assert_eq!(told(&[(3, 0), (3, 0), (3, 0)], 5), Some((0, 3, true)));
    }
}
