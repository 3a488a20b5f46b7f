//! How a command ends: exit codes, and what is said when it fails.

use std::io;
use std::process::ExitCode;

use cache_runtime::{Cache, ConfigError, Error, ErrorKind, PatternError};

use crate::output::{self, Output};

/// What a command that was carried out has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Yes,
    /// There is none, or it is not well.
    No,
    /// Of `health` alone: what monitoring takes for critical.
    Critical,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing there, or not wanted after all.
    Negative(String),
    Usage(String),
    Redis(Error),
    /// The same, in words that say more.
    RedisSays(String),
    Output(io::Error),
}

impl Failure {
    pub(crate) fn usage(problem: impl Into<String>) -> Self {
        Self::Usage(problem.into())
    }

    /// The same, with what is known of a connection that is not there.
    pub(crate) async fn explained(self, cache: &Cache) -> Self {
        match self {
            Self::Redis(error) if error.kind() == ErrorKind::Unreachable => {
                let known = cache.health().await.problem;
                Self::RedisSays(known.unwrap_or_else(|| error.to_string()))
            }
            other => other,
        }
    }

    /// Says it, and how the process ends with it.
    pub(crate) fn report(self, out: &mut Output) -> ExitCode {
        let (message, code) = match self {
            // Whoever read it has enough: `cachectl keys '*' | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Output(error) => (format!("cannot write: {error}"), 3),
            Self::Negative(message) => (message, 1),
            Self::Usage(message) => (message, 2),
            Self::Redis(error) => (error.to_string(), 3),
            Self::RedisSays(message) => (message, 3),
        };
        out.error(&without_secrets(&message, std::env::args()));
        ExitCode::from(code)
    }
}

/// What clap has to say: help, the version, or what is wrong.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is no fault.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let said = without_secrets(&error.render().ansi().to_string(), std::env::args());
    if std::env::args().any(|argument| argument == "--json") {
        let said = anstream::adapter::strip_str(&said).to_string();
        let said = said.trim_start_matches("error: ");
        let said = match error.kind() {
            clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "a command is missing: see --help"
            }
            _ => said.split("\n\n").next().unwrap_or_default(),
        };
        Output::new(true).error(said);
    } else {
        output::say(&said);
    }
    ExitCode::from(2)
}

/// `text`, which may repeat an argument: `user:password` of a URL is not told.
fn without_secrets(text: &str, arguments: impl Iterator<Item = String>) -> String {
    arguments.fold(text.to_owned(), |text, argument| {
        let secret = argument
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'));
        match secret {
            Some((secret, _)) if !secret.is_empty() => text.replace(secret, "…"),
            _ => text,
        }
    })
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(match verdict {
            Verdict::Yes => 0,
            Verdict::No => 1,
            Verdict::Critical => 2,
        })
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<PatternError> for Failure {
    fn from(error: PatternError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_was_typed_is_not_repeated() {
        for (typed, said) in [
            ("redis://ada:s3cret@host:1", "no `redis://…@host:1`"),
            ("--url=redis://:p@s//s@host", "no `--url=redis://…@host`"),
            ("redis://host:6379", "no `redis://host:6379`"),
            ("a@b", "no `a@b`"),
        ] {
            let text = format!("no `{typed}`");
            let arguments = ["cachectl", typed].map(str::to_owned);
            assert_eq!(without_secrets(&text, arguments.into_iter()), said);
        }
    }
}
