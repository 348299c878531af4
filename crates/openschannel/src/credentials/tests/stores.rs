//! The memory stores: bounds, order, expiry.

use std::sync::Arc;

use super::*;
use crate::credentials::clock::tests::ManualClock;

/// Real sessions of both versions; nobody else can make one.
fn sessions() -> [ClientSession; 2] {
    let authority = Authority::new("Root");
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
    [Protocols::TLS1_2, Protocols::TLS1_3].map(|version| {
        let store = Arc::new(MemoryClientSessions::default());
        let client = OutboundCredentials::builder().trust(authority.trust()).protocols(version);
        let client = client.session_store(store.clone()).acquire().unwrap();
        connect(&client, &server, "a.example").succeeded();
        store.get_tls12("a.example").or_else(|| store.take_tls13("a.example")).unwrap()
    })
}

#[test]
fn client_sessions_by_target_and_version() {
    let [tls12, tls13] = sessions();
    let store = MemoryClientSessions::default();
    store.put("a", tls12.clone());
    store.put("a", tls13.clone());
    store.set_group_hint("a", NamedGroup::SECP256R1);
    assert!(
        store.get_tls12("b").is_none() && store.take_tls13("b").is_none() && store.group_hint("b").is_none()
    );
    assert!(store.get_tls12("a").is_some() && store.get_tls12("a").is_some(), "stays");
    assert!(store.take_tls13("a").is_some() && store.take_tls13("a").is_none(), "is used up");
    store.remove_tls12("a");
    assert!(store.get_tls12("a").is_none());
    assert_eq!(store.group_hint("a"), Some(NamedGroup::SECP256R1));
    store.put("a", tls12);
    store.remove("a");
    assert!(store.get_tls12("a").is_none() && store.group_hint("a").is_none());

    for _ in 0..MemoryClientSessions::TICKETS_PER_TARGET + 1 {
        store.put("a", tls13.clone());
    }
    let tickets = std::iter::from_fn(|| store.take_tls13("a")).count();
    assert_eq!(tickets, MemoryClientSessions::TICKETS_PER_TARGET);
}

#[test]
fn client_targets_are_bounded_and_the_least_recently_used_goes() {
    let [tls12, tls13] = sessions();
    let store = MemoryClientSessions::new(2);
    store.put("a", tls12.clone());
    store.put("b", tls12.clone());
    assert!(store.get_tls12("a").is_some());
    store.put("c", tls12.clone());
    let left = ["a", "b", "c"].map(|target| store.get_tls12(target).is_some());
    assert_eq!(left, [true, false, true]);
    let none = MemoryClientSessions::new(0);
    none.put("a", tls12);
    none.put("a", tls13);
    none.set_group_hint("a", NamedGroup::X25519);
    assert!(
        none.get_tls12("a").is_none() && none.take_tls13("a").is_none() && none.group_hint("a").is_none()
    );
}

#[test]
fn server_sessions_are_bounded_and_expire() {
    let clock = ManualClock::at(noon());
    let store = MemoryServerSessions::new(2, Duration::from_secs(10), clock.clone());
    assert!(store.can_cache());
    assert!(store.put(b"a", b"1") && store.put(b"b", b"2"));
    clock.advance(Duration::from_secs(5));
    assert!(store.put(b"a", b"3"), "younger than b now");
    assert_eq!(store.get(b"a").as_deref(), Some(&b"3"[..]));
    assert!(store.put(b"c", b"4"));
    assert_eq!((store.get(b"b"), store.get(b"a").is_some()), (None, true), "the oldest went");
    clock.advance(Duration::from_secs(9));
    assert_eq!(store.take(b"a").as_deref(), Some(&b"3"[..]));
    assert_eq!(store.take(b"a"), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!((store.get(b"c"), store.take(b"c")), (None, None), "ten seconds have passed");

    assert!(!store.put(b"d", &vec![0; MemoryServerSessions::MAX_VALUE + 1]));
    assert!(store.put(b"d", &vec![0; MemoryServerSessions::MAX_VALUE]));
    let none = MemoryServerSessions::new(0, Duration::from_secs(10), clock);
    assert!(!none.can_cache() && !none.put(b"a", b"1"));
    assert!(!format!("{store:?}{none:?}").contains("[0, 0"));
}

#[test]
fn expired_server_sessions_make_room_before_live_ones() {
    let clock = ManualClock::at(noon());
    let store = MemoryServerSessions::new(3, Duration::from_secs(10), clock.clone());
    store.put(b"a", b"1");
    store.put(b"b", b"2");
    clock.advance(Duration::from_secs(10));
    for key in [b"c", b"d", b"e"] {
        assert!(store.put(key, b"x"));
    }
    assert!([b"c", b"d", b"e"].iter().all(|key| store.get(*key).is_some()));
}

#[test]
fn revoked_marks_are_bounded() {
    use crate::credentials::server_sessions::{MAX_REVOKED, RevokedMarks};
    let mark = |number: usize| u128::try_from(number).unwrap().to_be_bytes();
    let mut marks = RevokedMarks::default();
    (0..MAX_REVOKED).for_each(|number| marks.insert(mark(number)));
    marks.insert(mark(5));
    assert!(marks.contains(&mark(0)));
    marks.insert(mark(MAX_REVOKED));
    assert!(!marks.contains(&mark(0)) && marks.contains(&mark(1)) && marks.contains(&mark(MAX_REVOKED)));
}
