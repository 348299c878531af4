//! The C library, `openschannel-ffi`: where its sources lie, and the library built as the tests are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A file or a directory of the crate.
pub fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/openschannel-ffi").join(path)
}

/// The shared library.
pub fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(build);
    &LIBRARY
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST, or TARGET/PROFILE/PROGRAM
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().skip(1).find(|path| !path.ends_with("deps")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "openschannel-ffi", "--target-dir"]).arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).status().unwrap();
    assert!(status.success(), "{cargo:?}: {status}");
    profile.join("libopenschannel_ffi.so")
}
