//! Other people's TLS: programs in `subjects/`, built when they are first asked for, and rustls within this one. `subjects/README.md` says
//! how they are spoken to, `interop/peers/setup` installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use openschannel_interop::process::run;
use openschannel_interop::scripted::built;

use crate::subject::{Program, Subject};

/// All of them.
pub fn all() -> Vec<Box<dyn Subject>> {
    vec![Box::new(OPENSSL), Box::new(GNUTLS), Box::new(super::rustls::SUBJECT), Box::new(GO), Box::new(JAVA)]
}

/// The system's libssl.
pub const OPENSSL: Program = Program {
    name: "openssl",
    title: "OpenSSL",
    command: || MADE_OPENSSL.clone(),
    version: openssl_version,
    ours: false,
};

/// The system's GnuTLS.
pub const GNUTLS: Program = Program {
    name: "gnutls",
    title: "GnuTLS",
    command: || MADE_GNUTLS.clone(),
    version: gnutls_version,
    ours: false,
};

/// Go's crypto/tls.
pub const GO: Program =
    Program { name: "go", title: "Go", command: || MADE_GO.clone(), version: go_version, ours: false };

/// The JDK's JSSE, told to want a close_notify.
pub const JAVA: Program = Program {
    name: "java",
    title: "Java",
    command: || MADE_JAVA.clone(),
    version: java_version,
    ours: false,
};

/// The JDK's JSSE as it comes, which takes every end of the transport for one of the data. Not among [`all`]: its reasons would be those
/// of the property that [`JAVA`] sets.
pub const JAVA_AS_IT_COMES: Program =
    Program { name: "java-as-it-comes", title: "Java, as it comes", command: || in_java(&[]), ..JAVA };

type Made = LazyLock<Result<Vec<String>, String>>;

static MADE_OPENSSL: Made =
    LazyLock::new(|| in_c("openssl.c", "/usr/include/openssl/ssl.h", &["-lssl", "-lcrypto"]));

static MADE_GNUTLS: Made = LazyLock::new(|| in_c("gnutls.c", "/usr/include/gnutls/gnutls.h", &["-lgnutls"]));

static MADE_GO: Made = LazyLock::new(|| {
    let source = needed(&["go"])?.join("go.go");
    let program = built(std::slice::from_ref(&source), "conformance-go", |target| {
        run(Command::new("go").args(["build", "-o"]).arg(target).arg(&source));
    });
    Ok(vec![program])
});

static MADE_JAVA: Made =
    // Otherwise a FIN between two records passes for an orderly end.
    LazyLock::new(|| in_java(&["-Dcom.sun.net.ssl.requireCloseNotify=true"]));

static JAVA_CLASSES: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let source = needed(&["java", "javac"])?.join("JavaSubject.java");
    Ok(built(std::slice::from_ref(&source), "conformance-java", |target| {
        run(Command::new("javac").arg("-d").arg(target).arg(&source));
    }))
});

fn in_c(name: &str, header: &str, libraries: &[&str]) -> Result<Vec<String>, String> {
    let sources = needed(&["cc", header])?;
    let files = [name, "course.c", "course.h"].map(|file| sources.join(file));
    let program = built(&files, &format!("conformance-{}", name.trim_end_matches(".c")), |target| {
        run(Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(target).args(&files[..2]).args(libraries));
    });
    Ok(vec![program])
}

fn in_java(properties: &[&str]) -> Result<Vec<String>, String> {
    let classes = JAVA_CLASSES.clone()?;
    // A subject lives a second: the time goes into starting up.
    let start = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    let command = [&start[..], properties, &["-cp", &classes, "JavaSubject"]].concat();
    Ok(command.into_iter().map(str::to_owned).collect())
}

/// The sources' directory, if this machine has the programs and files to build them.
fn needed(what: &[&str]) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = |name: &&&str| !std::env::split_paths(&path).any(|directory| directory.join(name).exists());
    match what.iter().find(missing) {
        Some(name) => Err(format!("{name} is not there; interop/peers/setup installs it")),
        None => Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("subjects")),
    }
}

fn openssl_version() -> String {
    first_line(Command::new("openssl").arg("version")).split(" (").next().unwrap_or_default().to_owned()
}

fn gnutls_version() -> String {
    first_line(Command::new("gnutls-cli").arg("--version")).replace("gnutls-cli", "GnuTLS")
}

fn go_version() -> String {
    first_line(Command::new("go").arg("version"))
}

fn java_version() -> String {
    first_line(Command::new("java").arg("--version"))
}

fn first_line(command: &mut Command) -> String {
    run(command).output.first().cloned().unwrap_or_default()
}
