//! postcard writes no names, so bytes of one type can be taken for another. Before them stands the outline of the value, and what is read is only
//! believed when it has the same.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outline;

/// Appends `value`; `false` when it refuses, or leaves out fields that a reader would look for.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> bool {
    let Some(outline) = outline::of(value) else {
        return false;
    };
    out.extend_from_slice(&outline.to_le_bytes());
    ::postcard::to_io(value, out).is_ok()
}

pub(super) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (outline, bytes) = bytes.split_first_chunk()?;
    let (value, rest) = ::postcard::take_from_bytes(bytes).ok()?;
    let same = rest.is_empty() && outline::of(&value) == Some(u32::from_le_bytes(*outline));
    same.then_some(value)
}
