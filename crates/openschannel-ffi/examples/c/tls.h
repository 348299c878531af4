/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A TLS connection over a socket, with Schannel: the token loop, encrypted data in either direction, and the shutdown that the
 * documentation wants. The same code runs as a client and as a server; tls_token_call is all that tells them apart.
 */
#ifndef EXAMPLE_TLS_H
#define EXAMPLE_TLS_H

#include "net.h"

#ifndef SECURITY_WIN32
#define SECURITY_WIN32
#endif
#define SCHANNEL_USE_BLACKLISTS
#ifdef _WIN32
#include <windows.h>
#include <subauth.h>
#endif
#include <security.h>
#include <schannel.h>

#include <stdio.h>
#include <stdlib.h>

/* A record has up to 16 KiB of data, and a little around it. */
#define TLS_ROOM 0x8000

#define TLS_CLIENT_FLAGS \
    (ISC_REQ_SEQUENCE_DETECT | ISC_REQ_REPLAY_DETECT | ISC_REQ_CONFIDENTIALITY | ISC_REQ_ALLOCATE_MEMORY | \
     ISC_REQ_EXTENDED_ERROR | ISC_REQ_USE_SUPPLIED_CREDS | ISC_REQ_STREAM)
#define TLS_SERVER_FLAGS \
    (ASC_REQ_SEQUENCE_DETECT | ASC_REQ_REPLAY_DETECT | ASC_REQ_CONFIDENTIALITY | ASC_REQ_ALLOCATE_MEMORY | \
     ASC_REQ_EXTENDED_ERROR | ASC_REQ_STREAM)

enum tls_result {
    TLS_OK,
    TLS_CLOSED, /* the peer said close_notify: all that it sent has arrived */
    TLS_CUT,    /* TCP ended without close_notify: something may be missing */
    TLS_BROKEN, /* the socket failed */
    TLS_FAILED  /* Schannel refused: the status says why */
};

struct tls {
    net_socket socket;
    CredHandle *credentials;
    const char *host; /* a client's: the server it wants; a server's: NULL */
    BYTE *alpn;       /* SEC_APPLICATION_PROTOCOLS, or NULL */
    ULONG alpn_length;

    CtxtHandle context;
    int has_context;
    SecPkgContext_StreamSizes sizes;
    SECURITY_STATUS status; /* of the last call that mattered */

    BYTE input[TLS_ROOM]; /* received and not consumed yet */
    ULONG input_length;
    BYTE plain[TLS_ROOM];
    BYTE output[TLS_ROOM];
};

/* One call of the handshake; also the call that gives the close_notify. */
static inline SECURITY_STATUS tls_token_call(struct tls *tls, SecBufferDesc *input, SecBufferDesc *output) {
    PCtxtHandle context = tls->has_context ? &tls->context : NULL;
    ULONG attributes;
    if (tls->host != NULL)
        return InitializeSecurityContextA(
            tls->credentials, context, (SEC_CHAR *)tls->host, TLS_CLIENT_FLAGS, 0, 0, input, 0, &tls->context, output,
            &attributes, NULL);
    return AcceptSecurityContext(
        tls->credentials, context, input, TLS_SERVER_FLAGS, 0, &tls->context, output, &attributes, NULL);
}

/* Sends what a call put into its token buffer, and frees it. */
static inline enum tls_result tls_send_token(struct tls *tls, SecBuffer *token) {
    int sent = 1;
    if (token->pvBuffer == NULL) return TLS_OK;
    if (token->cbBuffer > 0) sent = net_send(tls->socket, token->pvBuffer, token->cbBuffer);
    FreeContextBuffer(token->pvBuffer);
    return sent ? TLS_OK : TLS_BROKEN;
}

/* More bytes, behind those that wait. */
static inline enum tls_result tls_fill(struct tls *tls) {
    int received;
    if (tls->input_length == sizeof tls->input) {
        tls->status = SEC_E_INVALID_TOKEN; /* no record is so long */
        return TLS_FAILED;
    }
    received = net_receive(tls->socket, tls->input + tls->input_length, sizeof tls->input - tls->input_length);
    if (received == 0) return TLS_CUT;
    if (received < 0) return TLS_BROKEN;
    tls->input_length += (ULONG)received;
    return TLS_OK;
}

