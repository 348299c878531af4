/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The checks at the end of docs/schannel-behaviour.md, by their numbers; 2 is callers.c, 10 is alerts.c. */
#include "harness.h"

/* One raw token call of the side, with all that the plain shape decides left open. */
static SECURITY_STATUS raw_call(
    struct end *end, BOOL accept, PCtxtHandle context, ULONG request, SecBufferDesc *input, PCtxtHandle created,
    SecBufferDesc *output, ULONG *attributes) {
    if (accept)
        return AcceptSecurityContext(
            end->credential, context, input, request, 0, created, output, attributes, NULL);
    return InitializeSecurityContextA(
        end->credential, context, (SEC_CHAR *)HOST, request, 0, 0, input, 0, created, output, attributes, NULL);
}

/*
 * 1. The sequence of Wine's test, for a client in its handshake: what ApplyControlToken refuses, and the alert in plaintext. Wine's test
 * asks for TLS 1.0, which is not here; the record has the version that the ClientHello's has (section 4.3).
 */
static void wine_sequence(enum variant variant) {
    BYTE close[7] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x01, 0x00};
    BYTE fatal[7] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x2a};
    struct pair pair;
    BYTE room[1000], garbage[1000];
    DWORD control[3] = {SCHANNEL_SHUTDOWN, 0, 0};
    ULONG attributes;
    scene("1, %s", FACTS[variant].name);
    pair_make(&pair, variant, SERVER);
    struct end *end = &pair.client;
    CHECK_STATUS(end_token_empty(end, NULL), SEC_I_CONTINUE_NEEDED);
    memcpy(close + 1, pair.server.in.data + 1, 2);
    memcpy(fatal + 1, close + 1, 2);

    SecBuffer one[2] = {buffer(SECBUFFER_TOKEN, control, 4), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc input = descriptor(one, 1);
    CHECK_STATUS(ApplyControlToken(NULL, &input), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(ApplyControlToken(NULL, NULL), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(ApplyControlToken(&end->context, NULL), SEC_E_INTERNAL_ERROR);
    input.cBuffers = 2;
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_INVALID_TOKEN);
    input.cBuffers = 0;
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_INVALID_TOKEN);
    input.cBuffers = 1;
    one[0].BufferType = SECBUFFER_DATA;
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_INVALID_TOKEN);
    one[0].BufferType = SECBUFFER_ALERT;
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_INVALID_TOKEN);
    one[0].BufferType = SECBUFFER_TOKEN;
    one[0].cbBuffer = 2;
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_UNSUPPORTED_FUNCTION);
    one[0] = buffer(SECBUFFER_TOKEN, NULL, 4);
    CHECK_STATUS(ApplyControlToken(&end->context, &input), SEC_E_INVALID_TOKEN);
    control[0] = SCHANNEL_RENEGOTIATE;
    CHECK_STATUS(end_control(end, control, 4), SEC_E_UNSUPPORTED_FUNCTION);
    control[0] = 4;
    CHECK_STATUS(end_control(end, control, 4), SEC_E_UNSUPPORTED_FUNCTION);
    control[0] = SCHANNEL_ALERT;
    CHECK_STATUS(end_control(end, control, 11), SEC_E_INVALID_TOKEN);
    control[0] = SCHANNEL_SESSION;
    CHECK_STATUS(end_control(end, control, 7), SEC_E_INVALID_TOKEN);
    control[1] = SSL_SESSION_DISABLE_RECONNECTS;
    CHECK_STATUS(end_control(end, control, 8), SEC_E_OK);

    control[0] = SCHANNEL_SHUTDOWN;
    CHECK_STATUS(end_control(end, control, 5), SEC_E_OK);
    CHECK_STATUS(end_control(end, control, 4), SEC_E_OK);

    /* Garbage for an input, a buffer of the caller's for the output. */
    memset(garbage, 0xfa, sizeof garbage);
    SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, garbage, sizeof garbage), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out = buffer(SECBUFFER_TOKEN, room, sizeof room);
    SecBufferDesc token = descriptor(in, 2), output = descriptor(&out, 1);
    CtxtHandle created = {1, 1};
    CHECK_STATUS(raw_call(end, FALSE, &end->context, 0, &token, &created, &output, &attributes), SEC_E_OK);
    CHECK(memcmp(&created, &end->context, sizeof created) == 0);
    CHECK_EQ(in[1].BufferType, SECBUFFER_EMPTY);
    CHECK_EQ(in[1].cbBuffer, 0);
    CHECK_EQ(attributes, 0x801c);
    CHECK(out.pvBuffer == room);
    CHECK_BYTES(room, out.cbBuffer, close, 7);

    /* Nothing waits any more, and the handshake does. */
    memset(&created, 0, sizeof created);
    out = buffer(SECBUFFER_TOKEN, room, sizeof room);
    CHECK_STATUS(
        raw_call(end, FALSE, &end->context, 0, NULL, &created, &output, &attributes), SEC_E_INCOMPLETE_MESSAGE);
    CHECK_EQ(out.BufferType, SECBUFFER_TOKEN);
    CHECK_EQ(out.cbBuffer, sizeof room);
    CHECK_EQ(created.dwLower, 0);
    CHECK_EQ(created.dwUpper, 0);

    CHECK_STATUS(end_control_shutdown(end), SEC_E_OK);
    CHECK_STATUS(raw_call(end, FALSE, &end->context, 0, NULL, NULL, &output, &attributes), SEC_E_OK);
    CHECK_BYTES(room, out.cbBuffer, close, 7);
    CHECK_STATUS(end_control_alert(end, 2, 42), SEC_E_OK);
    out.cbBuffer = sizeof room;
    CHECK_STATUS(raw_call(end, FALSE, &end->context, 0, NULL, NULL, &output, &attributes), SEC_E_OK);
    CHECK_BYTES(room, out.cbBuffer, fatal, 7);
    pair_close(&pair);
}

