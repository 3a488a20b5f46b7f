//! What a server is and does, beyond what a cache needs: for tools.

use std::time::{Duration, Instant};

use redis::ConnectionAddr;

use super::scan::glob;
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
        self.attempt(patience, move |live| async move {
            let asked = Instant::now();
            ping.exec_async(&mut live.connection()).await?;
            Ok(asked.elapsed())
        })
        .await
    }

    /// What the server says of itself, and how it is spoken to.
    pub(crate) async fn facts(&self, patience: Duration) -> Result<ServerFacts, StoreError> {
        let info = &redis::cmd("INFO");
        let (info, address): (String, _) = self
            .attempt(patience, move |live| async move {
                let told = info.query_async(&mut live.connection()).await?;
                Ok((told, live.address().clone()))
            })
            .await?;
        let fields = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        let spoken_to = self.link.server();
        Ok(ServerFacts {
            local: is_local(&address),
            tls: server::is_tls(&address),
            address: address.to_string(),
            password: spoken_to.redis_settings().password().is_some(),
            prefix: self.prefix.trim_end_matches(':').to_owned(),
            pushes_refused: self.link.was_refused_pushing(),
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
        let mut commands = redis::pipe();
        for key in keys {
            let name = self.entry(key.as_str());
            commands.strlen(&name).pttl(&name);
        }
        // What is no string has no length of one.
        commands.ignore_errors();
        let commands = &commands;
        let answers: Vec<redis::RedisResult<i64>> = self
            .attempt(patience, move |live| async move {
                commands.query_async(&mut live.connection()).await
            })
            .await?;
        let (pairs, _) = answers.as_chunks::<2>();
        let weight = |[bytes, life]: &[redis::RedisResult<i64>; 2]| Weight {
            bytes: bytes
                .as_ref()
                .ok()
                .and_then(|bytes| u64::try_from(*bytes).ok()),
            lasting: matches!(life, Ok(-1)),
        };
        Ok(pairs.iter().map(weight).collect())
    }

    /// Removes every name under the prefix, also those that are no entries.
    pub(crate) async fn erase(&self, patience: Duration) -> Result<(), StoreError> {
        let names = format!("{}*", glob(&self.prefix));
        let mut cursor = 0;
        loop {
            let (next, found) = self.scan(cursor, &names, patience).await?;
            if !found.is_empty() {
                self.unlink(&found, patience).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
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
