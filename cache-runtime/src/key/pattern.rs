//! Patterns of keys: what they match, and what an invalidation of one costs.

use std::fmt;

use super::{DEEPEST, Key, KeyPart, fill, shows_itself};

/// What an invalidation names: one key, or all keys that agree with it.
///
/// `*` as a whole segment stands for exactly one segment, and at the end for everything that follows. Both cost one write,
/// however many keys there are. A `*` inside a segment (`ws12*`) makes the invalidation walk through all keys of the cache.
///
/// A pattern may invalidate more than it names, never less: one that fixes segments far apart in long keys is widened.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    pub(super) text: String,
}

/// The kinds of pattern, by what an invalidation costs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach<'a> {
    /// One key.
    Exact,
    /// Whole segments: the domain, what stands at each position after it (`None` for `*`), and whether more may follow.
    Scope {
        domain: &'a str,
        positions: Vec<Option<&'a str>>,
        open: bool,
    },
    /// A `*` inside a segment.
    Partial,
}

impl Pattern {
    /// Reads a pattern that was written by a person, such as `tasks:*` or `agent:*:7:*`.
    ///
    /// Literal segments are taken as they stand in Redis; a value that contains anything beyond letters, digits and
    /// `-_.@/+~` must be given percent-encoded, as `redis-cli` shows it.
    ///
    /// # Errors
    /// A pattern that could match no key, or that begins with a wildcard.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let wrong = |reason| {
            Err(PatternError {
                pattern: text.to_owned(),
                reason,
            })
        };
        let segments: Vec<&str> = text.split(':').collect();
        if segments[0].contains(['*', '%']) {
            return wrong(
                "it must begin with a literal segment: the first segment chooses the domain whose keys are meant",
            );
        }
        if segments.iter().any(|segment| segment.is_empty()) {
            return wrong("it has an empty segment, which no key has");
        }
        if segments.len() > DEEPEST + 1 {
            return wrong("it has more than 8 segments after the first, which no key has");
        }
        if segments.iter().any(|segment| segment.contains("**")) {
            return wrong(
                "`**` is not a wildcard; a `*` at the end stands for everything that follows",
            );
        }
        let stands = |c: char| ":*%(),='".contains(c) || shows_itself(c);
        if !text.chars().all(stands) || !text.split('%').skip(1).all(is_escape) {
            return wrong(
                "it has a character that keys hold percent-encoded, so that it would match nothing",
            );
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A value that refuses to be serialized becomes `*`: too much is invalidated rather than too little.
    pub(crate) fn of(template: &str, parts: &[Option<&dyn KeyPart>]) -> Self {
        let mut any = Vec::new();
        let text = fill(template, parts, |part, out| {
            let known = part.is_some_and(|part| part.write(out).is_ok());
            if !known {
                any.push(out.matches(':').count());
                out.push('*');
            }
        });
        if any.is_empty() {
            return Self { text };
        }
        // Literal text round an unknown value (`v{}`) goes with it.
        let segments = text.split(':').enumerate();
        let text = segments
            .map(|(at, segment)| if any.contains(&at) { "*" } else { segment })
            .collect::<Vec<_>>()
            .join(":");
        // A `*` at the end would also reach longer keys, which is more than was asked and does no harm.
        Self { text }
    }

    /// All keys under `key`, but for itself.
    pub(crate) fn below(key: &Key) -> Self {
        Self {
            text: format!("{}:*", key.as_str()),
        }
    }

    /// All keys of a domain, but for the bare domain itself.
    pub(crate) fn domain(domain: &str) -> Self {
        Self {
            text: format!("{domain}:*"),
        }
    }

    /// Whether `key` is meant, segment by segment.
    pub(crate) fn matches(&self, key: &str) -> bool {
        let open = self.is_open();
        let mut segments = key.split(':');
        let fits = self.text.split(':').all(|pattern| {
            segments
                .next()
                .is_some_and(|segment| covers(pattern, segment))
        });
        fits && (open || segments.next().is_none())
    }

    /// Whether all that `other` can name is meant here too.
    #[cfg(feature = "http")]
    pub(crate) fn includes(&self, other: &Self) -> bool {
        // A star of `other` is a character that only a star covers.
        self.matches(&other.text) && (self.is_open() || !other.is_open())
    }

    /// Whether there may be a key that both name.
    #[cfg(feature = "http")]
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (mut these, mut others) = (self.text.split(':'), other.text.split(':'));
        loop {
            let fits = match (these.next(), others.next()) {
                (None, None) => return true,
                (Some(this), Some(other)) => overlaps(this, other),
                (Some(_), None) => other.is_open(),
                (None, Some(_)) => self.is_open(),
            };
            if !fits {
                return false;
            }
        }
    }

    /// Whether it names keys of any length.
    fn is_open(&self) -> bool {
        self.text.ends_with(":*")
    }

    pub(crate) fn reach(&self) -> Reach<'_> {
        if !self.text.contains('*') {
            return Reach::Exact;
        }
        let mut segments = self.text.split(':');
        let domain = segments.next().unwrap_or_default();
        let mut positions: Vec<_> = segments
            .map(|segment| (segment != "*").then_some(segment))
            .collect();
        if positions
            .iter()
            .flatten()
            .any(|segment| segment.contains('*'))
            || domain.contains('*')
        {
            return Reach::Partial;
        }
        let open = positions.last() == Some(&None);
        if open {
            positions.pop();
        }
        Reach::Scope {
            domain,
            positions,
            open,
        }
    }
}

/// Whether a segment can be one of a key: the names of this cache itself, such as `%gen`, begin with letters that no word of the encoder begins with.
pub(crate) fn is_of_key(segment: &str) -> bool {
    segment.strip_prefix('%').is_none_or(is_escape)
}

