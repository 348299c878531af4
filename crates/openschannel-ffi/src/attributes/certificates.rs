//! Certificates of both sides, and what was made of the peer's.

use openschannel::credentials::CertificateSummary;
use openschannel::status::ErrorStatus;

use crate::certificates;
use crate::memory::Block;
use crate::strings;
use crate::types::{
    CertInfo, CertificateValidationResult, Certificates, IssuerListInfoEx, NameBlob, SecWchar,
};

use super::Query;
use super::connection::number;

/// # Safety
/// The query's buffer is null or a PCCERT_CONTEXT.
pub(super) unsafe fn remote(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let chain = query.connection.context.remote_certificates().map_err(|error| error.status())?;
    let context = certificates::certificate_context(chain).map_err(|error| error.status())?;
    // SAFETY: the caller's promise.
    unsafe { place.write(context) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a PCCERT_CONTEXT.
pub(super) unsafe fn local(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let chain = query.connection.context.local_certificates().map_err(|error| error.status())?;
    let context = certificates::certificate_context(&chain).map_err(|error| error.status())?;
    // SAFETY: the caller's promise.
    unsafe { place.write(context) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a PCCERT_CHAIN_CONTEXT.
pub(super) unsafe fn remote_chain(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let chain = query.connection.context.remote_certificates().map_err(|error| error.status())?;
    let context = certificates::chain_context(chain).map_err(|error| error.status())?;
    // SAFETY: the caller's promise.
    unsafe { place.write(context) };
    Ok(())
}

/// Every certificate behind its length.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_Certificates.
pub(super) unsafe fn remote_blob(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let chain = query.connection.context.remote_certificates().map_err(|error| error.status())?;
    let mut bytes = Vec::new();
    for certificate in chain {
        bytes.extend(number(certificate.len())?.to_ne_bytes());
        bytes.extend(certificate);
    }
    let (count, chain_len) = (number(chain.len())?, number(bytes.len())?);
    let chain = Block::copy_of(&bytes).give_out().as_ptr();
    // SAFETY: the caller's promise.
    unsafe { place.write(Certificates { count, chain_len, chain }) };
    Ok(())
}

/// The names a server wants certificates from, in one block: the array, then what it points to.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_IssuerListInfoEx.
pub(super) unsafe fn issuers(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let names = query.connection.context.issuer_list().map_err(|error| error.status())?;
    let array_len =
        size_of_val::<[NameBlob]>(&vec![NameBlob { len: 0, data: std::ptr::null_mut() }; names.len()]);
    let mut block = Block::new(array_len + names.iter().map(Vec::len).sum::<usize>());
    let start = block.address();
    let mut at = array_len;
    for (index, name) in names.iter().enumerate() {
        let end = at + name.len();
        block.bytes().get_mut(at..end).ok_or(ErrorStatus::InternalError)?.copy_from_slice(name);
        let blob = NameBlob { len: number(name.len())?, data: start.wrapping_add(at) };
        let entry = start.cast::<NameBlob>().wrapping_add(index);
        // SAFETY: the entry lies within the block, which is aligned for any type.
        unsafe { entry.write(blob) };
        at = end;
    }
    let issuer_count = number(names.len())?;
    let issuers = block.give_out().cast().as_ptr();
    // SAFETY: the caller's promise.
    unsafe { place.write(IssuerListInfoEx { issuers, issuer_count }) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_CertInfo.
pub(super) unsafe fn local_info(query: &Query<'_>) -> Result<(), ErrorStatus> {
    /// KERN_CONTEXT_CERT_INFO_V1
    const VERSION: u32 = 0;
    let place = query.place()?;
    let chain = query.connection.context.local_certificates().map_err(|error| error.status())?;
    let leaf = chain.first().ok_or(ErrorStatus::NoCredentials)?;
    let summary = CertificateSummary::from_der(leaf).ok_or(ErrorStatus::InternalError)?;
    let bytes = |text: &str| number((text.encode_utf16().count() + 1) * size_of::<SecWchar>());
    let string = |text: &str| strings::block::<SecWchar>(text).give_out().cast().as_ptr();
    let (subject_len, issuer_len) = (bytes(&summary.subject)?, bytes(&summary.issuer)?);
    let answer = CertInfo {
        version: VERSION,
        subject_len,
        subject: string(&summary.subject),
        issuer_len,
        issuer: string(&summary.issuer),
        key_size: summary.key_bits,
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// What validation made of the peer's chain. SEC_E_NO_CREDENTIALS: it has shown none. SEC_E_INVALID_HANDLE: nobody has validated it.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_CertificateValidationResult.
pub(super) unsafe fn check_result(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let attributes = query.attributes()?;
    attributes.remote_certificates().map_err(|error| error.status())?;
    let answer = match attributes.validation_result() {
        Some(Ok(())) => CertificateValidationResult { chain_error_status: 0, verify_chain_status: 0 },
        Some(Err(rejection)) => verdict(rejection.status),
        None => return Err(ErrorStatus::InvalidHandle),
    };
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// A refusal as CERT_TRUST_* bits and as CertVerifyCertificateChainPolicy would put it.
fn verdict(status: ErrorStatus) -> CertificateValidationResult {
    let (chain_error_status, code) = match status {
        // CERT_TRUST_IS_UNTRUSTED_ROOT, CERT_E_UNTRUSTEDROOT
        ErrorStatus::UntrustedRoot => (0x20, 0x800B_0109),
        // CERT_TRUST_IS_NOT_TIME_VALID, CERT_E_EXPIRED
        ErrorStatus::CertExpired => (0x1, 0x800B_0101),
        // CERT_TRUST_IS_NOT_VALID_FOR_USAGE, CERT_E_WRONG_USAGE
        ErrorStatus::CertWrongUsage => (0x10, 0x800B_0110),
        // The name is no part of the chain: CERT_E_CN_NO_MATCH
        ErrorStatus::WrongPrincipal => (0, 0x800B_010F),
        // CERT_TRUST_IS_PARTIAL_CHAIN, CERT_E_CHAINING
        ErrorStatus::CertUnknown => (0x1_0000, 0x800B_010A),
        other => match other.code() {
            // CRYPT_E_REVOKED: CERT_TRUST_IS_REVOKED
            code @ 0x8009_2010 => (0x4, code),
            // CRYPT_E_NO_REVOCATION_CHECK: CERT_TRUST_REVOCATION_STATUS_UNKNOWN
            code @ 0x8009_2012 => (0x40, code),
            // CRYPT_E_REVOCATION_OFFLINE: CERT_TRUST_IS_OFFLINE_REVOCATION too
            code @ 0x8009_2013 => (0x100_0040, code),
            code => (0, code),
        },
    };
    CertificateValidationResult { chain_error_status, verify_chain_status: code.cast_signed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let table = [
            (ErrorStatus::UntrustedRoot, 0x20, 0x800B_0109_u32),
            (ErrorStatus::CertExpired, 1, 0x800B_0101),
            (ErrorStatus::CertWrongUsage, 0x10, 0x800B_0110),
            (ErrorStatus::WrongPrincipal, 0, 0x800B_010F),
            (ErrorStatus::CertUnknown, 0x1_0000, 0x800B_010A),
            (ErrorStatus::InternalError, 0, 0x8009_0304),
        ];
        let by_code = [(0x8009_2010, 4), (0x8009_2012, 0x40), (0x8009_2013, 0x100_0040)];
        let by_code = by_code.map(|(code, bits)| (ErrorStatus::from_code(code), bits, code));
        for (status, bits, code) in
            table.map(|(status, bits, code)| (Some(status), bits, code)).into_iter().chain(by_code)
        {
            let answer = status.map(verdict).map(|one| (one.chain_error_status, one.verify_chain_status));
            assert_eq!(answer, Some((bits, code.cast_signed())));
        }
    }
}
