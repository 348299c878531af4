//! InitSecurityInterfaceA/W: the function table (section 1.13), every entry filled.

use core::ffi::c_void;

use crate::types::{
    SecBufferDesc, SecHandle, SecPkgInfo, SecWchar, SecurityStatusCode as Status, TimeStamp, layout,
};
use crate::{attributes_calls, credentials_calls, messages, packages, tokens, unsupported};

/// `SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5`
const VERSION: u32 = 5;

type AcquireCredentials<C> = unsafe extern "system" fn(
    *const C,
    *const C,
    u32,
    *const c_void,
    *const c_void,
    *const c_void,
    *const c_void,
    *mut SecHandle,
    *mut TimeStamp,
) -> Status;
type AddCredentials<C> = unsafe extern "system" fn(
    *const SecHandle,
    *const C,
    *const C,
    u32,
    *const c_void,
    *const c_void,
    *const c_void,
    *mut TimeStamp,
) -> Status;
type InitializeContext<C> = unsafe extern "system" fn(
    *const SecHandle,
    *const SecHandle,
    *const C,
    u32,
    u32,
    u32,
    *const SecBufferDesc,
    u32,
    *mut SecHandle,
    *const SecBufferDesc,
    *mut u32,
    *mut TimeStamp,
) -> Status;
type AcceptContext = unsafe extern "system" fn(
    *const SecHandle,
    *const SecHandle,
    *const SecBufferDesc,
    u32,
    u32,
    *mut SecHandle,
    *const SecBufferDesc,
    *mut u32,
    *mut TimeStamp,
) -> Status;
type ChangePassword<C> = unsafe extern "system" fn(
    *const C,
    *const C,
    *const C,
    *const C,
    *const C,
    u8,
    u32,
    *const SecBufferDesc,
) -> Status;
type OfHandle = unsafe extern "system" fn(*const SecHandle) -> Status;
type OfHandleAndDescriptor = unsafe extern "system" fn(*const SecHandle, *const SecBufferDesc) -> Status;
type Query = unsafe extern "system" fn(*const SecHandle, u32, *mut c_void) -> Status;
type QueryEx = unsafe extern "system" fn(*const SecHandle, u32, *mut c_void, u32) -> Status;
type Seal = unsafe extern "system" fn(*const SecHandle, u32, *const SecBufferDesc, u32) -> Status;
type Unseal = unsafe extern "system" fn(*const SecHandle, *const SecBufferDesc, u32, *mut u32) -> Status;

/// `SecurityFunctionTableW` and `SecurityFunctionTableA`. Entries are nullable because another provider's table may have holes.
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the members are those of the SDK's header")]
pub struct SecurityFunctionTable<C: 'static> {
    pub version: u32,
    pub enumerate_security_packages:
        Option<unsafe extern "system" fn(*mut u32, *mut *mut SecPkgInfo<C>) -> Status>,
    pub query_credentials_attributes: Option<Query>,
    pub acquire_credentials_handle: Option<AcquireCredentials<C>>,
    pub free_credentials_handle: Option<OfHandle>,
    pub reserved2: Option<unsafe extern "system" fn() -> Status>,
    pub initialize_security_context: Option<InitializeContext<C>>,
    pub accept_security_context: Option<AcceptContext>,
    pub complete_auth_token: Option<OfHandleAndDescriptor>,
    pub delete_security_context: Option<OfHandle>,
    pub apply_control_token: Option<OfHandleAndDescriptor>,
    pub query_context_attributes: Option<Query>,
    pub impersonate_security_context: Option<OfHandle>,
    pub revert_security_context: Option<OfHandle>,
    pub make_signature: Option<Seal>,
    pub verify_signature: Option<Unseal>,
    pub free_context_buffer: Option<unsafe extern "system" fn(*mut c_void) -> Status>,
    pub query_security_package_info:
        Option<unsafe extern "system" fn(*const C, *mut *mut SecPkgInfo<C>) -> Status>,
    /// EncryptMessage: programs written before it had a name call it here.
    pub reserved3: Option<Seal>,
    /// DecryptMessage, likewise.
    pub reserved4: Option<Unseal>,
    pub export_security_context: Option<
        unsafe extern "system" fn(
            *const SecHandle,
            u32,
            *mut crate::types::SecBuffer,
            *mut *mut c_void,
        ) -> Status,
    >,
    pub import_security_context: Option<
        unsafe extern "system" fn(
            *const C,
            *const crate::types::SecBuffer,
            *const c_void,
            *mut SecHandle,
        ) -> Status,
    >,
    pub add_credentials: Option<AddCredentials<C>>,
    pub reserved8: Option<unsafe extern "system" fn() -> Status>,
    pub query_security_context_token:
        Option<unsafe extern "system" fn(*const SecHandle, *mut *mut c_void) -> Status>,
    pub encrypt_message: Option<Seal>,
    pub decrypt_message: Option<Unseal>,
    pub set_context_attributes: Option<QueryEx>,
    pub set_credentials_attributes: Option<QueryEx>,
    pub change_account_password: Option<ChangePassword<C>>,
    pub query_context_attributes_ex: Option<QueryEx>,
    pub query_credentials_attributes_ex: Option<QueryEx>,
}
layout!(
    SecurityFunctionTable<SecWchar>, 256, version @ 0, enumerate_security_packages @ 8, query_credentials_attributes @ 16,
    acquire_credentials_handle @ 24, free_credentials_handle @ 32, reserved2 @ 40, initialize_security_context @ 48,
    accept_security_context @ 56, complete_auth_token @ 64, delete_security_context @ 72, apply_control_token @ 80,
    query_context_attributes @ 88, impersonate_security_context @ 96, revert_security_context @ 104, make_signature @ 112,
    verify_signature @ 120, free_context_buffer @ 128, query_security_package_info @ 136, reserved3 @ 144, reserved4 @ 152,
    export_security_context @ 160, import_security_context @ 168, add_credentials @ 176, reserved8 @ 184,
    query_security_context_token @ 192, encrypt_message @ 200, decrypt_message @ 208, set_context_attributes @ 216,
    set_credentials_attributes @ 224, change_account_password @ 232, query_context_attributes_ex @ 240,
    query_credentials_attributes_ex @ 248,
);

