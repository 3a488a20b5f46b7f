//! The rules, and the model of what keeps them.

mod background;
mod batch;
pub(crate) mod cached;
pub(crate) mod declared;
mod emitted;
pub(crate) mod event;
pub(crate) mod invalidates;
mod key;
mod policy;
mod stale;
mod storage;
mod target;
mod time;
pub(crate) mod updates;
mod waiting;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, LitStr, Member, Safety};

use crate::args::Given;
use crate::errors::Mistakes;
use crate::function::Function;
use crate::mentions::Names;
use crate::model::Part;
use crate::spelling::nearest;
use crate::template::{Broken, Placeholder, Purpose, Template};

/// The rules for a function, whatever it answers.
pub(crate) fn function(function: &Function, attribute: &str, mistakes: &mut Mistakes) {
    let sig = &function.sig;
    let name = &sig.ident;
    if function.body.is_none() {
        mistakes.at(
            name,
            format!("`{name}` has no body"),
            format!("put `#[{attribute}]` on the implementations, or give it a default body"),
            "nothing would happen here, and each implementation would go without it unnoticed",
        );
    } else if let Some(word) = &sig.constness {
        wrong_kind(word, "const", name, mistakes);
    } else if let Safety::Unsafe(word) = &sig.safety {
        mistakes.at(
            word,
            format!("`{name}` is `unsafe`"),
            "wrap it in a safe `async fn`, and put the attribute there",
            "a caller that upholds the contract may get the answer of one that did not",
        );
    } else if let Some(word) = &sig.abi {
        wrong_kind(word, "extern", name, mistakes);
    } else if sig.asyncness.is_none() {
        not_async(function, attribute, mistakes);
    }
}

fn wrong_kind(word: impl ToTokens, kind: &str, name: &Ident, mistakes: &mut Mistakes) {
    mistakes.at(
        word,
        format!("`{name}` is `{kind}`, and not an `async fn` of Rust"),
        format!("call it in an `async fn`, and put the attribute there: `async fn {name}(…)`"),
        "a cache that waits for the network cannot be called there",
    );
}

fn not_async(function: &Function, attribute: &str, mistakes: &mut Mistakes) {
    let name = &function.sig.ident;
    if function.answers_boxed_future() {
        mistakes.at(
            name,
            format!("`{name}` answers a boxed future: has `#[async_trait]` rewritten it already?"),
            format!("put `#[{attribute}]` on an `async fn` outside of the trait, and call that from here"),
            "a future that has only been made would count as an answer, before it has run",
        );
        return;
    }
    mistakes.at(
        function.sig.fn_token,
        format!("`{name}` is not async"),
        format!("write `async fn {name}(…)`"),
        "the cache waits for the network, and a plain function would block its thread",
    );
}

/// Reports another attribute of this crate on the same function; says whether that one brings all that is needed.
pub(crate) fn another(function: &Function, attribute: &str, mistakes: &mut Mistakes) -> bool {
    let name = &function.sig.ident;
    let mut suffices = false;
    for other in ["cached", "invalidates", "updates"] {
        let Some(attr) = function.attribute(other) else {
            continue;
        };
        if other == attribute {
            suffices = true;
            let (help, danger) = match other {
                "cached" => (
                    "keep one `#[cached]`",
                    "the answer would be stored under two keys, and clearing one would leave the other",
                ),
                "invalidates" => (
                    "name all targets in one: `#[invalidates(\"a:*\", \"b:*\")]`",
                    "which of them comes first would depend on their order",
                ),
                _ => (
                    "name all targets in one: `#[updates(agent(id), agent_by_name(name))]`",
                    "which of them comes first would depend on their order",
                ),
            };
            mistakes.at(
                attr.path(),
                format!("`{name}` has two `#[{other}]`"),
                help,
                danger,
            );
        } else if other == "cached" || attribute == "cached" {
            suffices |= other == "cached";
            let writes = if other == "cached" { attribute } else { other };
            mistakes.at(
                attr.path(),
                format!("`{name}` is both `#[cached]` and `#[{writes}]`"),
                "split it: one function that reads, and one that writes",
                "a cached answer skips the body: the write would not happen",
            );
        }
    }
    suffices
}

/// Reads a text, or reports the rule that it breaks.
fn template(literal: &LitStr, purpose: Purpose, mistakes: &mut Mistakes) -> Option<Template> {
    match Template::parse(literal, purpose) {
        Ok(template) => Some(template),
        Err(Broken { rule, help, danger }) => {
            mistakes.at(literal, rule, help, danger);
            None
        }
    }
}

