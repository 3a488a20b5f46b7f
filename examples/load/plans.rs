//! The requests of the five services.

mod agents;
mod analytics;
mod goals;

use crate::plan::Plan;

pub(crate) const ALL: &[&Plan] = &[&agents::PLAN, &analytics::PLAN, &goals::PLAN];

/// How the requirements call them, in the order of [`ALL`].
pub(crate) const LETTERS: &[&str] = &["a", "b", "d"];
