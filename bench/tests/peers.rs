//! Every implementation does what the suites ask of it, in every setup that it claims to support.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made ends the test")]

use openschannel_bench::peers::{self, Established, Library, establish, rust_api::RustApi};
use openschannel_bench::setup::{Aead, Group, KeyKind, Setup, Version};
use openschannel_bench::wire::Wire;

fn setups() -> Vec<Setup> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for aead in Aead::ALL {
            for key in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
                for group in [Group::X25519, Group::X25519Mlkem768] {
                    for resumed in [false, true] {
                        all.push(Setup { version, aead, key, group, resumed });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_library_talks_and_closes_in_every_setup() {
    for library in peers::libraries() {
        for setup in setups() {
            let hybrid = setup.group == Group::X25519Mlkem768;
            // GnuTLS has the hybrid since 3.8.9.
            let possible = !hybrid || setup.version == Version::Tls13 && library.name() != peers::GNUTLS;
            assert_eq!(library.supports(&setup), possible, "{} {setup:?}", library.name());
            if possible {
                let endpoints = library.endpoints(&setup);
                // Twice: a resumed one leaves a session for the next.
                for _ in 0..2 {
                    talk_and_close(&*library, &setup, establish(&*endpoints));
                }
            }
        }
    }
}

fn talk_and_close(library: &dyn Library, setup: &Setup, pair: Established) {
    let Established { mut client, mut server } = pair;
    let what = format!("{} {setup:?}", library.name());
    for side in [&client, &server] {
        setup.check(&side.negotiated());
    }
    // Whoever says nothing of the group shares a test with somebody who does.
    let key_exchange = !(setup.resumed && setup.version == Version::Tls12);
    assert_eq!(client.negotiated().group.is_some(), key_exchange, "{what}");
    for len in [1, 64, 1024, 16_384] {
        let plaintext = vec![0x5a; len];
        let mut wire = Wire::keeping();
        // Both directions, and the wire used again.
        for _ in 0..2 {
            client.prepare(&plaintext, 5, &mut wire);
            client.seal_batch(&plaintext, 5, &mut wire);
            assert_eq!(server.open_batch(&mut wire), 5 * len, "{what}");
            server.prepare(&plaintext, 3, &mut wire);
            server.seal_batch(&plaintext, 3, &mut wire);
            assert_eq!(client.open_batch(&mut wire), 3 * len, "{what}");
        }
    }
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    client.close(&mut to_server);
    assert!(server.take_close(&mut to_server), "{what}");
    server.close(&mut to_client);
    assert!(client.take_close(&mut to_client), "{what}");
    assert!(to_server.is_empty() && to_client.is_empty(), "{what}");
}

#[test]
fn a_passing_wire_takes_every_record_in_the_same_place() {
    for library in peers::libraries() {
        for version in Version::ALL {
            let endpoints = library.endpoints(&Setup::records(version, Aead::Aes128Gcm));
            let Established { mut client, server: _ } = establish(&*endpoints);
            let mut wire = Wire::passing();
            client.prepare(&[0x5a; 1024], 4, &mut wire);
            let room = (wire.slots.iter().map(|slot| slot.len()).sum::<usize>(), wire.bytes.capacity());
            client.seal_batch(&[0x5a; 1024], 4, &mut wire);
            let after = (wire.slots.iter().map(|slot| slot.len()).sum::<usize>(), wire.bytes.capacity());
            assert_eq!(room, after, "{}", library.name());
            assert!(room.0 + room.1 < 20_000, "{}: {room:?}", library.name());
        }
    }
}

/// Behind seven sealed records the close_notify opens only as the eighth.
#[test]
fn three_buffers_are_sealed_like_one() {
    let endpoints = RustApi::SCATTERED.endpoints(&Setup::records(Version::Tls13, Aead::Aes256Gcm));
    let Established { mut client, mut server } = establish(&*endpoints);
    let mut wire = Wire::passing();
    client.prepare(&[1; 100], 7, &mut wire);
    client.seal_batch(&[1; 100], 7, &mut wire);
    let mut close = Vec::new();
    client.close(&mut close);
    let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.take_close(&mut close)));
    assert!(taken.is_err(), "as the first record it must not open");
}
