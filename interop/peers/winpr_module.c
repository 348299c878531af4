/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A program on WinPR's headers and library that loads an SSPI module the way FreeRDP does with /sspi-module: LoadLibrary, the two
 * InitSecurityInterface functions by name, and calls through WinPR's types.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <winpr/library.h>
#include <winpr/sspi.h>
#include <winpr/schannel.h>

#define MUST(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

static void fail(const char *what, int line) {
    printf("line %d: not so: %s\n", line, what);
    exit(1);
}

static void packages_are_listed(SecurityFunctionTableW *wide, SecurityFunctionTableA *narrow) {
    ULONG count = 0;
    SecPkgInfoA *packages = NULL;
    SecPkgInfoW *one = NULL;
    static const WCHAR name[] = {'S', 'c', 'h', 'a', 'n', 'n', 'e', 'l', 0};
    WCHAR asked[16];
    memcpy(asked, name, sizeof name);
    MUST(narrow->EnumerateSecurityPackagesA(&count, &packages) == SEC_E_OK && count >= 1);
    MUST(packages[0].wRPCID == 14 && packages[0].cbMaxToken >= 16384 && packages[0].Name != NULL);
    MUST(narrow->FreeContextBuffer(packages) == SEC_E_OK);
    MUST(wide->QuerySecurityPackageInfoW(asked, &one) == SEC_E_OK);
    MUST(memcmp(one->Name, name, sizeof name) == 0);
    MUST(wide->FreeContextBuffer(one) == SEC_E_OK);
}

/* The first token of a client, and its shutdown: structures go in both directions. */
static void a_client_begins(SecurityFunctionTableA *table) {
    char package[] = "Microsoft Unified Security Protocol Provider", host[] = "server.test";
    SCHANNEL_CRED wanted;
    CredHandle credentials;
    CtxtHandle context;
    TimeStamp expiry;
    ULONG attributes = 0;
    DWORD shutdown_token = SCHANNEL_SHUTDOWN;
    SecBuffer token = {0, SECBUFFER_TOKEN, NULL};
    SecBuffer control = {sizeof shutdown_token, SECBUFFER_TOKEN, &shutdown_token};
    SecBufferDesc output = {SECBUFFER_VERSION, 1, &token};
    SecBufferDesc input = {SECBUFFER_VERSION, 1, &control};

    memset(&wanted, 0, sizeof wanted);
    wanted.dwVersion = SCHANNEL_CRED_VERSION;
    wanted.dwFlags = SCH_CRED_MANUAL_CRED_VALIDATION;
    MUST(
        table->AcquireCredentialsHandleA(
            NULL, package, SECPKG_CRED_OUTBOUND, NULL, &wanted, NULL, NULL, &credentials, &expiry) == SEC_E_OK);
    MUST(
        table->InitializeSecurityContextA(
            &credentials, NULL, host, ISC_REQ_ALLOCATE_MEMORY | ISC_REQ_STREAM, 0, 0, NULL, 0, &context, &output,
            &attributes, &expiry) == SEC_I_CONTINUE_NEEDED);
    MUST(token.cbBuffer > 100 && ((BYTE *)token.pvBuffer)[0] == 22);
    MUST(table->FreeContextBuffer(token.pvBuffer) == SEC_E_OK);

    token.cbBuffer = 0;
    token.pvBuffer = NULL;
    MUST(table->ApplyControlToken(&context, &input) == SEC_E_OK);
    MUST(
        table->InitializeSecurityContextA(
            &credentials, &context, host, ISC_REQ_ALLOCATE_MEMORY | ISC_REQ_STREAM, 0, 0, NULL, 0, &context, &output,
            &attributes, &expiry) == SEC_E_OK);
    MUST(token.cbBuffer == 7 && ((BYTE *)token.pvBuffer)[0] == 21);
    MUST(table->FreeContextBuffer(token.pvBuffer) == SEC_E_OK);
    MUST(table->DeleteSecurityContext(&context) == SEC_E_OK);
    MUST(table->FreeCredentialsHandle(&credentials) == SEC_E_OK);
    MUST(table->QueryContextAttributesA(&context, SECPKG_ATTR_SIZES, &wanted) == SEC_E_INVALID_HANDLE);
}

int main(int argc, char **argv) {
    HMODULE module = argc == 2 ? LoadLibraryA(argv[1]) : NULL;
    INIT_SECURITY_INTERFACE_W init_wide;
    INIT_SECURITY_INTERFACE_A init_narrow;
    MUST(module != NULL);
    init_wide = (INIT_SECURITY_INTERFACE_W)GetProcAddress(module, "InitSecurityInterfaceW");
    init_narrow = (INIT_SECURITY_INTERFACE_A)GetProcAddress(module, "InitSecurityInterfaceA");
    MUST(init_wide != NULL && init_narrow != NULL);
    MUST(init_wide()->dwVersion >= 1 && init_narrow()->dwVersion >= 1);
    packages_are_listed(init_wide(), init_narrow());
    a_client_begins(init_narrow());
    printf("done\n");
    return 0;
}
