//! Announcing loads, and storing what they bring.

use std::time::{Duration, Instant};

use redis::{RedisError, Value};

use super::nodes::Zone;
use super::script::{Call, Script};
use super::sending::{Replies, Reply, refused};
use super::told::Told;
use super::{Redis, TAGS, field_name, mark_of_key, milliseconds, tag_field, unexpected};
use crate::envelope::HEADER;
use crate::generations;
use crate::key::Key;
use crate::near;
use crate::store::{Address, Busy, Filling, Opening, StoreError, Ticket};

/// How long an abandoned load's fence stays. A load that takes longer is answered and not stored.
const FENCE_LIFE: Duration = Duration::from_secs(600);

static OPEN: Script = Script::new(include_str!("open.lua"));
static FILL: Script = Script::new(include_str!("fill.lua"));

/// What `open.lua` is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// The fence.
    Key,
    /// Marks and generations.
    Rest,
}

impl Redis {
    /// Announces loads. The fence comes first, and what the key depends on second: a writer does it the other way round, so that a load whose fence it has not
    /// removed sees its marks.
    pub(crate) async fn open_many(
        &self,
        loads: &[(Address<'_>, &Opening)],
        patience: Duration,
    ) -> Vec<Result<Option<Ticket>, StoreError>> {
        if !self.nodes.is_cluster() {
            let calls = loads
                .iter()
                .map(|(at, opening)| self.call(&self.opening(*at, opening, Part::All)))
                .collect();
            let replies = self.send(calls, patience, self.retries).await;
            return replies
                .into_iter()
                .map(|reply| {
                    let reply = reply?;
                    ticket(&reply, None)
                })
                .collect();
        }
        Box::pin(self.open_apart(loads, patience)).await
    }

    /// The same in a cluster: in one round trip where both parts are on one node, else in two.
    async fn open_apart(
        &self,
        loads: &[(Address<'_>, &Opening)],
        patience: Duration,
    ) -> Vec<Result<Option<Ticket>, StoreError>> {
        let began = Instant::now();
        let call =
            |load: &(Address<'_>, &Opening), part| self.call(&self.opening(load.0, load.1, part));
        let mut calls = Vec::with_capacity(2 * loads.len());
        let mut keys: Replies = Vec::with_capacity(loads.len());
        let mut rests: Vec<Option<Result<Reply, StoreError>>> = Vec::with_capacity(loads.len());
        let mut together = Vec::with_capacity(loads.len());
        for load in loads {
            calls.push(call(load, Part::Key));
            let is_together = self.node_of(load.0.key).is_some();
            if is_together {
                calls.push(call(load, Part::Rest));
            }
            together.push(is_together);
        }
        let mut replies = self.send(calls, patience, self.retries).await.into_iter();
        for is_together in together {
            let mut next = || replies.next().unwrap_or(Err(StoreError::Unreachable));
            let (key, rest) = (next(), is_together.then(next));
            // The order is lost where one of them went another way.
            let is_in_order = [Some(&key), rest.as_ref()]
                .into_iter()
                .flatten()
                .all(|reply| reply.as_ref().is_ok_and(|reply| reply.at_once));
            keys.push(key);
            rests.push(rest.filter(|_| is_in_order));
        }
        let opened = |reply: &Result<Reply, _>| {
            reply
                .as_ref()
                .is_ok_and(|reply| matches!(reply.value, Value::Array(_)))
        };
        let missing: Vec<usize> = (0..loads.len())
            .filter(|at| rests[*at].is_none() && opened(&keys[*at]))
            .collect();
        if !missing.is_empty() {
            let calls = missing
                .iter()
                .map(|at| call(&loads[*at], Part::Rest))
                .collect();
            let left = patience.saturating_sub(began.elapsed());
            let replies = self.send(calls, left, self.retries).await;
            for (at, reply) in missing.into_iter().zip(replies) {
                rests[at] = Some(reply);
            }
        }
        let both = keys.into_iter().zip(rests);
        both.map(|(key, rest)| {
            let key = key?;
            ticket(&key, rest.transpose()?.as_ref())
        })
        .collect()
    }

    /// Whether each was stored. One that the server refuses, as it is out of memory, does not keep the others from being stored.
    pub(crate) async fn fill_many(
        &self,
        fillings: &[(&Key, Filling)],
        patience: Duration,
    ) -> Vec<Result<bool, StoreError>> {
        let began = Instant::now();
        // These make old what was stored, as invalidations do.
        let replacing = fillings.iter().filter(|(_, filling)| filling.replaces);
        self.will_tell(replacing.map(|(key, _)| generations::domain(key.as_str())));
        let calls = fillings
            .iter()
            .map(|(key, filling)| self.call(&self.filling(key, filling)))
            .collect();
        // Not again: what was stored meanwhile is not to be taken for a refusal.
        let replies = self.send(calls, patience, 0).await;
        let stored = |reply: Result<Reply, _>| Ok(reply?.value()? == Value::Int(1));
        let mut filled: Vec<_> = replies.into_iter().map(stored).collect();
        if self.nodes.is_cluster() {
            let left = patience.saturating_sub(began.elapsed());
            Box::pin(self.push_filled(fillings, &mut filled, left)).await;
        }
        filled
    }

    /// Tells the near caches of what was replaced. What they could not be told of was not done: they would keep what they have.
    async fn push_filled(
        &self,
        fillings: &[(&Key, Filling)],
        filled: &mut [Result<bool, StoreError>],
        patience: Duration,
    ) {
        let replaced = |at: &usize| fillings[*at].1.replaces && matches!(filled[*at], Ok(true));
        let replaced: Vec<usize> = (0..fillings.len()).filter(replaced).collect();
        if replaced.is_empty() {
            return;
        }
        let targets: Vec<_> = replaced
            .iter()
            .map(|at| fillings[*at].0.clone().into())
            .collect();
        if let Err(error) = self.push(&targets, patience).await {
            for at in replaced {
                filled[at] = Err(error.clone());
            }
        }
    }

    fn opening(&self, at: Address<'_>, opening: &Opening, part: Part) -> Call {
        let key = at.key.as_str();
        let scopes = generations::scopes(key);
        let mut call = OPEN.call();
        if part != Part::Rest {
            call.key(self.entry(key)).key(self.fence(key));
        }
        if part != Part::Key {
            self.depended_on(&mut call, self.zone(key), at);
        }
        match (part, opening) {
            (Part::Rest, _) => call.arg("").arg(""),
            (_, Opening::Missed(head)) => call.arg(0).arg(head.as_slice()),
            (_, Opening::Replace) => call.arg(1).arg(""),
        };
        call.arg(HEADER)
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

    /// The hashes that a key depends on.
    fn depended_on(&self, call: &mut Call, zone: Zone, at: Address<'_>) {
        let domain = generations::domain(at.key.as_str());
        call.key(self.domain(zone, domain))
            .key(self.marks(zone, domain));
        if !at.tags.is_empty() {
            call.key(self.tags(zone)).key(self.marks(zone, TAGS));
        }
    }

    fn filling(&self, key: &Key, filling: &Filling) -> Call {
        let pushes = filling.replaces && !self.nodes.is_cluster();
        let push = if pushes {
            near::encode(&[key.clone().into()])
        } else {
            String::new()
        };
        let key = key.as_str();
        let mut call = FILL.call();
        call.key(self.entry(key)).key(self.fence(key));
        if filling.lease.is_some() {
            call.key(self.lease_of(key));
        }
        if pushes {
            call.key(self.pushes());
        }
        call.arg(filling.fence)
            .arg(&*filling.entry)
            .arg(milliseconds(filling.life).max(1));
        match filling.lease {
            Some(token) => call.arg(token),
            None => call.arg(""),
        };
        call.arg(&self.wake_channel)
            .arg(key)
            .arg(&self.channel)
            .arg(push);
        call
    }
}

/// What `open.lua` answers: all of it, or the fence and the `rest`.
fn ticket(reply: &Reply, rest: Option<&Reply>) -> Result<Option<Ticket>, StoreError> {
    let read = || {
        if reply.value == Value::Nil {
            return Ok(None);
        }
        let rest = rest.unwrap_or(reply);
        let (Value::Array(answer), Value::Array(depended_on)) = (&reply.value, &rest.value) else {
            return Err(unexpected(&reply.value));
        };
        let ([fence, ..], [_, busy, hashes @ ..]) = (&answer[..], &depended_on[..]) else {
            return Err(unexpected(&reply.value));
        };
        let mut stamp = Told::beside(&reply.by);
        stamp.by(&rest.by);
        for hash in hashes {
            // Its root was just set, if there was none.
            if !stamp.hash(hash)? {
                return Ok(None);
            }
        }
        let busy: u64 = redis::from_redis_value_ref(busy)?;
        Ok(Some(Ticket {
            stamp: stamp.finish(),
            fence: redis::from_redis_value_ref(fence)?,
            busy: match busy {
                0 => Busy::No,
                1 => Busy::HeldOff,
                _ => Busy::Announced,
            },
        }))
    };
    read().map_err(|error: RedisError| refused(&error))
}
