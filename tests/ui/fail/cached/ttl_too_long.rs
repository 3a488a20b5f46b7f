use cache_runtime::cached;

#[cached("users", ttl = "99999999999999999w")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
