//! What has to be true of a connection once its handshake is finished.

use openschannel::attributes::{Attributes, Protocol};

use crate::credentials::{Credentials, Shared, Side, lock};
use crate::flags::{Expectations, Options};

/// extended_master_secret (RFC 7627) and renegotiation_info (RFC 5746).
const EXTENDED_MASTER_SECRET: u16 = 23;
const RENEGOTIATION_INFO: u16 = 0xff01;

pub(crate) fn check(
    attributes: &Attributes,
    options: &Options,
    credentials: &Credentials,
    shared: &Shared,
    resumed: bool,
) -> Result<(), String> {
    let expected = &options.expectations;
    if expected.handshake_never_done {
        return Err("expectation: the handshake was finished".to_owned());
    }
    negotiated(attributes, expected)?;
    session(attributes, expected, resumed)?;
    certificates(attributes, expected, credentials)?;
    if expected.verify_result
        && let Some(result) = attributes.validation_result()
    {
        same("the peer was found good", result.is_ok(), !options.actions.refuse_peer)?;
    }
    if let Some(response) = &expected.ocsp_response {
        same("the OCSP response", &*lock(&shared.ocsp), response)?;
    }
    Ok(())
}

fn negotiated(attributes: &Attributes, expected: &Expectations) -> Result<(), String> {
    if let Some(version) = expected.version {
        same("the version", attributes.protocol().wire_version(), version)?;
    }
    if let Some(cipher) = expected.cipher {
        same("the cipher suite", attributes.cipher_suite().id(), cipher)?;
    }
    if let Some(group) = expected.group {
        same("the group", attributes.named_group().map(|group| group.id()), Some(group))?;
    }
    if let Some(alpn) = &expected.alpn {
        same("ALPN", attributes.application_protocol(), Some(alpn.as_bytes()))?;
    }
    if let Some(name) = &expected.server_name {
        same("the server name", attributes.server_name(), Some(name.as_str()))?;
    }
    if expected.no_server_name {
        same("the server name", attributes.server_name(), None)?;
    }
    if !expected.peer_schemes.is_empty() {
        same("the peer's signature schemes", attributes.supported_signatures(), &expected.peer_schemes[..])?;
    }
    if let Some(names) = &expected.client_ca_list {
        same("the issuers", attributes.issuer_list(), &names[..])?;
    }
    if attributes.protocol() == Protocol::Tls12 {
        let has = |extension| attributes.negotiated_extensions().contains(&extension);
        if expected.extended_master_secret {
            same("extended_master_secret", has(EXTENDED_MASTER_SECRET), true)?;
        }
        if let Some(secure) = expected.secure_renegotiation {
            same("renegotiation_info", has(RENEGOTIATION_INFO), secure)?;
        }
    }
    Ok(())
}

fn session(attributes: &Attributes, expected: &Expectations, resumed: bool) -> Result<(), String> {
    let session = attributes.session_info();
    same("resumption", session.resumed, resumed && !expected.session_miss)?;
    // TLS 1.3 echoes the client's, which means nothing.
    if attributes.protocol() == Protocol::Tls12 && expected.session_id {
        same("there is a session identifier", !session.session_id.is_empty(), true)?;
    }
    Ok(())
}

fn certificates(
    attributes: &Attributes,
    expected: &Expectations,
    credentials: &Credentials,
) -> Result<(), String> {
    let chain = attributes.remote_certificates().unwrap_or_default();
    if expected.no_peer_certificate {
        same("the peer's certificates", chain.len(), 0)?;
    } else if matches!(credentials.side, Side::Client(_)) || credentials.settings().require_certificate {
        same("the peer shows a certificate", !chain.is_empty(), true)?;
    }
    if let Some(file) = &expected.peer_certificate_file {
        let pem = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        let wanted = certificates_of(&pem)?;
        same("the peer's chain", chain, &wanted[..])?;
    }
    if let Some(index) = expected.selected_certificate {
        let local = attributes.local_certificates().ok().and_then(|chain| chain.first());
        let wanted = usize::try_from(index).ok().and_then(|index| credentials.leaves.get(index));
        same("the own certificate", local, wanted)?;
    }
    Ok(())
}

fn certificates_of(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the expected certificate: {error}"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("expectation: {what} is {is:?}, not {should:?}"))
}
