//! The futures of a call, without anything of its types: in a box each, so that they are compiled once, and a call's own future is small.

use std::future::Future;
use std::pin::Pin;

use super::session::{Session, Step};
use super::storing::Ended;

/// A future of the engine, for a call that lives for `'a`.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a> Session<'a> {
    /// [`step`](Self::step), which takes the session along.
    pub(crate) fn stepping(mut self) -> Boxed<'a, (Self, Step)> {
        Box::pin(async move {
            let step = self.step().await;
            (self, step)
        })
    }

    /// [`end`](Self::end), which takes the session along.
    pub(crate) fn ending(self, ended: Ended) -> Boxed<'a, Self> {
        Box::pin(async move {
            self.ended(ended).await;
            self
        })
    }

    /// Shares and stores what a load has come to.
    pub(crate) fn end(&self, ended: Ended) -> Boxed<'_, ()> {
        Box::pin(self.ended(ended))
    }
}
