//! B5, D4: events are types, and each says once what it makes old.

use cache_runtime::{Cache, Event, cached, invalidates};
use cache_tests::eventually;

use crate::world::World;

#[cached(namespace = "exec:dashboard", ttl = "1h", key = (workspace_id, days), cache = world.cache)]
async fn dashboard(world: &World, workspace_id: u64, days: u64) -> u64 {
    world.load(workspace_id).await
}

#[cached(namespace = "agent:runs", ttl = "1h", key = (agent_id, page), cache = world.cache)]
async fn runs(world: &World, agent_id: u64, page: u64) -> u64 {
    world.load(agent_id).await
}

#[cached(namespace = "credits", ttl = "1h", key = workspace_id, tags = ["workspace:{workspace_id}"], cache = world.cache)]
async fn credits(world: &World, workspace_id: u64) -> u64 {
    world.load(workspace_id).await
}

/// A run has ended.
#[derive(Debug)]
#[invalidates("agent:*:{agent_id}:*", dashboard(workspace_id, _))]
struct RunCompleted {
    agent_id: u64,
    workspace_id: u64,
}

/// Anything about a workspace.
#[derive(Debug)]
#[invalidates("exec:*:{workspace_id}:*", tag = "workspace:{workspace_id}")]
struct WorkspaceUpdated {
    workspace_id: u64,
}

#[invalidates(event = WorkspaceUpdated { workspace_id }, cache = world.cache)]
async fn rename(world: &World, workspace_id: u64, value: u64) -> Result<(), String> {
    if value == 0 {
        return Err("no".to_owned());
    }
    world.set_row(workspace_id, value);
    Ok(())
}

/// The event is known by the answer.
#[invalidates(event = RunCompleted { agent_id: *result, workspace_id }, cache = world.cache)]
async fn complete(world: &World, workspace_id: u64) -> Result<u64, String> {
    let agent_id = workspace_id + 10;
    world.set_row(agent_id, 5);
    world.set_row(workspace_id, 5);
    world.load(workspace_id).await;
    Ok(agent_id)
}

/// Loads all, and says how many were not cached.
async fn all(world: &World) -> u64 {
    let loads = world.loads();
    for id in [1, 2] {
        dashboard(world, id, 7).await;
        dashboard(world, id, 30).await;
        runs(world, id + 10, 0).await;
        credits(world, id).await;
    }
    world.loads() - loads
}

#[tokio::test]
async fn an_event_makes_old_what_it_names_and_no_more() {
    for world in World::both().await {
        all(&world).await;
        assert_eq!(all(&world).await, 0);
        world.cache.emit(WorkspaceUpdated { workspace_id: 1 }).await;
        assert_eq!(all(&world).await, 3, "two dashboards and the credits");
        world
            .cache
            .emit(RunCompleted {
                agent_id: 12,
                workspace_id: 2,
            })
            .await;
        assert_eq!(all(&world).await, 3, "a list of runs and two dashboards");
        rename(&world, 1, 0).await.unwrap_err();
        assert_eq!(all(&world).await, 0);
        rename(&world, 1, 9).await.unwrap();
        assert_eq!(dashboard(&world, 1, 7).await, 9);
        assert_eq!(all(&world).await, 2);
        complete(&world, 2).await.unwrap();
        assert_eq!(
            (dashboard(&world, 2, 7).await, runs(&world, 12, 0).await),
            (5, 5)
        );
    }
}

/// Before its answer is known, a dropped writer's event is any event of the type.
#[tokio::test]
async fn a_dropped_writer_makes_old_what_its_event_might_name() {
    let world = World::redis().await;
    all(&world).await;
    world.close_gate();
    {
        let mut writer = std::pin::pin!(complete(&world, 1));
        assert!(futures_util::poll!(&mut writer).is_pending());
        world.arrival().await;
    }
    world.discard_gate();
    eventually("it is delivered", async || {
        world.cache.stats().pending_invalidations == 0
    })
    .await;
    assert_eq!(runs(&world, 11, 0).await, 5);
    assert_eq!(all(&world).await, 5, "the rest of the dashboards and runs");
}

/// By hand, for enums and for what an attribute cannot say.
#[tokio::test]
async fn an_event_may_be_written_by_hand() {
    enum Change {
        Everything,
        Credits(u64),
    }

    impl Event for Change {
        fn targets(&self) -> Vec<cache_runtime::Target> {
            match self {
                Self::Everything => Self::all_targets(),
                Self::Credits(id) => vec![credits::key(*id).into()],
            }
        }

        fn all_targets() -> Vec<cache_runtime::Target> {
            ["exec:*", "agent:*", "credits:*"]
                .map(|text| cache_runtime::Pattern::parse(text).unwrap().into())
                .into()
        }
    }

    let world = World::memory();
    all(&world).await;
    world.cache.emit(Change::Credits(1)).await;
    assert_eq!(all(&world).await, 1);
    world.cache.emit(Change::Everything).await;
    assert_eq!(all(&world).await, 8);
    assert!(
        Cache::builder()
            .build()
            .unwrap()
            .try_emit(Change::Everything)
            .await
            .is_ok()
    );
}
