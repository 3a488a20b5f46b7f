//! Invalidating: one script that does all of it at once, and tells the near caches. In a cluster its parts follow each other, each wherever it belongs.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, Value};

use super::nodes::{Connection, Zone};
use super::scan::DOMAINS;
use super::script::{Call, Script};
use super::{Redis, TAGS, field_name, mark_of_key, milliseconds, tag_field, unexpected};
use crate::generations::{self, Field, ROOT};
use crate::key::{Pattern, Reach, Target};
use crate::near;
use crate::store::{Busy, Mark, StoreError};

/// Generations that a domain keeps, some 8 MB of them. Past that they are dropped, and every answer of the domain is loaded anew once.
const MOST_SCOPES: usize = 100_000;

/// Marks of a domain that are kept one by one: each announcement of a load reads them all. Past that the whole domain is marked.
const MOST_MARKS: usize = 1_000;

static INVALIDATE: Script = Script::new(include_str!("invalidate.lua"));

impl Redis {
    pub(crate) async fn invalidate(
        &self,
        targets: &[Target],
        mark: Mark,
        patience: Duration,
    ) -> Result<(), StoreError> {
        if targets.contains(&Target::All) {
            self.clear(mark, patience).await?;
        }
        let change = Change::of(self, targets, mark);
        self.will_tell(targets.iter().filter_map(domain_of));
        self.change(&change, targets, patience).await?;
        if change.sweeps.is_empty() {
            return Ok(());
        }
        for pattern in change.sweeps {
            self.sweep(pattern, patience).await?;
        }
        // Near caches that have heard of it may have read what the sweep had not reached yet.
        let nothing = Change::nothing(Mark::Untouched);
        self.change(&nothing, targets, patience).await
    }

    /// Does all of `change`, and tells the near caches.
    async fn change(
        &self,
        change: &Change<'_>,
        targets: &[Target],
        patience: Duration,
    ) -> Result<(), StoreError> {
        let done = match self.nodes.is_cluster() {
            true => Box::pin(self.change_apart(change, targets, patience)).await,
            false => {
                let parts = Parts {
                    scopes: &change.scopes,
                    marks: &change.marks,
                    names: [&change.fences, &change.entries],
                    push: Some(targets),
                };
                self.tell(&self.changing(change.mark, parts), patience)
                    .await
            }
        };
        match done {
            Err(StoreError::Refused(why)) => {
                self.delete(change, patience).await?;
                match change.mark {
                    // A mark cannot be put up, and an announcement is nothing without it. What is held off could not be stored now.
                    Mark::Up {
                        says: Busy::Announced,
                        ..
                    } => Err(StoreError::Refused(why)),
                    _ => Ok(()),
                }
            }
            done => done,
        }
    }

    /// The same in a cluster. Marks come first: a load that takes its fence after the fences are gone, or sees the new generations, sees them too, as it asks for
    /// them later. Whoever is told finds all of it done. What cannot be done keeps nothing else from being done.
    ///
    /// No command has more than one key: of a slot that moves, all of a script's keys would have to be on one side.
    async fn change_apart(
        &self,
        change: &Change<'_>,
        targets: &[Target],
        patience: Duration,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        let left = || patience.saturating_sub(began.elapsed());
        let one = |parts| self.call(&self.changing(change.mark, parts));
        let marks = change.marks.iter().map(|mark| {
            one(Parts {
                marks: from_ref(mark),
                ..Parts::default()
            })
        });
        let scopes = change.scopes.iter().map(|scope| {
            one(Parts {
                scopes: from_ref(scope),
                ..Parts::default()
            })
        });
        let mut done = Ok(());
        for calls in [marks.collect(), scopes.collect::<Vec<_>>()] {
            for reply in self.send(calls, left(), self.retries).await {
                done = done.and(reply.and_then(|reply| reply.value().map(drop)));
            }
        }
        done = done.and(self.remove(change, left()).await);
        done.and(self.push(targets, left()).await)
    }

