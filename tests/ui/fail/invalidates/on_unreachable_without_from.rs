use cache_runtime::invalidates;

struct Failure;

#[invalidates("users:*", on_unreachable = fail)]
async fn rename(id: u64) -> Result<u64, Failure> {
    if id == 0 { Err(Failure) } else { Ok(id) }
}

fn main() {}
