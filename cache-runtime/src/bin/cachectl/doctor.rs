//! `doctor`: whether the server and its configuration are fit for this library, and what to change.

mod checks;
mod probe;

use cache_runtime::{Builder, Cache, ErrorKind};
use serde::Serialize;

use self::probe::Found;
use crate::failure::{Failure, Verdict};
use crate::output::{Output, bold};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    level: Level,
    found: String,
    /// Why it matters for this library.
    why: &'static str,
    /// What changes it, where there is something to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// A fault is an answer, not an error; so is a server that cannot be asked.
pub(crate) async fn run(
    cache: &Cache,
    builder: Builder,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let checks = match Found::of(cache, builder).await {
        Ok(found) => found.checks(),
        Err(Failure::Redis(error)) if error.kind() == ErrorKind::Unreachable => {
            let problem = cache.health().await.problem;
            vec![checks::no_connection(problem.unwrap_or_default())]
        }
        Err(Failure::Redis(error)) => vec![checks::no_connection(error.to_string())],
        Err(other) => return Err(other),
    };
    for check in &checks {
        out.either(check, described)?;
    }
    let level = checks.iter().map(|check| check.level).max();
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    if !out.is_json {
        let (warnings, faults) = (count(Level::Warn), count(Level::Fail));
        out.text(format_args!(
            "{} checks: {faults} failed, {warnings} warned",
            checks.len()
        ))?;
    }
    Ok(match level {
        Some(Level::Fail) => Verdict::No,
        _ => Verdict::Yes,
    })
}

fn described(check: &Check) -> String {
    let mark = match check.level {
        Level::Ok => "\x1b[32mok  \x1b[0m",
        Level::Warn => "\x1b[33mwarn\x1b[0m",
        Level::Fail => "\x1b[31mfail\x1b[0m",
    };
    let change = check.change.map(|change| format!("\n      → {change}"));
    format!(
        "{mark}  {}: {}\n      \x1b[2m{}\x1b[0m{}",
        bold(check.name),
        check.found,
        check.why,
        change.unwrap_or_default()
    )
}
