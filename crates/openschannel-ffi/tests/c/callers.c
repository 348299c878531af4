/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The calls of real programs (CALLERS.md; section 4.2 of docs/schannel-behaviour.md), an entry for each: handshake, data in both
 * directions, what SEC_I_RENEGOTIATE announces, and the end by either side. The peer is the harness' plain one.
 */
#include "callers.h"

/* A caller in one of its sides, with its peer. */
struct play {
    const struct caller *caller;
    const struct side *side;
    struct pair pair;
    struct end *me;
    CredHandle credential;
    ULONG word; /* of one_variable */
    BYTE *room; /* of B */
    SecBuffer control; /* what ApplyControlToken got */
    SecBufferDesc control_descriptor;
    DWORD control_word;
    SecBuffer stale[3];
    BOOL answer_due; /* quiet mode: the answer to a KeyUpdate goes behind the next message */
};

/* Its record: header, message, type and tag. */
#define KEY_UPDATE (5 + 5 + 17)

/* UTF-16 of what is ASCII. */
static SEC_WCHAR *wide(const char *text) {
    static SEC_WCHAR converted[64];
    size_t index = 0;
    do converted[index] = (SEC_WCHAR)text[index];
    while (text[index++] != 0);
    return converted;
}

static BYTE protocols[] = {0, 0, 0, 0, 2, 0, 0, 0, 12, 0, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static SECURITY_STATUS isc(
    const struct play *play, const struct shape *shape, PCtxtHandle context, ULONG request, SecBufferDesc *input,
    PCtxtHandle created, SecBufferDesc *output, ULONG *attributes, PTimeStamp expiry) {
    PCredHandle credential = play->me->credential;
    const char *target = shape->target == 'h' ? HOST : shape->target == 'e' ? "" : NULL;
    ULONG drep = play->caller->drep;
    if (play->caller->charset == 'W') {
        SEC_WCHAR *name = target != NULL ? wide(target) : NULL;
        if (play->caller->table)
            return InitSecurityInterfaceW()->InitializeSecurityContextW(
                credential, context, name, request, 0, drep, input, 0, created, output, attributes, expiry);
        return InitializeSecurityContextW(
            credential, context, name, request, 0, drep, input, 0, created, output, attributes, expiry);
    }
    if (play->caller->table)
        return InitSecurityInterfaceA()->InitializeSecurityContextA(
            credential, context, (SEC_CHAR *)target, request, 0, drep, input, 0, created, output, attributes, expiry);
    return InitializeSecurityContextA(
        credential, context, (SEC_CHAR *)target, request, 0, drep, input, 0, created, output, attributes, expiry);
}

static SECURITY_STATUS asc(
    const struct play *play, PCtxtHandle context, ULONG request, SecBufferDesc *input, PCtxtHandle created,
    SecBufferDesc *output, ULONG *attributes, PTimeStamp expiry) {
    PCredHandle credential = play->me->credential;
    if (play->caller->table)
        return InitSecurityInterfaceW()->AcceptSecurityContext(
            credential, context, input, request, play->caller->drep, created, output, attributes, expiry);
    return AcceptSecurityContext(
        credential, context, input, request, play->caller->drep, created, output, attributes, expiry);
}

/* What the word returned has to be (section 2.4), in the numbers of the function called. */
static ULONG expected_word(BOOL client_function, ULONG request) {
    if (client_function) return 0x801c | (request & (0x100 | 0x80 | 0x4000 | 0x400 | 0x80000 | 0x10000));
    return 0x1001c | (request & (0x100 | 0x8000 | 0x400 | 0x20000));
}

/* One token call in a shape; checks the buffers, sends the token or gives it, and takes what was consumed. */
static SECURITY_STATUS token_call(
    struct play *play, const struct shape *shape, const char *buffers_in, struct bytes *given) {
    struct end *me = play->me;
    ULONG length = (ULONG)me->in.length;
    BYTE *copy = copy_of(me->in.data, length);
    SecBuffer in[4], out[4];
    SecBufferDesc input = descriptor(in, 0), output = descriptor(out, 0), *inputs = &input, *outputs = &output;
    int extra = -1, token = -1, alert = -1, first_empty = -1;
    BOOL has_token = FALSE;

    for (const char *letter = shape->output; *letter != 0 && *letter != '='; letter++) {
        int index = (int)output.cBuffers++;
        if (*letter == 'A') alert = index;
        if ((*letter == 'T' || *letter == 'B') && token < 0) token = index;
        if (*letter == 'E' && first_empty < 0) first_empty = index;
        out[index] = *letter == 'B'   ? buffer(SECBUFFER_TOKEN, play->room, 24576)
                     : *letter == 'A' ? buffer(SECBUFFER_ALERT, NULL, 0)
                     : *letter == 'E' ? buffer(SECBUFFER_EMPTY, NULL, 0)
                                      : buffer(SECBUFFER_TOKEN, NULL, 0);
    }
    if (token < 0) token = first_empty;
    SecBuffer *result = token >= 0 ? &out[token] : NULL;
    if (shape->output[0] == '=') {
        outputs = &play->control_descriptor;
        result = &play->control;
    }
    if (buffers_in == NULL) {
        inputs = NULL;
    } else if (buffers_in[0] == '=') {
        inputs = outputs;
    } else if (buffers_in[0] == 0) {
        input.pBuffers = (SecBuffer *)(uintptr_t)8;
    } else {
        for (const char *letter = buffers_in; *letter != 0; letter++) {
            int index = (int)input.cBuffers++;
            char kind = *letter == 'T' && length == 0 ? play->caller->empty_token : *letter;
            if (kind == 'T') has_token = TRUE;
            if (kind == 'E' && extra < 0) extra = index;
            in[index] = kind == 'T'   ? buffer(SECBUFFER_TOKEN, copy, length)
                        : kind == 'p' ? buffer(SECBUFFER_TOKEN, copy, 0)
                        : kind == '0' ? buffer(SECBUFFER_TOKEN, NULL, 0)
                        : kind == 'P' ? buffer(SECBUFFER_APPLICATION_PROTOCOLS, protocols, sizeof protocols)
                                      : buffer(SECBUFFER_EMPTY, NULL, 0);
        }
    }

    BOOL client_function = !me->server || shape->client_function;
    ULONG request = play->caller->one_variable && play->word != 0 ? play->word
                    : shape->request != 0                          ? shape->request
                                                                   : play->side->request;
    ULONG returned = 0, *attributes = &returned;
    if (play->caller->one_variable) {
        play->word = request;
        attributes = &play->word;
    }
    TimeStamp expiry;
    CtxtHandle other = {55, 66}, context = me->context;
    PCtxtHandle passed = me->made ? &context : NULL;
    PCtxtHandle created = shape->created == 0 ? NULL : shape->created == '=' ? &context : &other;
    SECURITY_STATUS status =
        client_function
            ? isc(play, shape, passed, request, inputs, created, outputs, attributes, shape->expiry ? &expiry : NULL)
            : asc(play, passed, request, inputs, created, outputs, attributes, shape->expiry ? &expiry : NULL);

    if (status >= 0) {
        if (!me->made) me->context = created == &other ? other : context;
        CHECK(created == NULL || memcmp(created, &me->context, sizeof other) == 0);
        me->made = TRUE;
    } else if (created == &other) {
        CHECK_EQ(other.dwLower, 55);
        CHECK_EQ(other.dwUpper, 66);
    }
    if (status == SEC_E_OK) me->done = TRUE;
    if (status >= 0 || me->made) CHECK_EQ(*attributes, expected_word(client_function, request));
    if (inputs == &input && input.cBuffers > 0 && has_token) {
        CHECK_EQ(in[0].BufferType, SECBUFFER_TOKEN);
        CHECK_EQ(in[0].cbBuffer, length);
        CHECK(in[0].pvBuffer == copy);
    }
    if (status < 0) {
        /* Nothing has happened, outputs included. */
        CHECK(result == NULL || result->BufferType != SECBUFFER_TOKEN || result->pvBuffer == NULL || result->cbBuffer == 24576);
        free(copy);
        return status;
    }
    CHECK_EQ(result->BufferType, SECBUFFER_TOKEN);
    if (alert >= 0) CHECK_EQ(out[alert].cbBuffer, 0);
    if (result->cbBuffer > 0) {
        if (strcmp(shape->output, "B") == 0) CHECK(result->pvBuffer == play->room);
        CHECK(result->pvBuffer != &play->control_word);
        if (given != NULL)
            bytes_add(given, result->pvBuffer, result->cbBuffer);
        else
            end_put(me, result->pvBuffer, result->cbBuffer);
    }
    if (strcmp(shape->output, "B") != 0) CHECK_STATUS(FreeContextBuffer(result->pvBuffer), SEC_E_OK);
    if (alert >= 0) CHECK_STATUS(FreeContextBuffer(out[alert].pvBuffer), SEC_E_OK);
    if (has_token && given == NULL) {
        ULONG rest = 0;
        if (extra >= 0 && in[extra].BufferType == SECBUFFER_EXTRA) {
            rest = in[extra].cbBuffer;
            /* Poco takes it only with an address; TSDuck compares that with where its input begins. */
            CHECK(in[extra].pvBuffer == copy + (length - rest));
            CHECK(rest > 0 && rest < length);
        } else if (extra >= 0) {
            CHECK_EQ(in[extra].BufferType, SECBUFFER_EMPTY);
        }
        bytes_drop(&me->in, length - rest);
    }
    free(copy);
    return status;
}

static void handshake(struct play *play) {
    struct end *me = play->me, *peer = me->peer;
    if (me->server) {
        CHECK_STATUS(end_token_empty(peer, NULL), SEC_I_CONTINUE_NEEDED);
        /* The front of a ClientHello makes no context. */
        struct bytes whole = me->in;
        if (strchr(play->side->first.input, 'E') != NULL) {
            me->in.length = 3;
            CHECK_STATUS(token_call(play, &play->side->first, play->side->first.input, NULL), SEC_E_INCOMPLETE_MESSAGE);
            CHECK(!me->made);
            me->in = whole;
        }
        if (strcmp(play->caller->name, "TSDuck") == 0) {
            me->in.length = 0;
            CHECK_STATUS(token_call(play, &play->side->first, "pE", NULL), SEC_E_INCOMPLETE_MESSAGE);
            CHECK(!me->made);
            me->in = whole;
        }
    }
    CHECK_STATUS(token_call(play, &play->side->first, play->side->first.input, NULL), SEC_I_CONTINUE_NEEDED);
    MUST(me->made);
    for (int calls = 0; !me->done || !peer->done; calls++) {
        MUST(calls < 10);
        if (!peer->done && peer->in.length > 0) {
            SECURITY_STATUS status = end_token(peer, NULL);
            if (!CHECK(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)) return;
        } else if (!me->done) {
            /* libgit2 asks with nothing in its hands. */
            struct bytes whole = me->in;
            me->in.length = 0;
            CHECK_STATUS(
                token_call(play, &play->side->later, play->side->later.input, NULL), SEC_E_INCOMPLETE_MESSAGE);
            me->in = whole;
            SECURITY_STATUS status = token_call(play, &play->side->later, play->side->later.input, NULL);
            if (!CHECK(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)) return;
        }
    }
}

/* EncryptMessage as the caller does it. */
static SECURITY_STATUS encrypt(struct play *play, const char *text) {
    SecPkgContext_StreamSizes sizes = {0};
    struct end *me = play->me;
    ULONG length = (ULONG)strlen(text), spare = 0;
    SECURITY_STATUS status = play->caller->charset == 'W'
                                 ? QueryContextAttributesW(&me->context, SECPKG_ATTR_STREAM_SIZES, &sizes)
                                 : QueryContextAttributesA(&me->context, SECPKG_ATTR_STREAM_SIZES, &sizes);
    if (!CHECK_STATUS(status, SEC_E_OK)) return status;
    if (strchr(play->caller->encrypt, 'r') != NULL) spare = 100;
    BYTE *whole = malloc(sizes.cbHeader + length + sizes.cbTrailer + spare);
    MUST(whole != NULL);
    memcpy(whole + sizes.cbHeader, text, length);
    SecBuffer out[4] = {
        buffer(SECBUFFER_STREAM_HEADER, whole, sizes.cbHeader), buffer(SECBUFFER_DATA, whole + sizes.cbHeader, length),
        buffer(SECBUFFER_STREAM_TRAILER, whole + sizes.cbHeader + length, sizes.cbTrailer + spare),
        buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc message = descriptor(out, (ULONG)strlen(play->caller->encrypt));
    status = play->caller->table ? InitSecurityInterfaceW()->EncryptMessage(&me->context, 0, &message, 0)
                                 : EncryptMessage(&me->context, 0, &message, 0);
    if (status == SEC_E_OK) {
        CHECK_EQ(out[0].BufferType, SECBUFFER_STREAM_HEADER);
        CHECK_EQ(out[0].cbBuffer, sizes.cbHeader);
        CHECK_EQ(out[1].cbBuffer, length);
        CHECK_EQ(out[2].cbBuffer, FACTS[me->variant].trailer + (play->answer_due ? KEY_UPDATE : 0));
        play->answer_due = FALSE;
        end_put(me, whole, out[0].cbBuffer + out[1].cbBuffer + out[2].cbBuffer);
    } else {
        /* Poco sends what the lengths say. */
        CHECK_EQ(out[0].cbBuffer + out[1].cbBuffer + out[2].cbBuffer, 0);
    }
    free(whole);
    return status;
}

/* DecryptMessage as the caller does it; the plaintext is added to *data. */
static SECURITY_STATUS decrypt(struct play *play, struct bytes *data) {
    struct end *me = play->me;
    ULONG length = (ULONG)me->in.length;
    BYTE *copy = copy_of(me->in.data, length);
    SecBuffer buffers[4] = {
        buffer(SECBUFFER_DATA, copy, length), play->stale[0], play->stale[1], play->stale[2]};
    SecBufferDesc message = descriptor(buffers, 4);
    for (int index = 1; index < 4; index++) buffers[index].BufferType = SECBUFFER_EMPTY;
    SECURITY_STATUS status = play->caller->table ? InitSecurityInterfaceW()->DecryptMessage(&me->context, &message, 0, NULL)
                                                 : DecryptMessage(&me->context, &message, 0, NULL);
    if (status == SEC_E_OK || status == SEC_I_RENEGOTIATE || status == SEC_I_CONTEXT_EXPIRED) {
        ULONG rest = buffers[3].BufferType == SECBUFFER_EXTRA ? buffers[3].cbBuffer : 0;
        CHECK_EQ(buffers[0].BufferType, SECBUFFER_STREAM_HEADER);
        CHECK(buffers[0].pvBuffer == copy);
        CHECK_EQ(buffers[1].BufferType, SECBUFFER_DATA);
        CHECK(buffers[1].pvBuffer != NULL);
        if (status != SEC_E_OK) CHECK_EQ(buffers[1].cbBuffer, 0);
        CHECK_EQ(buffers[2].BufferType, SECBUFFER_STREAM_TRAILER);
        CHECK(buffers[3].BufferType == SECBUFFER_EXTRA || (buffers[3].BufferType == SECBUFFER_EMPTY && rest == 0));
        if (rest > 0) CHECK(buffers[3].pvBuffer == copy + (length - rest));
        bytes_add(data, buffers[1].pvBuffer, buffers[1].cbBuffer);
        bytes_drop(&me->in, length - rest);
    } else if (status == SEC_E_INCOMPLETE_MESSAGE) {
        CHECK_EQ(buffers[0].BufferType, SECBUFFER_MISSING);
        CHECK_EQ(buffers[1].BufferType, SECBUFFER_MISSING);
        CHECK(buffers[0].pvBuffer == copy);
    }
    if (play->caller->stale_empties) memcpy(play->stale, buffers + 1, sizeof play->stale);
    free(copy);
    return status;
}

/* Reads as the caller does until there is data, a close or nothing more. */
static SECURITY_STATUS read_all(struct play *play, struct bytes *data, BOOL *renegotiated) {
    for (;;) {
        if (play->me->in.length == 0) return SEC_E_OK;
        SECURITY_STATUS status = decrypt(play, data);
        if (status == SEC_I_RENEGOTIATE) {
            const struct shape *post = &play->side->post;
            *renegotiated = TRUE;
            if (play->caller->post_without_input_first) {
                struct shape without = *post;
                without.client_function = FALSE; /* Qt: by its side */
                CHECK_STATUS(token_call(play, &without, NULL, NULL), SEC_E_OK);
            }
            CHECK_STATUS(
                token_call(play, post, post->input, NULL), SEC_E_OK);
        } else if (status != SEC_E_OK) {
            return status;
        }
    }
}

static void both_ways(struct play *play) {
    static const char mine[] = "GET / HTTP/1.1\r\n\r\n", theirs[] = "HTTP/1.1 204 No Content\r\n\r\n";
    struct end *me = play->me;
    struct bytes data = {0};
    struct message message;
    BOOL renegotiated = FALSE;
    CHECK_STATUS(encrypt(play, mine), SEC_E_OK);
    CHECK_STATUS(end_read(me->peer, &message), SEC_E_OK);
    CHECK_BYTES(message.data.data, message.data.length, mine, sizeof mine - 1);
    message_free(&message);
    CHECK_STATUS(end_encrypt(me->peer, theirs, sizeof theirs - 1, NULL), SEC_E_OK);
    CHECK_STATUS(read_all(play, &data, &renegotiated), SEC_E_OK);
    CHECK_BYTES(data.data, data.length, theirs, sizeof theirs - 1);
    /* TLS 1.3: a client meets the tickets, if its credential is not one that spares it that. */
    BOOL expected = me->variant == TLS13 && !me->server && play->caller->version == CRED5;
    CHECK_EQ(renegotiated, expected);
    bytes_free(&data);
    if (me->variant != TLS13) return;

    /* New keys, by the peer's wish; the answer too, if the caller sends what it gets. */
    renegotiated = FALSE;
    end_key_update(me->peer, !play->caller->drops_post_output);
    CHECK_STATUS(end_encrypt(me->peer, theirs, sizeof theirs - 1, NULL), SEC_E_OK);
    CHECK_STATUS(read_all(play, &data, &renegotiated), SEC_E_OK);
    CHECK_BYTES(data.data, data.length, theirs, sizeof theirs - 1);
    CHECK_EQ(renegotiated, play->caller->version == CRED5);
    play->answer_due = !renegotiated && !play->caller->drops_post_output;
    bytes_free(&data);
    CHECK_STATUS(encrypt(play, mine), SEC_E_OK);
    CHECK_STATUS(end_read(me->peer, &message), SEC_E_OK);
    CHECK_BYTES(message.data.data, message.data.length, mine, sizeof mine - 1);
    message_free(&message);
}

static void apply_shutdown(struct play *play) {
    play->control_word = SCHANNEL_SHUTDOWN;
    play->control = buffer(SECBUFFER_TOKEN, &play->control_word, sizeof play->control_word);
    play->control_descriptor = descriptor(&play->control, 1);
    CHECK_STATUS(
        play->caller->table ? InitSecurityInterfaceW()->ApplyControlToken(&play->me->context, &play->control_descriptor)
                            : ApplyControlToken(&play->me->context, &play->control_descriptor),
        SEC_E_OK);
}

static void shut_down(struct play *play) {
    const struct shape *shape = &play->side->shutdown;
    struct bytes token = {0}, again = {0};
    ULONG alert = FACTS[play->me->variant].alert, word = play->word;
    apply_shutdown(play);
    CHECK_STATUS(token_call(play, shape, shape->input, &token), SEC_E_OK);
    CHECK_EQ(token.length, alert);
    CHECK_EQ(token.length > 0 ? token.data[0] : 0, play->me->variant == TLS13 ? 0x17 : 0x15);
    /* curl does both calls again if it could not send. */
    play->word = word;
    apply_shutdown(play);
    CHECK_STATUS(token_call(play, shape, shape->input, &again), SEC_E_OK);
    CHECK_BYTES(again.data, again.length, token.data, token.length);
    end_put(play->me, token.data, token.length);
    bytes_free(&token);
    bytes_free(&again);
    CHECK_STATUS(encrypt(play, "late"), SEC_E_CONTEXT_EXPIRED);
    check_closed(play->me->peer);
}

enum ending { CALLER_CLOSES, PEER_CLOSES, LEFTOVER_AT_CLOSE, ENDINGS };

static void end_connection(struct play *play, enum ending ending) {
    struct end *me = play->me;
    struct bytes data = {0};
    BOOL renegotiated = FALSE, shuts_down = play->side->shutdown.output != NULL;
    if (ending == LEFTOVER_AT_CLOSE) {
        /* Ciphertext that the caller has not looked at when it closes; it is still there behind it. */
        CHECK_STATUS(end_encrypt(me->peer, "unread", 6, NULL), SEC_E_OK);
    }
    if (ending != PEER_CLOSES && shuts_down) shut_down(play);
    if (ending == LEFTOVER_AT_CLOSE) {
        CHECK_STATUS(read_all(play, &data, &renegotiated), SEC_E_OK);
        CHECK_BYTES(data.data, data.length, "unread", 6);
        bytes_free(&data);
    }
    end_shutdown(me->peer, NULL);
    CHECK_STATUS(read_all(play, &data, &renegotiated), SEC_I_CONTEXT_EXPIRED);
    CHECK_EQ(data.length, 0);
    CHECK(!renegotiated);
    if (ending == PEER_CLOSES) {
        CHECK_STATUS(encrypt(play, "half-closed"), SEC_E_OK);
        struct message message;
        CHECK_STATUS(end_read(me->peer, &message), SEC_E_OK);
        CHECK_BYTES(message.data.data, message.data.length, "half-closed", 11);
        message_free(&message);
        if (shuts_down) shut_down(play);
    }
}

static void play_begin(struct play *play, const struct caller *caller, BOOL server, enum variant variant) {
    memset(play, 0, sizeof *play);
    play->caller = caller;
    play->side = server ? &caller->server : &caller->client;
    play->room = malloc(24576);
    MUST(play->room != NULL);
    pair_make(&play->pair, variant, SERVER);
    play->me = server ? &play->pair.server : &play->pair.client;
    DWORD flags = play->side->flags;
#ifdef _WIN32
    /* Only elsewhere can the tests say what the system's roots are. */
    if (!server) flags |= SCH_CRED_MANUAL_CRED_VALIDATION;
#endif
    MUST(
        acquire(
            server, caller->version, flags, FACTS[variant].protocols, server ? SERVER : NO_CERTIFICATE,
            &play->credential) == SEC_E_OK);
    play->me->credential = &play->credential;
    for (int index = 0; index < 3; index++) play->stale[index] = buffer(SECBUFFER_EMPTY, NULL, 0);
}

static void play_end(struct play *play) {
    pair_close(&play->pair);
    CHECK_STATUS(FreeCredentialsHandle(&play->credential), SEC_E_OK);
    free(play->room);
}

static void play_caller(const struct caller *caller, BOOL server, enum variant variant, enum ending ending) {
    static const char *const endings[ENDINGS] = {"it closes", "the peer closes", "it closes with unread input"};
    struct play play;
    if ((server ? caller->server : caller->client).request == 0) return;
    scene("%s, %s, %s, %s", caller->name, server ? "server" : "client", FACTS[variant].name, endings[ending]);
    play_begin(&play, caller, server, variant);
    handshake(&play);
    both_ways(&play);
    end_connection(&play, ending);
    play_end(&play);
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    protocols[0] = sizeof protocols - 4;
    for (size_t index = 0; index < sizeof CALLERS / sizeof *CALLERS; index++)
        for (int variant = 0; variant < VARIANTS; variant++) {
            if (variant == TLS12_CHACHA) continue;
            for (int server = 0; server < 2; server++)
                for (int ending = 0; ending < ENDINGS; ending++)
                    play_caller(&CALLERS[index], server, variant, ending);
        }
    return harness_end("callers");
}
