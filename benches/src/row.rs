//! What is cached.

use hitbox_fn::CacheableResponse;
use serde::{Deserialize, Serialize};

/// Keys from here on have large values.
pub(crate) const LARGE: u64 = 1 << 40;

/// A row as services have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CacheableResponse)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) version: u64,
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) score: f64,
    pub(crate) text: String,
}

impl Row {
    /// One that takes some 200 bytes as JSON, and 20 KB from [`LARGE`] on.
    pub(crate) fn of(id: u64, version: u64) -> Self {
        let bytes = if id < LARGE { 200 } else { 20_000 };
        let name = format!("row {id}");
        let text = "abcdefgh "
            .chars()
            .cycle()
            .take(bytes - 110 - name.len())
            .collect();
        Self {
            id,
            version,
            name,
            tags: vec!["one".to_owned(), "another".to_owned()],
            score: 0.5,
            text,
        }
    }
}
