//! The C headers for systems that are not Windows: they compile alone, in any order and in every language they may be used from, and lay
//! structures out as Windows does.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use support::{compiler, in_crate};

/// The oldest and the newest standards a program may be compiled with.
const C: [&str; 3] = ["c99", "c11", "c17"];
const CPP: [&str; 3] = ["c++11", "c++17", "c++20"];
/// What changes what the headers declare.
const VARIANTS: [&[&str]; 4] = [
    &[],
    &["-DUNICODE", "-D_UNICODE"],
    &["-DSECURITY_WIN32", "-DSCHANNEL_USE_BLACKLISTS"],
    &["-DUNICODE", "-DSECURITY_WIN32", "-DSCHANNEL_USE_BLACKLISTS"],
];

#[test]
fn every_header_compiles_alone() {
    for header in headers() {
        for variant in VARIANTS {
            for standard in C.iter().chain(&CPP) {
                compile(standard, variant, &format!("#include <{header}>\n"));
            }
        }
    }
}

#[test]
fn headers_compile_in_any_order() {
    for first in headers() {
        for second in headers() {
            let source = format!("#include <{first}>\n#include <{second}>\n");
            for standard in ["c99", "c++11"] {
                compile(standard, VARIANTS[3], &source);
            }
        }
    }
}

#[test]
fn structures_are_laid_out_as_on_windows() {
    for standard in ["c11", "c++11"] {
        for variant in [&[][..], &["-DUNICODE"]] {
            compile(standard, variant, &read("tests/c/layout.c"));
        }
    }
}

#[test]
fn names_without_a_or_w_follow_unicode() {
    for variant in [&[][..], &["-DUNICODE"]] {
        compile("c11", variant, &read("tests/c/aliases.c"));
    }
}

/// The names of the package are what a program compiled on Windows passes, in both alphabets.
#[test]
fn names_of_the_package_are_utf_16() {
    let source = r#"
        #include <schannel.h>
        _Static_assert(sizeof(UNISP_NAME_A) == 45, "ANSI");
        _Static_assert(sizeof(UNISP_NAME_W) == 2 * 45, "UTF-16");
        WCHAR w[] = UNISP_NAME_W;
    "#;
    compile("c11", &[], source);
    compile(
        "c++11",
        &[],
        "#include <schannel.h>\nLPWSTR name = UNISP_NAME_W;\nLPCWSTR constant = SCHANNEL_NAME_W;\n",
    );
}

/// Compiles, warnings being errors.
fn compile(standard: &str, flags: &[&str], source: &str) {
    let mut command = compiler(standard);
    let language = if standard.starts_with("c++") { "c++" } else { "c" };
    command.args(["-pedantic", "-fsyntax-only"]).args(flags).args(["-x", language, "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}\n{source}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn headers() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(in_crate("include"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.iter().any(|name| name == "schannel.h"), "{names:?}");
    names
}

fn read(path: &str) -> String {
    fs::read_to_string(in_crate(path)).unwrap()
}
