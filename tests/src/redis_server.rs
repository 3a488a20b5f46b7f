use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::{Authority, Certified, Clock};

/// Another server's binary, such as Valkey's, which all tests run with then.
const BINARY: &str = "REDIS_SERVER_BIN";

/// Generous: a loaded machine must not fail a test. A server that is well answers after some 20 ms.
const START_DEADLINE: Duration = Duration::from_secs(30);
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// What a client sends to connect. Left out of [`RedisServer::commandstats`], which opens a
/// connection itself.
const CONNECTING: [&str; 6] = [
    "auth",
    "client",
    "client|setinfo",
    "hello",
    "info",
    "select",
];

/// A `redis-server` of one's own, on a free port of 127.0.0.1, with its files in a temporary
/// folder.
///
/// It keeps nothing on disk unless asked to: see [`RedisServerBuilder::config`] with `save` or
/// `appendonly`. Dropping it kills the server and deletes the folder.
///
/// The crate `redis-test` has a server too. This one can also be restarted in its folder, paused,
/// and configured.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    settings: RedisServerBuilder,
    clock: Option<Clock>,
    folder: TempDir,
}

/// Settings of a [`RedisServer`] that has not started yet.
#[derive(Clone, Debug, Default)]
pub struct RedisServerBuilder {
    config: Vec<[String; 2]>,
    password: Option<String>,
    tls: Option<Tls>,
    /// Makes a sentinel of it, which writes what it learns into this file.
    sentinel: Option<String>,
    movable_clock: bool,
    tied: bool,
    in_cluster: bool,
    /// Where nodes of a cluster talk to each other; the same for life, as the port.
    bus: Option<u16>,
}

/// What a server shows, and what its clients have to.
#[derive(Clone, Debug)]
struct Tls {
    shown: Certified,
    /// Who certifies clients, where they have to show something.
    clients: Option<String>,
}

#[derive(Debug)]
enum Process {
    Up(Child),
    /// The port is held, but nobody listens: connecting is refused, and nobody else can get the
    /// port.
    Down {
        _port: Option<TcpSocket>,
    },
}

