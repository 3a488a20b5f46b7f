//! One operation: its deadline, its retries, and what it means for the circuit. Nothing else decides about these.
//!
//! The circuit breaker (M. Nygard, "Release It!", 2007) is the connection's state in [`link`], one for each node: *closed* while there is a
//! connection, *open* while there is none, when operations fail at once; *half-open* while the background connects, whose handshake is the one
//! probe. No caller's operation ever is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::link::{self, Live};
use super::nodes::{Node, Place, Reached, Target};
use super::{Redis, StoreError};
use crate::meters::Trip;

/// Waits before a retry, doubled from one to the next, and up to a half more or less. A connection that was cut is made anew in less.
const FIRST_WAIT: Duration = Duration::from_millis(4);

/// Redirections that one operation follows. One is usual when a slot has moved, two while it moves.
const REDIRECTIONS: u32 = 5;

/// Answers of a server that cannot serve at present, whatever is asked.
const FAILING: [&str; 4] = ["LOADING", "CLUSTERDOWN", "MASTERDOWN", "BUSY"];
/// Answers that another connection has to be made for.
const BROKEN: [&str; 2] = ["READONLY", "NOAUTH"];
/// Answers of a node of a cluster that does not serve the slot, or not yet all of it. Nothing was done.
const ELSEWHERE: [&str; 3] = ["MOVED", "ASK", "TRYAGAIN"];

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
        place: Place,
        patience: Duration,
        operation: impl Fn(Reached) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.attempts(place, patience, self.retries, operation)
            .await
    }

    /// The same for what must not be done twice.
    pub(super) async fn attempt_once<T, F>(
        &self,
        place: Place,
        patience: Duration,
        operation: impl Fn(Reached) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.attempts(place, patience, 0, operation).await
    }

    pub(super) async fn attempts<T, F>(
        &self,
        place: Place,
        patience: Duration,
        retries: u32,
        operation: impl Fn(Reached) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let began = Instant::now();
        let until = began + patience;
        let mut wait = FIRST_WAIT;
        let mut left = retries;
        let mut redirections = REDIRECTIONS;
        let mut redirected: Option<Target> = None;
        loop {
            let mut target = redirected.take();
            let failure = match self.one(&place, &mut target, until, &operation).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let node = target.as_ref().map(|target| &*target.node);
            if let (Failure::Client(_, error), Some(node)) = (&failure, node)
                && redirections > 0
                && let Some(next) = self.nodes.redirected(node, error)
                // What is asked of this node alone is asked of no other.
                && matches!(place, Place::Slot(_))
            {
                redirections -= 1;
                redirected = Some(next);
                continue;
            }
            let (error, may_pass) = match (failure, node) {
                // Once one's own connection broke, a new one may be there after a wait.
                (Failure::NotConnected, _) => {
                    self.nodes.doubt();
                    (StoreError::Unreachable, left < retries)
                }
                (Failure::Client(live, error), Some(node)) => {
                    self.judge(node, &live, began, &error)
                }
                (Failure::TimedOut(live), Some(node)) => {
                    // What is left of a call's budget may be too short for a server that is well.
                    if let Some(live) = live.filter(|_| patience >= self.deadline / 2) {
                        node.link.failing(&live, began, &StoreError::TimedOut);
                        self.nodes.doubt();
                    }
                    return Err(StoreError::TimedOut);
                }
                (_, None) => return Err(StoreError::TimedOut),
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

    /// Goes to `target`, or else to whom the place is known to lead, which is noted there.
    async fn one<T, F>(
        &self,
        place: &Place,
        target: &mut Option<Target>,
        until: Instant,
        operation: impl Fn(Reached) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut used = None;
        let answer = tokio::time::timeout_at(until, async {
            let target = match target {
                Some(target) => target,
                None => {
                    let known = self.nodes.at(place).await;
                    target.insert(known.map_err(|_| Failure::NotConnected)?)
                }
            };
            let reached = target.reach().await.map_err(|_| Failure::NotConnected)?;
            let live = reached.live.clone();
            used = Some((live.clone(), Trip::begin()));
            let answer = match self.settings.control.suffer().await {
                Ok(()) => operation(reached).await,
                Err(fault) => Err(fault.into()),
            };
            match answer {
                Ok(answer) => {
                    target.node.link.worked(&live);
                    Ok(answer)
                }
                Err(error) => Err(Failure::Client(live, error)),
            }
        })
        .await;
        let (live, trip) = used.unzip();
        if let Some(trip) = trip {
            let trips = &self.settings.trips;
            trip.end(match &answer {
                Ok(Ok(_)) => &trips.ok,
                Ok(Err(_)) => &trips.failed,
                Err(_) => &trips.timed_out,
            });
        }
        answer.unwrap_or(Err(Failure::TimedOut(live)))
    }

    /// What an error means: for the circuit, and whether another attempt may pass.
    fn judge(
        &self,
        node: &Node,
        live: &Arc<Live>,
        began: Instant,
        error: &RedisError,
    ) -> (StoreError, bool) {
        let said = StoreError::Refused(link::described(error));
        if error.is_unrecoverable_error() || error.is_io_error() || is(error, &BROKEN) {
            node.link.lost(live, &said);
            self.nodes.doubt();
            return (said, true);
        }
        if is(error, &FAILING) {
            node.link.failing(live, began, &said);
            self.nodes.doubt();
            return (said, true);
        }
        // The server is well, and does not do this.
        node.link.worked(live);
        (said, is(error, &["TRYAGAIN"]))
    }
}

/// Whether the server can do nothing at all at present.
pub(super) fn is_of_server(error: &RedisError) -> bool {
    is(error, &FAILING) || is(error, &BROKEN)
}

/// Whether the node does not serve what was asked of it, and nothing was done.
pub(super) fn is_elsewhere(error: &RedisError) -> bool {
    is(error, &ELSEWHERE)
}

fn is(error: &RedisError, codes: &[&str]) -> bool {
    error.code().is_some_and(|code| codes.contains(&code))
}
