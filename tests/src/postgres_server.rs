use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Generous: a loaded machine must not fail a test. It takes some two seconds.
const START_DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A PostgreSQL server of one's own, on a free port of 127.0.0.1, with its files in a temporary folder.
///
/// Dropping it stops the server and deletes the folder. Everybody may connect, as `postgres`.
#[derive(Debug)]
pub struct PostgresServer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl PostgresServer {
    /// Starts a server with an empty database `postgres`, and waits until it answers.
    ///
    /// # Panics
    /// When it can't be started, with its log.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postgres-server-")
            .tempdir()
            .expect("a temporary folder");
        let user = user();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("root may give the folder away");
        }
        let data = folder.path().join("data");
        let made = command("initdb", user)
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--pgdata",
            ])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .expect("initdb is installed");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let log = folder.path().join("postgres.log");
        let port = free_port();
        let process = command("postgres", user)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "fsync=off"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file in the temporary folder"))
            .spawn()
            .expect("postgres is installed");
        let server = Self {
            process,
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + START_DEADLINE;
        while !server.answers(user) {
            assert!(
                Instant::now() < deadline,
                "postgres does not answer; its log:\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            tokio::time::sleep(PAUSE).await;
        }
        server
    }

    /// `postgres://…`
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn answers(&self, user: Option<(u32, u32)>) -> bool {
        let asked = command("pg_isready", user)
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .current_dir("/")
            .status();
        asked.is_ok_and(|status| status.success())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // At once, and its own children with it.
        let _ = kill_process(Pid::from_child(&self.process), Signal::QUIT);
        let _ = self.process.wait();
    }
}

/// A program of the server's, run by a user whom it accepts: it refuses to be run by root.
fn command(program: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs().join(program));
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The package's own user, when we are root.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |flag| {
        let output = Command::new("id").args([flag, "postgres"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some((id("-u")?, id("-g")?))
}

/// Debian keeps them out of the way, by version.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| Path::new("").to_owned())
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
