//! Segment generations: how one write makes any number of answers old (promise P1).
//!
//! Redis holds one hash of *generations* for each domain. Each field stands for a *scope*, a choice of fixed segments, and
//! its value is a random number that an invalidation replaces. A reader takes the generations of all scopes that its key lies
//! in, and an answer is current only when it carries the *stamp*, the hash of what was read. The hash has a *root* field, which covers
//! the whole domain and is set anew when it is missing, so that an evicted hash makes answers old and never new.
//!
//! Two colliding fields would invalidate more than was meant, never less; hence 64 bits suffice for them.

mod counters;

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

pub(crate) use self::counters::Counters;
use crate::key::Reach;

/// What every answer stored under a key depends on: the hash of its generations and of the server's incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp(pub(crate) u128);

/// Collects generations, in the order in which they are read, into a stamp.
#[derive(Debug, Default)]
pub(crate) struct Stamping(Vec<u8>);

impl Stamping {
    /// `incarnation` names the run of the server that answered: after a restart or a failover every answer is old, since the
    /// server may have come back with a past in which an invalidation had not happened yet.
    pub(crate) fn new(incarnation: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(incarnation);
        Self(bytes)
    }

    /// One generation; an absent one is empty.
    pub(crate) fn add(&mut self, generation: &[u8]) {
        self.0.push(generation.len() as u8);
        self.0.extend_from_slice(generation);
    }

    pub(crate) fn finish(self) -> Stamp {
        Stamp(xxh3_128(&self.0))
    }
}

/// A scope: the field of the domain's hash that stands for a choice of fixed segments. [`ROOT`] covers the whole domain.
pub(crate) type Field = u64;

/// The scope without any fixed segment.
pub(crate) const ROOT: Field = 0;

/// The first segment of `key`.
pub(crate) fn domain(key: &str) -> &str {
    // Short: a search of bytes is faster than a search of text.
    let end = key.bytes().position(|byte| byte == b':');
    &key[..end.unwrap_or(key.len())]
}

/// The scopes that `key` lies in, but for the root and for the key itself.
///
/// With up to three segments after the domain these are all choices of them; beyond that the leading segments, each alone,
/// and the leading ones with one more, which keeps a read to at most 36 fields.
pub(crate) fn scopes(key: &str) -> Vec<Field> {
    let depth = key.bytes().filter(|byte| *byte == b':').count();
    if depth < 2 {
        return Vec::new();
    }
    let segments: Vec<&str> = key.split(':').skip(1).collect();
    (1..mask_of(depth))
        .filter(|mask| is_read(*mask, depth))
        .map(|mask| field(mask, |at| segments[at]))
        .collect()
}

/// The scope that an invalidation of `reach` writes; `None` where there is no such scope.
pub(crate) fn scope_of(reach: &Reach<'_>) -> Option<Field> {
    let Reach::Scope {
        positions, open, ..
    } = reach
    else {
        return None;
    };
    let fixed = positions
        .iter()
        .enumerate()
        .filter(|(_, segment)| segment.is_some())
        .fold(0, |mask, (at, _)| mask | 1 << at);
    // The shortest key that the pattern can mean decides which scopes its readers read.
    let depth = positions.len() + usize::from(*open);
    let mask = widened(fixed, depth);
    Some(if mask == 0 {
        ROOT
    } else {
        field(mask, |at| positions[at].unwrap_or_default())
    })
}

const fn mask_of(depth: usize) -> u16 {
    (1 << depth) - 1
}

/// Whether keys with `depth` segments after the domain read the scope that fixes `mask`.
fn is_read(mask: u16, depth: usize) -> bool {
    depth <= 3 || beyond_leading(mask).count_ones() <= 1
}

/// What `mask` fixes beyond its unbroken run of leading segments.
fn beyond_leading(mask: u16) -> u16 {
    mask & !mask_of(mask.trailing_ones() as usize)
}

/// The largest part of `mask` that is read by every key of at least `depth` segments.
fn widened(mask: u16, depth: usize) -> u16 {
    if is_read(mask, depth) {
        return mask;
    }
    let rest = beyond_leading(mask);
    let last = 1 << (u16::BITS - 1 - rest.leading_zeros());
    mask & !rest | last
}