/* MISSING in a handshake call: section 2.4. */
static void missing_counts(enum variant variant, BOOL server) {
    struct pair pair;
    scene("2.4, MISSING, %s, %s", FACTS[variant].name, role(server));
    pair_make(&pair, variant, SERVER);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    if (!server) CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    ULONG record = 5 + (end->in.data[3] << 8 | end->in.data[4]);
    MUST(record <= end->in.length);
    for (ULONG length = 0; length < record; length += length < 8 ? 1 : 17) {
        BYTE *copy = copy_of(end->in.data, length);
        SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, copy, length), buffer(SECBUFFER_EMPTY, NULL, 0)};
        SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
        SecBufferDesc input = descriptor(in, 2), output = descriptor(&out, 1);
        CtxtHandle created = {77, 77};
        ULONG attributes = 0;
        CHECK_STATUS(
            raw_call(
                end, server, end->made ? &end->context : NULL, end->request, &input, &created, &output, &attributes),
            SEC_E_INCOMPLETE_MESSAGE);
        CHECK_EQ(created.dwLower, 77);
        CHECK_EQ(in[0].BufferType, SECBUFFER_TOKEN);
        CHECK_EQ(in[0].cbBuffer, length);
        CHECK_EQ(in[1].BufferType, SECBUFFER_MISSING);
        CHECK_EQ(in[1].cbBuffer, length < 5 ? 5 - length : record - length);
        CHECK_EQ(out.BufferType, SECBUFFER_TOKEN);
        CHECK_EQ(out.cbBuffer, 0);
        CHECK(out.pvBuffer == NULL);
        free(copy);
    }
    pair_connect(&pair);
    pair_close(&pair);
}

