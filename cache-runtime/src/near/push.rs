//! What is pushed to the near caches of a fleet: a number, and what was made old.
//!
//! ```text
//! 17 ["=exec:dashboard:ws12","*exec:*:ws12","#workspace:ws12"]
//! ```
//!
//! The numbers rise by one from push to push. `0`, a gap, and anything that cannot be read mean that something was missed.

use super::Near;
use crate::key::{Pattern, Tag, Target};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Targets that are named one by one; more of them make everything old.
const MOST: usize = 1000;

const ALL_TAGS: &str = "#";
const EVERYTHING: &str = "!";

/// What is pushed behind its number.
pub(crate) fn encode(targets: &[Target]) -> String {
    let names: Vec<String> = if targets.len() > MOST || targets.contains(&Target::All) {
        vec![EVERYTHING.to_owned()]
    } else {
        targets.iter().map(name).collect()
    };
    serde_json::to_string(&names).unwrap_or_default()
}

fn name(target: &Target) -> String {
    match target {
        Target::Pattern(pattern) if pattern.as_str().contains('*') => format!("*{pattern}"),
        Target::Pattern(key) => format!("={key}"),
        Target::Tag(tag) => format!("#{tag}"),
        Target::Tags => ALL_TAGS.to_owned(),
        Target::All => EVERYTHING.to_owned(),
    }
}

/// Everything, and nothing is known of its number.
pub(crate) fn everything() -> String {
    format!("0 [\"{EVERYTHING}\"]")
}

/// `None` when it is not a push, or names everything.
pub(crate) fn decode(push: &[u8]) -> Option<(u64, Vec<Target>)> {
    let text = std::str::from_utf8(push).ok()?;
    let (number, names) = text.split_once(' ')?;
    let names: Vec<String> = serde_json::from_str(names).ok()?;
    let targets = names.iter().map(|name| {
        Some(match (name.as_str(), name.split_at_checked(1)?) {
            (ALL_TAGS, _) => Target::Tags,
            (_, ("#", tag)) => Tag::new(tag, []).into(),
            (_, ("=" | "*", pattern)) => Pattern::parse(pattern).ok()?.into(),
            _ => return None,
        })
    });
    Some((number.parse().ok()?, targets.collect::<Option<_>>()?))
}

impl Near {
    /// Applies a push; `last` is the number of the one before it on the same connection, 0 before the first.
    pub(crate) fn hear(&self, push: &[u8], last: &AtomicU64) {
        let Some((number, targets)) = decode(push) else {
            last.store(0, Ordering::Release);
            return self.reset();
        };
        let before = last.swap(number, Ordering::AcqRel);
        if number == 0 || before != 0 && before + 1 != number {
            return self.reset();
        }
        self.outdate(&targets);
        self.feed.tell(&targets);
    }
}
