use cache_runtime::cached;

#[cached("users", skip_cache = "yes")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
