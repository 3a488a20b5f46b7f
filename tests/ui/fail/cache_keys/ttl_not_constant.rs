use cache_runtime::cache_keys;

fn minutes() -> std::time::Duration {
    std::time::Duration::from_secs(60)
}

cache_keys! {
    agent(id: u64) = "agents:{id}", ttl = minutes();
}

fn main() {}
