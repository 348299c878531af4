//! Chains that crypt32 builds without the network: what is sent with the own certificate, and what callers ask to see.

use core::ptr;

use openschannel::status::Error;
use windows_sys::Win32::Security::Cryptography::{
    CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL, CERT_CHAIN_DISABLE_AUTH_ROOT_AUTO_UPDATE, CERT_CHAIN_ELEMENT,
    CERT_CHAIN_PARA, CERT_TRUST_IS_SELF_SIGNED, CertGetCertificateChain, HCERTSTORE,
};

use super::objects::{Certificate, Chain, bytes};
use super::{last_error, system_failed};

/// The certificate and its intermediates, in sending order. They come from the store of its context and from the system's. The
/// root is what peers have or do not trust, and is sent only if `with_root` asks for it.
pub(super) fn to_send(certificate: &Certificate, with_root: bool) -> Vec<Vec<u8>> {
    let mut chain = vec![certificate.der().to_vec()];
    // Without a chain the certificate goes alone: the peer may know the rest.
    if let Ok(built) = build_offline(certificate, certificate.fields().hCertStore) {
        for element in elements(&built).skip(1) {
            let is_root = element.TrustStatus.dwInfoStatus & CERT_TRUST_IS_SELF_SIGNED != 0;
            if is_root && !with_root {
                break;
            }
            // SAFETY: an element's certificate lives as long as the chain.
            let fields = unsafe { &*element.pCertContext };
            // SAFETY: the encoding is a part of the context.
            chain.push(unsafe { bytes(fields.pbCertEncoded, fields.cbCertEncoded) }.to_vec());
        }
    }
    chain
}

/// # Errors
/// SEC_E_INTERNAL_ERROR: crypt32 builds no chain at all. One that is not trusted is no error.
pub(super) fn build_offline(certificate: &Certificate, store: HCERTSTORE) -> Result<Chain, Error> {
    let parameters = CERT_CHAIN_PARA { cbSize: SIZE, ..CERT_CHAIN_PARA::default() };
    let flags = CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL | CERT_CHAIN_DISABLE_AUTH_ROOT_AUTO_UPDATE;
    let mut context = ptr::null_mut();
    // SAFETY: certificate and store are open, the rest are variables; null stands for the engine of the current user and for now.
    let built = unsafe {
        CertGetCertificateChain(
            ptr::null_mut(),
            certificate.as_ptr(),
            ptr::null(),
            store,
            &raw const parameters,
            flags,
            ptr::null(),
            &raw mut context,
        )
    };
    if built == 0 {
        return Err(system_failed("CertGetCertificateChain", last_error()));
    }
    // SAFETY: the call has made the reference for this function.
    Ok(unsafe { Chain::from_raw(context) })
}

#[expect(clippy::cast_possible_truncation, reason = "the size of a small structure")]
const SIZE: u32 = size_of::<CERT_CHAIN_PARA>() as u32;

/// The elements of the first simple chain, the certificate itself first.
fn elements(chain: &Chain) -> impl Iterator<Item = &CERT_CHAIN_ELEMENT> {
    let fields = chain.fields();
    let first = if fields.cChain == 0 || fields.rgpChain.is_null() {
        None
    } else {
        // SAFETY: there is at least one simple chain.
        let first = unsafe { *fields.rgpChain };
        // SAFETY: crypt32 has filled it, and it lives as long as the chain.
        unsafe { first.as_ref() }
    };
    let count = first.map_or(0, |chain| chain.cElement as usize);
    (0..count).filter_map(move |index| {
        // SAFETY: the index is below the number of elements.
        let place = unsafe { first?.rgpElement.add(index) };
        // SAFETY: every place holds an element's address.
        let element = unsafe { *place };
        // SAFETY: crypt32 has filled it, and it lives as long as the chain.
        unsafe { element.as_ref() }
    })
}
