//! Secrets leave no trace: not in memory that was freed, not in texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

#[path = "../common/mod.rs"]
mod common;
mod heap;
mod known;
mod scenes;
mod text;
mod theirs;

use std::io::Write as _;

/// Zero finds mean something only where finds can be made.
#[test]
fn what_is_freed_unwiped_is_found() {
    let _alone = text::one_at_a_time();
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

/// The exceptions name functions, which an optimised build inlines into others.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "needs the function names of a debug build")]
fn no_secret_of_ours_is_freed_unwiped() {
    let _alone = text::one_at_a_time();
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

/// What programs write into their logs: everything public, in many states, and all that is traced meanwhile.
#[test]
fn no_text_shows_a_secret() {
    let _alone = text::one_at_a_time();
    let (text, known) = scenes::shown();
    let found = text.find(&known);
    writeln!(std::io::stderr(), "searched {} bytes of text for {} secrets", text.len(), known.len()).ok();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// As above: what is there is found, in whatever way it is written.
#[test]
fn what_is_shown_is_found() {
    let _alone = text::one_at_a_time();
    let mut known = known::Known::default();
    let secret = known::canary(40);
    known.add("secret", &secret);
    let bytes: [u8; 40] = std::array::from_fn(|index| secret[index] ^ 0x80);
    known.add("bytes", &bytes);
    for shown in [
        &String::from_utf8(secret.clone()).unwrap() as &dyn std::fmt::Debug,
        &Some(secret.as_slice()),
        &bytes,
        &bytes.map(|byte| format!("{byte:02x}")).concat(),
        &bytes.map(|byte| format!("{byte:02X}")).concat(),
        &&bytes[3..],
        &&bytes[..21],
        &format_args!("{}", bytes.escape_ascii()),
    ] {
        let text = text::Text::default();
        text.show(shown);
        assert!(!text.find(&known).is_empty(), "{shown:?}");
    }
    let text = text::Text::default();
    text.show(&&secret[..10]);
    assert!(text.find(&known).is_empty());
    tracing::subscriber::with_default(text.clone(), || tracing::trace!(field = ?bytes, "message"));
    assert_eq!(text.find(&known).len(), 1);
}
