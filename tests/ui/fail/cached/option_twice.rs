use cache_runtime::cached;

#[cached("users", ttl = "1m", key = id, ttl = "2m", key = id)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