macro_rules! table {
    ($c:ty, $enumerate:ident, $query_credentials:ident, $acquire:ident, $initialize:ident, $query:ident, $package_info:ident,
     $import:ident, $add:ident, $set:ident, $set_credentials:ident, $password:ident, $query_ex:ident, $query_credentials_ex:ident) => {
        SecurityFunctionTable::<$c> {
            version: VERSION,
            enumerate_security_packages: Some(packages::$enumerate),
            query_credentials_attributes: Some(credentials_calls::$query_credentials),
            acquire_credentials_handle: Some(credentials_calls::$acquire),
            free_credentials_handle: Some(credentials_calls::FreeCredentialsHandle),
            reserved2: Some(unsupported::reserved),
            initialize_security_context: Some(tokens::$initialize),
            accept_security_context: Some(tokens::AcceptSecurityContext),
            complete_auth_token: Some(unsupported::CompleteAuthToken),
            delete_security_context: Some(tokens::DeleteSecurityContext),
            apply_control_token: Some(tokens::ApplyControlToken),
            query_context_attributes: Some(attributes_calls::$query),
            impersonate_security_context: Some(unsupported::ImpersonateSecurityContext),
            revert_security_context: Some(unsupported::RevertSecurityContext),
            make_signature: Some(unsupported::MakeSignature),
            verify_signature: Some(unsupported::VerifySignature),
            free_context_buffer: Some(packages::FreeContextBuffer),
            query_security_package_info: Some(packages::$package_info),
            reserved3: Some(messages::EncryptMessage),
            reserved4: Some(messages::DecryptMessage),
            export_security_context: Some(unsupported::ExportSecurityContext),
            import_security_context: Some(unsupported::$import),
            add_credentials: Some(unsupported::$add),
            reserved8: Some(unsupported::reserved),
            query_security_context_token: Some(unsupported::QuerySecurityContextToken),
            encrypt_message: Some(messages::EncryptMessage),
            decrypt_message: Some(messages::DecryptMessage),
            set_context_attributes: Some(attributes_calls::$set),
            set_credentials_attributes: Some(credentials_calls::$set_credentials),
            change_account_password: Some(unsupported::$password),
            query_context_attributes_ex: Some(attributes_calls::$query_ex),
            query_credentials_attributes_ex: Some(credentials_calls::$query_credentials_ex),
        }
    };
}

static TABLE_W: SecurityFunctionTable<SecWchar> = table!(
    SecWchar,
    EnumerateSecurityPackagesW,
    QueryCredentialsAttributesW,
    AcquireCredentialsHandleW,
    InitializeSecurityContextW,
    QueryContextAttributesW,
    QuerySecurityPackageInfoW,
    ImportSecurityContextW,
    AddCredentialsW,
    SetContextAttributesW,
    SetCredentialsAttributesW,
    ChangeAccountPasswordW,
    QueryContextAttributesExW,
    QueryCredentialsAttributesExW
);

static TABLE_A: SecurityFunctionTable<u8> = table!(
    u8,
    EnumerateSecurityPackagesA,
    QueryCredentialsAttributesA,
    AcquireCredentialsHandleA,
    InitializeSecurityContextA,
    QueryContextAttributesA,
    QuerySecurityPackageInfoA,
    ImportSecurityContextA,
    AddCredentialsA,
    SetContextAttributesA,
    SetCredentialsAttributesA,
    ChangeAccountPasswordA,
    QueryContextAttributesExA,
    QueryCredentialsAttributesExA
);

/// InitSecurityInterfaceW: the table of the W functions. It lives as long as the library and is nobody's to free.
#[unsafe(no_mangle)]
pub extern "system" fn InitSecurityInterfaceW() -> *const SecurityFunctionTable<SecWchar> {
    &raw const TABLE_W
}

/// InitSecurityInterfaceA: the table of the A functions.
#[unsafe(no_mangle)]
pub extern "system" fn InitSecurityInterfaceA() -> *const SecurityFunctionTable<u8> {
    &raw const TABLE_A
}
