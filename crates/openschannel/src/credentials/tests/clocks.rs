//! Clocks that jump: what a handshake and a session make of a time that is not the one before.

use std::sync::Arc;

use super::*;
use crate::credentials::clock::tests::ManualClock;
use crate::status::ErrorStatus;

const BOTH: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

/// Two sides with a clock each, and certificates for ten days from the day before [`noon`].
struct Pair {
    client: OutboundCredentials,
    server: InboundCredentials,
    clocks: [Arc<ManualClock>; 2],
}

fn short_lived(params: &mut CertificateParams) {
    params.not_before = (noon() - days(1)).into();
    params.not_after = (noon() + days(9)).into();
}

fn pair(version: Protocols, lifespan: Duration, edit: impl FnOnce(InboundBuilder) -> InboundBuilder) -> Pair {
    let authority = Authority::new("Root");
    let [client, server] = ["client", "a.example"]
        .map(|name| authority.identity_with(&rcgen::PKCS_ECDSA_P256_SHA256, &[name], short_lived));
    let clocks = [ManualClock::at(noon()), ManualClock::at(noon())];
    let [ours, theirs] = clocks.clone();
    let outbound =
        OutboundCredentials::builder().trust(authority.trust()).protocols(version).identity(client);
    let inbound = InboundCredentials::builder().trust(authority.trust()).identity(server);
    Pair {
        client: outbound.session_lifespan(lifespan).clock(ours).acquire().unwrap(),
        server: edit(inbound).session_lifespan(lifespan).clock(theirs).acquire().unwrap(),
        clocks,
    }
}

/// As [`pair`], with tickets that any server with these keys reads, however old they are, if `shared` says so.
fn kinds(version: Protocols, lifespan: Duration) -> [Pair; 3] {
    let [ids, tickets, shared] =
        [false, true, true].map(|tickets| pair(version, lifespan, |s| s.tickets(tickets)));
    shared.server.set_ticket_keys(&[TicketKey::new([1; 16], &[2; 32]).unwrap()]).unwrap();
    [ids, tickets, shared]
}

impl Pair {
    fn set(&self, time: SystemTime) {
        self.clocks.iter().for_each(|clock| clock.set(time));
    }

    fn connect(&self) -> Outcome {
        connect(&self.client, &self.server, "a.example")
    }

    #[track_caller]
    fn resumes(&self) -> bool {
        self.connect().succeeded().resumed()
    }
}

#[test]
fn a_session_from_the_future_is_not_resumed() {
    for version in BOTH {
        for pair in kinds(version, days(1)) {
            assert!(!pair.resumes());
            assert!(pair.resumes());
            // One second is enough, whoever's clock it is.
            for clock in &pair.clocks {
                pair.set(noon());
                pair.client.forget_session("a.example");
                assert!(!pair.resumes());
                clock.set(noon() - Duration::from_secs(1));
                assert!(!pair.resumes(), "{version:?}");
                // That handshake made a session of its own; where the clock is right again it is as good as any.
                pair.set(noon());
                assert!(pair.resumes(), "{version:?}");
            }
        }
    }
}

/// A jump of some hours and back again: what was made in between is from the future, and costs a full handshake, once.
#[test]
fn a_clock_that_jumps_and_comes_back_costs_one_handshake() {
    for version in BOTH {
        for pair in kinds(version, days(2)) {
            assert!(!pair.resumes());
            // Six hours is what the engine's own tickets are good for.
            pair.set(noon() + Duration::from_secs(5 * 3_600));
            assert!(pair.resumes(), "{version:?}: within its life");
            pair.client.forget_session("a.example");
            assert!(!pair.resumes());
            pair.set(noon());
            assert!(!pair.resumes(), "{version:?}: from the future");
            assert!(pair.resumes(), "{version:?}");
        }
    }
}

/// The age that a client says its ticket has counts for early data only (RFC 8446 section 4.2.11.1), which is not taken here: a client
/// whose clock is hours off, within the life of its sessions, resumes.
#[test]
fn an_age_that_cannot_be_is_no_reason_to_refuse() {
    for pair in kinds(Protocols::TLS1_3, days(1)) {
        let hours = Duration::from_secs(3 * 3_600);
        assert!(!pair.resumes());
        pair.clocks[0].set(noon() + hours);
        assert!(pair.resumes(), "three hours old at once");
        pair.set(noon() + hours);
        pair.client.forget_session("a.example");
        assert!(!pair.resumes());
        pair.clocks[1].set(noon() + hours * 2 - Duration::from_secs(1));
        assert!(pair.resumes(), "no second old, hours later");
    }
}

#[test]
fn a_session_ends_exactly_at_its_lifespan() {
    let hour = Duration::from_secs(3_600);
    for version in BOTH {
        for pair in kinds(version, hour) {
            for (age, resumes) in [(hour - Duration::from_secs(1), true), (hour, false), (hour * 2, false)] {
                pair.set(noon());
                pair.client.forget_session("a.example");
                assert!(!pair.resumes());
                pair.set(noon() + age);
                assert_eq!(pair.resumes(), resumes, "{version:?} {age:?}");
            }
            // Each side by its own clock.
            for clock in &pair.clocks {
                pair.set(noon());
                pair.client.forget_session("a.example");
                assert!(!pair.resumes());
                pair.set(noon() + hour - Duration::from_secs(1));
                clock.set(noon() + hour);
                assert!(!pair.resumes(), "{version:?}");
            }
        }
    }
}

