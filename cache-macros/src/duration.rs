//! The text of a ttl: `"30m"`, `"1h30m"`, `"500ms"`.

/// Units of a duration text, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Parses a sum of numbers with units into milliseconds, or says what is wrong with it.
pub(crate) fn milliseconds(text: &str) -> Result<u64, Wrong> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Wrong::Unreadable);
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        if rest.starts_with('-') {
            return Err(Wrong::Negative);
        }
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        if number.is_empty() {
            return Err(Wrong::Unreadable);
        }
        if unit.is_empty() {
            return Err(if after.is_empty() {
                Wrong::NoUnit
            } else {
                Wrong::Unreadable
            });
        }
        let Some((_, milliseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(Wrong::UnknownUnit(unit.to_owned()));
        };
        sum = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*milliseconds))
            .and_then(|part| sum.checked_add(part))
            .ok_or(Wrong::TooLong)?;
        rest = after.trim_start();
    }
    if sum == 0 {
        return Err(Wrong::Zero);
    }
    Ok(sum)
}

/// What is wrong with a duration text.
#[derive(Debug, PartialEq)]
pub(crate) enum Wrong {
    /// A unit, but no quotes: `30m`.
    Suffix,
    Unreadable,
    NoUnit,
    UnknownUnit(String),
    Zero,
    Negative,
    TooLong,
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units_and_sums() {
        assert_eq!(milliseconds("500ms"), Ok(500));
        assert_eq!(milliseconds("30m"), Ok(1_800_000));
        assert_eq!(milliseconds("1h30m"), Ok(5_400_000));
        assert_eq!(milliseconds(" 1d 12h "), Ok(129_600_000));
        assert_eq!(milliseconds("2w"), Ok(1_209_600_000));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(milliseconds(""), Err(Wrong::Unreadable));
        assert_eq!(milliseconds("soon"), Err(Wrong::Unreadable));
        assert_eq!(milliseconds("1.5h"), Err(Wrong::Unreadable));
        assert_eq!(milliseconds("30"), Err(Wrong::NoUnit));
        assert_eq!(milliseconds("1h30"), Err(Wrong::NoUnit));
        assert_eq!(
            milliseconds("5min"),
            Err(Wrong::UnknownUnit("min".to_owned()))
        );
        assert_eq!(milliseconds("0s"), Err(Wrong::Zero));
        assert_eq!(milliseconds("-5s"), Err(Wrong::Negative));
        assert_eq!(milliseconds("99999999999999999w"), Err(Wrong::TooLong));
    }
}
