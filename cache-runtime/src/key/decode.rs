//! The segments of a key become values again, where a segment says all of them: text, numbers, `bool`, `char`, bytes, variants without fields, `None`
//! and `()`, and whatever is made of one of them alone, such as a `Uuid`, a date or a newtype.
//!
//! What was hashed for its length and what is made of several values is not read back.

use serde::de::{self, DeserializeOwned, IntoDeserializer, SeqAccess, Visitor};

/// The value or, as a tuple, the values that stand in `key` where `template` has `{}`; `()` where it has none. `None` for another function's key,
/// another type, and what cannot be read back.
pub(crate) fn values<T: DeserializeOwned>(template: &str, key: &str) -> Option<T> {
    let (mut places, mut segments) = (template.split(':'), key.split(':'));
    let mut values = Vec::new();
    loop {
        match (places.next(), segments.next()) {
            (Some(place), Some(segment)) => match place.split_once("{}") {
                Some((before, behind)) => {
                    let value = segment.strip_prefix(before)?.strip_suffix(behind)?;
                    values.push(Segment(value));
                }
                None if place == segment => {}
                None => return None,
            },
            (None, None) => break,
            _ => return None,
        }
    }
    match values[..] {
        [] => T::deserialize(Segment("%unit")).ok(),
        [value] => T::deserialize(value).ok(),
        _ => T::deserialize(Segments(values.into_iter())).ok(),
    }
}

/// Why a segment is not read back is of no use to anybody: the key is skipped.
#[derive(Debug)]
struct Unreadable;

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the segment is not this value")
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// One value.
#[derive(Clone, Copy)]
struct Segment<'a>(&'a str);

impl Segment<'_> {
    /// The text that was percent-encoded.
    fn text(self) -> Result<String, Unreadable> {
        if self.0 == "%empty" {
            return Ok(String::new());
        }
        let mut text = Vec::with_capacity(self.0.len());
        let mut rest = self.0;
        while let Some((plain, encoded)) = rest.split_once('%') {
            text.extend_from_slice(plain.as_bytes());
            // Our own words are no hexadecimal digits.
            let byte = encoded.get(..2).ok_or(Unreadable)?;
            text.extend(bytes(byte)?);
            rest = &encoded[2..];
        }
        // No text has these: it is made of several values.
        if rest.contains(['(', ')', '\'', ',', '=']) {
            return Err(Unreadable);
        }
        text.extend_from_slice(rest.as_bytes());
        String::from_utf8(text).map_err(|_| Unreadable)
    }
}

/// Of hexadecimal digits.
fn bytes(hex: &str) -> Result<Vec<u8>, Unreadable> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| match pair {
            [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let pair = std::str::from_utf8(pair).map_err(|_| Unreadable)?;
                u8::from_str_radix(pair, 16).map_err(|_| Unreadable)
            }
            _ => Err(Unreadable),
        })
        .collect()
}

macro_rules! parsed {
    ($($method:ident $visit:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            visitor.$visit(self.0.parse().map_err(|_| Unreadable)?)
        }
    )*};
}

