use cache_runtime::cached;

#[cached("users", key = (org, id))]
async fn user(#[skip] org: u64, id: u64) -> u64 {
    org + id
}

fn main() {}
