//! Leases: who loads for the fleet.

use std::time::Duration;

use redis::Value;

use super::script::Script;
use super::{Redis, milliseconds, unexpected};
use crate::key::Key;
use crate::store::{Lead, StoreError, Ticket};

static LEASE: Script = Script::new(include_str!("lease.lua"));
static RELEASE: Script = Script::new(include_str!("release.lua"));

impl Redis {
    pub(crate) async fn lease(
        &self,
        key: &Key,
        ticket: Ticket,
        asked: Asked,
        patience: Duration,
    ) -> Result<Lead, StoreError> {
        let mut script = LEASE.call();
        script
            .key(self.lease_of(key.as_str()))
            .key(self.fence(key.as_str()))
            .arg(asked.token)
            .arg(format!("{:x}.{:x}", ticket.stamp.0, ticket.fence))
            .arg(milliseconds(asked.life).max(1))
            .arg(u8::from(asked.waits))
            .arg(ticket.fence);
        // Before it is asked, so that no end is missed.
        let patience = match asked.waits {
            true => self.hear_wakes(patience).await,
            false => patience,
        };
        self.run(&script, patience, |answer| {
            let said: String = redis::from_redis_value(answer)?;
            match said.as_str() {
                "led" => Ok(Lead::Led),
                "free" => Ok(Lead::Free),
                "held" => Ok(Lead::Held),
                "over" => Ok(Lead::Over),
                _ => Err(unexpected(&Value::BulkString(said.into_bytes()))),
            }
        })
        .await
    }

    /// Prolongs the lease of `token`; whether it was still held.
    pub(crate) async fn prolong(
        &self,
        key: &Key,
        token: u64,
        life: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        self.change_lease(key, token, milliseconds(life).max(1), 0, patience)
            .await
    }

    /// Ends the lease of `token`, and wakes those that wait. For `failed` others that have the same ticket load for themselves.
    pub(crate) async fn release(
        &self,
        key: &Key,
        token: u64,
        failed: Duration,
        patience: Duration,
    ) -> Result<(), StoreError> {
        self.change_lease(key, token, 0, milliseconds(failed), patience)
            .await
            .map(|_| ())
    }

    async fn change_lease(
        &self,
        key: &Key,
        token: u64,
        life: u64,
        failed: u64,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = RELEASE.call();
        script
            .key(self.lease_of(key.as_str()))
            .arg(token)
            .arg(life)
            .arg(failed)
            .arg(&self.wake_channel)
            .arg(key.as_str());
        self.run(&script, patience, |answer| Ok(answer == Value::Int(1)))
            .await
    }

    pub(super) fn lease_of(&self, key: &str) -> String {
        format!("{0}%lease:{{{0}{key}}}", self.prefix)
    }
}

/// What is asked for with a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// One for each acquisition.
    pub(crate) token: u64,
    pub(crate) life: Duration,
    /// Whether the one who asks waits when it is held by another.
    pub(crate) waits: bool,
}
