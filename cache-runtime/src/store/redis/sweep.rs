//! Patterns that cut inside a segment (`ws12*`): no generation covers them, so all keys are walked through in small steps.

use std::time::Duration;

use super::scan::glob;
use super::{Redis, StoreError};
use crate::key::Pattern;

impl Redis {
    /// Removes every entry that `pattern` names, and refuses every load of one that began before.
    ///
    /// Fences first: once none from before is left, no load from before can store any more, and what such a load stored is
    /// there before the second walk begins. Each step has its own `patience`. `SCAN` returns whatever is there from its beginning to its end.
    pub(super) async fn sweep(
        &self,
        pattern: &Pattern,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let entries = self.entry(pattern.as_str());
        self.unlink_all(
            format!("{}%fence:{{{entries}}}", glob(&self.prefix)),
            |name| self.key_of_fence(name),
            pattern,
            patience,
        )
        .await?;
        self.unlink_all(
            format!("{}{pattern}", glob(&self.prefix)),
            |name| name.strip_prefix(self.prefix.as_str()),
            pattern,
            patience,
        )
        .await
    }

    async fn unlink_all(
        &self,
        names: String,
        key: impl Fn(&str) -> Option<&str>,
        pattern: &Pattern,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let mut walk = self.walk(names, patience);
        while let Some(mut found) = walk.next().await? {
            // A glob's `*` runs over `:`, a pattern's does not.
            found.retain(|name| key(name).is_some_and(|key| pattern.matches(key)));
            self.unlink(&found, patience).await?;
        }
        Ok(())
    }

    fn key_of_fence<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inner = name
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix("%fence:{")?
            .strip_suffix('}')?;
        inner.strip_prefix(self.prefix.as_str())
    }
}
