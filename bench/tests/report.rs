//! A saved report becomes tables, plots and the page: in one place, from a made-up run whose figures are known.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made ends the test")]

use openschannel_bench::goals::{Bound, Goal, Outcome, Subject, judge};
use openschannel_bench::machine::Machine;
use openschannel_bench::report::{Cell, Measurement, Quartiles, Ratio, Report, Unit};
use openschannel_bench::text::{self, Style};
use openschannel_bench::{document, plot};

fn spread(median: f64) -> Quartiles {
    Quartiles { lower: median * 0.9, median, upper: median * 1.11 }
}

fn measured(cell: &Cell, contender: &str, unit: Unit, value: f64, to: Option<(&str, f64)>) -> Measurement {
    let ratios =
        to.map(|(to, ratio)| Ratio { to: to.to_owned(), value: spread(ratio) }).into_iter().collect();
    Measurement {
        cell: cell.clone(),
        contender: contender.to_owned(),
        unit,
        value: spread(value),
        ratios,
        rounds: 1_500,
    }
}

fn seal(column: &str) -> Cell {
    Cell::new("bulk", "TLS 1.3, AES-128-GCM, <seal> & more", column)
}

fn idle() -> Cell {
    Cell::new("memory", "TLS 1.3", "server, idle")
}

fn report() -> Report {
    let bare = "bare AEAD";
    Report {
        date: "2026-01-31".to_owned(),
        machine: Machine {
            processor: "A processor".to_owned(),
            features: vec!["VAES".to_owned(), "AVX-512".to_owned()],
            processors: 2,
            is_virtual: true,
            kernel: "Linux 6.1".to_owned(),
            load: "0.10".to_owned(),
            compiler: "rustc 1.88.0".to_owned(),
            versions: vec![("rustls".to_owned(), "0.23.0".to_owned())],
        },
        seed: 7,
        quick: false,
        left_out: vec!["BoringSSL".to_owned()],
        failed: vec![("serve".to_owned(), "there is no nginx".to_owned())],
        measurements: vec![
            measured(&seal("16 KiB"), bare, Unit::Nanoseconds, 1_439.0, Some((bare, 1.0))),
            measured(&seal("16 KiB"), "OpenSchannel", Unit::Nanoseconds, 1_474.0, Some((bare, 0.976))),
            measured(&seal("64 B"), bare, Unit::Nanoseconds, 95.0, Some((bare, 1.0))),
            measured(&seal("64 B"), "OpenSchannel", Unit::Nanoseconds, 123.0, Some((bare, 0.77))),
            measured(&idle(), "OpenSchannel", Unit::Bytes, 1_650.0, None),
            measured(&idle(), "OpenSSL", Unit::Bytes, 47_423.0, None),
        ],
    }
}

fn goal(id: &'static str, bound: Bound, subjects: &[(&str, Cell, Option<&'static str>)]) -> Goal {
    let subject = |(label, cell, to): &(&str, Cell, Option<&'static str>)| Subject {
        label: (*label).to_owned(),
        cell: cell.clone(),
        contender: "OpenSchannel",
        to: *to,
    };
    Goal { id, what: id, bound, subjects: subjects.iter().map(subject).collect() }
}

fn goals() -> Vec<Goal> {
    let bare = Some("bare AEAD");
    vec![
        goal("long records", Bound::AtLeast(0.975), &[("", seal("16 KiB"), bare)]),
        goal(
            "all records",
            Bound::AtLeast(0.8),
            &[("long", seal("16 KiB"), bare), ("short", seal("64 B"), bare)],
        ),
        goal("idle servers", Bound::AtMost(1_700.0), &[("", idle(), None)]),
        goal("against nobody", Bound::AtLeast(1.0), &[("", seal("16 KiB"), Some("GnuTLS"))]),
        goal("of no cell", Bound::AtLeast(1.0), &[("", seal("1 KiB"), bare)]),
    ]
}

#[test]
fn goals_are_judged_by_medians() {
    let verdicts = judge(goals(), &report());
    let outcomes: Vec<Outcome> = verdicts.iter().map(|verdict| verdict.outcome()).collect();
    use Outcome::{Missed, Reached, Unknown};
    assert_eq!(outcomes, [Reached, Missed, Reached, Unknown, Unknown]);
    let shown: Vec<String> = verdicts.iter().map(|it| format!("{} | {}", it.bound(), it.figures())).collect();
    assert_eq!(
        shown,
        [
            "\u{2265} 0.975 | 0.976",
            "\u{2265} 0.8 | long: 0.976, short: 0.770",
            "\u{2264} 1700 B | 1650 B",
            "\u{2265} 1 | not measured",
            "\u{2265} 1 | not measured",
        ]
    );
}

/// One missed subject is enough, measured or not the others.
#[test]
fn what_was_not_measured_does_not_hide_a_miss() {
    let subjects = [("a", seal("1 KiB"), Some("bare AEAD")), ("b", seal("64 B"), Some("bare AEAD"))];
    let verdicts = judge(vec![goal("both", Bound::AtLeast(0.9), &subjects)], &report());
    assert_eq!(verdicts[0].outcome(), Outcome::Missed);
    assert_eq!(verdicts[0].figures(), "a: not measured, b: 0.770");
}

