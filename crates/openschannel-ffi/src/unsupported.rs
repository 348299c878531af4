//! Calls of the interface that mean nothing to Schannel (section 2, general rules). A handle that is none is said first.

use core::ffi::c_void;

use openschannel::Role;
use openschannel::status::ErrorStatus;

use crate::boundary;
use crate::elsewhere;
use crate::handles::{contexts, credentials};
use crate::types::{SecBuffer, SecBufferDesc, SecHandle, SecWchar, SecurityStatusCode, TimeStamp};

/// Fills the reserved slots of the function table.
pub(crate) unsafe extern "system" fn reserved() -> SecurityStatusCode {
    boundary::code(ErrorStatus::UnsupportedFunction.code())
}

/// # Safety
/// `context` is null or points to a handle.
unsafe fn refuse(context: *const SecHandle) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(context) }?;
        contexts().whole(handle, |_| Err(ErrorStatus::UnsupportedFunction))
    })
}

/// No client certificate is ever mapped to an account; only a finished server could have one.
///
/// # Safety
/// `context` is null or points to a handle.
unsafe fn no_account(context: *const SecHandle) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(context) }?;
        contexts().whole(handle, |connection| {
            let finished_server =
                connection.context.role() == Role::Server && connection.context.is_established();
            Err(if finished_server { ErrorStatus::NoImpersonation } else { ErrorStatus::UnsupportedFunction })
        })
    })
}

macro_rules! of_context {
    ($($name:ident / $entry:ident ( $($argument:ident: $type:ty),* ) => $answer:ident, $doc:literal;)+) => { $(
        #[doc = $doc]
        ///
        /// # Safety
        /// `phContext` is null or points to a handle; the other pointers are not looked at.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(phContext: *const SecHandle, $($argument: $type),*) -> SecurityStatusCode {
            elsewhere::forward!(phContext, $entry(phContext, $($argument),*));
            // SAFETY: the caller's promise.
            unsafe { $answer(phContext) }
        }
    )+ };
}

of_context! {
    CompleteAuthToken / complete_auth_token(pToken: *const SecBufferDesc) => refuse,
        "CompleteAuthToken: no call of Schannel asks for it. SEC_E_UNSUPPORTED_FUNCTION.";
    MakeSignature / make_signature(fQOP: u32, pMessage: *const SecBufferDesc, MessageSeqNo: u32) => refuse,
        "MakeSignature: TLS signs no messages. SEC_E_UNSUPPORTED_FUNCTION.";
    VerifySignature / verify_signature(pMessage: *const SecBufferDesc, MessageSeqNo: u32, pfQOP: *mut u32) => refuse,
        "VerifySignature: TLS signs no messages. SEC_E_UNSUPPORTED_FUNCTION.";
    ExportSecurityContext / export_security_context(
        fFlags: u32, pPackedContext: *mut SecBuffer, pToken: *mut *mut c_void
    ) => refuse,
        "ExportSecurityContext: contexts stay in their process. SEC_E_UNSUPPORTED_FUNCTION.";
    ImpersonateSecurityContext / impersonate_security_context() => no_account,
        "ImpersonateSecurityContext: client certificates are not mapped to accounts. SEC_E_NO_IMPERSONATION on a finished server.";
    RevertSecurityContext / revert_security_context() => no_account,
        "RevertSecurityContext: client certificates are not mapped to accounts. SEC_E_NO_IMPERSONATION on a finished server.";
    QuerySecurityContextToken / query_security_context_token(Token: *mut *mut c_void) => no_account,
        "QuerySecurityContextToken: client certificates are not mapped to accounts. SEC_E_NO_IMPERSONATION on a finished server.";
}

