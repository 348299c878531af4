//! On what a run was made: processor, kernel, compiler, and the versions of everything in it.

/// Every package of Cargo.lock with its version.
static LOCKED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/versions.rs"));

/// The version of a package that this program was built with; of several the newest.
#[must_use]
pub fn locked(package: &str) -> &'static str {
    LOCKED.iter().rev().find(|(name, _)| *name == package).map_or("none", |(_, version)| version)
}
