//! Whether the keys of a program fit together: what its functions and declarations say of their keys, and its `#[invalidates]` of their patterns.
//!
//! The compiler sees one function at a time. Its attributes leave what they say in statics, and the linker collects them.

use std::collections::BTreeMap;
use std::fmt;
use std::ptr;

use crate::key::meets;
use crate::site::Site;

/// What an attribute says of keys.
#[derive(Debug)]
pub enum Said {
    /// A function or a declaration has these.
    Keys(&'static Site),
    /// A function or an event makes those old that these name.
    Patterns {
        /// Its path.
        by: &'static str,
        /// `{}` in the place of a placeholder.
        patterns: &'static [&'static str],
    },
}

inventory::collect!(Said);

/// Looks for what does not fit among the keys of the whole program.
///
/// ```standalone_crate
/// # use cache_runtime::{cached, invalidates};
/// #[cached("agents", "1h")]
/// async fn agent(id: u64) -> Option<String> {
///     None
/// }
///
/// #[invalidates("agent:*")] // clears nothing
/// async fn rename(id: u64) {}
///
/// # fn main() {
/// let problems = cache_runtime::check_keys().unwrap_err();
/// assert!(problems.to_string().contains("did you mean `agents:*`?"));
/// # }
/// ```
///
/// In a program of your own it is one line of `main`, and of a test: `cache_runtime::check_keys().unwrap();`.
///
/// It sees every attribute that is compiled into the program, called or not: what stands under `#[cfg(test)]` is seen by tests alone. A test in `tests/` sees the
/// crates that it names: `use my_service as _;`. Patterns that are made at run time are not seen, nor keys that are only
/// made by hand; declare these ([`cache_keys!`](crate::cache_keys)), so that they are.
///
/// # Errors
/// - A pattern of `#[invalidates]`, on a function or on an event, that no key of any function or declaration can match.
/// - Two functions or declarations with the same keys that do not share a declaration.
pub fn check_keys() -> Result<(), KeyProblems> {
    check(inventory::iter::<Said>())
}

/// What does not fit among the keys of a program.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyProblems(Vec<KeyProblem>);

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyProblem {
    /// No key of any function or declaration can match this pattern.
    Unmatched {
        /// The path of the function, or of the event.
        by: &'static str,
        /// The pattern, with `{}` in the place of each placeholder.
        pattern: &'static str,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Two functions or declarations have the same keys, so that each would answer for the other: of two functions the one that is called
    /// later runs uncached.
    SameKeys {
        /// The key, with `{}` in the place of each value.
        template: &'static str,
        /// Their paths.
        both: [&'static str; 2],
    },
}

impl KeyProblems {
    /// All of them, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, KeyProblem> {
        self.0.iter()
    }
}

impl fmt::Display for KeyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys of this program do not fit:")?;
        self.iter()
            .try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmatched {
                by,
                pattern,
                nearest,
            } => {
                write!(f, "`{by}` clears `{pattern}`, and there are no such keys")?;
                match nearest {
                    Some(nearest) => write!(f, ": did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Self::SameKeys {
                template,
                both: [one, other],
            } => write!(
                f,
                "`{one}` and `{other}` have the same keys, `{template}`, and each would answer for the other"
            ),
        }
    }
}

/// Like [`Display`](fmt::Display): this is what `unwrap` shows.
impl fmt::Debug for KeyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for KeyProblems {}

/// The functions and declarations of this program that have keys, called or not.
pub(crate) fn sites() -> impl Iterator<Item = &'static Site> {
    inventory::iter::<Said>().filter_map(|said| match said {
        Said::Keys(site) => Some(*site),
        Said::Patterns { .. } => None,
    })
}

/// The check, of what is given to it.
fn check<'a>(said: impl IntoIterator<Item = &'a Said>) -> Result<(), KeyProblems> {
    let (mut sites, mut patterns) = (BTreeMap::<_, Vec<&'static Site>>::new(), Vec::new());
    for said in said {
        match said {
            Said::Keys(site) => sites.entry(site.template).or_default().push(*site),
            Said::Patterns {
                by,
                patterns: these,
            } => {
                patterns.extend(these.iter().map(|pattern| (*by, *pattern)));
            }
        }
    }
    let unmatched = patterns
        .into_iter()
        .filter(|(_, pattern)| !sites.keys().any(|template| meets(pattern, template)))
        .map(|(by, pattern)| KeyProblem::Unmatched {
            by,
            pattern,
            nearest: nearest(pattern, sites.keys()),
        });
    let same = sites.values().flat_map(|sites| same_keys(sites));
    let mut problems: Vec<_> = unmatched.chain(same).collect();
    // The linker knows no order.
    problems.sort();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(KeyProblems(problems)),
    }
}

