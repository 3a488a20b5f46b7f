//! Everything that an expansion may name. Not for use by hand: it changes without notice.

mod batch;
mod cached;
mod call;
mod owned;
mod updating;
mod writing;

pub use self::batch::{
    Gathered, Ids, batch, batch_call, batch_load, stored_batch, stored_batch_near,
};
pub use self::cached::{Cached, cached, cached_owned, invalidate, peek, refreshing, uncached};
pub use self::call::{Call, Judged, Rules, Stored, near, stored, stored_near};
pub use self::owned::{Lasting, Own, Owned, lasts, lend, own};
pub use self::updating::{Judge, NoFunction, OfValue, Stores, Update, put, update, updating};
pub use self::writing::{Invalidation, Returned, any_event, event, invalidating, returned};

pub use crate::cache::Cache;
pub use crate::check_keys::Said;
pub use crate::codec::Codec;
pub use crate::compression::Compression;
pub use crate::error::Error;
pub use crate::event::Event;
pub use crate::hottest::Hottest;
pub use crate::key::{Key, KeyPart, Pattern, Segment, Tag, Target};
pub use crate::policy::SingleFlight;
pub use crate::protection::Protection;
pub use crate::shape::{
    Errors, IntoAnswer, Look, Probe, Shape, ViaDeep, ViaError, ViaNested, ViaNoError, ViaPlain,
    ViaResult, probe, probe_load, probe_type,
};
pub use crate::site::Site;
pub use inventory::submit;

/// A key part, as the builders of keys take it.
pub fn part<T: KeyPart>(value: &T) -> &dyn KeyPart {
    value
}

/// The key of a call.
pub fn key(site: &'static Site, parts: &[&dyn KeyPart]) -> Key {
    Key::of(site, parts)
}

/// All keys of a function that agree with the parts that are given.
pub fn pattern(site: &'static Site, parts: &[Option<&dyn KeyPart>]) -> Pattern {
    Pattern::of(site.template, parts)
}

/// A pattern string; the expansion has checked it.
pub fn pattern_of(template: &'static str, parts: &[&dyn KeyPart]) -> Pattern {
    let parts: Vec<_> = parts.iter().copied().map(Some).collect();
    Pattern::of(template, &parts)
}

/// The same where the answer that a part is taken from is not known: `*` in its place.
pub fn pattern_in_doubt(template: &'static str, parts: &[Option<&dyn KeyPart>]) -> Pattern {
    Pattern::of(template, parts)
}

/// A tag string; the expansion has checked it.
pub fn tag(template: &'static str, parts: &[&dyn KeyPart]) -> Tag {
    Tag::of(template, parts)
}

/// The hottest keys of a function or a declaration.
pub fn hottest<T>(site: &'static Site, most: usize) -> Hottest<T> {
    Hottest::new(site, most)
}

/// Encodes a value that the body will move away.
pub fn segment(value: &dyn KeyPart) -> Segment {
    Segment::of(value)
}
