//! What a caller notices of each fault of Redis: the table of docs/failures.md.
//!
//! ```text
//! cargo run --release -p cache-tests --bin faults [-- FAULT…] [--json]
//! ```
//!
//! Each fault meets a real server and a cache with the default settings. While it lasts, rows are written and read through annotated functions, one
//! after the other and many at once; every answer is compared with the truth, and the time that a call took is all the cache's, since the load
//! takes none. Then the fault ends, and the time until the first hit is taken.
//!
//! It ends with 1 when an answer was wrong, and with 0 otherwise: times are figures, not verdicts.

mod kind;
mod measure;
mod stage;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser;

use crate::kind::Kind;
use crate::measure::Figures;

/// Measures what callers notice while Redis fails.
#[derive(Debug, Parser)]
struct Options {
    /// Faults to show; all of them when left out.
    #[arg(value_enum)]
    faults: Vec<Kind>,
    /// A line of JSON for each in place of the table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .init();
    let mut right = true;
    if !options.json {
        say(Figures::HEADER);
    }
    for kind in kind::chosen(&options.faults) {
        let figures = measure::measure(kind, &log).await;
        right &= figures.wrong == 0;
        say(&if options.json {
            serde_json::to_string(&figures).expect("figures are JSON")
        } else {
            figures.row()
        });
    }
    if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A reader that went away wants no more.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// What the cache has logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was logged since the last time, each message once and without what differs from run to run.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic under the lock"));
        let mut messages = Vec::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let fields = [" server=", " key=", " target=", " by=", " waited="];
            let end = fields.iter().filter_map(|field| line.find(field)).min();
            let message = line[..end.unwrap_or(line.len())].trim();
            if !messages.iter().any(|known| known == message) {
                messages.push(message.to_owned());
            }
        }
        messages
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no panic under the lock")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
