//! On Linux: binds the shared library's names to itself, and gives those it exports a version, `OPENSCHANNEL_0.1`.
//!
//! Other libraries export the same names: WinPR has an SSPI of its own. Without `-Bsymbolic` our function table would hold the functions
//! of whichever library the program loaded first.
//!
//! Versions: rustc passes the linker a version script of its own, which has none, and neither linker lets a second script take those
//! names over. With LLD, rustc's default for x86-64, there is a way: `-u NAME@@VERSION` names the symbol, version included, before its
//! definition is met. GNU ld refuses; there, and elsewhere, the library is linked without versions. So a small library is tried first.

#![allow(clippy::panic, reason = "a build that cannot go on says why and stops")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const VERSION: &str = "OPENSCHANNEL_0.1";
const EXPORTS: &str = "exports.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={EXPORTS}");
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    let directory = variable("OUT_DIR");
    let directory = Path::new(&directory);
    let script = directory.join("versions.map");
    write(&script, &format!("{VERSION} {{ }};\n"));
    let script = format!("-Wl,--version-script={}", script.display());
    if !linker_takes(&script, directory) {
        println!("cargo::warning=the linker takes no symbol versions beside rustc's own: linking without");
        return;
    }
    println!("cargo::rustc-cdylib-link-arg={script}");
    let exports = fs::read_to_string(EXPORTS).unwrap_or_else(|error| panic!("{EXPORTS}: {error}"));
    for name in exports.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        println!("cargo::rustc-cdylib-link-arg={}", versioned(name));
    }
}

fn versioned(name: &str) -> String {
    format!("-Wl,-u,{name}@@{VERSION}")
}

/// Links a library of one function with the linker and the flags that the crate itself will be linked with.
fn linker_takes(script: &str, directory: &Path) -> bool {
    let source = directory.join("probe.rs");
    let library = directory.join("libprobe.so");
    write(&source, "#[unsafe(no_mangle)]\npub extern \"C\" fn probe() {}\n");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition=2024", "--crate-type=cdylib", "--crate-name=probe", "--target"])
        .arg(variable("TARGET"));
    rustc.arg(format!("-Clink-arg={script}")).arg(format!("-Clink-arg={}", versioned("probe")));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.args(variable("CARGO_ENCODED_RUSTFLAGS").split('\u{1f}').filter(|flag| !flag.is_empty()));
    let linked =
        rustc.arg("-o").arg(&library).arg(&source).output().is_ok_and(|output| output.status.success());
    // The version's name stands in the table of dynamic strings if, and only if, it was given.
    let name = format!("\0{VERSION}\0");
    linked
        && fs::read(&library)
            .is_ok_and(|bytes| bytes.windows(name.len()).any(|window| window == name.as_bytes()))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
