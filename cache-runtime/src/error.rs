//! Errors that reach a user: from building a cache, and from operations that were asked to tell.

use std::fmt;

use crate::store::StoreError;

/// A cache operation did not succeed. Annotated functions never answer with it, but for writers with `on_unreachable = fail`.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Redis is not connected.
    Unreachable,
    /// Redis did not answer within the operation's deadline; what was asked may have been done.
    TimedOut,
    /// Redis answered with an error.
    Refused,
    /// What was given cannot be used: the message says why. Nothing was asked of Redis.
    Invalid,
    /// There is no place for it: a queue or a value is larger than it may be.
    TooLarge,
    /// Whoever asked has asked too often: [`Builder::invalidation_limit`](crate::Builder::invalidation_limit). Nothing was done.
    Limited,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Unreachable => ErrorKind::Unreachable,
            StoreError::TimedOut => ErrorKind::TimedOut,
            StoreError::Refused(_) => ErrorKind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A cache could not be configured: each thing that is wrong, and what would be right. Values that may hold a secret are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    #[cfg(feature = "encryption")]
    pub(crate) fn of(problem: String) -> Self {
        Self {
            problems: vec![problem],
        }
    }

    pub(crate) fn check(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }

    /// Each thing that is wrong.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache not configured: {}", self.problems.join("; "))
    }
}

impl std::error::Error for ConfigError {}
