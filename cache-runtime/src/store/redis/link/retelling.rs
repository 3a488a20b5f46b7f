//! Telling another server what the last one was told: in a failover it may not have heard of it.
//!
//! While one instance is still connected to the old master, others may store at the new one. What the first invalidates then reaches nobody else, and what they have
//! stored would be served until it expires. So whoever comes to another server first makes old there, as a whole, each domain that it has ever made something old in:
//! after a failover there is little that this could take along.

use std::collections::HashSet;

use redis::RedisError;

use super::{Link, Live, Shared};
use crate::policy::OnRestart;
use crate::store::redis::{change, generations_of, pushes};
use crate::sync::{Mutex, lock};

/// Domains that are told again at most, each hundred in a round trip of the handshake: more than programs have. Names that were made up by hand may be more: those are
/// left to expire in a failover.
const MOST: usize = 1_000;

/// Domains in which something was made old.
#[derive(Debug, Default)]
pub(super) struct Told {
    domains: Mutex<HashSet<String>>,
    /// The run of the server that was told.
    run: Mutex<Option<String>>,
}

impl Link {
    /// Something is about to be made old in these.
    pub(in crate::store::redis) fn will_tell<'a>(
        &self,
        domains: impl IntoIterator<Item = &'a str>,
    ) {
        let mut told = lock(&self.shared.told.domains);
        for domain in domains {
            if told.len() < MOST && !told.contains(domain) {
                told.insert(domain.to_owned());
            }
        }
    }
}

impl Shared {
    /// To be done before anybody else gets hold of `live`, which leads to this `run` of a server.
    pub(super) async fn tell_again(&self, live: &Live, run: &str) -> Result<(), RedisError> {
        let known = lock(&self.told.run).clone();
        let elsewhere = known.is_some_and(|known| known != run);
        if elsewhere && self.settings.on_restart == OnRestart::Discard {
            let prefix = &self.settings.prefix;
            let hashes: Vec<_> = lock(&self.told.domains)
                .iter()
                .map(|domain| generations_of(prefix, domain))
                .collect();
            let connection = live.connection().into();
            change::outdate(connection, &hashes, &pushes(prefix), &self.channel).await?;
        }
        *lock(&self.told.run) = Some(run.to_owned());
        Ok(())
    }
}