fn field<'a>(mask: u16, segment: impl Fn(usize) -> &'a str) -> Field {
    let mut hash = Xxh3::new();
    hash.update(&mask.to_le_bytes());
    for at in (0..16).filter(|at| mask & 1 << at != 0) {
        let text = segment(at);
        hash.update(&(text.len() as u32).to_le_bytes());
        hash.update(text.as_bytes());
    }
    match hash.digest() {
        ROOT => 1,
        field => field,
    }
}

/// The scope of a tag, in the domain of tags.
pub(crate) fn scope_of_tag(tag: &str) -> Field {
    match xxh3_64(tag.as_bytes()) {
        ROOT => 1,
        field => field,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Pattern;

    fn parse(text: &str) -> Pattern {
        Pattern::parse(text).expect("a pattern")
    }

    /// What a pattern says, segment by segment: the specification that scopes must cover.
    fn matches(pattern: &str, key: &str) -> bool {
        let (pattern, key): (Vec<&str>, Vec<&str>) =
            (pattern.split(':').collect(), key.split(':').collect());
        let fits = |(p, k): (&&str, &&str)| *p == "*" || p == k;
        let open = pattern.last() == Some(&"*");
        let lengths = if open {
            key.len() >= pattern.len()
        } else {
            key.len() == pattern.len()
        };
        lengths && pattern.iter().zip(&key).all(fits)
    }

    #[test]
    fn a_key_reads_few_scopes() {
        assert_eq!(scopes("tasks").len(), 0);
        assert_eq!(scopes("tasks:7").len(), 0);
        assert_eq!(scopes("exec:dashboard:ws1:7d").len(), 6);
        assert_eq!(scopes("d:1:2:3:4").len(), 9);
        assert_eq!(scopes("d:1:2:3:4:5:6:7:8").len(), 35);
    }

    #[test]
    fn the_bound_of_a_pattern_is_one_field() {
        assert_eq!(scope_of(&parse("tasks:*").reach()), Some(ROOT));
        assert_eq!(scope_of(&parse("tasks:7").reach()), None);
        assert!(
            scopes("agent:run:7:x")
                .contains(&scope_of(&parse("agent:*:7:*").reach()).expect("a scope"))
        );
        assert!(
            !scopes("agent:7:run:x")
                .contains(&scope_of(&parse("agent:*:7:*").reach()).expect("a scope"))
        );
    }

    proptest! {
        /// Every key that a pattern names reads the scope that its invalidation writes.
        #[test]
        fn no_named_key_is_missed(
            key in prop::collection::vec("[abc]", 0..=8),
            holes in prop::collection::vec(any::<bool>(), 8),
            length in 0_usize..=8,
            open in any::<bool>(),
        ) {
            let length = length.min(key.len());
            let mut pattern = vec!["d".to_owned()];
            pattern.extend(key.iter().zip(&holes).take(length).map(|(segment, hole)| if *hole { "*".to_owned() } else { segment.clone() }));
            if open && pattern.len() <= 8 {
                pattern.push("*".to_owned());
            }
            let pattern = pattern.join(":");
            let key = std::iter::once("d".to_owned()).chain(key).collect::<Vec<_>>().join(":");
            let pattern_parsed = parse(&pattern);
            let reach = pattern_parsed.reach();
            if matches(&pattern, &key) && reach != Reach::Exact {
                let scope = scope_of(&reach).expect("a scope");
                prop_assert!(scope == ROOT || scopes(&key).contains(&scope), "{} misses {}", pattern, key);
            }
        }

        /// With up to three segments a pattern reaches exactly what it names.
        #[test]
        fn short_keys_are_not_swept_along(key in prop::collection::vec("[ab]", 3), pattern in prop::collection::vec("[ab*]", 3)) {
            let key = format!("d:{}", key.join(":"));
            let text = format!("d:{}", pattern.join(":"));
            let parsed = parse(&text);
            if let Some(scope) = scope_of(&parsed.reach()) {
                prop_assert_eq!(scope == ROOT || scopes(&key).contains(&scope), matches(&text, &key));
            }
        }
    }
}
