//! Files with certificates and keys: PEM and PKCS #12.

use std::sync::LazyLock;

use openschannel::credentials::{Identity, PfxContents, PfxError, Trust};
use openschannel::status::ErrorStatus;

use crate::common::CERTIFICATES;

/// Between the two texts of one input.
const BORDER: &[u8] = b"\n=====\n";

/// The first byte chooses the kind of file; what follows is the file.
pub fn identities(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    match kind % 4 {
        0 => pfx(file, "correct"),
        1 => pfx(file, ""),
        2 => pem(file),
        _ => roots(file),
    }
}

fn pfx(file: &[u8], password: &str) {
    let identity = Identity::from_pfx(file, password);
    let contents = PfxContents::open(file, password);
    let looks_like_one = PfxContents::looks_like_one(file);
    match (&identity, &contents) {
        (Ok(identity), Ok(contents)) => {
            assert!(looks_like_one);
            // Both read the same certificates, and one of them has the identity's key.
            let leaf = identity.chain().next().unwrap();
            assert!(
                contents
                    .certificates
                    .iter()
                    .any(|certificate| certificate.der == leaf && certificate.key.is_some())
            );
            holds_together(identity);
        }
        (Ok(_), Err(error)) => panic!("an identity in a file that cannot be read: {error}"),
        (Err(error), _) => refused(error),
    }
    if let Err(PfxError::Password(error) | PfxError::Unreadable(error)) = &contents {
        refused(error);
    }
}

fn pem(file: &[u8]) {
    let at = file.windows(BORDER.len()).position(|window| window == BORDER);
    let (chain, key) = at.map_or((file, file), |at| (&file[..at], &file[at + BORDER.len()..]));
    // With the key of another certificate it is no identity; the test's own is not guessed.
    for (chain, key) in [(chain, key), (chain, OTHER.1.as_bytes()), (OTHER.0.as_bytes(), key)] {
        match Identity::from_pem(chain, key) {
            Ok(identity) => holds_together(&identity),
            Err(error) => refused(&error),
        }
    }
}

fn roots(file: &[u8]) {
    match Trust::roots_from_pem(file) {
        Ok(Trust::Roots(roots)) => assert!(!roots.is_empty()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => refused(&error),
    }
}

static OTHER: LazyLock<&(String, String)> = LazyLock::new(|| &CERTIFICATES.ecdsa);

/// An identity that was made can be made again from its parts.
fn holds_together(identity: &Identity) {
    let chain: Vec<Vec<u8>> = identity.chain().map(<[u8]>::to_vec).collect();
    assert!(!chain.is_empty() && chain.iter().all(|certificate| !certificate.is_empty()));
}

fn refused(error: &openschannel::status::Error) {
    assert!(
        matches!(error.status(), ErrorStatus::UnknownCredentials | ErrorStatus::NoCredentials),
        "{error}"
    );
    assert!(!error.reason().is_empty());
}
