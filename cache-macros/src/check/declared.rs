//! From the declarations of `cache_keys!` to models, or to all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use syn::ext::IdentExt;
use syn::{Expr, FnArg, Pat};

use super::{placeholder, policy, storage, template, time};
use crate::args::{Given, StorageArgs};
use crate::declaration::Declaration;
use crate::errors::Mistakes;
use crate::mentions::Names;
use crate::model::{Declared, Storage, Time};
use crate::spelling::nearest;
use crate::template::Purpose;

/// Checks everything; the models count only when no mistake was found.
pub(crate) fn check(given: Vec<Declaration>, mistakes: &mut Mistakes) -> Vec<Declared> {
    let (mut names, mut templates) = (BTreeSet::new(), BTreeMap::new());
    let mut declared = Vec::new();
    for declaration in given {
        let literal = declaration.template.clone();
        let one = declare(declaration, mistakes);
        let ident = &one.function.sig.ident;
        if !names.insert(ident.unraw().to_string()) {
            mistakes.at(
                ident,
                format!("`{ident}` is declared twice"),
                "give one of them another name",
                "which of them a name stands for would not be seen",
            );
            continue;
        }
        let before = templates.insert(one.template.clone(), ident.clone());
        if let Some(other) = before.filter(|_| !one.template.is_empty()) {
            mistakes.at(
                literal,
                format!("`{other}` has these keys already"),
                format!("change the text, or use `{other}` here too"),
                "two kinds of values under one key would replace each other for ever",
            );
        }
        declared.push(one);
    }
    declared
}

fn declare(given: Declaration, mistakes: &mut Mistakes) -> Declared {
    let Declaration {
        function,
        template: literal,
        options,
        runtime,
    } = given;
    plain_parameters(&function.sig.inputs, mistakes);
    let known = function.bindings();
    let (mut text, mut parts, mut used, mut broken) =
        (String::new(), Vec::new(), Names::new(), false);
    match template(&literal, Purpose::Declared, mistakes) {
        Some(template) => {
            text = template.text();
            for found in template.placeholders() {
                used.insert(found.root.clone());
                match placeholder(found, &literal, &known, mistakes) {
                    Some(part) => parts.push(part),
                    None => broken = true,
                }
            }
        }
        None => broken = true,
    }
    for binding in &known {
        let name = binding.unraw().to_string();
        if !broken && !used.contains(&name) {
            mistakes.at(
                binding,
                format!("`{name}` is not in the key"),
                format!("put it into the text, `{{{name}}}`, or take it away"),
                format!("two values that differ only in `{name}` would share one key"),
            );
        }
    }
    let policy = policy(options, &function.sig.ident, mistakes);
    Declared {
        function,
        runtime,
        template: text,
        parts,
        ttl: policy.ttl,
        version: policy.version,
        storage: policy.storage,
    }
}

fn plain_parameters<'a>(inputs: impl IntoIterator<Item = &'a FnArg>, mistakes: &mut Mistakes) {
    for input in inputs {
        let is_name = matches!(input, FnArg::Typed(typed) if matches!(&*typed.pat, Pat::Ident(_)));
        if !is_name {
            mistakes.at(
                input,
                "a key is made of names with types",
                "write `agent_id: Uuid`",
                "the text could not name what it is made of",
            );
        }
    }
}

struct Policy {
    ttl: Time,
    version: Option<u16>,
    storage: Storage,
}

const KNOWN: [&str; 8] = [
    "ttl", "version", "codec", "compress", "encrypt", "sign", "max_size", "crate",
];

fn policy(options: Vec<Given<Expr>>, name: &proc_macro2::Ident, mistakes: &mut Mistakes) -> Policy {
    let (mut ttl, mut version, mut stored) = (None, None, StorageArgs::default());
    // A word that was probably meant to be the ttl: it is not reported as missing too.
    let mut is_meant = false;
    for option in options {
        let word = option.word.clone();
        let slot = match word.to_string().as_str() {
            "ttl" => Some(&mut ttl),
            "version" => Some(&mut version),
            other => stored.slot(other),
        };
        let Some(slot) = slot else {
            let near = nearest(&word.to_string(), KNOWN);
            is_meant |= near == Some("ttl");
            mistakes.at(
                &word,
                format!("`{word}` is not an option of a key"),
                match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "the options are {}; what else there is belongs to the function: `#[cached(keys::{name}(…), {word} = …)]`",
                        KNOWN.join(", ")
                    ),
                },
                "passed over in silence, it would leave another policy than the one written",
            );
            continue;
        };
        if slot.is_some() {
            mistakes.at(
                &word,
                format!("`{word}` is given twice"),
                "keep one of them",
                "which one counts would depend on their order",
            );
        } else {
            *slot = Some(option);
        }
    }
    if ttl.is_none() && !is_meant {
        mistakes.at(
            name,
            format!("`{name}` has no ttl"),
            "say how long its values are kept: `ttl = ttl::MEDIUM`, or `ttl = \"5m\"`",
            "a key without one of its own would be kept for as long as each cache happens to be configured",
        );
    }
    Policy {
        ttl: time::given(ttl.as_ref(), &time::DECLARED, mistakes),
        version: policy::version(version.as_ref(), mistakes),
        storage: storage::check(&stored, mistakes),
    }
}
