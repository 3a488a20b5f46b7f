use cache_runtime::invalidates;

#[invalidates("users:*", cache = "local")]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
