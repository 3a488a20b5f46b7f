//! The attributes of `cache-runtime`: see [`macro@cached`], [`macro@invalidates`] and [`macro@updates`].

mod args;
mod check;
mod declaration;
mod duration;
mod errors;
mod event;
mod expand;
mod function;
mod mentions;
mod model;
mod receiver;
mod spelling;
mod template;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

use crate::errors::Mistakes;
use crate::event::EventType;
use crate::function::Function;

/// Caches the answers of an `async fn`.
///
/// ```text
/// #[cached(namespace = "exec:dashboard", ttl = "30m", key = (workspace_id, timeframe))]
/// async fn dashboard(#[skip] db: &PgPool, workspace_id: &str, timeframe: Timeframe) -> Result<Dashboard, DbError> { … }
///
/// #[cached("agents", "1h")] // the short form: namespace and ttl; every parameter is in the key
/// async fn agent(id: Uuid) -> Option<Agent> { … }
/// ```
///
/// The function keeps its signature, its attributes, its errors and its `async fn` nature. What is stored is the value in
/// the answer: the `T` of `Result<T, E>`, `Option<T>`, `Result<Option<T>, E>` and of their aliases, the inside of
/// `Json<T>`, or the whole of any other answer. It has to implement `serde::Serialize` and `serde::de::DeserializeOwned`.
/// `Err` is never stored.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `namespace = "a:b"` | fixed segments at the front of the key | required |
/// | `key = expr`, `(expr, expr)`, `"{a}:{b.c}"` | what distinguishes two calls; every part implements `serde::Serialize` | every parameter that is not skipped, in order |
/// | `#[skip] param`, `skip(db, ctx)` | the parameter cannot change the answer | nothing is skipped |
/// | `ttl = "30m"`, `1800`, `expr` | expiry: a text in ms, s, m, h, d, w (`"1h30m"`), seconds, or a `Duration` | the cache's ttl |
/// | `ttl_with = \|value\| …` | expiry from the value, instead of `ttl` | |
/// | `none_ttl = …` | how long a `None` is kept; the forms of `ttl` | `None` is not kept |
/// | `cache_if = \|value\| …` | whether a value is kept | every value is |
/// | `batch = ids` | a function of many keys: `ids` is a `&[T]` or `Vec<T>`, and stands for one of them in the key; the body sees those that are not cached | one key |
/// | `skip_cache = expr` | when true, this call does not look, and stores its fresh answer | `false` |
/// | `local = "10s"`, `local = off` | how long a copy is kept in this process; the forms of `ttl`, and no longer than it | `off` |
/// | `stale_while_revalidate = "1m"` | for so long after the ttl the old answer is served while the body runs in the background; the forms of `ttl` | never |
/// | `stale_if_error = "1h"` | for so long after the ttl the old answer is served when the body answers `Err`; the forms of `ttl` | never |
/// | `refresh_ahead = on`, `off`, `1.5` | begin to load in the background before the ttl is over; a number is the factor, `on` is 1.0, more is earlier | `off` |
/// | `single_flight = process`, `fleet`, `off` | who loads when many miss: one caller of each process, one of all instances, everybody | `process` |
/// | `lock = "5s"` | the longest time that a caller waits for another's load, and that one instance keeps the others from loading; the forms of `ttl` | 1 minute, with `fleet` 5 seconds |
/// | `soft_timeout = "200ms"` | after this time the old answer that `stale_if_error` keeps is served, and the load goes on in the background; the forms of `ttl` | none |
/// | `load_timeout = "2s"` | after this time the load is given up, and `on_timeout` answers; the forms of `ttl` | none |
/// | `on_timeout = \|\| DbError::Timeout` | the error that is answered then | |
/// | `codec = json`, `msgpack`, `postcard` | how values are written; the last two need the feature of their name | the type's or the cache's, JSON |
/// | `compress = lz4`, `zstd`, `off` | how values of 1 KiB and more are compressed; needs the feature of its name | the cache's, `off` |
/// | `encrypt = on`, `off` | nobody else can read values in Redis, make them up, or move them to another key; needs the feature `encryption` and the cache's `secrets`; no report tells the keys | the cache's, `off` |
/// | `sign = on`, `off` | nobody else can make values up or move them; they stay readable | the cache's, `off` |
/// | `max_size = "64KB"`, `65536` | the largest value that is stored, as it is encoded: bytes, or B, KB, MB, GB of 1024 each; a larger one is answered and not kept | the cache's, 1 MiB |
/// | `version = 2` | set it higher when the answer's type changes: older answers are not read | `0` |
/// | `tags = ["workspace:{workspace_id}"]` | groups that can be cleared at once | none |
/// | `cache = expr` | a `Cache` handle | the installed cache |
/// | `crate = path` | where `cache_runtime` is found | `::cache_runtime` |
/// | `companion = off` | no companion | there is one |
///
/// Expressions see the parameters as they are declared, and are evaluated before the body. `ttl_with` and `cache_if` take
/// a closure or a function of the stored value, by reference. They run after the body, which has taken the parameters that
/// it uses with it: a closure can use such a parameter when it is `Copy` or a reference, so take `&str` for `String`.
///
/// With `local` the value has to be `Clone + Send + Sync + 'static`, and a hit in this process answers a clone of it: `Arc<T>` makes
/// that cheap. Other instances learn of an invalidation a moment after it returned.
///
/// # Stale answers and background loads
///
/// `stale_while_revalidate` and `stale_if_error` are those of [RFC 5861](https://www.rfc-editor.org/rfc/rfc5861): they begin when the
/// ttl is over. They are about age alone: what has been invalidated is never served again. `refresh_ahead` is
/// [XFetch](https://www.vldb.org/pvldb/vol8/p886-vattani.pdf): each hit may begin to load anew, the more likely the nearer the end of the ttl is and
/// the longer the last load took, so that not all callers miss at once. Both hide the load from callers, for the price of answers that are older.
///
/// With `stale_while_revalidate`, `refresh_ahead` or `soft_timeout` a load may go on when its caller has its answer and is gone, on
/// another thread. So it takes with it what its body mentions, and nothing is copied before a load begins:
///
/// | parameter | in the background | it must be |
/// |---|---|---|
/// | `db: &PgPool`, `name: &str`, `&self`, `self: &Arc<Self>` | a copy, under the same name and with the same type | `ToOwned`, as all that is `Clone`, and `str` and `[T]`; what it is copied to, `Send + 'static` |
/// | `id: Uuid`, `State(app): State<App>`, `self: Arc<Self>` | moved there | `Send + 'static` |
/// | `Option<&str>`, `Cow<'_, str>`, `&mut Conn`, `&mut self` | | an error that names it: what is lent is gone with the caller |
///
/// What the body does not mention may be anything. The body has to be `Send` across its awaits, and the answer `Send + 'static`. A pool, an
/// `Arc` and a client are cheap to copy; where a copy is dear, take an `Arc` of it. `cache_if`, `ttl_with` and `on_timeout` may not mention
/// parameters, and the answer may not borrow from one (`Cow::Owned` is all right). Without these options nothing of this is asked.
///
/// In the body `self` is another variable that holds the copy. Macros see it, and so does the text of `format!`, `write!`, `assert!`, `info!` and
/// their like; for a text with `{self}` in any other macro, give it as an argument: `"{}", self`.
///
/// # Batches
///
/// ```text
/// #[cached("agents", "1h", none_ttl = "1m", key = id)]
/// async fn agent(#[skip] db: &Db, id: Uuid) -> Result<Option<Agent>, DbError> { … }
///
/// #[cached(agent(ids), batch = ids)] // the keys of `agent`, and its policy
/// async fn agents(#[skip] db: &Db, ids: &[Uuid]) -> Result<HashMap<Uuid, Agent>, DbError> { … }
/// ```
///
/// All keys are looked up in one round trip, the body is called once with those that are not cached, each of them once, and what it
/// brings is stored in one round trip (256 keys a round trip; without a cached key the body is not called for an empty list). The answer is a
/// `HashMap<T, V>`, a `BTreeMap<T, V>` or a `Vec<Option<V>>` in the order of the keys, alone or in a `Result`; an `Err` is the answer of the whole
/// call. A key that is not in the map, or `None`, is "nothing there", kept for `none_ttl`. `V` has to be `Clone`. What is invalidated while the
/// body runs is answered and not stored, key by key; a key that another caller loads at that moment is waited for, and the body
/// called again only where that load comes to nothing. So the body may be called twice: parameters that it takes by value are cloned, and
/// `&mut` ones are errors. While Redis is away each call loads for itself.
///
/// The keys are those of another function, of a declaration (`#[cached(keys::agent(ids), batch = ids)]`), or its own (`key = ids`). With those of
/// another function the stored values have to have its type, `tags` have to be the same, and times that are expressions have to be given again.
/// There is no companion. Stale answers, `single_flight = fleet` and deadlines are for functions of one key.
///
/// # Waiting and deadlines
///
/// Of those who miss at once one loads, and the others wait for its answer, for `lock` at most: then one of them loads again, and after as long the
/// others for themselves. `fleet` has one load
/// for all instances, for the price of a round trip and of a wait when the instance that loads dies. `single_flight = off` is for loads that are cheaper than waiting.
///
/// `load_timeout` bounds a caller's wait for the body: the body is dropped where it awaits, and `on_timeout`, a closure or a function without arguments, makes
/// the error. With `stale_if_error` the old answer is served instead, where there is one, as after any other `Err`. `soft_timeout` is
/// shorter: while an old answer is at hand nobody waits for longer.
///
/// # Declared keys
///
/// `#[cached(keys::agent(agent_id))]` takes namespace, template, ttl and version from a key that [`cache_keys!`] declares. The arguments are
/// what distinguishes two calls, and the rules of the key hold for them. `namespace`, `key`, `ttl`, `ttl_with` and `version` are not given
/// again, so that what is stored by hand under the key and by the function is kept alike.
///
/// # What is not seen
///
/// Two things are not seen through: an alias of `()`, which is stored like any other value, and a `Result` inside an
/// `Option`: `Option<Result<T, E>>` stores what it holds, an `Err` too.
///
/// # The key
///
/// Every parameter, `self` too, is in the key, skipped, mentioned in `cache`, or a `bool` that `skip_cache` mentions. Any
/// other is an error that names it, because two calls that differ only there would share one answer. Names in patterns
/// count one by one: in `Path((org, id)): Path<(Uuid, Uuid)>` they are `org` and `id`. When `key` is left out, a parameter
/// that `cache` mentions is not a part of it, nor is a `bool` that `skip_cache` mentions.
///
/// The same holds for the function's type and const parameters: they are in the key (`std::any::type_name::<T>()`, `N`),
/// in `skip(T, N)`, or in the type of a parameter, as is the `Fut` of `F: Fn() -> Fut` with `F`. One that is in the answer
/// has to be named even then. Generics of the `impl` around the function, and `Self` in the default methods of a trait,
/// cannot be seen from here: where they change the answer, put `std::any::type_name::<Self>()` in the key.
///
/// A string in `key` is a template: its segments stand between colons, a segment holds one placeholder at most, and its
/// letters are ASCII letters, digits and `-_.@/+~`. At most 8 segments may follow the first one.
///
/// # The companion
///
/// Beside a function `dashboard` stands an empty enum `dashboard` with these functions; *K* are the parameters that the key
/// mentions, by value and in order, and *C* adds those that `cache`, `ttl`,
/// `none_ttl`, `ttl_with`, `local`, `stale_while_revalidate`, `stale_if_error`, `cache_if` and `tags` mention.
///
/// | function | |
/// |---|---|
/// | `key(K) -> Key` | the key of a call |
/// | `pattern(Option<K>) -> Pattern` | all calls that agree with what is given |
/// | `async invalidate(C)` | clears one call's answer |
/// | `hottest(usize) -> Hottest<…>` | the hottest keys, to warm by |
/// | `async peek(C) -> Option<Answer>` | what is stored; the function is not called |
/// | `async put(C, answer)` | stores an answer, or the value in it; a write that comes between the making of the value and this call is not seen |
/// | `async refresh(…) -> Answer` | calls without looking, and stores |
/// | `async uncached(…) -> Answer` | calls as if there were no cache |
///
/// A struct pattern is one parameter of the companion: `Query(Page { limit, after }): Query<Page>` asks for a `Page`. Of the
/// function's generics `key` and `pattern` keep those that the key needs, `invalidate` also those of *C*, `peek` and `put`
/// those of the answer besides; `refresh` and `uncached` keep all.
///
/// Beside a method `goal` whose visibility is written (`pub`, `pub(crate)`, `pub(self)`) stand methods: `goal_key`,
/// `goal_pattern`, `goal_invalidate`, `goal_hottest`, `goal_peek`, `goal_put`, `goal_refresh`, `goal_uncached`. A method without written
/// visibility may be one of a trait, and has no companion.
///
/// An associated function without `self` has them too, when it mentions `Self` in itself or in the attribute:
/// `Goals::of_key(…)`.
///
/// The function's name also names a type then. A link to it in rustdoc is written with parentheses: ``[`dashboard()`]``.
/// Write `companion = off` when the compiler says that an enum may not stand in an `impl` (an associated function that
/// mentions neither `self` nor `Self`), that the name is taken, or when the function is called like a module, type or
/// crate that its surroundings use.
///
/// # Errors
///
/// All mistakes are reported at once, at the words that are wrong; the function stays as it was written. What cannot work:
/// functions that are not async, answers that are `impl Trait`, references or nothing, and `#[async_trait]` applied first.
#[proc_macro_attribute]
pub fn cached(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(item.into(), "cached", |mut function, mistakes| {
        let args = TokenStream::from(args);
        function.read_attribute(args.clone());
        let args = args::parse(args, mistakes);
        let model = check::cached::check(args, function, Span::call_site(), mistakes);
        if mistakes.none() {
            expand::cached::expand(&model)
        } else {
            expand::stand_in::cached(&model)
        }
    })
}

