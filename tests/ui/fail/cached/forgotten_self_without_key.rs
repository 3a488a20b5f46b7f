use cache_runtime::cached;

struct Tenant(u64);

impl Tenant {
    #[cached("invoices")]
    async fn invoices(&self) -> u64 {
        self.0
    }
}

fn main() {}
