//! What becomes of stored answers, by a sample of keys that their hashes choose: whatever a key does, it is followed or not, so that the shares hold for
//! all answers.
//!
//! When there are too many for the table half of them are followed no more, and when there are few again twice as many are. This is the adaptive
//! sampling of M. Wegman (P. Flajolet, "On adaptive sampling", Computing 43, 1990).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// Answers that are followed at one time.
const MOST: usize = 256;
/// So many bits tell that a followed answer waits for its first hit: few others share one.
const BITS: usize = 1 << 14;

/// The sample of one function's answers.
#[derive(Debug)]
pub(crate) struct Followed {
    /// By hash. A hit that finds its bit clear has nothing to tell, and takes no lock.
    waiting: Box<[AtomicU64]>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// One key in 2^thinned is followed.
    thinned: u32,
    /// By the key's hash.
    answers: HashMap<u64, Answer>,
    fates: Fates,
}

#[derive(Debug)]
struct Answer {
    content: u64,
    hit: bool,
    /// Whether its end was counted.
    ended: bool,
    /// When it is past its ttl, and when nobody gets it any more.
    expires: Instant,
    gone: Instant,
}

/// What became of the answers that were followed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fates {
    /// All that were stored.
    pub(crate) stored: u64,
    /// Those that expired or were replaced.
    pub(crate) ended: u64,
    /// Those of them that were never hit.
    pub(crate) unused: u64,
    /// Those that were loaded anew after they had expired.
    pub(crate) aged: u64,
    /// Those of them that were the same again.
    pub(crate) aged_unchanged: u64,
    /// Those that were loaded anew before: invalidated, evicted, or refreshed.
    pub(crate) early: u64,
    /// Those of them that were the same again.
    pub(crate) early_unchanged: u64,
}

impl Followed {
    /// The answer of this key was hit.
    #[inline]
    pub(crate) fn hit(&self, hash: u64) {
        let (word, bit) = self.place(hash);
        if word.load(Ordering::Relaxed) & bit != 0 {
            self.first_hit(hash);
        }
    }

    #[cold]
    fn first_hit(&self, hash: u64) {
        let mut table = lock(&self.table);
        // Else another key's answer waits at this bit.
        if let Some(answer) = table.answers.get_mut(&hash) {
            answer.hit = true;
            self.wait_no_more(hash);
        }
    }

    /// Whether the answers of this key are followed.
    pub(crate) fn follows(&self, hash: u64) -> bool {
        lock(&self.table).chooses(hash)
    }

