//! What a load takes with it when it outlives its caller.

use std::borrow::Borrow;

/// What a function that loads in the background must be able to make of a parameter that it borrows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken into the background",
    label = "a load in the background outlives its caller, so it needs a copy of this: it must implement `Clone` and be `Send + 'static`",
    note = "take an owned handle that is cheap to clone (a pool, an `Arc`), or leave out what loads in the background: `stale_while_revalidate`, `refresh_ahead`, `soft_timeout`"
)]
pub trait Own {
    /// What the background keeps.
    type Owned: Borrow<Self> + Send + 'static;

    /// Copies.
    fn own(&self) -> Self::Owned;
}

#[diagnostic::do_not_recommend]
impl<T: ToOwned<Owned: Send + 'static> + ?Sized> Own for T {
    type Owned = T::Owned;

    fn own(&self) -> T::Owned {
        self.to_owned()
    }
}

/// A copy of what a parameter borrows.
pub fn own<T: Own + ?Sized>(value: &T) -> T::Owned {
    value.own()
}

/// The parameter again, borrowed from its copy.
pub fn lend<T: Own + ?Sized>(owned: &T::Owned) -> &T {
    owned.borrow()
}

/// Asks that a parameter taken by value may go into the background.
pub fn lasts<T: Send + 'static>(_: &T) {}
