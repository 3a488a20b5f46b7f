//! The bytes round a stored value: who wrote it, when, under which generations, and whether it arrived whole (promise P6).
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format of the envelope |
//! | 1 | bits 0 to 2: codec; 3 and 4: compression; 5 and 6: protection; 7: the answer was "nothing there" |
//! | 2 | the value's `version` |
//! | 4 | origin: hash of the function's path and its template: `agents:{}` with the value `list` is not `agents:list` |
//! | 16 | stamp |
//! | 5 | ttl, milliseconds |
//! | 5 | how long the store keeps it beyond its ttl, milliseconds |
//! | 4 | how long the load took, milliseconds |
//! | 1 | any number, so that two entries with the same value are told apart |
//! | 4 | checksum of all other bytes |
//!
//! Numbers are little-endian; 43 bytes in all. Behind them stands the value: encoded, then compressed, then protected. When it was stored is not in it: the store knows how long the entry has still to live.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::codec::Codec;
use crate::compression::Compression;
use crate::generations::Stamp;
use crate::protection::Protection;

/// Bytes before the value.
pub(crate) const HEADER: usize = 43;
/// Bytes of it that a protected value is bound to.
pub(crate) const BOUND: usize = 38;
const FORMAT: u8 = 0xC3;
/// Those of other builds.
const FORMATS: std::ops::RangeInclusive<u8> = 0xC0..=0xCF;
const ABSENT: u8 = 0x80;
const CHECKSUM: std::ops::Range<usize> = 39..HEADER;

/// The first bytes of a stored entry, whatever it is: two entries with one head are one entry.
pub(crate) type Head = Vec<u8>;

/// What an entry says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) codec: Codec,
    pub(crate) compression: Compression,
    pub(crate) protection: Protection,
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
    /// Written by another build of this library, in another form.
    Form,
    /// Written by another function.
    Foreign,
    /// Written by another version of the value: `newer` than the reader knows, or older.
    Version { newer: bool },
}

/// An entry's bytes before its value is there: [`inscribe`] and [`seal`] complete them.
pub(crate) fn begin() -> Vec<u8> {
    vec![0; HEADER]
}

/// Writes the header of `entry`, which [`begin`] began, but for what [`seal`] adds.
pub(crate) fn inscribe(entry: &mut [u8], label: &Label) {
    let form = [
        label.codec as u8,
        (label.compression as u8) << 3,
        (label.protection as u8) << 5,
    ];
    entry[0] = FORMAT;
    entry[1] = form[0] | form[1] | form[2] | if label.absent { ABSENT } else { 0 };
    entry[2..4].copy_from_slice(&label.version.to_le_bytes());
    entry[4..8].copy_from_slice(&label.origin.to_le_bytes());
    entry[8..24].copy_from_slice(&label.stamp.0.to_le_bytes());
    entry[24..29].copy_from_slice(&milliseconds(label.ttl)[..5]);
    entry[29..34].copy_from_slice(&milliseconds(label.grace)[..5]);
    entry[34..BOUND].copy_from_slice(
        &milliseconds(label.load_time.min(Duration::from_millis(u32::MAX.into())))[..4],
    );
}

/// Ends an entry, whose value is there now as it is stored.
pub(crate) fn seal(entry: &mut [u8]) {
    entry[BOUND] = fastrand::u8(..);
    let sum = checksum(entry);
    entry[CHECKSUM].copy_from_slice(&sum);
}

/// The label of `entry`, when it is whole and was written for `origin` and `version`.
pub(crate) fn open(entry: &[u8], origin: u32, version: u16) -> Result<Label, Rejected> {
    let label = read(entry)?;
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

/// The label of `entry`, when it is whole, whoever wrote it.
pub(crate) fn read(entry: &[u8]) -> Result<Label, Rejected> {
    if entry.len() < HEADER {
        return Err(Rejected::Corrupt);
    }
    if entry[0] != FORMAT && FORMATS.contains(&entry[0]) {
        return Err(Rejected::Form);
    }
    if entry[0] != FORMAT || entry[CHECKSUM] != checksum(entry) {
        return Err(Rejected::Corrupt);
    }
    label(entry).ok_or(Rejected::Form)
}

fn label(entry: &[u8]) -> Option<Label> {
    let number = |range: std::ops::Range<usize>| {
        let mut bytes = [0; 16];
        bytes[..range.len()].copy_from_slice(&entry[range]);
        u128::from_le_bytes(bytes)
    };
    Some(Label {
        codec: Codec::from_byte(entry[1] & 7)?,
        compression: Compression::from_bits(entry[1] >> 3 & 3)?,
        protection: Protection::from_bits(entry[1] >> 5 & 3)?,
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
            codec: Codec::Postcard,
            compression: Compression::Zstd,
            protection: Protection::Encrypted,
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
        inscribe(&mut entry, &label);
        seal(&mut entry);
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
                assert!(open(&damaged, 7, 3).is_err(), "bit {bit} of byte {at}");
            }
            assert_eq!(open(&whole[..at], 7, 3), Err(Rejected::Corrupt));
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&bytes, 7, 3).is_err());
        }
    }
}
