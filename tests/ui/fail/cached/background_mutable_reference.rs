use cache_runtime::cached;

#[derive(Clone)]
struct Users(u64);

impl Users {
    #[cached("users", stale_while_revalidate = "1m", skip(self))]
    async fn user(&mut self, id: u64) -> u64 {
        self.0 += id;
        self.0
    }

    #[cached("names", refresh_ahead = on, skip(self, name))]
    async fn name(self: &mut Self, id: u64, name: &mut String) -> u64 {
        name.push('a');
        self.0 + id
    }
}

fn main() {}
