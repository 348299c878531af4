/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What single programs rely on: the points of CALLERS.md, by their numbers, and what the sections say about them. */
#include "harness.h"

static SECURITY_STATUS call(
    struct end *end, BOOL accept, ULONG request, SecBufferDesc *input, SecBufferDesc *output, ULONG *attributes) {
    PCtxtHandle context = end->made ? &end->context : NULL;
    SECURITY_STATUS status =
        accept ? AcceptSecurityContext(
                     end->credential, context, input, request, 0, &end->context, output, attributes, NULL)
               : InitializeSecurityContextA(
                     end->credential, context, (SEC_CHAR *)HOST, request, 0, 0, input, 0, &end->context, output,
                     attributes, NULL);
    if (status >= 0) end->made = TRUE;
    if (status == SEC_E_OK) end->done = TRUE;
    return status;
}

/* A client's credential that has no session to resume. */
static CredHandle fresh_credential(enum variant variant) {
    CredHandle fresh;
    MUST(
        acquire(
            FALSE, SCH_CREDENTIALS_VERSION, SCH_CRED_MANUAL_CRED_VALIDATION | SCH_CRED_NO_DEFAULT_CREDS,
            FACTS[variant].protocols, NO_CERTIFICATE, &fresh) == SEC_E_OK);
    return fresh;
}

