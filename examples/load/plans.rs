//! The requests of the five services.

mod agents;

use crate::plan::Plan;

pub(crate) const ALL: &[&Plan] = &[&agents::PLAN];

/// How the requirements call them, in the order of [`ALL`].
pub(crate) const LETTERS: &[&str] = &["a"];
