//! A call site: what the attribute says of a function, in one static.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::codec::Codec;
use crate::compression::Compression;
use crate::policy::{Policy, SingleFlight};
use crate::protection::Protection;

/// How what is done by hand is called where functions have their names.
const BY_HAND: &str = "by hand";

/// An annotated function: its name and its policy, and nothing that depends on its type parameters.
#[derive(Debug)]
pub struct Site {
    pub(crate) function: &'static str,
    /// The key's literal segments, with `{}` where a value stands.
    pub(crate) template: &'static str,
    /// What the values are called and of what type they are: `workspace_id: str, user_id: _`.
    pub(crate) parts: &'static str,
    pub(crate) version: u16,
    pub(crate) policy: Policy,
    /// The declaration that it shares its entries with.
    declared: Option<&'static Self>,
    role: Role,
    number: OnceLock<usize>,
}

/// What a site stores under its keys.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// The answers of its own function, or of all that are declared to share its keys.
    Own,
    /// Nothing: it names keys for others.
    Declaration,
    /// The answers of its function, under the keys of a declaration.
    Loader,
}

/// Namespaces that are counted apart when they are used by hand; what more there are is counted together.
const MOST_BY_HAND: usize = 1000;

macro_rules! times {
    ($($(#[doc = $doc:literal])+ $name:ident),* $(,)?) => {
        impl Site {
            $(
                $(#[doc = $doc])+
                #[must_use]
                pub const fn $name(mut self, time: Duration) -> Self {
                    self.policy.$name = Some(time);
                    self
                }
            )*
        }

        /// Times that are no literals: each call has its own.
        impl crate::private::Call<'_> {
            $(
                $(#[doc = $doc])+
                #[must_use]
                pub fn $name(mut self, time: Duration) -> Self {
                    self.own().$name = Some(time);
                    self
                }
            )*
        }
    };
}

times! {
    /// Expiry.
    ttl,
    /// Expiry of a `None`; left out, `None` is not stored.
    none_ttl,
    /// How long an answer is kept in the near cache; left out, it is not.
    local,
    /// For so long after its expiry an answer is served while it is loaded anew in the background.
    stale_while_revalidate,
    /// For so long after its expiry an answer is served when loading it anew fails.
    stale_if_error,
    /// The longest time that a caller waits for another's load, and the lease of the one who loads for the fleet.
    lock,
    /// After this time a load that has a stale answer goes on in the background.
    soft_timeout,
    /// After this time a load is given up.
    load_timeout,
}

impl Site {
    /// Of all that is stored by hand.
    pub(crate) const ORIGIN_BY_HAND: u32 = 0;

    /// A function with the cache's own ttl.
    pub const fn new(function: &'static str, template: &'static str) -> Self {
        Self {
            function,
            template,
            parts: "",
            version: 0,
            policy: Policy::new(),
            declared: None,
            role: Role::Own,
            number: OnceLock::new(),
        }
    }

    /// Keys that `cache_keys!` declares.
    pub const fn declaration(name: &'static str, template: &'static str) -> Self {
        let mut site = Self::new(name, template);
        site.role = Role::Declaration;
        site
    }

    /// A function that loads what a declaration names: under its keys, for its ttl, in its version.
    ///
    /// # Panics
    /// At compile time, when it is not declared by `cache_keys!`.
    pub const fn sharing(function: &'static str, declaration: &'static Self) -> Self {
        assert!(
            matches!(declaration.role, Role::Declaration),
            "these are the keys of a cached function, and two functions would answer for each other: declare the keys with `cache_keys!`"
        );
        let mut site = Self::new(function, declaration.template)
            .version(declaration.version)
            .declared(declaration);
        site.policy.ttl = declaration.policy.ttl;
        site.policy.storage = declaration.policy.storage;
        site.role = Role::Loader;
        site
    }

    /// A function of many keys, which are those of a declaration or of a function of one key: it stores what that one does, for as long.
    pub const fn batch_of(function: &'static str, one: &'static Self) -> Self {
        let mut site = Self::new(function, one.template)
            .version(one.version)
            .declared(one);
        site.policy = one.policy.of_batch();
        site
    }

    /// Whether its keys are its own, and not those of a declaration or of another function.
    pub(crate) fn owns_keys(&self) -> bool {
        self.declared.is_none()
    }

    /// Whether both are functions that load what one declaration names: each would answer for the other.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        self.role == Role::Loader && other.role == Role::Loader && self.template == other.template
    }

    /// Whether others store under its keys what they alone know of: how long it is kept beyond its ttl.
    pub(crate) fn borrows_keys(&self) -> bool {
        match self.role {
            Role::Own => self.declared.is_some(),
            Role::Declaration => true,
            Role::Loader => false,
        }
    }

    /// The declaration or the function whose keys it shares; itself, where it shares nobody's.
    pub(crate) fn owner(&'static self) -> &'static Self {
        self.declared.map_or(self, Self::owner)
    }

    /// Stores under the keys of a declaration, and shares them with all that do.
    #[must_use]
    pub const fn declared(mut self, declaration: &'static Self) -> Self {
        self.declared = Some(declaration);
        self
    }

    /// What is stored by hand under keys of `namespace`, which is encoded. One for each namespace of the process, as its counters live.
    pub(crate) fn by_hand(namespace: &str) -> &'static Self {
        static KNOWN: LazyLock<Mutex<HashMap<String, &'static Site>>> =
            LazyLock::new(Mutex::default);
        static OTHERS: Site = Site::new(BY_HAND, "{other namespaces}");
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = known.get(namespace) {
            return site;
        }
        if known.len() >= MOST_BY_HAND {
            return &OTHERS;
        }
        // A template that no function has.
        let template: &'static str = Box::leak(format!("{namespace}:{{by hand}}").into());
        let site: &'static Self = Box::leak(Box::new(Self::new(BY_HAND, template)));
        known.insert(namespace.to_owned(), site);
        site
    }

    /// What its values are called, and of what type they are.
    #[must_use]
    pub const fn parts(mut self, parts: &'static str) -> Self {
        self.parts = parts;
        self
    }

    /// The version of the value's type.
    #[must_use]
    pub const fn version(mut self, version: u16) -> Self {
        self.version = version;
        self
    }

    /// Refreshes before the expiry, at random and the more likely the nearer it is; the factor of XFetch.
    #[must_use]
    pub const fn refresh_ahead(mut self, beta: f64) -> Self {
        self.policy.refresh_ahead = Some(beta);
        self
    }

    /// The largest encoded value that is stored, in bytes.
    #[must_use]
    pub const fn max_size(mut self, bytes: usize) -> Self {
        self.policy.storage.max_size = Some(bytes);
        self
    }

    /// How values are written.
    ///
    /// # Panics
    /// At compile time, when its feature is missing.
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        if codec.missing_feature().is_some() {
            panic!(
                "this `codec` is a feature of cache-runtime that is not there: `msgpack` or `postcard`"
            );
        }
        self.policy.storage.codec = Some(codec);
        self
    }

    /// How large values are compressed.
    ///
    /// # Panics
    /// At compile time, when its feature is missing.
    #[must_use]
    pub const fn compress(mut self, compression: Compression) -> Self {
        if compression.missing_feature().is_some() {
            panic!(
                "`compress` needs a feature of cache-runtime that is not there: `lz4` or `zstd`"
            );
        }
        self.policy.storage.compression = Some(compression);
        self
    }

    /// What is done against others who can reach the store.
    ///
    /// # Panics
    /// At compile time, when its feature is missing, and when the keys are declared with another one.
    #[must_use]
    pub const fn protect(mut self, protection: Protection) -> Self {
        if protection.missing_feature().is_some() {
            panic!("`encrypt` and `sign` need the feature `encryption` of cache-runtime");
        }
        if let (Some(_), Some(declared)) = (self.declared, self.policy.storage.protection) {
            assert!(
                declared as u8 == protection as u8,
                "whether values are encrypted or signed is said where these keys are declared: leave `encrypt` and `sign` out here, or what one stores would not be believed by the other"
            );
        }
        self.policy.storage.protection = Some(protection);
        self
    }

    /// Who loads when many miss.
    #[must_use]
    pub const fn single_flight(mut self, single_flight: SingleFlight) -> Self {
        self.policy.single_flight = single_flight;
        self
    }

    /// Whether it is a function whose answers are cached.
    pub(crate) fn answers(&self) -> bool {
        !self.template.is_empty() && self.function != BY_HAND
    }

    /// Whether its keys may be told, in reports and among the hottest keys that a fleet remembers: not where the values are nobody's business.
    pub(crate) const fn shows_keys(&self) -> bool {
        !matches!(self.policy.storage.protection, Some(Protection::Encrypted))
    }

    /// The literal segments before the first value.
    pub(crate) fn namespace(&self) -> &'static str {
        let end = self.template.find('{').unwrap_or(self.template.len());
        let head = &self.template[..end];
        if end == self.template.len() {
            head
        } else {
            head.rsplit_once(':').map_or("", |(namespace, _)| namespace)
        }
    }

    /// Names the function and its template in an envelope (FNV-1a, as in RFC 9923): two functions with the same keys never read each
    /// other's entries, in whatever process. What is declared to share keys has one origin; so has all that is stored by hand.
    pub(crate) fn origin(&self) -> u32 {
        if let Some(declaration) = self.declared {
            return declaration.origin();
        }
        if self.function == BY_HAND {
            return Self::ORIGIN_BY_HAND;
        }
        let name = self.function.bytes().chain([0]);
        name.chain(self.template.bytes())
            .fold(0x811c_9dc5, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
    }

    /// The function's place in each cache's register: one number a function, for the life of the process.
    pub(crate) fn number(&'static self) -> usize {
        *self.number.get_or_init(|| {
            let mut all = ALL.write().unwrap_or_else(PoisonError::into_inner);
            all.push(self);
            all.len() - 1
        })
    }

    /// The site of a number.
    pub(crate) fn of_number(number: usize) -> &'static Self {
        ALL.read().unwrap_or_else(PoisonError::into_inner)[number]
    }
}

/// All sites that were used, by their numbers.
static ALL: RwLock<Vec<&'static Site>> = RwLock::new(Vec::new());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_what_stands_before_the_first_value() {
        let namespace = |template| Site::new("f", template).namespace();
        assert_eq!(namespace("exec:dashboard:{}:{}"), "exec:dashboard");
        assert_eq!(namespace("exec:dashboard"), "exec:dashboard");
        assert_eq!(namespace("exec:v{}:x"), "exec");
    }
}
