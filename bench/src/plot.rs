//! Bar charts, one for each table: a group of bars for each column, a bar for each contender. They carry their own colours for light and
//! dark surroundings, and every bar tells its figures to a pointer that rests on it.

use std::fmt::Write as _;

use crate::report::{Measurement, Quartiles, Report, Table, Unit};

/// A file of its own.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Whose plot it is.
    pub suite: String,
    /// The table's heading.
    pub table: String,
    /// The file's name.
    pub file: String,
    /// Its content.
    pub svg: String,
}

const BAR: f64 = 11.0;
/// Between two groups.
const GAP: f64 = 26.0;
/// A letter's width, on average, in the size of labels.
const LETTER: f64 = 6.3;
const LEFT: f64 = 66.0;
const TOP: f64 = 40.0;
const HEIGHT: f64 = 240.0;
const LINE: f64 = 18.0;

/// A plot of every table.
#[must_use]
pub fn all(report: &Report) -> Vec<Plot> {
    let plots_of = |suite: &str| {
        let tables = report.tables(suite);
        let plots = tables.iter().map(|table| Plot {
            suite: suite.to_owned(),
            table: table.heading.to_owned(),
            file: file_name(suite, table.heading),
            svg: svg(suite, table),
        });
        plots.collect::<Vec<_>>()
    };
    report.suites().into_iter().flat_map(plots_of).collect()
}

/// Of letters that need no quoting anywhere.
fn file_name(suite: &str, heading: &str) -> String {
    let mut name = String::new();
    for letter in format!("{suite} {heading}").chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    format!("{}.svg", name.trim_end_matches('-'))
}

/// What the bars of a plot stand for.
enum Scale {
    /// How many times as good as that contender.
    Ratio(String),
    /// The values themselves.
    Value(Unit),
}

impl Scale {
    /// Times are shown as ratios: how long they are is this machine's affair.
    fn of(table: &Table<'_>) -> Self {
        let first = table.cells.first();
        match first.and_then(|cell| cell.main_ratio()) {
            Some(ratio) if first.is_some_and(|cell| cell.unit == Unit::Nanoseconds) => {
                Self::Ratio(ratio.to.clone())
            }
            _ => Self::Value(first.map_or(Unit::Times, |cell| cell.unit)),
        }
    }

    fn quartiles(&self, cell: &Measurement) -> Option<Quartiles> {
        match self {
            Self::Ratio(to) => cell.ratio_to(to).copied(),
            Self::Value(_) => Some(cell.value),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Ratio(to) => format!("speed, {to} = 1"),
            Self::Value(Unit::Nanoseconds) => "time, less is better".to_owned(),
            Self::Value(Unit::Bytes) => "memory, less is better".to_owned(),
            Self::Value(Unit::PerSecond) => "per second".to_owned(),
            Self::Value(Unit::BytesPerSecond) => "bytes per second".to_owned(),
            Self::Value(Unit::Times) => "times".to_owned(),
        }
    }

    fn show(&self, value: f64) -> String {
        match self {
            Self::Ratio(_) => format!("{value:.2}"),
            Self::Value(unit) => unit.show(value),
        }
    }
}

