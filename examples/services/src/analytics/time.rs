//! Days and timeframes. What an answer is about comes from the request and the rows, never from the clock.

use jiff::civil::Date;
use jiff::{Span, civil};
use serde::{Deserialize, Serialize};

/// A day, which the database keeps as its number since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Day(Date);

const FIRST: Date = civil::date(1970, 1, 1);

impl Day {
    pub(super) fn number(self) -> i64 {
        self.0.duration_since(FIRST).as_hours() / 24
    }
}

impl TryFrom<i64> for Day {
    type Error = jiff::Error;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        let days = Span::new().try_days(number)?;
        FIRST.checked_add(days).map(Self)
    }
}

/// How many days an answer is about, up to the last one with a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Timeframe {
    #[serde(rename = "24h")]
    Day,
    #[default]
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
}

impl Timeframe {
    pub(super) const fn days(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
        }
    }
}

/// What most requests ask with.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) workspace_id: String,
    #[serde(default)]
    pub(super) timeframe: Timeframe,
    #[serde(default)]
    pub(super) skip_cache: bool,
}

/// The same, where the path says of whom.
#[derive(Debug, Deserialize)]
pub(super) struct InPath {
    #[serde(default)]
    pub(super) timeframe: Timeframe,
    #[serde(default)]
    pub(super) skip_cache: bool,
}
