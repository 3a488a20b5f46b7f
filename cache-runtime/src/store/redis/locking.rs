//! Locks of the fleet.

use std::time::Duration;

use redis::Value;

use super::script::Script;
use super::{Asked, Redis, milliseconds};
use crate::store::{StoreError, Taken};

/// How long the last fencing token is remembered after the lock has ended. The next one is later by the clock in any case.
const FENCE_LIFE: Duration = Duration::from_secs(24 * 3600);

static LOCK: Script = Script::new(include_str!("lock.lua"));
static UNLOCK: Script = Script::new(include_str!("unlock.lua"));

impl Redis {
    pub(crate) async fn lock(
        &self,
        name: &str,
        asked: Asked,
        patience: Duration,
    ) -> Result<Taken, StoreError> {
        let mut script = LOCK.call();
        script
            .key(self.name_of_lock(name))
            .arg(asked.token)
            .arg(milliseconds(asked.life))
            .arg(u8::from(asked.waits))
            .arg(milliseconds(FENCE_LIFE));
        // Before it is asked, so that no end is missed.
        let patience = match asked.waits {
            true => self.hear_wakes(patience).await,
            false => patience,
        };
        self.run(&script, patience, |answer| {
            let (fence, left): (u64, u64) = redis::from_redis_value(answer)?;
            Ok(match fence {
                0 => Taken::Held(Duration::from_millis(left)),
                fence => Taken::Yes(fence),
            })
        })
        .await
    }

    /// Prolongs the lock that `token` holds, or gives it back where `lease` is nothing; whether it was still held.
    pub(crate) async fn change_lock(
        &self,
        name: &str,
        token: u64,
        lease: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = UNLOCK.call();
        script
            .key(self.name_of_lock(name))
            .arg(token)
            .arg(milliseconds(lease))
            .arg(milliseconds(FENCE_LIFE))
            .arg(&self.wake_channel)
            .arg(name);
        self.run(&script, patience, |answer| Ok(answer == Value::Int(1)))
            .await
    }

    fn name_of_lock(&self, name: &str) -> String {
        format!("{0}%lock:{{{0}{name}}}", self.prefix)
    }
}
