//! What is written keeps its word: the tests that docs/closing.md names exist, the rules that sources cite by their numbers, and what
//! any page links to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the first part of `area/file::test` leads.
const AREAS: &[(&str, &str)] = &[
    ("provider", "crates/openschannel"),
    ("streams", "crates/openschannel-stream"),
    ("abi", "crates/openschannel-ffi"),
    ("program", "crates/openschannel-cli"),
    ("interop", "interop"),
];

#[test]
fn every_test_that_a_rule_names_exists() {
    let page = page();
    let names: BTreeSet<&str> =
        page.split('`').skip(1).step_by(2).filter(|code| names_a_test(code)).collect();
    assert!(names.len() > 50, "only {} tests are named: are they written `area/file::test`?", names.len());
    let missing: Vec<&str> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn every_rule_has_its_number_and_its_tests() {
    let page = page();
    let rules: Vec<&str> = page.split("\n**C-").skip(1).collect();
    for (index, rule) in rules.iter().enumerate() {
        let expected = format!("{}.** ", index + 1);
        assert!(rule.starts_with(&expected), "C-{} should be C-{}", &rule[..8], index + 1);
        let own = rule.split("\n\n").next().unwrap();
        let tested =
            own.split_once("\n- Tests: ").is_some_and(|(_, names)| names.split('`').any(names_a_test));
        assert!(tested, "no test shows C-{}", index + 1);
    }
}

#[test]
fn every_rule_that_sources_cite_exists() {
    let rules = page().matches("\n**C-").count();
    let mut cited = 0;
    for directory in ["crates", "interop"] {
        for file in sources(&root().join(directory)) {
            let text = fs::read_to_string(&file).unwrap();
            for number in text.lines().filter(|line| line.contains("closing.md")).flat_map(rules_in) {
                cited += 1;
                assert!((1..=rules).contains(&number), "{} cites C-{number}", file.display());
            }
        }
    }
    assert!(cited > 0, "nothing cites a rule: are they written `closing.md C-1`?");
}

#[test]
fn what_pages_link_to_exists() {
    let mut followed = 0;
    for page in pages(&root()).into_iter().chain(pages(&root().join("docs"))) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            // Not to somewhere else, and not an index and an argument in some code.
            if file.contains("://") || !link.contains(['.', '/', '#']) {
                continue;
            }
            followed += 1;
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{} links to {link}", page.display());
            let known = section.is_empty() || sections(&target).contains(section);
            assert!(known, "{} links to {link}, which has no such heading", page.display());
        }
    }
    assert!(followed > 20, "only {followed} links were found");
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The headings of a page as links name them.
fn sections(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/closing.md")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn names_a_test(code: &str) -> bool {
    code.contains("::") && AREAS.iter().any(|(area, _)| code.starts_with(&format!("{area}/")))
}

/// `area/file::test` is in the area's `tests` unless the file begins with `src`; one that ends in `.c` is a scene of a C program.
fn exists(name: &str) -> bool {
    let (file, test) = name.split_once("::").unwrap();
    let (area, file) = file.split_once('/').unwrap();
    let home = root().join(AREAS.iter().find(|(known, _)| *known == area).unwrap().1);
    if file.ends_with(".c") {
        let text = fs::read_to_string(home.join("tests/c").join(file)).unwrap_or_default();
        return text.contains(&format!("\nstatic void {test}("));
    }
    let path = if file.starts_with("src/") { home.join(file) } else { home.join("tests").join(file) };
    let text = fs::read_to_string(path.with_extension("rs"))
        .or_else(|_| fs::read_to_string(path.join("mod.rs")))
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let function = lines.iter().position(|line| {
        line.trim_start_matches("async ")
            .strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(test))
            .is_some_and(|rest| rest.starts_with('('))
    });
    // Other attributes may stand between: what is a test under certain conditions only is one.
    function.is_some_and(|at| {
        lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|attribute| is_test(attribute))
    })
}

fn is_test(attribute: &str) -> bool {
    attribute == "#[test]" || attribute.starts_with("#[tokio::test")
}

/// The numbers behind every `C-` of a line.
fn rules_in(line: &str) -> impl Iterator<Item = usize> {
    line.split("C-").skip(1).filter_map(|rest| {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest[..digits].parse().ok()
    })
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs" || end == "c" || end == "h")
            && !path.ends_with("docs.rs")
        {
            found.push(path);
        }
    }
    found
}