    /// The fence of a key goes before its entry: what is stored until then is removed with it.
    async fn remove(&self, change: &Change<'_>, patience: Duration) -> Result<(), StoreError> {
        let began = Instant::now();
        let names = change.fences.iter().chain(&change.entries);
        let commands = names.map(|name| self.command(name, Cmd::unlink(name)));
        let replies = self.send(commands.collect(), patience, self.retries).await;
        let mut in_order = true;
        for reply in replies {
            let reply = reply?;
            in_order &= reply.at_once;
            reply.value()?;
        }
        if in_order {
            return Ok(());
        }
        // Where one was redirected the entry may have gone first.
        let left = patience.saturating_sub(began.elapsed());
        self.unlink(&change.entries, left).await
    }

    /// Counts a push, and sends it.
    pub(super) async fn push(
        &self,
        targets: &[Target],
        patience: Duration,
    ) -> Result<(), StoreError> {
        let parts = Parts {
            push: Some(targets),
            ..Parts::default()
        };
        self.tell(&self.changing(Mark::Untouched, parts), patience)
            .await
    }

    /// A call of the script that does these parts.
    fn changing(&self, mark: Mark, parts: Parts<'_>) -> Call {
        let (life, writer, says) = match mark {
            Mark::Untouched => (0, 0, Busy::No),
            Mark::Up {
                writer,
                lease,
                says,
            } => (milliseconds(lease).max(1), writer, says),
            Mark::Down { writer } => (0, writer, Busy::No),
        };
        let mut script = INVALIDATE.call();
        for (hash, _) in parts.scopes {
            script.key(hash);
        }
        for (hash, _) in parts.marks {
            script.key(hash);
        }
        for names in parts.names {
            script.key(names);
        }
        if parts.push.is_some() {
            script.key(self.pushes());
        }
        script
            .arg(&self.channel)
            .arg(parts.push.map(near::encode).unwrap_or_default())
            .arg(MOST_SCOPES)
            .arg(parts.scopes.len())
            .arg(parts.marks.len())
            .arg(life)
            .arg(says as u8)
            .arg(MOST_MARKS);
        for (_, field) in parts.scopes {
            script
                .arg(field_name(*field))
                .arg(&fastrand::u64(..).to_le_bytes());
        }
        for (_, name) in parts.marks {
            script.arg([name, &writer.to_le_bytes()[..]].concat());
        }
        script
    }

    async fn tell(&self, script: &Call, patience: Duration) -> Result<(), StoreError> {
        if let Some(refused) = self
            .run(script, patience, |answer| refused_push(&answer))
            .await?
        {
            self.cannot_push(&refused);
        }
        Ok(())
    }

    /// Out of memory, a server still deletes, though not in a script: whole hashes of generations go.
    async fn delete(&self, change: &Change<'_>, patience: Duration) -> Result<(), StoreError> {
        let hashes = change.scopes.iter().map(|(hash, _)| hash);
        let names: Vec<String> = hashes
            .chain(&change.fences)
            .chain(&change.entries)
            .cloned()
            .collect();
        self.unlink(&names, patience).await?;
        let publish = &Cmd::publish(&self.channel, near::everything());
        let home = self.place(&self.pushes());
        let sent = self.attempt(home, patience, move |live| async move {
            publish.exec_async(&mut live.connection()).await
        });
        if let Err(StoreError::Refused(error)) = sent.await {
            self.cannot_push(&error);
        }
        Ok(())
    }
}

