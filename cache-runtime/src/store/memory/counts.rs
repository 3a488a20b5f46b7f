//! Counters and the windows of rate limits in this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::control::Control;
use crate::key::Key;
use crate::rate_limit::{Allowance, RateLimit, Window};
use crate::store::{Counting, StoreError};
use crate::sync::{Mutex, lock};

/// Counters and windows together. Past it none is begun: those that are there must go on counting.
const MOST: usize = 1 << 20;
/// Where what has ended is first looked for.
const FIRST_CLEANING: usize = 1024;
/// Between two cleanings of a full table.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Counts {
    born: Instant,
    control: Control,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    counts: HashMap<String, Ending<i64>>,
    windows: HashMap<String, Ending<Window>>,
    clean_at: usize,
    cleaned: Option<Instant>,
}

#[derive(Debug)]
struct Ending<T> {
    value: T,
    ends: Instant,
}

impl Counts {
    pub(crate) fn new(control: Control) -> Self {
        Self {
            born: control.now(),
            control,
            table: Mutex::default(),
        }
    }

    pub(crate) fn count(&self, key: &Key, counting: Counting) -> Result<i64, StoreError> {
        let now = self.control.now();
        let mut table = lock(&self.table);
        let ends = now + counting.life;
        if let Some(count) = table.counts.get_mut(key.as_str())
            && count.ends > now
        {
            let sum = count.value.checked_add(counting.by);
            count.value = sum.ok_or_else(|| {
                StoreError::Refused("increment or decrement would overflow".to_owned())
            })?;
            if counting.prolongs {
                count.ends = ends;
            }
            return Ok(count.value);
        }
        table.make_room(now)?;
        let value = counting.by;
        let name = key.as_str().to_owned();
        table.counts.insert(name, Ending { value, ends });
        Ok(value)
    }

    pub(crate) fn counter(&self, key: &Key) -> Option<i64> {
        let table = lock(&self.table);
        let count = table.counts.get(key.as_str())?;
        (count.ends > self.control.now()).then_some(count.value)
    }

    pub(crate) fn reset(&self, key: &Key) {
        lock(&self.table).counts.remove(key.as_str());
    }

    pub(crate) fn allow(
        &self,
        key: &Key,
        limit: &RateLimit,
        n: u32,
    ) -> Result<Allowance, StoreError> {
        let now = self.control.now();
        let clock = u64::try_from((now - self.born).as_millis()).unwrap_or(u64::MAX);
        let mut table = lock(&self.table);
        let name = format!("{key}:{}", limit.name());
        let held = table.windows.get(&name).filter(|held| held.ends > now);
        let known = held.is_some();
        let mut window = held.map_or_else(|| Window::new(clock), |held| held.value);
        let allowance = window.ask(limit, n, clock);
        if allowance.allowed {
            if !known {
                table.make_room(now)?;
            }
            let ends = now + Duration::from_millis(window.life(limit, clock));
            let value = window;
            table.windows.insert(name, Ending { value, ends });
        }
        Ok(allowance)
    }
}

impl Table {
    /// Forgets what has ended, now and then.
    fn make_room(&mut self, now: Instant) -> Result<(), StoreError> {
        let size = |table: &Self| table.counts.len() + table.windows.len();
        if size(self) < self.clean_at.max(FIRST_CLEANING) {
            return Ok(());
        }
        if size(self) < MOST || self.cleaned.is_none_or(|cleaned| now - cleaned > PAUSE) {
            self.counts.retain(|_, count| count.ends > now);
            self.windows.retain(|_, window| window.ends > now);
            self.clean_at = MOST.min(2 * size(self));
            self.cleaned = Some(now);
        }
        if size(self) < MOST {
            Ok(())
        } else {
            Err(StoreError::Refused(
                "no place for another counter in this process".to_owned(),
            ))
        }
    }
}
