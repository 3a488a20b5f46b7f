use cache_runtime::cached;

#[cached("users", "1m", ttl_with = |id| std::time::Duration::from_secs(*id))]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