/* A server that asks for a certificate, up to the client's answer to its flight. */
static void begin_with_request(struct pair *pair, enum variant variant, PCredHandle client) {
    pair_make(pair, variant, SERVER);
    pair->client.credential = client;
    pair->server.request |= MUTUAL;
    CHECK_STATUS(end_token_empty(&pair->client, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(end_token(&pair->server, NULL), SEC_I_CONTINUE_NEEDED);
}

/*
 * B2. SEC_I_INCOMPLETE_CREDENTIALS: some hand in the same bytes again, some an empty token; with the same credential, or with one that has
 * a certificate.
 */
static void incomplete_credentials(enum variant variant, char again, BOOL with_certificate) {
    struct pair pair;
    scene(
        "B2, %s, %s, %s certificate", FACTS[variant].name,
        again == 'T'   ? "the same bytes"
        : again == '0' ? "an empty TOKEN"
                       : "an empty TOKEN with an address",
        with_certificate ? "with a" : "without a");
    CredHandle fresh = fresh_credential(variant);
    begin_with_request(&pair, variant, &fresh);
    struct end *client = &pair.client;
    struct bytes before = {0}, token = {0};
    bytes_add(&before, client->in.data, client->in.length);
    CHECK_STATUS(end_token(client, &token), SEC_I_INCOMPLETE_CREDENTIALS);
    CHECK_EQ(token.length, 0);
    CHECK_BYTES(client->in.data, client->in.length, before.data, before.length);
    SecPkgContext_IssuerListInfoEx issuers = {0};
    CHECK_STATUS(QueryContextAttributesA(&client->context, SECPKG_ATTR_ISSUER_LIST_EX, &issuers), SEC_E_OK);
    CHECK_STATUS(FreeContextBuffer(issuers.aIssuers), SEC_E_OK);

    if (with_certificate) client->credential = credential(variant, FALSE, CLIENT);
    BYTE *copy = copy_of(before.data, before.length);
    SecBuffer in[2] = {
        again == 'T' ? buffer(SECBUFFER_TOKEN, copy, (ULONG)before.length)
                     : buffer(SECBUFFER_TOKEN, again == '0' ? NULL : copy, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(in, 2), output = descriptor(&out, 1);
    ULONG attributes;
    CHECK_STATUS(
        call(client, FALSE, client->request, &input, &output, &attributes),
        variant == TLS13 ? SEC_E_OK : SEC_I_CONTINUE_NEEDED);
    CHECK_EQ(in[1].BufferType, SECBUFFER_EMPTY);
    CHECK(out.cbBuffer > 0);
    end_put(client, out.pvBuffer, out.cbBuffer);
    CHECK_STATUS(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
    client->in.length = 0;
    pair_connect(&pair);

    PCCERT_CONTEXT remote = NULL;
    CHECK_STATUS(
        QueryContextAttributesA(&pair.server.context, SECPKG_ATTR_REMOTE_CERT_CONTEXT, &remote),
        with_certificate ? SEC_E_OK : SEC_E_NO_CREDENTIALS);
    if (remote != NULL) CHECK(CertFreeCertificateContext(remote));
    check_data(client, "there");
    check_data(&pair.server, "and back");
    free(copy);
    bytes_free(&before);
    pair_close(&pair);
    CHECK_STATUS(FreeCredentialsHandle(&fresh), SEC_E_OK);
}

/* curl: USE_SUPPLIED_CREDS means that nobody is asked. */
static void use_supplied_credentials(enum variant variant) {
    struct pair pair;
    scene("6.5, USE_SUPPLIED_CREDS, %s", FACTS[variant].name);
    CredHandle fresh = fresh_credential(variant);
    pair_make(&pair, variant, SERVER);
    pair.client.credential = &fresh;
    pair.client.request |= ISC_REQ_USE_SUPPLIED_CREDS;
    pair.server.request |= MUTUAL;
    pair_connect(&pair);
    check_data(&pair.client, "anonymous");
    pair_close(&pair);
    CHECK_STATUS(FreeCredentialsHandle(&fresh), SEC_E_OK);
}

/* B1, B5. Qt's server: InitializeSecurityContext behind the ClientHello, and the exact bits that come back. */
static void qt_server_bits(enum variant variant, BOOL verify) {
    struct pair pair;
    SECURITY_STATUS status = SEC_I_CONTINUE_NEEDED;
    ULONG request = verify ? 0x811e : 0x811c, attributes = 0;
    scene("B5, %s, %s", FACTS[variant].name, verify ? "VerifyPeer" : "VerifyNone");
    pair_make(&pair, variant, SERVER);
    pair.client.credential = credential(variant, FALSE, CLIENT);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    struct end *server = &pair.server;
    while (!server->done) {
        if (server->in.length == 0) {
            status = end_token(&pair.client, NULL);
            MUST(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED);
            continue;
        }
        BOOL first = !server->made;
        ULONG length = (ULONG)server->in.length;
        BYTE *copy = copy_of(server->in.data, length);
        SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, copy, length), buffer(SECBUFFER_EMPTY, NULL, 0)};
        SecBuffer out[3] = {
            buffer(SECBUFFER_TOKEN, NULL, 0), buffer(SECBUFFER_ALERT, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0)};
        SecBufferDesc input = descriptor(in, 2), output = descriptor(out, 3);
        status = call(server, first, request, &input, &output, &attributes);
        if (!CHECK(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)) break;
        if (first) CHECK_EQ(attributes & ASC_RET_STREAM, ASC_RET_STREAM);
        bytes_drop(&server->in, length);
        if (out[0].cbBuffer > 0) end_put(server, out[0].pvBuffer, out[0].cbBuffer);
        CHECK_STATUS(FreeContextBuffer(out[0].pvBuffer), SEC_E_OK);
        free(copy);
    }
    /* InitializeSecurityContext's numbers: STREAM is 0x8000, and 0x10000 would be INTEGRITY. */
    CHECK_EQ(attributes & ~(ULONG)MUTUAL, 0x811c);
    if (!verify) CHECK_EQ(attributes & MUTUAL, 0);
    if (!pair.client.done) CHECK_STATUS(end_token(&pair.client, NULL), SEC_E_OK);
    pair_close(&pair);
}

/* B7. msquic wants messages without records, which is refused before there is a context. */
static void msquic(void) {
    BYTE room[2000], secrets[600];
    SEC_FLAGS flags = {0x100000000u};
    BYTE protocols[] = {12, 0, 0, 0, 2, 0, 0, 0, 6, 0, 5, 'h', '3', '-', '2', '9'};
    CtxtHandle context = {9, 9};
    ULONG attributes;
    scene("B7");
    protocols[0] = sizeof protocols - 4;
    SecBuffer in[] = {
        buffer(SECBUFFER_APPLICATION_PROTOCOLS, protocols, sizeof protocols), buffer(SECBUFFER_EMPTY, NULL, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_FLAGS, &flags, sizeof flags),
        buffer(SECBUFFER_SEND_GENERIC_TLS_EXTENSION, room, 8)};
    SecBuffer out[] = {
        buffer(SECBUFFER_TOKEN, room, sizeof room), buffer(SECBUFFER_ALERT, room, 2),
        buffer(SECBUFFER_TRAFFIC_SECRETS, secrets, sizeof secrets)};
    SecBufferDesc input = descriptor(in, 5), output = descriptor(out, 3);
    memset(room, 0, sizeof room);
    CHECK_STATUS(
        InitializeSecurityContextA(
            credential(TLS13, FALSE, NO_CERTIFICATE), NULL, (SEC_CHAR *)HOST, 0xc018, 0, SECURITY_NATIVE_DREP, &input, 0,
            &context, &output, &attributes, NULL),
        SEC_E_UNSUPPORTED_FUNCTION);
    CHECK_EQ(context.dwLower, 9);
}

/* B9. Counts before pointers. */
static void counts_before_pointers(void) {
    PCCERT_CONTEXT none = NULL;
    SCHANNEL_CRED old = {0};
    SCH_CREDENTIALS new = {0};
    TLS_PARAMETERS parameters = {0};
    CRYPTO_SETTINGS setting;
    CredHandle handle;
    scene("B9");
#define ACQUIRE(data) \
    AcquireCredentialsHandleA( \
        NULL, (SEC_CHAR *)UNISP_NAME_A, SECPKG_CRED_OUTBOUND, NULL, data, NULL, NULL, &handle, NULL)
    old.dwVersion = SCHANNEL_CRED_VERSION;
    old.paCred = (PCCERT_CONTEXT *)(uintptr_t)8;
    old.palgSupportedAlgs = (ALG_ID *)(uintptr_t)4;
    CHECK_STATUS(ACQUIRE(&old), SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&handle), SEC_E_OK);
    new.dwVersion = SCH_CREDENTIALS_VERSION;
    new.paCred = &none;
    new.cTlsParameters = 1;
    new.pTlsParameters = &parameters;
    /* curl: an address, and no settings. The bytes behind it are nobody's. */
    memset(&setting, 0xee, sizeof setting);
    parameters.pDisabledCrypto = &setting;
    CHECK_STATUS(ACQUIRE(&new), SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&handle), SEC_E_OK);
    new.cTlsParameters = 0;
    new.pTlsParameters = (PTLS_PARAMETERS)(uintptr_t)8;
    CHECK_STATUS(ACQUIRE(&new), SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&handle), SEC_E_OK);
    /* WinPR's test: TLS 1.0 and nothing else. */
    old.grbitEnabledProtocols = SP_PROT_TLS1_0_CLIENT | SP_PROT_SSL3_CLIENT;
    CHECK_STATUS(ACQUIRE(&old), SEC_E_ALGORITHM_MISMATCH);
#undef ACQUIRE
}

