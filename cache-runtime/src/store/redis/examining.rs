//! What a server is and does, beyond what a cache needs: for tools.

use std::time::{Duration, Instant};

use redis::{Cmd, ConnectionAddr, Value};

use super::nodes::Place;
use super::{Redis, server};
use crate::examine::{ServerFacts, Weight};
use crate::key::Key;
use crate::store::StoreError;

impl Redis {
    pub(crate) fn has_prefix(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// How long a `PING` takes.
    pub(crate) async fn ping(&self, patience: Duration) -> Result<Duration, StoreError> {
        let ping = &redis::cmd("PING");
        self.attempt(Place::Home, patience, move |live| async move {
            let asked = Instant::now();
            ping.exec_async(&mut live.connection()).await?;
            Ok(asked.elapsed())
        })
        .await
    }

    /// What the server says of itself, and how it is spoken to.
    pub(crate) async fn facts(&self, patience: Duration) -> Result<ServerFacts, StoreError> {
        let info = &redis::cmd("INFO");
        let (info, (node, address)): (String, _) = self
            .attempt(Place::Home, patience, move |live| async move {
                let info = info.query_async(&mut live.connection()).await?;
                let address = live.live.address().clone();
                Ok((info, (live.node, address)))
            })
            .await?;
        let fields = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        let spoken_to = node.link.server();
        Ok(ServerFacts {
            local: is_local(&address),
            tls: server::is_tls(&address),
            address: address.to_string(),
            password: spoken_to.redis_settings().password().is_some(),
            prefix: self.prefix.trim_end_matches(':').to_owned(),
            pushes_refused: self.was_refused_pushing(),
            info: fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    /// Bytes and expiry of what stands under each of `keys`.
    pub(crate) async fn weigh(
        &self,
        keys: &[Key],
        patience: Duration,
    ) -> Result<Vec<Weight>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Vec::with_capacity(2 * keys.len());
        for key in keys {
            let name = self.entry(key.as_str());
            commands.push(self.command(&name, Cmd::strlen(&name)));
            commands.push(self.command(&name, Cmd::pttl(&name)));
        }
        let replies = self.send(commands, patience, self.retries).await;
        let values: Result<Vec<Value>, StoreError> =
            replies.into_iter().map(|reply| Ok(reply?.value)).collect();
        let values = values?;
        let (pairs, _) = values.as_chunks::<2>();
        // What is no string has no length of one.
        let weight = |[bytes, life]: &[Value; 2]| Weight {
            bytes: match bytes {
                Value::Int(bytes) => u64::try_from(*bytes).ok(),
                _ => None,
            },
            lasting: *life == Value::Int(-1),
        };
        Ok(pairs.iter().map(weight).collect())
    }

    /// Removes every name under the prefix, also those that are no entries.
    pub(crate) async fn erase(&self, patience: Duration) -> Result<(), StoreError> {
        let mut walk = self.walk(self.all_names(), patience);
        while let Some(found) = walk.next().await? {
            self.unlink(&found, patience).await?;
        }
        Ok(())
    }
}

/// Whether nobody stands between: what is said does not leave the machine.
fn is_local(address: &ConnectionAddr) -> bool {
    let host = match address {
        ConnectionAddr::Unix(_) => return true,
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => return false,
    };
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}
