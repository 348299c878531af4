/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A TLS server on Schannel, on loopback: gives back what it is sent; a request that begins with GET gets a page by HTTP, and the server
 * closes first. One connection at a time.
 *
 *   cc schannel_server.c $(pkg-config --cflags --libs openschannel) -o schannel_server
 *   x86_64-w64-mingw32-gcc schannel_server.c -lsecur32 -lcrypt32 -lws2_32 -o schannel_server.exe
 *
 * Exit code with --once: as the client's. Without, it runs until it is ended.
 */
#include "tls.h"
#ifndef _WIN32
#include <openschannel.h>
#endif

#define WHO "server"

#ifdef _WIN32
#define IDENTITY "FILE.pfx PASSWORD"
#else
#define IDENTITY "CERT.pem KEY.pem"
#endif

static int usage(void) {
    fprintf(
        stderr, "usage: schannel_server PORT " IDENTITY " [--tls12 | --tls13] [--alpn PROTOCOL] [--once]\n"
                "Port 0 takes a free one; the first line printed says which.\n");
    return 1;
}

/* Windows knows certificates with a key by their PFX file; elsewhere they come as PEM. */
static PCCERT_CONTEXT read_identity(const char *first, const char *second, HCERTSTORE *store) {
    PCCERT_CONTEXT certificate = NULL;
    DWORD length = 0;
    BYTE *file = tls_read_file(first, &length);
    *store = NULL;
    if (file != NULL) {
#ifdef _WIN32
        CRYPT_DATA_BLOB blob;
        WCHAR password[128];
        if (MultiByteToWideChar(CP_UTF8, 0, second, -1, password, 128) > 0) {
            blob.cbData = length;
            blob.pbData = file;
            /* Under Wine only keys that can be exported sign for TLS 1.3; Windows does not mind. */
            *store = PFXImportCertStore(&blob, password, CRYPT_EXPORTABLE);
        }
        while (*store != NULL && (certificate = CertEnumCertificatesInStore(*store, certificate)) != NULL) {
            DWORD size = 0;
            if (CertGetCertificateContextProperty(certificate, CERT_KEY_PROV_INFO_PROP_ID, NULL, &size)) break;
        }
#else
        DWORD key_length = 0;
        BYTE *key = tls_read_file(second, &key_length);
        if (key != NULL) OpenSchannelImportPem(file, length, key, key_length, NULL, &certificate);
        free(key);
#endif
    }
    free(file);
    return certificate;
}

static SECURITY_STATUS acquire_credentials(PCCERT_CONTEXT certificate, DWORD without, CredHandle *credentials) {
    SCH_CREDENTIALS modern;
    TLS_PARAMETERS parameters;
    SCHANNEL_CRED classic;
    SECURITY_STATUS status;

    memset(&parameters, 0, sizeof parameters);
    parameters.grbitDisabledProtocols = without;
    memset(&modern, 0, sizeof modern);
    modern.dwVersion = SCH_CREDENTIALS_VERSION;
    modern.dwFlags = SCH_USE_STRONG_CRYPTO;
    modern.cCreds = 1;
    modern.paCred = &certificate;
    modern.cTlsParameters = 1;
    modern.pTlsParameters = &parameters;
    status = AcquireCredentialsHandleA(
        NULL, (SEC_CHAR *)UNISP_NAME_A, SECPKG_CRED_INBOUND, NULL, &modern, NULL, NULL, credentials, NULL);
    if (status != SEC_E_UNKNOWN_CREDENTIALS) return status;

    /* A Windows from before TLS 1.3. */
    memset(&classic, 0, sizeof classic);
    classic.dwVersion = SCHANNEL_CRED_VERSION;
    classic.dwFlags = SCH_USE_STRONG_CRYPTO;
    classic.cCreds = 1;
    classic.paCred = &certificate;
    classic.grbitEnabledProtocols = SP_PROT_TLS1_2_SERVER & ~without;
    return AcquireCredentialsHandleA(
        NULL, (SEC_CHAR *)UNISP_NAME_A, SECPKG_CRED_INBOUND, NULL, &classic, NULL, NULL, credentials, NULL);
}

/* Talks with a client until either side ends it. TLS_OK: it is on us to close. */
static enum tls_result serve(struct tls *tls) {
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
                               "Hello from Schannel\n";
    const BYTE *data;
    ULONG length;
    enum tls_result result;
    while ((result = tls_receive(tls, &data, &length)) == TLS_OK) {
        if (length >= 4 && memcmp(data, "GET ", 4) == 0) return tls_send(tls, page, sizeof page - 1);
        result = tls_send(tls, data, length);
        if (result != TLS_OK) break;
    }
    return result;
}

int main(int argc, char **argv) {
    static struct tls tls;
    CredHandle credentials;
    PCCERT_CONTEXT certificate;
    HCERTSTORE store;
    net_socket listener;
    unsigned short port;
    DWORD without = 0;
    ULONG alpn_length = 0;
    BYTE *alpn = NULL;
    SECURITY_STATUS status;
    int i, code = 0, once = 0;

    if (argc < 4) return usage();
    port = (unsigned short)atoi(argv[1]);
    for (i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0)
            once = 1;
        else if (strcmp(argv[i], "--tls12") == 0)
            without |= SP_PROT_TLS1_3_SERVER;
        else if (strcmp(argv[i], "--tls13") == 0)
            without |= SP_PROT_TLS1_2_SERVER;
        else if (strcmp(argv[i], "--alpn") == 0 && i + 1 < argc)
            alpn = tls_alpn(argv[++i], &alpn_length);
        else
            return usage();
    }

    certificate = read_identity(argv[2], argv[3], &store);
    if (certificate == NULL) {
        fprintf(stderr, WHO ": no certificate with a key in %s\n", argv[2]);
        return 1;
    }
    status = acquire_credentials(certificate, without, &credentials);
    /* Schannel has taken what it needs. */
    CertFreeCertificateContext(certificate);
    if (status < 0) {
        fprintf(stderr, WHO ": no credentials: 0x%08x\n", (unsigned)status);
        return 2;
    }
    if (!net_begin() || (listener = net_listen(&port)) == NET_NONE) {
        fprintf(stderr, WHO ": cannot listen on port %u\n", (unsigned)port);
        return 2;
    }
    printf("listening on port %u\n", (unsigned)port);
    fflush(stdout);

    do {
        enum tls_result result;
        memset(&tls, 0, sizeof tls);
        tls.credentials = &credentials;
        tls.alpn = alpn;
        tls.alpn_length = alpn_length;
        tls.socket = net_accept(listener);
        if (tls.socket == NET_NONE) continue;
        result = tls_handshake(&tls);
        if (result != TLS_OK) {
            tls_report(WHO ": handshake", &tls, tls_close(&tls, result));
            code = 2;
            continue;
        }
        tls_describe(WHO, &tls);
        code = tls_report(WHO, &tls, tls_close(&tls, serve(&tls)));
    } while (!once);

    net_close(listener);
    FreeCredentialsHandle(&credentials);
    if (store != NULL) CertCloseStore(store, 0);
    free(alpn);
    return code;
}