/* B3. Qt and .NET leave dwVersion zero; B10. MariaDB takes the query's status for that of the handshake, and deletes twice. */
static void queries(enum variant variant) {
    struct pair pair;
    SecPkgContext_StreamSizes sizes;
    SecPkgContext_CipherInfo cipher;
    SecPkgContext_ConnectionInfo connection;
    scene("B3, B10, %s", FACTS[variant].name);
    pair_make(&pair, variant, SERVER);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(QueryContextAttributesA(&pair.client.context, SECPKG_ATTR_STREAM_SIZES, &sizes), SEC_E_INVALID_HANDLE);
    pair_connect(&pair);
    for (DWORD version = 0; version < 4; version++) {
        memset(&cipher, 0xee, sizeof cipher);
        cipher.dwVersion = version;
        CHECK_STATUS(QueryContextAttributesA(&pair.client.context, SECPKG_ATTR_CIPHER_INFO, &cipher), SEC_E_OK);
        CHECK_EQ(cipher.dwProtocol, variant == TLS13 ? 0x304 : 0x303);
    }
    CHECK_STATUS(QueryContextAttributesA(&pair.client.context, SECPKG_ATTR_CONNECTION_INFO, &connection), SEC_E_OK);
    CHECK_EQ(connection.dwProtocol, variant == TLS13 ? SP_PROT_TLS1_3_CLIENT : SP_PROT_TLS1_2_CLIENT);
    CtxtHandle gone = pair.client.context;
    CHECK_STATUS(DeleteSecurityContext(&gone), SEC_E_OK);
    CHECK_STATUS(DeleteSecurityContext(&gone), SEC_E_OK);
    CHECK_STATUS(QueryContextAttributesA(&gone, SECPKG_ATTR_STREAM_SIZES, &sizes), SEC_E_INVALID_HANDLE);
    pair.client.made = FALSE;
    pair_close(&pair);
}