/// Clears cached answers after an `async fn` has written; on a struct, says what an event makes old.
///
/// ```text
/// #[invalidates(dashboard(workspace_id, _), "exec:*:{workspace_id}:*", tag = "workspace:{workspace_id}")]
/// async fn rename(db: &PgPool, workspace_id: &str, name: &str) -> Result<(), DbError> { … }
/// ```
///
/// # Targets
///
/// Any number, in any order:
///
/// | target | clears |
/// |---|---|
/// | `dashboard(workspace_id, _)` | the answers of a cached function for these arguments, `_` for any; a wrong function, number or type is a compiler error |
/// | `self.goals.goal(id, _)` | the same of a cached method: one with a receiver is named through a value |
/// | `Self::of(id)`, `Goals::of(_)` | the same of a cached associated function without a receiver |
/// | `"agents:list:*"`, `patterns = ["…", "…"]` | the keys that a pattern matches |
/// | `tag = "workspace:{workspace_id}"` | everything with this tag |
/// | `event = WorkspaceUpdated { workspace_id }` | what the event makes old: any expression of a type that implements `Event` |
///
/// An argument that is the name of a parameter taken by value is cloned, as the body takes the parameter with it; so is one in
/// the fields and arguments that an event is made of. Anything else is evaluated as written, before the body.
///
/// `_` needs a parameter with a concrete type: where it is generic or `impl Trait`, write a pattern string.
///
/// In a pattern `*` stands for one whole segment, and at the end for all that follow. The first segment is fixed text.
/// Placeholders are parameters and their fields, and `result`: the value in the answer, once it is known. `result` may be
/// an argument of a typed target, or in a field of an event; the event is written out as a struct then. Targets that mention
/// `result` are cleared for every value that it might have, when the writer is dropped or panics before it has answered.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `on = success`, `on = always` | clear after `Ok`, `Some` and plain answers, or after every answer | `success` |
/// | `on_unreachable = queue`, `on_unreachable = fail` | when Redis cannot be reached: write, and clear as soon as it can be; or answer an `Err` before the body runs | `queue` |
/// | `crash_safe = "30s"` | announce the write before the body runs, so that nothing old stays even if the program dies in between: the most time that the body may take, and in a transaction the commit | not announced |
/// | `hold_off = "500ms"` | for this time after clearing, do not store what is loaded: give it the time that read replicas may lag behind | none |
/// | `cache = expr` | a `Cache` handle | the installed cache |
/// | `crate = path` | where `cache_runtime` is found | `::cache_runtime` |
///
/// Times are texts in ms, s, m, h, d, w (`"1m30s"`), seconds, or expressions of type `Duration`, evaluated before the body.
///
/// `on_unreachable = fail` needs a function that answers `Result<_, E>` where `E` implements `From<cache_runtime::Error>`.
///
/// It is asked once, before the body: what fails later is queued. When Redis cannot be reached and `on_unreachable` is `queue`, a
/// `crash_safe` write goes on without its announcement, and the log says so. A writer that is dropped in its body leaves the announcement
/// up for the whole time, since the database may still commit.
///
/// Inside a database transaction keep invalidations back with `AfterCommit`.
///
/// What `crash_safe` announces of targets that mention `result` is all that they might be.
///
/// # Events
///
/// On a struct the attribute implements `cache_runtime::Event`: what happened, and once for all what it makes old.
///
/// ```text
/// #[invalidates(dashboard(workspace_id, _), "exec:*:{workspace_id}:*", tag = "workspace:{workspace_id}")]
/// struct WorkspaceUpdated {
///     workspace_id: u64,
/// }
///
/// #[invalidates(event = WorkspaceUpdated { workspace_id }, "audit:*")]
/// async fn rename(db: &PgPool, workspace_id: u64, name: &str) -> Result<(), DbError> { … }
///
/// cache.emit(WorkspaceUpdated { workspace_id }).await; // by hand
/// ```
///
/// The struct stays as it is. Its targets name its fields, without `self`. A field's name alone is cloned as an argument of a typed
/// target; in any other expression a field is a reference: `&owner`, `*page`, `agent.id`. An event has targets and `crate`, and no
/// other option: when and how they are cleared is a matter of the function that lets it happen. Methods with a receiver, `result` and
/// other events are no targets of it. The fields need names; for an enum implement `cache_runtime::Event` by hand.
///
/// # Errors
///
/// All mistakes are reported at once, at the words that are wrong; the function, or the struct, stays as it was written.
#[proc_macro_attribute]
pub fn invalidates(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    let keyword = check::item_keyword(item.clone());
    if keyword.is_some_and(|keyword| keyword == "struct" || keyword == "enum") {
        return event(args.into(), item);
    }
    expand(item, "invalidates", |function, mistakes| {
        let args = args::parse(args.into(), mistakes);
        let model = check::invalidates::check(args, function, Span::call_site(), mistakes);
        if mistakes.none() {
            expand::invalidates::expand(&model)
        } else {
            expand::stand_in::function(&model.function)
        }
    })
}

