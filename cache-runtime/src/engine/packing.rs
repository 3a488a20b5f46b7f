//! How a value is stored: by which codec, how small, and closed to whom.

use std::any::type_name;
use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::Engine;
use super::session::Session;
use super::storing::Loaded;
use crate::codec::Codec;
use crate::compression::Compression;
use crate::envelope::{self, BOUND, HEADER, Label};
use crate::key::Key;
use crate::policy::Storage;
use crate::protection::{Protection, Secrets};

/// What a cache does where neither a function nor a type says anything.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    pub(crate) codec: Codec,
    /// By the names of types.
    pub(crate) codecs: HashMap<&'static str, Codec>,
    pub(crate) compression: Compression,
    /// Bytes of an encoded value from which on it is compressed.
    pub(crate) compress_above: usize,
    pub(crate) protection: Protection,
    pub(crate) secrets: Option<Secrets>,
    /// Bytes of an encoded value.
    pub(crate) max_size: usize,
    /// What stands before each key's name where others can reach it; `None`: nobody can.
    pub(crate) prefix: Option<String>,
}

impl Packing {
    /// What cannot be done so.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.max_size == 0 {
            problems.push("max_size must be at least 1".to_owned());
        }
        if self.protection > Protection::Off && self.secrets.is_none() {
            problems.push(format!(
                "protection is {:?} and there are no secrets",
                self.protection
            ));
        }
        let codecs = [self.codec]
            .into_iter()
            .chain(self.codecs.values().copied());
        let missing = codecs
            .filter_map(Codec::missing_feature)
            .chain(self.compression.missing_feature())
            .chain(self.protection.missing_feature());
        let missing: BTreeSet<_> = missing.collect();
        problems.extend(missing.iter().map(|feature| {
            format!("the feature `{feature}` of cache-runtime is needed and not there")
        }));
        problems
    }

    fn codec_of<T: ?Sized>(&self, storage: &Storage) -> Codec {
        let of_type = || {
            // Usually there are none.
            let codecs = Some(&self.codecs).filter(|codecs| !codecs.is_empty());
            codecs.and_then(|codecs| codecs.get(type_name::<T>()).copied())
        };
        storage.codec.or_else(of_type).unwrap_or(self.codec)
    }

    /// What has to be done to a value before others can reach it.
    fn protection_of(&self, storage: &Storage) -> Protection {
        match self.prefix {
            Some(_) => storage.protection.unwrap_or(self.protection),
            None => Protection::Off,
        }
    }

    fn limit_of(&self, storage: &Storage) -> usize {
        storage.max_size.unwrap_or(self.max_size)
    }

    /// The encoded value in the entry of `key`, of so many bytes at most; `None` when it cannot be opened or unpacked.
    pub(crate) fn unpack(
        &self,
        entry: &Bytes,
        label: &Label,
        key: &Key,
        limit: usize,
    ) -> Option<Bytes> {
        let mut value = entry.slice(HEADER..);
        if label.protection > Protection::Off {
            let secrets = self.secrets.as_ref()?;
            let bound = &entry[..BOUND];
            value = secrets
                .open(label.protection, bound, &self.whole_name(key), &value)?
                .into();
        }
        if label.compression != Compression::Off {
            value = label.compression.unpack(&value, limit)?.into();
        }
        Some(value)
    }

    /// The key as it stands in the store.
    fn whole_name(&self, key: &Key) -> String {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        format!("{prefix}:{key}")
    }
}

impl Engine {
    /// How a `T` is written.
    pub(crate) fn codec_of<T: ?Sized>(&self, storage: &Storage) -> Codec {
        self.packing.codec_of::<T>(storage)
    }
}

impl Session<'_> {
    /// Whether the value may be stored: it is not too large, and can be protected. Counted where it may not.
    pub(super) fn is_storable(&self, loaded: &Loaded) -> bool {
        let (function, packing) = (&self.function, &self.engine.packing);
        let storage = &self.request.policy.storage;
        if packing.protection_of(storage) > Protection::Off && packing.secrets.is_none() {
            if function.counters.unprotected.one_is_first() {
                tracing::error!(key = %self.request.key, function = function.site.function, "answer not stored: it is to be encrypted or signed, and the cache has no secrets; further ones of this function are only counted");
            }
            return false;
        }
        let (size, limit) = (loaded.entry.len() - HEADER, packing.limit_of(storage));
        if size > limit {
            if function.counters.too_large.one_is_first() {
                tracing::warn!(key = %self.request.key, function = function.site.function, size, limit, "answer not stored: it is larger than `max_size`; further ones of this function are only counted");
            }
            return false;
        }
        if loaded.fell_back && function.counters.fallback_codec.one_is_first() {
            tracing::warn!(key = %self.request.key, function = function.site.function, "answer stored as JSON: its codec cannot write it and read it back; further ones of this function are only counted");
        }
        true
    }

    /// The entry of what was loaded, as it is stored, and shared with those that wait.
    pub(super) fn pack(&self, mut entry: Vec<u8>, mut label: Label) -> Bytes {
        let packing = &self.engine.packing;
        let storage = &self.request.policy.storage;
        let compression = storage.compression.unwrap_or(packing.compression);
        if entry.len() - HEADER >= packing.compress_above && compression.pack(&mut entry, HEADER) {
            label.compression = compression;
        }
        let protection = packing.protection_of(storage);
        if let (Some(secrets), true) = (&packing.secrets, protection > Protection::Off) {
            label.protection = protection;
            envelope::inscribe(&mut entry, &label);
            let (bound, value) = (&entry[..BOUND], &entry[HEADER..]);
            let closed = secrets.close(
                protection,
                bound,
                &packing.whole_name(self.request.key),
                value,
            );
            entry.truncate(HEADER);
            // Without random numbers it stays empty, and nobody can open it.
            entry.extend_from_slice(&closed.unwrap_or_default());
        } else {
            envelope::inscribe(&mut entry, &label);
        }
        envelope::seal(&mut entry);
        Bytes::from(entry)
    }

    /// The encoded value in an entry that was read from the store; `None` when it is not protected as it has to be, or cannot be opened or unpacked.
    pub(super) fn unpack_stored(&self, entry: &Bytes, label: &Label) -> Option<Bytes> {
        let demanded = self
            .engine
            .packing
            .protection_of(&self.request.policy.storage);
        (label.protection >= demanded).then(|| self.unpack(entry, label))?
    }

    /// The encoded value in an entry of this process.
    pub(super) fn unpack(&self, entry: &Bytes, label: &Label) -> Option<Bytes> {
        let packing = &self.engine.packing;
        let limit = packing.limit_of(&self.request.policy.storage);
        packing.unpack(entry, label, self.request.key, limit)
    }
}