/* A call has consumed all but the last bytes. Only the number is sure to be there in a SECBUFFER_EXTRA. */
static inline void tls_keep(struct tls *tls, ULONG extra) {
    memmove(tls->input, tls->input + (tls->input_length - extra), extra);
    tls->input_length = extra;
}

/* The token loop: the handshake, and whatever Schannel wants to say after it. */
static inline enum tls_result tls_negotiate(struct tls *tls) {
    for (;;) {
        SecBuffer in[3] = {
            {tls->input_length, SECBUFFER_TOKEN, tls->input}, {0, SECBUFFER_EMPTY, NULL}, {0, SECBUFFER_EMPTY, NULL}};
        SecBuffer token = {0, SECBUFFER_TOKEN, NULL};
        SecBufferDesc input = {SECBUFFER_VERSION, 3, in};
        SecBufferDesc output = {SECBUFFER_VERSION, 1, &token};
        SecBufferDesc *given = &input;
        enum tls_result result;

        if (!tls->has_context && tls->alpn != NULL) {
            in[2].cbBuffer = tls->alpn_length;
            in[2].BufferType = SECBUFFER_APPLICATION_PROTOCOLS;
            in[2].pvBuffer = tls->alpn;
        }
        if (!tls->has_context && tls->host != NULL) {
            /* A client speaks first: there is no token yet. */
            input.cBuffers = 1;
            input.pBuffers = &in[2];
            if (tls->alpn == NULL) given = NULL;
        }

        tls->status = tls_token_call(tls, given, &output);
        if (tls->status >= 0) tls->has_context = 1;
        /* Also of a failed call: it is the alert that tells the peer. */
        result = tls_send_token(tls, &token);
        if (tls->status == SEC_E_INCOMPLETE_MESSAGE) {
            /* Nothing was consumed; in[1] may say how much is missing, but reading what there is does as well. */
            result = tls_fill(tls);
            if (result != TLS_OK) return result;
            continue;
        }
        if (tls->status < 0) return TLS_FAILED;
        if (result != TLS_OK) return result;
        /* The server would like a certificate. The same call again goes on without one; no input was consumed. */
        if (tls->status == SEC_I_INCOMPLETE_CREDENTIALS) continue;

        tls_keep(tls, in[1].BufferType == SECBUFFER_EXTRA ? in[1].cbBuffer : 0);
        if (tls->status == SEC_I_CONTEXT_EXPIRED) return TLS_CLOSED;
        if (tls->status != SEC_I_CONTINUE_NEEDED) return TLS_OK;
        if (tls->input_length == 0 && (result = tls_fill(tls)) != TLS_OK) return result;
    }
}

/* The handshake. Set socket, credentials and host before, everything else to zero. */
static inline enum tls_result tls_handshake(struct tls *tls) {
    enum tls_result result = tls_negotiate(tls);
    if (result != TLS_OK) return result;
    tls->status = QueryContextAttributesA(&tls->context, SECPKG_ATTR_STREAM_SIZES, &tls->sizes);
    if (tls->status < 0) return TLS_FAILED;
    if (tls->sizes.cbHeader + tls->sizes.cbMaximumMessage + tls->sizes.cbTrailer > sizeof tls->output) {
        tls->status = SEC_E_BUFFER_TOO_SMALL;
        return TLS_FAILED;
    }
    return TLS_OK;
}

static inline enum tls_result tls_send(struct tls *tls, const void *data, size_t length) {
    const BYTE *next = data;
    while (length > 0) {
        ULONG chunk = length > tls->sizes.cbMaximumMessage ? tls->sizes.cbMaximumMessage : (ULONG)length;
        BYTE *message = tls->output + tls->sizes.cbHeader;
        SecBuffer buffers[4] = {
            {tls->sizes.cbHeader, SECBUFFER_STREAM_HEADER, tls->output},
            {chunk, SECBUFFER_DATA, message},
            {tls->sizes.cbTrailer, SECBUFFER_STREAM_TRAILER, message + chunk},
            {0, SECBUFFER_EMPTY, NULL}};
        SecBufferDesc description = {SECBUFFER_VERSION, 4, buffers};
        memcpy(message, next, chunk); /* encrypted in place */
        tls->status = EncryptMessage(&tls->context, 0, &description, 0);
        if (tls->status < 0) return TLS_FAILED;
        /* The trailer may have become shorter than it was said to be. */
        if (!net_send(tls->socket, tls->output, buffers[0].cbBuffer + buffers[1].cbBuffer + buffers[2].cbBuffer))
            return TLS_BROKEN;
        next += chunk;
        length -= chunk;
    }
    return TLS_OK;
}