#[test]
fn a_saved_report_is_the_same_report() {
    let report = report();
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(text::machine(&read), text::machine(&report));
    assert_eq!(text::tables(&read, Style::Plain), text::tables(&report, Style::Plain));
    let page = |report: &Report| document::page(report, &judge(goals(), report), "performance");
    assert_eq!(page(&read), page(&report));
}

#[test]
fn the_page_has_the_machine_the_goals_the_tables_and_the_plots() {
    let report = report();
    let page = document::page(&report, &judge(goals(), &report), "performance");
    for expected in [
        "# Performance\n",
        "| Date | 2026-01-31, seed 7 |",
        "| Processors | 2 of a virtual machine, A processor |",
        "| which has | VAES, AVX-512 |",
        "| Kernel | Linux 6.1; load 0.10 at the beginning |",
        "| rustls | 0.23.0 |",
        "Not measured: serve (there is no nginx).",
        "Not built in: BoringSSL.",
        "Of 5 goals 2 are reached, 1 missed, 2 not measured.",
        "| long records | \u{2265} 0.975 | 0.976 | reached |",
        "| all records | \u{2265} 0.8 | long: 0.976, short: 0.770 | **missed** |",
        "Not looked into yet: all records.",
        "cargo run --release -p openschannel-bench --features openssl,gnutls -- --document",
        "### TLS 1.3, AES-128-GCM, <seal> & more",
        "(performance/bulk-tls-1-3-aes-128-gcm-seal-more.svg)",
        "| 1500 rounds, to bare AEAD | 16 KiB | 64 B |\n|---|---|---|",
        "| OpenSchannel | 0.976 (0.878 to 1.083), 1474 ns | 0.770 (0.693 to 0.855), 123 ns |",
        "| 1500 rounds | server, idle |",
        "| OpenSSL | 47.4 kB (42.7 kB to 52.6 kB) |",
    ] {
        assert!(page.contains(expected), "{expected:?} is not in:\n{page}");
    }
    assert!(!page.contains("quick run"));
    for plot in plot::all(&report) {
        assert!(page.contains(&format!("(performance/{})", plot.file)), "{}", plot.file);
    }
}

#[test]
fn tables_have_escape_sequences_on_terminals_only() {
    let report = report();
    let verdicts = judge(goals(), &report);
    let all = |style| {
        [text::machine(&report), text::tables(&report, style), text::goals(&verdicts, style)].concat()
    };
    let (plain, terminal) = (all(Style::Plain), all(Style::Terminal));
    assert!(!plain.contains('\u{1b}'));
    assert!(terminal.contains('\u{1b}'));
    assert_eq!(plain, terminal.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""));
    assert!(plain.contains("MISSED  all records"), "{plain}");
    assert!(plain.contains("serve: not measured: there is no nginx"), "{plain}");
    let row = plain.lines().find(|line| line.contains("1474 ns")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>().join(" "),
        "OpenSchannel 0.976 (0.878..1.083) 1474 ns (1327 ns..1636 ns)"
    );
}

#[test]
fn plots_are_well_formed_and_show_every_bar() {
    let report = report();
    let plots = plot::all(&report);
    assert_eq!(plots.len(), 2);
    for plot in &plots {
        let elements = well_formed(&plot.svg);
        assert!(elements.contains(&"svg".to_owned()) && elements.contains(&"style".to_owned()));
        assert!(plot.svg.contains("prefers-color-scheme:dark"));
    }
    let [bulk, memory] = &plots[..] else { panic!("{plots:?}") };
    assert!(bulk.svg.contains("&lt;seal&gt; &amp; more"));
    assert!(bulk.svg.contains("speed, bare AEAD = 1") && memory.svg.contains("memory, less is better"));
    // A bar for each figure, a square for each contender.
    for (plot, bars) in [(bulk, 4), (memory, 2)] {
        assert_eq!(plot.svg.matches("<title>").count(), bars, "{}", plot.svg);
        assert_eq!(plot.svg.matches("<rect ").count(), bars + 2, "{}", plot.svg);
    }
    assert!(bulk.svg.contains("<title>OpenSchannel, 16 KiB: 0.976 (0.878 to 1.083)</title>"));
}

/// The names of all elements; panics unless every tag is closed in its order, attributes are quoted and text is escaped.
fn well_formed(svg: &str) -> Vec<String> {
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>') && text.split('&').skip(1).all(is_reference), "{text:?}");
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag:?}");
        for value in tag.split('"').skip(1).step_by(2) {
            assert!(value.split('&').skip(1).all(is_reference), "{value:?}");
            assert!(!value.contains("NaN") && !value.contains("inf"), "{tag:?}");
        }
        let name = tag.split(' ').next().unwrap_or_default().to_owned();
        all.push(name.clone());
        if !is_empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    all
}

fn is_reference(text: &str) -> bool {
    ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| text.starts_with(name))
}
