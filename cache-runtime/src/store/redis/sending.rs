//! Several commands at once, each to whom it belongs: those for one node in one round trip, the nodes side by side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, RedisError, Value};

use super::attempt::{is_elsewhere, is_of_server};
use super::link::{self, Live};
use super::nodes::{Node, Place, Reached, Slot};
use super::script::{self, Script};
use super::vouching::Picked;
use super::{Redis, StoreError};

/// A command, and where it belongs.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) slot: Slot,
    pub(super) command: Cmd,
    /// What it calls.
    pub(super) script: Option<&'static Script>,
}

/// An answer, and who gave it.
#[derive(Clone)]
pub(super) struct Reply {
    /// An error of the server where this command alone was refused.
    pub(super) value: Value,
    pub(super) by: Arc<Live>,
    /// Whether it came in one round trip with the answers of all commands for its node, and in their order.
    pub(super) at_once: bool,
}

impl Reply {
    /// The answer, or why there is none.
    pub(super) fn value(self) -> Result<Value, StoreError> {
        match self.value {
            Value::ServerError(error) => Err(refused(&error.into())),
            value => Ok(value),
        }
    }
}

/// What became of each command.
pub(super) type Replies = Vec<Result<Reply, StoreError>>;

/// Commands for one node.
struct Group {
    node: Arc<Node>,
    commands: Pipeline,
    scripts: Vec<Option<&'static Script>>,
    slots: Vec<Slot>,
    /// Where they stand among all.
    places: Vec<usize>,
}

/// What one node has answered.
struct Answers {
    values: Vec<Value>,
    by: Arc<Live>,
    at_once: bool,
}

impl Redis {
    /// Sends commands that are all about `name`, and follows its slot; their answers, or why one of them has none.
    pub(super) async fn send_about(
        &self,
        name: &str,
        commands: &Pipeline,
        patience: Duration,
    ) -> Result<Vec<Value>, StoreError> {
        let commands = commands.cmd_iter();
        let commands = commands.map(|command| self.command(name, command.clone()));
        let replies = self.send(commands.collect(), patience, self.retries).await;
        replies.into_iter().map(|reply| reply?.value()).collect()
    }

    /// Sends all of them, as often as `retries` says; the answers are in their order. A node that is away or slow keeps nobody from the answers of the others.
    pub(super) async fn send(
        &self,
        commands: Vec<Command>,
        patience: Duration,
        retries: u32,
    ) -> Replies {
        let began = Instant::now();
        let until = began + patience;
        let all = commands.len();
        let mut patience = patience;
        if !self.nodes.is_known() {
            if let Err(error) = Box::pin(self.masters(patience)).await {
                return vec![Err(error); all];
            }
            patience = patience.saturating_sub(began.elapsed());
        }
        let groups = grouped(commands, |slot| {
            let node = self.nodes.known(slot);
            if node.is_none() {
                self.nodes.doubt();
            }
            node
        });
        let left = || until.saturating_duration_since(Instant::now());
        let mut replies = vec![Err(StoreError::Unreachable); all];
        self.send_groups(&groups, &mut replies, patience, retries)
            .await;
        if self.nodes.is_cluster() {
            Box::pin(self.send_again(&groups, &mut replies, &left, retries)).await;
        }
        replies
    }

    /// Sends reads to the replicas that were picked, once. What they do not serve is not looked for elsewhere.
    pub(super) async fn send_to_replicas(
        &self,
        commands: Vec<Command>,
        mut picked: Picked,
        patience: Duration,
    ) -> Replies {
        let mut replies = vec![Err(StoreError::Unreachable); commands.len()];
        let groups = grouped(commands, |slot| picked.at(&self.nodes, slot));
        self.send_groups(&groups, &mut replies, patience, 0).await;
        replies
    }

    async fn send_groups(
        &self,
        groups: &[Group],
        replies: &mut Replies,
        patience: Duration,
        retries: u32,
    ) {
        match groups {
            [group] => {
                let answers = self.send_group(group, patience, retries).await;
                sort(replies, group, answers);
            }
            groups => {
                let answers = groups
                    .iter()
                    .map(|group| self.send_group(group, patience, retries));
                let answers = Box::pin(join_all(answers)).await;
                for (group, answers) in groups.iter().zip(answers) {
                    sort(replies, group, answers);
                }
            }
        }
    }

