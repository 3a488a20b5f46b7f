//! What is cached.

use serde::{Deserialize, Serialize};

/// A row as services have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) score: f64,
    pub(crate) text: String,
}

impl Row {
    /// One that takes some `bytes` as JSON.
    pub(crate) fn of(id: u64, bytes: usize) -> Self {
        let mut row = Self {
            id,
            name: format!("row {id}"),
            tags: vec!["one".to_owned(), "another".to_owned()],
            score: 0.5,
            text: String::new(),
        };
        let rest = bytes.saturating_sub(serde_json::to_string(&row).map_or(0, |json| json.len()));
        row.text = "abcdefgh ".chars().cycle().take(rest).collect();
        row
    }
}
