//! What the program cannot ask at run time: the compiler, and which versions it was built with.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = Command::new(env::var("RUSTC").expect("set by cargo")).arg("--version").output();
    let rustc = String::from_utf8(rustc.expect("rustc runs").stdout).expect("text");
    println!("cargo::rustc-env=BENCH_RUSTC={}", rustc.trim());
    println!("cargo::rustc-env=BENCH_TARGET={}", env::var("TARGET").expect("set by cargo"));
    println!("cargo::rustc-env=BENCH_PROFILE={}", env::var("PROFILE").expect("set by cargo"));

    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).expect("the workspace has a Cargo.lock");
    let mut table = String::from("[");
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value;
        } else if let Some(version) = line.strip_prefix("version = ")
            && !name.is_empty()
        {
            write!(table, "({name}, {version}), ").expect("memory");
        }
    }
    table.push(']');
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("versions.rs");
    fs::write(out, table).expect("written");
}
