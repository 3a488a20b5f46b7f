//! The syntax of the attributes. Each value keeps the word that introduced it, so that errors underline what was written.

pub(crate) mod cached;
pub(crate) mod invalidates;
pub(crate) mod updates;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token, token};

use crate::errors::Mistakes;
use crate::spelling::nearest;

/// A value and the word before its `=`.
pub(crate) struct Given<T> {
    pub(crate) word: Ident,
    pub(crate) value: T,
}

/// How values are stored: options that functions and declared keys have.
#[derive(Default)]
pub(crate) struct StorageArgs {
    pub(crate) codec: Option<Given<Expr>>,
    pub(crate) compress: Option<Given<Expr>>,
    pub(crate) encrypt: Option<Given<Expr>>,
    pub(crate) sign: Option<Given<Expr>>,
    pub(crate) max_size: Option<Given<Expr>>,
}

impl StorageArgs {
    /// The place of the option of this name.
    pub(crate) fn slot(&mut self, name: &str) -> Option<&mut Option<Given<Expr>>> {
        Some(match name {
            "codec" => &mut self.codec,
            "compress" => &mut self.compress,
            "encrypt" => &mut self.encrypt,
            "sign" => &mut self.sign,
            "max_size" => &mut self.max_size,
            _ => return None,
        })
    }
}

/// One attribute's options, read one after the other.
pub(crate) trait Options: Default {
    /// The options with an example each.
    const KNOWN: &'static [(&'static str, &'static str)];
    /// Words of other libraries, and what says the same here.
    const FOREIGN: &'static [(&'static str, &'static str)];

    /// Reads the value of a known option; `input` stands behind the `=`, or before the parenthesis.
    fn option(
        &mut self,
        word: Ident,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
    ) -> syn::Result<()>;

    /// Reads a value without a name.
    fn bare(&mut self, value: Expr, mistakes: &mut Mistakes);

    /// Whether `word(…)` may be an option; else it is always a value.
    const LISTS: bool = false;

    /// Whether this option is written `word(…)`.
    fn takes_list(_word: &str) -> bool {
        false
    }

    /// Is told what an option that cannot be read probably was, so that it is not reported as missing too.
    fn meant(&mut self, _option: &str) {}
}

pub(crate) fn parse<T: Options>(tokens: TokenStream, mistakes: &mut Mistakes) -> T {
    let mut options = T::default();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if !item(&mut options, input, mistakes) {
                skip_to_comma(input);
            }
            if input.is_empty() {
                break;
            }
            if !input.peek(Token![,]) {
                mistakes.at_span(
                    input.span(),
                    "a comma is missing before this",
                    "separate options with commas",
                    "what follows would be read as a part of the value before it",
                );
                skip_to_comma(input);
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        mistakes.push(error);
    }
    options
}

/// Reads one option or bare value; says whether all of it has been read.
fn item<T: Options>(options: &mut T, input: ParseStream<'_>, mistakes: &mut Mistakes) -> bool {
    let named = input.peek(Ident::peek_any)
        && input.peek2(Token![=])
        && !input.peek2(Token![==])
        && !input.peek2(Token![=>]);
    let listed = T::LISTS && input.peek(Ident::peek_any) && input.peek2(token::Paren);
    let alone = input.peek(Ident::peek_any) && {
        let ahead = input.fork();
        ahead.call(Ident::parse_any).is_ok() && (ahead.is_empty() || ahead.peek(Token![,]))
    };
    let ahead = input.fork();
    let Some(word) = (named || listed || alone)
        .then(|| ahead.call(Ident::parse_any).ok())
        .flatten()
    else {
        return bare(options, input, mistakes);
    };
    let name = word.to_string();
    let known = T::KNOWN.iter().find(|(known, _)| *known == name);
    let foreign = T::FOREIGN.iter().any(|(foreign, _)| *foreign == name);
    let Some((_, example)) = known else {
        let near = nearest(&name, T::KNOWN.iter().map(|(known, _)| *known));
        if named || foreign || (listed && near.is_some_and(T::takes_list)) {
            unknown(options, &word, near, mistakes);
            return false;
        }
        return bare(options, input, mistakes);
    };
    if (listed && !T::takes_list(&name)) || alone || (named && T::takes_list(&name)) {
        mistakes.at(
            &word,
            format!("`{name}` is not written like this"),
            format!("write `{example}`"),
            "without its value the option says nothing",
        );
        options.meant(&name);
        return false;
    }
    // The word, and the `=` when there is one.
    let _ = input.call(Ident::parse_any);
    if named {
        let _ = input.parse::<Token![=]>();
    }
    let place = word.span();
    match options.option(word, input, mistakes) {
        Ok(()) => true,
        Err(error) => {
            // At the end of the input there is nothing to underline but the option itself.
            mistakes.at_span(
                if input.is_empty() {
                    place
                } else {
                    error.span()
                },
                format!("the value of `{name}` cannot be read: {error}"),
                format!("write it like `{example}`"),
                "without its value the option says nothing",
            );
            options.meant(&name);
            false
        }
    }
}

