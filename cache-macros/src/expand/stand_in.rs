//! What is emitted beside a mistake: the function as it was written, and a companion that does nothing, so that nothing
//! else in the program turns red.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use super::companion::{judge, site_member};
use super::member::{Kind, Member, frame, key_generics, owned, takes, whole_call};
use super::{has_opaque_type, hottest, ours, untouched};
use crate::function::Function;
use crate::mentions::Names;
use crate::model::{Cached, Companion};

/// For `#[cached]`: the function and the companion's signatures.
pub(crate) fn cached(cached: &Cached) -> TokenStream {
    let function = untouched(&cached.function);
    let companion = companion(cached);
    quote!(#function #companion)
}

/// For `cache_keys!`: what a function that shares the key asks for, too.
pub(super) fn declared(declared: &Cached, site: &TokenStream) -> TokenStream {
    let private = super::private(declared.runtime.as_ref());
    let site = site_member(declared, &private, site);
    let members = members(declared, &private);
    frame(declared, &quote!(#site #members))
}

/// For `#[invalidates]` and `#[updates]`: the function alone.
pub(crate) fn function(function: &Function) -> TokenStream {
    untouched(function)
}

fn companion(cached: &Cached) -> TokenStream {
    if cached.companion == Companion::None {
        return TokenStream::new();
    }
    let private = super::private(cached.runtime.as_ref());
    frame(cached, &members(cached, &private))
}

fn members(cached: &Cached, private: &TokenStream) -> TokenStream {
    let (key, policy) = (&cached.key_names, &cached.policy_names);
    let optional = |ty: &Type| ours!(::core::option::Option<#ty>);
    let mut members = vec![
        member(
            cached,
            "key",
            key,
            Type::to_token_stream,
            Some(ours!(#private::Key)),
        ),
        member(
            cached,
            "pattern",
            key,
            optional,
            Some(ours!(#private::Pattern)),
        ),
        member(
            cached,
            "any",
            &Names::new(),
            Type::to_token_stream,
            Some(ours!(#private::Pattern)),
        ),
        member(cached, "invalidate", policy, Type::to_token_stream, None),
        hottest::member(cached, private, nothing()),
    ];
    let answer = cached.function.answer();
    let can_be_named =
        |answer: &&Type| !has_opaque_type(answer) && !cached.function.answers_boxed_future();
    if let Some(answer) = answer.filter(can_be_named) {
        let answer = owned(answer.to_token_stream());
        let peeked = ours!(::core::option::Option<#answer>);
        members.push(member(
            cached,
            "peek",
            policy,
            Type::to_token_stream,
            Some(peeked),
        ));
        let judge = judge(private, &answer);
        members.push(member(
            cached,
            "update",
            policy,
            Type::to_token_stream,
            Some(ours!(#private::Update<#answer, #judge>)),
        ));
        let mut put = member(cached, "put", policy, Type::to_token_stream, None);
        put.takes.push(ours!(_: impl #private::IntoAnswer<#answer>));
        members.push(put);
        members.push(whole_call(cached, "refresh", never()));
        members.push(whole_call(cached, "uncached", never()));
    }
    let members = members.iter().map(|member| member.expand(cached));
    quote!(#(#members)*)
}

fn member(
    cached: &Cached,
    verb: &'static str,
    names: &Names,
    ty: impl Fn(&Type) -> TokenStream,
    answer: Option<TokenStream>,
) -> Member {
    Member {
        verb,
        doc: "Stands in until the attribute is right.",
        kind: match verb {
            "key" | "pattern" | "any" | "update" => Kind::Plain,
            _ => Kind::Async,
        },
        takes: takes(cached, names, ty),
        generics: key_generics(cached, names, answer.as_ref()),
        answer,
        body: nothing(),
    }
}

fn nothing() -> TokenStream {
    ours!(::core::unimplemented!())
}

/// A future of whatever type is wanted.
fn never() -> TokenStream {
    ours!(async { ::core::unimplemented!() })
}
