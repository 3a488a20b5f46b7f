//! When a job runs: a cron expression, and which of its instants is next.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How late a run may begin, in milliseconds. What is later was missed.
const LATE: u64 = 60_000;

/// What stands at each place of an expression of six fields.
const FIELDS: [&str; 6] = [
    "second",
    "minute",
    "hour",
    "day of the month",
    "month",
    "day of the week",
];

/// The instants of a cron expression.
#[derive(Debug, Clone)]
pub(super) struct Schedule(Cron);

/// What is to be done about the next instant, in milliseconds of the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It has come.
    Due(u64),
    /// It was longer ago than a run may be late.
    Missed(u64),
    Ahead(u64),
}

impl Schedule {
    /// # Errors
    /// What is wrong with `expression`, which it names.
    pub(super) fn parse(expression: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            let expression = expression.escape_debug();
            format!("`{expression}` is not when a job can run: {what}")
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(expression).map_err(|error| {
            let mut what = error.to_string();
            if let Some(field) = wrong_field(&parser, expression) {
                what = format!("its {field}. {what}");
            }
            wrong(what.trim_end_matches('.'))
        })?;
        let schedule = Self(cron);
        match schedule.after(&Timestamp::now().to_zoned(TimeZone::UTC)) {
            Some(_) => Ok(schedule),
            None => Err(wrong("there is no such day")),
        }
    }

    /// What is next at `now`, when the instants up to `last` are settled. A run may begin `late` milliseconds later than usual; with `catch_up` any time
    /// later.
    pub(super) fn next(
        &self,
        zone: &TimeZone,
        (now, last): (u64, u64),
        late: u64,
        catch_up: bool,
    ) -> Option<Next> {
        let due = self.0.find_previous_occurrence(&zoned(now, zone)?, true);
        if let Some(due) = due
            .ok()
            .and_then(|due| milliseconds(&due))
            .filter(|due| *due > last)
        {
            return Some(if catch_up || now - due <= late.saturating_add(LATE) {
                Next::Due(due)
            } else {
                Next::Missed(due)
            });
        }
        let ahead = self.after(&zoned(now.max(last), zone)?)?;
        milliseconds(&ahead).map(Next::Ahead)
    }

    fn after(&self, time: &Zoned) -> Option<Zoned> {
        self.0.find_next_occurrence(time, false).ok()
    }
}

/// The field of `expression` that cannot be read also when it stands alone; the parser does not tell.
fn wrong_field(parser: &CronParser, expression: &str) -> Option<String> {
    let fields: Vec<_> = expression.split_whitespace().collect();
    let names = match fields.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        _ => return None,
    };
    (0..fields.len()).find_map(|at| {
        let mut alone = vec!["*"; fields.len()];
        alone[at] = fields[at];
        let wrong = parser.parse(&alone.join(" ")).is_err();
        wrong.then(|| format!("{} is `{}`", names[at], fields[at].escape_debug()))
    })
}

fn zoned(milliseconds: u64, zone: &TimeZone) -> Option<Zoned> {
    let time = Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?);
    Some(time.ok()?.to_zoned(zone.clone()))
}

fn milliseconds(time: &Zoned) -> Option<u64> {
    u64::try_from(time.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        let time: Timestamp = text.parse().expect("a time");
        u64::try_from(time.as_millisecond()).expect("after 1970")
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |expression| Schedule::parse(expression).expect_err(expression);
        assert_eq!(
            wrong("61 * * * *"),
            "`61 * * * *` is not when a job can run: its minute is `61`. Component error: Number out of bounds"
        );
        assert!(wrong("0 4 * * FRI-").contains("its day of the week is `FRI-`"));
        assert!(wrong("* 0 4 * JAM *").contains("its month is `JAM`"));
        assert!(wrong("* * *").contains("5 or 6 fields"));
        assert!(wrong("0 0 1 1 * 2030").contains("is not when"));
        assert!(wrong("0 4 30 2 *").ends_with("there is no such day"));
        assert!(wrong("").contains("empty"));
    }

    #[test]
    fn the_next_instant_is_the_one_that_is_due_or_the_one_ahead() {
        let hourly = Schedule::parse("30 * * * *").expect("an expression");
        let next =
            |now, last, catch_up| hourly.next(&TimeZone::UTC, (at(now), at(last)), 0, catch_up);
        let (due, ahead) = (at("2027-01-15T08:30:00Z"), at("2027-01-15T09:30:00Z"));
        let before = "2027-01-15T07:30:00Z";
        assert_eq!(
            next("2027-01-15T08:29:59.999Z", before, false),
            Some(Next::Ahead(due))
        );
        assert_eq!(
            next("2027-01-15T08:30:00Z", before, false),
            Some(Next::Due(due))
        );
        assert_eq!(
            next("2027-01-15T08:31:00Z", before, false),
            Some(Next::Due(due))
        );
        assert_eq!(
            next("2027-01-15T08:31:01Z", before, false),
            Some(Next::Missed(due))
        );
        assert_eq!(
            next("2027-01-15T08:31:01Z", before, true),
            Some(Next::Due(due))
        );
        // Of many that were missed one is caught up with.
        let long_ago = "2027-01-01T00:00:00Z";
        assert_eq!(
            next("2027-01-15T09:29:00Z", long_ago, true),
            Some(Next::Due(due))
        );
        // Settled, also when the clock was set back.
        let settled = "2027-01-15T08:30:00Z";
        assert_eq!(
            next("2027-01-15T08:30:01Z", settled, true),
            Some(Next::Ahead(ahead))
        );
        assert_eq!(
            next("2027-01-15T08:29:00Z", settled, true),
            Some(Next::Ahead(ahead))
        );
    }

    #[test]
    fn a_day_in_berlin_has_its_hours() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a database of time zones");
        let daily = Schedule::parse("30 2 * * *").expect("an expression");
        let next = |now| daily.next(&berlin, (at(now), at(now)), 0, false);
        assert_eq!(
            next("2026-07-01T12:00:00Z"),
            Some(Next::Ahead(at("2026-07-02T00:30:00Z")))
        );
        // 02:30 is not there on one night of the year, and twice in another.
        assert_eq!(
            next("2026-03-28T12:00:00Z"),
            Some(Next::Ahead(at("2026-03-29T01:00:00Z")))
        );
        assert_eq!(
            next("2026-10-24T12:00:00Z"),
            Some(Next::Ahead(at("2026-10-25T00:30:00Z")))
        );
        assert_eq!(
            next("2026-10-25T00:30:00Z"),
            Some(Next::Ahead(at("2026-10-26T01:30:00Z")))
        );
    }
}
