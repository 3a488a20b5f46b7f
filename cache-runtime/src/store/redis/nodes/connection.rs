//! A connection for one attempt.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

/// A connection to a node; where the node is `asked` for a slot that it is just being given, it is told so before each command.
#[derive(Clone)]
pub(in crate::store::redis) struct Connection {
    pub(super) connection: MultiplexedConnection,
    pub(super) asked: bool,
}

impl From<MultiplexedConnection> for Connection {
    fn from(connection: MultiplexedConnection) -> Self {
        Self {
            connection,
            asked: false,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        if !self.asked {
            return self.connection.req_packed_command(command);
        }
        Box::pin(async move {
            let mut commands = Pipeline::with_capacity(2);
            commands.cmd("ASKING").add_command(command.clone());
            let answers = self.connection.req_packed_commands(&commands, 1, 1).await?;
            match answers.into_iter().next().unwrap_or(Value::Nil) {
                Value::ServerError(error) => Err(error.into()),
                answer => Ok(answer),
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        if !self.asked {
            return self.connection.req_packed_commands(pipeline, offset, count);
        }
        Box::pin(async move {
            let mut commands = Pipeline::with_capacity(2 * count);
            for command in pipeline.cmd_iter() {
                commands.cmd("ASKING").add_command(command.clone());
            }
            let all = commands.len();
            let answers = self
                .connection
                .req_packed_commands(&commands, 0, all)
                .await?;
            Ok(answers.into_iter().skip(1).step_by(2).collect())
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
