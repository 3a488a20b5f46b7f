use cache_runtime::invalidates;

#[invalidates("users:{usr_id}")]
async fn rename(user_id: u64) -> Result<u64, String> {
    Ok(user_id)
}

fn main() {}
