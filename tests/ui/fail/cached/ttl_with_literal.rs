use cache_runtime::cached;

#[cached("users", ttl_with = "30m")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
