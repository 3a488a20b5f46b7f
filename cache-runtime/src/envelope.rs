//! The bytes round a stored value: who wrote it, when, under which generations, and whether it arrived whole (promise P6).
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format of the envelope |
//! | 1 | codec in the low four bits; bit 7: the answer was "nothing there" |
//! | 2 | the value's `version` |
//! | 4 | origin: hash of the function's path and its template: `agents:{}` with the value `list` is not `agents:list` |
//! | 16 | stamp |
//! | 5 | ttl, milliseconds |
//! | 5 | how long the store keeps it beyond its ttl, milliseconds |
//! | 4 | how long the load took, milliseconds |
//! | 1 | any number, so that two entries with the same value are told apart |
//! | 4 | checksum of all other bytes |
//!
//! Numbers are little-endian; 43 bytes in all. When it was stored is not in it: the store knows how long the entry has still to live.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::codec::Codec;
use crate::generations::Stamp;

/// Bytes before the value.
pub(crate) const HEADER: usize = 43;
const FORMAT: u8 = 0xC2;
const ABSENT: u8 = 0x80;
const CHECKSUM: std::ops::Range<usize> = 39..HEADER;

/// The first bytes of a stored entry, whatever it is: two entries with one head are one entry.
pub(crate) type Head = Vec<u8>;

/// What an entry says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) codec: Codec,
    /// The answer was `None`: there is no value.
    pub(crate) absent: bool,
    pub(crate) version: u16,
    pub(crate) origin: u32,
    pub(crate) stamp: Stamp,
    pub(crate) ttl: Duration,
    /// How long the store keeps it beyond its ttl.
    pub(crate) grace: Duration,
    pub(crate) load_time: Duration,
}

/// Why an entry cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Not an envelope, cut short, or damaged.
    Corrupt,
    /// Written by another function.
    Foreign,
    /// Written by another version of the value: `newer` than the reader knows, or older.
    Version { newer: bool },
}

/// An entry's bytes before its value is there: `seal` completes them.
pub(crate) fn begin() -> Vec<u8> {
    vec![0; HEADER]
}

/// Writes the header of `entry`, which [`begin`] began and a codec continued.
pub(crate) fn seal(entry: &mut [u8], label: &Label) {
    entry[0] = FORMAT;
    entry[1] = label.codec as u8 | if label.absent { ABSENT } else { 0 };
    entry[2..4].copy_from_slice(&label.version.to_le_bytes());
    entry[4..8].copy_from_slice(&label.origin.to_le_bytes());
    entry[8..24].copy_from_slice(&label.stamp.0.to_le_bytes());
    entry[24..29].copy_from_slice(&milliseconds(label.ttl)[..5]);
    entry[29..34].copy_from_slice(&milliseconds(label.grace)[..5]);
    entry[34..38].copy_from_slice(
        &milliseconds(label.load_time.min(Duration::from_millis(u32::MAX.into())))[..4],
    );
    entry[38] = fastrand::u8(..);
    let sum = checksum(entry);
    entry[CHECKSUM].copy_from_slice(&sum);
}

/// The label of `entry`, when it is whole and was written for `origin` and `version`.
pub(crate) fn open(entry: &[u8], origin: u32, version: u16) -> Result<Label, Rejected> {
    let label = read(entry).ok_or(Rejected::Corrupt)?;
    if label.origin != origin {
        return Err(Rejected::Foreign);
    }
    if label.version != version {
        return Err(Rejected::Version {
            newer: label.version > version,
        });
    }
    Ok(label)
}

/// What identifies `entry` to the script that must see whether another took its place.
pub(crate) fn head(entry: &[u8]) -> Head {
    entry[..entry.len().min(HEADER)].to_vec()
}

fn read(entry: &[u8]) -> Option<Label> {
    if entry.len() < HEADER || entry[0] != FORMAT || entry[CHECKSUM] != checksum(entry) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let mut bytes = [0; 16];
        bytes[..range.len()].copy_from_slice(&entry[range]);
        u128::from_le_bytes(bytes)
    };
    Some(Label {
        codec: Codec::from_byte(entry[1] & 0x0f)?,
        absent: entry[1] & ABSENT != 0,
        version: number(2..4) as u16,
        origin: number(4..8) as u32,
        stamp: Stamp(number(8..24)),
        ttl: Duration::from_millis(number(24..29) as u64),
        grace: Duration::from_millis(number(29..34) as u64),
        load_time: Duration::from_millis(number(34..38) as u64),
    })
}

fn milliseconds(duration: Duration) -> [u8; 16] {
    duration.as_millis().to_le_bytes()
}

fn checksum(entry: &[u8]) -> [u8; 4] {
    let mut hash = Xxh3::new();
    hash.update(&entry[..CHECKSUM.start]);
    hash.update(&entry[HEADER..]);
    (hash.digest() as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(value: &[u8]) -> (Vec<u8>, Label) {
        let label = Label {
            codec: Codec::Json,
            absent: value.is_empty(),
            version: 3,
            origin: 7,
            stamp: Stamp(1 << 100),
            ttl: Duration::from_secs(90 * 24 * 3600),
            grace: Duration::from_secs(365 * 24 * 3600),
            load_time: Duration::from_millis(1234),
        };
        let mut entry = begin();
        entry.extend_from_slice(value);
        seal(&mut entry, &label);
        (entry, label)
    }

    #[test]
    fn an_entry_comes_back_as_it_was() {
        for value in [&b""[..], b"x", b"{\"a\":1}"] {
            let (entry, label) = entry(value);
            assert_eq!(open(&entry, 7, 3), Ok(label));
            assert_eq!(&entry[HEADER..], value);
        }
    }

    #[test]
    fn another_function_and_another_version_are_told_apart() {
        let (entry, _) = entry(b"x");
        assert_eq!(open(&entry, 8, 3), Err(Rejected::Foreign));
        assert_eq!(open(&entry, 7, 2), Err(Rejected::Version { newer: true }));
        assert_eq!(open(&entry, 7, 4), Err(Rejected::Version { newer: false }));
    }

    #[test]
    fn any_changed_or_missing_byte_is_seen() {
        let (whole, _) = entry(b"some value");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(
                    open(&damaged, 7, 3),
                    Err(Rejected::Corrupt),
                    "bit {bit} of byte {at}"
                );
            }
            assert_eq!(open(&whole[..at], 7, 3), Err(Rejected::Corrupt));
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(open(&bytes, 7, 3), Err(Rejected::Corrupt));
        }
    }
}
