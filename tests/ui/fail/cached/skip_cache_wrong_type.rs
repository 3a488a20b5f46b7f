use cache_runtime::cached;

#[cached("users", key = id, skip_cache = force)]
async fn user(id: u64, force: u8) -> u64 {
    id + u64::from(force)
}

fn main() {}
