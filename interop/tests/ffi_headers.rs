//! The C headers beside those of others: Windows' as mingw-w64 has them, and FreeRDP's WinPR.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use openschannel_interop::ffi::{in_crate, library};
use openschannel_interop::process::run;

const MINGW: &str = "x86_64-w64-mingw32-gcc";

/// What the programs include on either system. SCH_CREDENTIALS wants the macro, and on Windows the header before.
const INCLUDES: &str = "#define SECURITY_WIN32\n#define SCHANNEL_USE_BLACKLISTS\n#ifdef _WIN32\n#include <winsock2.h>\n\
                        #include <windows.h>\n#include <subauth.h>\n#endif\n#include <security.h>\n#include <schannel.h>\n\
                        #include <wincrypt.h>\n";

/// Compilers name the system and themselves; those names are nobody's interface.
const OURS_ALONE: [&str; 2] = ["__", "OPENSCHANNEL_"];

/// The layouts that `tests/headers.rs` checks of ours are those of Windows' headers.
#[test]
#[ignore = "needs mingw-w64"]
fn windows_lays_structures_out_as_we_do() {
    run(Command::new(MINGW).args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(layout()));
}

/// Every number that both sets of headers define is the same.
#[test]
#[ignore = "needs mingw-w64"]
fn windows_has_the_same_numbers() {
    let (ours, theirs) = (macros(&mut our_compiler()), macros(&mut Command::new(MINGW)));
    let common: Vec<&String> = ours.keys().filter(|name| theirs.contains_key(*name)).collect();
    // Flags, attributes, buffer types, statuses, alerts and protocols.
    assert!(common.len() > 800, "{}", common.len());
    let mut asking = format!("{INCLUDES}#include <stdio.h>\nint main(void) {{\n");
    for name in &common {
        asking += &format!("printf(\"{name} %lld\\n\", (long long)({name}));\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("numbers");
    feed(our_compiler().arg("-o").arg(&program).args(["-x", "c", "-"]), &(asking + "return 0;\n}\n"));
    let mut asserting = INCLUDES.to_owned();
    for line in run(&mut Command::new(&program)).output {
        let (name, number) = line.split_once(' ').unwrap();
        asserting += &format!("_Static_assert((long long)({name}) == {number}ll, \"{name}\");\n");
    }
    feed(Command::new(MINGW).args(["-fsyntax-only", "-x", "c", "-"]), &asserting);
}

/// WinPR's headers describe the same structures, as far as they have them; its function table ends earlier.
#[test]
#[ignore = "needs libwinpr2-dev"]
fn winpr_lays_structures_out_as_we_do() {
    let mut cc = Command::new("cc");
    run(cc.args(["-DWITH_WINPR", "-fsyntax-only"]).args(winpr(&["--cflags"])).arg(layout()));
}

/// A program on WinPR loads the library as FreeRDP's `/sspi-module` does, and calls it through WinPR's table.
#[test]
#[ignore = "needs libwinpr2-dev"]
fn winpr_loads_the_library_as_a_module() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("winpr_module");
    let source = in_crate("../../interop/peers/winpr_module.c");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .args(winpr(&["--cflags", "--libs"]));
    run(&mut cc);
    let finished = run(Command::new(&program).arg(library()));
    assert_eq!(finished.output.last().map(String::as_str), Some("done"), "{}", finished.text());
}

/// The examples are programs for Windows as they stand.
#[test]
#[ignore = "needs mingw-w64"]
fn examples_compile_for_windows() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["schannel_client", "schannel_server"] {
        let mut mingw = Command::new(MINGW);
        mingw.args(["-Wall", "-Wextra", "-Werror"]).arg(in_crate(&format!("examples/c/{name}.c")));
        mingw.args(["-lsecur32", "-lcrypt32", "-lws2_32", "-o"]).arg(directory.path().join(name));
        run(&mut mingw);
    }
}

fn layout() -> PathBuf {
    in_crate("tests/c/layout.c")
}

fn our_compiler() -> Command {
    let mut cc = Command::new("cc");
    cc.arg("-I").arg(in_crate("include"));
    cc
}

/// The macros that stand for a number, with what they stand for.
fn macros(compiler: &mut Command) -> BTreeMap<String, String> {
    let text = feed(compiler.args(["-dM", "-E", "-x", "c", "-"]), INCLUDES);
    let definitions = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let all: BTreeMap<String, String> =
        definitions.map(|(name, body)| (name.to_owned(), body.trim().to_owned())).collect();
    all.iter()
        .filter(|(name, _)| !name.contains('(') && !OURS_ALONE.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|(_, body)| is_number(body, &all, 0))
        .map(|(name, body)| (name.clone(), body.clone()))
        .collect()
}

/// Whether an expression has only numbers, operators and casts to integers, also behind the names it uses.
fn is_number(body: &str, all: &BTreeMap<String, String>, depth: u32) -> bool {
    const INTEGERS: [&str; 9] =
        ["HRESULT", "_HRESULT_TYPEDEF_", "ULONG_PTR", "INT_PTR", "DWORD", "LONG", "ULONG", "int", "unsigned"];
    let words = body.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut any = false;
    let fine = !body.contains(['"', '*', '{', '\'', ','])
        && words.into_iter().all(|word| {
            any = true;
            word.starts_with(|c: char| c.is_ascii_digit())
                || INTEGERS.contains(&word)
                || depth < 8 && all.get(word).is_some_and(|body| is_number(body, all, depth + 1))
        });
    fine && any && body.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
}

/// Runs a program with an input, and gives its output.
fn feed(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn winpr(options: &[&str]) -> Vec<String> {
    let flags = run(Command::new("pkg-config").args(options).arg("winpr2")).text();
    flags.split_whitespace().map(str::to_owned).collect()
}
