use cache_runtime::invalidates;

#[invalidates("users:*")]
fn rename(id: u64) -> u64 {
    id
}

fn main() {}
