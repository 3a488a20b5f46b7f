//! The text of the generated programs.

use std::fmt::Write as _;
use std::path::Path;

/// Functions that share a model, and a caller.
const GROUP: usize = 10;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Variant {
    Plain,
    Helper,
    Ours,
    CachedMemory,
    CachedRedis,
}

impl Variant {
    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::Helper,
        Self::Ours,
        Self::CachedMemory,
        Self::CachedRedis,
    ];

    /// Of its package.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Helper => "helper",
            Self::Ours => "ours",
            Self::CachedMemory => "cached-memory",
            Self::CachedRedis => "cached-redis",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain functions",
            Self::Helper => "redis-rs, a helper by hand",
            Self::Ours => "cache-runtime",
            Self::CachedMemory => "cached, in memory",
            Self::CachedRedis => "cached, Redis",
        }
    }
}

/// One kind of function. In all texts `NR` is the function's number and `Model` is the type of its
/// group.
struct Kind {
    parameters: &'static str,
    answer: &'static str,
    body: &'static str,
    /// The options of `#[cached]` after the namespace.
    options: &'static str,
    /// What the helper gets as its key.
    key: &'static str,
    call: &'static str,
}

/// What a service asks its database for: one, perhaps one, many, a page, a figure, a summary.
const KINDS: [Kind; 6] = [
    Kind {
        parameters: "db: &Db, id: u64",
        answer: "Option<Model>",
        body: r#"let rows = db.rows("SELECT * FROM tNR WHERE id = ?", &[id.to_string()]).await?;
        Ok(rows.into_iter().next().map(Model::from))"#,
        options: r#""5m", key = id, skip(db)"#,
        key: r#"format!("read_NR:{id}")"#,
        call: "read_NR(db, 7).await?.is_some()",
    },
    Kind {
        parameters: "db: &Db, workspace: &str, page: u32",
        answer: "Vec<Model>",
        body: r#"let rows = db.rows("SELECT * FROM tNR WHERE workspace = ?", &[workspace.to_owned(), page.to_string()]).await?;
        Ok(rows.into_iter().map(Model::from).collect())"#,
        options: r#""1m", key = (workspace, page), skip(db)"#,
        key: r#"format!("read_NR:{workspace}:{page}")"#,
        call: r#"read_NR(db, "acme", 1).await?.is_empty()"#,
    },
    Kind {
        parameters: "db: &Db, name: String",
        answer: "Model",
        body: r#"let rows = db.rows("SELECT * FROM tNR WHERE name = ?", &[name]).await?;
        rows.into_iter().next().map(Model::from).ok_or(DbError)"#,
        options: r#""1h", key = name, skip(db)"#,
        key: r#"format!("read_NR:{name}")"#,
        call: r#"read_NR(db, "ann".to_owned()).await?.active"#,
    },
    Kind {
        parameters: "db: &Db, filter: &Filter, limit: Option<u32>",
        answer: "Vec<Model>",
        body: r#"let rows = db.rows("SELECT * FROM tNR", &[filter.status.clone(), filter.owner.to_string()]).await?;
        Ok(rows.into_iter().take(limit.unwrap_or(50) as usize).map(Model::from).collect())"#,
        options: r#""30s", key = (filter.status, filter.owner, limit), skip(db)"#,
        key: r#"format!("read_NR:{}:{}:{limit:?}", filter.status, filter.owner)"#,
        call: "read_NR(db, &filter, None).await?.is_empty()",
    },
    Kind {
        parameters: "db: &Db, workspace: &str",
        answer: "u64",
        body: r#"let rows = db.rows("SELECT count(*) FROM tNR WHERE workspace = ?", &[workspace.to_owned()]).await?;
        Ok(rows.len() as u64)"#,
        options: r#""10m", key = workspace, skip(db)"#,
        key: r#"format!("read_NR:{workspace}")"#,
        call: r#"read_NR(db, "acme").await? > 1"#,
    },
    Kind {
        parameters: "db: &Db, workspace: &str, days: u16",
        answer: "BTreeMap<String, Vec<u64>>",
        body: r#"let mut summary = BTreeMap::<String, Vec<u64>>::new();
        for row in db.rows("SELECT day, total FROM tNR", &[workspace.to_owned(), days.to_string()]).await? {
            let model = Model::from(row);
            summary.entry(model.name).or_default().push(model.id);
        }
        Ok(summary)"#,
        options: r#""30m", key = (workspace, days), skip(db)"#,
        key: r#"format!("read_NR:{workspace}:{days}")"#,
        call: r#"read_NR(db, "acme", 30).await?.is_empty()"#,
    },
];

pub(crate) fn workspace_manifest(runtime: &Path) -> String {
    let members = Variant::ALL
        .map(|variant| format!("{:?}", variant.name()))
        .join(", ");
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n\
         [workspace.dependencies]\n\
         cache-runtime = {{ path = {runtime:?} }}\n\
         cached = {{ version = \"4\", features = [\"async\", \"redis_tokio\"] }}\n\
         redis = {{ version = \"1\", default-features = false, features = [\"tokio-comp\", \"script\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\
         serde_json = \"1\"\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\", \"sync\"] }}\n"
    )
}

/// All have the same dependencies, so that they are built with the same features and linked alike.
pub(crate) fn manifest(variant: Variant) -> String {
    let name = variant.name();
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [[bin]]\nname = \"{name}\"\npath = \"main.rs\"\n\n\
         [dependencies]\ncache-runtime.workspace = true\ncached.workspace = true\nredis.workspace = true\nserde.workspace = true\n\
         serde_json.workspace = true\ntokio.workspace = true\n"
    )
}

