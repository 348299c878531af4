//! docs/conformance.md is what the table and the reasons say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use openschannel_conformance::cell::Cell;
use openschannel_conformance::document;
use openschannel_conformance::expectations::TABLE;
use openschannel_conformance::reasons::{REASONS, reason};
use openschannel_conformance::subjects;

#[test]
fn the_document_is_current() {
    let text = document::read();
    assert!(text.contains(document::MARK));
    let again = "it is another one; interop/conformance/table writes it anew";
    assert!(text.contains(&document::expectations()), "the table: {again}");
    assert!(text.contains(&document::results(&subjects::all())), "the results: {again}");
}

#[test]
fn no_cell_is_empty() {
    let text = document::read();
    let (_, generated) = text.split_once(document::MARK).unwrap();
    let rows = generated.lines().filter(|line| line.starts_with('|'));
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
    let results = document::results(&subjects::all());
    let rows = results.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).count();
    assert_eq!(rows, TABLE.len() + 1);
}

#[test]
fn reasons_are_for_somebody_and_none_is_for_us() {
    let all = subjects::all();
    for (number, one) in REASONS.iter().enumerate() {
        assert!(!one.observed.is_empty() && !one.why.is_empty(), "reason {number}");
        for name in one.subjects {
            let subject = all.iter().find(|subject| subject.name() == *name);
            assert!(!subject.unwrap_or_else(|| panic!("there is no subject {name}")).is_ours(), "{name}");
        }
        let used = one.subjects.iter().any(|name| {
            Cell::all().any(|cell| reason(name, cell).is_some_and(|used| std::ptr::eq(used, one)))
        });
        assert!(used, "reason {number} is for no cell, or others stand before it");
    }
}

#[test]
fn rules_that_the_table_cites_exist() {
    let closing = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/closing.md");
    let closing = std::fs::read_to_string(closing).unwrap();
    for rule in TABLE.iter().flat_map(|row| row.rules) {
        assert!(closing.contains(&format!("\n**C-{rule}.** ")), "C-{rule}");
    }
}
