//! What tests do with the names of a cache in Redis.

use std::time::Duration;

use redis::Cmd;

use super::{Redis, milliseconds};
use crate::store::StoreError;

impl Redis {
    /// Makes every entry older: what would have expired meanwhile is removed.
    pub(crate) async fn age(&self, by: Duration, patience: Duration) -> Result<(), StoreError> {
        let by = i64::try_from(milliseconds(by)).unwrap_or(i64::MAX);
        let mut walk = self.walk(self.all_names(), patience);
        let mut entries = std::collections::HashSet::new();
        // All of them first: a walk may meet a name twice.
        while let Some(mut found) = walk.next().await? {
            self.keep_entries(&mut found);
            entries.extend(found);
        }
        for name in entries {
            let pttl = self.command(&name, Cmd::pttl(&name));
            let lives = self.one_of(pttl, patience).await?;
            let change = match lives {
                // It has no expiry, or is gone.
                ..0 => continue,
                lives if lives <= by => Cmd::unlink(&name),
                lives => Cmd::pexpire(&name, lives - by),
            };
            self.one_of(self.command(&name, change), patience).await?;
        }
        Ok(())
    }

    /// Removes everything that stands under the prefix.
    pub(crate) async fn remove_all(&self, patience: Duration) -> Result<(), StoreError> {
        let mut walk = self.walk(self.all_names(), patience);
        while let Some(found) = walk.next().await? {
            self.unlink(&found, patience).await?;
        }
        Ok(())
    }

    async fn one_of(
        &self,
        command: super::sending::Command,
        patience: Duration,
    ) -> Result<i64, StoreError> {
        let replies = self.send(vec![command], patience, self.retries).await;
        let reply = replies.into_iter().next().ok_or(StoreError::Unreachable)?;
        match reply?.value()? {
            redis::Value::Int(number) => Ok(number),
            other => Err(super::sending::refused(&super::unexpected(&other))),
        }
    }
}
