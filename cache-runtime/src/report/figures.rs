//! Figures as a person reads them.

use std::time::Duration;

/// `4,310`
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// About so many: two digits that count. `3,600` for 3,591.
pub(super) fn about(n: u64) -> String {
    let scale = 10_u64.pow(n.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number((n + scale / 2) / scale * scale)
}

/// `92 %` of 0.923
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        few if few > 0.0 && few < 10.0 => format!("{few:.1} %"),
        some => format!("{some:.0} %"),
    }
}

/// `0.31 ms`, `41 s`, `6 h`: three digits at most, with a unit.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s < 0.000_1 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s if s < 2.0 * 3600.0 && s % 3600.0 != 0.0 => (s / 60.0, "min"),
        s if s < 48.0 * 3600.0 => (s / 3600.0, "h"),
        s => (s / 86_400.0, "d"),
    };
    with_unit(value, unit)
}

/// `41 MB`, of 1024 each, as `max_size` has them.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    with_unit(value, units[unit])
}

fn with_unit(value: f64, unit: &str) -> String {
    let digits = if value < 1.0 {
        2
    } else if value < 10.0 {
        1
    } else {
        0
    };
    let text = format!("{value:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0, 999, 4_310, 1_000_000].map(number),
            ["0", "999", "4,310", "1,000,000"]
        );
        assert_eq!([0, 7, 42, 3_591].map(about), ["0", "7", "42", "3,600"]);
        assert_eq!(
            [0.0, 0.004, 0.923, 1.0].map(percent),
            ["0 %", "0.4 %", "92 %", "100 %"]
        );
        let times = [
            0.000_000_8,
            0.000_31,
            0.25,
            41.0,
            300.0,
            3600.0,
            21_600.0,
            604_800.0,
        ];
        assert_eq!(
            times.map(|seconds| time(Duration::from_secs_f64(seconds))),
            [
                "0.8 µs", "0.31 ms", "250 ms", "41 s", "5 min", "1 h", "6 h", "7 d"
            ]
        );
        assert_eq!([0, 1_536, 41 << 20].map(bytes), ["0 B", "1.5 KB", "41 MB"]);
    }
}
