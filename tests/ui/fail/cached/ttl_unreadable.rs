use cache_runtime::cached;

#[cached("users", ttl = "soon")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
