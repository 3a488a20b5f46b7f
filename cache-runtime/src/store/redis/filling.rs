//! Announcing loads, and storing what they bring.

use std::time::Duration;

use redis::{RedisError, Value};

use super::link::Live;
use super::looking::stamp;
use super::script::{self, Call, Script};
use super::{Redis, TAGS, field_name, link, mark_of_key, milliseconds, tag_field, unexpected};
use crate::envelope::HEADER;
use crate::generations;
use crate::key::Key;
use crate::near;
use crate::store::{Address, Busy, Filling, Opening, StoreError, Ticket};

/// How long an abandoned load's fence stays. A load that takes longer is answered and not stored.
const FENCE_LIFE: Duration = Duration::from_secs(600);

static OPEN: Script = Script::new(include_str!("open.lua"));
static FILL: Script = Script::new(include_str!("fill.lua"));

impl Redis {
    pub(crate) async fn open_many(
        &self,
        loads: &[(Address<'_>, &Opening)],
        patience: Duration,
    ) -> Result<Vec<Option<Ticket>>, StoreError> {
        let calls: Vec<_> = loads
            .iter()
            .map(|(at, opening)| self.opening(*at, opening))
            .collect();
        let calls = &calls;
        self.attempt(patience, move |live| async move {
            let answers = script::invoke_all(&live, calls).await?;
            answers
                .into_iter()
                .map(|answer| ticket(&live, answer))
                .collect()
        })
        .await
    }

    /// Whether each was stored. One that the server refuses, as it is out of memory, does not keep the others from being stored.
    pub(crate) async fn fill_many(
        &self,
        fillings: &[(&Key, Filling)],
        patience: Duration,
    ) -> Result<Vec<Result<bool, StoreError>>, StoreError> {
        // These make old what was stored, as invalidations do.
        let replacing = fillings.iter().filter(|(_, filling)| filling.replaces);
        for (key, _) in replacing {
            let domain = self.domain(generations::domain(key.as_str()));
            self.link.will_tell([&domain]);
        }
        let calls: Vec<_> = fillings
            .iter()
            .map(|(key, filling)| self.filling(key, filling))
            .collect();
        let calls = &calls;
        // Not again: what was stored meanwhile is not to be taken for a refusal.
        self.attempt_once(patience, move |live| async move {
            let answers = script::invoke_all(&live, calls).await?;
            // What all of them meet is the server's state, not theirs.
            if let Some(Value::ServerError(error)) = answers.first()
                && answers
                    .iter()
                    .all(|answer| matches!(answer, Value::ServerError(_)))
            {
                return Err(error.clone().into());
            }
            let stored = |answer| match answer {
                Value::ServerError(error) => {
                    let error = RedisError::from(error);
                    Err(StoreError::Refused(link::described(&error)))
                }
                answer => Ok(answer == Value::Int(1)),
            };
            Ok(answers.into_iter().map(stored).collect())
        })
        .await
    }

    fn opening(&self, at: Address<'_>, opening: &Opening) -> Call {
        let key = at.key.as_str();
        let (replace, head) = match opening {
            Opening::Missed(head) => (0, head.as_slice()),
            Opening::Replace => (1, &[][..]),
        };
        let scopes = generations::scopes(key);
        let domain = generations::domain(key);
        let mut call = OPEN.call();
        call.key(self.entry(key))
            .key(self.fence(key))
            .key(self.domain(domain))
            .key(self.marks(domain));
        if !at.tags.is_empty() {
            call.key(self.tags()).key(self.marks(TAGS));
        }
        call.arg(replace)
            .arg(head)
            .arg(HEADER)
            .arg(fastrand::u64(1..))
            .arg(milliseconds(FENCE_LIFE))
            .arg(&fastrand::u64(..).to_le_bytes())
            .arg(mark_of_key(key))
            .arg(scopes.len());
        for field in scopes {
            call.arg(field_name(field));
        }
        for tag in at.tags {
            call.arg(field_name(tag_field(tag)));
        }
        call
    }

    fn filling(&self, key: &Key, filling: &Filling) -> Call {
        let push = if filling.replaces {
            near::encode(&[key.clone().into()])
        } else {
            String::new()
        };
        let key = key.as_str();
        let mut call = FILL.call();
        call.key(self.entry(key))
            .key(self.fence(key))
            .key(self.pushes())
            .arg(filling.fence)
            .arg(&*filling.entry)
            .arg(milliseconds(filling.life).max(1))
            .arg(self.channel())
            .arg(push);
        if let Some(token) = filling.lease {
            call.key(self.lease_of(key))
                .arg(token)
                .arg(self.link.wake_channel())
                .arg(key);
        }
        call
    }
}

/// What `open.lua` answers.
fn ticket(live: &Live, answer: Value) -> Result<Option<Ticket>, RedisError> {
    match answer {
        Value::Nil => Ok(None),
        Value::Array(answer) => {
            let mut answer = answer.into_iter();
            let mut next = || answer.next().map(redis::from_redis_value).transpose();
            let (fence, busy): (Option<u64>, Option<u64>) = (next()?, next()?);
            let stamp = stamp(live, answer)?;
            Ok(fence.zip(stamp).map(|(fence, stamp)| Ticket {
                stamp,
                fence,
                busy: match busy {
                    None | Some(0) => Busy::No,
                    Some(1) => Busy::HeldOff,
                    Some(_) => Busy::Announced,
                },
            }))
        }
        other => Err(unexpected(&other)),
    }
}
