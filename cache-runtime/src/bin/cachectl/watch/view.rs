//! How a server looks on a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Row, Sparkline, Table};

use cache_runtime::HealthStatus;

use super::moment::{History, Moment};
use crate::output::bytes;

/// A curve: its name, its present value, and its height at a moment.
type Curve = (&'static str, fn(&Moment) -> String, fn(&Moment) -> u64);

const CURVES: [[Curve; 2]; 3] = [
    [
        (
            "operations/s",
            |at| at.operations_per_second.to_string(),
            |at| at.operations_per_second,
        ),
        ("memory", |at| bytes(at.memory), |at| at.memory),
    ],
    [
        ("hit ratio", hit_ratio, |at| {
            (at.hit_rate.unwrap_or_default() * 1e3) as u64
        }),
        ("keys", |at| at.keys.to_string(), |at| at.keys),
    ],
    [
        ("evictions", |at| at.evicted.to_string(), |at| at.evicted),
        ("response time", response_time, microseconds),
    ],
];

/// Colours are the terminal's own sixteen; with `NO_COLOR` there are none, as crossterm sees to it.
pub(super) fn draw(frame: &mut Frame<'_>, history: &History) {
    let Some(now) = history.last() else {
        return;
    };
    let rows = [1, 4, 4, 4].map(Constraint::Length).into_iter();
    let rows = rows.chain([Constraint::Min(0), Constraint::Length(1)]);
    let areas = Layout::vertical(rows).split(frame.area());
    let color = match now.health.status {
        HealthStatus::Healthy => Color::Green,
        HealthStatus::Unavailable => Color::Red,
        _ => Color::Yellow,
    };
    frame.render_widget(Line::from(now.health.to_string()).fg(color), areas[0]);
    for (row, area) in CURVES.iter().zip(&areas[1..=3]) {
        let halves = Layout::horizontal([Constraint::Fill(1); 2]).split(*area);
        for (curve, area) in row.iter().zip(halves.iter()) {
            sparkline(frame, *area, history, now, curve);
        }
    }
    frame.render_widget(namespaces(now), areas[4]);
    frame.render_widget(Line::from("q to quit").dim(), areas[5]);
}

fn sparkline(frame: &mut Frame<'_>, area: Rect, history: &History, now: &Moment, curve: &Curve) {
    let (name, value, height) = curve;
    let heights = history.recent(area.width as usize).map(height);
    let sparkline = Sparkline::default()
        .block(Block::new().title(format!("{name} {}", value(now)).bold()))
        .style(Style::new().fg(Color::Cyan))
        .data(heights.collect::<Vec<_>>());
    frame.render_widget(sparkline, area);
}

fn namespaces(now: &Moment) -> Table<'static> {
    let sample = &now.sample;
    let of = if sample.complete {
        "all"
    } else {
        "a sample of"
    };
    let rows = sample
        .by_keys()
        .into_iter()
        .map(|(name, of)| Row::new([name.to_owned(), of.keys.to_string(), bytes(of.bytes)]));
    let widths = [
        Constraint::Fill(2),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ];
    Table::new(rows.collect::<Vec<_>>(), widths)
        .header(Row::new(["namespace", "keys", "bytes"]).bold())
        .block(Block::new().title(format!("namespaces, of {of} {} keys", sample.keys)))
}

fn hit_ratio(at: &Moment) -> String {
    let percent = at.hit_rate.map(|rate| format!("{:.1} %", rate * 100.0));
    percent.unwrap_or_else(|| "nothing read".to_owned())
}

fn response_time(at: &Moment) -> String {
    format!("{:.3} ms", microseconds(at) as f64 / 1e3)
}

fn microseconds(at: &Moment) -> u64 {
    let time = at.health.response_time.unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::stats::Sample;

    async fn moment(memory: u64, hit_rate: f64) -> Moment {
        let cache = cache_runtime::Cache::builder().build().unwrap();
        let mut sample = Sample::default();
        let tasks = sample.namespaces.entry("tasks".to_owned()).or_default();
        (tasks.keys, tasks.bytes, sample.keys) = (40, 2_048, 50);
        sample
            .namespaces
            .entry("boards".to_owned())
            .or_default()
            .keys = 10;
        Moment {
            health: cache.health().await,
            operations_per_second: 1_234,
            memory,
            keys: 50,
            evicted: 7,
            hit_rate: Some(hit_rate),
            sample,
        }
    }

    fn drawn(width: u16, height: u16, history: &History) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, history)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let symbols: Vec<_> = buffer
            .content()
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        symbols
            .chunks(width.into())
            .map(|line| line.concat())
            .collect()
    }

    #[tokio::test]
    async fn a_server_is_shown() {
        let mut history = History::default();
        history.push(moment(1 << 20, 0.25).await);
        history.push(moment(2 << 20, 0.875).await);
        let lines = drawn(80, 24, &history);
        let all = lines.join("\n");
        assert!(lines[0].starts_with("✓ Memory Connected"), "{all}");
        for said in [
            "operations/s 1234",
            "memory 2.00 MiB",
            "hit ratio 87.5 %",
            "keys 50",
            "evictions 7",
            "q to quit",
        ] {
            assert!(all.contains(said), "{said}:\n{all}");
        }
        let at = |name: &str| lines.iter().position(|line| line.starts_with(name));
        assert!(
            at("tasks").unwrap() < at("boards").unwrap(),
            "the busiest first:\n{all}"
        );
        // The memory's curve has doubled.
        assert_eq!(
            lines[4].chars().skip(40).take(3).collect::<String>(),
            "██ ",
            "{all}"
        );
        assert_eq!(
            lines[2].chars().skip(40).take(3).collect::<String>(),
            " █ ",
            "{all}"
        );
    }

    #[tokio::test]
    async fn no_size_is_too_small_and_no_time_too_long() {
        let mut history = History::default();
        assert!(drawn(20, 5, &history).concat().trim().is_empty());
        let moment = moment(1, 0.5).await;
        for memory in 0..2_000 {
            let moment = moment.clone();
            history.push(Moment { memory, ..moment });
        }
        assert_eq!(history.recent(usize::MAX).count(), 512);
        for (width, height) in [(1, 1), (10, 3), (300, 100)] {
            drawn(width, height, &history);
        }
    }
}
