//! ```text
//! pub fn agent(agent_id: Uuid) -> P::Key {
//!     agent::key(agent_id)
//! }
//! pub enum agent {}
//! impl agent { /* as beside a cached function: __site, key, pattern, invalidate */ }
//! ```

use proc_macro2::TokenStream;
use quote::quote;

use super::companion;
use super::described::described;
use super::stand_in;
use super::{computed, full_name, literal, ours, private, storage, with_sig};
use crate::model::{Cached, Declared};

pub(crate) fn expand(declared: Declared) -> TokenStream {
    let site = site(&declared);
    let name = &declared.function.sig.ident;
    let names = declared
        .function
        .parameters
        .iter()
        .map(|parameter| &parameter.name);
    let function = function(&declared, &ours!(#name::key(#(#names),*)));
    let companion = companion::of_declared(&Cached::from(declared), &site);
    quote!(#function #companion)
}

/// Stands beside a mistake, so that nothing else in the program turns red.
pub(crate) fn stand_in(declared: Declared) -> TokenStream {
    let function = function(&declared, &ours!(::core::unimplemented!()));
    let private = private(declared.runtime.as_ref());
    let site = ours!(#private::Site::declaration("", ""));
    let companion = stand_in::declared(&Cached::from(declared), &site);
    quote!(#function #companion)
}

fn function(declared: &Declared, body: &TokenStream) -> TokenStream {
    let private = private(declared.runtime.as_ref());
    let mut sig = declared.function.sig.clone();
    sig.output = syn::parse_quote!(-> #private::Key);
    let function = with_sig(&declared.function, &sig, body);
    quote!(#[allow(dead_code, unused_variables, missing_docs)] #function)
}

/// `Site::declaration(…).ttl(…)`; a ttl that is no constant is underlined by the compiler.
fn site(declared: &Declared) -> TokenStream {
    let private = private(declared.runtime.as_ref());
    let name = full_name(&declared.function);
    let template = &declared.template;
    let ttl = literal(&declared.ttl, "ttl").or_else(|| computed(&declared.ttl, "ttl"));
    let version = declared.version.map(|version| ours!(.version(#version)));
    let storage = storage(&declared.storage, &private);
    let parts = described(&declared.function, &declared.parts);
    ours!(#private::Site::declaration(#name, #template).parts(#parts) #ttl #version #storage)
}
