use cache_runtime::invalidates;

#[invalidates("users:{result.name}")]
async fn rename(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
