use cache_runtime::cached;

#[cached("users", ttl = 0)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