/// Stores what an `async fn` has written as the answer of the function that reads it: write-through.
///
/// ```text
/// #[cached("agents", "1h", key = agent_id)]
/// async fn agent(#[skip] db: &PgPool, agent_id: Uuid) -> Result<Option<Agent>, DbError> { … }
///
/// #[updates(agent(agent_id))]
/// #[invalidates("agents:list:*")]
/// async fn rename(db: &PgPool, agent_id: Uuid, name: &str) -> Result<Agent, DbError> { … }
/// ```
///
/// A call of `agent` that begins after `rename` returned has what `rename` wrote, or something newer, and needs no load.
///
/// # Targets
///
/// Any number: `agent(agent_id)`, `self.goals.goal(id)`, `Self::of(id)`, as in [`macro@invalidates`], with an argument for each parameter that the key
/// mentions, and behind them in order those that only the policy of the function mentions: the arguments of its companion's `put`. An argument that is the name of a
/// parameter taken by value is cloned, as the body takes the parameter with it.
///
/// # The value
///
/// What is stored is the value in the answer: the `Agent` of `Agent`, `Option<Agent>`, `Result<Agent, E>`, `Result<Option<Agent>, E>`, and of
/// `Json<Agent>` in each of them. It has to be the value in the answers of the target, or a whole answer of it, and `Clone`. The types decide, not how they are
/// spelled. How it is stored, for how long, in which cache, and whether at all, is said where the target is: its `ttl`, `cache_if`, `max_size`, `cache`.
///
/// After `Err` and `None` nothing was written, and nothing happens. After `Ok(None)` there is nothing to store, and the key is invalidated.
///
/// # Freshness
///
/// Before the body the key is asked for a ticket, as before a load. The value is stored only if nothing has happened to the key since: no
/// invalidation, no other update, no load that stored first. Otherwise, and when Redis cannot be reached, or the value may not be stored
/// (`cache_if`, `max_size`, what cannot be serialized), the key is invalidated, as by `#[invalidates(agent(agent_id))]`: once, or as soon as Redis can be reached.
/// So whatever the order of two writers at the same moment, what they leave behind is the newer value or nothing.
///
/// The key has to be known before the write. `result` and `_` are no arguments: `#[invalidates(agent(result.id))]` is for them.
///
/// A writer that is dropped or panics in its body invalidates the key, since it may have written. Inside `AfterCommit` nothing is stored before the
/// commit, and the key is invalidated after it. So it is with `hold_off` of the builder, where a load from a replica that lags could replace what was stored.
///
/// `#[updates]` and `#[invalidates]` may stand on one function, in either order. A pattern there that names the key too takes away what was stored.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `on_unreachable = queue`, `on_unreachable = fail` | as for [`macro@invalidates`] | `queue` |
/// | `crate = path` | where `cache_runtime` is found | `::cache_runtime` |
///
/// # Errors
///
/// All mistakes are reported at once, at the words that are wrong; the function stays as it was written.
#[proc_macro_attribute]
pub fn updates(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(item.into(), "updates", |function, mistakes| {
        let args = args::parse(args.into(), mistakes);
        let model = check::updates::check(args, function, Span::call_site(), mistakes);
        if mistakes.none() {
            expand::updates::expand(&model)
        } else {
            expand::stand_in::function(&model.function)
        }
    })
}

