//! The outline of a value: a hash of everything in it but the numbers and texts themselves, such as the names of fields and variants, the kinds of
//! numbers, and lengths. Two types that read the same bytes differ in their outlines, unless they differ in nothing that has a name.
//!
//! The order of sequences and maps does not count: that of a `HashSet` changes whenever it is read.

use std::fmt;

use serde::ser::{self, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The outline of `value`; `None` when it refuses, or leaves a field out that a reader would look for.
pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Option<u32> {
    let outline = value.serialize(Outliner).ok()?;
    Some((outline ^ (outline >> 32)) as u32)
}

/// What stands for each kind of value.
#[derive(Clone, Copy)]
enum Kind {
    Bool = 1,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Nothing,
    Something,
    Unit,
    Sequence,
    Tuple,
    Map,
    Struct,
    Variant,
}

impl Kind {
    const fn outline(self) -> u64 {
        mix(0, self as u64)
    }

    fn of_name(self, name: &str) -> u64 {
        mix(self.outline(), xxh3_64(name.as_bytes()))
    }
}

/// One after the other (the step of FxHash, with more rotation).
const fn mix(outline: u64, next: u64) -> u64 {
    (outline.rotate_left(23) ^ next).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A variant is written as its place among the others, and these may change places.
fn of_variant(index: u32, name: &str) -> u64 {
    mix(Kind::Variant.of_name(name), index.into())
}

struct Outliner;

macro_rules! leaves {
    ($($method:ident($type:ty) $kind:ident;)*) => {$(
        fn $method(self, _: $type) -> Result<u64, NoOutline> {
            Ok(Kind::$kind.outline())
        }
    )*};
}

impl ser::Serializer for Outliner {
    type Ok = u64;
    type Error = NoOutline;
    type SerializeSeq = Unordered;
    type SerializeTuple = Ordered;
    type SerializeTupleStruct = Ordered;
    type SerializeTupleVariant = Ordered;
    type SerializeMap = Unordered;
    type SerializeStruct = Ordered;
    type SerializeStructVariant = Ordered;

    leaves! {
        serialize_bool(bool) Bool;
        serialize_i8(i8) I8;
        serialize_i16(i16) I16;
        serialize_i32(i32) I32;
        serialize_i64(i64) I64;
        serialize_i128(i128) I128;
        serialize_u8(u8) U8;
        serialize_u16(u16) U16;
        serialize_u32(u32) U32;
        serialize_u64(u64) U64;
        serialize_u128(u128) U128;
        serialize_f32(f32) F32;
        serialize_f64(f64) F64;
        serialize_char(char) Char;
        serialize_str(&str) Text;
        serialize_bytes(&[u8]) Bytes;
        serialize_unit_struct(&'static str) Unit;
    }

    fn serialize_none(self) -> Result<u64, NoOutline> {
        Ok(Kind::Nothing.outline())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, NoOutline> {
        Ok(mix(Kind::Something.outline(), value.serialize(Self)?))
    }

    fn serialize_unit(self) -> Result<u64, NoOutline> {
        Ok(Kind::Unit.outline())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<u64, NoOutline> {
        Ok(of_variant(index, variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, NoOutline> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64, NoOutline> {
        Ok(mix(of_variant(index, variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Unordered, NoOutline> {
        Ok(Unordered(Kind::Sequence.outline(), 0))
    }

    fn serialize_tuple(self, _: usize) -> Result<Ordered, NoOutline> {
        Ok(Ordered(Kind::Tuple.outline()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Ordered, NoOutline> {
        Ok(Ordered(Kind::Tuple.outline()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Ordered, NoOutline> {
        Ok(Ordered(of_variant(index, variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Unordered, NoOutline> {
        Ok(Unordered(Kind::Map.outline(), 0))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Ordered, NoOutline> {
        Ok(Ordered(Kind::Struct.outline()))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Ordered, NoOutline> {
        Ok(Ordered(of_variant(index, variant)))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Elements that stand one after the other.
struct Ordered(u64);

impl Ordered {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoOutline> {
        self.0 = mix(self.0, value.serialize(Outliner)?);
        Ok(())
    }

    fn add_named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), NoOutline> {
        self.0 = mix(self.0, xxh3_64(name.as_bytes()));
        self.add(value)
    }
}

/// Elements in any order: their sum, and for a map the outline of the key whose value is next.
struct Unordered(u64, u64);

macro_rules! compound {
    ($($trait:ident for $type:ident, $method:ident;)*) => {$(
        impl ser::$trait for $type {
            type Ok = u64;
            type Error = NoOutline;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoOutline> {
                self.add(value)
            }

            fn end(self) -> Result<u64, NoOutline> {
                Ok(self.0)
            }
        }
    )*};
}

compound! {
    SerializeSeq for Unordered, serialize_element;
    SerializeTuple for Ordered, serialize_element;
    SerializeTupleStruct for Ordered, serialize_field;
    SerializeTupleVariant for Ordered, serialize_field;
}

impl Unordered {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoOutline> {
        // Mixed, so that a sum of sums is not the sum of all.
        let element = mix(self.1, value.serialize(Outliner)?);
        self.0 = self.0.wrapping_add(element);
        Ok(())
    }
}

impl ser::SerializeMap for Unordered {
    type Ok = u64;
    type Error = NoOutline;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoOutline> {
        self.1 = key.serialize(Outliner)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoOutline> {
        self.add(value)
    }

    fn end(self) -> Result<u64, NoOutline> {
        Ok(self.0)
    }
}

macro_rules! named {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Ordered {
            type Ok = u64;
            type Error = NoOutline;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), NoOutline> {
                self.add_named(name, value)
            }

            /// postcard would leave no gap, and the reader take the next field for this one.
            fn skip_field(&mut self, _: &'static str) -> Result<(), NoOutline> {
                Err(NoOutline)
            }

            fn end(self) -> Result<u64, NoOutline> {
                Ok(self.0)
            }
        }
    )*};
}

named!(SerializeStruct, SerializeStructVariant);

/// The value refuses, or leaves a field out.
#[derive(Debug)]
struct NoOutline;

impl fmt::Display for NoOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value has no outline")
    }
}

impl std::error::Error for NoOutline {}

impl ser::Error for NoOutline {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}
