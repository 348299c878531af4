//! Plaintext and keys leave no trace: not in memory that streams free, not in texts. And what that costs the data path: no allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../../../openschannel/tests/secrets/heap.rs"]
mod heap;
#[path = "../../../openschannel/tests/secrets/known.rs"]
mod known;
mod scenes;
#[path = "../../../openschannel/tests/secrets/text.rs"]
mod text;

use std::io::Write as _;

/// The engine's part is the provider's test: handshakes are not watched here.
#[test]
fn no_plaintext_is_freed_unwiped() {
    let _alone = text::one_at_a_time();
    for (name, scene) in scenes::ALL {
        let scenes::Scene { freed, known } = scene();
        assert!(freed.blocks() > 0, "{name}");
        let found: Vec<_> = freed.find(&known).iter().map(|found| format!("{name}: {found}")).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        writeln!(
            std::io::stderr(),
            "{name}: searched {} freed blocks for {} secrets",
            freed.blocks(),
            known.len()
        )
        .ok();
    }
}

#[test]
fn no_text_shows_a_secret() {
    let _alone = text::one_at_a_time();
    let (text, known) = scenes::shown();
    let found = text.find(&known);
    assert!(found.is_empty(), "{}", found.join("\n"));
    writeln!(std::io::stderr(), "searched {} bytes of text for {} secrets", text.len(), known.len()).ok();
}

/// The sending side takes memory once for each time it runs empty, the receiving side once in all.
#[test]
fn data_takes_no_more_memory_than_its_buffers() {
    let _alone = text::one_at_a_time();
    const BURSTS: usize = 32;
    let requests = scenes::requests_of_bursts(BURSTS);
    assert!(requests.sending <= BURSTS, "{} for {BURSTS} bursts sent", requests.sending);
    assert!(requests.receiving <= 2, "{} for {BURSTS} bursts received", requests.receiving);
}
