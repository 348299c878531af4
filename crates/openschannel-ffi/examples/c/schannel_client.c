/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A TLS client on Schannel. Compiles on Linux against OpenSchannel and on Windows against the system, with the same calls:
 *
 *   cc schannel_client.c $(pkg-config --cflags --libs openschannel) -o schannel_client
 *   x86_64-w64-mingw32-gcc schannel_client.c -lsecur32 -lcrypt32 -lws2_32 -o schannel_client.exe
 *
 * Exit code: 0 closed by both sides, 1 usage, 2 no connection or handshake, 3 cut or broken, 4 refused by Schannel.
 */
#include "tls.h"
#ifndef _WIN32
#include <openschannel.h>
#endif

#define WHO "client"

struct options {
    const char *host, *port;
    const char *ca, *alpn, *say;
    int insecure;
    DWORD without; /* protocol versions not wanted: SP_PROT_* */
};

static int usage(void) {
    fprintf(
        stderr, "usage: schannel_client HOST PORT [--ca FILE | --insecure] [--tls12 | --tls13] [--alpn PROTOCOL] [--say TEXT]\n"
                "Says TEXT and prints the echo; without it, gets / by HTTP and prints that.\n");
    return 1;
}

static int parse(int argc, char **argv, struct options *options) {
    int i;
    memset(options, 0, sizeof *options);
    if (argc < 3) return 0;
    options->host = argv[1];
    options->port = argv[2];
    for (i = 3; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(name, "--insecure") == 0)
            options->insecure = 1;
        else if (strcmp(name, "--tls12") == 0)
            options->without |= SP_PROT_TLS1_3_CLIENT;
        else if (strcmp(name, "--tls13") == 0)
            options->without |= SP_PROT_TLS1_2_CLIENT;
        else if (value == NULL)
            return 0;
        else if (strcmp(name, "--ca") == 0)
            options->ca = argv[++i];
        else if (strcmp(name, "--alpn") == 0)
            options->alpn = argv[++i];
        else if (strcmp(name, "--say") == 0)
            options->say = argv[++i];
        else
            return 0;
    }
    return options->ca == NULL || !options->insecure;
}

/* Whom Schannel trusts by itself is the system's matter. With --ca we look at the certificate ourselves, behind the handshake. */
static SECURITY_STATUS acquire_credentials(const struct options *options, CredHandle *credentials) {
    SCH_CREDENTIALS modern;
    TLS_PARAMETERS parameters;
    SCHANNEL_CRED classic;
    SECURITY_STATUS status;
    DWORD flags = SCH_CRED_NO_DEFAULT_CREDS | SCH_USE_STRONG_CRYPTO;
    flags |= options->ca != NULL || options->insecure ? SCH_CRED_MANUAL_CRED_VALIDATION : SCH_CRED_AUTO_CRED_VALIDATION;

    memset(&parameters, 0, sizeof parameters);
    parameters.grbitDisabledProtocols = options->without;
    memset(&modern, 0, sizeof modern);
    modern.dwVersion = SCH_CREDENTIALS_VERSION;
    modern.dwFlags = flags;
    modern.cTlsParameters = 1;
    modern.pTlsParameters = &parameters;
    status = AcquireCredentialsHandleA(
        NULL, (SEC_CHAR *)UNISP_NAME_A, SECPKG_CRED_OUTBOUND, NULL, &modern, NULL, NULL, credentials, NULL);
    if (status != SEC_E_UNKNOWN_CREDENTIALS) return status;

    /* A Windows from before TLS 1.3. */
    memset(&classic, 0, sizeof classic);
    classic.dwVersion = SCHANNEL_CRED_VERSION;
    classic.dwFlags = flags;
    classic.grbitEnabledProtocols = SP_PROT_TLS1_2_CLIENT & ~options->without;
    return AcquireCredentialsHandleA(
        NULL, (SEC_CHAR *)UNISP_NAME_A, SECPKG_CRED_OUTBOUND, NULL, &classic, NULL, NULL, credentials, NULL);
}

/* The authorities in a PEM file, in a store of their own. */
static HCERTSTORE read_authorities(const char *path) {
    DWORD length = 0;
    BYTE *pem = tls_read_file(path, &length);
    HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, NULL);
    BOOL read = FALSE;
    if (pem != NULL && store != NULL) {
#ifdef _WIN32
        BYTE der[0x4000];
        DWORD der_length = sizeof der;
        read = CryptStringToBinaryA((char *)pem, length, CRYPT_STRING_BASE64HEADER, der, &der_length, NULL, NULL) &&
               CertAddEncodedCertificateToStore(
                   store, X509_ASN_ENCODING, der, der_length, CERT_STORE_ADD_ALWAYS, NULL);
#else
        read = OpenSchannelImportPem(pem, length, NULL, 0, store, NULL);
#endif
    }
    free(pem);
    if (read || store == NULL) return store;
    CertCloseStore(store, 0);
    return NULL;
}

