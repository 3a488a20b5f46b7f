use cache_runtime::cached;

#[cached("users", cache = "local")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
