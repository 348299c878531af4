//! Our C ABI: a C program, compiled as a user of the library would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use openschannel_interop::ffi;

use crate::subject::Program;

/// The subject.
pub const SUBJECT: Program = Program {
    name: "c-abi",
    title: "OpenSchannel, C ABI",
    command: || PROGRAM.as_ref().map(|program| vec![program.display().to_string()]).map_err(String::clone),
    version: super::our_version,
    ours: true,
};

/// As cargo names it.
const LIBRARY: &str = "libopenschannel_ffi.so";

static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);

fn build() -> Result<PathBuf, String> {
    let library = library();
    let own = std::env::current_exe().unwrap();
    let program = own.with_file_name("c_abi_subject");
    // Tests and commands of one directory may build at once, and run it.
    let fresh = own.with_file_name(format!("c_abi_subject.{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("subjects/c_abi.c");
    let harness = ffi::in_crate("tests/c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler)
        .args(["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(ffi::in_crate("include"))
        .arg("-I")
        .arg(&harness)
        .arg("-o")
        .arg(&fresh)
        .arg(source)
        .arg(harness.join("harness.c"))
        .arg("-L")
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .arg("-lopenschannel_ffi")
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::rename(&fresh, &program).map_err(|error| error.to_string())?;
    Ok(program)
}

/// Where the library is. Beside a test of this crate cargo has built it.
fn library() -> PathBuf {
    let beside = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    if beside.ends_with("deps") && beside.join(LIBRARY).exists() {
        return beside;
    }
    ffi::library().parent().unwrap().to_owned()
}
