use cache_runtime::cached;

#[cached("users", local = true)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
