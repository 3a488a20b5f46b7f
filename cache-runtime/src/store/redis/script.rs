//! Lua scripts, called by their hashes; a server that has forgotten one is told it again.
//!
//! redis-rs does this too, but asserts that the server answers with the hash that is known already: an answer that was damaged on its way would be the caller's
//! panic.

use std::sync::OnceLock;

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, ToRedisArgs, Value};

use super::nodes::{Connection, Reached};

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

    /// The first of its keys. All of them lie in one slot.
    pub(super) fn first_key(&self) -> &[u8] {
        self.keys.first().map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn script(&self) -> &'static Script {
        self.script
    }

    /// Calls it, in one round trip; and in two more where the server has forgotten it.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        reached: &Reached,
    ) -> Result<T, RedisError> {
        self.invoke_over(reached.connection()).await
    }

    /// The same over a connection that nobody else has yet.
    pub(super) async fn invoke_over<T: FromRedisValue>(
        &self,
        connection: Connection,
    ) -> Result<T, RedisError> {
        let mut commands = Pipeline::with_capacity(1);
        commands.add_command(self.command());
        let (answers, _) = query(connection, &commands, &[Some(self.script)]).await?;
        match answers.into_iter().next().unwrap_or(Value::Nil) {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(redis::from_redis_value(answer)?),
        }
    }

    pub(super) fn command(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.hash()).arg(self.keys.len());
        for argument in self.keys.iter().chain(&self.arguments) {
            command.arg(argument.as_slice());
        }
        command
    }
}

/// Sends `commands`, of which each calls the script beside it or none, in one round trip. What the server refuses stands among the answers. Also whether all of
/// it was done in one round trip, and so in order.
pub(super) async fn query(
    mut connection: Connection,
    commands: &Pipeline,
    scripts: &[Option<&'static Script>],
) -> Result<(Vec<Value>, bool), RedisError> {
    let mut answers = connection
        .req_packed_commands(commands, 0, commands.len())
        .await?;
    let is_forgotten =
        |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT");
    let forgotten: Vec<usize> = (0..answers.len())
        .filter(|at| is_forgotten(&answers[*at]))
        .collect();
    if forgotten.is_empty() {
        return Ok((answers, true));
    }
    let mut sources: Vec<_> = forgotten
        .iter()
        .filter_map(|at| Some(scripts.get(*at).copied()??.source))
        .collect();
    sources.dedup();
    let mut load = Pipeline::with_capacity(sources.len());
    for source in sources {
        load.cmd("SCRIPT").arg("LOAD").arg(source);
    }
    load.exec_async(&mut connection).await?;
    let mut again = Pipeline::with_capacity(forgotten.len());
    for (at, command) in commands.cmd_iter().enumerate() {
        if forgotten.contains(&at) {
            again.add_command(command.clone());
        }
    }
    let again = connection
        .req_packed_commands(&again, 0, forgotten.len())
        .await?;
    for (at, answer) in forgotten.into_iter().zip(again) {
        answers[at] = answer;
    }
    Ok((answers, false))
}
