use cache_runtime::invalidates;

#[invalidates(on = always)]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
