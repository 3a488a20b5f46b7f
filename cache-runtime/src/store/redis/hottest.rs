//! The hottest keys of each function, as the fleet remembers them.

use std::time::Duration;

use redis::Cmd;

use super::script::Script;
use super::{Redis, milliseconds};
use crate::analytics::{HALF_LIFE, HotKey};
use crate::store::StoreError;

/// How long they are remembered when nobody calls any more: over a holiday.
const LIFE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Keys of each function.
const MOST: usize = 1_000;

static REMEMBER: Script = Script::new(include_str!("remember.lua"));

impl Redis {
    /// Adds these calls to what is remembered of the keys of `template`.
    pub(crate) async fn remember(
        &self,
        template: &str,
        called: &[HotKey],
        patience: Duration,
    ) -> Result<(), StoreError> {
        let name = self.hottest_of(template);
        let mut script = REMEMBER.call();
        script
            .key(&name)
            .key(format!("{name}:halved"))
            .arg(milliseconds(HALF_LIFE))
            .arg(milliseconds(LIFE))
            .arg(MOST);
        for hot in called {
            script.arg(hot.calls).arg(&hot.key);
        }
        let script = &script;
        // Not again: it would be counted twice.
        let place = self.place_of(script);
        self.attempt_once(place, patience, move |live| async move {
            script.invoke(&live).await
        })
        .await
    }

    /// The hottest keys of `template`, the hottest first.
    pub(crate) async fn hottest(
        &self,
        template: &str,
        most: usize,
        patience: Duration,
    ) -> Result<Vec<String>, StoreError> {
        let last = isize::try_from(most).unwrap_or(isize::MAX) - 1;
        let name = self.hottest_of(template);
        let command = &Cmd::zrevrange(&name, 0, last);
        self.attempt(self.place(&name), patience, move |live| async move {
            command.query_async(&mut live.connection()).await
        })
        .await
    }

    /// `{agents:*}`: whatever braces the template has, the slot is by all of it.
    fn hottest_of(&self, template: &str) -> String {
        let pattern = template.replace("{}", "*");
        format!("{0}%top:{{{0}{pattern}}}", self.prefix)
    }
}
