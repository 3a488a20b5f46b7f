use cache_runtime::cached;

#[cached("users", ttl = "30s", local = "1m")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
