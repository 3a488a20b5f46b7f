//! ```text
//! pub fn hottest(most: usize) -> P::Hottest<(String, u32)> {
//!     P::hottest(dashboard::__site(), most)
//! }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, Generics, Type};

use super::member::{Kind, Member};
use super::ours;
use crate::function::generic_name;
use crate::mentions;
use crate::model::{Cached, Part};

pub(super) fn member(cached: &Cached, private: &TokenStream, body: TokenStream) -> Member {
    let most = most();
    let (generics, arguments) = match arguments(cached) {
        Some(arguments) => (Generics::default(), arguments),
        // Whoever takes them says what they are.
        None => (syn::parse_quote!(<Arguments>), ours!(Arguments)),
    };
    Member {
        verb: "hottest",
        doc: "The hottest keys, so many at most, to warm by.",
        kind: Kind::Plain,
        takes: vec![ours!(#most: usize)],
        generics,
        answer: Some(ours!(#private::Hottest<#arguments>)),
        body,
    }
}

pub(super) fn body(site: &TokenStream, private: &TokenStream) -> TokenStream {
    let most = most();
    ours!(#private::hottest(#site, #most))
}

fn most() -> Ident {
    Ident::new("most", Span::mixed_site())
}

/// What the key's segments are: the types of parameters that stand there as they are. `None` where one is anything else, or cannot be named outside.
fn arguments(cached: &Cached) -> Option<TokenStream> {
    if cached.shared.is_some() {
        return None;
    }
    let parts = cached.parts.iter().map(|part| argument(cached, part));
    let types: Vec<_> = parts.collect::<Option<_>>()?;
    Some(match types.as_slice() {
        [one] => one.clone(),
        types => ours!((#(#types),*)),
    })
}

fn argument(cached: &Cached, part: &Part) -> Option<TokenStream> {
    let Expr::Path(path) = &part.expr else {
        return None;
    };
    let mut pieces = cached.function.pieces();
    let piece = pieces.find(|piece| piece.pattern.is_none() && path.path.is_ident(&piece.name))?;
    let ty = match &piece.ty {
        Type::Reference(reference) => &reference.elem,
        ty => ty,
    };
    match ty {
        Type::Path(path) if path.path.is_ident("str") => Some(ours!(::std::string::String)),
        Type::Path(_) if stands_alone(cached, ty) => Some(ty.to_token_stream()),
        _ => None,
    }
}

/// Whether a type borrows nothing and mentions none of the function's generics.
fn stands_alone(cached: &Cached, ty: &Type) -> bool {
    let tokens = ty.to_token_stream();
    let borrows = tokens.to_string().contains(['&', '\'']);
    let mentioned = mentions::of_tokens(tokens);
    let mut generics = cached.function.sig.generics.params.iter();
    let is_generic = generics.any(|param| mentioned.contains(&generic_name(param)));
    !borrows && !is_generic && !mentioned.contains("impl")
}
