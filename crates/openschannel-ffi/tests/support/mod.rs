//! What the tests of the C side share: where things lie, and the compilers, `$CC` and `$CXX` or `cc` and `c++`.
#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file or a directory of this crate.
pub(crate) fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The directory with the shared library: cargo builds it beside the tests.
pub(crate) fn library_directory() -> PathBuf {
    let directory = env::current_exe().unwrap().parent().unwrap().to_owned();
    assert!(directory.join(LIBRARY).exists(), "{LIBRARY} is not in {}", directory.display());
    directory
}

/// The shared library as cargo names it.
pub(crate) const LIBRARY: &str = "libopenschannel_ffi.so";

/// The compiler for a standard, "c11" or "c++11", that finds our headers and takes warnings for errors.
pub(crate) fn compiler(standard: &str) -> Command {
    let (variable, default) = if standard.starts_with("c++") { ("CXX", "c++") } else { ("CC", "cc") };
    let mut command = Command::new(env::var(variable).unwrap_or_else(|_| default.to_owned()));
    command
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(in_crate("include"));
    command
}

/// Runs a program to its end and fails the test unless it ends well.
pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
