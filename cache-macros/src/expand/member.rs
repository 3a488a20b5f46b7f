//! A function of the companion: its name, its signature, and the frame round all of them.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Generics, Receiver, ReceiverKind, Type};

use super::ours;
use crate::function::{Function, generic_name};
use crate::mentions::{self, Names};
use crate::model::{Cached, Companion};

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
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #vis enum #name {}

        #(#conditions)*
        #[automatically_derived]
        impl #name { #members }
    }
}

/// The name of a member: `key`, and beside a method `goal_key`.
pub(super) fn member_name(cached: &Cached, verb: &str) -> Ident {
    let name = &cached.function.sig.ident;
    let hidden = if is_hidden(verb) { "__" } else { "" };
    match cached.companion {
        Companion::Methods => format_ident!("{hidden}{}_{verb}", name.unraw(), span = name.span()),
        _ => format_ident!("{hidden}{verb}", span = name.span()),
    }
}

/// Whether a member is for expansions alone.
pub(super) fn is_hidden(verb: &str) -> bool {
    matches!(verb, "site" | "any" | "update")
}

/// How a member answers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Plain,
    /// An `async fn`: its future may borrow what it takes.
    Async,
    /// The runtime's own future, which costs the compiler far less than an `async fn` round it. It borrows nothing from its body.
    Future,
}

/// A function of the companion.
pub(super) struct Member {
    pub(super) verb: &'static str,
    pub(super) doc: &'static str,
    pub(super) kind: Kind,
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
        let is_async = (self.kind == Kind::Async).then(|| ours!(async));
        let answer = match (self.kind, &self.answer) {
            (Kind::Future, Some(answer)) => {
                Some(ours!(-> impl ::core::future::Future<Output = #answer>))
            }
            (Kind::Future, None) => Some(ours!(-> impl ::core::future::Future<Output = ()>)),
            (_, answer) => answer.as_ref().map(|answer| ours!(-> #answer)),
        };
        let clause = &generics.where_clause;
        let (params, _, _) = generics.split_for_impl();
        let doc = match is_hidden(self.verb) {
            true => ours!(#[doc(hidden)]),
            false => ours!(#[doc = #doc]),
        };
        ours! {
            #conditions
            #doc
            #[allow(dead_code, deprecated, unused_variables, clippy::all, clippy::pedantic)]
            #[inline]
            #vis #is_async fn #name #params (#(#takes),*) #answer #clause { #body }
        }
    }
}

/// Beside a method each member is conditional itself.
pub(super) fn method_conditions(cached: &Cached) -> TokenStream {
    if cached.companion != Companion::Methods {
        return TokenStream::new();
    }
    let conditions = cached.function.conditions();
    quote!(#(#conditions)*)
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
        let (name, ty) = (unshadowing(function, &parameter.name), &parameter.ty);
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
        kind: Kind::Future,
        takes,
        generics: function.sig.generics.clone(),
        answer: function.answer().map(ToTokens::to_token_stream),
        body,
    }
}

/// A parameter's name, but for one that is named like the function: it would be called instead.
pub(super) fn unshadowing(function: &Function, parameter: &Ident) -> Ident {
    if *parameter == function.sig.ident {
        return format_ident!("{}_", parameter, span = Span::mixed_site());
    }
    parameter.clone()
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

/// The generics that `names`, the key, and the answer when it is named, need.
pub(super) fn key_generics(
    cached: &Cached,
    names: &Names,
    answer: Option<&TokenStream>,
) -> Generics {
    let mut mentioned = names.clone();
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
pub(super) fn turbofish(generics: &Generics) -> Option<TokenStream> {
    let names: Vec<Ident> = generics
        .params
        .iter()
        .map(generic_name)
        .filter(|name| !name.starts_with('\''))
        .map(|name| format_ident!("{name}"))
        .collect();
    (!names.is_empty()).then(|| ours!(::<#(#names),*>))
}

/// A stored answer borrows from nobody: `'_` becomes `'static`, and so does what is left out in `&T`.
pub(super) fn owned(tokens: TokenStream) -> TokenStream {
    let mut owned_tokens = TokenStream::new();
    let mut last = ' ';
    for token in tokens {
        let is_lifetime = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        if last == '&' && !is_lifetime {
            owned_tokens.extend(quote!('static));
        }
        let before = std::mem::replace(&mut last, ' ');
        owned_tokens.extend([match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), owned(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            TokenTree::Ident(ident) if before == '\'' && ident == "_" => {
                TokenTree::Ident(Ident::new("static", ident.span()))
            }
            TokenTree::Punct(punct) => {
                last = punct.as_char();
                TokenTree::Punct(punct)
            }
            token => token,
        }]);
    }
    owned_tokens
}
