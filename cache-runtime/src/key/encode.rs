//! One value becomes one segment of a key.
//!
//! The text is what a person reads in `redis-cli`, and no value can leave its segment: whatever is not plainly harmless is
//! percent-encoded, and `%` followed by a letter that is no hexadecimal digit is a word that no text can spell.
//!
//! | value | segment |
//! |---|---|
//! | text, numbers, `bool`, `char`, enum variants without fields | themselves: `ws12`, `-7`, `true`, `Weekly` |
//! | empty text, `None`, `()` | `%empty`, `%none`, `%unit` |
//! | sequences and tuples | `(1,'a')` |
//! | structs and maps (sorted) | `(limit=10,state='open')` |
//! | variants with fields | `Range(1,5)` |
//! | bytes | `%x00ff` |
//! | anything longer than [`LONGEST`] bytes | `%h` and 128 bits of its SHA-256 |
//!
//! A number and a text that reads the same are the same segment, on purpose: the writer that knows an agent by `u64` must
//! reach what a reader stored by `&str`. Inside sequences and maps, where the type may vary, text is quoted. A key part whose own
//! type may be either (`serde_json::Value`, an untagged enum) should not be a part by itself: `(&value,)` is quoted.

mod composite;

use std::fmt::Write as _;

use serde::ser::{self, Serialize};
use sha2::{Digest, Sha256};

use self::composite::{Fields, List, Map};

/// Length in bytes past which a segment is replaced by its hash.
pub(crate) const LONGEST: usize = 96;

/// Whether `byte` stands for itself in a segment.
pub(crate) const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b'/' | b'+' | b'~')
}

/// Appends the segment of `value` to `out`. On an error (a `Serialize` implementation refused) `out` is as it was.
pub(crate) fn segment<T: Serialize + ?Sized>(value: &T, out: &mut String) -> Result<(), Refused> {
    let start = out.len();
    if let Err(refused) = value.serialize(Writer { out, nested: false }) {
        out.truncate(start);
        return Err(refused);
    }
    if out.len() - start > LONGEST {
        let digest = Sha256::digest(&out.as_bytes()[start..]);
        out.truncate(start);
        out.push_str("%h");
        hex(&digest[..16], out);
    }
    Ok(())
}

/// The segments of `name`, whatever stands in it.
pub(crate) fn namespace(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 24);
    for (at, segment) in name.split(':').enumerate() {
        if at > 0 {
            out.push(':');
        }
        match segment {
            "" => out.push_str("%empty"),
            segment => text(segment, &mut out),
        }
    }
    out
}

/// A `Serialize` implementation reported an error, so the value has no key.
#[derive(Debug)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the value refused to be serialized")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

