use cache_runtime::invalidates;

#[invalidates("users:{id")]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
