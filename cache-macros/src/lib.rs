//! The attributes of `cache-runtime`: see [`macro@cached`] and [`macro@invalidates`].

mod args;
mod check;
mod duration;
mod errors;
mod expand;
mod function;
mod mentions;
mod model;
mod spelling;
mod template;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

use crate::errors::Mistakes;
use crate::function::Function;

/// Caches the answers of an `async fn`.
#[proc_macro_attribute]
pub fn cached(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(item.into(), "cached", |function, mistakes| {
        let args = args::parse(args.into(), mistakes);
        let model = check::cached::check(args, function, Span::call_site(), mistakes);
        if mistakes.none() {
            expand::cached::expand(&model)
        } else {
            expand::stand_in::cached(&model)
        }
    })
}

/// Clears cached answers after an `async fn` has written.
#[proc_macro_attribute]
pub fn invalidates(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(item.into(), "invalidates", |function, mistakes| {
        let args = args::parse(args.into(), mistakes);
        let model = check::invalidates::check(args, function, Span::call_site(), mistakes);
        if mistakes.none() {
            expand::invalidates::expand(&model)
        } else {
            expand::stand_in::function(&model.function)
        }
    })
}

/// Reads the item, hands it on, and puts all mistakes before what comes back.
fn expand(
    item: TokenStream,
    attribute: &str,
    go_on: impl FnOnce(Function, &mut Mistakes) -> TokenStream,
) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let output = match syn::parse2::<Function>(item.clone()) {
        // The attribute below expands on its own, and needs the item as it is.
        Ok(function) if check::another(&function, attribute, &mut mistakes) => item,
        Ok(function) => go_on(function, &mut mistakes),
        Err(error) => {
            match check::item_keyword(item.clone()) {
                Some(keyword) if keyword != "fn" => {
                    check::not_a_function(&keyword, attribute, &mut mistakes)
                }
                _ => mistakes.push(error),
            }
            item
        }
    };
    let mut tokens = mistakes.into_compile_errors();
    output.to_tokens(&mut tokens);
    tokens.into()
}
