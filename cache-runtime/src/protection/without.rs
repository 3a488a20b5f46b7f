//! There are no secrets without the feature.

use super::Protection;

/// Nobody can have any.
#[derive(Debug, Clone)]
pub(crate) enum Secrets {}

impl Secrets {
    pub(crate) fn close(&self, _: Protection, _: &[u8], _: &str, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }

    pub(crate) fn open(&self, _: Protection, _: &[u8], _: &str, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}
