use cache_runtime::invalidates;

async fn user(id: u64) -> u64 {
    id
}

#[invalidates(user(id))]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