    async fn send_group(
        &self,
        group: &Group,
        patience: Duration,
        retries: u32,
    ) -> Result<Answers, StoreError> {
        let place = Place::Node(group.node.clone());
        let (commands, scripts) = (&group.commands, &group.scripts);
        self.attempts(place, patience, retries, move |reached| async move {
            answers(reached, commands, scripts).await
        })
        .await
    }

    /// What the nodes say they do not serve, or not yet: nothing of it was done. Each goes its own way then.
    async fn send_again(
        &self,
        groups: &[Group],
        replies: &mut Replies,
        left: &impl Fn() -> Duration,
        retries: u32,
    ) {
        let mut again = Vec::new();
        for group in groups {
            let commands = group.commands.cmd_iter();
            for (index, (command, at)) in commands.zip(&group.places).enumerate() {
                let Ok(Reply {
                    value: Value::ServerError(error),
                    ..
                }) = &replies[*at]
                else {
                    continue;
                };
                let error = RedisError::from(error.clone());
                if is_elsewhere(&error) {
                    // Noted, so that the next attempt leads there.
                    self.nodes.redirected(&group.node, &error);
                    let mut one = Pipeline::with_capacity(1);
                    one.add_command(command.clone());
                    again.push((*at, group.slots[index], one, [group.scripts[index]]));
                }
            }
        }
        let each = again.iter().map(async |(at, slot, command, script)| {
            let place = Place::Slot(*slot);
            let sent = self.attempts(place, left(), retries, move |reached| async move {
                let Answers { mut values, by, .. } = answers(reached, command, script).await?;
                match values.pop().unwrap_or(Value::Nil) {
                    Value::ServerError(error) if is_elsewhere(&error.clone().into()) => {
                        Err(error.into())
                    }
                    value => Ok((value, by)),
                }
            });
            let reply = sent.await.map(|(value, by)| Reply {
                value,
                by,
                at_once: false,
            });
            (*at, reply)
        });
        for (at, reply) in join_all(each).await {
            replies[at] = reply;
        }
    }
}

/// By the nodes that are found for their slots. What none is found for is in no group.
fn grouped(
    commands: Vec<Command>,
    mut node_of: impl FnMut(Slot) -> Option<Arc<Node>>,
) -> Vec<Group> {
    let all = commands.len();
    let mut groups: Vec<Group> = Vec::with_capacity(1);
    for (at, command) in commands.into_iter().enumerate() {
        let Some(node) = node_of(command.slot) else {
            continue;
        };
        let known = groups
            .iter()
            .position(|group| Arc::ptr_eq(&group.node, &node));
        let place = known.unwrap_or(groups.len());
        if known.is_none() {
            groups.push(Group {
                node,
                commands: Pipeline::with_capacity(all - at),
                scripts: Vec::with_capacity(all - at),
                slots: Vec::with_capacity(all - at),
                places: Vec::with_capacity(all - at),
            });
        }
        let group = &mut groups[place];
        group.commands.add_command(command.command);
        group.scripts.push(command.script);
        group.slots.push(command.slot);
        group.places.push(at);
    }
    groups
}

async fn answers(
    reached: Reached,
    commands: &Pipeline,
    scripts: &[Option<&'static Script>],
) -> Result<Answers, RedisError> {
    let (values, at_once) = script::query(reached.connection(), commands, scripts).await?;
    // What all of them meet is the server's state, not theirs.
    for value in &values {
        if let Value::ServerError(error) = value {
            let error = RedisError::from(error.clone());
            if is_of_server(&error) {
                return Err(error);
            }
        }
    }
    Ok(Answers {
        values,
        by: reached.live,
        at_once,
    })
}

fn sort(replies: &mut Replies, group: &Group, answers: Result<Answers, StoreError>) {
    match answers {
        Ok(Answers {
            values,
            by,
            at_once,
        }) => {
            for (at, value) in group.places.iter().zip(values) {
                replies[*at] = Ok(Reply {
                    value,
                    by: by.clone(),
                    at_once,
                });
            }
        }
        Err(error) => {
            for at in &group.places {
                replies[*at] = Err(error.clone());
            }
        }
    }
}

/// A command that the server refused by itself, or that it answered with something unexpected.
pub(super) fn refused(error: &RedisError) -> StoreError {
    StoreError::Refused(link::described(error))
}
