//! What an expansion is made from: everything is resolved, nothing can fail any more.

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;
use syn::{Expr, Path, Signature};

use crate::event::EventType;
use crate::function::{Function, Piece};
use crate::mentions::Names;

/// `#[cached]` on a function.
pub(crate) struct Cached {
    pub(crate) function: Function,
    pub(crate) runtime: Option<Path>,
    pub(crate) companion: Companion,
    /// The key as the runtime takes it: `exec:dashboard:{}:{}`.
    pub(crate) template: String,
    /// Whose keys they are, where the function has none of its own: `keys::agent(agent_id)`.
    pub(crate) shared: Option<Call>,
    pub(crate) parts: Vec<Part>,
    pub(crate) ttl: Time,
    pub(crate) none_ttl: Time,
    pub(crate) local: Time,
    pub(crate) stale: Stale,
    pub(crate) waiting: Waiting,
    pub(crate) storage: Storage,
    pub(crate) version: Option<u16>,
    pub(crate) ttl_with: Option<Expr>,
    pub(crate) cache_if: Option<Expr>,
    pub(crate) skip_cache: Option<Expr>,
    pub(crate) tags: Vec<Text>,
    pub(crate) cache: Option<Expr>,
    /// For a function of many keys.
    pub(crate) batch: Option<Batch>,
    /// `None` for a function whose callers wait for all of its loads.
    pub(crate) background: Option<Background>,
    /// Names of the parameters that the key mentions.
    pub(crate) key_names: Names,
    /// Those, and what else decides where and how long an answer is stored.
    pub(crate) policy_names: Names,
    /// Whether nothing but the key mentions parameters: whoever has the key needs them no more.
    pub(crate) key_is_enough: bool,
}

impl Cached {
    /// What the companion's functions ask for: the pieces that bind one of `names`.
    pub(crate) fn pieces(&self, names: &Names) -> Vec<&Piece> {
        self.function
            .pieces()
            .filter(|piece| piece.binds_one_of(names))
            .collect()
    }
}

/// A key that `cache_keys!` declares.
pub(crate) struct Declared {
    /// Makes the key.
    pub(crate) function: Function,
    pub(crate) runtime: Option<Path>,
    pub(crate) template: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) ttl: Time,
    pub(crate) version: Option<u16>,
    pub(crate) storage: Storage,
}

impl From<Declared> for Cached {
    /// What the companion of the key is made from.
    fn from(declared: Declared) -> Self {
        let names: Names = declared
            .parts
            .iter()
            .flat_map(|part| part.names.clone())
            .collect();
        Self {
            function: declared.function,
            runtime: declared.runtime,
            companion: Companion::Enum,
            template: declared.template,
            shared: None,
            parts: declared.parts,
            ttl: declared.ttl,
            none_ttl: Time::Default,
            local: Time::Default,
            stale: Stale {
                while_revalidate: Time::Default,
                if_error: Time::Default,
                refresh_ahead: None,
            },
            waiting: Waiting {
                single_flight: None,
                lock: Time::Default,
                soft_timeout: Time::Default,
                load_timeout: Time::Default,
                on_timeout: None,
            },
            version: declared.version,
            storage: declared.storage,
            ttl_with: None,
            cache_if: None,
            skip_cache: None,
            tags: Vec::new(),
            cache: None,
            batch: None,
            background: None,
            key_names: names.clone(),
            policy_names: names,
            key_is_enough: true,
        }
    }
}

/// A function of many keys: only those that are not cached reach its body.
pub(crate) struct Batch {
    /// The signature; what each call of the body has a copy of is not changed there.
    pub(crate) sig: Signature,
    /// The parameter that holds them.
    pub(crate) name: Ident,
    /// Whether it is a slice; else a `Vec`.
    pub(crate) slice: bool,
    /// Names of other parameters that each call of the body takes with it.
    pub(crate) copied: Vec<Ident>,
}

/// The load of a function that loads in the background: it may outlive its caller.
pub(crate) struct Background {
    /// The signature, where parameters are bound so that they can be copied.
    pub(crate) sig: Signature,
    /// The body, where `self` has another name when it is copied.
    pub(crate) body: TokenStream,
    pub(crate) copied: Vec<Copied>,
    pub(crate) moved: Vec<Moved>,
}

/// A parameter that the body mentions, and that is a reference.
pub(crate) struct Copied {
    pub(crate) from: Ident,
    /// The pattern that binds it again, to its copy.
    pub(crate) again: TokenStream,
}

/// A name that the body mentions, of a parameter taken by value.
pub(crate) struct Moved {
    pub(crate) name: Ident,
    /// Where its type stands.
    pub(crate) place: Span,
}

/// Where typed access to the entries stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Companion {
    /// An empty enum of the function's name.
    Enum,
    /// Methods beside the method.
    Methods,
    None,
}