/* The next data. It stays where it is until the next call. */
static inline enum tls_result tls_receive(struct tls *tls, const BYTE **data, ULONG *length) {
    *data = tls->plain;
    *length = 0;
    while (*length == 0) {
        SecBuffer buffers[4] = {
            {tls->input_length, SECBUFFER_DATA, tls->input},
            {0, SECBUFFER_EMPTY, NULL},
            {0, SECBUFFER_EMPTY, NULL},
            {0, SECBUFFER_EMPTY, NULL}};
        SecBufferDesc description = {SECBUFFER_VERSION, 4, buffers};
        enum tls_result result = TLS_OK;
        ULONG extra = 0;
        int i;

        tls->status =
            tls->input_length > 0 ? DecryptMessage(&tls->context, &description, 0, NULL) : SEC_E_INCOMPLETE_MESSAGE;
        if (tls->status == SEC_E_INCOMPLETE_MESSAGE) {
            result = tls_fill(tls);
            if (result != TLS_OK) return result;
            continue;
        }
        if (tls->status < 0) return TLS_FAILED;

        for (i = 1; i < 4; i++) {
            if (buffers[i].BufferType == SECBUFFER_DATA && buffers[i].cbBuffer > 0) {
                /* It lies in the input, which is about to move. */
                memcpy(tls->plain, buffers[i].pvBuffer, buffers[i].cbBuffer);
                *length = buffers[i].cbBuffer;
            }
            if (buffers[i].BufferType == SECBUFFER_EXTRA) extra = buffers[i].cbBuffer;
        }
        tls_keep(tls, extra);
        if (tls->status == SEC_I_CONTEXT_EXPIRED) return TLS_CLOSED;
        /* In TLS 1.3 a session ticket or new keys, in TLS 1.2 a new handshake: the token loop takes it. */
        if (tls->status == SEC_I_RENEGOTIATE && (result = tls_negotiate(tls)) != TLS_OK) return result;
    }
    return TLS_OK;
}

/* Says a control token to Schannel and sends what comes of it: a SCHANNEL_SHUTDOWN or a SCHANNEL_ALERT. */
static inline enum tls_result tls_control(struct tls *tls, void *control, ULONG length) {
    SecBuffer in = {length, SECBUFFER_TOKEN, control};
    SecBuffer token = {0, SECBUFFER_TOKEN, NULL};
    SecBufferDesc input = {SECBUFFER_VERSION, 1, &in};
    SecBufferDesc output = {SECBUFFER_VERSION, 1, &token};
    if (!tls->has_context) return TLS_FAILED;
    tls->status = ApplyControlToken(&tls->context, &input);
    if (tls->status < 0) return TLS_FAILED;
    tls->status = tls_token_call(tls, NULL, &output);
    if (tls->status < 0) return TLS_FAILED;
    return tls_send_token(tls, &token);
}

static inline enum tls_result tls_send_close(struct tls *tls) {
    DWORD shutdown_token = SCHANNEL_SHUTDOWN;
    return tls_control(tls, &shutdown_token, sizeof shutdown_token);
}

static inline enum tls_result tls_send_alert(struct tls *tls, DWORD number) {
    SCHANNEL_ALERT_TOKEN alert = {SCHANNEL_ALERT, TLS1_ALERT_FATAL, number};
    return tls_control(tls, &alert, sizeof alert);
}

/*
 * Ends the connection. `so_far` is how reading went: TLS_OK if it has not ended. Says close_notify, then waits for the peer's, so that
 * nothing on the way is destroyed by a TCP reset. Returns how it ended for good.
 */
