//! Layout, round trips, refusals; and the memory of every (key, nonce) sealed in a test.

use std::cell::RefCell;

use super::*;

thread_local! {
    static SEALED: RefCell<Vec<([u8; 8], [u8; NONCE_LEN])>> = const { RefCell::new(Vec::new()) };
}

/// Tells keys apart without keeping them: the first bytes are enough in a test.
pub(crate) fn identity_of(key: &[u8]) -> [u8; 8] {
    let mut identity = [0; 8];
    identity.copy_from_slice(&key[..8]);
    identity
}

pub(crate) fn note_sealed(identity: [u8; 8], nonce: [u8; NONCE_LEN]) {
    SEALED.with_borrow_mut(|sealed| sealed.push((identity, nonce)));
}

/// Every (key, nonce) this thread has sealed under since the last call.
pub(crate) fn take_sealed() -> Vec<([u8; 8], [u8; NONCE_LEN])> {
    SEALED.take()
}

const ALL: [Protection; 6] = [
    Protection::Tls12Aes128Gcm,
    Protection::Tls12Aes256Gcm,
    Protection::Tls12ChaCha20Poly1305,
    Protection::Tls13Aes128Gcm,
    Protection::Tls13Aes256Gcm,
    Protection::Tls13ChaCha20Poly1305,
];

fn material(protection: Protection) -> KeyMaterial {
    let key: Vec<u8> = (0..protection.key_len()).map(|i| u8::try_from(i * 7 + 3).unwrap()).collect();
    KeyMaterial::new(protection, &key, &[9; NONCE_LEN]).unwrap()
}

fn pair(protection: Protection) -> (Box<Sealer>, Box<Opener>) {
    (Sealer::new(&material(protection), 1).unwrap(), Opener::new(&material(protection), 1).unwrap())
}

fn sealed(sealer: &mut Sealer, content_type: ContentType, content: &[u8]) -> Vec<u8> {
    let mut record = vec![0; sealer.record_len(content.len())];
    let len = sealer.seal_copy(content_type, content, &mut record).unwrap();
    assert_eq!(len, record.len());
    record
}

#[test]
fn scattered_and_contiguous_seal_the_same_bytes() {
    for protection in ALL {
        for len in [0, 1, 15, 16, 17, 1000, MAX_PLAINTEXT] {
            let content: Vec<u8> = (0..=250).cycle().take(len).collect();
            let (mut one, mut opener) = pair(protection);
            let (mut two, _) = pair(protection);
            let contiguous = sealed(&mut one, ContentType::APPLICATION_DATA, &content);
            let mut header = vec![0; protection.header_len()];
            let mut data = content.clone();
            let mut trailer = vec![0; protection.trailer_len()];
            two.seal_scattered(ContentType::APPLICATION_DATA, &mut header, &mut data, &mut trailer).unwrap();
            assert_eq!([header, data, trailer].concat(), contiguous, "{protection:?} {len}");

            let mut record = contiguous.clone();
            let opened = opener.open(&mut record).unwrap();
            assert_eq!(opened.content_type, ContentType::APPLICATION_DATA);
            assert_eq!(&record[opened.content()], &content[..]);
            opener.restore(&mut record).unwrap();
            assert_eq!(record, contiguous, "restore gives the peer's bytes again");
            opener.rewind();
            assert_eq!(opener.open(&mut record).unwrap(), opened, "a rewound record opens again");
        }
    }
}

/// Section 4.3: the sizes of a close_notify on the wire.
#[test]
fn alert_records_have_the_documented_sizes() {
    for (protection, len, front) in [
        (Protection::Tls12Aes128Gcm, 31, [0x15, 3, 3, 0, 0x1a]),
        (Protection::Tls12Aes256Gcm, 31, [0x15, 3, 3, 0, 0x1a]),
        (Protection::Tls12ChaCha20Poly1305, 23, [0x15, 3, 3, 0, 0x12]),
        (Protection::Tls13Aes128Gcm, 24, [0x17, 3, 3, 0, 0x13]),
        (Protection::Tls13Aes256Gcm, 24, [0x17, 3, 3, 0, 0x13]),
        (Protection::Tls13ChaCha20Poly1305, 24, [0x17, 3, 3, 0, 0x13]),
    ] {
        let record = sealed(&mut pair(protection).0, ContentType::ALERT, &[1, 0]);
        assert_eq!(record.len(), len);
        assert_eq!(record[..5], front);
    }
}

#[test]
fn every_flipped_bit_of_a_short_record_is_refused_and_moves_nothing() {
    for protection in ALL {
        let (mut sealer, mut opener) = pair(protection);
        let record = sealed(&mut sealer, ContentType::ALERT, &[1, 0]);
        for bit in 0..record.len() * 8 {
            let mut forged = record.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open(&mut forged).is_err(), "{protection:?} bit {bit}");
        }
        assert_eq!(opener.open(&mut record.clone()).unwrap().content_type, ContentType::ALERT);
    }
}

#[test]
fn order_is_kept() {
    for protection in ALL {
        let (mut sealer, mut opener) = pair(protection);
        let first = sealed(&mut sealer, ContentType::APPLICATION_DATA, b"1");
        let second = sealed(&mut sealer, ContentType::APPLICATION_DATA, b"2");
        assert_eq!(opener.open(&mut second.clone()), Err(OpenFailure::BadTag));
        opener.open(&mut first.clone()).unwrap();
        assert_eq!(opener.open(&mut first.clone()), Err(OpenFailure::BadTag), "a replay");
        opener.open(&mut second.clone()).unwrap();
    }
}

