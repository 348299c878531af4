//! Secrets leave no trace: not in memory that was freed, not in texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

#[path = "../common/mod.rs"]
mod common;
mod heap;
mod known;
mod scenes;
mod theirs;

use std::io::Write as _;

/// Zero finds mean something only where finds can be made.
#[test]
fn what_is_freed_unwiped_is_found() {
    let mut known = known::Known::default();
    let secret = known::canary(40);
    known.add("secret", &secret);
    let (_, freed) = heap::watched(|| {
        // Grown, truncated, dropped, and taken over by an allocation that is never written.
        let mut grown = secret.clone();
        grown.shrink_to_fit();
        grown.reserve_exact(1);
        grown.truncate(3);
        drop(grown);
        let mut wiped = zeroize::Zeroizing::new(Vec::with_capacity(100));
        wiped.extend_from_slice(&secret);
        drop(wiped);
        drop(Vec::<u8>::with_capacity(40));
    });
    let found = freed.find(&known);
    assert_eq!(found.len(), 2, "the block it grew from and the one it grew to");
    assert!(found[0].by.contains("what_is_freed_unwiped_is_found"), "{}", found[0]);
}

#[test]
fn no_secret_of_ours_is_freed_unwiped() {
    let mut ours = Vec::new();
    let mut seen = theirs::Seen::default();
    let mut searched = [0, 0];
    for (name, scene) in scenes::ALL {
        let scene = scene();
        searched[0] += scene.freed.blocks();
        searched[1] += scene.known.len();
        for found in scene.freed.find(&scene.known) {
            if !seen.excuses(&found) {
                ours.push(format!("{name}: {found}"));
            }
        }
    }
    writeln!(std::io::stderr(), "searched {} freed blocks for {} secrets", searched[0], searched[1]).ok();
    assert!(ours.is_empty(), "{} finds\n{}", ours.len(), ours.join("\n"));
    assert_eq!(seen.unused(), Vec::<&str>::new(), "exceptions that nothing needs any more");
}
