/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Compiled only: the names without A or W, and the types of functions beside the functions. */
#include <schannel.h>
#include <security.h>
#include <openschannel.h>

#ifdef UNICODE
typedef SEC_WCHAR Character;
#else
typedef SEC_CHAR Character;
#endif

int main(void) {
    ENUMERATE_SECURITY_PACKAGES_FN enumerate = EnumerateSecurityPackages;
    QUERY_SECURITY_PACKAGE_INFO_FN package_info = QuerySecurityPackageInfo;
    ACQUIRE_CREDENTIALS_HANDLE_FN acquire = AcquireCredentialsHandle;
    ADD_CREDENTIALS_FN add = AddCredentials;
    FREE_CREDENTIALS_HANDLE_FN free_credentials = FreeCredentialsHandle;
    FREE_CREDENTIALS_HANDLE_FN free_credential = FreeCredentialHandle;
    QUERY_CREDENTIALS_ATTRIBUTES_FN query_credentials = QueryCredentialsAttributes;
    QUERY_CREDENTIALS_ATTRIBUTES_EX_FN query_credentials_ex = QueryCredentialsAttributesEx;
    SET_CREDENTIALS_ATTRIBUTES_FN set_credentials = SetCredentialsAttributes;
    INITIALIZE_SECURITY_CONTEXT_FN initialize = InitializeSecurityContext;
    ACCEPT_SECURITY_CONTEXT_FN accept_context = AcceptSecurityContext;
    APPLY_CONTROL_TOKEN_FN apply = ApplyControlToken;
    DELETE_SECURITY_CONTEXT_FN delete_context = DeleteSecurityContext;
    QUERY_CONTEXT_ATTRIBUTES_FN query = QueryContextAttributes;
    QUERY_CONTEXT_ATTRIBUTES_EX_FN query_ex = QueryContextAttributesEx;
    SET_CONTEXT_ATTRIBUTES_FN set = SetContextAttributes;
    FREE_CONTEXT_BUFFER_FN free_buffer = FreeContextBuffer;
    ENCRYPT_MESSAGE_FN encrypt = EncryptMessage, seal = SealMessage;
    DECRYPT_MESSAGE_FN decrypt = DecryptMessage, unseal = UnsealMessage;
    IMPORT_SECURITY_CONTEXT_FN import = ImportSecurityContext;
    CHANGE_PASSWORD_FN change_password = ChangeAccountPassword;
    INIT_SECURITY_INTERFACE init = InitSecurityInterface;

    /* Through the table, as programs that load the library do. */
    PSecurityFunctionTable table = InitSecurityInterface();
    table->AcquireCredentialsHandle(
        NULL, (Character *)UNISP_NAME, SECPKG_CRED_OUTBOUND, NULL, NULL, NULL, NULL, NULL, NULL);
    table->FreeCredentialHandle(NULL);
    table->FreeCredentialsHandle(NULL);

    PSecPkgInfo package = NULL;
    SecPkgContext_PackageInfo info = {package};
    CredHandle handle;
    SecInvalidateHandle(&handle);
    return enumerate && package_info && acquire && add && free_credentials && free_credential && query_credentials &&
           query_credentials_ex && set_credentials && initialize && accept_context && apply && delete_context && query &&
           query_ex && set && free_buffer && encrypt && seal && decrypt && unseal && import && change_password && init &&
           info.PackageInfo && SecIsValidHandle(&handle) && FAILED(SEC_E_INVALID_HANDLE) && SEC_SUCCESS(SEC_I_CONTEXT_EXPIRED);
}