fn text(text: &str, out: &mut String) {
    if text.bytes().all(is_plain) {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        if shows_itself(character) {
            out.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Beyond ASCII, characters stand for themselves unless they are invisible or turn the direction of writing. The ranges are
/// fixed here, since two programs that were built with other Unicode tables must still agree on every key.
pub(crate) const fn shows_itself(character: char) -> bool {
    match character {
        '\0'..='\x7f' => is_plain(character as u8),
        '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' => false,
        '\u{2060}'..='\u{206f}' | '\u{3000}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' => false,
        '\u{e0000}'..='\u{e0fff}' => false,
        _ => true,
    }
}

/// Writes one value; `nested` inside sequences, maps and variants.
struct Writer<'a> {
    out: &'a mut String,
    nested: bool,
}

impl Writer<'_> {
    fn display(self, value: impl std::fmt::Display) -> Result<(), Refused> {
        write!(self.out, "{value}").map_err(|_| Refused)
    }

    fn word(self, word: &str) -> Result<(), Refused> {
        self.out.push_str(word);
        Ok(())
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {$(
        fn $name(self, value: $type) -> Result<(), Refused> {
            self.word(itoa::Buffer::new().format(value))
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.word(if value { "true" } else { "false" })
    }

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.display(format_args!("{value:?}"))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        self.display(format_args!("{value:?}"))
    }

    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        match (self.nested, value) {
            (false, "") => self.out.push_str("%empty"),
            (false, _) => text(value, self.out),
            (true, _) => {
                self.out.push('\'');
                text(value, self.out);
                self.out.push('\'');
            }
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.out.push_str("%x");
        hex(value, self.out);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.word("%none")
    }

    /// `Some(x)` is written as `x`, but for an `x` that would read as a `None`: `Some(None)` is another key than `None`.
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        let start = self.out.len();
        value.serialize(Writer {
            out: self.out,
            nested: self.nested,
        })?;
        if self.out[start..].starts_with("%none") || self.out[start..].starts_with("%some") {
            self.out.insert_str(start, "%some(");
            self.out.push(')');
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.word("%unit")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.word("%unit")
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        text(variant, self.out);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        text(variant, self.out);
        self.out.push('(');
        value.serialize(Writer {
            out: self.out,
            nested: true,
        })?;
        self.out.push(')');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Refused> {
        Ok(List::open(self.out))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Refused> {
        Ok(List::open(self.out))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, Refused> {
        Ok(List::open(self.out))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, Refused> {
        text(variant, self.out);
        Ok(List::open(self.out))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>, Refused> {
        Ok(Map::open(self.out))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, Refused> {
        Ok(Fields::open(self.out))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Refused> {
        text(variant, self.out);
        Ok(Fields::open(self.out))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn encode<T: Serialize + ?Sized>(value: &T) -> String {
        let mut out = String::new();
        segment(value, &mut out).expect("serializable");
        out
    }

    #[derive(serde::Serialize)]
    enum Timeframe {
        Week,
        Days(u8),
        Between { from: u8, to: u8 },
    }

    #[test]
    fn a_person_reads_the_segment() {
        assert_eq!(encode("@orchestrator"), "@orchestrator");
        assert_eq!(encode(&-7), "-7");
        assert_eq!(encode(&7_u64), encode("7"));
        assert_eq!(encode(&Timeframe::Week), "Week");
        assert_eq!(encode(&Timeframe::Days(3)), "Days(3)");
        assert_eq!(
            encode(&Timeframe::Between { from: 1, to: 2 }),
            "Between(from=1,to=2)"
        );
        assert_eq!(encode(&(1, "a", None::<u8>)), "(1,'a',%none)");
        assert_eq!(encode("Zürich 🦀"), "Zürich%20🦀");
        assert_eq!(encode("a:*%\n{}"), "a%3A%2A%25%0A%7B%7D");
        assert_eq!(encode("\u{202e}x"), "%E2%80%AEx");
        assert_eq!(encode(&1.0), "1.0");
    }

    #[test]
    fn nothing_is_told_apart_from_something() {
        let segments = [
            encode(""),
            encode("%empty"),
            encode("empty"),
            encode(&None::<&str>),
            encode("%none"),
            encode(&()),
            encode(&Some(())),
            encode(&Some(None::<u8>)),
            encode(&Some(Some(None::<u8>))),
            encode(&Vec::<u8>::new()),
            encode(&json!({})),
            encode(&json!([""])),
            encode(&json!(["1"])),
            encode(&json!([1])),
        ];
        for (i, a) in segments.iter().enumerate() {
            for b in &segments[i + 1..] {
                assert!(a != b || a == "%unit", "{a} stands for two values");
            }
        }
    }

    #[test]
    fn a_map_has_one_key_in_any_order() {
        let hash: HashMap<String, u32> = (0..50).map(|i| (format!("k{i}"), i)).collect();
        let tree: BTreeMap<String, u32> = hash.clone().into_iter().collect();
        assert_eq!(encode(&hash), encode(&tree));
    }

    #[test]
    fn a_refused_value_leaves_no_trace() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(ser::Error::custom("secret"))
            }
        }
        let mut out = "ns:".to_owned();
        assert!(segment(&("half", Refuses), &mut out).is_err());
        assert_eq!(out, "ns:");
    }

    /// Text that was made to be confusing: separators, wildcards, our own words, controls, long runs.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[:*%?{}()=,'\\[\\]\\\\]{0,4}",
            Just("%empty".to_owned()),
            Just("%none".to_owned()),
            Just("%h".to_owned()),
            Just("\r\n\0".to_owned()),
            (1_usize..200).prop_map(|n| "x".repeat(n)),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_pair_is_distinct(a in hostile(), b in hostile()) {
            prop_assert_eq!(encode(&a) == encode(&b), a == b);
            prop_assert_eq!(encode(&(&a, &b)) == encode(&(&b, &a)), a == b);
            prop_assert_eq!(encode(&[&a, &b]) == encode(&[&format!("{a}{b}")]), false);
            prop_assert_eq!(encode(&Some(&a)), encode(&a));
        }

        #[test]
        fn no_value_leaves_its_segment(a in hostile()) {
            let segment = encode(&a);
            prop_assert!(!segment.is_empty() && segment.len() <= LONGEST);
            let escapes = segment.chars().any(|c| c.is_control() || ":*?{}[]\\ ".contains(c));
            prop_assert!(!escapes, "{}", segment);
        }

        #[test]
        fn lists_are_as_distinct_as_their_items(a in prop::collection::vec(hostile(), 0..4), b in prop::collection::vec(hostile(), 0..4)) {
            prop_assert_eq!(encode(&a) == encode(&b), a == b);
        }
    }

    #[test]
    fn a_megabyte_is_one_short_segment() {
        let long = "ü:".repeat(1 << 19);
        assert_eq!(encode(&long).len(), 34);
        assert_ne!(encode(&long), encode(&format!("{long}x")));
    }
}
