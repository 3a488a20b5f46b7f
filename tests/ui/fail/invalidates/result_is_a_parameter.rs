use cache_runtime::invalidates;

#[invalidates("users:{result}")]
async fn rename(result: u64) -> u64 {
    result
}

fn main() {}
