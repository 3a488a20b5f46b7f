use cache_runtime::cached;

#[cached("users", none_ttl = "0s")]
async fn user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