/// RFC 9846 section 4.7.1 recommends that sessions end with what they rest on: the peer is known by a certificate, and that has an end.
#[test]
fn a_session_does_not_outlive_the_peers_certificate() {
    let almost = Duration::from_secs(60);
    for version in BOTH {
        for asked in [ClientAuth::None, ClientAuth::Require] {
            // The engine's own tickets do not live for days, nor do its session IDs in TLS 1.3.
            let [ids, _, shared] = kinds(version, days(300));
            let lasting = if version == Protocols::TLS1_2 { vec![ids, shared] } else { vec![shared] };
            for pair in lasting.into_iter().map(|pair| Asking { pair, asked }) {
                let about = format!("{version:?} {asked:?}");
                // Renewed every few days, so that no ticket is too old.
                for day in [0, 3, 6] {
                    pair.set(noon() + days(day));
                    assert_eq!(pair.connects(), Ok(day > 0), "{about} {day}");
                }
                pair.set(noon() + days(9) - almost);
                assert_eq!(pair.connects(), Ok(true), "{about}");
                for clock in &pair.clocks {
                    pair.set(noon() + days(9) - almost);
                    pair.connects().unwrap();
                    clock.set(noon() + days(9) + almost);
                    let who_validates = Arc::ptr_eq(clock, &pair.clocks[0]) || asked == ClientAuth::Require;
                    assert_eq!(
                        pair.connects().is_err(),
                        who_validates,
                        "{about}: the full handshake is refused"
                    );
                }
            }
        }
    }
}

/// A pair whose server contexts ask for certificates.
struct Asking {
    pair: Pair,
    asked: ClientAuth,
}

impl std::ops::Deref for Asking {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl Asking {
    /// Whether it was resumed, if it came about.
    fn connects(&self) -> Result<bool, ()> {
        let server = ConnectionSlot { client_auth: Some(self.asked), ..ConnectionSlot::default() };
        let outcome = connect_with(&self.client, &self.server, "a.example", slot_of(&self.client), server);
        match (&outcome.client, &outcome.server) {
            (Ok(()), Ok(())) => Ok(outcome.resumed()),
            _ => Err(()),
        }
    }
}

/// A certificate is looked at with the time of the handshake, not with that of the credential.
#[test]
fn a_full_handshake_sees_the_certificate_as_of_now() {
    for version in BOTH {
        let pair = pair(version, days(1), |s| s);
        for (time, status) in [
            (noon() - days(2), Err(ErrorStatus::CertExpired)),
            (noon() + days(10), Err(ErrorStatus::CertExpired)),
            (noon(), Ok(())),
        ] {
            pair.client.forget_session("a.example");
            pair.set(time);
            let outcome = pair.connect();
            let validation = outcome.client_slot.validation.unwrap();
            assert_eq!(validation.map_err(|rejection| rejection.status), status, "{version:?}");
            assert_eq!(outcome.client.is_ok(), status.is_ok(), "{version:?}");
        }
    }
}

/// Clocks as far off as they go: nothing overflows, and nothing is resumed that cannot be dated.
#[test]
fn no_time_is_too_early_or_too_late() {
    let far = Duration::from_secs(u64::MAX / 4);
    let times = [UNIX_EPOCH, UNIX_EPOCH - days(1), UNIX_EPOCH - far, UNIX_EPOCH + far];
    for version in BOTH {
        for pair in kinds(version, days(1)) {
            for time in times {
                for clock in &pair.clocks {
                    pair.set(noon());
                    pair.client.forget_session("a.example");
                    assert!(!pair.resumes());
                    clock.set(time);
                    let outcome = pair.connect();
                    assert!(!outcome.resumed(), "{version:?} {time:?}");
                    // No certificate here is valid then.
                    assert!(
                        outcome.client.is_err() || !Arc::ptr_eq(clock, &pair.clocks[0]),
                        "{version:?} {time:?}"
                    );
                }
            }
        }
        // A life without an end.
        let [ids, tickets, shared] = kinds(version, Duration::MAX);
        for pair in [ids, tickets, shared] {
            assert!(!pair.resumes() && !pair.resumes(), "what ends never is not kept, {version:?}");
        }
    }
}

/// Stores under a clock that goes back: they stay bounded, and give out what is alive.
#[test]
fn a_store_under_a_jumping_clock_stays_bounded() {
    const SIZE: usize = 4;
    let clock = ManualClock::at(noon());
    let store = MemoryServerSessions::new(SIZE, days(1), clock.clone());
    assert!(store.put(b"now", b"1"));
    clock.set(noon() + days(100));
    assert!(store.get(b"now").is_none());
    assert!(store.put(b"future", b"2"));
    clock.set(noon());
    for number in 0..100_u8 {
        assert!(store.put(&[number], b"3"));
    }
    assert_eq!((0..100_u8).filter(|number| store.get(&[*number]).is_some()).count(), SIZE);
    assert!(store.get(b"future").is_none(), "the oldest goes first, whatever it says of its age");
    clock.set(noon() + days(2));
    assert_eq!((0..100_u8).filter(|number| store.get(&[*number]).is_some()).count(), 0);
}