static inline enum tls_result tls_close(struct tls *tls, enum tls_result so_far) {
    SECURITY_STATUS why = tls->status;
    const BYTE *data;
    ULONG length;
    /* After a failure this gives the alert that the peer has to hear, or nothing. */
    if (so_far != TLS_BROKEN && tls_send_close(tls) == TLS_BROKEN && so_far == TLS_OK) so_far = TLS_BROKEN;
    net_finish(tls->socket);
    if (so_far == TLS_OK) {
        while ((so_far = tls_receive(tls, &data, &length)) == TLS_OK) continue;
        why = tls->status;
    }
    tls->status = why;
    if (tls->has_context) DeleteSecurityContext(&tls->context);
    tls->has_context = 0;
    net_close(tls->socket);
    return so_far;
}

/* In words; also the exit code of both examples. */
static inline int tls_report(const char *who, const struct tls *tls, enum tls_result end) {
    switch (end) {
        case TLS_OK:
        case TLS_CLOSED:
            fprintf(stderr, "%s: closed by both sides\n", who);
            return 0;
        case TLS_CUT:
            fprintf(stderr, "%s: cut: TCP ended without close_notify, data may be missing\n", who);
            return 3;
        case TLS_BROKEN:
            fprintf(stderr, "%s: broken: the socket failed\n", who);
            return 3;
        case TLS_FAILED:
        default:
            fprintf(stderr, "%s: failed: 0x%08x\n", who, (unsigned)tls->status);
            return 4;
    }
}

/* "h2" as a SEC_APPLICATION_PROTOCOLS: lengths before everything. To be freed; NULL if it does not fit. */
static inline BYTE *tls_alpn(const char *protocol, ULONG *length) {
    size_t name_length = strlen(protocol);
    ULONG lists_length;
    USHORT list_length;
    SEC_APPLICATION_PROTOCOL_NEGOTIATION_EXT extension = SecApplicationProtocolNegotiationExt_ALPN;
    BYTE *buffer = name_length > 0 && name_length < 256 ? malloc(11 + name_length) : NULL;
    if (buffer == NULL) return NULL;
    list_length = (USHORT)(1 + name_length);
    lists_length = 6u + list_length;
    memcpy(buffer, &lists_length, 4);
    memcpy(buffer + 4, &extension, 4);
    memcpy(buffer + 8, &list_length, 2);
    buffer[10] = (BYTE)name_length;
    memcpy(buffer + 11, protocol, name_length);
    *length = 4 + lists_length;
    return buffer;
}

/* What was agreed on, for whoever watches. */
static inline void tls_describe(const char *who, struct tls *tls) {
    SecPkgContext_ConnectionInfo connection;
    SecPkgContext_ApplicationProtocol protocol;
    const char *version = "TLS";
    if (QueryContextAttributesA(&tls->context, SECPKG_ATTR_CONNECTION_INFO, &connection) >= 0) {
        if (connection.dwProtocol & SP_PROT_TLS1_2) version = "TLS 1.2";
        if (connection.dwProtocol & SP_PROT_TLS1_3) version = "TLS 1.3";
        fprintf(stderr, "%s: %s, %u bit cipher\n", who, version, (unsigned)connection.dwCipherStrength);
    }
    if (QueryContextAttributesA(&tls->context, SECPKG_ATTR_APPLICATION_PROTOCOL, &protocol) >= 0 &&
        protocol.ProtoNegoStatus == SecApplicationProtocolNegotiationStatus_Success)
        fprintf(stderr, "%s: protocol %.*s\n", who, protocol.ProtocolIdSize, (const char *)protocol.ProtocolId);
}

/* A whole file; a zero byte behind it. To be freed; NULL if it cannot be read. */
static inline BYTE *tls_read_file(const char *path, DWORD *length) {
    enum { MOST = 0x100000 };
    FILE *file = fopen(path, "rb");
    BYTE *bytes = file != NULL ? malloc(MOST) : NULL;
    if (bytes != NULL) {
        *length = (DWORD)fread(bytes, 1, MOST - 1, file);
        bytes[*length] = 0;
    }
    if (file != NULL) fclose(file);
    return bytes;
}

#endif
