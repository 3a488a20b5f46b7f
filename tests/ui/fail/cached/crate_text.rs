use cache_runtime::cached;

#[cached("users", crate = "cache_runtime")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