/// The expression that a placeholder stands for, or a mistake that names the nearest parameter.
fn placeholder(
    found: &Placeholder,
    literal: &LitStr,
    known: &[Ident],
    mistakes: &mut Mistakes,
) -> Option<Part> {
    let Some(binding) = known.iter().find(|binding| binding.unraw() == found.root) else {
        unknown_name(literal, &found.root, known, mistakes);
        return None;
    };
    let mut root = binding.clone();
    root.set_span(found.span.resolved_at(binding.span()));
    let mut expr: Expr = syn::parse_quote_spanned!(found.span=> #root);
    for field in &found.fields {
        let member = member(field, found)?;
        expr = syn::parse_quote_spanned!(found.span=> #expr.#member);
    }
    Some(Part {
        expr,
        names: Names::from([found.root.clone()]),
    })
}

fn member(field: &str, found: &Placeholder) -> Option<Member> {
    if let Ok(index) = field.parse::<u32>() {
        return Some(Member::Unnamed(syn::Index {
            index,
            span: found.span,
        }));
    }
    let mut name =
        syn::parse_str::<Ident>(field).unwrap_or_else(|_| Ident::new_raw(field, found.span));
    name.set_span(found.span);
    Some(Member::Named(name))
}

fn unknown_name(place: impl ToTokens, name: &str, known: &[Ident], mistakes: &mut Mistakes) {
    let help = nearest_of(name, known).unwrap_or_else(|| "the function has no parameters".into());
    mistakes.at(
        place,
        format!("`{name}` is not a parameter"),
        help,
        "what is not known here cannot tell two calls apart",
    );
}

/// What a name was probably meant to be; `None` when there are none.
fn nearest_of(name: &str, known: &[Ident]) -> Option<String> {
    let known: Vec<String> = known
        .iter()
        .map(|ident| ident.unraw().to_string())
        .collect();
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("the names are {}", known.join(", "))),
    }
}

/// `(expr)` and macro groups, taken off.
fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => unwrapped(&paren.expr),
        Expr::Group(group) => unwrapped(&group.expr),
        expr => expr,
    }
}

/// The name, when an expression is nothing but a name.
fn plain_name(expr: &Expr) -> Option<&Ident> {
    match unwrapped(expr) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// What a word of these means; `help` where it is like none of them.
fn one_of<T: Copy>(
    given: Option<&Given<Expr>>,
    words: &[(&str, T)],
    help: &str,
    danger: &str,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let Given {
        word: option,
        value,
    } = given?;
    let word = plain_name(value).map(ToString::to_string);
    let known = words.iter().find(|(name, _)| word.as_deref() == Some(name));
    if let Some((_, meaning)) = known {
        return Some(*meaning);
    }
    let names: Vec<_> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
    let near = word.and_then(|word| nearest(&word, words.iter().map(|(name, _)| *name)));
    mistakes.at(
        value,
        match names.split_last() {
            Some((last, others)) => format!("`{option}` is {} or {last}", others.join(", ")),
            None => format!("`{option}` takes a word"),
        },
        match near {
            Some(near) => format!("did you mean `{option} = {near}`?"),
            None => help.to_owned(),
        },
        danger,
    );
    None
}

/// The keyword of an item that is no function, for the error.
pub(crate) fn item_keyword(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ITEMS.iter().any(|item| ident == item) => Some(ident),
        _ => None,
    })
}

const ITEMS: [&str; 12] = [
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "mod",
    "const",
    "static",
    "type",
    "use",
    "macro_rules",
];

/// Reports an attribute on something that is no function.
pub(crate) fn not_a_function(keyword: &Ident, attribute: &str, mistakes: &mut Mistakes) {
    let (place, event, danger) = match attribute {
        "invalidates" => (
            "an async fn or a struct",
            ", or on a struct that is an event",
            "nothing here happens, so nothing would ever be cleared",
        ),
        _ => (
            "a function",
            "",
            "nothing here has an answer that could be kept or cleared",
        ),
    };
    let help = if keyword == "impl" || keyword == "trait" {
        format!("put `#[{attribute}(…)]` on each method that it is for")
    } else {
        format!("put `#[{attribute}(…)]` on an `async fn`{event}")
    };
    mistakes.at(
        keyword,
        format!("`#[{attribute}]` stands on {place}, not on `{keyword}`"),
        help,
        danger,
    );
}

fn is_closure_or_path(expr: &Expr) -> bool {
    !matches!(
        unwrapped(expr),
        Expr::Lit(_) | Expr::Array(_) | Expr::Tuple(_) | Expr::Binary(_) | Expr::Unary(_)
    )
}

fn names_in(names: &Names, known: &[Ident]) -> Names {
    known
        .iter()
        .map(|ident| ident.unraw().to_string())
        .filter(|name| names.contains(name))
        .collect()
}
