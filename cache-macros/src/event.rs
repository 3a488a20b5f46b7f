//! The annotated type: an event, whose fields the targets name.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Data, DataEnum, DeriveInput, Fields, FieldsUnnamed};

/// A type as the user wrote it.
pub(crate) struct EventType {
    /// The item itself, which stays as it is.
    pub(crate) item: TokenStream,
    pub(crate) input: DeriveInput,
}

impl Parse for EventType {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            item: input.fork().parse()?,
            input: input.parse()?,
        })
    }
}

impl EventType {
    /// The names of its fields.
    pub(crate) fn fields(&self) -> Vec<Ident> {
        match &self.input.data {
            Data::Struct(data) => data
                .fields
                .iter()
                .filter_map(|field| field.ident.clone())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What it is made of, when that is not fields with names.
    pub(crate) fn oddity(&self) -> Option<Oddity<'_>> {
        match &self.input.data {
            Data::Enum(data) => Some(Oddity::Enum(data)),
            Data::Struct(data) => match &data.fields {
                Fields::Unnamed(fields) => Some(Oddity::Tuple(fields)),
                _ => None,
            },
            Data::Union(_) => None,
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.input.attrs.iter().find(|attr| {
            let last = attr.path().segments.last();
            last.is_some_and(|segment| segment.ident == name)
        })
    }

    /// Attributes that decide whether the type exists at all.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        let attrs = self.input.attrs.iter();
        attrs.filter(|attr| attr.path().is_ident("cfg"))
    }
}

/// A type without fields that have names.
pub(crate) enum Oddity<'a> {
    Enum(&'a DataEnum),
    Tuple(&'a FieldsUnnamed),
}