impl RedisServer {
    /// Starts a server with its defaults, and waits until it answers.
    ///
    /// # Panics
    /// When it can't be started, with its log.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Settings first, then [`RedisServerBuilder::start`].
    #[must_use]
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// `redis://…` or `rediss://…`, with the password when there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match &self.settings.tls {
            Some(_) => "rediss",
            None => "redis",
        };
        let user = match &self.settings.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        format!("{scheme}://{user}127.0.0.1:{}", self.port)
    }

    /// Where this harness connects itself: beside TLS by a socket, so that no certificate is too bad for it.
    fn own_url(&self) -> String {
        if self.settings.tls.is_none() {
            return self.url();
        }
        let password = self.settings.password.as_deref().unwrap_or_default();
        let socket = socket(self.folder.path());
        let query = if password.is_empty() { "" } else { "?pass=" };
        format!("redis+unix://{}{query}{password}", socket.display())
    }

    /// The port stays the same for life, over restarts too.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where nodes of its cluster talk to it; see [`RedisServerBuilder::in_cluster`].
    #[must_use]
    pub fn bus_port(&self) -> Option<u16> {
        self.settings.bus
    }

    /// Whether it was not killed since it was started.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.process, Process::Up(_))
    }

    /// The folder with the server's log and, when it keeps any, its data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new connection, for a test's own commands.
    ///
    /// # Panics
    /// When the server doesn't answer in 5 seconds.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.connect()
            .await
            .unwrap_or_else(|error| panic!("no connection to {}: {error}", self.url()))
    }

    /// Kills the server without warning (`SIGKILL`). Until [`restart`](Self::restart), connecting
    /// is refused.
    pub fn kill(&mut self) {
        self.process.kill();
        self.process = Process::Down {
            _port: hold(self.port),
        };
    }

    /// Kills the server if it still runs, and starts it again with the same port, folder and
    /// settings. What it kept on disk is there again; by default that is nothing.
    ///
    /// # Panics
    /// When it can't be started, with its log.
    pub async fn restart(&mut self) {
        self.process.kill();
        let deadline = Instant::now() + START_DEADLINE;
        while !self.spawn().await {
            assert!(Instant::now() < deadline, "{}", self.describe("restart"));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops the server from running (`SIGSTOP`): connections stay open and connecting succeeds,
    /// but no answer comes. Returns when it stands still.
    ///
    /// # Panics
    /// When the server is down.
    pub fn pause(&self) {
        let pid = self.signal(Signal::STOP);
        // EXITED only so that a server that just died can't hold us here; NOWAIT leaves its end to
        // `Child::wait`.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), options).expect("the server is our child");
    }

    /// Lets a paused server run on. It then answers what has queued up.
    ///
    /// # Panics
    /// When the server is down.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// The server's wall clock; see [`RedisServerBuilder::movable_clock`].
    ///
    /// # Panics
    /// When it can't be moved.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.clock.as_ref().expect("the builder was asked for it")
    }

    /// How often each command was called since the server started or `CONFIG RESETSTAT`, without
    /// those that only connect a client or ask for this.
    ///
    /// # Panics
    /// When the server doesn't answer in 5 seconds.
    pub async fn commandstats(&self) -> BTreeMap<String, u64> {
        let mut connection = self.connection().await;
        let text = info(&mut connection, "commandstats")
            .await
            .expect("INFO commandstats");
        let mut calls = parse_commandstats(&text);
        calls.retain(|name, _| !CONNECTING.contains(&name.as_str()));
        calls
    }

    /// The sum of [`commandstats`](Self::commandstats). Compare two of them: starting costs a few
    /// commands too.
    ///
    /// # Panics
    /// When the server doesn't answer in 5 seconds.
    pub async fn commands_processed(&self) -> u64 {
        self.commandstats().await.values().sum()
    }

    /// Starts the process and waits until it answers. False when it ended instead, as it does when
    /// its port is taken.
    async fn spawn(&mut self) -> bool {
        // Frees the port when we hold it.
        self.process = Process::Down { _port: None };
        let child = self
            .settings
            .command(self.port, self.folder.path(), self.clock.as_ref())
            .spawn()
            .expect("redis-server is installed and on PATH, or is what REDIS_SERVER_BIN says");
        let pid = child.id();
        self.process = Process::Up(child);

        let deadline = Instant::now() + START_DEADLINE;
        while !self.answers(pid).await {
            if self.process.has_ended() {
                return false;
            }
            assert!(Instant::now() < deadline, "{}", self.describe("answer"));
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    /// PONG alone could come from another test's server that was quicker to take the port.
    async fn answers(&self, pid: u32) -> bool {
        let ask = async {
            let mut connection = self.connect().await?;
            redis::cmd("PING").exec_async(&mut connection).await?;
            info(&mut connection, "server").await
        };
        ask.await
            .is_ok_and(|text: String| text.lines().any(|line| line == format!("process_id:{pid}")))
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_DEADLINE))
            .set_response_timeout(Some(ANSWER_DEADLINE));
        Client::open(self.own_url())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn signal(&self, signal: Signal) -> Pid {
        let Process::Up(child) = &self.process else {
            panic!("the server on port {} is down", self.port);
        };
        let pid = Pid::from_child(child);
        kill_process(pid, signal).expect("the server is our child");
        pid
    }

    fn describe(&self, failed: &str) -> String {
        let log = fs::read_to_string(log_file(self.folder.path())).unwrap_or_default();
        format!(
            "redis-server on port {} did not {failed}; its log:\n{log}",
            self.port
        )
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process.kill();
    }
}

impl RedisServerBuilder {
    /// A directive as in `redis.conf`: `.config("maxmemory", "2mb")`. It wins over the defaults.
    ///
    /// For a password use [`password`](Self::password), so that this harness knows it as well.
    #[must_use]
    pub fn config(mut self, directive: &str, value: &str) -> Self {
        self.config.push([directive.to_owned(), value.to_owned()]);
        self
    }

    /// `requirepass`. Letters and digits only: it goes into [`RedisServer::url`] as it is.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.config("requirepass", password)
    }

    /// Speaks TLS and nothing else on its port, and shows this certificate. With `clients` it refuses those that do not show one by that
    /// authority.
    #[must_use]
    pub fn tls(mut self, shown: Certified, clients: Option<&Authority>) -> Self {
        self.tls = Some(Tls {
            shown,
            clients: clients.map(|authority| authority.certificate().to_owned()),
        });
        self
    }

    /// Makes it a sentinel, with these lines of `sentinel.conf` to begin with.
    pub(crate) fn sentinel(mut self, lines: &str) -> Self {
        self.sentinel = Some(lines.to_owned());
        self
    }

    /// Lets the server's wall clock be moved while it runs, with [`RedisServer::clock`].
    #[must_use]
    pub fn movable_clock(mut self) -> Self {
        self.movable_clock = true;
        self
    }

    /// Lets the kernel kill the server when the thread that starts it ends, however it ends: for programs that may be killed. Where
    /// there is no `setpriv` (it comes with util-linux) this does nothing.
    #[must_use]
    pub fn tied(mut self) -> Self {
        self.tied = true;
        self
    }

    /// A node of a cluster that it has not met yet: see [`RedisCluster`](crate::RedisCluster).
    #[must_use]
    pub fn in_cluster(mut self) -> Self {
        self.in_cluster = true;
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When it can't be started, with its log.
    pub async fn start(self) -> RedisServer {
        let folder = tempfile::Builder::new()
            .prefix("redis-server-")
            .tempdir()
            .expect("a temporary folder");
        let mut server = RedisServer {
            process: Process::Down { _port: None },
            port: 0,
            clock: self.movable_clock.then(Clock::new),
            settings: self,
            folder,
        };
        // Somebody can take the port between our choosing it and the server's binding it. Not ten
        // times in a row.
        for _ in 0..10 {
            server.port = free_port().expect("a free port");
            if server.settings.in_cluster {
                server.settings.bus = Some(free_port().expect("a free port"));
            }
            if server.spawn().await {
                return server;
            }
        }
        panic!("{}", server.describe("start"));
    }

    fn command(&self, port: u16, folder: &Path, clock: Option<&Clock>) -> Command {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_file(folder))
            .expect("a log file in the temporary folder");
        let mut command = self.program();
        if let Some(lines) = &self.sentinel {
            let file = folder.join("sentinel.conf");
            // Over restarts it keeps what it knows.
            if !file.exists() {
                fs::write(&file, lines).expect("a file in the temporary folder");
            }
            command.arg(file).arg("--sentinel");
        }
        command
            .args(["--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle of the log file"))
            .stdout(log);
        match &self.tls {
            Some(tls) => tls.give(&mut command, port, folder),
            None => {
                command.args(["--port", &port.to_string()]);
            }
        }
        if let Some(bus) = self.bus {
            // The usual one, 10,000 above the port, may be none.
            command
                .args(["--cluster-enabled", "yes"])
                .args(["--cluster-port", &bus.to_string()]);
        }
        for [directive, value] in &self.config {
            command.arg(format!("--{directive}")).arg(value);
        }
        if let Some(clock) = clock {
            clock.give(&mut command);
        }
        command
    }

    fn program(&self) -> Command {
        let binary = env::var_os(BINARY).unwrap_or_else(|| "redis-server".into());
        let tie = [OsStr::new("--pdeathsig"), OsStr::new("KILL"), &binary];
        let can_tie = || {
            let mut trial = Command::new("setpriv");
            trial
                .args(tie)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            trial.status().is_ok_and(|status| status.success())
        };
        if self.tied && can_tie() {
            // It becomes the server, under the same process id.
            let mut command = Command::new("setpriv");
            command.args(tie);
            return command;
        }
        Command::new(binary)
    }
}

