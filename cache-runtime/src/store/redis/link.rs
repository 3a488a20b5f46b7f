//! The connection: made on first use, kept up in the background, never waited for by a caller once it has failed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::store::StoreError;

/// Waits between attempts to connect; doubled from the first to the last, so that a server that comes back is found within the
/// last one.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A working connection, and which run of which server it leads to.
pub(crate) struct Live {
    connection: MultiplexedConnection,
    incarnation: Vec<u8>,
}

impl Live {
    /// A handle of the connection; all handles share one socket.
    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// The server's run id and its replication id, learned before this connection carried any read.
    pub(crate) fn incarnation(&self) -> &[u8] {
        &self.incarnation
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
    connecting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    client: Client,
    connect_timeout: Duration,
    state: watch::Sender<State>,
}

impl Link {
    pub(crate) fn new(client: Client, connect_timeout: Duration) -> Self {
        let shared = Shared {
            client,
            connect_timeout,
            state: watch::Sender::new(State::New),
        };
        Self {
            shared: Arc::new(shared),
            connecting: Mutex::new(None),
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

    /// Gives up `live`, which no longer answers, and begins to connect anew.
    pub(crate) fn lost(&self, live: &Arc<Live>, error: &StoreError) {
        let first = self.shared.state.send_if_modified(|state| {
            let current = matches!(state, State::Live(current) if Arc::ptr_eq(current, live));
            if current {
                *state = State::Down;
            }
            current
        });
        if first {
            tracing::error!(server = %self.shared, %error, "connection to Redis lost; the sources answer until it is back");
            self.see_to_connecting();
        }
    }

    /// One task at a time connects. It ends with the runtime that it was spawned on, and then another caller's runtime takes over.
    fn see_to_connecting(&self) {
        let mut connecting = self
            .connecting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if connecting.as_ref().is_none_or(JoinHandle::is_finished)
            && !matches!(*self.shared.state.borrow(), State::Live(_))
        {
            *connecting = Some(tokio::spawn(self.shared.clone().connect()));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let connecting = self
            .connecting
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = connecting.take() {
            task.abort();
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
        write!(f, "{} database {}", info.addr(), info.redis_settings().db())
    }
}

impl Shared {
    /// Tries until it succeeds.
    async fn connect(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        loop {
            let error = match tokio::time::timeout(self.connect_timeout, self.handshake()).await {
                Ok(Ok(live)) => {
                    self.state.send_replace(State::Live(Arc::new(live)));
                    tracing::info!(server = %self, "connected to Redis");
                    return;
                }
                Ok(Err(error)) => described_unsaid(&error),
                Err(_) => "no answer within the connect timeout".to_owned(),
            };
            let was_new = matches!(self.state.send_replace(State::Down), State::New);
            if was_new {
                tracing::error!(server = %self, %error, "cannot connect to Redis; the sources answer until it is there");
            } else {
                tracing::debug!(server = %self, %error, "cannot connect to Redis");
            }
            // Up to a quarter more, so that a fleet does not come back in step.
            tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
            wait = LAST_WAIT.min(wait * 2);
        }
    }

    /// Connects, and learns which run of the server this is and which history its data has: a server that was demoted and promoted
    /// again runs on, with a past that is not its own. A replica is refused, since it lags.
    async fn handshake(&self) -> Result<Live, RedisError> {
        // Deadlines are kept in one place, by the store.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let client = &self.client;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let (server, replication): (String, String) = redis::pipe()
            .cmd("INFO")
            .arg("server")
            .cmd("INFO")
            .arg("replication")
            .query_async(&mut connection)
            .await?;
        let refused = |why| RedisError::from((redis::ErrorKind::Client, why));
        let run = field(&server, "run_id").ok_or(refused("the server has no run id"))?;
        let history = field(&replication, "master_replid").unwrap_or_default();
        if field(&replication, "role") != Some("master") {
            return Err(refused("the server is a replica"));
        }
        Ok(Live {
            connection,
            incarnation: format!("{run} {history}").into_bytes(),
        })
    }
}

/// A field of what `INFO` says.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(value)
}

/// What an error is, without what the server says of it, which may repeat what it was sent.
fn described_unsaid(error: &RedisError) -> String {
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return "user or password refused".to_owned();
    }
    match (error.code(), error.kind()) {
        (Some(code), _) => code.to_owned(),
        (None, redis::ErrorKind::Io | redis::ErrorKind::Client) => error.to_string(),
        (None, kind) => format!("{kind:?}"),
    }
}

/// What the client says of an error of a command. It names commands and codes; values are not in it.
pub(super) fn described(error: &RedisError) -> String {
    error.to_string()
}
