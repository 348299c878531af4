/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two contexts, and the wire between them. */
#include "harness.h"

struct end *end_of(struct pair *pair, BOOL server) {
    return server ? &pair->server : &pair->client;
}

const char *role(BOOL server) {
    return server ? "server" : "client";
}

void end_put(struct end *end, const void *data, size_t length) {
    bytes_add(&end->peer->in, data, length);
}

static SECURITY_STATUS token_call(struct end *end, SecBufferDesc *input, struct bytes *token) {
    SecBuffer out[2] = {buffer(SECBUFFER_TOKEN, NULL, 0), buffer(SECBUFFER_ALERT, NULL, 0)};
    SecBufferDesc output = descriptor(out, 2);
    PCtxtHandle context = end->made ? &end->context : NULL;
    ULONG attributes = 0;
    TimeStamp expiry;
    SECURITY_STATUS status;
    if (end->server)
        status = AcceptSecurityContext(
            end->credential, context, input, end->request, 0, &end->context, &output, &attributes, &expiry);
    else
        status = InitializeSecurityContextA(
            end->credential, context, (SEC_CHAR *)HOST, end->request, 0, 0, input, 0, &end->context, &output,
            &attributes, &expiry);
    if (status >= 0) end->made = TRUE;
    if (status == SEC_E_OK) end->done = TRUE;
    CHECK_EQ(out[0].BufferType, SECBUFFER_TOKEN);
    CHECK_EQ(out[1].cbBuffer, 0);
    if (out[0].cbBuffer > 0) {
        CHECK(out[0].pvBuffer != NULL);
        if (token != NULL)
            bytes_add(token, out[0].pvBuffer, out[0].cbBuffer);
        else
            end_put(end, out[0].pvBuffer, out[0].cbBuffer);
    }
    CHECK_STATUS(FreeContextBuffer(out[0].pvBuffer), SEC_E_OK);
    CHECK_STATUS(FreeContextBuffer(out[1].pvBuffer), SEC_E_OK);
    return status;
}

SECURITY_STATUS end_token(struct end *end, struct bytes *token) {
    ULONG length = (ULONG)end->in.length;
    void *copy = copy_of(end->in.data, length);
    SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, copy, length), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc input = descriptor(in, 2);
    SECURITY_STATUS status = token_call(end, &input, token);
    CHECK_EQ(in[0].BufferType, SECBUFFER_TOKEN);
    CHECK_EQ(in[0].cbBuffer, length);
    CHECK(in[0].pvBuffer == copy);
    if (in[1].BufferType == SECBUFFER_EXTRA) {
        CHECK(in[1].cbBuffer <= length);
        CHECK(in[1].pvBuffer == (BYTE *)copy + (length - in[1].cbBuffer));
    }
    if (status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)
        bytes_drop(&end->in, length - (in[1].BufferType == SECBUFFER_EXTRA ? in[1].cbBuffer : 0));
    free(copy);
    return status;
}

SECURITY_STATUS end_token_empty(struct end *end, struct bytes *token) {
    return token_call(end, NULL, token);
}

SECURITY_STATUS end_control(struct end *end, const void *control, ULONG length) {
    void *copy = copy_of(control, length);
    SecBuffer one = buffer(SECBUFFER_TOKEN, copy, length);
    SecBufferDesc input = descriptor(&one, 1);
    SECURITY_STATUS status = ApplyControlToken(&end->context, &input);
    CHECK_EQ(one.BufferType, SECBUFFER_TOKEN);
    CHECK_EQ(one.cbBuffer, length);
    free(copy);
    return status;
}

SECURITY_STATUS end_control_shutdown(struct end *end) {
    DWORD type = SCHANNEL_SHUTDOWN;
    return end_control(end, &type, sizeof type);
}

SECURITY_STATUS end_control_alert(struct end *end, DWORD level, DWORD number) {
    DWORD token[3] = {SCHANNEL_ALERT, level, number};
    return end_control(end, token, sizeof token);
}

void end_shutdown(struct end *end, struct bytes *token) {
    CHECK_STATUS(end_control_shutdown(end), SEC_E_OK);
    CHECK_STATUS(end_token_empty(end, token), SEC_E_OK);
}

