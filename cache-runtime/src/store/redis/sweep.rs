//! Patterns that cut inside a segment (`ws12*`): no generation covers them, so all keys are walked through in small steps.

use std::time::Duration;

use redis::Cmd;

use super::{Redis, StoreError};
use crate::key::Pattern;

/// Keys that the server looks at in one step.
const STEP: usize = 1000;

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
            &format!("{}%fence:{{{entries}}}", glob(&self.prefix)),
            |name| self.key_of_fence(name),
            pattern,
            patience,
        )
        .await?;
        self.unlink_all(
            &format!("{}{pattern}", glob(&self.prefix)),
            |name| name.strip_prefix(self.prefix.as_str()),
            pattern,
            patience,
        )
        .await
    }

    async fn unlink_all(
        &self,
        names: &str,
        key: impl Fn(&str) -> Option<&str>,
        pattern: &Pattern,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = Cmd::new();
            scan.arg("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(names)
                .arg("COUNT")
                .arg(STEP);
            let scan = &scan;
            let (next, found): (u64, Vec<Vec<u8>>) = self
                .attempt(patience, move |live| async move {
                    scan.query_async(&mut live.connection()).await
                })
                .await?;
            // A glob's `*` runs over `:`, a pattern's does not.
            let meant: Vec<_> = found
                .into_iter()
                // A name that is no text is not ours.
                .filter_map(|name| String::from_utf8(name).ok())
                .filter(|name| key(name).is_some_and(|key| pattern.matches(key)))
                .collect();
            if !meant.is_empty() {
                self.unlink(&meant, patience).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn key_of_fence<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inner = name
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix("%fence:{")?
            .strip_suffix('}')?;
        inner.strip_prefix(self.prefix.as_str())
    }
}

/// `text` as a glob that matches it alone.
fn glob(text: &str) -> String {
    text.chars()
        .flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
