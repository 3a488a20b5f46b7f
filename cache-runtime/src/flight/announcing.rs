//! Callers that announce a load of one key at one time ask the store together: each takes the ticket of a question that was sent after it came. So of any
//! number that come at once the first ones ask for themselves, and another one for all that have come meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Seat, until};
use crate::envelope::Head;
use crate::key::Tag;
use crate::store::{StoreError, Ticket};
use crate::sync::{Mutex, at_most, lock};
use crate::together::RELIED_ON;

/// Questions on their way at a time: two callers wait for nobody.
const UNDER_WAY: usize = 2;

/// What the store answers: a ticket, unless another entry has come.
type Answer = Result<Option<Ticket>, StoreError>;

/// The questions for tickets of one key.
#[derive(Debug, Default)]
pub(super) struct Announcing {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many questions were sent.
    sent: u64,
    /// Those of them that are on their way and relied on, by number.
    asking: Vec<u64>,
    /// Of those that were answered the one that was sent last.
    last: Option<Answered>,
}

#[derive(Debug)]
struct Answered {
    number: u64,
    about: (Head, Vec<Tag>),
    answer: Answer,
}

/// What a caller has to do.
enum Turn {
    Ask(Asking),
    Take(Answer),
}

/// The question of one caller. Dropped without an answer, another one asks.
struct Asking {
    announcing: Arc<Announcing>,
    number: u64,
}

impl Seat {
    /// The ticket of a load after a miss that saw `head`: the one that `ask` brings, or one that another caller asks for after this was called. All
    /// of it takes no longer than `patience`.
    ///
    /// Safe to drop: another caller asks.
    pub(crate) async fn ticket<F: Future<Output = Answer>>(
        &self,
        head: &Head,
        tags: &[Tag],
        patience: Duration,
        ask: impl FnOnce(Duration) -> F,
    ) -> Answer {
        let announcing = &self.announcing;
        let came = lock(&announcing.state).sent;
        let turn = || announcing.turn(came, head, tags);
        let (turn, patience) = match turn() {
            Some(turn) => (turn, patience),
            None => {
                let began = Instant::now();
                let left = || patience.saturating_sub(began.elapsed());
                loop {
                    let sent = lock(&announcing.state).sent;
                    let wait = RELIED_ON.min(left());
                    if let Some(turn) = at_most(wait, until(&announcing.changed, turn)).await {
                        break (turn, left());
                    }
                    if left().is_zero() {
                        return Err(StoreError::TimedOut);
                    }
                    announcing.rely_no_more(sent);
                }
            }
        };
        match turn {
            Turn::Take(answer) => answer,
            Turn::Ask(asking) => {
                let answer = ask(patience).await;
                // Another one may have more time than this one had.
                if !matches!(answer, Err(StoreError::TimedOut)) {
                    asking.end((head.clone(), tags.to_vec()), answer.clone());
                }
                answer
            }
        }
    }
}

impl Announcing {
    /// What a caller has to do that came after so many questions; `None` while another one asks.
    fn turn(self: &Arc<Self>, came: u64, head: &Head, tags: &[Tag]) -> Option<Turn> {
        let mut state = lock(&self.state);
        let mine =
            |last: &&Answered| last.number > came && last.about.0 == *head && last.about.1 == tags;
        if let Some(last) = state.last.as_ref().filter(mine) {
            return Some(Turn::Take(last.answer.clone()));
        }
        if state.asking.len() >= UNDER_WAY {
            return None;
        }
        state.sent += 1;
        let number = state.sent;
        state.asking.push(number);
        Some(Turn::Ask(Asking {
            announcing: self.clone(),
            number,
        }))
    }

    /// What was sent by then takes long: others may ask.
    fn rely_no_more(&self, sent: u64) {
        lock(&self.state).asking.retain(|number| *number > sent);
        self.changed.notify_waiters();
    }
}

impl Asking {
    fn end(self, about: (Head, Vec<Tag>), answer: Answer) {
        let mut state = lock(&self.announcing.state);
        let number = self.number;
        if state.last.as_ref().is_none_or(|last| last.number < number) {
            state.last = Some(Answered {
                number,
                about,
                answer,
            });
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut state = lock(&self.announcing.state);
        state.asking.retain(|number| *number != self.number);
        drop(state);
        self.announcing.changed.notify_waiters();
    }
}
