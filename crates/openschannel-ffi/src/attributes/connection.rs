//! What was negotiated.

use std::time::SystemTime;

use openschannel::Role;
use openschannel::attributes::Attributes;
use openschannel::credentials::CertificateSummary;
use openschannel::status::ErrorStatus;

use crate::memory::Block;
use crate::packages;
use crate::strings;
use crate::time;
use crate::types::{
    ApplicationProtocol, CipherInfo, ConnectionInfo, ConnectionInfoEx, Flags, KeyInfo, Lifespan,
    NegotiatedTlsExtensions, PackageInfo, SecWchar, SessionAppData, SessionInfo, Sizes, StreamSizes,
    SupportedSignatures, UNISP_NAME,
};

use super::{Charset, Query};

/// SECPKGCONTEXT_CIPHERINFO_V1 and SECPKGCONTEXT_CONNECTION_INFO_EX_V1, which the caller writes into the structure.
const VERSION: u32 = 1;

/// SSL_SESSION_RECONNECT
const RECONNECT: u32 = 1;

/// The authentication tag of every suite here.
const TAG_LEN: u32 = 16;

const CALG_RSA_SIGN: u32 = 0x2400;
const CALG_ECDSA: u32 = 0x2203;

/// # Safety
/// The query's buffer is null or a SecPkgContext_Sizes.
pub(super) unsafe fn sizes(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let stream = query.attributes()?.stream_sizes();
    let answer = Sizes {
        max_token: packages::MAX_TOKEN,
        max_signature: TAG_LEN,
        block_size: number(stream.block_size)?,
        security_trailer: number(stream.trailer)?,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_StreamSizes.
pub(super) unsafe fn stream_sizes(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let stream = query.attributes()?.stream_sizes();
    let answer = StreamSizes {
        header: number(stream.header)?,
        trailer: number(stream.trailer)?,
        maximum_message: number(stream.maximum_message)?,
        buffers: number(stream.buffers)?,
        block_size: number(stream.block_size)?,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_Lifespan.
pub(super) unsafe fn lifespan(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let expiry = query.attributes()?.expiry().map_or(time::NEVER, time::stamp);
    // SAFETY: the caller's promise.
    unsafe { place.write(Lifespan { start: time::stamp(SystemTime::now()), expiry }) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_Flags.
pub(super) unsafe fn flags(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    query.attributes()?;
    // SAFETY: the caller's promise.
    unsafe { place.write(Flags { flags: query.connection.companion.returned }) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_KeyInfo of the query's charset.
pub(super) unsafe fn key_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    match query.charset {
        // SAFETY: the caller's promise.
        Charset::Ansi => unsafe { key_info_in::<u8>(query) },
        // SAFETY: the caller's promise.
        Charset::Wide => unsafe { key_info_in::<SecWchar>(query) },
    }
}

/// # Safety
/// As [`key_info`].
unsafe fn key_info_in<C: strings::Character>(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place::<KeyInfo<C>>()?;
    let attributes = query.attributes()?;
    let (connection, cipher) = (attributes.connection_info(), attributes.cipher_info());
    let (signature, signature_algorithm) =
        if is_rsa(attributes) { ("RSA", CALG_RSA_SIGN) } else { ("ECDSA", CALG_ECDSA) };
    let answer = KeyInfo {
        signature_algorithm_name: strings::block::<C>(signature).give_out().cast().as_ptr(),
        encrypt_algorithm_name: strings::block::<C>(cipher.cipher).give_out().cast().as_ptr(),
        key_size: connection.cipher_strength,
        signature_algorithm,
        encrypt_algorithm: connection.cipher,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// What the server's certificate signs with: the suite says it in TLS 1.2, its key in TLS 1.3.
fn is_rsa(attributes: &Attributes) -> bool {
    match attributes.cipher_info().certificate {
        "" => {
            let chain = match attributes.role() {
                Role::Client => attributes.remote_certificates(),
                Role::Server => attributes.local_certificates(),
            };
            let leaf = chain.ok().and_then(<[_]>::first);
            leaf.and_then(|leaf| CertificateSummary::from_der(leaf)).is_none_or(|summary| summary.is_rsa)
        }
        certificate => certificate == "RSA",
    }
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_PackageInfo of the query's charset.
pub(super) unsafe fn package_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    match query.charset {
        // SAFETY: the caller's promise.
        Charset::Ansi => unsafe { package_info_in::<u8>(query) },
        // SAFETY: the caller's promise.
        Charset::Wide => unsafe { package_info_in::<SecWchar>(query) },
    }
}

/// # Safety
/// As [`package_info`].
unsafe fn package_info_in<C: strings::Character>(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place::<PackageInfo<C>>()?;
    let package_info = packages::info_block::<C>(UNISP_NAME)?.give_out().cast().as_ptr();
    // SAFETY: the caller's promise.
    unsafe { place.write(PackageInfo { package_info }) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_ConnectionInfo.
pub(super) unsafe fn connection_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let info = query.attributes()?.connection_info();
    let answer = ConnectionInfo {
        protocol: info.protocol,
        cipher: info.cipher,
        cipher_strength: info.cipher_strength,
        hash: info.hash,
        hash_strength: info.hash_strength,
        exchange: info.exchange,
        exchange_strength: info.exchange_strength,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// The version the caller wrote is not looked at: there is one only, and SslStream and Qt write none.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_ConnectionInfoEx.
pub(super) unsafe fn connection_info_ex(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let attributes = query.attributes()?;
    let (info, cipher) = (attributes.connection_info(), attributes.cipher_info());
    let answer = ConnectionInfoEx {
        version: VERSION,
        protocol: info.protocol,
        cipher: fixed(cipher.cipher),
        cipher_strength: info.cipher_strength,
        hash: fixed(if cipher.name.ends_with("SHA384") { "SHA384" } else { "SHA256" }),
        hash_strength: info.hash_strength,
        exchange: fixed(cipher.exchange),
        exchange_strength: info.exchange_strength,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// The version the caller wrote is not looked at, as above.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_CipherInfo.
pub(super) unsafe fn cipher_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    /// What Windows says of every suite with ECDHE.
    const MAX_EXCHANGE_LEN: u32 = 65_536;
    let place = query.place()?;
    let attributes = query.attributes()?;
    let info = attributes.cipher_info();
    let answer = CipherInfo {
        version: VERSION,
        protocol: info.protocol.into(),
        cipher_suite: info.cipher_suite.into(),
        base_cipher_suite: info.cipher_suite.into(),
        cipher_suite_name: fixed(info.name),
        cipher: fixed(info.cipher),
        cipher_len: info.cipher_len,
        cipher_block_len: info.cipher_block_len,
        hash: fixed(info.hash),
        hash_len: 0,
        exchange: fixed(info.exchange),
        min_exchange_len: 0,
        max_exchange_len: MAX_EXCHANGE_LEN,
        certificate: fixed(info.certificate),
        key_type: info.key_type.into(),
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_SessionInfo.
pub(super) unsafe fn session_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let info = query.attributes()?.session_info();
    let mut answer = SessionInfo {
        flags: if info.resumed { RECONNECT } else { 0 },
        session_id_len: 0,
        session_id: [0; 32],
    };
    if let Some(room) = answer.session_id.get_mut(..info.session_id.len()) {
        room.copy_from_slice(info.session_id);
        answer.session_id_len = number(info.session_id.len())?;
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_ApplicationProtocol.
pub(super) unsafe fn application_protocol(query: &Query<'_>) -> Result<(), ErrorStatus> {
    /// SecApplicationProtocolNegotiationStatus_Success
    const SUCCESS: i32 = 1;
    /// SecApplicationProtocolNegotiationExt_ALPN
    const ALPN: i32 = 2;
    let place = query.place()?;
    let mut answer = ApplicationProtocol { status: 0, extension: 0, id_len: 0, id: [0; 255] };
    if let Some(id) = query.attributes()?.application_protocol() {
        answer.status = SUCCESS;
        answer.extension = ALPN;
        answer.id_len = u8::try_from(id.len()).map_err(|_| ErrorStatus::InternalError)?;
        answer.id.get_mut(..id.len()).ok_or(ErrorStatus::InternalError)?.copy_from_slice(id);
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_NegotiatedTlsExtensions.
pub(super) unsafe fn extensions(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let list = query.attributes()?.negotiated_extensions();
    let count = number(list.len())?;
    let extensions = u16s(list.iter().copied());
    // SAFETY: the caller's promise.
    unsafe { place.write(NegotiatedTlsExtensions { count, extensions }) };
    Ok(())
}

/// Of each pair the hash is in the lower byte and the signature in the upper, as the SDK's header has it: the other way round than
/// IANA's numbers.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_SupportedSignatures.
pub(super) unsafe fn signatures(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let list = query.attributes()?.supported_signatures();
    let count = u16::try_from(list.len()).map_err(|_| ErrorStatus::InternalError)?;
    let signature_and_hash = u16s(list.iter().map(|scheme| scheme.swap_bytes()));
    // SAFETY: the caller's promise.
    unsafe { place.write(SupportedSignatures { count, signature_and_hash }) };
    Ok(())
}

/// What SetContextAttributes put there; nothing before that.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_SessionAppData.
pub(super) unsafe fn app_data(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    query.attributes()?;
    let mut answer = SessionAppData { flags: 0, app_data_len: 0, app_data: std::ptr::null_mut() };
    if let Some((flags, bytes)) = &query.connection.companion.requested.app_data {
        answer.flags = *flags;
        answer.app_data_len = number(bytes.len())?;
        answer.app_data = Block::copy_of(bytes).give_out().as_ptr();
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

pub(super) fn number(count: usize) -> Result<u32, ErrorStatus> {
    u32::try_from(count).map_err(|_| ErrorStatus::InternalError)
}

/// A list in a block of its own.
fn u16s(list: impl Iterator<Item = u16>) -> *mut u16 {
    let bytes: Vec<u8> = list.flat_map(u16::to_ne_bytes).collect();
    Block::copy_of(&bytes).give_out().cast().as_ptr()
}

/// UTF-16 in an array of the structure's, with its NUL.
fn fixed(text: &str) -> [SecWchar; 64] {
    let mut units = [0; 64];
    for (place, unit) in units.iter_mut().take(63).zip(text.encode_utf16()) {
        *place = unit;
    }
    units
}
