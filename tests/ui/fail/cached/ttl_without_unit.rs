use cache_runtime::cached;

#[cached("users", "30")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