/* 3. Data and close_notify in one piece; cut at every byte; junk behind; two messages. */
static void data_and_close(enum variant variant, BOOL server) {
    static const char text[] = "both";
    static const char second[] = "and another one";
    struct pair pair;
    struct message message;
    struct bytes wire = {0};

    scene("3, one piece, %s, %s reads", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_encrypt(end->peer, text, 4, NULL), SEC_E_OK);
    CHECK_STATUS(end_encrypt(end->peer, second, sizeof second - 1, NULL), SEC_E_OK);
    end_shutdown(end->peer, NULL);
    end_put(end->peer, "junk", 4);
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_OK);
    CHECK_BYTES(message.data.data, message.data.length, text, 4);
    message_free(&message);
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_OK);
    CHECK_BYTES(message.data.data, message.data.length, second, sizeof second - 1);
    CHECK_EQ(message.extra, FACTS[variant].alert + 4);
    message_free(&message);
    CHECK_STATUS(end_decrypt(end, &message), SEC_I_CONTEXT_EXPIRED);
    CHECK_EQ(message.data.length, 0);
    CHECK_EQ(message.extra, 4);
    message_free(&message);
    pair_close(&pair);

    for (size_t cut = 0;; cut++) {
        pair_open(&pair, variant);
        end = end_of(&pair, server);
        scene("3, cut at byte %lu, %s, %s reads", (unsigned long)cut, FACTS[variant].name, role(server));
        CHECK_STATUS(end_encrypt(end->peer, text, 4, &wire), SEC_E_OK);
        size_t record = wire.length;
        end_shutdown(end->peer, &wire);
        CHECK_EQ(wire.length, record + FACTS[variant].alert);
        bytes_add(&end->in, wire.data, cut);
        if (cut >= record) {
            CHECK_STATUS(end_decrypt(end, &message), SEC_E_OK);
            CHECK_BYTES(message.data.data, message.data.length, text, 4);
            message_free(&message);
        }
        if (cut < wire.length) {
            size_t begun = cut < record ? cut : cut - record, whole = cut < record ? record : FACTS[variant].alert;
            CHECK_STATUS(end_decrypt(end, &message), SEC_E_INCOMPLETE_MESSAGE);
            CHECK_EQ(message.missing, begun < 5 ? 5 - begun : whole - begun);
        }
        bytes_add(&end->in, wire.data + cut, wire.length - cut);
        if (cut < record) {
            CHECK_STATUS(end_decrypt(end, &message), SEC_E_OK);
            CHECK_BYTES(message.data.data, message.data.length, text, 4);
            message_free(&message);
        }
        CHECK_STATUS(end_decrypt(end, &message), SEC_I_CONTEXT_EXPIRED);
        CHECK_EQ(end->in.length, 0);
        pair_close(&pair);
        size_t last = wire.length;
        bytes_free(&wire);
        if (cut == last) break;
    }
}

