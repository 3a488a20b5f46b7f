//! The connection: made on first use, kept up and watched in the background, never waited for by a caller once it has failed.

mod retelling;
mod watching;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisError, Value,
};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::xxh3_128;

use super::nodes::Replicas;
use super::sentinel::{Sentinels, Told};
use super::server::Reading;
use super::{pushes, server};
use crate::control::Control;
use crate::meters::Trips;
use crate::near::Near;
use crate::policy::OnRestart;
use crate::store::StoreError;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};
use crate::wakes::Wakes;

/// Waits between attempts to connect; doubled from the first to the last, so that a server that comes back is found within the
/// last one. They go on growing where a connection is made and then carries nothing.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A working connection, and which run of which server it leads to.
pub(crate) struct Live {
    connection: MultiplexedConnection,
    address: ConnectionAddr,
    incarnation: Vec<u8>,
    /// Which history the server's data has: its replication id.
    history: String,
    /// The number of the last push that came here.
    heard: Arc<AtomicU64>,
    /// Whether it hears of invalidations, once somebody has asked it to.
    listens: OnceCell<bool>,
    /// Whether it hears of other instances' loads that ended.
    wakes: OnceCell<bool>,
    /// Operations that failed on it in a row, one after the other.
    failures: AtomicU32,
    born: Instant,
    /// When the last of them failed, in microseconds after `born`.
    failed: AtomicU64,
}

impl Live {
    /// A handle of the connection; all handles share one socket.
    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// A hash of the server's run id and its replication id, learned before this connection carried any read.
    pub(crate) fn incarnation(&self) -> &[u8] {
        &self.incarnation
    }

    /// Where it leads to.
    #[cfg(feature = "cli")]
    pub(super) fn address(&self) -> &ConnectionAddr {
        &self.address
    }

    /// Whether this connection hears of invalidations; the first to ask makes it listen.
    ///
    /// Safe to drop: the next to ask tries again.
    pub(crate) async fn listen(&self, link: &Link) -> bool {
        *self
            .listens
            .get_or_init(|| link.shared.listen(self.connection(), &self.heard))
            .await
    }

    /// Asks the server for a proof that no push is outstanding; those that were missed make everything old.
    pub(crate) async fn prove(&self, link: &Link) -> Result<(), RedisError> {
        link.shared.prove(self.connection(), &self.heard).await
    }

    /// Sees to it that this connection hears of other instances' loads that ended. Where it cannot, those that wait look now and then.
    pub(crate) async fn hear_wakes(&self, link: &Link) {
        let subscribe = async {
            let done = self.connection().subscribe(&link.shared.wake_channel).await;
            done.is_ok()
        };
        self.wakes.get_or_init(|| subscribe).await;
    }
}

#[derive(Clone)]
enum State {
    /// Nobody has needed it yet, or the first attempt is under way: worth waiting for within the deadline.
    New,
    Live(Arc<Live>),
    /// The last attempt failed: callers go on without, and the next attempt is made in the background.
    Down,
}

/// No connection at the moment.
#[derive(Debug)]
pub(crate) struct NotConnected;

/// Keeps one connection to one server.
pub(crate) struct Link {
    shared: Arc<Shared>,
    keeping_up: Mutex<Option<JoinHandle<()>>>,
    proving: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    client: Client,
    settings: Arc<Settings>,
    role: Role,
    /// Channels are the server's, not a database's.
    channel: String,
    wake_channel: String,
    told: retelling::Told,
    /// Is told who replicates this server.
    followers: Option<Arc<Replicas>>,
    /// Attempts to connect since an operation has last succeeded.
    fruitless: AtomicU32,
    state: watch::Sender<State>,
    /// Whether the state is [`State::Down`]: each call asks, and all threads.
    down: AtomicBool,
    /// Why there is no connection, or was none.
    why: Mutex<Option<String>>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// To a server that is by itself.
    Only,
    /// To a node of a cluster.
    Node,
    /// The same, to hear there of what is pushed.
    Home,
    /// To a replica of either, which gives bytes that its master vouches for.
    Replica,
}

