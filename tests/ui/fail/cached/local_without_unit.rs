use cache_runtime::cached;

#[cached("users", local = "10")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
