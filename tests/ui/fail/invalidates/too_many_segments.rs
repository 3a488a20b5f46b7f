use cache_runtime::invalidates;

#[invalidates("users:1:2:3:4:5:6:7:8:9")]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