impl Tls {
    fn give(&self, command: &mut Command, port: u16, folder: &Path) {
        let mut file = |directive: &str, name: &str, content: &str| {
            let path = folder.join(name);
            fs::write(&path, content).expect("a file in the temporary folder");
            command.arg(directive).arg(path);
        };
        file("--tls-cert-file", "server.crt", &self.shown.certificate);
        file("--tls-key-file", "server.key", &self.shown.key);
        // The server wants one in any case.
        let clients = self.clients.as_ref().unwrap_or(&self.shown.certificate);
        file("--tls-ca-cert-file", "clients.crt", clients);
        let ask = if self.clients.is_some() { "yes" } else { "no" };
        command
            .args(["--port", "0", "--tls-port", &port.to_string()])
            .args(["--tls-auth-clients", ask])
            .arg("--unixsocket")
            .arg(socket(folder));
    }
}

impl Process {
    fn kill(&mut self) {
        if let Self::Up(child) = self {
            // It may have ended already: then there is nothing left to kill, or to report.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn has_ended(&mut self) -> bool {
        match self {
            Self::Up(child) => !matches!(child.try_wait(), Ok(None)),
            Self::Down { .. } => true,
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("redis.log")
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Binds without listening. When that fails nothing is lost but certainty, so the error isn't one.
fn hold(port: u16) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().ok()?;
    // Closed connections of the killed server linger on its port.
    socket.set_reuseaddr(true).ok()?;
    socket
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .ok()?;
    Some(socket)
}

async fn info(connection: &mut MultiplexedConnection, section: &str) -> RedisResult<String> {
    redis::cmd("INFO")
        .arg(section)
        .query_async(connection)
        .await
}

/// Lines such as `cmdstat_get:calls=3,usec=12,…`.
fn parse_commandstats(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let (calls, _) = figures.strip_prefix("calls=")?.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commandstats_are_read() {
        let text = "# Commandstats\r\ncmdstat_get:calls=3,usec=12,usec_per_call=4.00\r\ncmdstat_client|setinfo:calls=2,usec=1\r\nother:1\r\n";
        let calls = parse_commandstats(text);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls["get"], 3);
        assert_eq!(calls["client|setinfo"], 2);
    }
}
