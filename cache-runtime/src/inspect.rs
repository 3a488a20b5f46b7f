//! Looking at one entry as it stands in the store, for people and tools ([`Cache::inspect`]).

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::audit::{AuditAction, AuditOutcome};
use crate::cache::Cache;
use crate::check_keys;
use crate::codec::{Codec, Storable};
use crate::compression::Compression;
use crate::engine::Engine;
use crate::envelope::{self, Label};
use crate::error::Error;
use crate::key::Key;
use crate::protection::Protection;
use crate::report::some_seconds;
use crate::site::Site;
use crate::store::{Address, Seen};

/// One entry, as it stands in the store. Serialized, times are seconds. `Debug` does not show the value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its key, without the cache's prefix.
    pub key: String,
    /// What is stored.
    #[serde(flatten)]
    pub value: EntryValue,
    /// For how long it is fresh yet; zero when it is past its ttl.
    #[serde(serialize_with = "some_seconds")]
    pub ttl: Option<Duration>,
    /// When the store drops it; `None` when it has no expiry, as nothing of this library.
    #[serde(serialize_with = "some_seconds")]
    pub expires_in: Option<Duration>,
    /// How long ago it was stored, where [`Cache::expire`] has not changed its expiry since.
    #[serde(serialize_with = "some_seconds")]
    pub age: Option<Duration>,
    /// Whether a call may still be answered with it: nothing has invalidated it. `None` when that cannot be told: it is old, or it carries tags, which only a call
    /// of its function knows.
    pub current: Option<bool>,
    /// Bytes in the store, without the key.
    pub size: usize,
    /// How it is written; `None` when it is not this library's, or was written by another build of it.
    pub form: Option<EntryForm>,
}

/// What an entry says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EntryForm {
    /// How its value is written.
    pub codec: Codec,
    /// How it is compressed.
    pub compression: Compression,
    /// How it is protected.
    pub protection: Protection,
    /// The `version` of its function.
    pub version: u16,
    /// How long its value took to load.
    #[serde(serialize_with = "crate::report::seconds")]
    pub load_time: Duration,
    /// The functions and declarations of this program whose entry it is; none when another program stored it. What was set by hand is `by hand`.
    pub stored_by: Vec<&'static str>,
}

/// The value of an entry. Serialized it is two fields, `state` and `value`.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "state", content = "value", rename_all = "lowercase")]
#[non_exhaustive]
pub enum EntryValue {
    /// Read by its codec.
    Shown(Value),
    /// The answer was `None`, or an empty one.
    Nothing,
    /// It is encrypted, and is not shown, whoever asks.
    Encrypted,
    /// It was written by [`Codec::Postcard`], whose values say nothing of their own form, or by a codec whose feature is not there.
    Opaque,
    /// It is damaged, foreign, no string at all, or cannot be opened with this cache's secrets.
    Unreadable,
}

impl Cache {
    /// The entry under `key`, current or not, whoever stored it; `None` when there is none, or it could not be asked for. One round trip.
    ///
    /// It is for looking at: nothing of it is counted as a look-up. Encrypted values are not shown.
    ///
    /// ```
    /// use cache_runtime::{Cache, EntryValue, cached};
    ///
    /// #[cached("squares", "1m")]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// square(7).await;
    /// let entry = Cache::current().inspect(&square::key(7)).await.expect("it is there");
    /// assert_eq!(entry.value, EntryValue::Shown(49.into()));
    /// assert!(entry.form.unwrap().stored_by[0].ends_with("::square"));
    /// # }
    /// ```
    ///
    /// Safe to drop at any time.
    pub async fn inspect(&self, key: &Key) -> Option<Entry> {
        self.try_inspect(key).await.ok().flatten()
    }

    /// Like [`inspect`](Self::inspect), and tells when the store could not be asked.
    ///
    /// # Errors
    /// Redis could not be reached, did not answer in time, or refused.
    pub async fn try_inspect(&self, key: &Key) -> Result<Option<Entry>, Error> {
        static SITE: Site = Site::new("Cache::inspect", "");
        let engine = &self.engine;
        let at = Address {
            key,
            tags: &[],
            lives: true,
        };
        let read = async |patience| engine.store.read(at, patience).await;
        let seen = engine.by_hand(&SITE, key, read).await;
        self.note(AuditAction::Read, key, AuditOutcome::of_read(&seen));
        Ok(engine.entry(key, seen?))
    }
}

impl Engine {
    fn entry(&self, key: &Key, seen: Seen) -> Option<Entry> {
        let bytes = seen.entry?;
        let label = envelope::read(&bytes).ok();
        let value = match &label {
            None => EntryValue::Unreadable,
            Some(label) if label.absent => EntryValue::Nothing,
            Some(label) if self.hides(label) => EntryValue::Encrypted,
            Some(label) => match self
                .packing
                .unpack(&bytes, label, key, self.packing.max_size)
            {
                Some(value) => shown(label.codec, &value),
                None => EntryValue::Unreadable,
            },
        };
        let grace = label.as_ref().map_or(Duration::ZERO, |label| label.grace);
        let whole = label.as_ref().map(|label| label.ttl + label.grace);
        Some(Entry {
            key: key.to_string(),
            value,
            ttl: seen.lives.map(|lives| lives.saturating_sub(grace)),
            expires_in: seen.lives,
            age: whole
                .zip(seen.lives)
                .map(|(whole, lives)| whole.saturating_sub(lives)),
            current: label.as_ref().map_or(Some(false), |label| {
                let current = seen.stamp == Some(label.stamp);
                // By hand there are no tags.
                (current || label.origin == Site::ORIGIN_BY_HAND).then_some(current)
            }),
            size: bytes.len(),
            form: label.map(form),
        })
    }

    /// Whether it is nobody's business; in this process entries are not encrypted, whatever their function says.
    fn hides(&self, label: &Label) -> bool {
        label.protection == Protection::Encrypted
            || self.packing.protection == Protection::Encrypted
            || stored_by(label).any(|site| !site.shows_keys())
    }
}

fn shown(codec: Codec, value: &[u8]) -> EntryValue {
    if codec == Codec::Postcard || codec.missing_feature().is_some() {
        return EntryValue::Opaque;
    }
    Value::decode(codec, value).map_or(EntryValue::Unreadable, EntryValue::Shown)
}

fn stored_by(label: &Label) -> impl Iterator<Item = &'static Site> {
    let origin = label.origin;
    check_keys::sites().filter(move |site| site.origin() == origin)
}

fn form(label: Label) -> EntryForm {
    let mut stored_by: Vec<_> = stored_by(&label).map(|site| site.function).collect();
    if label.origin == Site::ORIGIN_BY_HAND {
        stored_by.push("by hand");
    }
    stored_by.sort_unstable();
    EntryForm {
        codec: label.codec,
        compression: label.compression,
        protection: label.protection,
        version: label.version,
        load_time: label.load_time,
        stored_by,
    }
}

impl fmt::Debug for EntryValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shown(_) => "Shown(…)",
            Self::Nothing => "Nothing",
            Self::Encrypted => "Encrypted",
            Self::Opaque => "Opaque",
            Self::Unreadable => "Unreadable",
        })
    }
}
