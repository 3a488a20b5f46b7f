//! Entries that nobody else can read, or make up.

#[cfg(feature = "encryption")]
mod secrets;
#[cfg(not(feature = "encryption"))]
mod without;

#[cfg(feature = "encryption")]
pub use self::secrets::Secrets;
#[cfg(not(feature = "encryption"))]
pub(crate) use self::without::Secrets;

use serde::Serialize;

/// What is done against others who can reach Redis.
///
/// It belongs to what leaves this process: the store of this process and the near cache keep values as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
#[repr(u8)]
// The numbers are part of the stored format.
pub enum Protection {
    /// Nothing. The default.
    #[default]
    Off = 0,
    /// Entries carry an HMAC (SHA-256, cut to 128 bits, RFC 2104): what was made up, changed, or moved to another key is a miss. 20 bytes more.
    Signed = 1,
    /// Values are encrypted and signed (XChaCha20-Poly1305). Keys stay readable, and so does whether the answer was "nothing there". 44 bytes more.
    Encrypted = 2,
}

impl Protection {
    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Off,
            1 => Self::Signed,
            2 => Self::Encrypted,
            _ => return None,
        })
    }

    /// The feature that it needs and that is not there.
    pub(crate) const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Signed | Self::Encrypted if !cfg!(feature = "encryption") => Some("encryption"),
            Self::Off | Self::Signed | Self::Encrypted => None,
        }
    }
}