macro_rules! both_charsets {
    ($($char:ty, $table:ident: $import:ident, $add:ident, $password:ident;)+) => { $(
        /// ImportSecurityContext: contexts stay in their process. SEC_E_UNSUPPORTED_FUNCTION.
        ///
        /// # Safety
        /// On Windows the call is the system's, whose rules then hold.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $import(
            pszPackage: *const $char,
            pPackedContext: *const SecBuffer,
            Token: *const c_void,
            phContext: *mut SecHandle,
        ) -> SecurityStatusCode {
            elsewhere::pass_on!(
                elsewhere::$table(),
                import_security_context(pszPackage, pPackedContext, Token, phContext)
            );
            boundary::code(ErrorStatus::UnsupportedFunction.code())
        }

        /// AddCredentials: a credential is whole when it is acquired. SEC_E_UNSUPPORTED_FUNCTION.
        ///
        /// # Safety
        /// `hCredentials` is null or points to a handle; the other pointers are not looked at.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $add(
            hCredentials: *const SecHandle,
            pszPrincipal: *const $char,
            pszPackage: *const $char,
            fCredentialUse: u32,
            pAuthData: *const c_void,
            pGetKeyFn: *const c_void,
            pvGetKeyArgument: *const c_void,
            ptsExpiry: *mut TimeStamp,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(hCredentials) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    add_credentials(
                        hCredentials,
                        pszPrincipal,
                        pszPackage,
                        fCredentialUse,
                        pAuthData,
                        pGetKeyFn,
                        pvGetKeyArgument,
                        ptsExpiry
                    )
                );
            }
            boundary::status(|| {
                // SAFETY: the caller's promise.
                credentials().get(unsafe { elsewhere::read_handle(hCredentials) }?)?;
                Err(ErrorStatus::UnsupportedFunction)
            })
        }

        /// ChangeAccountPassword: Schannel knows no accounts. SEC_E_UNSUPPORTED_FUNCTION.
        ///
        /// # Safety
        /// On Windows the call is the system's, whose rules then hold.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $password(
            pszPackageName: *const $char,
            pszDomainName: *const $char,
            pszAccountName: *const $char,
            pszOldPassword: *const $char,
            pszNewPassword: *const $char,
            bImpersonating: u8,
            dwReserved: u32,
            pOutput: *const SecBufferDesc,
        ) -> SecurityStatusCode {
            elsewhere::pass_on!(
                elsewhere::$table(),
                change_account_password(
                    pszPackageName,
                    pszDomainName,
                    pszAccountName,
                    pszOldPassword,
                    pszNewPassword,
                    bImpersonating,
                    dwReserved,
                    pOutput
                )
            );
            boundary::code(ErrorStatus::UnsupportedFunction.code())
        }
    )+ };
}

both_charsets! {
    SecWchar, wide: ImportSecurityContextW, AddCredentialsW, ChangeAccountPasswordW;
    u8, ansi: ImportSecurityContextA, AddCredentialsA, ChangeAccountPasswordA;
}

macro_rules! packages_of_the_system {
    ($($name:ident ( $($argument:ident: $type:ty),* ), $doc:literal;)+) => { $(
        #[doc = $doc]
        #[cfg(not(windows))]
        #[unsafe(no_mangle)]
        pub extern "system" fn $name($($argument: $type),*) -> SecurityStatusCode {
            boundary::code(ErrorStatus::UnsupportedFunction.code())
        }
    )+ };
}

packages_of_the_system! {
    AddSecurityPackageA(_pszPackageName: *const u8, _pOptions: *const c_void),
        "AddSecurityPackageA: there are no packages to add. SEC_E_UNSUPPORTED_FUNCTION.";
    AddSecurityPackageW(_pszPackageName: *const SecWchar, _pOptions: *const c_void),
        "AddSecurityPackageW: there are no packages to add. SEC_E_UNSUPPORTED_FUNCTION.";
    DeleteSecurityPackageA(_pszPackageName: *const u8),
        "DeleteSecurityPackageA: there are no packages to delete. SEC_E_UNSUPPORTED_FUNCTION.";
    DeleteSecurityPackageW(_pszPackageName: *const SecWchar),
        "DeleteSecurityPackageW: there are no packages to delete. SEC_E_UNSUPPORTED_FUNCTION.";
}
