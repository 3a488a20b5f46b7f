use cache_runtime::cached;

#[cached("users::list")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
