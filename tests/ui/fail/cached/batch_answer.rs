//! What a batch answers has a place for each key.

use std::collections::HashMap;

use cache_runtime::cached;

#[cached("a", batch = ids)]
async fn list(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[cached("b", batch = ids)]
async fn of_other_keys(ids: &[u64]) -> HashMap<String, u64> {
    ids.iter().map(|id| (id.to_string(), *id)).collect()
}

fn main() {}
