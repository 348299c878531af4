//! QueryContextAttributes and SetContextAttributes (sections 2.9, 3.6, 7).
//!
//! An answer is made whole before anything of it is written: first it is settled that there is such an attribute, then that there is
//! room for it, then that the connection has come so far.

mod bindings;
mod certificates;
mod connection;
mod keying;
mod place;
mod set;
#[cfg(test)]
mod tests;

use core::ffi::c_void;

use openschannel::attributes::Attributes;
use openschannel::status::ErrorStatus;

use crate::handles::Connection;
use crate::types::attribute;

pub(crate) use place::Place;
pub(crate) use set::{Requested, set};

/// In which form strings go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// The A functions.
    Ansi,
    /// The W functions.
    Wide,
}

/// What a query has to go by.
struct Query<'a> {
    connection: &'a Connection<'a>,
    charset: Charset,
    buffer: *mut c_void,
    len: Option<u32>,
}

/// QueryContextAttributes.
///
/// # Safety
/// `buffer` is null or points to the structure of `attribute`; `len` is its size where the caller said it (the Ex calls).
pub(crate) unsafe fn query(
    connection: Connection<'_>,
    charset: Charset,
    attribute: u32,
    buffer: *mut c_void,
    len: Option<u32>,
) -> Result<(), ErrorStatus> {
    let query = Query { connection: &connection, charset, buffer, len };
    // Every call below writes the structure its attribute has in section 1.4, which is what the caller promised room for.
    macro_rules! answer {
        ($function:path) => {
            // SAFETY: the buffer holds this attribute's structure.
            unsafe { $function(&query) }
        };
    }
    match attribute {
        attribute::SIZES => answer!(connection::sizes),
        attribute::STREAM_SIZES => answer!(connection::stream_sizes),
        attribute::LIFESPAN => answer!(connection::lifespan),
        attribute::FLAGS => answer!(connection::flags),
        attribute::KEY_INFO => answer!(connection::key_info),
        attribute::PACKAGE_INFO => answer!(connection::package_info),
        attribute::CONNECTION_INFO => answer!(connection::connection_info),
        attribute::CONNECTION_INFO_EX => answer!(connection::connection_info_ex),
        attribute::CIPHER_INFO => answer!(connection::cipher_info),
        attribute::SESSION_INFO => answer!(connection::session_info),
        attribute::APPLICATION_PROTOCOL => answer!(connection::application_protocol),
        attribute::NEGOTIATED_TLS_EXTENSIONS => answer!(connection::extensions),
        attribute::SUPPORTED_SIGNATURES => answer!(connection::signatures),
        attribute::APP_DATA => answer!(connection::app_data),
        attribute::UNIQUE_BINDINGS => answer!(bindings::unique),
        attribute::ENDPOINT_BINDINGS => answer!(bindings::endpoint),
        attribute::REMOTE_CERT_CONTEXT => answer!(certificates::remote),
        attribute::LOCAL_CERT_CONTEXT => answer!(certificates::local),
        attribute::REMOTE_CERT_CHAIN => answer!(certificates::remote_chain),
        attribute::REMOTE_CERTIFICATES => answer!(certificates::remote_blob),
        attribute::ISSUER_LIST_EX => answer!(certificates::issuers),
        attribute::LOCAL_CERT_INFO => answer!(certificates::local_info),
        attribute::CERT_CHECK_RESULT | attribute::CERT_CHECK_RESULT_INPROC => {
            answer!(certificates::check_result)
        }
        attribute::KEYING_MATERIAL => answer!(keying::material),
        attribute::KEYING_MATERIAL_INPROC => answer!(keying::material_inproc),
        attribute::EAP_KEY_BLOCK => answer!(keying::eap_key_block),
        // Among the others is SECPKG_ATTR_DTLS_MTU, which only DTLS has.
        _ => Err(ErrorStatus::UnsupportedFunction),
    }
}

impl Query<'_> {
    /// Where the answer goes.
    fn place<T: Copy>(&self) -> Result<Place<T>, ErrorStatus> {
        Place::new(self.buffer, self.len)
    }

    /// What a finished handshake leaves; SEC_E_INVALID_HANDLE before.
    fn attributes(&self) -> Result<&Attributes, ErrorStatus> {
        self.connection.context.attributes().map_err(|error| error.status())
    }
}
