//! The load of a function that loads in the background. It owns what it needs, and nothing is copied before it begins:
//!
//! ```text
//! P::lasts(&page);
//! let __cache_load = move || {
//!     let __cache_copy_0 = P::own(db);
//!     Box::pin(async move {
//!         let db = P::lend(&__cache_copy_0);
//!         …
//!     })
//! };
//! ```

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Type};

use super::{at, ours, private_at, return_edge};
use crate::function::{Function, generic_name};
use crate::mentions::Names;
use crate::model::{Background, Cached};

pub(super) fn load(cached: &Cached, background: &Background) -> TokenStream {
    let lasts = background.moved.iter().map(|moved| {
        let span = at(moved.place);
        let private = private_at(cached.runtime.as_ref(), span);
        // The type is what is wrong, where something is.
        let mut value = moved.name.clone();
        value.set_span(moved.place.resolved_at(value.span()));
        quote_spanned!(span=> #private::lasts(&#value);)
    });
    let (copies, lent): (Vec<_>, Vec<_>) = background
        .copied
        .iter()
        .enumerate()
        .map(|(index, copied)| {
            let span = at(copied.from.span());
            let private = private_at(cached.runtime.as_ref(), span);
            let copy = format_ident!("__cache_copy_{index}", span = Span::mixed_site());
            let (from, again) = (&copied.from, &copied.again);
            (
                // Not `own(db)`: the compiler would advise to borrow `db` once more.
                quote_spanned!(span=> let #copy = { let __cache_lent = #from; #private::own(__cache_lent) };),
                // The body may mention a field or a module of this name.
                quote_spanned!(span=> #[allow(unused_variables)] let #again = #private::lend(&#copy);),
            )
        })
        .unzip();
    let answer = cached
        .function
        .answer()
        .map(|answer| without_lifetimes(&cached.function, answer));
    let edge = return_edge(answer.as_ref());
    let body = &background.body;
    ours! {
        #(#lasts)*
        let __cache_load = move || {
            #(#copies)*
            ::std::boxed::Box::pin(async move { #(#lent)* #edge #body })
        };
    }
}

/// `P::cached_owned(…)`, all of it in the place of the answer's type: an answer that cannot go into the background is
/// underlined there, and once.
pub(super) fn answer(cached: &Cached, rules: &TokenStream) -> TokenStream {
    let span = answer_span(cached);
    let private = private_at(cached.runtime.as_ref(), span);
    quote_spanned! {span=>
        #private::cached_owned(&mut __cache_call, __cache_stored, __cache_stored.rules() #rules, __cache_load)
    }
}

/// The place of the answer's type.
pub(super) fn answer_span(cached: &Cached) -> Span {
    let answer = cached.function.answer();
    answer.map_or_else(Span::mixed_site, |answer| at(answer.span()))
}

/// The answer outlives what the function's lifetimes name: they are left to be inferred.
fn without_lifetimes(function: &Function, answer: &Type) -> Type {
    let params = &function.sig.generics.params;
    let lifetimes = params
        .iter()
        .filter(|param| matches!(param, GenericParam::Lifetime(_)))
        .map(generic_name)
        .collect();
    Type::Verbatim(erase(answer.to_token_stream(), &lifetimes))
}

fn erase(tokens: TokenStream, lifetimes: &Names) -> TokenStream {
    let mut apostrophe = false;
    tokens
        .into_iter()
        .map(|token| {
            let is_lifetime = std::mem::replace(&mut apostrophe, false);
            match token {
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), erase(group.stream(), lifetimes));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                TokenTree::Ident(ident)
                    if is_lifetime && lifetimes.contains(&format!("'{ident}")) =>
                {
                    TokenTree::Ident(Ident::new("_", ident.span()))
                }
                TokenTree::Punct(punct) => {
                    apostrophe = punct.as_char() == '\'';
                    TokenTree::Punct(punct)
                }
                token => token,
            }
        })
        .collect()
}