fn bare<T: Options>(options: &mut T, input: ParseStream<'_>, mistakes: &mut Mistakes) -> bool {
    match input.parse::<Expr>() {
        Ok(value) => {
            options.bare(value, mistakes);
            true
        }
        Err(error) => {
            mistakes.at_span(
                error.span(),
                format!("this is neither an option nor a value: {error}"),
                format!("write options as `{}`", T::KNOWN[0].1),
                "what cannot be read cannot be kept",
            );
            false
        }
    }
}

fn unknown<T: Options>(options: &mut T, word: &Ident, near: Option<&str>, mistakes: &mut Mistakes) {
    let name = word.to_string();
    let foreign = T::FOREIGN.iter().find(|(foreign, _)| *foreign == name);
    let help = match (foreign, near) {
        (Some((_, here)), _) => {
            options.meant(here);
            format!("here it is {here}")
        }
        (None, Some(near)) => {
            options.meant(near);
            format!("did you mean `{near}`?")
        }
        (None, None) => {
            let known: Vec<&str> = T::KNOWN.iter().map(|(known, _)| *known).collect();
            format!("the options are {}", known.join(", "))
        }
    };
    mistakes.at(
        word,
        format!("`{name}` is not an option"),
        help,
        "passed over in silence, it would leave another policy than the one written",
    );
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

/// Keeps the first value of an option, and reports a second one.
fn once<T>(slot: &mut Option<Given<T>>, word: Ident, value: T, mistakes: &mut Mistakes) {
    if slot.is_none() {
        *slot = Some(Given { word, value });
    } else {
        twice(&word, mistakes);
    }
}

fn twice(word: &Ident, mistakes: &mut Mistakes) {
    mistakes.at(
        word,
        format!("`{word}` is given twice"),
        "keep one of them",
        "which one counts would depend on their order",
    );
}

/// A string literal, or a mistake that shows how to write one.
fn text(value: &Expr, name: &str, example: &str, mistakes: &mut Mistakes) -> Option<LitStr> {
    if let Some(text) = as_text(value) {
        return Some(text.clone());
    }
    mistakes.at(
        value,
        format!("`{name}` takes a string literal"),
        format!("write `{example}`"),
        "a text that is only known at run time cannot be checked",
    );
    None
}

pub(crate) fn as_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        Expr::Group(group) => as_text(&group.expr),
        _ => None,
    }
}

/// `["…", "…"]`
fn texts(value: &Expr, name: &str, example: &str, mistakes: &mut Mistakes) -> Vec<LitStr> {
    let Expr::Array(array) = value else {
        mistakes.at(
            value,
            format!("`{name}` takes a list"),
            format!("write `{example}`"),
            "one text in the place of a list hides that there may be several",
        );
        return Vec::new();
    };
    if array.elems.is_empty() {
        mistakes.at(
            array,
            format!("the list of `{name}` is empty"),
            format!("write `{example}`, or leave `{name}` out"),
            "an empty list reads as if something were covered",
        );
    }
    array
        .elems
        .iter()
        .filter_map(|element| text(element, name, example, mistakes))
        .collect()
}

/// The path of `crate = path`.
fn runtime_path(input: ParseStream<'_>) -> syn::Result<Path> {
    if input.peek(LitStr) {
        return Err(input.error("a path has no quotes"));
    }
    input.call(Path::parse_mod_style)
}

/// The handle of `cache = expr`.
fn handle(input: ParseStream<'_>, mistakes: &mut Mistakes) -> syn::Result<Option<Expr>> {
    let value = Expr::parse(input)?;
    if let Expr::Lit(literal) = &value {
        mistakes.at(
            literal,
            "`cache` takes a handle, not a literal",
            "write `cache = state.cache`, or leave it out for the installed cache",
            "a name in quotes would not be checked until the first call",
        );
        return Ok(None);
    }
    Ok(Some(value))
}
