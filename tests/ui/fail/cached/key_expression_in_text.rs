use cache_runtime::cached;

#[cached("users", key = "{id.min(1)}")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