    /// An answer with this content was stored, to be fresh for `ttl` and to be kept for another `grace`.
    pub(crate) fn stored(&self, hash: u64, content: u64, ttl: Duration, grace: Duration) {
        // The store's time began a moment ago: what is loaded anew in the last twentieth is so because of its age.
        let expires = Instant::now().checked_add(ttl - ttl / 20);
        let gone = expires.and_then(|expires| expires.checked_add(grace));
        let mut table = lock(&self.table);
        let (true, Some(expires), Some(gone)) = (table.chooses(hash), expires, gone) else {
            return;
        };
        let answer = Answer {
            content,
            hit: false,
            ended: false,
            expires,
            gone,
        };
        table.fates.stored += 1;
        match table.answers.insert(hash, answer) {
            Some(before) => table.fates.replaced(&before, content),
            None if table.answers.len() > MOST => self.thin(&mut table),
            None => {}
        }
        if table.answers.contains_key(&hash) {
            let (word, bit) = self.place(hash);
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// What became of the answers up to now.
    pub(crate) fn fates(&self) -> Fates {
        let mut table = lock(&self.table);
        table.end();
        table.fates
    }

    /// Makes room: what is gone goes, and where that is little, every second key.
    fn thin(&self, table: &mut Table) {
        table.end();
        self.retain(table, |_, answer| !answer.ended);
        if table.answers.len() > MOST * 3 / 4 {
            table.thinned += 1;
            let thinned = table.thinned;
            self.retain(table, |hash, _| chooses(thinned, hash));
        } else if table.answers.len() < MOST / 4 {
            table.thinned = table.thinned.saturating_sub(1);
        }
    }

    fn retain(&self, table: &mut Table, keeps: impl Fn(u64, &Answer) -> bool) {
        table.answers.retain(|hash, answer| {
            let keeps = keeps(*hash, answer);
            if !keeps {
                self.wait_no_more(*hash);
            }
            keeps
        });
    }

    fn wait_no_more(&self, hash: u64) {
        let (word, bit) = self.place(hash);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    fn place(&self, hash: u64) -> (&AtomicU64, u64) {
        let at = hash as usize % BITS;
        (&self.waiting[at / 64], 1 << (at % 64))
    }
}

impl Default for Followed {
    fn default() -> Self {
        Self {
            waiting: (0..BITS / 64).map(|_| AtomicU64::new(0)).collect(),
            table: Mutex::default(),
        }
    }
}

impl Table {
    fn chooses(&self, hash: u64) -> bool {
        chooses(self.thinned, hash)
    }

    /// Counts what has come to its end by itself.
    fn end(&mut self) {
        let now = Instant::now();
        let answers = self.answers.values_mut();
        for answer in answers.filter(|answer| !answer.ended && answer.gone <= now) {
            answer.ended = true;
            self.fates.ended(answer);
        }
    }
}

/// By bits that nothing else looks at.
fn chooses(thinned: u32, hash: u64) -> bool {
    (hash >> 20).trailing_zeros() >= thinned
}

impl Fates {
    fn ended(&mut self, answer: &Answer) {
        self.ended += 1;
        self.unused += u64::from(!answer.hit);
    }

    fn replaced(&mut self, answer: &Answer, content: u64) {
        if !answer.ended {
            self.ended(answer);
        }
        let unchanged = u64::from(answer.content == content);
        if answer.expires <= Instant::now() {
            self.aged += 1;
            self.aged_unchanged += unchanged;
        } else {
            self.early += 1;
            self.early_unchanged += unchanged;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;
    const HOUR: Duration = Duration::from_secs(3600);

    fn hash(id: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&id.to_le_bytes())
    }

    #[test]
    fn an_answer_is_used_or_not_and_changes_or_not() {
        let followed = Followed::default();
        followed.stored(1, 10, HOUR, NONE);
        followed.hit(1);
        followed.hit(1);
        followed.stored(1, 10, NONE, NONE); // early, the same, used
        followed.stored(1, 11, NONE, NONE); // by age, another, unused
        let fates = followed.fates(); // and the last one has expired unused
        assert_eq!(
            fates,
            Fates {
                stored: 3,
                ended: 3,
                unused: 2,
                aged: 1,
                aged_unchanged: 0,
                early: 1,
                early_unchanged: 1
            }
        );
        assert_eq!(followed.fates(), fates, "an end is counted once");
        followed.hit(1);
        followed.stored(1, 11, HOUR, NONE);
        let fates = followed.fates();
        assert_eq!((fates.ended, fates.aged_unchanged), (3, 1));
    }

    #[test]
    fn an_answer_that_is_served_past_its_ttl_is_used() {
        let followed = Followed::default();
        followed.stored(1, 10, NONE, HOUR);
        assert_eq!(followed.fates().ended, 0);
        followed.hit(1);
        followed.stored(1, 10, NONE, HOUR);
        let fates = followed.fates();
        assert_eq!((fates.ended, fates.unused, fates.aged), (1, 0, 1));
    }

    #[test]
    fn the_table_is_bounded_and_the_shares_hold() {
        let followed = Followed::default();
        for round in 0..2 {
            for id in 0..20_000 {
                followed.stored(hash(id), round * (id % 4), HOUR, NONE);
                if id % 5 == 0 {
                    followed.hit(hash(id));
                }
            }
        }
        let fates = followed.fates();
        let table = lock(&followed.table).answers.len();
        assert!(table <= MOST, "{table}");
        let unused = fates.unused as f64 / fates.ended as f64;
        let unchanged = fates.early_unchanged as f64 / fates.early as f64;
        assert!((0.7..0.9).contains(&unused), "{fates:?}");
        assert!((0.15..0.35).contains(&unchanged), "{fates:?}");
    }

    #[test]
    fn what_has_expired_makes_room() {
        let followed = Followed::default();
        for id in 0..20_000 {
            followed.stored(hash(id), 0, NONE, NONE);
        }
        let table = lock(&followed.table);
        assert_eq!(table.thinned, 0);
        assert!(table.fates.ended > 19_000, "{:?}", table.fates);
    }

    #[test]
    fn only_a_first_hit_takes_the_lock() {
        let followed = Followed::default();
        let waits = |id| {
            let (word, bit) = followed.place(hash(id));
            word.load(Ordering::Relaxed) & bit != 0
        };
        followed.stored(hash(7), 0, HOUR, NONE);
        assert!(waits(7) && !waits(8));
        followed.hit(hash(7));
        assert!(!waits(7));
    }
}