/// Declares keys in one place: their names, what they are made of, how long their values are kept.
///
/// ```text
/// pub mod keys {
///     use cache_runtime::{cache_keys, ttl};
///
///     cache_keys! {
///         /// An agent's configuration.
///         pub agent(agent_id: Uuid) = "agents:{agent_id}", ttl = ttl::HOUR;
///         pub dashboard(workspace_id: &str, timeframe: Timeframe) =
///             "exec:dashboard:{workspace_id}:{timeframe}", ttl = "30m", version = 2;
///     }
/// }
///
/// #[cached(keys::agent(agent_id))]
/// async fn agent(#[skip] db: &PgPool, agent_id: Uuid) -> Result<Agent, DbError> { … }
///
/// #[invalidates(keys::dashboard(workspace_id, _))]
/// async fn rename(db: &PgPool, workspace_id: &str, name: &str) -> Result<(), DbError> { … }
///
/// let stored: Option<Agent> = cache.get(&keys::agent(id)).await; // by hand
/// ```
///
/// # A declaration
///
/// `name(parameters) = "key", options;`. The key is a template: it begins with fixed text, its segments stand between colons, a segment
/// holds one placeholder at most, and every parameter stands in it. Placeholders are parameters and their fields.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `ttl = ttl::HOUR`, `"30m"`, `1800` | how long values are kept: a constant of type `Duration`, a text in ms, s, m, h, d, w, or seconds | required |
/// | `version = 2` | set it higher when the type of the values changes: older ones are not read | `0` |
/// | `codec`, `compress`, `encrypt`, `sign`, `max_size` | as of [`macro@cached`], for functions and by hand | the cache's |
/// | `crate = path` | where `cache_runtime` is found | `::cache_runtime` |
///
/// A declaration is a function of its name, which makes the key, and an empty enum of that name with `key`, `pattern`, `invalidate` and `hottest`,
/// as they stand beside cached functions.
///
/// A cached function takes its namespace, ttl, version and way of storing from the declaration; what is stored by hand under the key and what the function
/// stores are the same. One function loads what is declared: a second one that shares the key runs uncached, and the log says so.
///
/// Two templates of one macro may not be the same but for the names of their placeholders. `agents:{id}` and `agents:list` may stand side by
/// side: an entry names its declaration, so that an `id` that is the text `list` is a miss, and never the list.
///
/// # Errors
///
/// All mistakes are reported at once, at the words that are wrong.
#[proc_macro]
pub fn cache_keys(declarations: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let (given, unreadable) = declaration::read(declarations.into());
    unreadable
        .into_iter()
        .for_each(|error| mistakes.push(error));
    let declared = check::declared::check(given, &mut mistakes);
    let expand = match mistakes.none() {
        true => expand::declared::expand,
        false => expand::declared::stand_in,
    };
    let output: TokenStream = declared.into_iter().map(expand).collect();
    let mut tokens = mistakes.into_compile_errors();
    output.to_tokens(&mut tokens);
    tokens.into()
}