macro_rules! composite {
    ($($method:ident($($extra:ty),*)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $extra,)* _: V) -> Result<V::Value, Unreadable> {
            Err(Unreadable)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Segment<'_> {
    type Error = Unreadable;

    parsed! {
        deserialize_bool visit_bool, deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32,
        deserialize_i64 visit_i64, deserialize_i128 visit_i128, deserialize_u8 visit_u8, deserialize_u16 visit_u16,
        deserialize_u32 visit_u32, deserialize_u64 visit_u64, deserialize_u128 visit_u128, deserialize_f32 visit_f32,
        deserialize_f64 visit_f64,
    }

    composite! {
        deserialize_seq(), deserialize_tuple(usize), deserialize_tuple_struct(&'static str, usize), deserialize_map(),
        deserialize_struct(&'static str, &'static [&'static str]),
    }

    /// A type that takes anything gets the text: it makes the same key.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let text = self.text()?;
        visitor.visit_char(text.parse().map_err(|_| Unreadable)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let hex = self.0.strip_prefix("%x").ok_or(Unreadable)?;
        visitor.visit_byte_buf(bytes(hex)?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let inner = self.0.strip_prefix("%some(");
        match inner.and_then(|inner| inner.strip_suffix(')')) {
            Some(inner) => visitor.visit_some(Segment(inner)),
            None if self.0 == "%none" => visitor.visit_none(),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            "%unit" => visitor.visit_unit(),
            _ => Err(Unreadable),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        // Of a variant with fields this is refused, as it is no text.
        visitor.visit_enum(self.text()?.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }
}

/// Several values, as a tuple takes them.
struct Segments<'a>(std::vec::IntoIter<Segment<'a>>);

impl<'de> de::Deserializer<'de> for Segments<'_> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unreadable> {
        let values = visitor.visit_seq(&mut self)?;
        // All of them, or it is another function's tuple.
        self.0.next().map_or(Ok(values), |_| Err(Unreadable))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Segments<'_> {
    type Error = Unreadable;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        let next = self.0.next();
        next.map(|value| seed.deserialize(value)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::net::IpAddr;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::super::encode;
    use super::*;

    fn encoded<T: Serialize>(value: &T) -> String {
        let mut out = String::new();
        encode::segment(value, &mut out).expect("serializable");
        out
    }

    fn decoded<T: Serialize + DeserializeOwned>(value: &T) -> Option<T> {
        values("d:{}", &format!("d:{}", encoded(value)))
    }

    #[track_caller]
    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let segment = encoded(&value);
        if segment.starts_with("%h") {
            assert_eq!(decoded(&value), None, "{segment}");
        } else {
            assert_eq!(decoded(&value), Some(value), "{segment}");
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Timeframe {
        Week,
        #[serde(rename = "a:*% day")]
        Day,
        Days(u8),
        Between {
            from: u8,
        },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct AgentId(u64);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;

    #[derive(Debug, PartialEq)]
    struct Raw(Vec<u8>);

    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(&self.0)
        }
    }

    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Bytes;
            impl Visitor<'_> for Bytes {
                type Value = Raw;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
                    Ok(Raw(bytes))
                }
            }
            from.deserialize_byte_buf(Bytes)
        }
    }

    proptest! {
        #[test]
        fn scalars_come_back(
            text: String, odd in "[:*%?{}()=,' a-c]{0,8}|%(empty|none|some|unit|h0f|x00)", character: char, flag: bool,
            small: (i8, u8, i16, u16), large: (i32, u32, i64, u64), huge: (i128, u128), float: f64, single: f32, raw: Vec<u8>,
        ) {
            comes_back(character);
            comes_back(flag);
            comes_back(small.0); comes_back(small.1); comes_back(small.2); comes_back(small.3);
            comes_back(large.0); comes_back(large.1); comes_back(large.2); comes_back(large.3);
            comes_back(huge.0); comes_back(huge.1);
            comes_back(float); comes_back(single);
            comes_back(Raw(raw));
            comes_back(AgentId(large.3));
            comes_back(Some(large.3)); comes_back(Some(Some(AgentId(large.3))));
            comes_back(Some(odd.clone())); comes_back(odd); comes_back(text);
        }

        #[test]
        fn several_come_back_in_their_order(text in ".{0,20}", id: u64, flag: Option<bool>) {
            let key = format!("d:v{}:x:{}:{}", encoded(&text), encoded(&id), encoded(&flag));
            prop_assert_eq!(values("d:v{}:x:{}:{}", &key), Some((text, id, flag)));
        }
    }

    #[test]
    fn words_come_back() {
        comes_back(String::new());
        comes_back(());
        comes_back(Nothing);
        comes_back(Timeframe::Week);
        comes_back(Timeframe::Day);
        comes_back(None::<u8>);
        comes_back(Some(None::<u8>));
        comes_back(Some(Some(None::<u8>)));
        comes_back(Some(()));
        comes_back(f64::NEG_INFINITY);
        comes_back("2001:db8::1".parse::<IpAddr>().expect("an address"));
        assert_eq!(values("config", "config"), Some(()));
    }

    #[test]
    fn what_is_made_of_several_values_does_not_come_back() {
        assert_eq!(decoded(&Timeframe::Days(3)), None);
        assert_eq!(decoded(&Timeframe::Between { from: 1 }), None);
        assert_eq!(decoded(&(1, 2)), None);
        assert_eq!(decoded(&vec!["a".to_owned()]), None);
        let texts = [
            "(1,'a')", "Days(3)", "%h0011", "%x00", "%refused", "%none", "%some(a)", "%f", "%é",
        ];
        for text in texts {
            assert_eq!(
                values::<String>("d:{}", &format!("d:{text}")),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn another_function_s_key_is_none_of_ours() {
        let ids = |template, key| values::<(u8, u8)>(template, key);
        assert_eq!(ids("d:{}:{}", "d:1:2"), Some((1, 2)));
        for key in ["d:1", "d:1:2:3", "e:1:2", "d:1:300", "d:1:x", "d"] {
            assert_eq!(ids("d:{}:{}", key), None, "{key}");
        }
        assert_eq!(ids("d:{}:{}:{}", "d:1:2:3"), None);
        assert_eq!(values::<u8>("d:v{}", "d:w1"), None);
        assert_eq!(values::<u8>("d:{}:list", "d:1:all"), None);
    }
}
