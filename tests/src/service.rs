use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Generous: it fills its database first, on a machine that may be loaded.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// A service that runs in a process of its own, on a free port. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    process: Child,
    url: String,
}

impl Service {
    /// Starts `program` with these arguments and settings, and waits until it serves: until its first line says `… at http://…, …`.
    ///
    /// Of this process' environment it sees nothing but `PATH`, so that nobody's own settings reach it.
    ///
    /// # Panics
    /// When it does not start within two minutes; what it said stands above.
    pub async fn start<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        settings: impl IntoIterator<Item = (&'static str, S)>,
    ) -> Self {
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("PORT", "0")
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the service's program is there");
        let mut said = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let line = timeout(START_DEADLINE, said.next_line()).await;
        let line = line.expect("the service starts in time");
        let line = line.expect("what it says is text").unwrap_or_default();
        let url = line
            .split_once(" at ")
            .and_then(|(_, at)| at.split_once(','));
        let (url, _) = url.unwrap_or_else(|| panic!("{arguments:?} does not start: {line}"));
        Self {
            process,
            url: url.to_owned(),
        }
    }

    /// Where it answers, such as `http://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }
}
