//! How values become bytes, and bytes values again.

#[cfg(feature = "postcard")]
mod outline;
#[cfg(feature = "postcard")]
mod postcard;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How values are written.
///
/// An entry says which codec wrote it, so that a change of the codec loses nothing: what was written before is still read. A value that the chosen
/// codec cannot write and read back is written as JSON, and counted as [`fallback_codec`](crate::Counts::fallback_codec).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
#[repr(u8)]
// The numbers are part of the stored format.
pub enum Codec {
    /// JSON: a person can read it in `redis-cli`. The default.
    #[default]
    Json = 1,
    /// MessagePack with the names of fields: smaller, and as forgiving as JSON when fields are added. Needs the feature `msgpack`.
    #[serde(rename = "msgpack")]
    MessagePack = 2,
    /// [postcard](https://postcard.jamesmunns.com/wire-format), without names: the smallest. A value is only read when the fields, variants and kinds of numbers in it
    /// have the names and the order that they were written with; else it is a miss, so that a change of the type shows nobody a wrong value. Needs the
    /// feature `postcard`.
    ///
    /// Bytes that somebody made up can keep it busy for long, or recurse deeply where the type does: where others write to the same Redis, let
    /// entries be signed or encrypted.
    Postcard = 3,
}

impl Codec {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Json,
            2 => Self::MessagePack,
            3 => Self::Postcard,
            _ => return None,
        })
    }

    /// The feature that it needs and that is not there.
    pub(crate) const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::MessagePack if !cfg!(feature = "msgpack") => Some("msgpack"),
            Self::Postcard if !cfg!(feature = "postcard") => Some("postcard"),
            Self::Json | Self::MessagePack | Self::Postcard => None,
        }
    }
}

/// What an answer must be for its value to be stored: everything that serde can write and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "the answer's value must implement `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "derive both for it; a borrowed answer has to become an owned one (`String` for `&str`, `Vec<T>` for `&[T]`)"
)]
pub trait Storable: Sized {
    /// Appends the value to `out`, by `codec` or else as JSON; `None` when it refuses or its implementation panics.
    #[doc(hidden)]
    fn encode(&self, codec: Codec, out: &mut Vec<u8>) -> Option<Codec>;

    /// `None` when the bytes are not such a value or its implementation panics.
    #[doc(hidden)]
    fn decode(codec: Codec, bytes: &[u8]) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {
    fn encode(&self, codec: Codec, out: &mut Vec<u8>) -> Option<Codec> {
        let start = out.len();
        let used = encode(self, codec, out)?;
        // What does not come back is written so that it does, if it can be: postcard and MessagePack cannot read all that they write.
        if used != Codec::Json && Self::decode(used, &out[start..]).is_none() {
            out.truncate(start);
            return encode(self, Codec::Json, out);
        }
        Some(used)
    }

    fn decode(codec: Codec, bytes: &[u8]) -> Option<Self> {
        catch_unwind(|| match codec {
            Codec::Json => serde_json::from_slice(bytes).ok(),
            #[cfg(feature = "msgpack")]
            Codec::MessagePack => rmp_serde::from_slice(bytes).ok(),
            #[cfg(feature = "postcard")]
            Codec::Postcard => postcard::read(bytes),
            #[cfg(not(all(feature = "msgpack", feature = "postcard")))]
            _ => None,
        })
        .ok()?
    }
}

/// Appends `value` to `out`, by `codec` or else as JSON; `None`, and nothing appended, when it refuses or its implementation panics.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    codec: Codec,
    out: &mut Vec<u8>,
) -> Option<Codec> {
    let start = out.len();
    let mut write = |codec| {
        let written = catch_unwind(AssertUnwindSafe(|| match codec {
            Codec::Json => serde_json::to_writer(&mut *out, value).is_ok(),
            #[cfg(feature = "msgpack")]
            Codec::MessagePack => rmp_serde::encode::write_named(&mut *out, value).is_ok(),
            #[cfg(feature = "postcard")]
            Codec::Postcard => postcard::write(value, &mut *out),
            #[cfg(not(all(feature = "msgpack", feature = "postcard")))]
            _ => false,
        }));
        let written = written.unwrap_or(false);
        if !written {
            out.truncate(start);
        }
        written.then_some(codec)
    };
    write(codec).or_else(|| write(Codec::Json))
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

#[cfg(test)]
mod tests;