/*
 * The server's certificate is refused: MariaDB and Poco send what the token holds if EXTENDED_ERROR is among the bits returned, and
 * read those bits behind a failure. The server learns the reason.
 */
static void refused_certificate(enum variant variant, BOOL extended_error) {
    struct pair pair;
    CredHandle strict;
    scene("2.4, refused certificate, %s%s", FACTS[variant].name, extended_error ? ", EXTENDED_ERROR" : "");
    MUST(
        acquire(
            FALSE, SCH_CREDENTIALS_VERSION,
            SCH_CRED_AUTO_CRED_VALIDATION | SCH_CRED_IGNORE_NO_REVOCATION_CHECK | SCH_CRED_NO_DEFAULT_CREDS,
            FACTS[variant].protocols, NO_CERTIFICATE, &strict) == SEC_E_OK);
    pair_make(&pair, variant, OTHER_SERVER); /* which nobody trusts */
    pair.client.credential = &strict;
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    struct end *client = &pair.client;
    SecBuffer in[2] = {
        buffer(SECBUFFER_TOKEN, client->in.data, (ULONG)client->in.length), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out[2] = {buffer(SECBUFFER_TOKEN, NULL, 0), buffer(SECBUFFER_ALERT, NULL, 0)};
    SecBufferDesc input = descriptor(in, 2), output = descriptor(out, 2);
    ULONG attributes = 0, request = extended_error ? 0xc11c : 0x811c;
    CHECK_STATUS(call(client, FALSE, request, &input, &output, &attributes), SEC_E_UNTRUSTED_ROOT);
    CHECK_EQ(attributes, request);
    CHECK_EQ(out[1].cbBuffer, 0);
    if (extended_error) {
        CHECK(out[0].cbBuffer > 0);
        end_put(client, out[0].pvBuffer, out[0].cbBuffer);
        CHECK_STATUS(end_token(&pair.server, NULL), SEC_E_UNTRUSTED_ROOT);
    } else {
        CHECK_EQ(out[0].cbBuffer, 0);
    }
    CHECK_STATUS(FreeContextBuffer(out[0].pvBuffer), SEC_E_OK);
    CHECK_STATUS(end_token(client, NULL), SEC_E_CONTEXT_EXPIRED);
    PCCERT_CONTEXT remote = NULL;
    CHECK_STATUS(QueryContextAttributesA(&client->context, SECPKG_ATTR_REMOTE_CERT_CONTEXT, &remote), SEC_E_OK);
    if (remote != NULL) CHECK(CertFreeCertificateContext(remote));
    pair_close(&pair);
    CHECK_STATUS(FreeCredentialsHandle(&strict), SEC_E_OK);
}

/* c-ares, .NET: the program itself refuses the certificate behind the handshake, and says so. */
static void refused_by_the_program(enum variant variant) {
    struct pair pair;
    struct message message;
    scene("4.4 #21, %s", FACTS[variant].name);
    pair_open(&pair, variant);
    CHECK_STATUS(end_control_alert(&pair.client, 2, 42), SEC_E_OK);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_E_OK);
    CHECK_EQ(pair.server.in.length, FACTS[variant].alert);
    CHECK_STATUS(end_decrypt(&pair.server, &message), SEC_E_CERT_UNKNOWN);
    pair_close(&pair);
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    for (int variant = 0; variant < VARIANTS; variant++) {
        if (variant == TLS12_CHACHA) continue;
        for (int with = 0; with < 2; with++) {
            incomplete_credentials(variant, 'T', with);
            incomplete_credentials(variant, '0', with);
            incomplete_credentials(variant, 'p', with);
            qt_server_bits(variant, with);
            refused_certificate(variant, with);
        }
        use_supplied_credentials(variant);
        queries(variant);
        refused_by_the_program(variant);
    }
    msquic();
    counts_before_pointers();
    return harness_end("particulars");
}