SECURITY_STATUS end_encrypt(struct end *end, const void *data, ULONG length, struct bytes *record) {
    const struct facts *sizes = &FACTS[end->variant];
    BYTE *whole = malloc(sizes->header + length + sizes->trailer);
    MUST(whole != NULL);
    if (length > 0) memcpy(whole + sizes->header, data, length);
    SecBuffer out[4] = {
        buffer(SECBUFFER_STREAM_HEADER, whole, sizes->header),
        buffer(SECBUFFER_DATA, whole + sizes->header, length),
        buffer(SECBUFFER_STREAM_TRAILER, whole + sizes->header + length, sizes->trailer),
        buffer(SECBUFFER_EMPTY, NULL, 0),
    };
    SecBufferDesc message = descriptor(out, 4);
    SECURITY_STATUS status = EncryptMessage(&end->context, 0, &message, 0);
    if (status == SEC_E_OK) {
        CHECK_EQ(out[1].cbBuffer, length);
        for (int index = 0; index < 3; index++) {
            if (record != NULL)
                bytes_add(record, out[index].pvBuffer, out[index].cbBuffer);
            else
                end_put(end, out[index].pvBuffer, out[index].cbBuffer);
        }
    }
    free(whole);
    return status;
}

static void check_decrypted(SECURITY_STATUS status, const SecBuffer *buffers, BYTE *start, ULONG length) {
    CHECK_EQ(buffers[0].BufferType, SECBUFFER_STREAM_HEADER);
    CHECK(buffers[0].pvBuffer == start);
    CHECK_EQ(buffers[1].BufferType, SECBUFFER_DATA);
    CHECK(buffers[1].pvBuffer != NULL);
    CHECK(buffers[1].pvBuffer == start + buffers[0].cbBuffer);
    CHECK_EQ(buffers[2].BufferType, SECBUFFER_STREAM_TRAILER);
    ULONG record = buffers[0].cbBuffer + buffers[1].cbBuffer + buffers[2].cbBuffer;
    if (buffers[3].BufferType == SECBUFFER_EXTRA) {
        CHECK(buffers[3].cbBuffer > 0 && buffers[3].cbBuffer <= length);
        CHECK(buffers[3].pvBuffer == start + (length - buffers[3].cbBuffer));
    } else {
        CHECK_EQ(buffers[3].BufferType, SECBUFFER_EMPTY);
        CHECK_EQ(buffers[3].cbBuffer, 0);
        /* What comes behind a close_notify is not looked at. */
        if (status != SEC_I_CONTEXT_EXPIRED || record != 0) CHECK_EQ(record, length);
    }
}

