//! Stamps: of generations, and of whoever told them.

use redis::{RedisError, Value};

use super::link::Live;
use super::unexpected;
use crate::generations::{Stamp, Stamping};

/// A stamp in the making.
///
/// A node that is replaced by a replica that lags brings back entries, fences and generations that were there before. So the incarnations of all that have told
/// something are in it: first that of the node that has the entry or the fence, then that of each other one, before what it has told.
pub(super) struct Told<'a> {
    stamp: Stamping,
    by: &'a [u8],
}

impl<'a> Told<'a> {
    /// Beside an entry, or a fence, that this node has told.
    pub(super) fn beside(entry: &'a Live) -> Self {
        Self {
            stamp: Stamping::new(entry.incarnation()),
            by: entry.incarnation(),
        }
    }

    /// What follows was told by this one.
    pub(super) fn by(&mut self, live: &'a Live) {
        if live.incarnation() != self.by {
            self.by = live.incarnation();
            self.stamp.add(self.by);
        }
    }

    /// What `HMGET` answers of one hash, its root first; whether it has a root.
    pub(super) fn hash(&mut self, hash: &Value) -> Result<bool, RedisError> {
        let Value::Array(hash) = hash else {
            return Err(unexpected(hash));
        };
        if matches!(hash.first(), None | Some(Value::Nil)) {
            return Ok(false);
        }
        hash.iter()
            .try_for_each(|generation| self.add(generation))?;
        Ok(true)
    }

    /// One generation; an absent one is empty.
    pub(super) fn add(&mut self, generation: &Value) -> Result<(), RedisError> {
        match generation {
            Value::BulkString(bytes) => self.stamp.add(bytes),
            Value::Nil => self.stamp.add(&[]),
            other => return Err(unexpected(other)),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Stamp {
        self.stamp.finish()
    }
}
