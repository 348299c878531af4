//! What the shared library exports, what the headers declare and what `exports.txt` lists are the same names. Wants `nm`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::{LIBRARY, in_crate, library_directory};

#[test]
fn the_library_exports_what_is_listed() {
    let (library, listed) = (library_directory().join(LIBRARY), listed());
    let exported =
        symbols(&library).into_iter().map(|symbol| symbol.split('@').next().unwrap().to_owned()).collect();
    assert_same(&exported, &listed, "the library", "exports.txt");
}

/// All names have the version, or none has: a linker that cannot do it, as GNU ld. `install.sh` wants them.
#[test]
fn exported_names_have_one_version() {
    let symbols = symbols(&library_directory().join(LIBRARY));
    let versioned = symbols.iter().filter(|symbol| symbol.ends_with("@@OPENSCHANNEL_0.1")).count();
    assert!(versioned == symbols.len() || versioned == 0, "{symbols:#?}");
}

#[test]
fn the_headers_declare_what_is_listed() {
    let mut declared = BTreeSet::new();
    for entry in fs::read_dir(in_crate("include")).unwrap() {
        declared.extend(declarations(&fs::read_to_string(entry.unwrap().path()).unwrap()));
    }
    assert_same(&declared, &listed(), "the headers", "exports.txt");
}

#[test]
fn declarations_are_found() {
    let header = "SECURITY_STATUS SEC_ENTRY One(\n    int a);\ntypedef int(WINAPI *FN)(void);\nBOOL WINAPI Two(void);\n";
    assert_eq!(declarations(header), ["One", "Two"]);
}

/// Names between a calling convention and an opening bracket.
fn declarations(header: &str) -> Vec<String> {
    let words: Vec<&str> = header.split_whitespace().collect();
    // A pointer returned has its star there.
    let is_convention = |word: &str| matches!(word.trim_start_matches('*'), "SEC_ENTRY" | "WINAPI");
    let names =
        words.windows(2).filter(|pair| is_convention(pair[0])).filter_map(|pair| pair[1].split_once('('));
    names.map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty()).collect()
}

fn assert_same(left: &BTreeSet<String>, right: &BTreeSet<String>, left_name: &str, right_name: &str) {
    let more: Vec<_> = left.difference(right).collect();
    let less: Vec<_> = right.difference(left).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "only in {left_name}: {more:?}; only in {right_name}: {less:?}"
    );
}

fn listed() -> BTreeSet<String> {
    let list = fs::read_to_string(in_crate("exports.txt")).unwrap();
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// As NAME@@VERSION.
fn symbols(library: &Path) -> BTreeSet<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--with-symbol-versions"])
        .arg(library)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let symbols = lines.lines().filter_map(|line| line.split_whitespace().nth(2));
    // The linker defines a symbol for each version, with type A.
    symbols.filter(|symbol| !symbol.starts_with("OPENSCHANNEL_0.1")).map(str::to_owned).collect()
}