/// An expression, and the parameters that it mentions.
pub(crate) struct Part {
    pub(crate) expr: Expr,
    pub(crate) names: Names,
}

/// A text for the runtime, and the values of its placeholders.
pub(crate) struct Text {
    pub(crate) template: String,
    pub(crate) parts: Vec<Part>,
}

/// A time that an option gives.
pub(crate) enum Time {
    Default,
    Milliseconds(u64),
    Expr(Expr),
}

/// What becomes of answers near their ttl, and past it.
pub(crate) struct Stale {
    pub(crate) while_revalidate: Time,
    pub(crate) if_error: Time,
    /// The factor of XFetch.
    pub(crate) refresh_ahead: Option<f64>,
}

/// How values are stored, in the runtime's names.
pub(crate) struct Storage {
    pub(crate) codec: Option<&'static str>,
    pub(crate) compression: Option<&'static str>,
    pub(crate) protection: Option<&'static str>,
    /// In bytes.
    pub(crate) max_size: Option<usize>,
}

/// Who loads, and how long anybody waits for it.
pub(crate) struct Waiting {
    pub(crate) single_flight: Option<SingleFlight>,
    pub(crate) lock: Time,
    pub(crate) soft_timeout: Time,
    pub(crate) load_timeout: Time,
    /// A closure without arguments, or the path of a function.
    pub(crate) on_timeout: Option<Expr>,
}

/// Who loads when many miss.
#[derive(Clone, Copy)]
pub(crate) enum SingleFlight {
    Process,
    Fleet,
    Off,
}

/// `#[invalidates]` on a function.
pub(crate) struct Invalidates {
    pub(crate) function: Function,
    pub(crate) runtime: Option<Path>,
    pub(crate) targets: Vec<Target>,
    pub(crate) always: bool,
    /// The word that asks for the write to be refused when the store is away.
    pub(crate) refuse: Option<Span>,
    pub(crate) crash_safe: Time,
    pub(crate) hold_off: Time,
    pub(crate) cache: Option<Expr>,
}

/// `#[updates]` on a function.
pub(crate) struct Updates {
    pub(crate) function: Function,
    pub(crate) runtime: Option<Path>,
    pub(crate) targets: Vec<Call>,
    /// The word that asks for the write to be refused when the store is away.
    pub(crate) refuse: Option<Span>,
}

/// `#[invalidates]` on a struct.
pub(crate) struct Event {
    pub(crate) event: EventType,
    pub(crate) runtime: Option<Path>,
    pub(crate) targets: Vec<Target>,
}

/// One thing to clear.
pub(crate) enum Target {
    Pattern(Text),
    Tag(Text),
    Call(Call),
    Event(Box<Emitted>),
}

/// `path::function(args)` or `receiver.method(args)`, turned to the companion's key or pattern.
pub(crate) struct Call {
    pub(crate) callee: Callee,
    pub(crate) arguments: Vec<Argument>,
}

pub(crate) enum Callee {
    /// `path::function`; generics stand on the last segment.
    Function(Path),
    Method(Box<syn::ExprMethodCall>),
    /// `Type::function`, whose companion stands beside it.
    Associated(Path),
}

pub(crate) enum Argument {
    /// `_`
    Any(syn::Token![_]),
    /// A parameter that the body takes with it, so that its value is copied first.
    Owned(Ident),
    /// A field of an event, which stands behind a reference.
    Field(Ident),
    Expr(Part),
}

/// `event = expr`
pub(crate) struct Emitted {
    pub(crate) value: Part,
    /// The parameters of the function, and those of them that the body takes with it.
    pub(crate) parameters: Names,
    pub(crate) taken: Names,
    /// Its type, where it has to be known without a value.
    pub(crate) ty: Option<Path>,
}

/// The name of an answer's value in texts and typed targets.
pub(crate) const RESULT: &str = "result";

impl Text {
    pub(crate) fn mentions_result(&self) -> bool {
        self.parts.iter().any(Part::mentions_result)
    }
}

impl Part {
    pub(crate) fn mentions_result(&self) -> bool {
        self.names.contains(RESULT)
    }
}

impl Target {
    /// Whether it can only be known when the answer is.
    pub(crate) fn mentions_result(&self) -> bool {
        match self {
            Self::Pattern(text) | Self::Tag(text) => text.mentions_result(),
            Self::Call(call) => call.arguments.iter().any(Argument::mentions_result),
            Self::Event(event) => event.value.mentions_result(),
        }
    }
}

impl Argument {
    /// What it mentions.
    pub(crate) fn names(&self) -> Names {
        match self {
            Self::Any(_) => Names::new(),
            Self::Owned(name) | Self::Field(name) => Names::from([name.unraw().to_string()]),
            Self::Expr(part) => part.names.clone(),
        }
    }

    pub(crate) fn mentions_result(&self) -> bool {
        matches!(self, Self::Expr(part) if part.mentions_result())
    }
}
