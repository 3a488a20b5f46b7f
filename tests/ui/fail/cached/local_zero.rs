use cache_runtime::cached;

#[cached("users", local = "0s")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
