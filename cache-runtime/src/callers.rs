//! In whose name handles are used, and what was invalidated in it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::observe::{CallerStats, Counter};
use crate::sync::{Mutex, lock};

/// Names that are counted apart.
const MOST: usize = 1_000;
/// Characters of a name.
const LONGEST: usize = 100;

/// Those that a cache has met, by name.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    named: Mutex<HashMap<Arc<str>, Arc<Counts>>>,
    /// Of all names past the first thousand.
    others: Arc<Counts>,
}

/// In whose name a handle is used.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: Arc<str>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) invalidations: Counter,
    pub(crate) limited: Counter,
}

impl Callers {
    pub(crate) fn caller(&self, name: &str) -> Caller {
        let name: Arc<str> = name.chars().take(LONGEST).collect::<String>().into();
        let mut named = lock(&self.named);
        let counts = if named.contains_key(&name) || named.len() < MOST {
            named.entry(name.clone()).or_default()
        } else {
            &self.others
        };
        let counts = counts.clone();
        Caller { name, counts }
    }

    /// By name, and the others last.
    pub(crate) fn stats(&self) -> Vec<CallerStats> {
        let stats = |name: Option<&Arc<str>>, counts: &Counts| CallerStats {
            name: name.map(|name| name.to_string()),
            invalidations: counts.invalidations.count(),
            limited: counts.limited.count(),
        };
        let named = lock(&self.named);
        let mut all: Vec<_> = named
            .iter()
            .map(|(name, counts)| stats(Some(name), counts))
            .collect();
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let others = stats(None, &self.others);
        if others.invalidations + others.limited > 0 {
            all.push(others);
        }
        all
    }
}
