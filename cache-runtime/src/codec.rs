//! How values become bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How an entry's value is written. The numbers are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Codec {
    /// JSON by `serde_json`.
    Json = 1,
}

impl Codec {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        (byte == Self::Json as u8).then_some(Self::Json)
    }
}

/// What an answer must be for its value to be stored: everything that serde can write and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "the answer's value must implement `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "derive both for it; a borrowed answer has to become an owned one (`String` for `&str`, `Vec<T>` for `&[T]`)"
)]
pub trait Storable: Sized {
    /// Appends the value to `out`; `false` when it refuses or its implementation panics.
    #[doc(hidden)]
    fn encode(&self, out: &mut Vec<u8>) -> bool;

    /// `None` when the bytes are not such a value or its implementation panics.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {
    fn encode(&self, out: &mut Vec<u8>) -> bool {
        encode(self, out)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        catch_unwind(|| serde_json::from_slice(bytes)).ok()?.ok()
    }
}

/// Appends `value` to `out`; `false` when it refuses or its implementation panics.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> bool {
    matches!(
        catch_unwind(AssertUnwindSafe(|| serde_json::to_writer(out, value))),
        Ok(Ok(()))
    )
}

/// What an answer must be for its value to be kept in the near cache (`local = …`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the near cache",
    label = "with `local` the answer's value must be `Clone + Send + Sync + 'static`",
    note = "derive `Clone` for it, answer an `Arc` of it, or leave `local` out"
)]
pub trait Nearby: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Nearby for T {}