fn svg(suite: &str, table: &Table<'_>) -> String {
    let (columns, contenders) = (table.columns(), table.contenders());
    let scale = Scale::of(table);
    let tops = table.cells.iter().filter_map(|cell| scale.quartiles(cell)).map(|value| value.upper);
    let steps = Steps::up_to(tops.fold(0.0, f64::max));
    let widest = |column: &&str| (column.chars().count() as f64 * LETTER).max(BAR * contenders.len() as f64);
    let group = columns.iter().map(widest).fold(0.0, f64::max) + GAP;
    let legend_width =
        contenders.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * LETTER + 40.0;
    let width = (LEFT + group * columns.len() as f64 + 10.0).max(LEFT + 2.0 * legend_width).max(420.0);
    let bottom = TOP + HEIGHT;
    let in_a_line = contenders_in_a_line(width, legend_width);
    let height = bottom + 62.0 + contenders.len().div_ceil(in_a_line) as f64 * LINE;
    let y = |value: f64| bottom - HEIGHT * value / steps.top;

    let mut out = String::new();
    let title = escaped(&format!("{suite}: {}", table.heading));
    put(
        &mut out,
        &format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-label="{title}">"#
        ),
    );
    put(&mut out, STYLE);
    put(&mut out, &format!(r#"<text class="title" x="{LEFT}" y="22">{title}</text>"#));
    for value in steps.values() {
        let at = y(value);
        put(
            &mut out,
            &format!(r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{width:.0}" y2="{at:.1}"/>"#),
        );
        let (x, label) = (LEFT - 6.0, escaped(&scale.show(value)));
        put(&mut out, &format!(r#"<text class="tick" x="{x}" y="{:.1}">{label}</text>"#, at + 4.0));
    }
    for (index, column) in columns.iter().enumerate() {
        let start = LEFT + group * index as f64;
        let first = start + (group - BAR * contenders.len() as f64) / 2.0;
        for (place, name) in contenders.iter().enumerate() {
            let Some(cell) = table.at(name, column) else { continue };
            let Some(value) = scale.quartiles(cell) else { continue };
            put(&mut out, &bar(&scale, cell, value, first + BAR * place as f64, &y, color(name, place)));
        }
        let (x, label) = (start + group / 2.0, escaped(column));
        put(&mut out, &format!(r#"<text class="label" x="{x:.1}" y="{}">{label}</text>"#, bottom + 17.0));
    }
    if matches!(scale, Scale::Ratio(_)) {
        let at = y(1.0);
        put(
            &mut out,
            &format!(r#"<line class="one" x1="{LEFT}" y1="{at:.1}" x2="{width:.0}" y2="{at:.1}"/>"#),
        );
    }
    put(
        &mut out,
        &format!(r#"<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{width:.0}" y2="{bottom}"/>"#),
    );
    let middle = TOP + HEIGHT / 2.0;
    let axis = escaped(&scale.title());
    put(
        &mut out,
        &format!(r#"<text class="label" transform="translate(13 {middle}) rotate(-90)">{axis}</text>"#),
    );
    let what = escaped(axis_of_columns(&columns));
    put(
        &mut out,
        &format!(
            r#"<text class="label" x="{:.1}" y="{}">{what}</text>"#,
            (LEFT + width) / 2.0,
            bottom + 36.0
        ),
    );
    for (place, name) in contenders.iter().enumerate() {
        let x = LEFT + (place % in_a_line) as f64 * legend_width;
        let y = bottom + 52.0 + (place / in_a_line) as f64 * LINE;
        let (color, name) = (color(name, place), escaped(name));
        put(&mut out, &format!(r#"<rect x="{x:.1}" y="{y}" width="11" height="11" fill="{color}"/>"#));
        put(&mut out, &format!(r#"<text class="name" x="{:.1}" y="{}">{name}</text>"#, x + 17.0, y + 10.0));
    }
    put(&mut out, "</svg>");
    out
}

/// A bar with a whisker from quartile to quartile.
fn bar(
    scale: &Scale,
    cell: &Measurement,
    value: Quartiles,
    x: f64,
    y: &impl Fn(f64) -> f64,
    color: &str,
) -> String {
    let Quartiles { lower, median, upper } = value;
    let (top, bottom) = (y(median), y(0.0));
    let [low, middle, high] = [lower, median, upper].map(|value| match scale {
        Scale::Ratio(_) => format!("{value:.3}"),
        Scale::Value(unit) => unit.show(value),
    });
    let title = escaped(&format!("{}, {}: {middle} ({low} to {high})", cell.contender, cell.cell.column));
    let center = x + (BAR - 2.0) / 2.0;
    format!(
        r#"<g><title>{title}</title><rect x="{x:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="{color}"/><line class="whisker" x1="{center:.1}" y1="{:.1}" x2="{center:.1}" y2="{:.1}"/></g>"#,
        BAR - 2.0,
        bottom - top,
        y(lower),
        y(upper)
    )
}

/// Marks on the axis: round numbers, four to eight of them.
struct Steps {
    step: f64,
    top: f64,
}

impl Steps {
    fn up_to(highest: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let power = 10_f64.powf((highest / 5.0).log10().floor());
        let fits = |factor: &f64| highest / (power * factor) <= 7.0;
        let step = power * [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(fits).unwrap_or(10.0);
        Self { step, top: (highest / step).ceil() * step }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let count = (self.top / self.step).round();
        (0..=64_u8).map(f64::from).take_while(move |index| *index <= count).map(|index| index * self.step)
    }
}

fn contenders_in_a_line(width: f64, legend_width: f64) -> usize {
    (2..=6_u8).rev().find(|count| LEFT + f64::from(*count) * legend_width <= width).map_or(1, usize::from)
}

/// What the groups differ in, as far as their names tell.
fn axis_of_columns(columns: &[&str]) -> &'static str {
    let is_size =
        |column: &&str| column.ends_with(" B") || column.ends_with(" KiB") || column.ends_with(" MB");
    if columns.iter().all(is_size) { "bytes of a record or message" } else { "what was measured" }
}

/// The same contender has the same colour everywhere; ours are blue. All are seen on white and on black.
fn color(name: &str, place: usize) -> &'static str {
    const OTHERS: [&str; 4] = ["#b58900", "#7a9a01", "#c45ab3", "#8d6e63"];
    match name {
        "OpenSchannel" => "#2f7fd6",
        "OpenSchannel, scattered" => "#6fb1ef",
        "OpenSchannel, C ABI" => "#1f5fb0",
        "rustls, buffered" => "#e0672b",
        "rustls, unbuffered" => "#f0a35e",
        "OpenSSL" => "#c43c4f",
        "GnuTLS" => "#3d9e6b",
        "BoringSSL" => "#8b63c9",
        name if name.starts_with("bare AEAD, type byte apart") => "#b4bac2",
        name if name.starts_with("bare AEAD, type byte") => "#9aa1ab",
        name if name.starts_with("bare AEAD") => "#767d88",
        _ => OTHERS[place % OTHERS.len()],
    }
}

const STYLE: &str = "<style>\
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.tick{text-anchor:end}\
.label{text-anchor:middle}.grid{stroke:#d0d7de}.axis{stroke:#57606a}.one{stroke:#57606a;stroke-dasharray:4 3}\
.whisker{stroke:#24292f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#30363d}.axis,.one{stroke:#8b949e}.whisker{stroke:#e6edf3}}\
</style>";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("memory");
}
