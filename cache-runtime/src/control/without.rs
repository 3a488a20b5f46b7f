//! Nobody controls anything.

use std::io;
use std::time::{Duration, Instant};

use crate::key::Key;
use crate::site::Site;
use crate::store::StoreError;

#[derive(Debug, Clone)]
pub(crate) struct Control;

impl Control {
    pub(crate) fn new(_: u32) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    #[inline]
    pub(crate) fn ahead(&self) -> u64 {
        0
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        false
    }

    #[inline]
    pub(crate) async fn pass(&self, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    #[inline]
    pub(crate) async fn suffer(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Names;

impl Names {
    #[inline]
    pub(crate) fn add(&self, _: &'static Site, _: &Key) {}
}
