use cache_runtime::cached;

use std::fmt::Display;

struct Users(u64);

impl Users {
    #[cached("users", stale_while_revalidate = "1m", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        self.0 + id
    }
}

#[cached("names", refresh_ahead = on, key = id, skip(users, shown))]
async fn name(users: &Users, shown: &(dyn Display + Send + Sync), id: &impl serde::Serialize) -> String {
    let _ = id;
    format!("{}{shown}", users.0)
}

fn main() {}
