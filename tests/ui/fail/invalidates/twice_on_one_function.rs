use cache_runtime::invalidates;

#[invalidates("users:*")]
#[invalidates("people:*")]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
