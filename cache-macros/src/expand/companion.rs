//! Typed access to a function's entries: an empty enum of the function's name with the functions `key`, `invalidate` …,
//! or, beside a method, methods of those names.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Generics, Receiver, ReceiverKind, Type};

use super::cached::{Use, call, entry, handle, key, pattern_part, rules, site, site_of};
use super::{ours, private, shape};
use crate::function::generic_name;
use crate::mentions::{self, Names};
use crate::model::{Cached, Companion};

pub(super) fn expand(cached: &Cached) -> TokenStream {
    if cached.companion == Companion::None {
        return TokenStream::new();
    }
    let private = private(cached.runtime.as_ref());
    let mut members = vec![
        of_key(cached, &private),
        of_pattern(cached, &private),
        invalidate(cached, &private),
    ];
    if let Some(answer) = cached.function.answer() {
        let answer = owned(answer.to_token_stream());
        members.push(peek(cached, &private, &answer));
        members.push(put(cached, &private, &answer));
        members.push(call_again(cached, &private, "refresh", "refreshing"));
        members.push(call_again(cached, &private, "uncached", "uncached"));
    }
    let site = site_member(cached, &private);
    let members = members.iter().map(|member| member.expand(cached));
    frame(cached, &quote!(#site #(#members)*))
}

/// The enum around the members, or the members alone, beside the method.
pub(super) fn frame(cached: &Cached, members: &TokenStream) -> TokenStream {
    let function = &cached.function;
    let (name, vis) = (&function.sig.ident, &function.vis);
    if cached.companion != Companion::Enum {
        return members.clone();
    }
    let conditions = function.conditions();
    let doc = format!("Typed access to what is cached of [`{0}()`].", name.unraw());
    ours! {
        #(#conditions)*
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}

        #(#conditions)*
        #[automatically_derived]
        impl #name { #members }
    }
}

/// The name of a member: `key`, and beside a method `goal_key`.
pub(super) fn member_name(cached: &Cached, verb: &str) -> Ident {
    let name = &cached.function.sig.ident;
    match (cached.companion, verb) {
        (Companion::Methods, "site") => {
            format_ident!("__{}_site", name.unraw(), span = name.span())
        }
        (Companion::Methods, verb) => format_ident!("{}_{verb}", name.unraw(), span = name.span()),
        (_, "site") => format_ident!("__site", span = name.span()),
        (_, verb) => format_ident!("{verb}", span = name.span()),
    }
}

/// A function of the companion.
pub(super) struct Member {
    pub(super) verb: &'static str,
    pub(super) doc: &'static str,
    pub(super) is_async: bool,
    /// Receiver first.
    pub(super) takes: Vec<TokenStream>,
    pub(super) generics: Generics,
    pub(super) answer: Option<TokenStream>,
    pub(super) body: TokenStream,
}

impl Member {
    pub(super) fn expand(&self, cached: &Cached) -> TokenStream {
        let Self {
            doc,
            takes,
            generics,
            body,
            ..
        } = self;
        let vis = &cached.function.vis;
        let name = member_name(cached, self.verb);
        let conditions = method_conditions(cached);
        let is_async = self.is_async.then(|| ours!(async));
        let answer = self.answer.as_ref().map(|answer| ours!(-> #answer));
        let clause = &generics.where_clause;
        let (params, _, _) = generics.split_for_impl();
        ours! {
            #conditions
            #[doc = #doc]
            #[allow(dead_code, deprecated, unused_variables, clippy::all, clippy::pedantic)]
            #[inline]
            #vis #is_async fn #name #params (#(#takes),*) #answer #clause { #body }
        }
    }
}

/// Beside a method each member is conditional itself.
fn method_conditions(cached: &Cached) -> TokenStream {
    if cached.companion != Companion::Methods {
        return TokenStream::new();
    }
    let conditions = cached.function.conditions();
    quote!(#(#conditions)*)
}

fn site_member(cached: &Cached, private: &TokenStream) -> TokenStream {
    let vis = &cached.function.vis;
    let name = member_name(cached, "site");
    let site = site(cached);
    let conditions = method_conditions(cached);
    ours! {
        #conditions
        #[doc(hidden)]
        #vis fn #name() -> &'static #private::Site {
            static SITE: #private::Site = #site;
            &SITE
        }
    }
}

fn of_key(cached: &Cached, private: &TokenStream) -> Member {
    let unpack = unpack(cached, &cached.key_names);
    let key = key(cached, private);
    Member {
        verb: "key",
        doc: "The key of the call with these arguments.",
        is_async: false,
        takes: takes(cached, &cached.key_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.key_names, None),
        answer: Some(ours!(#private::Key)),
        body: ours!(#unpack #key),
    }
}

fn of_pattern(cached: &Cached, private: &TokenStream) -> Member {
    let site = site_of(cached);
    let (before, parts): (Vec<_>, Vec<_>) = (0..cached.parts.len())
        .map(|index| pattern_part(cached, private, index))
        .unzip();
    Member {
        verb: "pattern",
        doc: "The keys of all calls that agree with the arguments that are given.",
        is_async: false,
        takes: takes(
            cached,
            &cached.key_names,
            |ty| ours!(::core::option::Option<#ty>),
        ),
        generics: key_generics(cached, &cached.key_names, None),
        answer: Some(ours!(#private::Pattern)),
        body: ours!(#(#before)* #private::pattern(#site, &[#(#parts),*])),
    }
}

fn invalidate(cached: &Cached, private: &TokenStream) -> Member {
    let site = site_of(cached);
    let prepare = prepare(cached, private);
    let handle = match &cached.cache {
        Some(_) => ours!(::core::option::Option::Some(__cache_handle)),
        None => ours!(::core::option::Option::None),
    };
    Member {
        verb: "invalidate",
        doc: "Clears what is cached of the call with these arguments.",
        is_async: true,
        takes: takes(cached, &cached.policy_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.policy_names, None),
        answer: None,
        body: ours!(#prepare #private::invalidate(#site, #handle, #private::Target::from(__cache_key)).await),
    }
}

fn peek(cached: &Cached, private: &TokenStream, answer: &TokenStream) -> Member {
    let prepare = prepare(cached, private);
    let call = call(cached, private, Use::Peek);
    let shape = shape(private, &ours!(#private::probe_type::<#answer>()));
    let entry = entry(cached, "peek");
    Member {
        verb: "peek",
        doc: "What is cached of the call with these arguments; the function is not called.",
        is_async: true,
        takes: takes(cached, &cached.policy_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.policy_names, Some(answer)),
        answer: Some(ours!(::core::option::Option<#answer>)),
        body: ours! {
            #prepare
            let __cache_call = #call;
            let __cache_shape = #shape;
            #private::#entry(__cache_call, __cache_shape).await
        },
    }
}

fn put(cached: &Cached, private: &TokenStream, answer: &TokenStream) -> Member {
    let prepare = prepare(cached, private);
    let call = call(cached, private, Use::Put);
    let shape = shape(private, &ours!(#private::probe_type::<#answer>()));
    let rules = rules(cached, private);
    let entry = entry(cached, "put");
    let name = Ident::new("answer", Span::mixed_site());
    let mut takes = takes(cached, &cached.policy_names, Type::to_token_stream);
    takes.push(ours!(#name: impl #private::IntoAnswer<#answer>));
    Member {
        verb: "put",
        doc: "Stores an answer for the call with these arguments: the whole answer, or the value inside it.",
        is_async: true,
        takes,
        generics: key_generics(cached, &cached.policy_names, Some(answer)),
        answer: None,
        body: ours! {
            #prepare
            let __cache_call = #call;
            let __cache_shape = #shape;
            let __cache_answer = #private::IntoAnswer::<#answer>::into_answer(#name);
            #private::#entry(__cache_call, __cache_shape, #rules, __cache_answer).await
        },
    }
}

/// `refresh` and `uncached`: the function's own call, in another mode.
fn call_again(cached: &Cached, private: &TokenStream, verb: &'static str, entry: &str) -> Member {
    let function = &cached.function;
    let site = site_of(cached);
    let name = &function.sig.ident;
    let entry = Ident::new(entry, Span::mixed_site());
    let turbofish = turbofish(&function.sig.generics);
    let names = function.parameters.iter().map(|parameter| &parameter.name);
    let callee = match (cached.companion, function.receiver()) {
        (Companion::Enum, _) => quote!(#name),
        (_, Some(receiver)) => {
            let own = receiver.self_token;
            quote!(#own.#name)
        }
        (_, None) => quote!(Self::#name),
    };
    let body = ours!(#private::#entry(#site, #callee #turbofish(#(#names),*)).await);
    whole_call(cached, verb, body)
}

/// A member that takes and answers what the function does.
pub(super) fn whole_call(cached: &Cached, verb: &'static str, body: TokenStream) -> Member {
    let function = &cached.function;
    let mut takes: Vec<_> = function
        .receiver()
        .map(plain_receiver)
        .into_iter()
        .collect();
    takes.extend(function.parameters.iter().map(|parameter| {
        let (name, ty) = (&parameter.name, &parameter.ty);
        quote!(#name: #ty)
    }));
    Member {
        verb,
        doc: match verb {
            "refresh" => {
                "Calls the function without looking into the cache, and stores the fresh answer."
            }
            _ => {
                "Calls the function as if it were not cached: nothing is looked up, nothing is stored."
            }
        },
        is_async: true,
        takes,
        generics: function.sig.generics.clone(),
        answer: function.answer().map(ToTokens::to_token_stream),
        body,
    }
}

/// What stands before the work of a member: the key, and the cache's handle.
fn prepare(cached: &Cached, private: &TokenStream) -> TokenStream {
    let handle = handle(cached, private);
    if cached.key_is_enough() && handle.is_none() {
        let receiver = cached
            .function
            .receiver()
            .map(|receiver| receiver.self_token.to_token_stream());
        let names = cached.pieces(&cached.key_names);
        let names = names.iter().map(|piece| piece.name.to_token_stream());
        let arguments = receiver.into_iter().chain(names);
        let key = member_name(cached, "key");
        return ours!(let __cache_key = Self::#key(#(#arguments),*););
    }
    let unpack = unpack(cached, &cached.policy_names);
    let key = key(cached, private);
    ours!(#unpack let __cache_key = #key; #handle)
}

/// Takes patterns apart: `let Page { limit, after } = page;`
fn unpack(cached: &Cached, names: &Names) -> TokenStream {
    let pieces = cached.pieces(names);
    let lets = pieces.iter().filter_map(|piece| {
        let (pattern, name) = (piece.pattern.as_ref()?, &piece.name);
        Some(ours!(let #pattern = #name;))
    });
    quote!(#(#lets)*)
}

/// What a member takes: `&self`, and the pieces that bind one of `names`.
pub(super) fn takes(
    cached: &Cached,
    names: &Names,
    ty: impl Fn(&Type) -> TokenStream,
) -> Vec<TokenStream> {
    let receiver = cached.function.receiver().map(|receiver| {
        let own = receiver.self_token;
        ours!(&#own)
    });
    let pieces = cached.pieces(names).into_iter().map(|piece| {
        let (name, ty) = (&piece.name, ty(&piece.ty));
        ours!(#name: #ty)
    });
    receiver.into_iter().chain(pieces).collect()
}

/// The generics that the key, and the answer when it is named, need.
pub(super) fn key_generics(
    cached: &Cached,
    names: &Names,
    answer: Option<&TokenStream>,
) -> Generics {
    let mut mentioned = Names::new();
    for piece in cached.pieces(names) {
        mentioned.extend(mentions::of_tokens(piece.ty.to_token_stream()));
    }
    for part in &cached.parts {
        mentioned.extend(mentions::of_tokens(part.expr.to_token_stream()));
    }
    if let Some(answer) = answer {
        mentioned.extend(mentions::of_tokens(answer.clone()));
    }
    cached.function.generics_for(mentioned)
}

/// The receiver without attributes and `mut`.
fn plain_receiver(receiver: &Receiver) -> TokenStream {
    let own = receiver.self_token;
    match &receiver.kind {
        ReceiverKind::Reference(and, lifetime, mutability) => {
            quote!(#and #lifetime #mutability #own)
        }
        ReceiverKind::Typed(colon, ty) => quote!(#own #colon #ty),
        _ => quote!(#own),
    }
}

/// `::<T, N>`, so that parameters that only the answer names are known.
fn turbofish(generics: &Generics) -> Option<TokenStream> {
    let names: Vec<Ident> = generics
        .params
        .iter()
        .map(generic_name)
        .filter(|name| !name.starts_with('\''))
        .map(|name| format_ident!("{name}"))
        .collect();
    (!names.is_empty()).then(|| ours!(::<#(#names),*>))
}

/// A stored answer borrows from nobody: `'_` becomes `'static`.
pub(super) fn owned(tokens: TokenStream) -> TokenStream {
    let mut apostrophe = false;
    tokens
        .into_iter()
        .map(|token| {
            let lifetime = std::mem::replace(
                &mut apostrophe,
                matches!(&token, TokenTree::Punct(p) if p.as_char() == '\''),
            );
            match token {
                TokenTree::Group(group) => {
                    let mut inner =
                        proc_macro2::Group::new(group.delimiter(), owned(group.stream()));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                TokenTree::Ident(ident) if lifetime && ident == "_" => {
                    TokenTree::Ident(Ident::new("static", ident.span()))
                }
                token => token,
            }
        })
        .collect()
}