/// How a connection is made.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Who says where the server is; without them it is where the client says.
    pub(crate) sentinels: Option<Sentinels>,
    pub(crate) reading: Reading,
    /// Of an attempt to connect, and of what is asked in the background.
    pub(crate) connect_timeout: Duration,
    /// Failures in a row after which a connection is given up.
    pub(crate) threshold: u32,
    pub(crate) on_restart: OnRestart,
    /// Of all names in Redis; with its `:`, or empty.
    pub(crate) prefix: String,
    pub(crate) near: Arc<Near>,
    /// Who waits for other instances' loads.
    pub(crate) wakes: Wakes,
    pub(crate) trips: Trips,
    pub(crate) control: Control,
}

impl Link {
    pub(super) fn new(
        client: Client,
        settings: Arc<Settings>,
        role: Role,
        followers: Option<Arc<Replicas>>,
    ) -> Self {
        let database = client.get_connection_info().redis_settings().db();
        let shared = Shared {
            channel: channel(&settings.prefix, database),
            wake_channel: wake_channel(&settings.prefix, database),
            role,
            told: retelling::Told::default(),
            followers,
            fruitless: AtomicU32::new(0),
            client,
            settings,
            state: watch::Sender::new(State::New),
            down: AtomicBool::new(false),
            why: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            keeping_up: Mutex::new(None),
            proving: Mutex::new(None),
        }
    }

    /// The connection. Waits only for the very first attempt; the caller sets the deadline.
    pub(crate) async fn live(&self) -> Result<Arc<Live>, NotConnected> {
        let mut state = match &*self.shared.state.borrow() {
            State::Live(live) => return Ok(live.clone()),
            State::Down => None,
            State::New => Some(self.shared.state.subscribe()),
        };
        self.see_to_connecting();
        let Some(state) = &mut state else {
            return Err(NotConnected);
        };
        match state
            .wait_for(|state| !matches!(state, State::New))
            .await
            .as_deref()
        {
            Ok(State::Live(live)) => Ok(live.clone()),
            _ => Err(NotConnected),
        }
    }

