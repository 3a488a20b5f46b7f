use cache_runtime::cached;

use std::collections::HashSet;

#[cached("users")]
async fn count(ids: HashSet<u64>) -> usize {
    ids.len()
}

fn main() {}