/* 4, 5. Half-close both ways; tickets that were not read when the client closed; what the closed direction answers. */
static void half_close(enum variant variant, BOOL server) {
    struct pair pair;
    struct message message;
    scene("4, 5, half-close, %s, %s closes", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    end_shutdown(end, NULL);
    CHECK_STATUS(end_encrypt(end, "late", 4, NULL), SEC_E_CONTEXT_EXPIRED);
    check_closed(end->peer);
    check_data(end->peer, "still open in this direction");
    CHECK_STATUS(end_token_empty(end, NULL), SEC_I_CONTEXT_EXPIRED);
    CHECK_EQ(end->peer->in.length, 0);
    end_shutdown(end->peer, NULL);
    check_closed(end);
    CHECK_STATUS(end_encrypt(end->peer, "late", 4, NULL), SEC_E_CONTEXT_EXPIRED);
    /* Whatever comes now is not looked at. */
    end_put(end->peer, "junk", 4);
    CHECK_STATUS(end_decrypt(end, &message), SEC_I_CONTEXT_EXPIRED);
    CHECK_STATUS(end_token_empty(end, NULL), SEC_I_CONTEXT_EXPIRED);
    check_sizes(end);
    pair_close(&pair);
}

static void tickets_unread_at_close(void) {
    struct pair pair;
    scene("4, tickets unread at local close");
    pair_make(&pair, TLS13, SERVER);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    CHECK_STATUS(end_token(&pair.client, NULL), SEC_E_OK);
    CHECK_STATUS(end_token(&pair.server, NULL), SEC_E_OK);
    CHECK(pair.client.in.length > 0);
    end_shutdown(&pair.client, NULL);
    check_closed(&pair.server);
    check_data(&pair.server, "behind the tickets");
    end_shutdown(&pair.server, NULL);
    check_closed(&pair.client);
    pair_close(&pair);
}

/* A close that is done again gives the same record (section 4.4, 16). */
static void close_twice(enum variant variant, BOOL server) {
    struct pair pair;
    struct bytes first = {0}, again = {0};
    scene("4.4 #16, %s, %s", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    end_shutdown(end, &first);
    CHECK_EQ(first.length, FACTS[variant].alert);
    end_shutdown(end, &again);
    CHECK_BYTES(again.data, again.length, first.data, first.length);
    end_put(end, first.data, first.length);
    check_closed(end->peer);
    bytes_free(&first);
    bytes_free(&again);
    pair_close(&pair);
}

/* 6. What SEC_I_RENEGOTIATE holds back, and four ways to go on. */
enum shape { EXTRA_BYTES, WHOLE_BUFFER, EMPTY_TOKEN, NO_INPUT, SHAPES };

static void renegotiate_gate(BOOL server, enum shape shape, BOOL data_follows) {
    static const char *const names[SHAPES] = {"EXTRA", "the buffer as it is", "empty TOKEN", "no input"};
    struct pair pair;
    struct message message;
    struct bytes whole = {0};
    scene("6, %s, %s%s", role(server), names[shape], data_follows ? ", data behind" : "");
    pair_open(&pair, TLS13);
    struct end *end = end_of(&pair, server);
    end_key_update(end->peer, FALSE);
    if (data_follows) CHECK_STATUS(end_encrypt(end->peer, "data", 4, NULL), SEC_E_OK);
    bytes_add(&whole, end->in.data, end->in.length);
    CHECK_STATUS(end_decrypt(end, &message), SEC_I_RENEGOTIATE);
    CHECK_EQ(message.data.length, 0);
    CHECK_EQ(message.extra, whole.length);
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_CONTEXT_EXPIRED);
    CHECK_STATUS(end_encrypt(end, "no", 2, NULL), SEC_E_CONTEXT_EXPIRED);
    check_sizes(end);

    BYTE *copy = copy_of(whole.data, whole.length);
    SecBuffer in[4] = {
        buffer(SECBUFFER_TOKEN, copy, (ULONG)whole.length), buffer(SECBUFFER_EMPTY, NULL, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(in, shape == WHOLE_BUFFER ? 4 : 2), output = descriptor(&out, 1);
    if (shape == EMPTY_TOKEN) in[0] = buffer(SECBUFFER_TOKEN, NULL, 0);
    ULONG attributes;
    CHECK_STATUS(
        raw_call(
            end, server, &end->context, end->request, shape == NO_INPUT ? NULL : &input, NULL, &output, &attributes),
        SEC_E_OK);
    CHECK_EQ(out.cbBuffer, 0);
    CHECK_STATUS(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
    ULONG record = 5 + (whole.data[3] << 8 | whole.data[4]);
    if (shape == EXTRA_BYTES || shape == WHOLE_BUFFER) {
        ULONG rest = in[1].BufferType == SECBUFFER_EXTRA ? in[1].cbBuffer : 0;
        CHECK_EQ(rest, whole.length - record);
        if (rest > 0) CHECK(in[1].pvBuffer == copy + record);
    }
    bytes_drop(&end->in, record);
    if (data_follows) {
        CHECK_STATUS(end_decrypt(end, &message), SEC_E_OK);
        CHECK_BYTES(message.data.data, message.data.length, "data", 4);
        message_free(&message);
    }
    check_data(end, "on");
    check_data(end->peer, "and back");
    free(copy);
    bytes_free(&whole);
    pair_close(&pair);
}

/* Either side asks for new keys and gets the answer. */
static void key_update_is_answered(BOOL server) {
    struct pair pair;
    struct message message;
    scene("8.1, KeyUpdate, %s answers", role(server));
    pair_open(&pair, TLS13);
    struct end *end = end_of(&pair, server);
    end_key_update(end->peer, TRUE);
    CHECK_STATUS(end_decrypt(end, &message), SEC_I_RENEGOTIATE);
    CHECK_STATUS(end_token(end, NULL), SEC_E_OK);
    CHECK(end->peer->in.length > 0);
    CHECK_STATUS(end_decrypt(end->peer, &message), SEC_I_RENEGOTIATE);
    CHECK_STATUS(end_token(end->peer, NULL), SEC_E_OK);
    check_data(end, "new keys");
    check_data(end->peer, "here too");
    pair_close(&pair);
}

/* 7. Buffers that DecryptMessage refuses change nothing. */
static void decrypt_layouts(enum variant variant) {
    struct pair pair;
    struct bytes record = {0};
    struct message message;
    scene("7, %s", FACTS[variant].name);
    pair_open(&pair, variant);
    struct end *end = &pair.server;
    CHECK_STATUS(end_encrypt(end->peer, "layout", 6, &record), SEC_E_OK);
    BYTE *copy = copy_of(record.data, record.length);
    SecBuffer data = buffer(SECBUFFER_DATA, copy, (ULONG)record.length), empty = buffer(SECBUFFER_EMPTY, NULL, 0);
    const struct {
        ULONG count;
        SecBuffer buffers[5];
    } wrong[] = {
        {0, {{0}}},
        {1, {data}},
        {3, {data, empty, empty}},
        {4, {empty, empty, empty, empty}},
        {4, {data, data, empty, empty}},
        {5, {data, data, empty, empty, empty}},
        {4, {data, empty, empty, {0, SECBUFFER_TOKEN, NULL}}},
        {4, {{(ULONG)record.length, SECBUFFER_TOKEN, copy}, empty, empty, empty}},
        {4, {{(ULONG)record.length, SECBUFFER_DATA | SECBUFFER_READONLY, copy}, empty, empty, empty}},
        {4, {{(ULONG)record.length, SECBUFFER_DATA, NULL}, empty, empty, empty}},
    };
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        SecBuffer buffers[5];
        scene("7, %s, layout %lu", FACTS[variant].name, (unsigned long)index);
        memcpy(buffers, wrong[index].buffers, sizeof buffers);
        SecBufferDesc input = descriptor(buffers, wrong[index].count);
        CHECK_STATUS(DecryptMessage(&end->context, &input, 0, NULL), SEC_E_INVALID_TOKEN);
        CHECK(memcmp(buffers, wrong[index].buffers, sizeof buffers) == 0);
        CHECK_BYTES(copy, record.length, record.data, record.length);
    }
    CHECK_STATUS(DecryptMessage(&end->context, NULL, 0, NULL), SEC_E_INVALID_TOKEN);
    /* DATA may stand anywhere; the four are rewritten in their order. */
    SecBuffer buffers[4] = {empty, empty, data, empty};
    SecBufferDesc input = descriptor(buffers, 4);
    CHECK_STATUS(DecryptMessage(&end->context, &input, 0, NULL), SEC_E_OK);
    CHECK_EQ(buffers[1].BufferType, SECBUFFER_DATA);
    CHECK_BYTES(buffers[1].pvBuffer, buffers[1].cbBuffer, "layout", 6);
    check_data(end->peer, "state unchanged");
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_INCOMPLETE_MESSAGE);
    CHECK_EQ(message.missing, 5);
    free(copy);
    bytes_free(&record);
    pair_close(&pair);
}

/* 8. A first call's flags and output buffers. */
static void first_calls(enum variant variant) {
    static const struct {
        ULONG request, returned;
    } words[] = {
        {0x819c, 0x819c}, {0x811c, 0x811c},          /* curl compares them */
        {0x8010, 0x801c}, {0x80, 0x809c}, {0, 0x801c}, /* Wine's test */
        {0x9819c, 0x9819c}, {0xc19c, 0xc19c},
    };
    PCredHandle client = credential(variant, FALSE, NO_CERTIFICATE);
    BYTE room[2000];
    ULONG attributes;
    CtxtHandle context;
    for (size_t index = 0; index < sizeof words / sizeof *words; index++) {
        scene("8, request 0x%lx, %s", (unsigned long)words[index].request, FACTS[variant].name);
        SecBuffer out = buffer(SECBUFFER_EMPTY, room, sizeof room);
        SecBufferDesc output = descriptor(&out, 1);
        BOOL allocates = (words[index].request & ISC_REQ_ALLOCATE_MEMORY) != 0;
        /* ALLOCATE: what the pointer says is not looked at. */
        if (allocates) out.pvBuffer = (void *)(uintptr_t)0x10;
        CHECK_STATUS(
            InitializeSecurityContextA(
                client, NULL, (SEC_CHAR *)HOST, words[index].request, 0, 0, NULL, 0, &context, &output, &attributes,
                NULL),
            SEC_I_CONTINUE_NEEDED);
        CHECK_EQ(attributes, words[index].returned);
        CHECK_EQ(out.BufferType, SECBUFFER_TOKEN);
        CHECK(out.cbBuffer > 50);
        CHECK_EQ(((BYTE *)out.pvBuffer)[0], 0x16);
        if (allocates)
            CHECK_STATUS(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
        else
            CHECK(out.pvBuffer == room);
        CHECK_STATUS(DeleteSecurityContext(&context), SEC_E_OK);
    }

    scene("8, room for the token, %s", FACTS[variant].name);
    CtxtHandle untouched = {42, 42};
    SecBuffer out[2] = {buffer(SECBUFFER_TOKEN, room, 0), buffer(SECBUFFER_ALERT, NULL, 0)};
    SecBufferDesc output = descriptor(out, 1);
#define FIRST(flags, created) \
    InitializeSecurityContextA( \
        client, NULL, (SEC_CHAR *)HOST, flags, 0, 0, NULL, 0, created, &output, &attributes, NULL)
    CHECK_STATUS(FIRST(0x1c, &untouched), SEC_E_INSUFFICIENT_MEMORY);
    out[0].cbBuffer = 20;
    CHECK_STATUS(FIRST(0x1c, &untouched), SEC_E_INSUFFICIENT_MEMORY);
    out[0].cbBuffer = sizeof room;
    output.cBuffers = 2;
    CHECK_STATUS(FIRST(0x1c, &untouched), SEC_E_INSUFFICIENT_MEMORY);
    CHECK_EQ(untouched.dwLower, 42);
    out[1] = buffer(SECBUFFER_ALERT, room + 1000, 100);
    out[0].cbBuffer = 1000;
    CHECK_STATUS(FIRST(0x1c, &context), SEC_I_CONTINUE_NEEDED);
    CHECK_EQ(out[1].cbBuffer, 0);
    CHECK_STATUS(DeleteSecurityContext(&context), SEC_E_OK);
    /* A length without an address: the library's memory, asked for or not. */
    output.cBuffers = 1;
    out[0] = buffer(SECBUFFER_TOKEN, NULL, 1000);
    CHECK_STATUS(FIRST(0x1c, &context), SEC_I_CONTINUE_NEEDED);
    CHECK(out[0].pvBuffer != NULL);
    CHECK_STATUS(FreeContextBuffer(out[0].pvBuffer), SEC_E_OK);
    CHECK_STATUS(DeleteSecurityContext(&context), SEC_E_OK);
    out[0] = buffer(SECBUFFER_DATA, room, sizeof room);
    CHECK_STATUS(FIRST(0x1c, &untouched), SEC_E_INVALID_TOKEN);
    CHECK_STATUS(
        InitializeSecurityContextA(
            client, NULL, (SEC_CHAR *)HOST, 0, 0, 0, NULL, 0, &untouched, NULL, &attributes, NULL),
        SEC_E_INVALID_TOKEN);
    CHECK_EQ(untouched.dwLower, 42);
#undef FIRST
}

/* A close into a buffer that is too small can be tried again (section 4.2). */
static void close_into_a_small_buffer(enum variant variant, BOOL server) {
    struct pair pair;
    BYTE room[100];
    ULONG attributes;
    scene("4.2, small buffer, %s, %s", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    SecBuffer out = buffer(SECBUFFER_TOKEN, room, FACTS[variant].alert - 1);
    SecBufferDesc output = descriptor(&out, 1), nowhere = descriptor(&out, 0);
    CHECK_STATUS(end_control_shutdown(end), SEC_E_OK);
    CHECK_STATUS(
        raw_call(end, server, &end->context, 0, NULL, NULL, &output, &attributes), SEC_E_INSUFFICIENT_MEMORY);
    CHECK_STATUS(raw_call(end, server, &end->context, 0, NULL, NULL, &nowhere, &attributes), SEC_E_INVALID_TOKEN);
    CHECK_STATUS(raw_call(end, server, &end->context, 0, NULL, NULL, NULL, &attributes), SEC_E_INVALID_TOKEN);
    out = buffer(SECBUFFER_TOKEN, room, FACTS[variant].alert);
    CHECK_STATUS(raw_call(end, server, &end->context, 0, NULL, NULL, &output, &attributes), SEC_E_OK);
    CHECK_EQ(out.cbBuffer, FACTS[variant].alert);
    end_put(end, room, out.cbBuffer);
    check_closed(end->peer);
    pair_close(&pair);
}

/* 9. One descriptor for input and output, in the handshake and in the shutdown; the other side's function with a control token. */
static void aliased(enum variant variant, BOOL server) {
    struct pair pair;
    ULONG attributes;
    scene("9, %s, %s", FACTS[variant].name, role(server));
    pair_make(&pair, variant, SERVER);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    while (!pair.client.done || !pair.server.done) {
        struct end *next = pair.server.in.length > 0 ? &pair.server : &pair.client;
        if (next != end) {
            SECURITY_STATUS status = end_token(next, NULL);
            MUST(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED);
            continue;
        }
        /* The token's own memory for the output, longer than what came. */
        ULONG length = (ULONG)end->in.length;
        BYTE *room = malloc(0x6000);
        MUST(room != NULL && length <= 0x6000);
        memcpy(room, end->in.data, length);
        SecBuffer both = buffer(SECBUFFER_TOKEN, room, length);
        SecBufferDesc aliases = descriptor(&both, 1);
        SECURITY_STATUS status = raw_call(
            end, server, end->made ? &end->context : NULL, ISC_REQ_ALLOCATE_MEMORY, &aliases, &end->context, &aliases,
            &attributes);
        if (!CHECK(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)) break;
        end->made = TRUE;
        if (status == SEC_E_OK) end->done = TRUE;
        bytes_drop(&end->in, length);
        CHECK_EQ(both.BufferType, SECBUFFER_TOKEN);
        CHECK(both.pvBuffer != room);
        if (both.cbBuffer > 0) end_put(end, both.pvBuffer, both.cbBuffer);
        CHECK_STATUS(FreeContextBuffer(both.pvBuffer), SEC_E_OK);
        free(room);
    }
    check_data(&pair.client, "there");
    check_data(&pair.server, "and back");

    CHECK_STATUS(end_control_shutdown(end), SEC_E_OK);
    SecBuffer both = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc aliases = descriptor(&both, 1);
    /* The function of the other side. */
    CHECK_STATUS(
        raw_call(end, !server, &end->context, ISC_REQ_ALLOCATE_MEMORY, &aliases, NULL, &aliases, &attributes),
        SEC_E_OK);
    CHECK_EQ(attributes, server ? 0x811c : 0x1011c);
    CHECK_EQ(both.cbBuffer, FACTS[variant].alert);
    end_put(end, both.pvBuffer, both.cbBuffer);
    CHECK_STATUS(FreeContextBuffer(both.pvBuffer), SEC_E_OK);
    check_closed(end->peer);
    pair_close(&pair);
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    for (int variant = 0; variant < VARIANTS; variant++) {
        wine_sequence(variant);
        decrypt_layouts(variant);
        first_calls(variant);
        for (int server = 0; server < 2; server++) {
            missing_counts(variant, server);
            data_and_close(variant, server);
            half_close(variant, server);
            close_twice(variant, server);
            close_into_a_small_buffer(variant, server);
            aliased(variant, server);
        }
    }
    tickets_unread_at_close();
    for (int server = 0; server < 2; server++) {
        key_update_is_answered(server);
        for (int shape = 0; shape < SHAPES; shape++)
            for (int data = 0; data < 2; data++) renegotiate_gate(server, shape, data);
    }
    return harness_end("conformance");
}
