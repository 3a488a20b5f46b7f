//! From the models to tokens. Nothing here can fail, and nothing decides: an expansion is a call into the runtime's
//! hidden `private` module.
//!
//! Names of ours are hygienic (`mixed_site`), so that they cannot meet the user's. Paths are absolute.

pub(crate) mod cached;
mod companion;
pub(crate) mod invalidates;
pub(crate) mod stand_in;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Path, Type};

use crate::function::Function;
use crate::model::{Part, Text};

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
    match runtime {
        Some(path) => ours!(#path::private),
        None => ours!(::cache_runtime::private),
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
        _ => ours!((#expr)),
    }
}

/// The shape of an answer, from a probe.
fn shape(private: &TokenStream, probe: &TokenStream) -> TokenStream {
    ours!({
        #[allow(unused_imports)]
        use #private::{ViaJson as _, ViaNested as _, ViaPlain as _, ViaResult as _};
        (&&&#probe).shape()
    })
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
    crate::mentions::of_tokens(ty.to_token_stream()).contains("impl")
}

/// The function with another body; everything else stays as it was written.
fn with_body(function: &Function, body: &TokenStream) -> TokenStream {
    let Function {
        attrs, vis, sig, ..
    } = function;
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
