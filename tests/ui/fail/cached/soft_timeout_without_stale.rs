use cache_runtime::cached;

#[cached("users", soft_timeout = "200ms")]
async fn user(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
