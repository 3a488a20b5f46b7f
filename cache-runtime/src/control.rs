//! What a test controls of a cache (the module `testing`): its clock and its faults. Without the feature `testing` nothing of it is compiled.

#[cfg(feature = "testing")]
mod held;
#[cfg(not(feature = "testing"))]
mod without;

#[cfg(feature = "testing")]
pub use self::held::Fault;
#[cfg(feature = "testing")]
pub(crate) use self::held::{Control, Names};
#[cfg(not(feature = "testing"))]
pub(crate) use self::without::{Control, Names};
