//! What a queue of writes is made of, and the queue of a process without Redis.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Entries that could not be read which are kept.
pub(crate) const MOST_DEAD: usize = 1_000;

/// How writes of one key are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sum,
    Last,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Last => "last",
        }
    }
}

/// An entry's place in its queue: milliseconds, and a number within them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u64, pub(crate) u64);

impl Id {
    pub(crate) fn parse(text: &str) -> Self {
        let (time, number) = text.split_once('-').unwrap_or((text, "0"));
        Self(
            time.parse().unwrap_or_default(),
            number.parse().unwrap_or_default(),
        )
    }

    pub(crate) fn in_redis(self) -> String {
        format!("{}-{}", self.0, self.1)
    }
}

/// Of one width, so that text compares as the ids do.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:020}", self.0, self.1)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Depth {
    pub(crate) waiting: u64,
    pub(crate) oldest: Option<Duration>,
    pub(crate) first: Option<Id>,
    pub(crate) last: Option<Id>,
}

/// A queue in this process; it is lost with it.
#[derive(Debug, Default)]
pub(crate) struct Local {
    entries: VecDeque<(Instant, Entry)>,
    /// How many at the front were taken and not settled.
    taken: usize,
    last: Id,
    lease: Option<(u64, Instant)>,
}

impl Local {
    pub(crate) fn enqueue(&mut self, capacity: usize, key: &[u8], value: &[u8]) -> bool {
        if self.entries.len() >= capacity {
            return false;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_millis() as u64);
        let next = Id(self.last.0, self.last.1 + 1);
        self.last = next.max(Id(now, 0));
        let (id, key, value) = (self.last, key.to_vec(), value.to_vec());
        self.entries
            .push_back((Instant::now(), Entry { id, key, value }));
        true
    }

    pub(crate) fn take(&mut self, token: u64, life: Duration, most: usize) -> Option<Vec<Entry>> {
        if self
            .lease
            .is_some_and(|(holder, till)| holder != token && till > Instant::now())
        {
            return None;
        }
        self.lease = Some((token, Instant::now() + life));
        if self.taken == 0 {
            self.taken = most.min(self.entries.len());
        }
        let taken = self.entries.iter().take(self.taken);
        Some(taken.map(|(_, entry)| entry.clone()).collect())
    }

    pub(crate) fn settle(&mut self, token: u64, life: Duration, done: &[Id]) -> bool {
        if self.lease.is_none_or(|(holder, _)| holder != token) {
            return false;
        }
        self.lease = (!life.is_zero()).then(|| (token, Instant::now() + life));
        let before = self.entries.len();
        self.entries.retain(|(_, entry)| !done.contains(&entry.id));
        self.taken -= self.taken.min(before - self.entries.len());
        true
    }

    pub(crate) fn pending(&self, kind: Kind, key: &[u8]) -> Option<Vec<u8>> {
        let mut of_key = self
            .entries
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| entry.key == key);
        match kind {
            Kind::Last => of_key.next_back().map(|entry| entry.value.clone()),
            Kind::Sum => {
                let mut of_key = of_key.peekable();
                of_key.peek()?;
                let sum = of_key.fold(0, |sum: i64, entry| {
                    sum.saturating_add(number(&entry.value).unwrap_or(0))
                });
                Some(sum.to_string().into_bytes())
            }
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        Depth {
            waiting: self.entries.len() as u64,
            oldest: self.entries.front().map(|(since, _)| since.elapsed()),
            first: self.entries.front().map(|(_, entry)| entry.id),
            last: self.entries.back().map(|(_, entry)| entry.id),
        }
    }
}

/// The queues of a process, by name.
pub(crate) type Locals = HashMap<String, Local>;

pub(crate) fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
