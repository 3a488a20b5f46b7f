//! Invalidating: one script that does all of it at once, and tells the near caches.

use std::time::Duration;

use redis::{RedisError, Value};

use super::link::Live;
use super::scan::DOMAINS;
use super::script::Script;
use super::{Redis, TAGS, field_name, mark_of_key, milliseconds, tag_field};
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
        let change = Change::of(self, targets);
        self.link.will_tell(&change.domains);
        self.change(&change, targets, mark, patience).await?;
        if change.sweeps.is_empty() {
            return Ok(());
        }
        for pattern in change.sweeps {
            self.sweep(pattern, patience).await?;
        }
        // Near caches that have heard of it may have read what the sweep had not reached yet.
        self.change(&Change::default(), targets, Mark::Untouched, patience)
            .await
    }

    /// Does all of `change` at once, and tells the near caches.
    async fn change(
        &self,
        change: &Change<'_>,
        targets: &[Target],
        mark: Mark,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let marks = match mark {
            Mark::Untouched => &[][..],
            Mark::Up { .. } | Mark::Down { .. } => &change.marks[..],
        };
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
        script.key(self.pushes());
        for (hash, _) in &change.scopes {
            script.key(hash);
        }
        for (hash, _) in marks {
            script.key(hash);
        }
        script.key(&change.names);
        script
            .arg(self.channel())
            .arg(near::encode(targets))
            .arg(MOST_SCOPES)
            .arg(change.scopes.len())
            .arg(marks.len())
            .arg(life)
            .arg(says as u8)
            .arg(MOST_MARKS);
        for (_, field) in &change.scopes {
            script
                .arg(field_name(*field))
                .arg(&fastrand::u64(..).to_le_bytes());
        }
        for (_, name) in marks {
            script.arg([name, &writer.to_le_bytes()[..]].concat());
        }
        let sent = self.run(&script, patience, |_, answer| Ok(answer)).await;
        match sent {
            Ok(Value::Int(_)) => Ok(()),
            Ok(error) => {
                self.link.cannot_push(&format!("{error:?}"));
                Ok(())
            }
            Err(StoreError::Refused(why)) => {
                self.delete(change, patience).await?;
                match mark {
                    // A mark cannot be put up, and an announcement is nothing without it. What is held off could not be stored now.
                    Mark::Up {
                        says: Busy::Announced,
                        ..
                    } => Err(StoreError::Refused(why)),
                    _ => Ok(()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Out of memory, a server still deletes, though not in a script: whole hashes of generations go.
    async fn delete(&self, change: &Change<'_>, patience: Duration) -> Result<(), StoreError> {
        let hashes = change.scopes.iter().map(|(hash, _)| hash);
        let names: Vec<&String> = change.names.iter().chain(hashes).collect();
        if !names.is_empty() {
            let unlink = &redis::Cmd::unlink(names);
            self.attempt(patience, move |live| async move {
                unlink.exec_async(&mut live.connection()).await
            })
            .await?;
        }
        let publish = &redis::Cmd::publish(self.channel(), near::everything());
        let sent = self.attempt(patience, move |live| async move {
            publish.exec_async(&mut live.connection()).await
        });
        if let Err(StoreError::Refused(error)) = sent.await {
            self.link.cannot_push(&error);
        }
        Ok(())
    }
}

/// Makes whole domains old, by their hashes of generations, and all that is kept near.
pub(super) async fn outdate(
    live: &Live,
    hashes: &[String],
    pushes: &str,
    channel: &str,
) -> Result<(), RedisError> {
    for hashes in hashes.chunks(DOMAINS) {
        let mut script = INVALIDATE.call();
        script.key(pushes).key(hashes);
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
        match script.invoke::<Value>(live).await {
            Err(error) if error.is_io_error() => return Err(error),
            // As in `delete`.
            Err(_) => {
                let mut deleting = redis::pipe();
                deleting.unlink(hashes).publish(channel, near::everything());
                deleting.exec_async(&mut live.connection()).await?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// What an invalidation does, by the names in Redis.
#[derive(Default)]
struct Change<'a> {
    /// Hashes of generations of all that it names.
    domains: Vec<String>,
    /// Hashes of generations, and the field to set anew.
    scopes: Vec<(String, Field)>,
    /// Hashes of marks, and what to mark there.
    marks: Vec<(String, Vec<u8>)>,
    /// Keys to remove.
    names: Vec<String>,
    /// Patterns that no scope stands for.
    sweeps: Vec<&'a Pattern>,
}

impl Redis {
    /// The hash of generations of what `target` names; of everything there is no one hash.
    fn hash_of(&self, target: &Target) -> Option<String> {
        match target {
            Target::Tag(_) | Target::Tags => Some(self.tags()),
            Target::Pattern(pattern) => Some(self.domain(generations::domain(pattern.as_str()))),
            Target::All => None,
        }
    }
}

impl<'a> Change<'a> {
    fn of(redis: &Redis, targets: &'a [Target]) -> Self {
        let mut change = Self::default();
        for target in targets {
            change.domains.extend(redis.hash_of(target));
            match target {
                Target::Tag(tag) => change.scope(redis.tags(), redis.marks(TAGS), tag_field(tag)),
                Target::Tags => change.scope(redis.tags(), redis.marks(TAGS), ROOT),
                // Its domains are not known here: see `clear`.
                Target::All => {}
                Target::Pattern(pattern) => {
                    let text = pattern.as_str();
                    let marks = redis.marks(generations::domain(text));
                    match &pattern.reach() {
                        Reach::Exact => {
                            change.names.extend([redis.entry(text), redis.fence(text)]);
                            change.marks.push((marks, mark_of_key(text)));
                        }
                        Reach::Partial => {
                            change.marks.push((marks, field_name(ROOT)));
                            change.sweeps.push(pattern);
                        }
                        reach @ Reach::Scope { domain, .. } => change.scope(
                            redis.domain(domain),
                            marks,
                            generations::scope_of(reach).unwrap_or(ROOT),
                        ),
                    }
                }
            }
        }
        change
    }

    fn scope(&mut self, generations: String, marks: String, field: Field) {
        self.scopes.push((generations, field));
        self.marks.push((marks, field_name(field)));
    }
}
