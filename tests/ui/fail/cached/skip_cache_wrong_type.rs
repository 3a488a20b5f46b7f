use cache_runtime::cached;

#[cached("users", key = id, skip_cache = id)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
