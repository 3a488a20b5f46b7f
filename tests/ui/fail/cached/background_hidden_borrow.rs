use cache_runtime::cached;

#[derive(Clone)]
struct Users<'a>(&'a str);

impl<'a> Users<'a> {
    #[cached("users", stale_while_revalidate = "1m", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        self.0.len() as u64 + id
    }

    #[cached("names", stale_while_revalidate = "1m", skip(self))]
    async fn name(self, id: u64) -> u64 {
        self.0.len() as u64 + id
    }
}

fn main() {}
