use cache_runtime::invalidates;

struct Row(u64);

#[invalidates("users:*", on_unreachable = fail)]
async fn rename(id: u64) -> Row {
    Row(id)
}

fn main() {}
