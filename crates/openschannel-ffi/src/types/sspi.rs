//! `sspi.h`: handles, buffers, packages (sections 1.1, 1.5, 1.6).

use core::ffi::c_void;

use super::{SecWchar, layout};

/// `SecHandle`, `CredHandle` and `CtxtHandle`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecHandle {
    /// `dwLower`
    pub lower: usize,
    /// `dwUpper`
    pub upper: usize,
}
layout!(SecHandle, 16, lower @ 0, upper @ 8);

/// `SecBuffer`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SecBuffer {
    /// `cbBuffer`: bytes behind `buffer`.
    pub len: u32,
    /// `BufferType`: a `SECBUFFER_*` number and attribute bits.
    pub buffer_type: u32,
    /// `pvBuffer`
    pub buffer: *mut c_void,
}
layout!(SecBuffer, 16, len @ 0, buffer_type @ 4, buffer @ 8);

/// `SecBufferDesc`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SecBufferDesc {
    /// `ulVersion`, not looked at.
    pub version: u32,
    /// `cBuffers`
    pub count: u32,
    /// `pBuffers`
    pub buffers: *mut SecBuffer,
}
layout!(SecBufferDesc, 16, version @ 0, count @ 4, buffers @ 8);

/// `SecPkgInfoW` and `SecPkgInfoA`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SecPkgInfo<C> {
    /// `fCapabilities`
    pub capabilities: u32,
    /// `wVersion`
    pub version: u16,
    /// `wRPCID`
    pub rpc_id: u16,
    /// `cbMaxToken`
    pub max_token: u32,
    /// `Name`
    pub name: *mut C,
    /// `Comment`
    pub comment: *mut C,
}
layout!(SecPkgInfo<SecWchar>, 32, capabilities @ 0, version @ 4, rpc_id @ 6, max_token @ 8, name @ 16, comment @ 24);

/// `TimeStamp`: a 64-bit count of 100 ns since 1601, in two halves.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeStamp {
    /// `LowPart`
    pub low: u32,
    /// `HighPart`
    pub high: i32,
}
layout!(TimeStamp, 8, low @ 0, high @ 4);

/// `UNICODE_STRING`: not terminated, lengths in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnicodeString {
    /// `Length`, in bytes.
    pub length: u16,
    /// `MaximumLength`, in bytes.
    pub maximum_length: u16,
    /// `Buffer`
    pub buffer: *mut SecWchar,
}
layout!(UnicodeString, 16, length @ 0, maximum_length @ 2, buffer @ 8);

/// `SEC_FLAGS`: the payload of a SECBUFFER_FLAGS.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SecFlags {
    /// `Flags`
    pub flags: u64,
}
layout!(SecFlags, 8);

/// `SECBUFFER_*` numbers (section 1.5).
#[expect(missing_docs, reason = "the names are those of the SDK's header")]
pub mod buffer_type {
    pub const EMPTY: u32 = 0;
    pub const DATA: u32 = 1;
    pub const TOKEN: u32 = 2;
    pub const MISSING: u32 = 4;
    pub const EXTRA: u32 = 5;
    pub const STREAM_TRAILER: u32 = 6;
    pub const STREAM_HEADER: u32 = 7;
    pub const ALERT: u32 = 17;
    pub const APPLICATION_PROTOCOLS: u32 = 18;
    pub const FLAGS: u32 = 27;
    /// `~SECBUFFER_ATTRMASK`: what remains of a type without its attribute bits.
    pub const TYPE_MASK: u32 = 0x0FFF_FFFF;
    /// `SECBUFFER_READONLY`
    pub const READONLY: u32 = 0x8000_0000;
    /// `SECBUFFER_READONLY_WITH_CHECKSUM`
    pub const READONLY_WITH_CHECKSUM: u32 = 0x1000_0000;
}

/// `ISC_REQ_*` and `ISC_RET_*` bits (section 1.6).
#[expect(missing_docs, reason = "the names are those of the SDK's header")]
pub mod isc {
    pub const DELEGATE: u32 = 0x1;
    pub const MUTUAL_AUTH: u32 = 0x2;
    pub const REPLAY_DETECT: u32 = 0x4;
    pub const SEQUENCE_DETECT: u32 = 0x8;
    pub const CONFIDENTIALITY: u32 = 0x10;
    pub const PROMPT_FOR_CREDS: u32 = 0x40;
    pub const USE_SUPPLIED_CREDS: u32 = 0x80;
    pub const ALLOCATE_MEMORY: u32 = 0x100;
    pub const DATAGRAM: u32 = 0x400;
    pub const EXTENDED_ERROR: u32 = 0x4000;
    pub const STREAM: u32 = 0x8000;
    pub const INTEGRITY: u32 = 0x1_0000;
    pub const MANUAL_CRED_VALIDATION: u32 = 0x8_0000;
}

/// `ASC_REQ_*` and `ASC_RET_*` bits (section 1.6).
#[expect(missing_docs, reason = "the names are those of the SDK's header")]
pub mod asc {
    pub const DELEGATE: u32 = 0x1;
    pub const MUTUAL_AUTH: u32 = 0x2;
    pub const REPLAY_DETECT: u32 = 0x4;
    pub const SEQUENCE_DETECT: u32 = 0x8;
    pub const CONFIDENTIALITY: u32 = 0x10;
    pub const ALLOCATE_MEMORY: u32 = 0x100;
    pub const DATAGRAM: u32 = 0x400;
    pub const EXTENDED_ERROR: u32 = 0x8000;
    pub const STREAM: u32 = 0x1_0000;
    pub const INTEGRITY: u32 = 0x2_0000;
}

/// The requirement bits above the first 32, given in a SECBUFFER_FLAGS (section 1.6).
#[expect(missing_docs, reason = "the names are those of the SDK's header")]
pub mod wide_req {
    pub const MESSAGES: u64 = 1 << 32;
    pub const DEFERRED_CRED_VALIDATION: u64 = 1 << 33;
    pub const NO_POST_HANDSHAKE_AUTH: u64 = 1 << 34;
    pub const REUSE_SESSION_TICKETS: u64 = 1 << 35;
    pub const EXPLICIT_SESSION: u64 = 1 << 36;
}

/// `SECPKG_CRED_INBOUND`
pub const SECPKG_CRED_INBOUND: u32 = 1;
/// `SECPKG_CRED_OUTBOUND`
pub const SECPKG_CRED_OUTBOUND: u32 = 2;

/// `SECQOP_WRAP_NO_ENCRYPT`
pub const SECQOP_WRAP_NO_ENCRYPT: u32 = 0x8000_0001;
/// `SECQOP_WRAP_OOB_DATA`
pub const SECQOP_WRAP_OOB_DATA: u32 = 0x4000_0000;
