//! What a thread has found lately in near caches, to be found again without a lock and without a write that other threads feel: all threads together
//! read one hot value at the speed of each.
//!
//! A few values a thread, and small ones: what is kept here may have left the table meanwhile, and the memory is not counted there.

use std::cell::{Cell, RefCell};

use super::Kept;

/// Values of a thread.
const SLOTS: usize = 64;

/// The largest value that is kept, in bytes as it is encoded.
const LARGEST: u64 = 4 << 10;

/// After so many hits the table is asked again: it has to learn what is hot, and may have evicted the value.
const ASKED: u8 = 64;

/// So often a slot's value is spared when another would take its place: one more for each of its hits, up to this.
const SPARED: u8 = 3;

thread_local! {
    static RECENT: RefCell<[Option<Recent>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) };
}

struct Recent {
    near: u64,
    hash: u64,
    replaced: u64,
    kept: Kept,
    hits: Cell<u8>,
    spared: Cell<u8>,
}

/// A value that is looked for.
#[derive(Clone, Copy)]
pub(super) struct Sought<'a> {
    /// The near cache.
    pub(super) near: u64,
    pub(super) name: (u32, &'a str),
    /// Of the key.
    pub(super) hash: u64,
    /// How often values of this hash had been replaced before this began.
    pub(super) replaced: u64,
}

impl Sought<'_> {
    /// Shows the value to `show`, the one that this thread has found before or that `find` brings; what `show` says of it.
    #[inline]
    pub(super) fn show(
        &self,
        mut show: impl FnMut(&Kept) -> bool,
        find: impl FnOnce() -> Option<Kept>,
    ) -> bool {
        // A clone that is made while it is shown may ask for other values: they are shown too, and not kept.
        let known = RECENT.try_with(|recent| {
            let recent = recent.try_borrow().ok()?;
            let known = recent[self.slot()]
                .as_ref()
                .filter(|known| known.is(self))?;
            Some(show(&known.kept))
        });
        match known {
            Ok(Some(true)) => true,
            _ => self.find(show, find),
        }
    }

    fn find(
        &self,
        mut show: impl FnMut(&Kept) -> bool,
        find: impl FnOnce() -> Option<Kept>,
    ) -> bool {
        let Some(kept) = find() else {
            self.forget();
            return false;
        };
        let shown = show(&kept);
        if shown && kept.0.weight <= LARGEST {
            self.keep(kept);
        }
        shown
    }

    fn keep(&self, kept: Kept) {
        let mut new = Some(Recent {
            near: self.near,
            hash: self.hash,
            replaced: self.replaced,
            kept,
            hits: Cell::new(0),
            spared: Cell::new(0),
        });
        // What is dropped may be anything, and is dropped when nothing is borrowed any more.
        let _dropped = RECENT.try_with(|recent| {
            if let Ok(mut recent) = recent.try_borrow_mut() {
                let slot = &mut recent[self.slot()];
                match slot {
                    Some(known) if !known.names(self) && known.is_spared() => {}
                    slot => std::mem::swap(slot, &mut new),
                }
            }
            new
        });
    }

    /// The table has evicted it.
    fn forget(&self) {
        let _dropped = RECENT.try_with(|recent| {
            let mut recent = recent.try_borrow_mut().ok()?;
            let slot = &mut recent[self.slot()];
            slot.take_if(|known| known.names(self))
        });
    }

    fn slot(&self) -> usize {
        // The lower bits choose the counter of what was replaced.
        (self.hash >> 32) as usize % SLOTS
    }
}

impl Recent {
    /// Whether it is what is looked for, and the table need not be asked.
    #[inline]
    fn is(&self, sought: &Sought<'_>) -> bool {
        let hits = self.hits.get();
        let is = self.replaced == sought.replaced && hits < ASKED && self.names(sought);
        if is {
            self.hits.set(hits + 1);
            self.spared.set(SPARED.min(hits + 1));
        }
        is
    }

    #[inline]
    fn names(&self, sought: &Sought<'_>) -> bool {
        let (origin, key) = &self.kept.0.name;
        self.hash == sought.hash
            && self.near == sought.near
            && *origin == sought.name.0
            && **key == *sought.name.1
    }

    fn is_spared(&self) -> bool {
        let spared = self.spared.get();
        self.spared.set(spared.saturating_sub(1));
        spared > 0
    }
}
