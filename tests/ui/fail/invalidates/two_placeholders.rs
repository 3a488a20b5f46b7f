use cache_runtime::invalidates;

#[invalidates("users:{org}{id}")]
async fn rename(org: u64, id: u64) -> u64 {
    org + id
}

fn main() {}
