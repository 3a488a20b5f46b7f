use cache_runtime::invalidates;

struct Renamed;

#[invalidates("users:*")]
impl Renamed {
    async fn rename() {}
}

fn main() {}