/// Reads the item, hands it on, and puts all mistakes before what comes back.
fn expand(
    item: TokenStream,
    attribute: &str,
    go_on: impl FnOnce(Function, &mut Mistakes) -> TokenStream,
) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let output = match syn::parse2::<Function>(item.clone()) {
        // The attribute below expands on its own, and needs the item as it is.
        Ok(function) if check::another(&function, attribute, &mut mistakes) => item,
        Ok(function) => go_on(function, &mut mistakes),
        Err(error) => {
            match check::item_keyword(item.clone()) {
                Some(keyword) if keyword != "fn" => {
                    check::not_a_function(&keyword, attribute, &mut mistakes)
                }
                _ => mistakes.push(error),
            }
            item
        }
    };
    let mut tokens = mistakes.into_compile_errors();
    output.to_tokens(&mut tokens);
    tokens.into()
}

/// The same for a type, which becomes an event.
fn event(args: TokenStream, item: TokenStream) -> proc_macro::TokenStream {
    let mut mistakes = Mistakes::default();
    let output = match syn::parse2::<EventType>(item.clone()) {
        Ok(event) if check::event::twice(&event, &mut mistakes) => item,
        Ok(event) => {
            let args = args::parse(args, &mut mistakes);
            let model = check::event::check(args, event, Span::call_site(), &mut mistakes);
            if mistakes.none() {
                expand::event::expand(&model)
            } else {
                expand::event::stand_in(&model)
            }
        }
        Err(error) => {
            mistakes.push(error);
            item
        }
    };
    let mut tokens = mistakes.into_compile_errors();
    output.to_tokens(&mut tokens);
    tokens.into()
}