    pub(super) fn has_connection(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Live(_))
    }

    /// Whether there is a connection; else one is being made from now on.
    pub(super) fn is_live(&self) -> bool {
        let live = self.has_connection();
        if !live {
            self.see_to_connecting();
        }
        live
    }

    /// Whether the circuit is open: there is no connection, and one is being made.
    pub(crate) fn is_down(&self) -> bool {
        let down = self.shared.down.load(Ordering::Acquire);
        if down {
            // The runtime that connects may have ended.
            self.see_to_connecting();
        }
        down
    }

    /// Why there is no connection, as the log says it; `None` while nothing is known.
    pub(crate) fn why(&self) -> Option<String> {
        lock(&self.shared.why).clone()
    }

    /// An operation succeeded on `live`.
    pub(crate) fn worked(&self, live: &Live) {
        for count in [&live.failures, &self.shared.fruitless] {
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// An operation that `began` then failed on `live`; too many in a row open the circuit. Those that were under way together count as one.
    pub(crate) fn failing(
        &self,
        live: &Arc<Live>,
        began: tokio::time::Instant,
        error: &StoreError,
    ) {
        let after = |at: Instant| at.saturating_duration_since(live.born).as_micros() as u64;
        let (began, now) = (after(began.into_std()), after(Instant::now()));
        let later = |last: u64| (began >= last).then_some(now);
        let counted = live
            .failed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        if counted.is_err() {
            return;
        }
        let failures = live.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= self.shared.settings.threshold {
            self.lost(live, error);
        }
    }

    /// Gives up `live`, which no longer answers, and begins to connect anew.
    pub(crate) fn lost(&self, live: &Arc<Live>, error: &StoreError) {
        if self.shared.give_up(live, &error.to_string()) {
            // Here, since the runtime of the one that watches may have ended, or stand still.
            let mut keeping_up = lock(&self.keeping_up);
            let before = keeping_up.replace(tokio::spawn(self.shared.clone().keep_up()));
            if let Some(before) = before {
                before.abort();
            }
        }
    }

    /// Asks the server in the background, one question at a time, how many pushes there were: a proof that none is outstanding.
    pub(crate) fn prove(&self) {
        let State::Live(live) = &*self.shared.state.borrow() else {
            return;
        };
        if live.listens.get() != Some(&true) {
            return;
        }
        let mut proving = lock(&self.proving);
        if proving.as_ref().is_none_or(JoinHandle::is_finished) {
            let (shared, live) = (self.shared.clone(), live.clone());
            let deadline = shared.settings.connect_timeout;
            *proving = Some(tokio::spawn(async move {
                let proof = shared.prove(live.connection(), &live.heard);
                // Without an answer near hits end, and the look-ups that follow find out what is wrong.
                let _ = tokio::time::timeout(deadline, proof).await;
            }));
        }
    }

    /// How the server is spoken to.
    pub(super) fn server(&self) -> &redis::ConnectionInfo {
        self.shared.client.get_connection_info()
    }

    /// One task connects and watches. It ends with the runtime that it was spawned on, as its connection does, and then another caller's
    /// runtime takes over.
    fn see_to_connecting(&self) {
        let mut keeping_up = lock(&self.keeping_up);
        if keeping_up.as_ref().is_none_or(JoinHandle::is_finished)
            && !matches!(*self.shared.state.borrow(), State::Live(_))
        {
            *keeping_up = Some(tokio::spawn(self.shared.clone().keep_up()));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in [&self.keeping_up, &self.proving] {
            if let Some(task) = lock(task).take() {
                task.abort();
            }
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.shared)
    }
}

impl fmt::Display for Shared {
    /// Host, port and database; never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.client.get_connection_info();
        let database = info.redis_settings().db();
        match (self.sentinels(), self.role) {
            (Some(sentinels), _) => write!(f, "{sentinels} database {database}"),
            (None, Role::Replica) => write!(f, "the replica {}", info.addr()),
            (None, _) => write!(f, "{} database {database}", info.addr()),
        }
    }
}

impl Shared {
    /// Sees to it that there is a connection, for ever.
    async fn keep_up(self: Arc<Self>) {
        loop {
            let live = self.connect().await;
            self.watch(&live).await;
        }
    }

    /// Tries until it succeeds.
    async fn connect(&self) -> Arc<Live> {
        loop {
            let attempt = self.fruitless.fetch_add(1, Ordering::Relaxed);
            if attempt > 0 {
                let wait = LAST_WAIT.min(FIRST_WAIT * (1 << (attempt - 1).min(10)));
                // Up to a quarter more, so that a fleet does not come back in step.
                tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
            }
            let error =
                match tokio::time::timeout(self.settings.connect_timeout, self.handshake()).await {
                    Ok(Ok(live)) => {
                        let live = Arc::new(live);
                        self.turn(State::Live(live.clone()));
                        tracing::info!(server = %self, at = %live.address, "connected to Redis");
                        return live;
                    }
                    Ok(Err(error)) => error,
                    Err(_) => "no answer within the connect timeout".to_owned(),
                };
            *lock(&self.why) = Some(error.clone());
            let was_new = matches!(*self.state.borrow(), State::New);
            self.turn(State::Down);
            if was_new && self.role == Role::Replica {
                tracing::warn!(server = %self, %error, "cannot connect to a replica of Redis; its master answers until it is there");
            } else if was_new {
                tracing::error!(server = %self, %error, "cannot connect to Redis; the sources answer until it is there");
            } else {
                tracing::debug!(server = %self, %error, "cannot connect to Redis");
            }
        }
    }

    /// Whether it was this that gave up `live`, and nobody before.
    fn give_up(&self, live: &Arc<Live>, error: &str) -> bool {
        let first = self.state.send_if_modified(|state| {
            let current = matches!(state, State::Live(current) if Arc::ptr_eq(current, live));
            if current {
                *state = State::Down;
                self.down.store(true, Ordering::Release);
            }
            current
        });
        if first {
            *lock(&self.why) = Some(error.to_owned());
            if self.role == Role::Replica {
                tracing::warn!(server = %self, %error, "connection to a replica of Redis lost; its master answers until it is back");
            } else {
                tracing::error!(server = %self, %error, "connection to Redis lost; the sources answer until it is back");
            }
        }
        first
    }

    fn turn(&self, next: State) {
        self.state.send_modify(|state| {
            let down = matches!(next, State::Down);
            *state = next;
            self.down.store(down, Ordering::Release);
        });
    }

    /// Connects, and learns which run of the server this is and which history its data has: a server that was demoted and promoted
    /// again runs on, with a past that is not its own. A replica is refused, since it lags.
    async fn handshake(&self) -> Result<Live, String> {
        let described = |error| described_unsaid(&error);
        let suffered = self.settings.control.suffer().await;
        suffered.map_err(|fault| fault.to_string())?;
        // With the certificates, which are part of its address.
        let mut info = self.client.get_connection_info().clone();
        let told = self.ask_sentinels().await?;
        if let Some(place) = told.as_ref().and_then(Told::place) {
            info = server::elsewhere(&info, place);
        }
        let address = info.addr().clone();
        let heard = Arc::new(AtomicU64::new(0));
        let (mut connection, can_push) = self.open(info, heard.clone()).await.map_err(described)?;
        let can_push = can_push && matches!(self.role, Role::Only | Role::Home);
        let (server, replication): (String, String) = redis::pipe()
            .cmd("INFO")
            .arg("server")
            .cmd("INFO")
            .arg("replication")
            .query_async(&mut connection)
            .await
            .map_err(described)?;
        let in_cluster = field(&server, "redis_mode") == Some("cluster");
        if self.role == Role::Only && in_cluster {
            return Err(
                "the server is a node of a cluster: name it with redis_cluster or REDIS_CLUSTER, and not as a single server".to_owned(),
            );
        }
        if self.role == Role::Replica && in_cluster {
            // Else it would redirect all that it is asked to its master.
            let readonly = redis::cmd("READONLY");
            let told = readonly.exec_async(&mut connection).await;
            told.map_err(described)?;
        }
        self.probe(&mut connection).await.map_err(described)?;
        let run = field(&server, "run_id").ok_or("the server has no run id")?;
        let history = field(&replication, "master_replid").unwrap_or_default();
        if let Some(unfit) = self.unfit(&replication) {
            return Err(unfit.to_owned());
        }
        if told.is_some_and(|told| !told.by_most) && !watching::is_followed(&replication) {
            return Err(watching::ALONE.to_owned());
        }
        let incarnation = match self.settings.on_restart {
            _ if self.role == Role::Replica => Vec::new(), // no stamp is made of what it tells
            // Short, as each stamp takes it along.
            OnRestart::Discard => xxh3_128(format!("{run} {history}").as_bytes())
                .to_le_bytes()
                .to_vec(),
            OnRestart::Keep => Vec::new(),
        };
        let listens = OnceCell::new();
        if !can_push || self.settings.near.is_wanted() {
            // Nobody else has this cell yet.
            let _ = listens.set(can_push && self.listen(connection.clone(), &heard).await);
        }
        let live = Live {
            connection,
            address,
            incarnation,
            history: history.to_owned(),
            heard,
            listens,
            wakes: OnceCell::new_with((!can_push).then_some(false)),
            failures: AtomicU32::new(0),
            born: Instant::now(),
            failed: AtomicU64::new(0),
        };
        self.tell_again(&live, run).await.map_err(described)?;
        self.note_followers(&replication);
        Ok(live)
    }

    /// A look-up: a server that loads its data, or a cluster that is down, tells of itself all the same.
    async fn probe(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let name = pushes(&self.settings.prefix);
        let looked: Result<Value, _> = redis::Cmd::get(name).query_async(connection).await;
        match looked {
            // A node of a cluster that serves other slots is well.
            Err(error) if error.redirect_node().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// A connection that pushes, where the server can (RESP3, Redis 6).
    async fn open(
        &self,
        info: ConnectionInfo,
        heard: Arc<AtomicU64>,
    ) -> Result<(MultiplexedConnection, bool), RedisError> {
        let (settings, channel) = (self.settings.clone(), self.channel.clone());
        let wake_channel = self.wake_channel.clone();
        // Called in order, and before the answers that follow on this connection are handed out.
        let hear = move |push: PushInfo| {
            if let (PushKind::Message, [Value::BulkString(from), Value::BulkString(push)]) =
                (&push.kind, &push.data[..])
            {
                if *from == channel.as_bytes() {
                    settings.near.hear(push, &heard);
                } else if *from == wake_channel.as_bytes()
                    && let Ok(key) = std::str::from_utf8(push)
                {
                    settings.wakes.wake(key);
                }
            }
            Ok::<_, SendError>(())
        };
        // Deadlines are kept in one place, by the store.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        #[cfg(feature = "tls")]
        super::tls::provide(info.addr());
        let connect = async |protocol, config| {
            let settings = info.redis_settings().clone().set_protocol(protocol);
            Client::open(info.clone().set_redis_settings(settings))?
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        match connect(ProtocolVersion::RESP3, config.clone().set_push_sender(hear)).await {
            Ok(connection) => Ok((connection, true)),
            Err(error) if speaks_no_resp3(&error) => {
                tracing::debug!(server = %self, "no RESP3: near caches are not used");
                Ok((connect(ProtocolVersion::RESP2, config).await?, false))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes `connection` hear of invalidations. Whatever was kept before may have missed some.
    async fn listen(&self, mut connection: MultiplexedConnection, heard: &AtomicU64) -> bool {
        let listening = async {
            connection.subscribe(&self.channel).await?;
            self.settings.near.reset();
            self.prove(connection, heard).await
        };
        if let Err(error) = listening.await {
            tracing::error!(server = %self, error = %described_unsaid(&error), "near caches are not used: invalidations cannot be listened to");
            return false;
        }
        true
    }

    /// Asks how many pushes there were. All that were sent before the answer have been heard by then, as they come over the same
    /// connection; a higher number tells of one that was not sent, or was lost.
    async fn prove(
        &self,
        mut connection: MultiplexedConnection,
        heard: &AtomicU64,
    ) -> Result<(), RedisError> {
        self.settings.control.suffer().await?;
        let sent = self.settings.near.now();
        let counted: Option<u64> = redis::Cmd::get(pushes(&self.settings.prefix))
            .query_async(&mut connection)
            .await?;
        self.settings
            .near
            .prove(sent, counted.unwrap_or_default(), heard);
        Ok(())
    }
}

/// Where invalidations are pushed.
pub(super) fn channel(prefix: &str, database: i64) -> String {
    format!("{}@{database}", pushes(prefix))
}

/// Where it is told that a load ended.
pub(super) fn wake_channel(prefix: &str, database: i64) -> String {
    format!("{prefix}%wake@{database}")
}

fn speaks_no_resp3(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || error.to_string().to_ascii_uppercase().contains("HELLO")
}

/// A field of what `INFO` says.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(value)
}

/// What an error is, without what the server says of it, which may repeat what it was sent.
pub(super) fn described_unsaid(error: &RedisError) -> String {
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return "user or password refused".to_owned();
    }
    // A pipeline's is that of the first command that failed.
    let failed = error.clone().into_server_errors();
    let failed = failed.iter().flat_map(|failed| failed.iter()).next();
    let code = error.code().or(failed.map(|(_, error)| error.code()));
    match (code, error.kind()) {
        (Some(code), _) => code.to_owned(),
        (None, redis::ErrorKind::Io) => error.to_string(),
        // Our own words, before the kind's name.
        (None, redis::ErrorKind::Client) => {
            error.to_string().trim_end_matches(" - Client").to_owned()
        }
        (None, kind) => format!("{kind:?}"),
    }
}

/// What the client says of an error of a command. It names commands and codes; values are not in it, nor the user.
pub(super) fn described(error: &RedisError) -> String {
    server::without_user(&error.to_string())
}
