//! ```text
//! async fn dashboard(db: &PgPool, workspace_id: &str) -> Result<Dashboard, DbError> {
//!     let __cache_key = P::key(dashboard::__site(), &[P::part(&workspace_id)]);
//!     let mut __cache_call = P::Call::new(dashboard::__site(), __cache_key);
//!     let __cache_load = pin!(async move { … });
//!     let __cache_stored = P::stored(…);
//!     P::cached(&mut __cache_call, __cache_stored, __cache_stored.rules(), __cache_load).await
//! }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Expr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::described::described;
use super::member::member_name;
use super::owned;
use super::shared;
use super::{
    Probe, about, at, computed, full_name, handle, literal, load, operand, ours, part, parts,
    private, storage, tag, with_sig,
};
use super::{batch, companion};
use crate::mentions::Names;
use crate::model::{Cached, Companion, SingleFlight, Time};

pub(crate) fn expand(cached: &Cached) -> TokenStream {
    let sig = match (&cached.background, &cached.batch) {
        (Some(background), _) => &background.sig,
        (None, Some(batch)) => &batch.sig,
        (None, None) => &cached.function.sig,
    };
    let function = with_sig(&cached.function, sig, &body(cached));
    let companion = companion::expand(cached);
    quote!(#function #companion)
}

fn body(cached: &Cached) -> TokenStream {
    let private = private(cached.runtime.as_ref());
    let site = match cached.companion {
        Companion::None => {
            let site = site(cached);
            Some(ours! {
                static __CACHE_SITE: #private::Site = #site;
                #private::submit! { #private::Said::Keys(&__CACHE_SITE) }
            })
        }
        _ => None,
    };
    let handle = cached
        .cache
        .as_ref()
        .map(|expr| handle(&cached.function, expr, &private));
    if let Some(batch) = &cached.batch {
        let answer = batch::answer(cached, batch);
        return ours!(#site #handle #answer);
    }
    let key = key(cached, &private);
    let call = call(cached, &private, Use::Call);
    let (load, probe) = match &cached.background {
        Some(background) => (owned::load(cached, background), Probe::Begin),
        None => (load(&cached.function), Probe::Load),
    };
    let stored = stored(cached, &probe);
    let rules = rules(cached);
    let on_timeout = on_timeout(cached);
    let rules = quote!(#rules #on_timeout);
    let (span, answer) = match &cached.background {
        Some(_) => (owned::answer_span(cached), owned::answer(cached, &rules)),
        None => (
            Span::mixed_site(),
            ours!(#private::cached(&mut __cache_call, __cache_stored, __cache_stored.rules() #rules, __cache_load)),
        ),
    };
    let answer = match cached.local {
        Time::Default => quote_spanned!(span=> #answer.await),
        // In a box, so that the future of a near hit is small: it is moved at each call.
        _ => {
            let answer = quote_spanned!(span=> ::std::boxed::Box::pin(#answer).await);
            ours! {
                match #private::near(&mut __cache_call, __cache_stored) {
                    ::core::option::Option::Some(__cache_answer) => __cache_answer,
                    ::core::option::Option::None => #answer,
                }
            }
        }
    };
    ours! {
        #site
        let __cache_key = #key;
        #handle
        let mut __cache_call = #call;
        #load
        let __cache_stored = #stored;
        #answer
    }
}

/// How the answer's value is written and read, and, for the near cache, kept.
pub(super) fn stored(cached: &Cached, probe: &Probe) -> TokenStream {
    let entry = match cached.local {
        Time::Default => "stored",
        _ => "stored_near",
    };
    about(&cached.function, cached.runtime.as_ref(), entry, probe)
}

/// What a call is made for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Use {
    Call,
    Peek,
    Put,
}

/// `Site::new(…).ttl(…)`
pub(super) fn site(cached: &Cached) -> TokenStream {
    let private = private(cached.runtime.as_ref());
    let name = full_name(&cached.function);
    let template = &cached.template;
    let times = times(cached, Use::Call);
    let times = times
        .into_iter()
        .filter_map(|(time, setter)| literal(time, setter));
    let refresh_ahead = cached.stale.refresh_ahead;
    let refresh_ahead = refresh_ahead.map(|beta| ours!(.refresh_ahead(#beta)));
    let single_flight = cached.waiting.single_flight.map(|who| {
        let who = match who {
            SingleFlight::Process => ours!(Process),
            SingleFlight::Fleet => ours!(Fleet),
            SingleFlight::Off => ours!(Off),
        };
        ours!(.single_flight(#private::SingleFlight::#who))
    });
    let storage = storage(&cached.storage, &private);
    let version = cached.version.map(|version| ours!(.version(#version)));
    let new = match &cached.shared {
        Some(call) => {
            let many = cached.batch.is_some();
            shared::new_site(call, cached.runtime.as_ref(), &name, many)
        }
        None => {
            let parts = described(&cached.function, &cached.parts);
            ours!(#private::Site::new(#name, #template).parts(#parts))
        }
    };
    ours!(#new #(#times)* #refresh_ahead #single_flight #storage #version)
}

/// The times that are of use, with their setters.
fn times(cached: &Cached, wanted: Use) -> Vec<(&Time, &'static str)> {
    let (stale, waiting) = (&cached.stale, &cached.waiting);
    // How old an answer may be decides whether one is found, too.
    let mut times = vec![
        (&stale.while_revalidate, "stale_while_revalidate"),
        (&stale.if_error, "stale_if_error"),
    ];
    if wanted != Use::Peek {
        times.extend([
            (&cached.ttl, "ttl"),
            (&cached.none_ttl, "none_ttl"),
            (&cached.local, "local"),
        ]);
    }
    if wanted == Use::Call {
        times.extend([
            (&waiting.lock, "lock"),
            (&waiting.soft_timeout, "soft_timeout"),
            (&waiting.load_timeout, "load_timeout"),
        ]);
    }
    times
}

/// The path of the site's static.
pub(super) fn site_of(cached: &Cached) -> TokenStream {
    let name = &cached.function.sig.ident;
    let site = member_name(cached, "site");
    match cached.companion {
        Companion::Enum => ours!(#name::#site()),
        Companion::Methods => ours!(Self::#site()),
        Companion::None => ours!(&__CACHE_SITE),
    }
}

pub(super) fn key(cached: &Cached, private: &TokenStream) -> TokenStream {
    if let Some(call) = &cached.shared {
        return shared::key(call);
    }
    let site = site_of(cached);
    let parts = parts(private, &cached.parts);
    ours!(#private::key(#site, #parts))
}

/// `Call::new(site, key)` with the options that are not the site's.
pub(super) fn call(cached: &Cached, private: &TokenStream, wanted: Use) -> TokenStream {
    let site = site_of(cached);
    let cache = cached.cache.as_ref().map(|_| ours!(.cache(__cache_handle)));
    let times = times(cached, wanted);
    let times = times
        .into_iter()
        .filter_map(|(time, setter)| computed(time, setter));
    let skip = match &cached.skip_cache {
        Some(expr) if wanted == Use::Call => {
            Some(quote_spanned!(at(expr.span())=> .skip_lookup(#expr)))
        }
        _ => None,
    };
    let tags = (!cached.tags.is_empty()).then(|| {
        let tags = cached.tags.iter().map(|text| tag(private, text));
        ours!(.tags(::std::vec![#(#tags),*]))
    });
    ours!(#private::Call::new(#site, __cache_key) #cache #(#times)* #skip #tags)
}

/// `.cache_if(&…).ttl_with(&…)`: the conditions that look at the value.
pub(super) fn rules(cached: &Cached) -> TokenStream {
    let cache_if = rule(cached.cache_if.as_ref(), "cache_if");
    let ttl_with = rule(cached.ttl_with.as_ref(), "ttl_with");
    quote!(#cache_if #ttl_with)
}

/// A closure as it is; a function in a closure, so that `&String` may meet a `fn(&str)`.
fn rule(expr: Option<&Expr>, setter: &str) -> Option<TokenStream> {
    let expr = expr?;
    let span = at(expr.span());
    let setter = Ident::new(setter, span);
    Some(match expr {
        Expr::Closure(closure) => quote_spanned!(span=> .#setter(&#closure)),
        function => {
            let function = operand(function);
            quote_spanned!(span=> .#setter(&|__cache_value| #function(__cache_value)))
        }
    })
}

/// `.on_timeout(&|| Err((…)()))`: what is answered when a load is given up.
fn on_timeout(cached: &Cached) -> Option<TokenStream> {
    let expr = cached.waiting.on_timeout.as_ref()?;
    let error = operand(expr);
    Some(quote_spanned! {at(expr.span())=>
        .on_timeout(&|| ::core::result::Result::Err(#error()))
    })
}

/// A part of a pattern: given only when all that it mentions is given.
pub(super) fn pattern_part(
    cached: &Cached,
    private: &TokenStream,
    index: usize,
) -> (TokenStream, TokenStream) {
    let given = &cached.parts[index];
    let span = at(given.expr.span());
    let pieces = cached.pieces(&given.names);
    if pieces.is_empty() {
        let part = part(private, given);
        return (
            TokenStream::new(),
            ours!(::core::option::Option::Some(#part)),
        );
    }
    if let (Expr::Path(path), [piece]) = (&given.expr, pieces.as_slice())
        && piece.pattern.is_none()
        && path.path.is_ident(&piece.name)
    {
        let name = &piece.name;
        let part = quote_spanned!(span=> #private::part(__cache_part));
        return (
            TokenStream::new(),
            ours!(#name.as_ref().map(|__cache_part| #part)),
        );
    }
    let values = pieces.iter().map(|piece| {
        let name = &piece.name;
        if is_shared(cached, &piece.bindings, index) {
            if is_place(&given.expr) && piece.pattern.is_none() {
                ours!(#name.as_ref())
            } else {
                ours!(::core::clone::Clone::clone(&#name))
            }
        } else {
            ours!(#name)
        }
    });
    let bound = pieces.iter().map(|piece| {
        let name = &piece.name;
        match &piece.pattern {
            Some(pattern) => quote!(#pattern),
            None => quote!(#name),
        }
    });
    let local = format_ident!("__cache_part_{index}", span = Span::mixed_site());
    let part = part(private, given);
    let before = ours! {
        let #local = match (#(#values,)*) {
            (#(::core::option::Option::Some(#bound),)*) => ::core::option::Option::Some(#private::segment(#part)),
            _ => ::core::option::Option::None,
        };
    };
    let given = ours!(#local.as_ref().map(|__cache_part| #private::part(__cache_part)));
    (before, given)
}

/// Whether another part of the key needs one of these names too.
fn is_shared(cached: &Cached, bindings: &[Ident], index: usize) -> bool {
    let names: Names = bindings
        .iter()
        .map(|binding| binding.unraw().to_string())
        .collect();
    let others = cached
        .parts
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    others
        .into_iter()
        .any(|(_, part)| !part.names.is_disjoint(&names))
}

/// Whether an expression reads through a reference as it does through the value: fields and method calls.
pub(super) fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        Expr::Field(field) => is_place(&field.base),
        Expr::MethodCall(call) => is_place(&call.receiver),
        Expr::Reference(reference) => is_place(&reference.expr),
        _ => false,
    }
}