/// What kept a push from being sent, as the script says it. Whatever else is answered, as over a connection that mixes up its answers, may be somebody's value: it is
/// no answer, and is told to nobody.
fn refused_push(answer: &Value) -> Result<Option<String>, RedisError> {
    let text = match answer {
        Value::Int(1) => return Ok(None),
        Value::BulkString(text) => text.strip_prefix(b"push: "),
        _ => None,
    };
    let text = text.ok_or_else(|| unexpected(answer))?;
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// Makes whole domains of one server old, by their hashes of generations, and all that is kept near.
pub(super) async fn outdate(
    mut connection: Connection,
    hashes: &[String],
    pushes: &str,
    channel: &str,
) -> Result<(), RedisError> {
    for hashes in hashes.chunks(DOMAINS) {
        let mut script = INVALIDATE.call();
        script.key(hashes).key(pushes);
        script
            .arg(channel)
            .arg(near::encode(&[Target::All]))
            .arg(MOST_SCOPES)
            .arg(hashes.len())
            // No marks: how many, how long, what they say, how many at most.
            .arg(&[0, 0, 0, MOST_MARKS]);
        for _ in hashes {
            let generation = fastrand::u64(..).to_le_bytes();
            script.arg(field_name(ROOT)).arg(&generation);
        }
        match script.invoke_over::<Value>(connection.clone()).await {
            Err(error) if error.is_io_error() => return Err(error),
            // As in `delete`.
            Err(_) => {
                let mut deleting = redis::pipe();
                deleting.unlink(hashes).publish(channel, near::everything());
                deleting.exec_async(&mut connection).await?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The domain of what `target` names, or that of tags; of everything there is no one domain.
fn domain_of(target: &Target) -> Option<&str> {
    match target {
        Target::Tag(_) | Target::Tags => Some(TAGS),
        Target::Pattern(pattern) => Some(generations::domain(pattern.as_str())),
        Target::All => None,
    }
}

/// Parts of what an invalidation does, for one call of the script.
#[derive(Clone, Copy, Default)]
struct Parts<'a> {
    scopes: &'a [(String, Field)],
    marks: &'a [(String, Vec<u8>)],
    /// To remove.
    names: [&'a [String]; 2],
    /// What is pushed to the near caches.
    push: Option<&'a [Target]>,
}

/// What an invalidation does, by the names in Redis.
struct Change<'a> {
    mark: Mark,
    /// Hashes of generations, and the field to set anew.
    scopes: Vec<(String, Field)>,
    /// Hashes of marks, and what to mark there.
    marks: Vec<(String, Vec<u8>)>,
    /// Keys to remove.
    fences: Vec<String>,
    entries: Vec<String>,
    /// Patterns that no scope stands for.
    sweeps: Vec<&'a Pattern>,
}

impl<'a> Change<'a> {
    fn of(redis: &Redis, targets: &'a [Target], mark: Mark) -> Self {
        let mut change = Self::nothing(mark);
        for target in targets {
            match target {
                Target::Tag(tag) => change.tags(redis, tag_field(tag)),
                Target::Tags => change.tags(redis, ROOT),
                // Its domains are not known here: see `clear`.
                Target::All => {}
                Target::Pattern(pattern) => change.pattern(redis, pattern),
            }
        }
        change
    }

    fn nothing(mark: Mark) -> Self {
        Self {
            mark,
            scopes: Vec::new(),
            marks: Vec::new(),
            fences: Vec::new(),
            entries: Vec::new(),
            sweeps: Vec::new(),
        }
    }

    fn tags(&mut self, redis: &Redis, field: Field) {
        for zone in redis.nodes.zones() {
            self.scopes.push((redis.tags(zone), field));
            self.mark(redis, zone, TAGS, field_name(field));
        }
    }

    fn pattern(&mut self, redis: &Redis, pattern: &'a Pattern) {
        let text = pattern.as_str();
        let domain = generations::domain(text);
        match &pattern.reach() {
            Reach::Exact => {
                self.fences.push(redis.fence(text));
                self.entries.push(redis.entry(text));
                self.mark(redis, redis.zone(text), domain, mark_of_key(text));
            }
            Reach::Partial => {
                for zone in redis.nodes.zones() {
                    self.mark(redis, zone, domain, field_name(ROOT));
                }
                self.sweeps.push(pattern);
            }
            reach @ Reach::Scope { domain, .. } => {
                let field = generations::scope_of(reach).unwrap_or(ROOT);
                for zone in redis.nodes.zones() {
                    self.scopes.push((redis.domain(zone, domain), field));
                    self.mark(redis, zone, domain, field_name(field));
                }
            }
        }
    }

    fn mark(&mut self, redis: &Redis, zone: Zone, domain: &str, name: Vec<u8>) {
        if self.mark != Mark::Untouched {
            self.marks.push((redis.marks(zone, domain), name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_s_answer_is_neither_success_nor_told() {
        let text = |text: &str| Value::BulkString(text.into());
        assert_eq!(refused_push(&Value::Int(1)).expect("done"), None);
        let refused = refused_push(&text("push: NOPERM no")).expect("it is done");
        assert_eq!(refused.as_deref(), Some("NOPERM no"));
        for other in [text("hunter2"), Value::Nil, Value::Int(7), Value::Okay] {
            let error = refused_push(&other).expect_err("it is not known to be done");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
