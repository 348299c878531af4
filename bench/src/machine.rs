//! On what a run was made: processor, kernel, compiler, and the versions of everything in it.

use std::fs;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::peers;

/// Where and with what a run was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Instructions that decide how fast AES-GCM and ChaCha20-Poly1305 are, as far as this processor has them.
    pub features: Vec<String>,
    /// How many processors there are for this program.
    pub processors: usize,
    /// Whether a hypervisor lies below, and other people's work beside.
    pub is_virtual: bool,
    /// The kernel's name and release.
    pub kernel: String,
    /// How many tasks were running when the run began (load average over a minute).
    pub load: String,
    /// The compiler, its target, and cargo's profile.
    pub compiler: String,
    /// What is compared, and in which version.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn describe() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = processor.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let first_line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or("unknown").to_owned()
        };
        let kernel = ["ostype", "osrelease"].map(|name| first_line(&format!("/proc/sys/kernel/{name}")));
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            features: features(),
            processors: available_parallelism().map_or(1, usize::from),
            is_virtual: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            kernel: kernel.join(" "),
            load: first_line("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            compiler: format!(
                "{}, {}, profile {}",
                env!("BENCH_RUSTC"),
                env!("BENCH_TARGET"),
                env!("BENCH_PROFILE")
            ),
            versions: versions(),
        }
    }
}

/// The implementations, and what they rest on.
fn versions() -> Vec<(String, String)> {
    let own = ("OpenSchannel".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let locked = ["aws-lc-rs", "aws-lc-sys", "rustls"].map(|name| (name.to_owned(), locked(name).to_owned()));
    let mut all = vec![own];
    all.extend(locked);
    for library in peers::libraries() {
        let known = all.iter().any(|(name, _)| library.name().starts_with(name.as_str()));
        if !known {
            all.push((library.name().to_owned(), library.version()));
        }
    }
    all
}

/// Every package of Cargo.lock with its version.
static LOCKED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/versions.rs"));

/// The version of a package that this program was built with; of several the newest.
#[must_use]
pub fn locked(package: &str) -> &'static str {
    LOCKED.iter().rev().find(|(name, _)| *name == package).map_or("none", |(_, version)| version)
}

/// Today, UTC: "2026-01-31".
#[must_use]
pub fn today() -> String {
    OffsetDateTime::now_utc().date().to_string()
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let all = [
        ("AES-NI", is_x86_feature_detected!("aes")),
        ("PCLMULQDQ", is_x86_feature_detected!("pclmulqdq")),
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("VAES", is_x86_feature_detected!("vaes")),
        ("VPCLMULQDQ", is_x86_feature_detected!("vpclmulqdq")),
        ("AVX-512", is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")),
        ("SHA", is_x86_feature_detected!("sha")),
        ("ADX", is_x86_feature_detected!("adx")),
    ];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<String> {
    use std::arch::is_aarch64_feature_detected;
    let all = [
        ("AES", is_aarch64_feature_detected!("aes")),
        ("PMULL", is_aarch64_feature_detected!("pmull")),
        ("SHA2", is_aarch64_feature_detected!("sha2")),
        ("SHA3", is_aarch64_feature_detected!("sha3")),
        ("SVE", is_aarch64_feature_detected!("sve")),
    ];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::{Machine, locked, today};

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for name in ["rustls", "aws-lc-rs"] {
            let version = locked(name);
            assert!(
                lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")),
                "{name} {version}"
            );
        }
        assert_eq!(locked("no such package"), "none");
        let machine = Machine::describe();
        assert!(
            machine.versions.iter().any(|(name, version)| name == "rustls" && version == locked("rustls"))
        );
        assert!(machine.processors > 0 && machine.compiler.starts_with("rustc 1."));
    }

    #[test]
    fn dates_are_those_of_iso_8601() {
        let date = today();
        let parts: Vec<usize> = date.split('-').map(str::len).collect();
        assert_eq!(parts, [4, 2, 2], "{date}");
    }
}
