/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Wrong handles, wrong pointers and wrong buffers: a documented status, and a connection that goes on as if nothing had been. */
#include "harness.h"

/* Handles. */

static void wrong_context(CtxtHandle *handle, SECURITY_STATUS expected) {
    BYTE room[100];
    SecBuffer buffers[4] = {
        buffer(SECBUFFER_TOKEN, room, sizeof room), buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc message = descriptor(buffers, 4);
    SecPkgContext_StreamSizes sizes;
    ULONG attributes, qop;
    HANDLE token;
    DWORD control = SCHANNEL_SHUTDOWN;
    memset(room, 0, sizeof room);
    if (handle != NULL) {
        for (int variant = 0; variant < VARIANTS; variant++) {
            CHECK_STATUS(
                InitializeSecurityContextA(
                    credential(variant, FALSE, NO_CERTIFICATE), handle, NULL, 0, 0, 0, &message, 0, NULL, &message,
                    &attributes, NULL),
                expected);
            CHECK_STATUS(
                AcceptSecurityContext(
                    credential(variant, TRUE, SERVER), handle, &message, 0, 0, NULL, &message, &attributes, NULL),
                expected);
        }
    }
    SecBuffer one = buffer(SECBUFFER_TOKEN, &control, sizeof control);
    SecBufferDesc shutdown = descriptor(&one, 1);
    CHECK_STATUS(ApplyControlToken(handle, &shutdown), expected);
    CHECK_STATUS(ApplyControlToken(handle, NULL), expected);
    buffers[0].BufferType = SECBUFFER_DATA;
    CHECK_STATUS(EncryptMessage(handle, 0, &message, 0), expected);
    CHECK_STATUS(EncryptMessage(handle, 77, NULL, 0), expected);
    CHECK_STATUS(DecryptMessage(handle, &message, 0, &qop), expected);
    CHECK_STATUS(DecryptMessage(handle, NULL, 0, NULL), expected);
    CHECK_STATUS(QueryContextAttributesA(handle, SECPKG_ATTR_STREAM_SIZES, &sizes), expected);
    CHECK_STATUS(QueryContextAttributesW(handle, SECPKG_ATTR_STREAM_SIZES, NULL), expected);
    CHECK_STATUS(QueryContextAttributesA(handle, 0x7777, NULL), expected);
    CHECK_STATUS(SetContextAttributesW(handle, SECPKG_ATTR_APP_DATA, room, sizeof room), expected);
    CHECK_STATUS(CompleteAuthToken(handle, &message), expected);
    CHECK_STATUS(MakeSignature(handle, 0, &message, 0), expected);
    CHECK_STATUS(VerifySignature(handle, &message, 0, &qop), expected);
    CHECK_STATUS(ImpersonateSecurityContext(handle), expected);
    CHECK_STATUS(RevertSecurityContext(handle), expected);
    CHECK_STATUS(QuerySecurityContextToken(handle, &token), expected);
    for (int index = 1; index < 4; index++) CHECK_EQ(buffers[index].BufferType, SECBUFFER_EMPTY);
}

static void wrong_credential(CredHandle *handle) {
    SecPkgCred_SupportedProtocols protocols;
    CtxtHandle made = {3, 4};
    SecBuffer in = buffer(SECBUFFER_TOKEN, "abc", 3), out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(&in, 1), output = descriptor(&out, 1);
    ULONG attributes;
    CHECK_STATUS(
        InitializeSecurityContextA(
            handle, NULL, (SEC_CHAR *)HOST, ISC_REQ_ALLOCATE_MEMORY, 0, 0, NULL, 0, &made, &output, &attributes, NULL),
        SEC_E_INVALID_HANDLE);
    CHECK_STATUS(
        AcceptSecurityContext(handle, NULL, &input, ASC_REQ_ALLOCATE_MEMORY, 0, &made, &output, &attributes, NULL),
        SEC_E_INVALID_HANDLE);
    CHECK_EQ(made.dwLower, 3);
    CHECK(out.pvBuffer == NULL);
    CHECK_STATUS(QueryCredentialsAttributesA(handle, SECPKG_ATTR_SUPPORTED_PROTOCOLS, &protocols), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(QueryCredentialsAttributesW(handle, 0x7777, NULL), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(FreeCredentialsHandle(handle), SEC_E_INVALID_HANDLE);
}

static void handles(enum variant variant) {
    struct pair pair;
    pair_open(&pair, variant);
    CtxtHandle good = pair.client.context;
    SecHandle wrong[] = {
        {0, 0}, {(ULONG_PTR)-1, (ULONG_PTR)-1}, {SEC_DELETED_HANDLE, SEC_DELETED_HANDLE}, {0, good.dwUpper},
        {good.dwLower, 0}, {good.dwLower + 1000, good.dwUpper}, {good.dwLower, ~good.dwUpper},
        {good.dwUpper, good.dwLower}, {(ULONG_PTR)&good, (ULONG_PTR)&good}, {1, 2}};
    scene("handles, NULL");
    wrong_context(NULL, SEC_E_INVALID_HANDLE);
    wrong_credential(NULL);
    CHECK_STATUS(DeleteSecurityContext(NULL), SEC_E_INVALID_HANDLE);
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        scene("handles, wrong one %lu", (unsigned long)index);
        wrong_context(&wrong[index], SEC_E_INVALID_HANDLE);
        wrong_credential(&wrong[index]);
        CHECK_STATUS(DeleteSecurityContext(&wrong[index]), SEC_E_INVALID_HANDLE);
    }
    scene("handles, the other kind");
    CredHandle client = *credential(variant, FALSE, NO_CERTIFICATE), server = *credential(variant, TRUE, SERVER);
    wrong_context(&client, SEC_E_INVALID_HANDLE);
    wrong_context(&server, SEC_E_INVALID_HANDLE);
    /* aws-c-io does this to its credentials. */
    CHECK_STATUS(DeleteSecurityContext(&client), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(DeleteSecurityContext(&server), SEC_E_INVALID_HANDLE);
    wrong_credential(&good);

    scene("handles, the other side's credential");
    SecBuffer in = buffer(SECBUFFER_TOKEN, "abc", 3), out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(&in, 1), output = descriptor(&out, 1);
    CtxtHandle made;
    ULONG attributes;
    CHECK_STATUS(
        InitializeSecurityContextA(&server, NULL, NULL, 0x100, 0, 0, NULL, 0, &made, &output, &attributes, NULL),
        SEC_E_INVALID_HANDLE);
    CHECK_STATUS(
        AcceptSecurityContext(&client, NULL, &input, 0x100, 0, &made, &output, &attributes, NULL),
        SEC_E_INVALID_HANDLE);

    scene("handles, all the same");
    check_data(&pair.client, "still there");
    check_data(&pair.server, "and here");
    pair_close(&pair);

    scene("handles, stale");
    wrong_context(&good, SEC_E_INVALID_HANDLE);
    CHECK_STATUS(DeleteSecurityContext(&good), SEC_E_OK);
    /* Its place is taken again; the old handle does not lead to the new context. */
    pair_open(&pair, variant);
    wrong_context(&good, SEC_E_INVALID_HANDLE);
    CHECK_STATUS(DeleteSecurityContext(&good), SEC_E_OK);
    check_data(&pair.client, "not this one");
    pair_close(&pair);

    scene("handles, stale credential");
    CredHandle freed;
    MUST(acquire(FALSE, SCH_CREDENTIALS_VERSION, 0x18, FACTS[variant].protocols, NO_CERTIFICATE, &freed) == SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&freed), SEC_E_OK);
    wrong_credential(&freed);
}

/* A credential goes before what was made with it. */
static void credentials_first(enum variant variant) {
    struct pair pair;
    CredHandle client, server;
    scene("credentials freed first, %s", FACTS[variant].name);
    MUST(acquire(FALSE, SCH_CREDENTIALS_VERSION, 0x18, FACTS[variant].protocols, NO_CERTIFICATE, &client) == SEC_E_OK);
    MUST(acquire(TRUE, SCH_CREDENTIALS_VERSION, 0x2, FACTS[variant].protocols, SERVER, &server) == SEC_E_OK);
    pair_make(&pair, variant, SERVER);
    pair.client.credential = &client;
    pair.server.credential = &server;
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(FreeCredentialsHandle(&client), SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&server), SEC_E_OK);
    CHECK_STATUS(end_token(&pair.client, NULL), SEC_E_INVALID_HANDLE);
    pair.client.credential = pair.server.credential = NULL;
    pair_connect(&pair);
    check_data(&pair.client, "without");
    /* With a control token the credential is not looked at: a stale one serves too. */
    pair.client.credential = &client;
    end_shutdown(&pair.client, NULL);
    check_closed(&pair.server);
    pair_close(&pair);
}

/* DeleteSecurityContext in every state of section 3. */
enum state { S1_CLIENT, S1_SERVER, S2, S3, S4, S5H, S5E, S6H, S6, S7, S8, S9, STATES };

static void delete_in(enum state state, enum variant variant) {
    struct pair pair;
    struct message message;
    CredHandle fresh;
    scene("delete in state %d, %s", (int)state, FACTS[variant].name);
    MUST(acquire(FALSE, SCH_CREDENTIALS_VERSION, 0x18, FACTS[variant].protocols, NO_CERTIFICATE, &fresh) == SEC_E_OK);
    pair_make(&pair, variant, SERVER);
    struct end *end = state == S1_SERVER ? &pair.server : &pair.client;
    pair.client.credential = &fresh;
    if (state == S2) pair.server.request |= MUTUAL;
    if (state == S1_CLIENT || state == S1_SERVER || state == S2 || state == S5H || state == S6H) {
        CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
        CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    } else {
        pair_connect(&pair);
    }
    switch (state) {
    case S2: CHECK_STATUS(end_token(end, NULL), SEC_I_INCOMPLETE_CREDENTIALS); break;
    case S4:
        if (variant != TLS13) break;
        end_key_update(end->peer, TRUE);
        CHECK_STATUS(end_decrypt(end, &message), SEC_I_RENEGOTIATE);
        break;
    case S5H: case S5E: CHECK_STATUS(end_control_shutdown(end), SEC_E_OK); break;
    case S6H: case S6: end_shutdown(end, NULL); break;
    case S7: end_shutdown(end->peer, NULL); check_closed(end); break;
    case S8: end_shutdown(end, NULL); end_shutdown(end->peer, NULL); check_closed(end); break;
    case S9:
        CHECK_STATUS(end_control_alert(end->peer, 2, 80), SEC_E_OK);
        CHECK_STATUS(end_token_empty(end->peer, NULL), SEC_E_OK);
        CHECK_STATUS(end_decrypt(end, &message), SEC_E_INTERNAL_ERROR);
        break;
    default: break;
    }
    CtxtHandle gone = end->context;
    size_t on_the_wire = end->peer->in.length;
    CHECK_STATUS(DeleteSecurityContext(&end->context), SEC_E_OK);
    CHECK(memcmp(&gone, &end->context, sizeof gone) == 0);
    CHECK_EQ(end->peer->in.length, on_the_wire);
    wrong_context(&gone, SEC_E_INVALID_HANDLE);
    CHECK_STATUS(DeleteSecurityContext(&gone), SEC_E_OK);
    end->made = FALSE;
    pair_close(&pair);
    CHECK_STATUS(FreeCredentialsHandle(&fresh), SEC_E_OK);
}

/* Pointers. */

static void null_pointers(void) {
    PCredHandle client = credential(TLS13, FALSE, NO_CERTIFICATE), server = credential(TLS13, TRUE, SERVER);
    SCHANNEL_CRED data = {0};
    CredHandle made;
    CtxtHandle context = {5, 6};
    SecPkgInfoA *info = (SecPkgInfoA *)&data, *all = NULL;
    SecPkgInfoW *wide = NULL;
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc output = descriptor(&out, 1);
    ULONG count;
    scene("NULL pointers");
    data.dwVersion = SCHANNEL_CRED_VERSION;
#define ACQUIRE(package, use, auth, handle) \
    AcquireCredentialsHandleA(NULL, (SEC_CHAR *)package, use, NULL, auth, NULL, NULL, handle, NULL)
    CHECK_STATUS(ACQUIRE(NULL, SECPKG_CRED_OUTBOUND, &data, &made), SEC_E_SECPKG_NOT_FOUND);
    CHECK_STATUS(ACQUIRE(UNISP_NAME_A, SECPKG_CRED_OUTBOUND, &data, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(ACQUIRE(UNISP_NAME_A, SECPKG_CRED_INBOUND, NULL, NULL), SEC_E_NO_CREDENTIALS);
    CHECK_STATUS(ACQUIRE(UNISP_NAME_A, SECPKG_CRED_BOTH, &data, &made), SEC_E_NO_CREDENTIALS);
    CHECK_STATUS(ACQUIRE(UNISP_NAME_A, 0, &data, &made), SEC_E_NO_CREDENTIALS);
    CHECK_STATUS(ACQUIRE(UNISP_NAME_A, SECPKG_CRED_OUTBOUND, NULL, &made), SEC_E_OK);
    CHECK_STATUS(FreeCredentialsHandle(&made), SEC_E_OK);
#undef ACQUIRE
    CHECK_STATUS(
        InitializeSecurityContextA(client, NULL, NULL, 0x100, 0, 0, NULL, 0, NULL, &output, NULL, NULL),
        SEC_E_INVALID_HANDLE);
    CHECK_STATUS(
        AcceptSecurityContext(server, NULL, NULL, 0x100, 0, &context, &output, NULL, NULL), SEC_E_INCOMPLETE_MESSAGE);
    CHECK_EQ(context.dwLower, 5);
    CHECK_STATUS(
        InitializeSecurityContextA(client, NULL, NULL, 0x100, 0, 0, NULL, 0, &context, &output, NULL, NULL),
        SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
    CHECK_STATUS(DeleteSecurityContext(&context), SEC_E_OK);
    CHECK_STATUS(EnumerateSecurityPackagesA(NULL, &all), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(EnumerateSecurityPackagesA(&count, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(EnumerateSecurityPackagesW(NULL, &wide), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(QuerySecurityPackageInfoA(NULL, &info), SEC_E_SECPKG_NOT_FOUND);
    CHECK_STATUS(QuerySecurityPackageInfoA((SEC_CHAR *)"no such package", &info), SEC_E_SECPKG_NOT_FOUND);
    CHECK(info == (SecPkgInfoA *)&data);
    CHECK_STATUS(QuerySecurityPackageInfoA((SEC_CHAR *)UNISP_NAME_A, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(QueryCredentialsAttributesA(client, SECPKG_ATTR_SUPPORTED_ALGS, NULL), SEC_E_INTERNAL_ERROR);
    CHECK_STATUS(QueryCredentialsAttributesA(client, SECPKG_ATTR_SUPPORTED_PROTOCOLS, NULL), SEC_E_INTERNAL_ERROR);
}

static void free_context_buffer(void) {
    SecPkgInfoA *info = NULL;
    scene("FreeContextBuffer");
    CHECK_STATUS(FreeContextBuffer(NULL), SEC_E_OK);
    CHECK_STATUS(QuerySecurityPackageInfoA((SEC_CHAR *)UNISP_NAME_A, &info), SEC_E_OK);
#ifndef _WIN32
    /* On Windows what is not ours may be the system's. */
    char *inside = (char *)info, *foreign = malloc(64);
    CHECK_STATUS(FreeContextBuffer(inside + 1), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(FreeContextBuffer(inside + 16), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(FreeContextBuffer(foreign), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(FreeContextBuffer(&info), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(FreeContextBuffer((void *)(uintptr_t)1), SEC_E_INVALID_PARAMETER);
    CHECK_EQ(info->wRPCID, UNISP_RPC_ID);
    CHECK_STATUS(FreeContextBuffer(info), SEC_E_OK);
    CHECK_STATUS(FreeContextBuffer(info), SEC_E_INVALID_PARAMETER);
    free(foreign);
#else
    CHECK_STATUS(FreeContextBuffer(info), SEC_E_OK);
#endif
}

/* Buffers. */

static void encrypt_buffers(enum variant variant, BOOL server) {
    struct pair pair;
    BYTE room[20000];
    const ULONG header = FACTS[variant].header, trailer = FACTS[variant].trailer, length = 100;
    pair_open(&pair, variant);
    struct end *end = server ? &pair.server : &pair.client;
    const SecBuffer h = buffer(SECBUFFER_STREAM_HEADER, room, header), d = buffer(SECBUFFER_DATA, room + 100, length),
                    r = buffer(SECBUFFER_STREAM_TRAILER, room + 300, trailer);
    const SecBuffer read_only = buffer(SECBUFFER_DATA | SECBUFFER_READONLY, room + 100, length),
                    checked = buffer(SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM, room + 100, length);
    const struct {
        ULONG qop;
        SECURITY_STATUS expected;
        ULONG count;
        SecBuffer buffers[4];
    } wrong[] = {
        {0, SEC_E_INVALID_TOKEN, 0, {{0}}},
        {0, SEC_E_INVALID_TOKEN, 1, {d}},
        {0, SEC_E_INVALID_TOKEN, 2, {h, d}},
        {0, SEC_E_INVALID_TOKEN, 2, {d, r}},
        {0, SEC_E_INVALID_TOKEN, 2, {h, r}},
        {0, SEC_E_INVALID_TOKEN, 4, {h, d, d, r}},
        {0, SEC_E_INVALID_TOKEN, 4, {h, h, d, r}},
        {0, SEC_E_INVALID_TOKEN, 4, {h, d, r, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, read_only, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, checked, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {{header, SECBUFFER_STREAM_HEADER | SECBUFFER_READONLY, room}, d, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, {length, SECBUFFER_DATA, room + header - 1}, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, d, {trailer, SECBUFFER_STREAM_TRAILER, room + 100 + length - 1}}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, d, {trailer, SECBUFFER_STREAM_TRAILER, room}}},
        {0, SEC_E_INVALID_TOKEN, 3, {h, {length, SECBUFFER_DATA, NULL}, r}},
        {0, SEC_E_INVALID_TOKEN, 3, {{header, SECBUFFER_STREAM_HEADER, NULL}, d, r}},
        {0, SEC_E_BUFFER_TOO_SMALL, 3, {{header - 1, SECBUFFER_STREAM_HEADER, room}, d, r}},
        {0, SEC_E_BUFFER_TOO_SMALL, 3, {h, d, {trailer - 1, SECBUFFER_STREAM_TRAILER, room + 300}}},
        {0, SEC_E_BUFFER_TOO_SMALL, 3, {{0, SECBUFFER_STREAM_HEADER, NULL}, d, r}},
        {0, SEC_E_ENCRYPT_FAILURE, 3, {h, {16385, SECBUFFER_DATA, room + 400}, r}},
        {1, SEC_E_QOP_NOT_SUPPORTED, 3, {h, d, r}},
        {SECQOP_WRAP_NO_ENCRYPT, SEC_E_QOP_NOT_SUPPORTED, 3, {h, d, r}},
        {0xffffffff, SEC_E_QOP_NOT_SUPPORTED, 3, {h, d, r}},
        /* Three bytes are no alert. */
        {SECQOP_WRAP_OOB_DATA, SEC_E_INVALID_TOKEN, 3, {h, {3, SECBUFFER_DATA, room + 100}, r}},
    };
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        SecBuffer buffers[4];
        scene("EncryptMessage, %s, buffers %lu", FACTS[variant].name, (unsigned long)index);
        memset(room, 0x5a, sizeof room);
        memcpy(buffers, wrong[index].buffers, sizeof buffers);
        SecBufferDesc message = descriptor(buffers, wrong[index].count);
        CHECK_STATUS(EncryptMessage(&end->context, wrong[index].qop, &message, 0), wrong[index].expected);
        CHECK(memcmp(buffers, wrong[index].buffers, sizeof buffers) == 0);
        size_t at = 0;
        while (at < sizeof room && room[at] == 0x5a) at++;
        CHECK_EQ(at, sizeof room);
    }
    CHECK_STATUS(EncryptMessage(&end->context, 0, NULL, 0), SEC_E_INVALID_TOKEN);

    scene("EncryptMessage, %s, all the same", FACTS[variant].name);
    check_data(end, "after all that");
    /* Pieces that lie apart, in the old types, and an empty message. */
    SecBuffer apart[3] = {
        buffer(SECBUFFER_TOKEN, room + 500, header), buffer(SECBUFFER_DATA, room, 5),
        buffer(SECBUFFER_TOKEN, room + 200, trailer)};
    SecBufferDesc message = descriptor(apart, 3);
    for (int empty = 0; empty < 2; empty++) {
        struct message read;
        memcpy(room, "apart", 5);
        if (empty) apart[1] = buffer(SECBUFFER_DATA, NULL, 0);
        apart[0].cbBuffer = header;
        apart[2].cbBuffer = trailer;
        CHECK_STATUS(EncryptMessage(&end->context, 0, &message, 0), SEC_E_OK);
        for (int piece = 0; piece < 3; piece++) end_put(end, apart[piece].pvBuffer, apart[piece].cbBuffer);
        CHECK_STATUS(end_decrypt(end->peer, &read), SEC_E_OK);
        CHECK_BYTES(read.data.data, read.data.length, "apart", empty ? 0 : 5);
        message_free(&read);
    }
    pair_close(&pair);
}

static void descriptors(enum variant variant) {
    struct pair pair;
    SecBuffer one = buffer(SECBUFFER_TOKEN, NULL, 0), many[70];
    SecBufferDesc sane = descriptor(&one, 1), nowhere = descriptor(NULL, 1), endless = descriptor(&one, 0xffffffff),
                  too_many = descriptor(many, 70);
    SecBufferDesc *const wrong[] = {&nowhere, &endless, &too_many};
    ULONG attributes;
    for (int index = 0; index < 70; index++) many[index] = buffer(SECBUFFER_EMPTY, NULL, 0);
    pair_open(&pair, variant);
    struct end *end = &pair.client;
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        CtxtHandle made = {8, 9};
        scene("descriptor %lu, %s", (unsigned long)index, FACTS[variant].name);
        CHECK_STATUS(EncryptMessage(&end->context, 0, wrong[index], 0), SEC_E_INVALID_TOKEN);
        CHECK_STATUS(DecryptMessage(&end->context, wrong[index], 0, NULL), SEC_E_INVALID_TOKEN);
        CHECK_STATUS(ApplyControlToken(&end->context, wrong[index]), SEC_E_INVALID_TOKEN);
        CHECK_STATUS(
            InitializeSecurityContextA(
                end->credential, NULL, NULL, 0x100, 0, 0, wrong[index], 0, &made, &sane, &attributes, NULL),
            SEC_E_INVALID_TOKEN);
        CHECK_STATUS(
            InitializeSecurityContextA(
                end->credential, NULL, NULL, 0x100, 0, 0, NULL, 0, &made, wrong[index], &attributes, NULL),
            SEC_E_INVALID_TOKEN);
        CHECK_STATUS(
            InitializeSecurityContextA(
                end->credential, &end->context, NULL, 0x100, 0, 0, wrong[index], 0, NULL, &sane, &attributes, NULL),
            SEC_E_INVALID_TOKEN);
        CHECK_STATUS(
            AcceptSecurityContext(
                pair.server.credential, NULL, wrong[index], 0x100, 0, &made, &sane, &attributes, NULL),
            SEC_E_INVALID_TOKEN);
        CHECK_EQ(made.dwLower, 8);
    }
    scene("an EMPTY with a length, %s", FACTS[variant].name);
    SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, NULL, 0), buffer(SECBUFFER_EMPTY, many, 16)};
    SecBufferDesc input = descriptor(in, 2);
    CHECK_STATUS(
        InitializeSecurityContextA(
            end->credential, &end->context, NULL, 0x100, 0, 0, &input, 0, NULL, &sane, &attributes, NULL),
        SEC_E_INVALID_TOKEN);
    in[0] = buffer(SECBUFFER_TOKEN, NULL, 7);
    in[1] = buffer(SECBUFFER_EMPTY, NULL, 0);
    CHECK_STATUS(
        InitializeSecurityContextA(
            end->credential, &end->context, NULL, 0x100, 0, 0, &input, 0, NULL, &sane, &attributes, NULL),
        SEC_E_INVALID_TOKEN);
    check_data(end, "all the same");
    pair_close(&pair);
}

/* What is no TLS makes no context, or leaves one that can only be deleted. */
static void garbage(enum variant variant) {
    struct pair pair;
    struct bytes token = {0};
    static const BYTE patterns[] = {0xfa, 0x00, 0x16, 0x80};
    for (size_t index = 0; index < sizeof patterns; index++) {
        BYTE noise[300];
        memset(noise, patterns[index], sizeof noise);
        for (int server = 0; server < 2; server++) {
            scene("garbage 0x%02x, %s, %s", patterns[index], server ? "server" : "client", FACTS[variant].name);
            pair_make(&pair, variant, SERVER);
            struct end *end = server ? &pair.server : &pair.client;
            if (!server) CHECK_STATUS(end_token_empty(end, NULL), SEC_I_CONTINUE_NEEDED);
            bytes_free(&end->in);
            bytes_add(&end->in, noise, sizeof noise);
            SECURITY_STATUS status = end_token(end, &token);
            CHECK(status == SEC_E_INVALID_TOKEN || status == SEC_E_ILLEGAL_MESSAGE || status == SEC_E_INCOMPLETE_MESSAGE);
            if (patterns[index] == 0xfa) CHECK_STATUS(status, SEC_E_INVALID_TOKEN);
            if (status == SEC_E_INVALID_TOKEN) CHECK_EQ(token.length, 0);
            CHECK_EQ(end->made, !server);
            bytes_free(&token);
            pair_close(&pair);
        }
        struct message message;
        pair_open(&pair, variant);
        scene("garbage 0x%02x, as data, %s", patterns[index], FACTS[variant].name);
        end_put(&pair.client, noise, sizeof noise);
        SECURITY_STATUS status = end_decrypt(&pair.server, &message);
        CHECK(status == SEC_E_ILLEGAL_MESSAGE || status == SEC_E_INCOMPLETE_MESSAGE);
        if (status == SEC_E_ILLEGAL_MESSAGE)
            CHECK_STATUS(end_decrypt(&pair.server, &message), SEC_E_CONTEXT_EXPIRED);
        pair_close(&pair);
    }
}

/* Every bit of a record's body counts. */
static void forged(enum variant variant) {
    struct pair pair;
    struct message message;
    for (ULONG at = FACTS[variant].header; at < FACTS[variant].header + 4 + 16; at++) {
        scene("forged at byte %lu, %s", (unsigned long)at, FACTS[variant].name);
        pair_open(&pair, variant);
        CHECK_STATUS(end_encrypt(&pair.client, "true", 4, NULL), SEC_E_OK);
        pair.server.in.data[at] ^= 0x10;
        CHECK_STATUS(end_decrypt(&pair.server, &message), SEC_E_MESSAGE_ALTERED);
        CHECK_STATUS(end_decrypt(&pair.server, &message), SEC_E_CONTEXT_EXPIRED);
        /* The peer is told why. */
        struct bytes token = {0};
        end_shutdown(&pair.server, &token);
        CHECK_EQ(token.length, FACTS[variant].alert);
        end_put(&pair.server, token.data, token.length);
        CHECK_STATUS(end_decrypt(&pair.client, &message), SEC_E_MESSAGE_ALTERED);
        bytes_free(&token);
        pair_close(&pair);
    }
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    null_pointers();
    free_context_buffer();
    for (int variant = 0; variant < VARIANTS; variant++) {
        handles(variant);
        if (variant != TLS12_CHACHA) {
            credentials_first(variant);
            for (int state = 0; state < STATES; state++) delete_in(state, variant);
        }
        for (int server = 0; server < 2; server++) encrypt_buffers(variant, server);
        descriptors(variant);
        garbage(variant);
        forged(variant);
    }
    return harness_end("misuse");
}
