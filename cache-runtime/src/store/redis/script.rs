//! Lua scripts, called by their hashes; a server that has forgotten one is told it again.
//!
//! redis-rs does this too, but asserts that the server answers with the hash that is known already: an answer that was damaged on its way would be the caller's
//! panic.

use std::sync::OnceLock;

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, ToRedisArgs, Value};

use super::link::Live;

/// A script of this crate.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    pub(super) const fn new(source: &'static str) -> Self {
        Self {
            source,
            hash: OnceLock::new(),
        }
    }

    /// A call of it, without keys and arguments yet.
    pub(super) fn call(&'static self) -> Call {
        Call {
            script: self,
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    fn hash(&self) -> &str {
        self.hash
            .get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }
}

/// What one call of a script is given.
#[derive(Debug)]
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn key<T: ToRedisArgs>(&mut self, key: T) -> &mut Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    pub(super) fn arg<T: ToRedisArgs>(&mut self, argument: T) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Calls it, in one round trip; and in two more where the server has forgotten it.
    pub(super) async fn invoke<T: FromRedisValue>(&self, live: &Live) -> Result<T, RedisError> {
        let answers = invoke_all(live, std::slice::from_ref(self)).await?;
        match answers.into_iter().next().unwrap_or(Value::Nil) {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(redis::from_redis_value(answer)?),
        }
    }

    fn command(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.hash()).arg(self.keys.len());
        for argument in self.keys.iter().chain(&self.arguments) {
            command.arg(argument.as_slice());
        }
        command
    }
}

/// Makes all of `calls`, which are of one script, in one round trip. What the server refuses stands among the answers.
pub(super) async fn invoke_all(live: &Live, calls: &[Call]) -> Result<Vec<Value>, RedisError> {
    let mut connection = live.connection();
    let commands = pipeline(calls);
    let mut answers = connection
        .req_packed_commands(&commands, 0, commands.len())
        .await?;
    let is_forgotten =
        |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT");
    let forgotten: Vec<usize> = (0..answers.len())
        .filter(|at| is_forgotten(&answers[*at]))
        .collect();
    if let Some(first) = forgotten.first() {
        let load = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(calls[*first].script.source)
            .to_owned();
        load.exec_async(&mut connection).await?;
        let commands = pipeline(forgotten.iter().map(|at| &calls[*at]));
        let again = connection
            .req_packed_commands(&commands, 0, commands.len())
            .await?;
        for (at, answer) in forgotten.into_iter().zip(again) {
            answers[at] = answer;
        }
    }
    Ok(answers)
}

fn pipeline<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Pipeline {
    let mut commands = Pipeline::new();
    for call in calls {
        commands.add_command(call.command());
    }
    commands
}
