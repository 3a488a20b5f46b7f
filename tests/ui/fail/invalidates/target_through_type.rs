use cache_runtime::invalidates;

#[invalidates(<Users as Cached>::user(id), <Users>::user(id))]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
