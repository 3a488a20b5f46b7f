use cache_runtime::cached;

trait Users {
    #[cached("users", skip(self))]
    async fn user(&self, id: u64) -> u64;
}

fn main() {}
