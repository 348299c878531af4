//! The project's own program, `openschannel`, against other implementations.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::process::run;

/// Names the variable that gives the program to test.
const PROGRAM_VARIABLE: &str = "OPENSCHANNEL_BIN";

/// A command line of `openschannel`: the program that the variable `OPENSCHANNEL_BIN` names, otherwise the workspace's, built as the
/// tests are.
pub fn openschannel() -> Command {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os(PROGRAM_VARIABLE) {
        Some(path) => path.into(),
        None => build(),
    });
    Command::new(&*PROGRAM)
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "openschannel-cli", "--target-dir"]).arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    run(cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))));
    profile.join(format!("openschannel{}", std::env::consts::EXE_SUFFIX))
}
