use cache_runtime::invalidates;

#[invalidates("users:*", on_unreachable = fail)]
async fn rename(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
