//! Which slot of a cluster a name lies in, and which copy of the generations its keys use.
//!
//! Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".

use std::fmt;
use std::sync::LazyLock;

use crc::{CRC_16_XMODEM, Crc};

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// Zones of a cluster. With more of them the hashes stay next to their keys in clusters of more nodes, and the invalidation of a pattern writes more.
const ZONES: u16 = 16;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// Of each zone the smallest number that as a hash tag lies in it: so a key and what it depends on are mostly on one node.
static TAGS: LazyLock<[u16; ZONES as usize]> = LazyLock::new(|| {
    std::array::from_fn(|zone| {
        let lies_there = |tag: &u16| {
            let slot = Slot::of(format!("{{{tag}}}").as_bytes());
            usize::from(slot.zone()) == zone
        };
        // Hundreds of the first 16,384 do.
        (0..).find(lies_there).unwrap_or_default()
    })
});

/// A slot of a cluster. Of a single server there is but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::redis) struct Slot(pub(super) u16);

impl Slot {
    /// Of a single server.
    pub(super) const ONLY: Self = Self(0);

    pub(super) fn of(name: &[u8]) -> Self {
        Self(CRC.checksum(tag(name)) % SLOTS)
    }

    fn zone(self) -> u16 {
        self.0 / (SLOTS / ZONES)
    }
}

/// A range of slots whose keys share a copy of all generations and marks: so no node is asked by everybody. Of a single server there is but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::store::redis) struct Zone(Option<u16>);

impl Zone {
    /// Of a single server.
    pub(in crate::store::redis) const ONLY: Self = Self(None);

    pub(super) fn of(slot: Slot) -> Self {
        Self(Some(slot.zone()))
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..ZONES).map(|zone| Self(Some(zone)))
    }
}

impl fmt::Display for Zone {
    /// What its hashes have in their names, which puts all of them into one slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(zone) => write!(f, "{{{}}}", TAGS[usize::from(zone)]),
            None => Ok(()),
        }
    }
}

/// What decides about a name's slot: what stands between its first `{` and the next `}`, or all of it.
fn tag(name: &[u8]) -> &[u8] {
    let inner = name
        .iter()
        .position(|byte| *byte == b'{')
        .map(|open| &name[open + 1..]);
    let tagged = inner.and_then(|inner| {
        let close = inner.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &inner[..close])
    });
    tagged.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis answers `CLUSTER KEYSLOT`.
    #[test]
    fn slots_are_those_of_redis() {
        for (name, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{user1000}.following", 3_443),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
        ] {
            assert_eq!(Slot::of(name.as_bytes()), Slot(slot), "{name}");
        }
    }

    #[test]
    fn what_a_zone_has_lies_in_it() {
        for zone in Zone::all() {
            let name = format!("cache:%gen{zone}:users");
            assert_eq!(Zone::of(Slot::of(name.as_bytes())), zone);
        }
        assert_eq!(Zone::ONLY.to_string(), "");
    }
}
