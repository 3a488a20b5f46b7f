//! From the models to tokens. Nothing here can fail, and nothing decides: an expansion is a call into the runtime's
//! hidden `private` module.
//!
//! Names of ours are hygienic (`mixed_site`), so that they cannot meet the user's. Paths are absolute.

mod batch;
pub(crate) mod cached;
mod companion;
pub(crate) mod declared;
mod described;
mod emitted;
pub(crate) mod event;
mod hottest;
pub(crate) mod invalidates;
mod member;
mod owned;
mod shared;
pub(crate) mod stand_in;
mod target;
pub(crate) mod updates;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Path, Signature, Type};

use crate::function::{Function, Piece};
use crate::mentions;
use crate::model::{Part, Storage, Text, Time};

/// `quote!` with the hygiene of our own names.
macro_rules! ours {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}
use ours;

/// The place of `span` with the hygiene of our own names: errors underline the user's word, names stay apart.
fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The hidden module of the runtime.
fn private(runtime: Option<&Path>) -> TokenStream {
    private_at(runtime, Span::mixed_site())
}

/// The same, in the place of another word.
fn private_at(runtime: Option<&Path>, span: Span) -> TokenStream {
    match runtime {
        Some(path) => quote_spanned!(span=> #path::private),
        None => quote_spanned!(span=> ::cache_runtime::private),
    }
}

/// `concat!(module_path!(), "::", "dashboard")`
fn full_name(function: &Function) -> TokenStream {
    let name = function.sig.ident.unraw().to_string();
    ours!(::core::concat!(::core::module_path!(), "::", #name))
}

/// `P::part(&expr)`; a value that is no key part is underlined where the user wrote it.
fn part(private: &TokenStream, part: &Part) -> TokenStream {
    let value = operand(&part.expr);
    quote_spanned!(at(part.expr.span())=> #private::part(&#value))
}

fn parts(private: &TokenStream, given: &[Part]) -> TokenStream {
    let parts = given.iter().map(|one| part(private, one));
    ours!(&[#(#parts),*])
}

/// `P::tag("workspace:{}", &[…])`
fn tag(private: &TokenStream, text: &Text) -> TokenStream {
    let template = &text.template;
    let parts = parts(private, &text.parts);
    ours!(#private::tag(#template, #parts))
}

/// `.ttl(Duration::from_millis(1800000))`, for a time that is known now.
fn literal(time: &Time, setter: &str) -> Option<TokenStream> {
    let Time::Milliseconds(milliseconds) = time else {
        return None;
    };
    let setter = format_ident!("{setter}");
    Some(ours!(.#setter(::core::time::Duration::from_millis(#milliseconds))))
}

/// `.ttl(expr)`, for a time that each call has to compute.
fn computed(time: &Time, setter: &str) -> Option<TokenStream> {
    let Time::Expr(expr) = time else {
        return None;
    };
    let setter = format_ident!("{setter}");
    Some(quote_spanned!(at(expr.span())=> .#setter(#expr)))
}

/// `.codec(P::Codec::MessagePack).max_size(65536)`
fn storage(storage: &Storage, private: &TokenStream) -> TokenStream {
    let choices = [
        ("codec", "Codec", storage.codec),
        ("compress", "Compression", storage.compression),
        ("protect", "Protection", storage.protection),
    ];
    let choices = choices.into_iter().filter_map(|(setter, kind, choice)| {
        let [setter, kind, choice] = [setter, kind, choice?].map(|name| format_ident!("{name}"));
        Some(ours!(.#setter(#private::#kind::#choice)))
    });
    let max_size = storage.max_size.map(|bytes| ours!(.max_size(#bytes)));
    ours!(#(#choices)* #max_size)
}

/// An expression that a prefix operator or a method may stand beside.
fn operand(expr: &Expr) -> TokenStream {
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::Lit(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Index(_)
        | Expr::Macro(_)
        | Expr::Paren(_)
        | Expr::Tuple(_)
        | Expr::Array(_) => expr.to_token_stream(),
        _ => quote_spanned!(at(expr.span())=> (#expr)),
    }
}

/// The cache that `cache = expr` names, kept alive for the call.
fn handle(function: &Function, expr: &Expr, private: &TokenStream) -> TokenStream {
    let span = at(expr.span());
    let value = operand(expr);
    let names = mentions::of_expr(expr);
    let taken = |piece: &Piece| piece.is_by_value() && piece.binds_one_of(&names);
    let own = function.takes_self() && names.contains("self");
    if own || function.pieces().any(taken) {
        // The body takes the parameter that holds the handle with it.
        return quote_spanned! {span=>
            let __cache_copy = ::core::clone::Clone::clone(&#value);
            let __cache_handle: &#private::Cache = &__cache_copy;
        };
    }
    quote_spanned!(span=> let __cache_handle: &#private::Cache = &#value;)
}

/// The body as a future, pinned where it stands: whatever awaits it holds no more than a pointer.
fn load(function: &Function) -> TokenStream {
    let edge = return_edge(function.answer());
    let body = &function.body;
    ours!(let __cache_load = ::core::pin::pin!(async move { #edge #body });)
}

/// `P::stored(&probe, (&&&&probe).shape())`: asks the answer's type what of it is the value. `what` is `stored`,
/// `stored_near` or `returned`.
///
/// All of it stands in the place of the answer's type, so that one that cannot be stored is underlined there; and wherever
/// it is asked again, the compiler has said the very same already, and is silent.
fn about(function: &Function, runtime: Option<&Path>, what: &str, probe: &Probe) -> TokenStream {
    let span = function
        .answer()
        .map_or_else(Span::mixed_site, |answer| at(answer.span()));
    let private = private_at(runtime, span);
    let shares_errors = what != "returned" && !matches!(probe, Probe::Type(_));
    let what = Ident::new(what, span);
    let probe = match probe {
        Probe::Load => quote_spanned!(span=> #private::probe(&__cache_load)),
        Probe::Begin => quote_spanned!(span=> #private::probe_load(&__cache_load)),
        Probe::Type(answer) => quote_spanned!(span=> #private::probe_type::<#answer>()),
    };
    // Only a call that loads has an error to share.
    let (errors, more) = if shares_errors {
        (
            Some(quote_spanned!(span=> .errors((&&__cache_probe).errors()))),
            Some(quote_spanned!(span=> , ViaError as _, ViaNoError as _)),
        )
    } else {
        (None, None)
    };
    quote_spanned! {span=>
        {
            #[allow(unused_imports)]
            use #private::{ViaDeep as _, ViaNested as _, ViaPlain as _, ViaResult as _ #more};
            let __cache_probe = #probe;
            #private::#what(&__cache_probe, (&&&&__cache_probe).shape()) #errors
        }
    }
}

/// Where an answer's type is read from.
enum Probe {
    /// The future that answers.
    Load,
    /// The closure that makes it.
    Begin,
    /// Its name.
    Type(TokenStream),
}

/// A `return` that is never reached gives the body its type, so that a mismatch underlines the user's line.
///
/// The idea is that of `tracing-attributes`.
fn return_edge(answer: Option<&Type>) -> TokenStream {
    let Some(answer) = answer else {
        return ours!(if false {
            return ();
        });
    };
    if has_opaque_type(answer) {
        return TokenStream::new();
    }
    quote_spanned! {at(answer.span())=>
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop, clippy::needless_return)]
        if false {
            let __cache_answer: #answer = loop {};
            return __cache_answer;
        }
    }
}

fn has_opaque_type(ty: &Type) -> bool {
    mentions::of_tokens(ty.to_token_stream()).contains("impl")
}

/// The function with another body; everything else stays as it was written.
fn with_body(function: &Function, body: &TokenStream) -> TokenStream {
    with_sig(function, &function.sig, body)
}

fn with_sig(function: &Function, sig: &Signature, body: &TokenStream) -> TokenStream {
    let Function { attrs, vis, .. } = function;
    quote!(#(#attrs)* #vis #sig { #body })
}

/// The function as the user wrote it.
fn untouched(function: &Function) -> TokenStream {
    let Function {
        attrs,
        vis,
        sig,
        body,
        ..
    } = function;
    match body {
        Some(body) => quote!(#(#attrs)* #vis #sig { #body }),
        None => quote!(#(#attrs)* #vis #sig;),
    }
}
