use cache_runtime::cached;

#[cached("users", stale_if_error = "1h")]
async fn user(id: u64) -> Option<u64> {
    Some(id)
}

#[cached("names", stale_if_error = "1h")]
async fn names(id: u64) -> Vec<u64> {
    vec![id]
}

fn main() {}
