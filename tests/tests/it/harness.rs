//! The tools that all other tests rely on.

use std::net::TcpStream;
use std::time::Duration;

use cache_tests::{RedisServer, eventually};
use futures_util::future::join_all;
use redis::AsyncCommands;

#[tokio::test]
async fn servers_are_separate() {
    let servers = join_all((0..4).map(|_| RedisServer::start())).await;
    for (number, server) in servers.iter().enumerate() {
        let _: () = server
            .connection()
            .await
            .set("number", number)
            .await
            .unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        let found: usize = server.connection().await.get("number").await.unwrap();
        assert_eq!(found, number);
    }
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = RedisServer::start().await;
    let (port, folder) = (server.port(), server.folder().to_owned());
    assert!(folder.join("redis.log").exists());
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_killed_server_refuses_until_it_is_restarted_empty() {
    let mut server = RedisServer::start().await;
    let port = server.port();
    let _: () = server.connection().await.set("kept", 1).await.unwrap();

    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());

    server.restart().await;
    assert_eq!(server.port(), port);
    let kept: Option<u32> = server.connection().await.get("kept").await.unwrap();
    assert_eq!(kept, None);
}

#[tokio::test]
async fn a_server_restarts_in_its_folder() {
    let mut server = RedisServer::builder()
        .config("appendonly", "yes")
        .config("appendfsync", "always")
        .start()
        .await;
    let _: () = server.connection().await.set("kept", 1).await.unwrap();
    server.restart().await;
    let kept: Option<u32> = server.connection().await.get("kept").await.unwrap();
    assert_eq!(kept, Some(1));
}

#[tokio::test]
async fn a_paused_server_answers_after_it_is_resumed() {
    let server = RedisServer::start().await;
    for round in 0..3 {
        let mut connection = server.connection().await;
        server.pause();
        let mut answer = std::pin::pin!(connection.set::<_, _, ()>("round", round));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut answer).await;
        assert!(early.is_err(), "a paused server answered");
        server.resume();
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn a_paused_server_can_be_killed() {
    let mut server = RedisServer::start().await;
    server.pause();
    server.kill();
    server.restart().await;
    server.pause();
}

#[tokio::test]
async fn settings_reach_the_server() {
    let server = RedisServer::builder()
        .password("secret")
        .config("maxmemory", "2mb")
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    let mut connection = server.connection().await;
    let found: (String, u64) = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(found.1, 2 * 1024 * 1024);

    let stranger = redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).unwrap();
    let refused = match stranger.get_multiplexed_async_connection().await {
        Ok(mut connection) => connection.get::<_, Option<u32>>("any").await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "a client without the password was let in");
}

#[tokio::test]
async fn a_wrong_setting_shows_the_log() {
    let failed = tokio::spawn(RedisServer::builder().config("maxmemory", "much").start())
        .await
        .unwrap_err();
    let message = *failed.into_panic().downcast::<String>().unwrap();
    assert!(message.contains("did not start"), "{message}");
    assert!(message.contains("maxmemory"), "{message}");
}

#[tokio::test]
async fn commands_are_counted_and_asking_is_not() {
    let server = RedisServer::start().await;
    let before = server.commands_processed().await;
    assert_eq!(server.commands_processed().await, before);

    let mut connection = server.connection().await;
    let _: () = connection.set("a", 1).await.unwrap();
    let _: u32 = connection.get("a").await.unwrap();
    let _: u32 = connection.get("a").await.unwrap();

    assert_eq!(server.commands_processed().await, before + 3);
    let calls = server.commandstats().await;
    assert_eq!((calls["set"], calls["get"]), (1, 2));
}

#[tokio::test]
async fn waiting_ends_when_another_client_acts() {
    let server = RedisServer::start().await;
    let mut writer = server.connection().await;
    let mut reader = server.connection().await;
    let (_, ()) = tokio::join!(
        async { writer.set::<_, _, ()>("done", 1).await.unwrap() },
        eventually("the writer is done", async || reader
            .exists("done")
            .await
            .unwrap()),
    );
}