SECURITY_STATUS end_decrypt(struct end *end, struct message *message) {
    ULONG length = (ULONG)end->in.length;
    BYTE *copy = copy_of(end->in.data, length);
    SecBuffer buffers[4] = {
        buffer(SECBUFFER_DATA, copy, length), buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc input = descriptor(buffers, 4);
    ULONG qop = 77;
    memset(message, 0, sizeof *message);
    message->status = DecryptMessage(&end->context, &input, 0, &qop);
    switch (message->status) {
    case SEC_E_OK:
    case SEC_I_CONTEXT_EXPIRED:
    case SEC_I_RENEGOTIATE:
        CHECK_EQ(qop, 0);
        check_decrypted(message->status, buffers, copy, length);
        bytes_add(&message->data, buffers[1].pvBuffer, buffers[1].cbBuffer);
        message->extra = buffers[3].BufferType == SECBUFFER_EXTRA ? buffers[3].cbBuffer : 0;
        if (message->status == SEC_I_RENEGOTIATE) {
            /* TLS 1.3: the record is still to be handed in, as it was. */
            CHECK_BYTES(copy, length, end->in.data, end->in.length);
        }
        bytes_drop(&end->in, length - message->extra);
        break;
    case SEC_E_INCOMPLETE_MESSAGE:
        CHECK_EQ(buffers[0].BufferType, SECBUFFER_MISSING);
        CHECK_EQ(buffers[1].BufferType, SECBUFFER_MISSING);
        CHECK_EQ(buffers[0].cbBuffer, buffers[1].cbBuffer);
        CHECK(buffers[0].cbBuffer > 0);
        CHECK(buffers[0].pvBuffer == copy);
        CHECK_BYTES(copy, length, end->in.data, end->in.length);
        message->missing = buffers[0].cbBuffer;
        break;
    default:
        CHECK_EQ(buffers[0].BufferType, SECBUFFER_DATA);
        CHECK_EQ(buffers[1].BufferType, SECBUFFER_EMPTY);
        break;
    }
    free(copy);
    return message->status;
}

void message_free(struct message *message) {
    bytes_free(&message->data);
}

SECURITY_STATUS end_read(struct end *end, struct message *message) {
    for (;;) {
        SECURITY_STATUS status = end_decrypt(end, message);
        if (status == SEC_I_RENEGOTIATE) {
            CHECK_EQ(message->data.length, 0);
            message_free(message);
            if (!CHECK_STATUS(end_token(end, NULL), SEC_E_OK)) return status;
            if (end->in.length == 0) return SEC_E_INCOMPLETE_MESSAGE;
        } else if (status != SEC_E_OK || message->data.length > 0) {
            return status;
        } else {
            message_free(message);
            if (end->in.length == 0) return SEC_E_INCOMPLETE_MESSAGE;
        }
    }
}

void check_data(struct end *from, const char *text) {
    struct message message;
    CHECK_STATUS(end_encrypt(from, text, (ULONG)strlen(text), NULL), SEC_E_OK);
    CHECK_STATUS(end_read(from->peer, &message), SEC_E_OK);
    CHECK_BYTES(message.data.data, message.data.length, text, strlen(text));
    message_free(&message);
}

void check_closed(struct end *end) {
    struct message message;
    CHECK_STATUS(end_read(end, &message), SEC_I_CONTEXT_EXPIRED);
    CHECK_EQ(message.data.length, 0);
    message_free(&message);
}

void end_key_update(struct end *end, BOOL request) {
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc output = descriptor(&out, 1);
    CHECK_STATUS(key_update(&end->context, request ? 1 : 0, &output), SEC_E_OK);
    end_put(end, out.pvBuffer, out.cbBuffer);
    CHECK_STATUS(FreeContextBuffer(out.pvBuffer), SEC_E_OK);
}

void pair_make(struct pair *pair, enum variant variant, enum certificate which) {
    memset(pair, 0, sizeof *pair);
    pair->client.variant = pair->server.variant = variant;
    pair->client.credential = credential(variant, FALSE, NO_CERTIFICATE);
    pair->client.request = CLIENT_REQUEST;
    pair->client.peer = &pair->server;
    pair->server.server = TRUE;
    pair->server.credential = credential(variant, TRUE, which);
    pair->server.request = SERVER_REQUEST;
    pair->server.peer = &pair->client;
}

static void settle(struct end *end) {
    struct message message;
    if (end->in.length > 0) CHECK_STATUS(end_read(end, &message), SEC_E_INCOMPLETE_MESSAGE);
    CHECK_EQ(end->in.length, 0);
}

void check_sizes(struct end *end) {
    SecPkgContext_StreamSizes sizes = {0};
    if (!CHECK_STATUS(QueryContextAttributesA(&end->context, SECPKG_ATTR_STREAM_SIZES, &sizes), SEC_E_OK)) return;
    CHECK_EQ(sizes.cbHeader, FACTS[end->variant].header);
    CHECK_EQ(sizes.cbTrailer, FACTS[end->variant].trailer);
    CHECK_EQ(sizes.cbMaximumMessage, 16384);
    CHECK_EQ(sizes.cBuffers, 4);
}

void pair_connect(struct pair *pair) {
    SECURITY_STATUS status = SEC_I_CONTINUE_NEEDED;
    if (!pair->client.made) MUST(end_token_empty(&pair->client, NULL) == SEC_I_CONTINUE_NEEDED);
    while (!pair->client.done || !pair->server.done) {
        struct end *end = pair->server.in.length > 0 ? &pair->server : &pair->client;
        MUST(end->in.length > 0);
        status = end_token(end, NULL);
        if (status != SEC_E_OK && status != SEC_I_CONTINUE_NEEDED) {
            CHECK_STATUS(status, SEC_E_OK);
            MUST(!"handshake");
        }
    }
    settle(&pair->client);
    settle(&pair->server);
    check_sizes(&pair->client);
    check_sizes(&pair->server);
}

void pair_open(struct pair *pair, enum variant variant) {
    pair_make(pair, variant, SERVER);
    pair_connect(pair);
}

void end_free(struct end *end) {
    if (end->made) CHECK_STATUS(DeleteSecurityContext(&end->context), SEC_E_OK);
    end->made = FALSE;
    bytes_free(&end->in);
}

void pair_close(struct pair *pair) {
    end_free(&pair->client);
    end_free(&pair->server);
}
