//! A call site: what the attribute says of a function, in one static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// An annotated function: its name and its policy, and nothing that depends on its type parameters.
#[derive(Debug)]
pub struct Site {
    pub(crate) function: &'static str,
    /// The key's literal segments, with `{}` where a value stands.
    pub(crate) template: &'static str,
    pub(crate) ttl: Option<Duration>,
    pub(crate) none_ttl: Option<Duration>,
    pub(crate) version: u16,
    pub(crate) local: Option<Duration>,
    number: OnceLock<usize>,
}

impl Site {
    /// A function with the cache's own ttl.
    pub const fn new(function: &'static str, template: &'static str) -> Self {
        Self {
            function,
            template,
            ttl: None,
            none_ttl: None,
            version: 0,
            local: None,
            number: OnceLock::new(),
        }
    }

    /// Expiry.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Expiry of a `None`; left out, `None` is not stored.
    #[must_use]
    pub const fn none_ttl(mut self, ttl: Duration) -> Self {
        self.none_ttl = Some(ttl);
        self
    }

    /// The version of the value's type.
    #[must_use]
    pub const fn version(mut self, version: u16) -> Self {
        self.version = version;
        self
    }

    /// How long an answer is kept in the near cache; left out, it is not.
    #[must_use]
    pub const fn local(mut self, local: Duration) -> Self {
        self.local = Some(local);
        self
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
    /// other's entries, in whatever process.
    pub(crate) fn origin(&self) -> u32 {
        let name = self.function.bytes().chain([0]);
        name.chain(self.template.bytes())
            .fold(0x811c_9dc5, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
    }

    /// The function's place in each cache's register: one number a function, for the life of the process.
    pub(crate) fn number(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        *self
            .number
            .get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

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
