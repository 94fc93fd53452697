//! What the strategies cost, as pictures and as figures.

use super::escaped;
use crate::cost::{Cost, Times};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 260.0;
/// Room for the scales, and for the names behind the lines.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 120.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;

/// What is drawn: its title, its unit's scale, and how it is read from a cost.
type Chart = (&'static str, fn(f64) -> String, fn(&Cost) -> f64);

pub(super) fn section(costs: &[Cost]) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let charts: [Chart; 6] = [
        ("Open", time, |cost| cost.open.p50 as f64),
        ("Read one record", time, |cost| cost.read.p50 as f64),
        ("Commit, durable", time, |cost| cost.commit.p50 as f64),
        ("Rotate: note the attempt, read, commit", time, |cost| cost.rotate.p50 as f64),
        ("On disk", size, |cost| cost.bytes as f64),
        ("Memory of the process at its most", size, |cost| cost.memory_kib as f64 * 1024.0),
    ];
    let figures: String = charts.iter().map(|chart| figure(costs, chart)).collect();
    format!(
        "<h2>What it costs</h2><p class=\"soft\">The middle of many times (p50), by the number of records; both scales are logarithmic. \
         The question to the store's process and its answer are taken off.</p><div class=\"costs\">{figures}</div>{}",
        table(costs)
    )
}

fn time(micros: f64) -> String {
    if micros >= 1e6 {
        format!("{} s", micros / 1e6)
    } else if micros >= 1e3 {
        format!("{} ms", micros / 1e3)
    } else {
        format!("{micros} µs")
    }
}

fn size(bytes: f64) -> String {
    if bytes >= 1e9 {
        format!("{} GB", bytes / 1e9)
    } else if bytes >= 1e6 {
        format!("{} MB", bytes / 1e6)
    } else if bytes >= 1e3 {
        format!("{} kB", bytes / 1e3)
    } else {
        format!("{bytes} B")
    }
}

fn strategies(costs: &[Cost]) -> Vec<&str> {
    let mut names: Vec<&str> = vec![];
    for cost in costs {
        if !names.contains(&cost.strategy.as_str()) {
            names.push(&cost.strategy);
        }
    }
    names
}

/// A colour for each line that is told from its neighbours in the light and in the dark.
fn colour(at: usize, of: usize) -> String {
    let hue = 360 * at / of.max(1) + 20;
    format!("hsl({hue} 62% var(--line-{}))", if at.is_multiple_of(2) { 'a' } else { 'b' })
}

fn figure(costs: &[Cost], (title, unit, value): &Chart) -> String {
    let values = || costs.iter().map(value).filter(|value| *value > 0.0);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(1.0, f64::max));
    let (low, high) = (low.min(high).log10().floor(), high.log10().ceil().max(low.min(high).log10().floor() + 1.0));
    let most = costs.iter().map(|cost| f64::from(cost.records)).fold(10.0, f64::max).log10();
    let x = |records: f64| LEFT + records.log10() / most * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value.log10() - low) / (high - low) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">");
    for power in low as i32..=high as i32 {
        let (value, at) = (10_f64.powi(power), y(10_f64.powi(power)));
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            unit(value)
        ));
    }
    for power in 0..=most as i32 {
        let (records, at) = (10_f64.powi(power), x(10_f64.powi(power)));
        svg.push_str(&format!("<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{records}</text>", HEIGHT - 8.0));
    }
    svg.push_str(&lines(costs, value, &x, &y));
    format!("<figure><figcaption>{title}</figcaption>{svg}</svg></figure>")
}

fn lines(costs: &[Cost], value: &fn(&Cost) -> f64, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let names = strategies(costs);
    let mut svg = String::new();
    let mut ends: Vec<(f64, f64, usize)> = vec![];
    for (at, name) in names.iter().enumerate() {
        let points: Vec<(f64, f64)> = costs
            .iter()
            .filter(|cost| cost.strategy == *name && value(cost) > 0.0)
            .map(|cost| (x(f64::from(cost.records)), y(value(cost))))
            .collect();
        let Some(last) = points.last() else { continue };
        let colour = colour(at, names.len());
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" style=\"stroke:{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        ));
        svg.extend(
            points
                .iter()
                .map(|(x, y)| format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" style=\"fill:{colour}\"/>")),
        );
        ends.push((last.1, last.0, at));
    }
    // Names stand behind their lines, in the same order, and never on one another.
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = TOP;
    for (height, end, at) in ends {
        let at_height = height.max(free);
        free = at_height + 12.0;
        let (from, to, below, colour) =
            (WIDTH - RIGHT + 4.0, WIDTH - RIGHT + 8.0, at_height + 4.0, colour(at, names.len()));
        svg.push_str(&format!(
            "<line x1=\"{end:.1}\" y1=\"{height:.1}\" x2=\"{from:.1}\" y2=\"{at_height:.1}\" style=\"stroke:{colour}\" stroke-dasharray=\"1 3\"/>\
             <text x=\"{to:.1}\" y=\"{below:.1}\" style=\"fill:{colour}\">{}</text>",
            escaped(names[at]),
        ));
    }
    svg
}

fn table(costs: &[Cost]) -> String {
    let times = |times: Times| format!("<td>{} / {}</td>", times.p50, times.p95);
    let row = |cost: &Cost| {
        format!(
            "<tr><td>{}</td><td>{}</td>{}{}{}{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&cost.strategy),
            cost.records,
            times(cost.open),
            times(cost.read),
            times(cost.commit),
            times(cost.rotate),
            cost.bytes,
            cost.syncs.map_or_else(|| "?".to_owned(), |count| count.to_string()),
            cost.keystore_calls,
            cost.memory_kib
        )
    };
    let rows: String = costs.iter().map(row).collect();
    format!(
        "<details><summary>The figures: µs as p50 / p95, bytes on disk, syncs of the disk for a commit, keystore calls for opening and a commit, \
         KiB of memory</summary><div class=\"wide\"><table class=\"figures\"><tr><th>strategy</th><th>records</th><th>open</th><th>read</th>\
         <th>commit</th><th>rotate</th><th>bytes</th><th>syncs</th><th>keystore</th><th>KiB</th></tr>{rows}</table></div></details>"
    )
}
