//! What `cache_keys!` is given: declarations of keys, one after the other.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, FnArg, LitStr, Path, Token, Visibility, parenthesized};

use crate::args::Given;
use crate::function::Function;

/// `pub agent(agent_id: Uuid) = "agents:{agent_id}", ttl = ttl::HOUR;`
pub(crate) struct Declaration {
    /// The function that makes the key, without a body.
    pub(crate) function: Function,
    pub(crate) template: LitStr,
    pub(crate) options: Vec<Given<Expr>>,
    /// `crate = path`
    pub(crate) runtime: Option<Path>,
}

/// Reads all declarations; one that cannot be read is reported, and the next one begins behind its semicolon.
pub(crate) fn read(tokens: TokenStream) -> (Vec<Declaration>, Vec<syn::Error>) {
    let (mut declarations, mut errors) = (Vec::new(), Vec::new());
    for tokens in between_semicolons(tokens) {
        match syn::parse2(tokens) {
            Ok(declaration) => declarations.push(declaration),
            Err(error) => errors.push(error),
        }
    }
    (declarations, errors)
}

fn between_semicolons(tokens: TokenStream) -> Vec<TokenStream> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_end =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    tokens
        .split(is_end)
        .filter(|one| !one.is_empty())
        .map(|one| one.iter().cloned().collect())
        .collect()
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        let name: Ident = input.parse()?;
        let list;
        parenthesized!(list in input);
        let parameters = Punctuated::<FnArg, Token![,]>::parse_terminated(&list)?;
        let function = syn::parse2(quote!(#(#attrs)* #vis fn #name(#parameters);))?;
        input.parse::<Token![=]>()?;
        let template = input.parse()?;
        let (mut options, mut runtime) = (Vec::new(), None);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            if word == "crate" {
                runtime = Some(input.call(Path::parse_mod_style)?);
            } else {
                let value = input.parse()?;
                options.push(Given { word, value });
            }
        }
        Ok(Self {
            function,
            template,
            options,
            runtime,
        })
    }
}
