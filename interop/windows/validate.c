/* A client with automatic validation: connects, shakes hands, and says how that ended.
 *
 *   validate trust CA.der                     makes the certificate one of the system's roots
 *   validate connect PORT NAME FLAGS [CA.der] prints the status of the handshake; FLAGS are dwFlags in hexadecimal, and the
 *                                             certificate is all that hRootStore holds
 *
 * The credentials are SCH_CREDENTIALS with default protocols. Of the library only the function table is used, as by programs that load
 * it with LoadLibrary. */
#define WIN32_LEAN_AND_MEAN
#define SECURITY_WIN32
#define SCHANNEL_USE_BLACKLISTS
#include <winsock2.h>
#include <windows.h>
#include <wincrypt.h>
#include <subauth.h>
#include <security.h>
#include <schannel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char file[65536];

static DWORD read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return 0;
    DWORD len = (DWORD)fread(file, 1, sizeof file, in);
    fclose(in);
    return len;
}

static int trust(const char *path)
{
    DWORD len = read_file(path);
    HCERTSTORE root = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, L"Root");
    if (!root || !CertAddEncodedCertificateToStore(root, X509_ASN_ENCODING, file, len, CERT_STORE_ADD_REPLACE_EXISTING, NULL)) {
        printf("the root was not taken: 0x%08lX\n", GetLastError());
        return 1;
    }
    CertCloseStore(root, 0);
    return 0;
}

static SOCKET connect_to(const char *port)
{
    WSADATA wsa;
    WSAStartup(MAKEWORD(2, 2), &wsa);
    SOCKET sock = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((u_short)atoi(port)) };
    address.sin_addr.s_addr = inet_addr("127.0.0.1");
    if (connect(sock, (struct sockaddr *)&address, sizeof address)) {
        printf("no connection: %d\n", WSAGetLastError());
        exit(1);
    }
    return sock;
}

static SECURITY_STATUS handshake(const char *port, const wchar_t *name, DWORD flags, HCERTSTORE roots)
{
    HMODULE library = LoadLibraryA("secur32.dll");
    INIT_SECURITY_INTERFACE_W init = (INIT_SECURITY_INTERFACE_W)(void *)GetProcAddress(library, "InitSecurityInterfaceW");
    PSecurityFunctionTableW sspi = init();
    SCH_CREDENTIALS wanted = { .dwVersion = SCH_CREDENTIALS_VERSION, .dwFlags = flags, .hRootStore = roots };
    CredHandle credentials;
    CtxtHandle context;
    SECURITY_STATUS status = sspi->AcquireCredentialsHandleW(NULL, (SEC_WCHAR *)UNISP_NAME_W, SECPKG_CRED_OUTBOUND, NULL, &wanted, NULL,
                                                             NULL, &credentials, NULL);
    if (status != SEC_E_OK) {
        printf("AcquireCredentialsHandle: 0x%08lX\n", (unsigned long)status);
        exit(1);
    }
    SOCKET sock = connect_to(port);
    static char received[65536];
    DWORD have = 0, attributes;
    ULONG requirements = ISC_REQ_SEQUENCE_DETECT | ISC_REQ_REPLAY_DETECT | ISC_REQ_CONFIDENTIALITY | ISC_REQ_ALLOCATE_MEMORY
        | ISC_REQ_STREAM | ISC_REQ_EXTENDED_ERROR;
    int first = 1;
    for (;;) {
        SecBuffer in[2] = { { have, SECBUFFER_TOKEN, received }, { 0, SECBUFFER_EMPTY, NULL } };
        SecBufferDesc input = { SECBUFFER_VERSION, 2, in };
        SecBuffer out[1] = { { 0, SECBUFFER_TOKEN, NULL } };
        SecBufferDesc output = { SECBUFFER_VERSION, 1, out };
        status = sspi->InitializeSecurityContextW(&credentials, first ? NULL : &context, (SEC_WCHAR *)name, requirements, 0, 0,
                                                  first ? NULL : &input, 0, &context, &output, &attributes, NULL);
        if (status != SEC_E_INCOMPLETE_MESSAGE && !first) {
            DWORD extra = in[1].BufferType == SECBUFFER_EXTRA ? in[1].cbBuffer : 0;
            memmove(received, received + have - extra, extra);
            have = extra;
        }
        if (out[0].pvBuffer) {
            if (out[0].cbBuffer)
                send(sock, out[0].pvBuffer, (int)out[0].cbBuffer, 0);
            sspi->FreeContextBuffer(out[0].pvBuffer);
        }
        first = 0;
        if (status != SEC_I_CONTINUE_NEEDED && status != SEC_E_INCOMPLETE_MESSAGE)
            break;
        if (status == SEC_E_INCOMPLETE_MESSAGE || have == 0) {
            int count = recv(sock, received + have, (int)(sizeof received - have), 0);
            if (count <= 0) {
                printf("the server hung up\n");
                exit(1);
            }
            have += (DWORD)count;
        }
    }
    sspi->DeleteSecurityContext(&context);
    sspi->FreeCredentialsHandle(&credentials);
    closesocket(sock);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "trust"))
        return trust(argv[2]);
    if (argc < 5)
        return 2;
    wchar_t name[256];
    MultiByteToWideChar(CP_UTF8, 0, argv[3], -1, name, 256);
    HCERTSTORE roots = NULL;
    if (argc > 5) {
        DWORD len = read_file(argv[5]);
        roots = CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, NULL);
        CertAddEncodedCertificateToStore(roots, X509_ASN_ENCODING, file, len, CERT_STORE_ADD_ALWAYS, NULL);
    }
    printf("0x%08lX\n", (unsigned long)handshake(argv[2], name, strtoul(argv[4], NULL, 16), roots));
    return 0;
}
