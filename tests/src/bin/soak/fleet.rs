//! Everything that runs: a Redis server or a cluster, the source, and processes, each with a network of its own to a server.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cache_tests::{Clock, Proxy, RedisCluster, RedisServer};
use clap::ValueEnum as _;
use tempfile::TempDir;

use crate::Mode;
use crate::history::{self, Event};
use crate::source::Source;

/// How long processes may take to end.
const FAREWELL: Duration = Duration::from_secs(15);

/// After which a node of a cluster has failed. Longer than a node is stopped: one that was replaced meanwhile answers for a moment when it goes on as if nothing
/// had happened, and of that it is known that the promise does not hold.
const NODE_TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) behind: Behind,
    processes: Vec<Child>,
    /// One an instance; a process that was replaced has left one, too.
    histories: Vec<PathBuf>,
    mode: Mode,
    seed: u64,
    late: Clock,
    folder: TempDir,
}

/// What the processes share their answers through.
#[derive(Debug)]
pub(crate) enum Behind {
    One(Box<One>),
    Cluster(RedisCluster),
}

/// A server, and the networks to it, one a process.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) server: RedisServer,
    pub(crate) proxies: Vec<Proxy>,
}

impl Fleet {
    pub(crate) async fn start(
        mode: Mode,
        processes: usize,
        seed: u64,
    ) -> Result<Self, Box<dyn Error>> {
        // In memory where that is possible: the soak is to wait for Redis, not for a disk.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(place)?;
        let late = Clock::new();
        late.set(-15 * 60);
        let mut fleet = Self {
            behind: Behind::start(mode, processes).await,
            processes: Vec::new(),
            histories: Vec::new(),
            mode,
            seed,
            late,
            folder,
        };
        Source::create(&fleet.source()).await?;
        for number in 0..processes {
            let process = fleet.spawn(number, processes)?;
            fleet.processes.push(process);
        }
        Ok(fleet)
    }

    pub(crate) fn processes(&self) -> usize {
        self.processes.len()
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source.sqlite")
    }

    fn spawn(&mut self, number: usize, of: usize) -> io::Result<Child> {
        let instance = self.histories.len();
        let history = self.folder.path().join(format!("{instance}.jsonl"));
        let mode = self.mode.to_possible_value().expect("none is hidden");
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["instance", "--mode", mode.get_name()])
            .args(["--redis", &self.behind.url(number)])
            .arg("--source")
            .arg(self.source())
            .arg("--history")
            .arg(&history)
            .args(["--number", &number.to_string()])
            .args(["--processes", &of.to_string()])
            .args([
                "--seed",
                &self.seed.wrapping_add(instance as u64 + 1).to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        // The last one's wall clock is a quarter of an hour late.
        if number > 0 && number + 1 == of {
            self.late.give(&mut command);
        }
        let process = command.spawn()?;
        self.histories.push(history);
        Ok(process)
    }

    /// Kills a process without warning, and starts another one in its place.
    pub(crate) fn replace(&mut self, number: usize) -> io::Result<()> {
        self.processes[number].kill()?;
        self.processes[number].wait()?;
        self.processes[number] = self.spawn(number, self.processes.len())?;
        Ok(())
    }

    /// Whether a process has ended that nobody told to.
    pub(crate) fn has_lost_one(&mut self) -> bool {
        self.processes
            .iter_mut()
            .any(|process| !matches!(process.try_wait(), Ok(None)))
    }

    /// Lets the processes come to their end, and reads what all instances recorded.
    pub(crate) async fn finish(mut self) -> Result<Vec<Vec<Event>>, Box<dyn Error>> {
        for process in &mut self.processes {
            drop(process.stdin.take());
        }
        let deadline = Instant::now() + FAREWELL;
        for process in &mut self.processes {
            let status = loop {
                if let Some(status) = process.try_wait()? {
                    break status;
                }
                if Instant::now() > deadline {
                    return Err("a process does not end".into());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            if !status.success() {
                return Err(format!("a process failed: {status}").into());
            }
        }
        let histories = self.histories.iter().map(|file| history::read(file));
        Ok(histories.collect::<Result<_, _>>()?)
    }
}

impl Behind {
    async fn start(mode: Mode, processes: usize) -> Self {
        if mode == Mode::Cluster {
            let settings = RedisServer::builder().tied();
            return Self::Cluster(RedisCluster::start_with(settings, NODE_TIMEOUT).await);
        }
        let server = One::server().await;
        let mut proxies = Vec::with_capacity(processes);
        for _ in 0..processes {
            proxies.push(Proxy::start(server.port()).await);
        }
        Self::One(Box::new(One { server, proxies }))
    }

    /// What a process is given, of a cluster the nodes with commas between.
    fn url(&self, number: usize) -> String {
        match self {
            Self::One(one) => one.proxies[number].url(),
            Self::Cluster(cluster) => cluster.urls().join(","),
        }
    }
}

impl One {
    /// A server that ends with this program.
    pub(crate) async fn server() -> RedisServer {
        RedisServer::builder()
            .tied()
            .config("repl-diskless-sync-delay", "0")
            .start()
            .await
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