pub(crate) fn source(variant: Variant, functions: usize) -> String {
    let mut source = String::from(COMMON);
    match variant {
        Variant::Plain => {}
        Variant::Helper => source.push_str(HELPER),
        Variant::Ours => source.push_str("use cache_runtime::cached;\n"),
        Variant::CachedMemory => source.push_str("use cached::macros::cached;\n"),
        Variant::CachedRedis => source.push_str("use cached::macros::concurrent_cached;\n"),
    }

    let groups = functions.div_ceil(GROUP);
    for group in 0..groups {
        let model = format!("Model{group}");
        let numbers = group * GROUP..functions.min((group + 1) * GROUP);
        source.push_str(&MODEL.replace("Model", &model));
        for number in numbers.clone() {
            source.push_str(&function(variant, number, &model));
        }
        source.push_str(&caller(group, numbers));
    }
    source.push_str(&main_function(groups));
    source
}

fn function(variant: Variant, number: usize, model: &str) -> String {
    let Kind {
        parameters,
        answer,
        body,
        options,
        key,
        ..
    } = &KINDS[number % KINDS.len()];
    let text = match variant {
        Variant::Plain => format!(
            "\nasync fn read_NR({parameters}) -> Result<{answer}, DbError> {{\n    {body}\n}}\n"
        ),
        Variant::Ours => format!(
            "\n#[cached(\"read_NR\", {options})]\n\
             async fn read_NR({parameters}) -> Result<{answer}, DbError> {{\n    {body}\n}}\n"
        ),
        Variant::CachedMemory => format!(
            "\n#[cached(ttl_secs = 300, max_size = 1_000, key = \"String\", convert = r##\"{{ {key} }}\"##)]\n\
             async fn read_NR({parameters}) -> Result<{answer}, DbError> {{\n    {body}\n}}\n"
        ),
        Variant::CachedRedis => format!(
            "\n#[concurrent_cached(redis = true, ttl_secs = 300, map_error = \"|_| DbError\", key = \"String\", convert = r##\"{{ {key} }}\"##)]\n\
             async fn read_NR({parameters}) -> Result<{answer}, DbError> {{\n    {body}\n}}\n"
        ),
        Variant::Helper => format!(
            "\nasync fn read_NR({parameters}) -> Result<{answer}, DbError> {{\n    \
             aside({key}, 300, async {{\n        {body}\n    }}).await\n}}\n"
        ),
    };
    text.replace("NR", &number.to_string())
        .replace("Model", model)
}

/// Small callers, as in a service: one future that awaits 300 others would be measured for itself.
fn caller(group: usize, numbers: std::ops::Range<usize>) -> String {
    let mut text = format!(
        "\nasync fn group{group}(db: &Db) -> Result<usize, DbError> {{\n    \
         let filter = Filter {{ status: \"open\".to_owned(), owner: 7 }};\n    let mut found = usize::from(filter.owner == 0);\n"
    );
    for number in numbers {
        let call = KINDS[number % KINDS.len()]
            .call
            .replace("NR", &number.to_string());
        writeln!(text, "    found += usize::from({call});").expect("a String takes all");
    }
    text.push_str("    Ok(found)\n}\n");
    text
}

fn main_function(groups: usize) -> String {
    let mut text = String::from(
        "\n#[tokio::main]\nasync fn main() -> Result<(), DbError> {\n    let mut found = 0;\n",
    );
    for group in 0..groups {
        writeln!(text, "    found += group{group}(&Db).await?;").expect("a String takes all");
    }
    text.push_str("    println!(\"{found}\");\n    Ok(())\n}\n");
    text
}

const COMMON: &str = r#"#![allow(dead_code, unused_imports)]
use std::collections::BTreeMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Clone, Copy, Debug)]
pub struct DbError;

pub struct Db;

pub type Row = Vec<String>;

impl Db {
    async fn rows(&self, sql: &str, arguments: &[String]) -> Result<Vec<Row>, DbError> {
        tokio::task::yield_now().await;
        Ok(vec![vec![sql.to_owned(), arguments.join(",")]])
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filter {
    status: String,
    owner: u64,
}
"#;

const MODEL: &str = r#"
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    id: u64,
    name: String,
    active: bool,
    score: Option<f64>,
    labels: Vec<String>,
}

impl From<Row> for Model {
    fn from(row: Row) -> Self {
        let id = row.len() as u64;
        Self { id, name: row.concat(), active: id > 1, score: None, labels: row }
    }
}
"#;

/// As people write it: look in Redis, else load and store. No single flight, no protection from
/// races or faults.
const HELPER: &str = r#"
static REDIS: tokio::sync::OnceCell<Option<redis::aio::MultiplexedConnection>> = tokio::sync::OnceCell::const_new();

async fn redis() -> Option<redis::aio::MultiplexedConnection> {
    let connect = async {
        let client = redis::Client::open("redis://127.0.0.1:6379").ok()?;
        client.get_multiplexed_async_connection().await.ok()
    };
    REDIS.get_or_init(|| connect).await.clone()
}

async fn aside<T: Serialize + DeserializeOwned, E>(
    key: String,
    seconds: u64,
    load: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    use redis::AsyncCommands;
    let Some(mut redis) = redis().await else {
        return load.await;
    };
    if let Ok(Some(text)) = redis.get::<_, Option<String>>(&key).await
        && let Ok(value) = serde_json::from_str(&text)
    {
        return Ok(value);
    }
    let value = load.await?;
    if let Ok(text) = serde_json::to_string(&value) {
        let _: Result<(), _> = redis.set_ex(&key, text, seconds).await;
    }
    Ok(value)
}
"#;