/// What is wrong with those that have one template.
fn same_keys(sites: &[&'static Site]) -> Vec<KeyProblem> {
    let by_name = |site: &&'static Site| site.function;
    let mut owners: Vec<_> = sites.iter().map(|site| site.owner()).collect();
    owners.sort_by_key(by_name);
    owners.dedup_by(|one, other| ptr::eq(*one, *other));
    let apart = owners.iter().skip(1).map(|other| (owners[0], *other));
    let mut loaders = sites.to_vec();
    loaders.sort_by_key(by_name);
    let rivals = loaders.iter().enumerate().filter_map(|(at, other)| {
        let mut before = loaders[..at].iter();
        let rival = before.find(|one| one.rivals(other) && ptr::eq(one.owner(), other.owner()))?;
        Some((*rival, *other))
    });
    apart
        .chain(rivals)
        .map(|(one, other)| KeyProblem::SameKeys {
            template: one.template,
            both: [one.function, other.function],
        })
        .collect()
}

/// The pattern nearest to `pattern` that names keys, when it is near enough to be a slip of the hand.
fn nearest<'a>(
    pattern: &str,
    templates: impl IntoIterator<Item = &'a &'static str>,
) -> Option<String> {
    let slips = (pattern.chars().count() / 3).max(1);
    templates
        .into_iter()
        .map(|template| corrected(pattern, template))
        .map(|meant| (strsim::osa_distance(pattern, &meant), meant))
        .filter(|(steps, _)| *steps <= slips)
        .min()
        .map(|(_, meant)| meant)
}

/// `pattern` with what it would need to name keys of `template`.
fn corrected(pattern: &str, template: &str) -> String {
    let open = pattern.ends_with(":*");
    let mut given = pattern.split(':');
    let mut segments: Vec<&str> = template
        .split(':')
        .map_while(|segment| {
            let Some(given) = given.next() else {
                // One star stands for all that follow.
                return None;
            };
            Some(match (meets(given, segment), segment.contains("{}")) {
                (true, _) => given,
                (false, true) => "*",
                (false, false) => segment,
            })
        })
        .collect();
    if !open && template.split(':').count() > segments.len() {
        segments.push("*");
    }
    segments.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(said: &[Said]) -> String {
        check(said).map_or_else(|problems| problems.to_string(), |()| String::new())
    }

    fn keys(template: &'static str) -> Said {
        Said::Keys(Box::leak(Box::new(Site::new("app::read", template))))
    }

    fn patterns(patterns: &'static [&'static str]) -> Said {
        let by = "app::rename";
        Said::Patterns { by, patterns }
    }

    #[test]
    fn what_names_keys_is_no_problem() {
        let all = [
            keys("agents"),
            keys("agents:{}"),
            keys("agents:list:{}:{}"),
            keys("exec:v{}:{}"),
            patterns(&[
                "agents",
                "agents:7",
                "agents:*",
                "agents:{}",
                "agents:list:*",
                "agents:*:*:7",
                "agents:list:{}:*",
                "agents:li*:ws12*:*",
                "exec:*",
                "exec:v1:{}",
                "exec:v*:7",
                "exec:{}:7",
                "exec:*3:7",
            ]),
        ];
        assert_eq!(problems(&all), "");
    }

    #[test]
    fn a_pattern_that_names_nothing_is_told_with_what_was_meant() {
        for (pattern, meant) in [
            ("agent:*", Some("agents:*")),
            ("agents:list", Some("agents:lists:*")),
            ("agents:lists:{}", Some("agents:lists:{}:*")),
            ("agents:lists:{}:{}:{}", Some("agents:lists:{}:{}")),
            ("exec:dashbord:*:{}", Some("exec:dashboard:*:{}")),
            ("exec:dash*", Some("exec:dash*:*")),
            ("exec:x1:7", Some("exec:*:7")),
            ("whole:*", Some("whole")),
            ("sessions:*", None),
        ] {
            let pattern = [pattern].to_vec().leak();
            let all = [
                keys("agents:lists:{}:{}"),
                keys("exec:dashboard:{}:{}"),
                keys("exec:v{}:{}"),
                keys("whole"),
                patterns(pattern),
            ];
            let meant = meant.map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
            let told = format!(
                "the keys of this program do not fit:\n- `app::rename` clears `{}`, and there are no such keys{meant}",
                pattern[0]
            );
            assert_eq!(problems(&all), told);
        }
    }

    #[test]
    fn keys_that_are_not_shared_are_told() {
        static DECLARED: Site = Site::declaration("keys::agent", "agents:{}");
        static LOADER: Site = Site::sharing("app::agent", &DECLARED);
        static BATCH: Site = Site::batch_of("app::agents", &LOADER);
        static OTHER_LOADER: Site = Site::sharing("other::agent", &DECLARED);
        static APART: Site = Site::new("third::agent", "agents:{}");
        let with = |site| problems(&[&BATCH, &DECLARED, &LOADER, site].map(Said::Keys));
        assert_eq!(with(&BATCH), "");
        assert_eq!(
            with(&OTHER_LOADER),
            "the keys of this program do not fit:\n- `app::agent` and `other::agent` have the same keys, `agents:{}`, and each would answer for the other"
        );
        assert_eq!(
            with(&APART),
            "the keys of this program do not fit:\n- `keys::agent` and `third::agent` have the same keys, `agents:{}`, and each would answer for the other"
        );
    }
}
