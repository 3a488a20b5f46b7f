//! One operation: its deadline, its retries, and what it means for the circuit. Nothing else decides about these.
//!
//! The circuit breaker (M. Nygard, "Release It!", 2007) is the connection's state in [`link`]: *closed* while there is a
//! connection, *open* while there is none, when operations fail at once; *half-open* while the background connects, whose handshake is the one
//! probe. No caller's operation ever is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::link::{self, Live};
use super::{Redis, StoreError};
use crate::meters::Trip;

/// Waits before a retry, doubled from one to the next, and up to a half more or less. A connection that was cut is made anew in less.
const FIRST_WAIT: Duration = Duration::from_millis(4);

/// Answers of a server that cannot serve at present, whatever is asked.
const FAILING: [&str; 4] = ["LOADING", "CLUSTERDOWN", "MASTERDOWN", "BUSY"];
/// Answers that another connection has to be made for.
const BROKEN: [&str; 2] = ["READONLY", "NOAUTH"];

/// Why one attempt did not succeed.
enum Failure {
    /// The circuit is open.
    NotConnected,
    TimedOut(Option<Arc<Live>>),
    Client(Arc<Live>, RedisError),
}

impl Redis {
    /// Does `operation` within `patience`, and again, as often as the cache is set to, when the connection broke or the server could not
    /// serve: it may be done twice.
    pub(super) async fn attempt<T, F>(
        &self,
        patience: Duration,
        operation: impl Fn(Arc<Live>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.attempts(patience, self.retries, operation).await
    }

    /// The same for what must not be done twice.
    pub(super) async fn attempt_once<T, F>(
        &self,
        patience: Duration,
        operation: impl Fn(Arc<Live>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.attempts(patience, 0, operation).await
    }

    async fn attempts<T, F>(
        &self,
        patience: Duration,
        retries: u32,
        operation: impl Fn(Arc<Live>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let began = Instant::now();
        let until = began + patience;
        let mut wait = FIRST_WAIT;
        let mut left = retries;
        loop {
            let (error, may_pass) = match self.one(until, &operation).await {
                Ok(answer) => return Ok(answer),
                // Once one's own connection broke, a new one may be there after a wait.
                Err(Failure::NotConnected) => (StoreError::Unreachable, left < retries),
                Err(Failure::TimedOut(live)) => {
                    // What is left of a call's budget may be too short for a server that is well.
                    if let Some(live) = live.filter(|_| patience >= self.deadline / 2) {
                        self.link.failing(&live, began, &StoreError::TimedOut);
                    }
                    return Err(StoreError::TimedOut);
                }
                Err(Failure::Client(live, error)) => self.judge(&live, began, &error),
            };
            let pause = wait.mul_f64(0.5 + fastrand::f64());
            if !may_pass || left == 0 || Instant::now() + pause >= until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            left -= 1;
        }
    }

    async fn one<T, F>(
        &self,
        until: Instant,
        operation: impl Fn(Arc<Live>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut used = None;
        let answer = tokio::time::timeout_at(until, async {
            let live = self.link.live().await.map_err(|_| Failure::NotConnected)?;
            used = Some((live.clone(), Trip::begin()));
            match operation(live.clone()).await {
                Ok(answer) => {
                    self.link.worked(&live);
                    Ok(answer)
                }
                Err(error) => Err(Failure::Client(live, error)),
            }
        })
        .await;
        let (live, trip) = used.unzip();
        if let Some(trip) = trip {
            let trips = self.link.trips();
            trip.end(match &answer {
                Ok(Ok(_)) => &trips.ok,
                Ok(Err(_)) => &trips.failed,
                Err(_) => &trips.timed_out,
            });
        }
        answer.unwrap_or(Err(Failure::TimedOut(live)))
    }

    /// What an error means: for the circuit, and whether another attempt may pass.
    fn judge(&self, live: &Arc<Live>, began: Instant, error: &RedisError) -> (StoreError, bool) {
        let said = StoreError::Refused(link::described(error));
        let code = |codes: &[&str]| error.code().is_some_and(|code| codes.contains(&code));
        if error.is_unrecoverable_error() || error.is_io_error() || code(&BROKEN) {
            self.link.lost(live, &said);
            return (said, true);
        }
        if code(&FAILING) {
            self.link.failing(live, began, &said);
            return (said, true);
        }
        // The server is well, and does not do this.
        self.link.worked(live);
        (said, code(&["TRYAGAIN"]))
    }
}
