use cache_runtime::{cached, invalidates};

pub struct Users;

impl Users {
    #[cached("users", skip(self))]
    pub async fn user(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(Self::user(id))]
    pub async fn rename(&self, id: u64) {
        let _ = id;
    }
}

fn main() {}
