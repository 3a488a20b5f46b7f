use cache_runtime::cached;

#[cached("users", "1m", id)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
