//! What a load takes with it when it outlives its caller.

use std::borrow::Borrow;
use std::fmt;

/// A copy of what a parameter borrows.
pub fn own<T: Own + ?Sized>(value: &T) -> Owned<T> {
    Owned(Box::new(value.own()))
}

/// The parameter again, borrowed from its copy.
pub fn lend<T: ?Sized>(owned: &Owned<T>) -> &T {
    (*owned.0).borrow()
}

/// Asks that a parameter taken by value may go into the background.
pub fn lasts<T: Lasting>(_: &T) {}

/// A copy that knows what it is one of: nobody has to name the type, which `impl Trait` could not, nor ask for [`Own`] again,
/// which would be one more error.
pub struct Owned<T: ?Sized>(Box<dyn Borrow<T> + Send>);

impl<T: ?Sized> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").finish_non_exhaustive()
    }
}

/// What a function that loads in the background must be able to make of a parameter that it borrows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken into the background",
    label = "a load in the background outlives its caller, so it needs a copy of this: it must be `Clone + Send + 'static`",
    note = "take a handle that is cheap to clone (a pool, an `Arc`), or leave out what loads in the background: `stale_while_revalidate`, `refresh_ahead`, `soft_timeout`"
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

/// What a parameter that is taken by value must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken into the background",
    label = "a load in the background outlives its caller, and may run on another thread: this must be `Send + 'static`",
    note = "take an `Arc` where it is an `Rc`, or leave out what loads in the background: `stale_while_revalidate`, `refresh_ahead`, `soft_timeout`"
)]
pub trait Lasting: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Lasting for T {}
