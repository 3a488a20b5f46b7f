//! The keys of somebody else: `#[cached(keys::agent(agent_id))]` asks the companion of `keys::agent` for them.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Path;
use syn::spanned::Spanned;

use super::cached::is_place;
use super::target::{argument, companion_path};
use super::{at, ours, private_at};
use crate::function::Piece;
use crate::model::{Argument, Cached, Call, Callee};

/// `Site::sharing(name, keys::agent::__site())`, and for a batch `Site::batch_of(…)`
pub(super) fn new_site(
    call: &Call,
    runtime: Option<&Path>,
    name: &TokenStream,
    many: bool,
) -> TokenStream {
    let site = of(call, "site");
    let span = at(path(call).span());
    let private = private_at(runtime, span);
    let new = Ident::new(if many { "batch_of" } else { "sharing" }, span);
    quote_spanned!(span=> #private::Site::#new(#name, #site()))
}

/// `keys::agent::key(agent_id)`
pub(super) fn key(call: &Call) -> TokenStream {
    let key = of(call, "key");
    let arguments = call.arguments.iter().map(|given| argument(given).tokens);
    quote_spanned!(at(path(call).span())=> #key(#(#arguments),*))
}

/// `keys::agent::__any()`
pub(super) fn any(call: &Call) -> TokenStream {
    let any = of(call, "any");
    ours!(#any())
}

/// `keys::agent::pattern(…)`: an argument is given when all that it mentions is given.
pub(super) fn pattern(cached: &Cached, call: &Call) -> TokenStream {
    let pattern = of(call, "pattern");
    let arguments = call.arguments.iter().map(|given| {
        let value = argument(given).tokens;
        let pieces = cached.pieces(&given.names());
        let (names, bound): (Vec<_>, Vec<_>) = pieces
            .iter()
            .map(|piece| optional(piece, given))
            .unzip();
        ours! {
            match (#(#names,)*) {
                (#(::core::option::Option::Some(#bound),)*) => ::core::option::Option::Some({ #value }),
                #[allow(unreachable_patterns)]
                _ => ::core::option::Option::None,
            }
        }
    });
    quote_spanned!(at(path(call).span())=> #pattern(#(#arguments),*))
}

/// A piece that may be given, and what it is called when it is. Another argument may need it too, so none takes it.
fn optional(piece: &Piece, given: &Argument) -> (TokenStream, TokenStream) {
    let name = &piece.name;
    let pattern = match &piece.pattern {
        Some(pattern) => ours!(#pattern),
        None => ours!(#name),
    };
    let by_reference =
        matches!(given, Argument::Expr(part) if is_place(&part.expr)) && piece.pattern.is_none();
    let value = match by_reference && piece.is_by_value() {
        true => ours!(#name.as_ref()),
        false => ours!(::core::clone::Clone::clone(&#name)),
    };
    (value, pattern)
}

fn of(call: &Call, verb: &str) -> TokenStream {
    companion_path(path(call), verb)
}

fn path(call: &Call) -> &Path {
    match &call.callee {
        Callee::Function(path) | Callee::Associated(path) => path,
        Callee::Method(_) => unreachable!("keys are shared by path"),
    }
}
