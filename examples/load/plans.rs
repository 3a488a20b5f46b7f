//! The requests of the five services.

mod agents;
mod content;
mod task_control;

use crate::plan::Plan;

pub(crate) const ALL: &[&Plan] = &[&agents::PLAN, &task_control::PLAN, &content::PLAN];

/// How the requirements call them, in the order of [`ALL`].
pub(crate) const LETTERS: &[&str] = &["a", "c", "e"];
