//! The requests of the five services.

mod agents;
mod analytics;
mod content;
mod goals;
mod task_control;

use crate::plan::Plan;

pub(crate) const ALL: &[&Plan] = &[
    &agents::PLAN,
    &analytics::PLAN,
    &task_control::PLAN,
    &goals::PLAN,
    &content::PLAN,
];

/// How the requirements call them, in the order of [`ALL`].
pub(crate) const LETTERS: &[&str] = &["a", "b", "c", "d", "e"];
