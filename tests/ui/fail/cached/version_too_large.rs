use cache_runtime::cached;

#[cached("users", version = 70000)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
