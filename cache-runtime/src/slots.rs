//! A table that only grows, and is read without a lock.

use std::fmt;
use std::sync::OnceLock;

/// Of the first block; each one has twice the slots of that before it.
const FIRST: usize = 32;
const BLOCKS: usize = 26;

/// Values by small numbers.
pub(crate) struct Slots<T>([OnceLock<Box<[OnceLock<T>]>>; BLOCKS]);

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; BLOCKS])
    }

    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        let (block, at) = place(number);
        self.0[block].get()?[at].get()
    }

    /// The value of `number`, which is made where there is none.
    pub(crate) fn get_or_init(&self, number: usize, make: impl FnOnce() -> T) -> &T {
        let (block, at) = place(number);
        let slots = || (0..FIRST << block).map(|_| OnceLock::new()).collect();
        self.0[block].get_or_init(slots)[at].get_or_init(make)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let blocks = self.0.iter().filter_map(OnceLock::get);
        blocks.flat_map(|block| block.iter().filter_map(OnceLock::get))
    }
}

#[inline]
fn place(number: usize) -> (usize, usize) {
    let shifted = number + FIRST;
    let block = (shifted / FIRST).ilog2() as usize;
    (block, shifted - (FIRST << block))
}

impl<T> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own_slot() {
        let slots = Slots::new();
        for number in (0..3_000).step_by(7) {
            assert_eq!(slots.get(number), None);
            assert_eq!(*slots.get_or_init(number, || number), number);
        }
        for number in 0..3_000 {
            assert_eq!(slots.get(number), (number % 7 == 0).then_some(&number));
        }
        assert!(slots.iter().copied().eq((0..3_000).step_by(7)));
    }
}