#[test]
fn the_last_sequence_number_is_never_passed() {
    let mut sealer = Sealer::new(&material(Protection::Tls13Aes128Gcm), u64::MAX).unwrap();
    let mut out = [0; 64];
    assert!(sealer.seal_copy(ContentType::ALERT, &[1, 0], &mut out).is_err());
    assert_eq!(sealer.seq(), u64::MAX);
}

/// Secrets that lay in what is moved would stay where it was, with nobody to wipe them.
#[test]
fn what_is_moved_leaves_no_secret_behind() {
    for protection in ALL {
        let (sealer, opener) = pair(protection);
        let material = material(protection);
        let places = |sealer: &Sealer, opener: &Opener, material: &KeyMaterial| {
            (sealer.secrets(), opener.secrets(), material.secret.as_ptr())
        };
        let before = places(&sealer, &opener, &material);
        let moved = Box::new((sealer, opener, material));
        assert_eq!(places(&moved.0, &moved.1, &moved.2), before, "{protection:?}");
    }
    // The library's key cannot be looked into; this is too small to hold one.
    assert!(size_of::<aws_lc_rs::aead::LessSafeKey>() < MAX_KEY_LEN);
}

#[test]
fn padding_is_stripped_and_padding_alone_refused() {
    let key = material(Protection::Tls13Aes128Gcm);
    let mut sealer = Sealer::new(&key, 0).unwrap();
    let mut opener = Opener::new(&key, 0).unwrap();
    // A content that ends in zeros under inner type 0 is what padding looks like to the receiver.
    let mut padded = sealed(&mut sealer, ContentType(0), &[b'x', 23, 0, 0, 0]);
    let opened = opener.open(&mut padded).unwrap();
    assert_eq!((opened.content_type, &padded[opened.content()]), (ContentType::APPLICATION_DATA, &b"x"[..]));
    let mut nothing = sealed(&mut sealer, ContentType(0), &[0; 9]);
    assert_eq!(opener.open(&mut nothing), Err(OpenFailure::NoInnerType));
}

#[test]
fn framing_tells_missing_bytes_and_nonsense() {
    let max = Protection::Tls13Aes128Gcm.max_fragment();
    assert_eq!(frame(&[], max), Ok(Framing::Incomplete { missing: 5 }));
    assert_eq!(frame(&[23, 3, 3, 0], max), Ok(Framing::Incomplete { missing: 1 }));
    assert_eq!(frame(&[23, 3, 3, 1, 0, 7], max), Ok(Framing::Incomplete { missing: 255 }));
    assert_eq!(
        frame(&[23, 3, 3, 0, 1, 7, 99], max),
        Ok(Framing::Complete { content_type: ContentType::APPLICATION_DATA, len: 6 })
    );
    assert_eq!(frame(&[0xfa], max), Err(FramingError::NotTls));
    assert_eq!(frame(&[23, 2], max), Err(FramingError::NotTls));
    assert_eq!(frame(&[23, 3, 3, 0x41, 1], max), Err(FramingError::TooLong));
    assert!(frame(&[23, 3, 3, 0x41, 0], max).is_ok());
}

#[test]
fn nothing_secret_is_shown() {
    let material = material(Protection::Tls13Aes128Gcm);
    let shown = format!("{material:?} {:?}", pair(Protection::Tls12Aes128Gcm));
    assert!(!shown.contains("[9, 9"), "{shown}");
}

/// Every step in either form: the bytes do not depend on it.
#[test]
fn parked_keys_seal_and_open_the_same_bytes() {
    for protection in ALL {
        // Bit n: parked before step n.
        for parked in 0..64_u32 {
            let (mut sealer, mut opener) = pair(protection);
            let (mut plain, _) = pair(protection);
            for step in 0..3 {
                if parked >> step & 1 == 1 {
                    sealer.park();
                    assert!(sealer.is_parked());
                }
                let mut record = sealed(&mut sealer, ContentType::APPLICATION_DATA, &[7; 40]);
                assert_eq!(record, sealed(&mut plain, ContentType::APPLICATION_DATA, &[7; 40]));
                assert_eq!(sealer.place(), plain.place());
                if parked >> (3 + step) & 1 == 1 {
                    opener.park();
                    assert!(opener.is_parked());
                }
                let wire = record.clone();
                let opened = opener.open(&mut record).unwrap();
                assert_eq!(record[opened.content()], [7; 40]);
                assert_eq!(opener.place(), plain.place());
                if parked >> step & 1 == 1 {
                    opener.park();
                }
                opener.restore(&mut record).unwrap();
                assert_eq!(record, wire);
            }
        }
    }
}

#[test]
fn a_context_is_kept_as_long_as_there_are_few() {
    for (many, kept) in [(true, false), (false, true)] {
        always_park(many);
        let (mut sealer, mut opener) = pair(Protection::Tls13Aes128Gcm);
        assert!(sealer.is_parked() && opener.is_parked(), "nothing is made before it is used");
        let mut record = sealed(&mut sealer, ContentType::ALERT, &[1, 0]);
        let mut forged = record.clone();
        forged[6] ^= 1;
        opener.open(&mut forged).unwrap_err();
        assert_eq!((!sealer.is_parked(), !opener.is_parked()), (kept, kept));
        opener.open(&mut record).unwrap();
        assert_eq!((!sealer.is_parked(), !opener.is_parked()), (kept, kept));
    }
}

#[test]
fn without_keys_nothing_is_sealed_or_opened() {
    let (mut sealer, _) = pair(Protection::Tls13Aes128Gcm);
    let mut record = sealed(&mut sealer, ContentType::ALERT, &[1, 0]);
    assert!(
        Sealer::vacant(Protection::Tls13Aes128Gcm)
            .seal_copy(ContentType::ALERT, &[1, 0], &mut [0; 64])
            .is_err()
    );
    assert!(Opener::vacant(Protection::Tls13Aes128Gcm).open(&mut record).is_err());
}