/* Whether the server's certificate leads to one of our authorities and is this host's. */
static SECURITY_STATUS check_certificate(struct tls *tls, HCERTSTORE authorities) {
    PCCERT_CONTEXT certificate = NULL;
    CERT_CHAIN_ENGINE_CONFIG config;
    HCERTCHAINENGINE engine = NULL;
    CERT_CHAIN_PARA chain_parameters;
    PCCERT_CHAIN_CONTEXT chain = NULL;
    SSL_EXTRA_CERT_CHAIN_POLICY_PARA ssl;
    CERT_CHAIN_POLICY_PARA policy;
    CERT_CHAIN_POLICY_STATUS verdict;
    WCHAR name[256];
    size_t i;
    SECURITY_STATUS status = QueryContextAttributesA(&tls->context, SECPKG_ATTR_REMOTE_CERT_CONTEXT, &certificate);
    if (status < 0) return status;

    for (i = 0; tls->host[i] != 0 && i < 255; i++) name[i] = (WCHAR)(unsigned char)tls->host[i];
    name[i] = 0;
    memset(&config, 0, sizeof config);
    config.cbSize = sizeof config;
    config.hExclusiveRoot = authorities;
    memset(&chain_parameters, 0, sizeof chain_parameters);
    chain_parameters.cbSize = sizeof chain_parameters;
    memset(&ssl, 0, sizeof ssl);
    ssl.cbSize = sizeof ssl;
    ssl.dwAuthType = AUTHTYPE_SERVER;
    ssl.pwszServerName = name;
    memset(&policy, 0, sizeof policy);
    policy.cbSize = sizeof policy;
    policy.pvExtraPolicyPara = &ssl;
    memset(&verdict, 0, sizeof verdict);
    verdict.cbSize = sizeof verdict;

    if (!CertCreateCertificateChainEngine(&config, &engine) ||
        !CertGetCertificateChain(
            engine, certificate, NULL, certificate->hCertStore, &chain_parameters, 0, NULL, &chain) ||
        !CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_SSL, chain, &policy, &verdict))
        status = SEC_E_CERT_UNKNOWN;
    else
        status = (SECURITY_STATUS)verdict.dwError;
    if (chain != NULL) CertFreeCertificateChain(chain);
    if (engine != NULL) CertFreeCertificateChainEngine(engine);
    CertFreeCertificateContext(certificate);
    return status;
}

static enum tls_result echo(struct tls *tls, const char *text) {
    size_t missing = strlen(text);
    enum tls_result result = tls_send(tls, text, missing);
    while (result == TLS_OK && missing > 0) {
        const BYTE *data;
        ULONG length;
        result = tls_receive(tls, &data, &length);
        fwrite(data, 1, length, stdout);
        missing -= length < missing ? length : missing;
    }
    return result;
}

static enum tls_result get(struct tls *tls) {
    char request[512];
    const BYTE *data;
    ULONG length;
    enum tls_result result;
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %.300s\r\nConnection: close\r\n\r\n", tls->host);
    result = tls_send(tls, request, strlen(request));
    while (result == TLS_OK) {
        result = tls_receive(tls, &data, &length);
        fwrite(data, 1, length, stdout);
    }
    return result;
}

int main(int argc, char **argv) {
    static struct tls tls;
    struct options options;
    CredHandle credentials;
    HCERTSTORE authorities = NULL;
    enum tls_result result;
    int code;

    if (!parse(argc, argv, &options)) return usage();
    if (options.ca != NULL && (authorities = read_authorities(options.ca)) == NULL) {
        fprintf(stderr, WHO ": no certificate in %s\n", options.ca);
        return 1;
    }
    if (!net_begin()) return 2;
    tls.status = acquire_credentials(&options, &credentials);
    if (tls.status < 0) {
        fprintf(stderr, WHO ": no credentials: 0x%08x\n", (unsigned)tls.status);
        return 2;
    }
    tls.credentials = &credentials;
    tls.host = options.host;
    if (options.alpn != NULL) tls.alpn = tls_alpn(options.alpn, &tls.alpn_length);
    tls.socket = net_connect(options.host, options.port);
    if (tls.socket == NET_NONE) {
        fprintf(stderr, WHO ": cannot connect to %s, port %s\n", options.host, options.port);
        code = 2;
    } else if ((result = tls_handshake(&tls)) != TLS_OK) {
        tls_report(WHO ": handshake", &tls, tls_close(&tls, result));
        code = 2;
    } else if (authorities != NULL && (tls.status = check_certificate(&tls, authorities)) != SEC_E_OK) {
        SECURITY_STATUS why = tls.status;
        tls_send_alert(&tls, TLS1_ALERT_UNKNOWN_CA);
        tls.status = why;
        tls_report(WHO ": certificate", &tls, tls_close(&tls, TLS_FAILED));
        code = 2;
    } else {
        tls_describe(WHO, &tls);
        result = options.say != NULL ? echo(&tls, options.say) : get(&tls);
        fflush(stdout);
        code = tls_report(WHO, &tls, tls_close(&tls, result));
    }

    FreeCredentialsHandle(&credentials);
    if (authorities != NULL) CertCloseStore(authorities, 0);
    free(tls.alpn);
    return code;
}
