//! Values made of values: sequences, structs and maps.

use serde::ser::{self, Serialize};

use super::{Refused, Writer, text};

/// `(a,b,c)`
pub(super) struct List<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> List<'a> {
    pub(super) fn open(out: &'a mut String) -> Self {
        out.push('(');
        Self { out, first: true }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        value.serialize(Writer {
            out: self.out,
            nested: true,
        })
    }

    fn close(self) {
        self.out.push(')');
    }
}

macro_rules! list {
    ($($trait:ident $method:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.item(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )*};
}

list!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

/// `(a=1,b=2)` in the order of declaration.
pub(super) struct Fields<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn open(out: &'a mut String) -> Self {
        out.push('(');
        Self { out, first: true }
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        text(name, self.out);
        self.out.push('=');
        value.serialize(Writer {
            out: self.out,
            nested: true,
        })
    }

    fn close(self) {
        // No fields: told apart from an empty sequence.
        self.out.push_str(if self.first { "=)" } else { ")" });
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

/// `(k=v,…)`, sorted: two equal maps give one key, whatever order a `HashMap` tells them in.
pub(super) struct Map<'a> {
    out: &'a mut String,
    entries: Vec<String>,
}

impl<'a> Map<'a> {
    pub(super) fn open(out: &'a mut String) -> Self {
        Self {
            out,
            entries: Vec::new(),
        }
    }
}

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let mut entry = String::new();
        key.serialize(Writer {
            out: &mut entry,
            nested: true,
        })?;
        entry.push('=');
        self.entries.push(entry);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let entry = self.entries.last_mut().ok_or(Refused)?;
        value.serialize(Writer {
            out: entry,
            nested: true,
        })
    }

    fn end(mut self) -> Result<(), Refused> {
        self.entries.sort_unstable();
        self.out.push('(');
        self.out.push_str(&if self.entries.is_empty() {
            "=".to_owned()
        } else {
            self.entries.join(",")
        });
        self.out.push(')');
        Ok(())
    }
}
