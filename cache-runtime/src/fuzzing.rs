//! What the fuzz targets in `fuzz/` call, with bytes that anybody may have written. Each panics where something is not kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, Storable as _};
use crate::compression::Compression;
use crate::envelope::{self, HEADER};
use crate::key::{Key, Pattern, Target};
#[cfg(feature = "tower")]
use crate::layer::names;
use crate::near;

/// The most that a compressed value may become here.
const LIMIT: usize = 1 << 16;

/// An envelope is refused, or says the same when it is written again.
pub fn envelope(bytes: &[u8]) {
    let _ = envelope::open(bytes, 0, 0);
    if bytes.len() < HEADER {
        return;
    }
    // With the right checksum, so that what is behind it is reached.
    let mut entry = bytes.to_vec();
    envelope::seal(&mut entry);
    let (version, origin) = (
        [entry[2], entry[3]],
        [entry[4], entry[5], entry[6], entry[7]],
    );
    let (version, origin) = (u16::from_le_bytes(version), u32::from_le_bytes(origin));
    if let Ok(label) = envelope::open(&entry, origin, version) {
        let mut again = entry.clone();
        envelope::inscribe(&mut again, &label);
        assert_eq!(again, entry, "{label:?}");
        assert!(envelope::open(&entry, !origin, version).is_err());
        assert!(envelope::open(&entry, origin, !version).is_err());
    }
}

/// A bit of everything.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Value {
    Nothing,
    Number(u64),
    Text(String),
    Pair(Option<i8>, char),
    Map(BTreeMap<u8, bool>),
    Row { id: u32, tags: Vec<String> },
}

/// A value is refused, or comes back as the same when it is written again. The first byte chooses codec and compression.
pub fn value(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let compression = Compression::from_bits(choice >> 4).unwrap_or_default();
    let unpacked = match compression {
        Compression::Off => Some(bytes.to_vec()),
        // Some ten times as much is enough to be hard on it.
        _ => compression
            .unpack(bytes, LIMIT)
            .filter(|value| value.len() <= LIMIT),
    };
    let (Some(codec), Some(bytes)) = (Codec::from_byte(choice & 0x0f), unpacked) else {
        return;
    };
    if let Some(value) = Value::decode(codec, &bytes) {
        let mut again = Vec::new();
        let used = value.encode(codec, &mut again).expect("it can be written");
        assert_eq!(Value::decode(used, &again), Some(value));
    }
}

/// A pattern is refused, or names what it reads like, and survives being pushed.
pub fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(pattern) = Pattern::parse(text) else {
        assert!(Key::parse(text).is_err());
        return;
    };
    assert_eq!(pattern.as_str(), text);
    let reach = pattern.reach();
    match Key::parse(text) {
        Ok(key) => assert!(pattern.matches(key.as_str()), "{reach:?}"),
        Err(_) => assert!(text.contains('*'), "{reach:?}"),
    }
    // Each wildcard filled.
    let filled = text.replace('*', "x");
    assert!(pattern.matches(&filled), "{reach:?} {filled}");
    let pushed = format!("1 {}", near::encode(&[Target::from(pattern.clone())]));
    assert_eq!(
        near::decode(pushed.as_bytes()),
        Some((1, vec![pattern.into()]))
    );
}

/// A push is refused, or is the same when it is written again.
pub fn push(bytes: &[u8]) {
    if let Some((number, targets)) = near::decode(bytes) {
        let again = format!("{number} {}", near::encode(&targets));
        // Many are pushed as everything, which names no target.
        let read = near::decode(again.as_bytes());
        assert!(read.is_none_or(|read| read == (number, targets)));
    }
}

/// A list of tags names nothing that it does not hold, and what stands first in it, whatever comes behind.
#[cfg(feature = "tower")]
pub fn if_none_match(bytes: &[u8]) {
    for tag in [&b"\"\""[..], b"\"a\"", b"\"b,\""] {
        let holds = bytes.windows(tag.len()).any(|part| part == tag);
        let any = bytes.trim_ascii() == b"*";
        assert!(holds || any || !names(bytes, tag));
        assert!(names(&[tag, b",", bytes].concat(), tag));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What was found once is tried again, without a fuzzer.
    #[test]
    fn the_corpus_breaks_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        if !corpus.exists() {
            return; // as in the package of this crate: it is part of the repository
        }
        let try_all = |name: &str, target: fn(&[u8])| {
            let mut inputs = 0;
            for file in fs::read_dir(corpus.join(name)).expect("a corpus") {
                let file = file.expect("a file").path();
                target(&fs::read(&file).expect("an input"));
                inputs += 1;
            }
            assert!(inputs > 10, "{inputs} inputs for {name}");
        };
        try_all("envelope", super::envelope);
        try_all("value", super::value);
        try_all("pattern", super::pattern);
        try_all("push", super::push);
        #[cfg(feature = "tower")]
        try_all("if_none_match", super::if_none_match);
    }
}
