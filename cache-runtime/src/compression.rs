//! Values that are stored smaller than they are.

use serde::Serialize;

/// How values past [`compress_above`](crate::Builder::compress_above) are compressed.
///
/// An entry says how it was compressed, so that a change loses nothing. One that would not become smaller is stored as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
#[repr(u8)]
// The numbers are part of the stored format.
pub enum Compression {
    /// Not at all. The default.
    #[default]
    Off = 0,
    /// [LZ4](https://lz4.org): fast, and less tight. Needs the feature `lz4`.
    Lz4 = 1,
    /// [Zstandard](https://facebook.github.io/zstd/), RFC 8878, level 3: tighter, and slower to write. Needs the feature `zstd`, and a C compiler to build it.
    Zstd = 2,
}

/// What an unpacked value may have at least, whatever `max_size` is: another instance may allow more. What says that it is larger is not unpacked.
const ROOM: usize = 64 << 20;
/// Bytes before what is compressed: the length of the value, little-endian.
const LENGTH: usize = 4;

impl Compression {
    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Off,
            1 => Self::Lz4,
            2 => Self::Zstd,
            _ => return None,
        })
    }

    /// The feature that it needs and that is not there.
    pub(crate) const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Lz4 if !cfg!(feature = "lz4") => Some("lz4"),
            Self::Zstd if !cfg!(feature = "zstd") => Some("zstd"),
            Self::Off | Self::Lz4 | Self::Zstd => None,
        }
    }

    /// Compresses what stands behind the first `head` bytes of `entry`; whether it did, as it became smaller.
    pub(crate) fn pack(self, entry: &mut Vec<u8>, head: usize) -> bool {
        let value = &entry[head..];
        let (Some(packed), Ok(length)) = (self.compress(value), u32::try_from(value.len())) else {
            return false;
        };
        if packed.len() + LENGTH >= value.len() {
            return false;
        }
        entry.truncate(head);
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(&packed);
        // It was made for the value as it is.
        entry.shrink_to_fit();
        true
    }

    /// The value again; `None` when it is none, or larger than `limit` and the least that is always allowed.
    pub(crate) fn unpack(self, packed: &[u8], limit: usize) -> Option<Vec<u8>> {
        let (length, packed) = packed.split_first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length > limit.max(ROOM) {
            return None;
        }
        let value = self.decompress(packed, length)?;
        (value.len() == length).then_some(value)
    }

    fn compress(self, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4 => Some(lz4_flex::block::compress(value)),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(value, 3).ok(),
            _ => {
                let _ = value;
                None
            }
        }
    }

    fn decompress(self, packed: &[u8], length: usize) -> Option<Vec<u8>> {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4_flex::block::decompress(packed, length).ok(),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::decompress(packed, length).ok(),
            _ => {
                let _ = (packed, length);
                None
            }
        }
    }
}
