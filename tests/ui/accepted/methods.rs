//! Methods of inherent impls, generic impls and trait impls.
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]

use std::marker::PhantomData;
use std::sync::Arc;

use cache_runtime::{Cache, cached, invalidates};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Goals of a tenant.
#[derive(Clone)]
pub struct Goals {
    tenant: u64,
    cache: Cache,
}

impl Goals {
    /// One goal.
    ///
    /// # Errors
    /// Never.
    #[cached("goal", key = (self.tenant, id), cache = self.cache)]
    pub async fn goal(&self, id: u64) -> Result<String, String> {
        self.name(id).await
    }

    #[cached("goal:name", key = (self.tenant, id))]
    async fn name(&self, id: u64) -> Result<String, String> {
        Ok(format!("{}-{id}", self.tenant))
    }

    #[cached("goal:all", skip(self))]
    pub(crate) async fn all(self: Arc<Self>, page: u32) -> Vec<u32> {
        vec![page]
    }

    #[cached("goal:of", "5m")]
    pub(crate) async fn of(tenant: u64) -> Option<u64> {
        Some(Self::PLUS + tenant)
    }

    const PLUS: u64 = 1;

    #[cached("goal:constant", key = (Self::PLUS, tenant))]
    pub(crate) async fn constant(tenant: u64) -> u64 {
        tenant
    }

    #[invalidates(Self::of(tenant), Goals::constant(_), Self::of(result))]
    async fn write(&self, tenant: u64) -> u64 {
        self.tenant + tenant
    }

    #[cached("goal:plus")]
    pub(crate) async fn r#move(#[skip] &mut self, id: u64) -> u64 {
        self.tenant += 1;
        id + self.tenant
    }
}

/// Rows of any type.
#[derive(Clone)]
pub struct Table<T> {
    name: String,
    rows: PhantomData<fn() -> T>,
}

impl<T> Table<T>
where
    T: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static,
{
    /// One row.
    #[cached("row", key = (self.name, std::any::type_name::<T>(), id))]
    pub async fn row(&self, id: u64) -> Option<T> {
        (id > 0).then(T::default)
    }

    /// Clears rows.
    #[invalidates(self.row(id), "row:*:*:{id}")]
    pub async fn clear(&self, id: u64) {}
}

/// What has goals.
pub trait HasGoals {
    /// One goal.
    fn goal(&self, id: u64) -> impl Future<Output = Result<String, String>> + Send;

    /// Another, by default.
    #[allow(async_fn_in_trait)]
    #[cached("goal:default", key = (std::any::type_name::<Self>(), id), skip(self))]
    async fn another(&self, id: u64) -> u64 {
        id
    }
}

impl HasGoals for Goals {
    #[cached("goal:trait", key = "{self.tenant}:{id}")]
    async fn goal(&self, id: u64) -> Result<String, String> {
        Ok(format!("{}-{id}", self.tenant))
    }
}

impl Goals {
    #[invalidates(self.goal(id), self.goal(_), "goal:name:*:{id}", cache = self.cache)]
    async fn rename(&self, id: u64, name: String) -> Result<(), String> {
        drop(name);
        let _ = id;
        Ok(())
    }
}

#[tokio::test]
async fn works() {
    let mut goals = Goals {
        tenant: 1,
        cache: Cache::current(),
    };
    let _ = goals.goal(1).await;
    let _ = goals.goal_key(1);
    let _ = goals.goal_pattern(None);
    goals.goal_invalidate(1).await;
    let _: Option<Result<String, String>> = goals.goal_peek(1).await;
    goals.goal_put(1, "a".to_owned()).await;
    let _ = goals.goal_refresh(1).await;
    let _ = goals.goal_uncached(1).await;
    let _ = Arc::new(goals.clone()).all(1).await;
    let _ = Arc::new(goals.clone()).all_refresh(1).await;
    let _ = goals.all_key(1);
    let _ = Goals::of(1).await;
    let _ = Goals::of_key(1);
    let _ = Goals::of_uncached(1).await;
    let _ = (
        Goals::constant(1).await,
        Goals::constant_key(1),
        goals.write(1).await,
    );
    let _ = goals.r#move(1).await;
    let _ = goals.move_key(1);
    let _ = goals.rename(1, String::new()).await;
    let _ = HasGoals::goal(&goals, 1).await;
    let _ = goals.another(1).await;
    let table = Table::<String> {
        name: "t".to_owned(),
        rows: PhantomData,
    };
    let _ = table.row(1).await;
    let _ = table.row_peek(1).await;
    table.row_put(1, "a".to_owned()).await;
    table.clear(1).await;
}
