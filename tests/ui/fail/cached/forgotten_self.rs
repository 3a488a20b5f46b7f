use cache_runtime::cached;

struct Tenant(u64);

impl Tenant {
    #[cached("invoices", key = page)]
    pub async fn invoices(&self, page: u64) -> Vec<u64> {
        vec![self.0, page]
    }

    pub async fn elsewhere(&self) {
        self.invoices_invalidate(1).await;
    }
}

fn main() {}
