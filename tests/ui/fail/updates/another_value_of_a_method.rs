use cache_runtime::{cached, updates};

struct Users;

impl Users {
    #[cached("users", key = id, skip(self))]
    pub(crate) async fn user(&self, id: u64) -> Vec<String> {
        vec![id.to_string()]
    }

    #[updates(self.user(id))]
    async fn rename(&self, id: u64) -> Result<String, String> {
        Ok(id.to_string())
    }
}

fn main() {}
