//! Whether every parameter is accounted for.

use syn::ext::IdentExt;

use super::{Key, guess, plain_name};
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, Piece, last_segment};
use crate::mentions::{self, Names};
use crate::spelling::nearest;

/// Names that decide whether and where to look, rather than what the answer is.
pub(super) struct Elsewhere(Names);

impl Elsewhere {
    /// What `cache` mentions, and the flags that `skip_cache` mentions. Anything else there decides what the answer is, too:
    /// `skip_cache = user.admin` does not make all users one.
    pub(super) fn read(args: &CachedArgs, function: &Function) -> Self {
        let cache = args.cache.as_ref().and_then(|given| given.value.as_ref());
        let mut names = cache.map(mentions::of_expr).unwrap_or_default();
        if let Some(given) = &args.skip_cache {
            let skip_cache = mentions::of_expr(&given.value);
            let flags = function
                .pieces()
                .filter(|piece| is_flag(piece))
                .flat_map(|piece| &piece.bindings)
                .map(|binding| binding.unraw().to_string());
            names.extend(flags.filter(|name| skip_cache.contains(name)));
        }
        Self(names)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn is_flag(piece: &Piece) -> bool {
    last_segment(&piece.ty).is_some_and(|segment| segment.ident == "bool")
}

impl Key {
    /// The most important rule: whatever may change the answer is in the key, or left out on purpose.
    pub(super) fn check_forgotten(
        &mut self,
        args: &CachedArgs,
        function: &Function,
        elsewhere: &Elsewhere,
        skipped: &Names,
        mistakes: &mut Mistakes,
    ) {
        let mut forgotten = Names::new();
        for binding in function.bindings() {
            let name = binding.unraw().to_string();
            if self.names.contains(&name) || skipped.contains(&name) || elsewhere.contains(&name) {
                continue;
            }
            if name == "self" {
                mistakes.at(
                    &binding,
                    "`self` is not in the key",
                    "when every instance gives the same answer: `skip(self)`; else name what differs: `key = (self.tenant_id, …)`",
                    "two instances would share one answer: one tenant is shown another's data",
                );
            } else {
                mistakes.at(
                    &binding,
                    format!("`{name}` is not in the key"),
                    match &args.shared {
                        Some(_) => format!("declare a key that has it; or, when it cannot change the answer: `#[skip] {name}`"),
                        None => format!("add it: `key = ({}{name})`; or, when it cannot change the answer: `#[skip] {name}`", args.key.as_ref().map_or("", |_| "…, ")),
                    },
                    format!("two calls that differ only in `{name}` would share one answer: one user is shown another's data"),
                );
            }
            forgotten.insert(name);
        }
        self.names
            .extend(self.misspelled(&forgotten, &guess(function, elsewhere, skipped)));
    }

    /// The forgotten parameters that a name in the key was probably meant to be; all of `parameters` for a name that is like
    /// none of them.
    fn misspelled(&self, forgotten: &Names, parameters: &Names) -> Names {
        let mut meant = Names::new();
        for part in &self.parts {
            for name in part.names.difference(&self.names) {
                let near = nearest(name, forgotten.iter().map(String::as_str));
                if let Some(near) = near.filter(|near| *near != "self") {
                    meant.insert(near.to_owned());
                } else if !forgotten.is_empty()
                    && plain_name(&part.expr).is_some()
                    && name.starts_with(char::is_lowercase)
                {
                    return parameters.clone();
                }
            }
        }
        meant
    }
}