/// Whether a key may hold this behind a `%`: two upper-case digits, or one of the encoder's own words, such as `%none`.
fn is_escape(rest: &str) -> bool {
    match rest.as_bytes() {
        [a, b, ..] if a.is_ascii_digit() || a.is_ascii_uppercase() => {
            let digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F');
            digit(a) && digit(b)
        }
        [a, ..] => b"ensuxh".contains(a),
        [] => false,
    }
}

/// Whether the `*` of `pattern` can be filled so that it reads `segment`.
fn covers(pattern: &str, segment: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == segment;
    };
    let Some(mut left) = segment.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let Some(tail) = pieces.pop() else {
        return false;
    };
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.len() >= tail.len() && left.ends_with(tail)
}

/// Whether `pattern`, as it stands in `#[invalidates]`, may name a key that `template` makes: `{}` stands for any value in both.
pub(crate) fn meets(pattern: &str, template: &str) -> bool {
    let open = pattern.ends_with(":*");
    let mut segments = template.split(':');
    let fits = pattern.split(':').all(|pattern| {
        segments.next().is_some_and(|segment| {
            overlaps(&pattern.replace("{}", "*"), &segment.replace("{}", "*"))
        })
    });
    fits && (open || segments.next().is_none())
}

/// Whether there is a text that both describe.
fn overlaps(one: &str, other: &str) -> bool {
    let ends = |text: &str| {
        let (head, rest) = text.split_once('*')?;
        Some((
            head.to_owned(),
            rest.rsplit('*').next().unwrap_or_default().to_owned(),
        ))
    };
    match (ends(one), ends(other)) {
        (None, _) => covers(other, one),
        (_, None) => covers(one, other),
        // What one demands in its middle, the star of the other takes.
        (Some((head, tail)), Some((other_head, other_tail))) => {
            (head.starts_with(&other_head) || other_head.starts_with(&head))
                && (tail.ends_with(&other_tail) || other_tail.ends_with(&tail))
        }
    }
}

/// Why a text is not a [`Pattern`], or not a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

impl PatternError {
    /// A pattern where a single key is meant.
    pub(super) fn of_key(text: &str) -> Self {
        Self {
            pattern: text.to_owned(),
            reason: "it has a wildcard, and a single key is meant",
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names no keys: {}",
            self.pattern.escape_debug(),
            self.reason
        )
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reaches_what_it_says() {
        let reach = |text| format!("{:?}", Pattern::parse(text).expect(text).reach());
        assert_eq!(reach("tasks"), "Exact");
        assert_eq!(reach("tasks:7"), "Exact");
        assert_eq!(
            reach("tasks:*"),
            r#"Scope { domain: "tasks", positions: [], open: true }"#
        );
        assert_eq!(
            reach("a:*:7"),
            r#"Scope { domain: "a", positions: [None, Some("7")], open: false }"#
        );
        assert_eq!(
            reach("a:*:7:*"),
            r#"Scope { domain: "a", positions: [None, Some("7")], open: true }"#
        );
        assert_eq!(reach("a:ws12*"), "Partial");
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for text in [
            "",
            "*",
            "*:a",
            "a*:b",
            "a::b",
            ":a",
            "a:",
            "a:**",
            "a:b c",
            "a:{b}",
            "a:?",
            "a:b%3ac",
            "a:%zz",
            "a:b%",
            "a:\u{200b}",
            "a:b:c:d:e:f:g:h:i:j",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_segment_by_segment() {
        let matches =
            |pattern: &str, key: &str| Pattern::parse(pattern).expect("a pattern").matches(key);
        assert!(
            matches("a:ws12*", "a:ws123")
                && !matches("a:ws12*", "a:ws1")
                && !matches("a:ws12*", "a:ws12:x")
        );
        assert!(matches("a:ws12*:*", "a:ws123:x:y") && !matches("a:ws12*:*", "a:ws123"));
        assert!(
            matches("a:*b*d", "a:abcd")
                && matches("a:*b*d", "a:bd")
                && !matches("a:*b*bd", "a:abd")
        );
        assert!(matches("a:*:c", "a:b:c") && !matches("a:*:c", "a:b:b:c"));
    }

    /// All keys over a small alphabet: the specification of what patterns have in common.
    #[cfg(feature = "http")]
    #[test]
    fn patterns_are_compared_as_the_keys_that_they_name() {
        fn all(longest: usize, segments: &[&str]) -> Vec<String> {
            let mut all = vec!["d".to_owned()];
            for from in 0..longest {
                let longest = all.iter().filter(|one| one.matches(':').count() == from);
                let longer: Vec<_> = longest
                    .flat_map(|one| {
                        segments
                            .iter()
                            .map(move |segment| format!("{one}:{segment}"))
                    })
                    .collect();
                all.extend(longer);
            }
            all
        }
        let keys = all(3, &["a", "b", "aa", "ab", "ba", "aba"]);
        for one in all(2, &["a", "*", "a*", "*a"]) {
            for other in all(2, &["a", "*", "ab", "*b", "a*a"]) {
                let [one, other] = [&one, &other].map(|text| Pattern::parse(text).expect(text));
                let mut named = keys.iter().filter(|key| other.matches(key)).peekable();
                assert!(named.peek().is_some());
                assert_eq!(
                    one.meets(&other),
                    named.clone().any(|key| one.matches(key)),
                    "{one} meets {other}"
                );
                // What is open names longer keys than are tried here.
                let included =
                    named.all(|key| one.matches(key)) && (one.is_open() || !other.is_open());
                assert_eq!(one.includes(&other), included, "{one} includes {other}");
            }
        }
    }
}
