//! Typed access to a function's entries: an empty enum of the function's name with the functions `key`, `invalidate` …,
//! or, beside a method, methods of those names.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Generics, Type};

use super::cached::{Use, call, key, pattern_part, rules, site, site_of, stored};
use super::member::{
    Kind, Member, frame, key_generics, member_name, method_conditions, owned, takes, turbofish,
    unshadowing, whole_call,
};
use super::{Probe, handle, hottest, ours, private, shared};
use crate::mentions::{self, Names};
use crate::model::{Cached, Companion, Time};

pub(super) fn expand(cached: &Cached) -> TokenStream {
    if cached.companion == Companion::None {
        return TokenStream::new();
    }
    let private = private(cached.runtime.as_ref());
    let mut members = vec![
        of_key(cached, &private),
        of_pattern(cached, &private),
        any(cached, &private),
        invalidate(cached, &private),
        of_hottest(cached, &private),
    ];
    if let Some(answer) = cached.function.answer() {
        let answer = owned(answer.to_token_stream());
        members.push(peek(cached, &private, &answer));
        members.push(update(cached, &private, &answer));
        members.push(put(cached, &private, &answer));
        members.push(call_again(cached, &private, "refresh", "refreshing"));
        members.push(call_again(cached, &private, "uncached", "uncached"));
    }
    let site = site_member(cached, &private, &site(cached));
    let members = members.iter().map(|member| member.expand(cached));
    frame(cached, &quote!(#site #(#members)*))
}

/// The companion of a declared key: there is nothing to call or to read.
pub(super) fn of_declared(declared: &Cached, site: &TokenStream) -> TokenStream {
    let private = private(declared.runtime.as_ref());
    let members = [
        of_key(declared, &private),
        of_pattern(declared, &private),
        any(declared, &private),
        invalidate(declared, &private),
        of_hottest(declared, &private),
        no_update(declared, &private),
    ];
    let site = site_member(declared, &private, site);
    let members = members.iter().map(|member| member.expand(declared));
    frame(declared, &quote!(#site #(#members)*))
}

pub(super) fn site_member(
    cached: &Cached,
    private: &TokenStream,
    site: &TokenStream,
) -> TokenStream {
    let vis = &cached.function.vis;
    let name = member_name(cached, "site");
    let conditions = method_conditions(cached);
    ours! {
        #conditions
        #[doc(hidden)]
        #vis const fn #name() -> &'static #private::Site {
            static SITE: #private::Site = #site;
            #private::submit! { #private::Said::Keys(&SITE) }
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
        kind: Kind::Plain,
        takes: takes(cached, &cached.key_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.key_names, None),
        answer: Some(ours!(#private::Key)),
        body: ours!(#unpack #key),
    }
}

fn of_pattern(cached: &Cached, private: &TokenStream) -> Member {
    if let Some(call) = &cached.shared {
        return pattern_member(cached, private, shared::pattern(cached, call));
    }
    let site = site_of(cached);
    let (before, parts): (Vec<_>, Vec<_>) = (0..cached.parts.len())
        .map(|index| pattern_part(cached, private, index))
        .unzip();
    let body = ours!(#(#before)* #private::pattern(#site, &[#(#parts),*]));
    pattern_member(cached, private, body)
}

fn pattern_member(cached: &Cached, private: &TokenStream, body: TokenStream) -> Member {
    Member {
        verb: "pattern",
        doc: "The keys of all calls that agree with the arguments that are given.",
        kind: Kind::Plain,
        takes: takes(
            cached,
            &cached.key_names,
            |ty| ours!(::core::option::Option<#ty>),
        ),
        generics: key_generics(cached, &cached.key_names, None),
        answer: Some(ours!(#private::Pattern)),
        body,
    }
}

/// All keys of the function; hidden, for targets whose arguments are not known.
fn any(cached: &Cached, private: &TokenStream) -> Member {
    let site = site_of(cached);
    let parts = cached
        .parts
        .iter()
        .map(|_| ours!(::core::option::Option::None));
    Member {
        verb: "any",
        doc: "The keys of all calls.",
        kind: Kind::Plain,
        takes: takes(cached, &Names::new(), Type::to_token_stream),
        generics: Generics::default(),
        answer: Some(ours!(#private::Pattern)),
        body: match &cached.shared {
            Some(call) => shared::any(call),
            None => ours!(#private::pattern(#site, &[#(#parts),*])),
        },
    }
}

fn of_hottest(cached: &Cached, private: &TokenStream) -> Member {
    let body = hottest::body(&site_of(cached), private);
    hottest::member(cached, private, body)
}

fn invalidate(cached: &Cached, private: &TokenStream) -> Member {
    let site = site_of(cached);
    let prepare = prepare(cached, private);
    let handle = match &cached.cache {
        Some(_) => ours!(::core::option::Option::Some(__cache_handle)),
        None => ours!(::core::option::Option::None),
    };
    let (kind, wait) = waiting(cached.cache.is_some());
    Member {
        verb: "invalidate",
        doc: "Clears what is cached of the call with these arguments.",
        kind,
        takes: takes(cached, &cached.policy_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.policy_names, None),
        answer: None,
        body: ours!(#prepare #private::invalidate(#site, #handle, #private::Target::from(__cache_key)) #wait),
    }
}

/// A member whose future would borrow from its own body has to be an `async fn`.
fn waiting(borrows: bool) -> (Kind, Option<TokenStream>) {
    match borrows {
        true => (Kind::Async, Some(ours!(.await))),
        false => (Kind::Future, None),
    }
}

fn peek(cached: &Cached, private: &TokenStream, answer: &TokenStream) -> Member {
    let prepare = prepare(cached, private);
    let call = call(cached, private, Use::Peek);
    let stored = stored(cached, &Probe::Type(answer.clone()));
    let (kind, wait) = waiting(cached.cache.is_some());
    Member {
        verb: "peek",
        doc: "What is cached of the call with these arguments; the function is not called.",
        kind,
        takes: takes(cached, &cached.policy_names, Type::to_token_stream),
        generics: key_generics(cached, &cached.policy_names, Some(answer)),
        answer: Some(ours!(::core::option::Option<#answer>)),
        body: ours! {
            #prepare
            let __cache_call = #call;
            #private::peek(__cache_call, #stored) #wait
        },
    }
}

/// What is needed to store an answer that comes from elsewhere; hidden, for `put` and for `#[updates]`.
fn update(cached: &Cached, private: &TokenStream, answer: &TokenStream) -> Member {
    let prepare = prepare(cached, private);
    let call = call(cached, private, Use::Put);
    let rules = rules(cached);
    let stored = stored(cached, &Probe::Type(answer.clone()));
    let (judge, moves) = match rules_mention_parameters(cached) {
        true => (ours!(impl #private::Judge<#answer>), Some(ours!(move))),
        // What takes nothing with it borrows nothing: a writer may have `&mut self`.
        false => (judge(private, answer), None),
    };
    Member {
        verb: "update",
        doc: "",
        kind: Kind::Plain,
        takes: takes(cached, &cached.policy_names, Type::to_token_stream),
        generics: update_generics(cached, answer),
        answer: Some(ours!(#private::Update<#answer, #judge>)),
        body: ours! {
            #prepare
            let __cache_call = #call;
            #private::update(&__cache_call, #moves |__cache_call, __cache_answer| {
                let __cache_stored = #stored;
                __cache_call.judge(__cache_stored, &__cache_stored.rules() #rules, __cache_answer)
            })
        },
    }
}

/// Stands where `#[updates]` looks for it, and tells the compiler's user that there is nothing.
fn no_update(declared: &Cached, private: &TokenStream) -> Member {
    Member {
        verb: "update",
        doc: "",
        kind: Kind::Plain,
        takes: takes(declared, &declared.key_names, Type::to_token_stream),
        generics: key_generics(declared, &declared.key_names, None),
        answer: Some(ours!(#private::NoFunction)),
        body: ours!(::core::unreachable!()),
    }
}

/// The type of what judges an answer without knowing more.
pub(super) fn judge(private: &TokenStream, answer: &TokenStream) -> TokenStream {
    ours!(fn(&#private::Call<'_>, &#answer) -> #private::Judged)
}

fn rules_mention_parameters(cached: &Cached) -> bool {
    let rules = [&cached.cache_if, &cached.ttl_with];
    let rules = rules.into_iter().flatten();
    let names: Names = rules.flat_map(mentions::of_expr).collect();
    names.contains("self")
        || cached
            .function
            .pieces()
            .any(|piece| piece.binds_one_of(&names))
}

/// What `update`, and who calls it, needs: its conditions and its times may name types that nothing else does.
fn update_generics(cached: &Cached, answer: &TokenStream) -> Generics {
    let times = [
        &cached.ttl,
        &cached.none_ttl,
        &cached.local,
        &cached.stale.while_revalidate,
        &cached.stale.if_error,
    ];
    let times = times.into_iter().filter_map(|time| match time {
        Time::Expr(expr) => Some(expr),
        _ => None,
    });
    let rules = [&cached.cache_if, &cached.ttl_with];
    let mut names = cached.policy_names.clone();
    for expr in times.chain(rules.into_iter().flatten()) {
        names.extend(mentions::of_tokens(expr.to_token_stream()));
    }
    key_generics(cached, &names, Some(answer))
}

fn put(cached: &Cached, private: &TokenStream, answer: &TokenStream) -> Member {
    let generics = update_generics(cached, answer);
    let update = own_call(cached, "update", &cached.policy_names, &generics);
    let name = Ident::new("answer", Span::mixed_site());
    let mut takes = takes(cached, &cached.policy_names, Type::to_token_stream);
    takes.push(ours!(#name: impl #private::IntoAnswer<#answer>));
    Member {
        verb: "put",
        doc: "Stores an answer for the call with these arguments: the whole answer, or the value inside it.",
        kind: Kind::Future,
        takes,
        generics,
        answer: None,
        body: ours!(#private::put(#update, #private::IntoAnswer::<#answer>::into_answer(#name))),
    }
}

/// Another member's call, with what this one takes.
fn own_call(cached: &Cached, verb: &str, names: &Names, generics: &Generics) -> TokenStream {
    let receiver = cached
        .function
        .receiver()
        .map(|receiver| receiver.self_token.to_token_stream());
    let pieces = cached.pieces(names);
    let pieces = pieces.iter().map(|piece| piece.name.to_token_stream());
    let arguments = receiver.into_iter().chain(pieces);
    let member = member_name(cached, verb);
    let turbofish = turbofish(generics);
    ours!(Self::#member #turbofish(#(#arguments),*))
}

/// `refresh` and `uncached`: the function's own call, in another mode.
fn call_again(cached: &Cached, private: &TokenStream, verb: &'static str, entry: &str) -> Member {
    let function = &cached.function;
    let site = site_of(cached);
    let name = &function.sig.ident;
    let entry = Ident::new(entry, Span::mixed_site());
    let turbofish = turbofish(&function.sig.generics);
    let names = function
        .parameters
        .iter()
        .map(|parameter| unshadowing(function, &parameter.name));
    let callee = match (cached.companion, function.receiver()) {
        (Companion::Enum, _) => quote!(#name),
        (_, Some(receiver)) => {
            let own = receiver.self_token;
            quote!(#own.#name)
        }
        (_, None) => quote!(Self::#name),
    };
    let body = ours!(#private::#entry(#site, #callee #turbofish(#(#names),*)));
    whole_call(cached, verb, body)
}

/// What stands before the work of a member: the key, and the cache's handle.
fn prepare(cached: &Cached, private: &TokenStream) -> TokenStream {
    let handle = cached
        .cache
        .as_ref()
        .map(|expr| handle(&cached.function, expr, private));
    if cached.key_is_enough && handle.is_none() {
        let names = &cached.key_names;
        let key = own_call(cached, "key", names, &key_generics(cached, names, None));
        return ours!(let __cache_key = #key;);
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
