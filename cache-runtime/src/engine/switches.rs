//! Switching the cache off and on while it runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::sync::{Mutex, lock};

/// What is switched on.
#[derive(Debug)]
pub(crate) struct Switches {
    on: AtomicBool,
    /// Namespaces that are off, with all that stand below them.
    off: ArcSwap<BTreeSet<String>>,
    /// Whether there are any: mostly there are none, and each call asks.
    any_off: AtomicBool,
    /// Held while a namespace is switched.
    switching: Mutex<()>,
}

impl Switches {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on: AtomicBool::new(on),
            off: ArcSwap::default(),
            any_off: AtomicBool::new(false),
            switching: Mutex::new(()),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(crate) fn set_namespace(&self, namespace: &str, on: bool) {
        let _switching = lock(&self.switching);
        let mut off = BTreeSet::clone(&self.off.load());
        if on {
            off.remove(namespace);
        } else {
            off.insert(namespace.to_owned());
        }
        let any = !off.is_empty();
        self.off.store(Arc::new(off));
        self.any_off.store(any, Ordering::Release);
    }

    /// Namespaces that were switched off.
    #[cfg(feature = "http")]
    pub(crate) fn off(&self) -> Vec<String> {
        self.off.load().iter().cloned().collect()
    }

    /// Whether answers under this namespace are looked up and stored.
    pub(crate) fn covers(&self, namespace: &str) -> bool {
        self.is_on() && !(self.any_off.load(Ordering::Acquire) && self.is_off(namespace))
    }

    #[cold]
    fn is_off(&self, namespace: &str) -> bool {
        let off = self.off.load();
        off.iter().any(|off| {
            namespace
                .strip_prefix(off.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_off_with_what_stands_below_it() {
        let switches = Switches::new(true);
        switches.set_namespace("exec", false);
        assert!(!switches.covers("exec") && !switches.covers("exec:dashboard"));
        assert!(switches.covers("executive") && switches.covers("agents"));
        switches.set_namespace("exec", true);
        assert!(switches.covers("exec:dashboard"));
        switches.set(false);
        assert!(!switches.covers("agents"));
    }
}
