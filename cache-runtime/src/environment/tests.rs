use super::*;

fn with(variables: &[(&str, &str)]) -> (Builder, Vec<String>) {
    read(|name| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn right(variables: &[(&str, &str)]) -> Builder {
    let (builder, problems) = with(variables);
    assert_eq!(problems, [""; 0]);
    builder
}

/// Else its invalidations would reach nobody.
#[test]
fn what_is_wrong_with_how_values_are_stored_leaves_the_server_known() {
    let url = ("REDIS_URL", "redis://cache");
    let (builder, problems) = with(&[url, ("CACHE_PROTECTION", "signed")]);
    assert!(!builder.enabled && builder.server.is_some() && !builder.severed);
    assert_eq!(problems.len(), 1, "{problems:?}");
    builder.build().expect("what is wrong is left out");
    for name in ["CACHE_CODEC", "CACHE_COMPRESSION"] {
        let (builder, problems) = with(&[url, (name, "nonsense")]);
        assert!(builder.enabled && builder.server.is_some(), "{name}");
        assert_eq!(problems.len(), 1, "{problems:?}");
        builder.build().expect("what is wrong is left out");
    }
    #[cfg(not(feature = "msgpack"))]
    {
        let (builder, problems) = with(&[url, ("CACHE_CODEC", "msgpack")]);
        assert!(builder.enabled && problems.len() == 1, "{problems:?}");
        builder.build().expect("what is wrong is left out");
    }
}

#[test]
fn replicas_are_read_where_it_is_said() {
    let one = ("REDIS_URL", "redis://cache");
    let sentinels = [("REDIS_SENTINELS", "one"), ("REDIS_MASTER", "shop")];
    let read_from = |text| {
        right(&[one, ("REDIS_READ_FROM", text)])
            .server
            .expect("one")
            .read_from
    };
    assert_eq!(read_from("master"), ReadFrom::Master);
    assert_eq!(read_from("replicas"), ReadFrom::Replicas);
    let both = ReadFrom::ReplicasAt(vec!["a:1".to_owned(), "[::1]".to_owned()]);
    assert_eq!(read_from("a:1, [::1]"), both);
    for server in [&[one][..], &sentinels, &[("REDIS_CLUSTER", "a:1")]] {
        let builder = right(&[server, &[("REDIS_READ_FROM", "replicas")]].concat());
        builder.build().expect("right");
    }
    // Without a server there is nothing to read from.
    right(&[("REDIS_READ_FROM", "replicas")])
        .build()
        .expect("right");
    for (server, wrong) in [
        (one, "slave, replica:x"),
        (one, "redis://:hunter2@a"),
        (("REDIS_CLUSTER", "a:1"), "b:1"),
    ] {
        let (builder, problems) = with(&[server, ("REDIS_READ_FROM", wrong)]);
        assert!(
            problems.len() == 1 && !problems[0].contains("hunter2"),
            "{problems:?}"
        );
        // The master answers.
        let server = builder.server.as_ref().expect("it stays known");
        assert!(builder.enabled && server.read_from == ReadFrom::Master);
        builder.build().expect("what is wrong is left out");
    }
}

/// Whom it concerns cannot be told, and that is not kept secret.
#[tokio::test]
async fn invalidations_without_the_server_that_was_meant_are_errors() {
    let (builder, problems) = with(&[("REDIS_URL", "nonsense")]);
    assert!(builder.severed && problems.len() == 1, "{problems:?}");
    let cache = builder.build().expect("what is wrong is left out");
    let told = cache.try_invalidate([crate::Tag::new("all", [])]).await;
    let told = told.expect_err("nobody was told");
    assert_eq!(told.kind(), crate::ErrorKind::Unreachable);
    assert_eq!(cache.stats().pending_invalidations, 0);
}

/// A wrong word must not leave values readable that were to be hidden.
#[test]
fn what_is_wrong_with_secrets_switches_off_and_tells_none() {
    let secret = "ab".repeat(32);
    // Without the feature each of the two needs it.
    let both = if cfg!(feature = "encryption") { 1 } else { 2 };
    for (variables, expected) in [
        ([("CACHE_PROTECTION", "encrypt"), ("CACHE_SECRETS", "")], 1),
        (
            [
                ("CACHE_PROTECTION", "encrypted"),
                ("CACHE_SECRETS", &secret),
            ],
            both,
        ),
    ] {
        let (builder, problems) = with(&variables);
        assert!(!builder.enabled, "{problems:?}");
        assert_eq!(problems.len(), expected, "{problems:?}");
        assert!(!problems.concat().contains(&secret), "{problems:?}");
    }
}

#[test]
#[cfg(feature = "encryption")]
fn values_are_stored_as_the_environment_says() {
    let secrets = format!("1:{}", "ab".repeat(32));
    let packing = right(&[
        ("CACHE_CODEC", "json"),
        ("CACHE_COMPRESSION", "off"),
        ("CACHE_PROTECTION", "encrypted"),
        ("CACHE_SECRETS", &secrets),
    ])
    .packing;
    assert_eq!(packing.protection, Protection::Encrypted);
    assert_eq!(packing.problems(), [""; 0]);
}

/// A12, C4, D9, E4
#[test]
fn every_name_is_heard() {
    assert!(right(&[]).enabled && right(&[]).server.is_none());
    for name in ["ENABLE_CACHE", "CACHE_ENABLED", "REDIS_ENABLED"] {
        assert!(!right(&[(name, "False")]).enabled, "{name}");
        assert!(right(&[(name, "1")]).enabled, "{name}");
    }
    for name in TTLS {
        assert_eq!(
            right(&[(name, "60")]).default_ttl,
            Duration::from_secs(60),
            "{name}"
        );
    }
    assert_eq!(
        right(&[("REDIS_SOCKET_TIMEOUT", "0.05")]).operation_timeout,
        Duration::from_millis(50)
    );
    assert_eq!(
        right(&[("CACHE_BUDGET", "0.2")]).call_budget,
        Duration::from_millis(200)
    );
    assert_eq!(
        right(&[("REDIS_CONNECT_TIMEOUT", "5")]).connect_timeout,
        Duration::from_secs(5)
    );
    assert_eq!(
        right(&[("REDIS_MAX_CONNECTIONS", "50")]).max_connections,
        50
    );
    assert_eq!(
        right(&[("CACHE_PREFIX", "shop:staging")]).prefix,
        "shop:staging"
    );
    assert!(
        right(&[("REDIS_URL", " "), ("CACHE_TTL", "")])
            .server
            .is_none()
    );
}

#[test]
fn the_server_is_given_whole_or_in_parts() {
    let client = |variables: &[(&str, &str)]| {
        right(variables)
            .server
            .expect("a server")
            .client()
            .expect("a client")
    };
    let parts = client(&[
        ("REDIS_HOST", "cache"),
        ("REDIS_PORT", "6380"),
        ("REDIS_PASSWORD", "a:b@c/d"),
        ("REDIS_DB", "2"),
    ]);
    let info = parts.get_connection_info();
    assert_eq!(info.addr().to_string(), "cache:6380");
    assert_eq!(
        (info.redis_settings().password(), info.redis_settings().db()),
        (Some("a:b@c/d"), 2)
    );
    let url = client(&[
        ("REDIS_URL", "redis://cache/"),
        ("REDIS_PASSWORD", "secret"),
        ("REDIS_DB", "1"),
    ]);
    assert_eq!(
        (
            url.get_connection_info().redis_settings().password(),
            url.get_connection_info().redis_settings().db()
        ),
        (Some("secret"), 1)
    );
    let url = client(&[
        ("REDIS_URL", "redis://:own@cache/3"),
        ("REDIS_PASSWORD", "secret"),
        ("REDIS_DB", "1"),
    ]);
    assert_eq!(
        (
            url.get_connection_info().redis_settings().password(),
            url.get_connection_info().redis_settings().db()
        ),
        (Some("own"), 3)
    );
}

#[test]
fn a_master_is_known_by_its_sentinels() {
    let told = |variables: &[(&str, &str)]| {
        let server = right(variables).server.expect("a server");
        let sentinels = server.sentinels().expect("usable").expect("sentinels");
        (server.client().expect("a client"), sentinels.to_string())
    };
    let (client, sentinels) = told(&[
        ("REDIS_SENTINELS", "one, two:1,redis://:own@[::1]:2/"),
        ("REDIS_MASTER", "my.Master_1"),
        ("REDIS_PASSWORD", "secret"),
        ("REDIS_DB", "3"),
        ("REDIS_SENTINEL_USER", "eve"),
        ("REDIS_SENTINEL_PASSWORD", "hunter2"),
    ]);
    assert_eq!(
        sentinels,
        "master my.Master_1 of sentinels one:26379, two:1, ::1:2"
    );
    let settings = client.get_connection_info().redis_settings();
    assert_eq!((settings.password(), settings.db()), (Some("secret"), 3));
    let (client, _) = told(&[
        ("REDIS_SENTINELS", "one"),
        ("REDIS_MASTER", "redis://ada:own@my.Master_1/2"),
        ("REDIS_PASSWORD", "secret"),
    ]);
    let settings = client.get_connection_info().redis_settings();
    assert_eq!((settings.password(), settings.db()), (Some("own"), 2));

    for (wrong, named) in [
        (&[("REDIS_SENTINELS", "one")][..], "REDIS_MASTER"),
        (&[("REDIS_MASTER", "shop")], "REDIS_SENTINELS"),
        (
            &[
                ("REDIS_SENTINELS", "one"),
                ("REDIS_MASTER", "shop"),
                ("REDIS_HOST", "cache"),
            ],
            "REDIS_HOST",
        ),
        (
            &[("REDIS_SENTINELS", ","), ("REDIS_MASTER", "shop")],
            "needs a sentinel",
        ),
        (
            &[
                ("REDIS_SENTINELS", "redis://:hunter2@one/1"),
                ("REDIS_MASTER", "shop"),
            ],
            "no databases",
        ),
        (
            &[
                ("REDIS_SENTINELS", "redis://hunter2@one"),
                ("REDIS_MASTER", "shop"),
            ],
            "a sentinel: ",
        ),
    ] {
        let (builder, problems) = with(wrong);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(named), "{problems:?}");
        assert!(
            !problems[0].contains("hunter2") && builder.severed,
            "{problems:?}"
        );
    }
}

#[test]
fn a_cluster_is_named_by_some_of_its_nodes() {
    let seeds = |variables: &[(&str, &str)]| {
        let server = right(variables).server.expect("a cluster");
        format!("{server:?}")
    };
    let told = seeds(&[("REDIS_CLUSTER", "redis://a:7000, b:7001,")]);
    assert!(told.contains("a:7000,b:7001"), "{told}");
    for wrong in [
        &[("REDIS_CLUSTER", "a:7000"), ("REDIS_URL", "redis://b")][..],
        &[("REDIS_CLUSTER", "a:7000"), ("REDIS_DB", "1")],
        &[("REDIS_CLUSTER", ",")],
        &[("REDIS_CLUSTER", "redis://:hunter2@a:7000/2")],
    ] {
        let (builder, problems) = with(wrong);
        assert!(!builder.enabled && problems.len() == 1, "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn the_user_is_heard_by_both_names() {
    for name in USERS {
        let server = right(&[
            ("REDIS_HOST", "cache"),
            (name, "ada"),
            ("REDIS_PASSWORD", "x"),
        ])
        .server;
        let client = server.expect("a server").client().expect("a client");
        assert_eq!(
            client.get_connection_info().redis_settings().username(),
            Some("ada"),
            "{name}"
        );
    }
    let own = [
        ("REDIS_URL", "redis://eve:own@cache"),
        ("REDIS_USER", "ada"),
    ];
    let client = right(&own)
        .server
        .expect("a server")
        .client()
        .expect("a client");
    assert_eq!(
        client.get_connection_info().redis_settings().username(),
        Some("eve")
    );

    for wrong in [
        &[("REDIS_HOST", "cache"), ("REDIS_USER", "ada")][..],
        &[("REDIS_URL", "redis://ada@cache")],
        &[
            ("REDIS_HOST", "cache"),
            ("REDIS_USER", "ada"),
            ("REDIS_USERNAME", "eve"),
            ("REDIS_PASSWORD", "x"),
        ],
    ] {
        let (builder, problems) = with(wrong);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            !problems[0].contains("ada") && !problems[0].contains("eve"),
            "{problems:?}"
        );
        assert!(!builder.enabled);
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_asked_for_by_url_or_in_parts() {
    let tls = |variables: &[(&str, &str)]| right(variables).server.expect("a server").over_tls();
    assert_eq!(tls(&[("REDIS_HOST", "cache")]), Some(false));
    assert_eq!(
        tls(&[("REDIS_HOST", "cache"), ("REDIS_TLS", "yes")]),
        Some(true)
    );
    assert_eq!(
        tls(&[("REDIS_URL", "rediss://cache"), ("REDIS_TLS", "true")]),
        Some(true)
    );
    for contradiction in [
        [("REDIS_URL", "redis://cache"), ("REDIS_TLS", "true")],
        [("REDIS_URL", "rediss://cache"), ("REDIS_TLS", "false")],
    ] {
        let problems = with(&contradiction).1;
        assert!(problems[0].contains("REDIS_TLS"), "{problems:?}");
    }
}

#[test]
fn each_wrong_pem_file_is_named_and_nothing_of_it_told() {
    let key = "-----BEGIN PRIVATE KEY----- hunter2";
    let (builder, problems) = with(&[
        ("REDIS_URL", "redis://cache"),
        ("REDIS_TLS_CA", "/dev/null"),
        ("REDIS_TLS_CERT", " "),
        ("REDIS_TLS_KEY", key),
    ]);
    let told = problems.concat();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for name in PEM_FILES {
        assert!(told.contains(name), "{name}: {problems:?}");
    }
    assert!(!told.contains("hunter2"));
    assert!(!builder.enabled);
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_tls_is_refused() {
    for wrong in [
        &[("REDIS_URL", "rediss://:hunter2@cache")][..],
        &[("REDIS_URL", "VALKEYS://:hunter2@cache")],
        &[("REDIS_HOST", "cache"), ("REDIS_TLS", "1")],
        &[("REDIS_TLS_CA", "/dev/null")],
    ] {
        let (builder, problems) = with(wrong);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("feature `tls`") && !problems[0].contains("hunter2"),
            "{problems:?}"
        );
        assert!(!builder.enabled);
    }
}

#[test]
fn all_that_is_wrong_is_told_and_no_secret() {
    let (builder, problems) = with(&[
        ("CACHE_TTL", "5 minutes"),
        ("REDIS_SOCKET_TIMEOUT", "-1"),
        ("REDIS_MAX_CONNECTIONS", "0"),
        ("CACHE_PREFIX", "a b"),
        ("REDIS_URL", "http://:hunter2@cache"),
    ]);
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(!problems.concat().contains("hunter2"));
    assert_eq!(builder.default_ttl, Duration::from_secs(300));
    assert!(
        !builder.enabled,
        "without its server this instance would not hear of the others' writes"
    );
    assert!(!with(&[("ENABLE_CACHE", "flase")]).0.enabled);
    assert_eq!(
        with(&[("CACHE_TTL", "60"), ("CACHE_TTL_SECONDS", "30")])
            .1
            .len(),
        1
    );
}
