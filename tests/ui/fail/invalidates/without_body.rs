use cache_runtime::invalidates;

trait Users {
    #[invalidates("users:*")]
    async fn rename(&self, id: u64) -> u64;
}

fn main() {}
