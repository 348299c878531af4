/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A subject on the C ABI, in its compatible mode: tickets and key updates go through the token calls, as on Windows. One thread, poll(2).
 *
 *   c_abi_subject client|server 1.2|1.3 STATE PORT CERTIFICATES
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 16384
#define SENDING (4u << 20)
#define BLOCKED (64u << 20)
/* Bytes that come right before every end: the order to stop counts behind them. */
#define LAST 5

static struct {
    int socket;
    BOOL server, made, established;
    CredHandle credential;
    CtxtHandle context;
    SecPkgContext_StreamSizes sizes;
    struct bytes in, out, data;
    BOOL reset;  /* a write met a reset: the kernel tells it once */
    BOOL broken; /* nothing can be written any more */
    DWORD disabled;
    unsigned bulk; /* bytes that are still to be written */
} me;

static void fail(const char *what, SECURITY_STATUS status) {
    fprintf(stderr, "%s: %s (0x%08x)\n", what, OpenSchannelStatusName(status), (unsigned)status);
    exit(1);
}

static struct bytes file(const char *directory, const char *name) {
    char path[1024];
    struct bytes content = {0};
    BYTE part[4096];
    size_t length;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *opened = fopen(path, "rb");
    MUST(opened != NULL);
    while ((length = fread(part, 1, sizeof part, opened)) > 0) bytes_add(&content, part, length);
    fclose(opened);
    return content;
}

static void acquire_credential(const char *directory) {
    PCCERT_CONTEXT certificate = NULL;
    SCH_CREDENTIALS data = {0};
    TLS_PARAMETERS parameters = {0};
    parameters.grbitDisabledProtocols = me.disabled;
    data.dwVersion = SCH_CREDENTIALS_VERSION;
    data.cTlsParameters = 1;
    data.pTlsParameters = &parameters;
    data.dwFlags = me.server ? 0 : SCH_CRED_NO_DEFAULT_CREDS | SCH_CRED_AUTO_CRED_VALIDATION;
    if (me.server) {
        struct bytes chain = file(directory, "chain.pem"), key = file(directory, "key.pem");
        MUST(OpenSchannelImportPem(
            chain.data, (DWORD)chain.length, key.data, (DWORD)key.length, NULL, &certificate));
        data.cCreds = 1;
        data.paCred = &certificate;
        bytes_free(&chain);
        bytes_free(&key);
    }
    SECURITY_STATUS status = AcquireCredentialsHandleA(
        NULL, (SEC_CHAR *)UNISP_NAME_A, me.server ? SECPKG_CRED_INBOUND : SECPKG_CRED_OUTBOUND, NULL, &data, NULL,
        NULL, &me.credential, NULL);
    if (status != SEC_E_OK) fail("AcquireCredentialsHandle", status);
}

/* Writes what waits, as far as the socket takes it. */
static void flush_some(void) {
    while (me.out.length > 0 && !me.broken) {
        ssize_t written = send(me.socket, me.out.data, me.out.length, MSG_NOSIGNAL);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (written < 0) {
            me.reset |= errno == ECONNRESET;
            me.broken = TRUE;
            return;
        }
        bytes_drop(&me.out, (size_t)written);
    }
    if (me.broken) bytes_free(&me.out);
}

static void flush_all(void) {
    for (flush_some(); me.out.length > 0 && !me.broken; flush_some()) {
        struct pollfd room = {me.socket, POLLOUT, 0};
        poll(&room, 1, -1);
    }
}

/* InitializeSecurityContext or AcceptSecurityContext, with what has arrived or with nothing. Its token goes out. */
static SECURITY_STATUS token_call(BOOL with_input) {
    ULONG length = (ULONG)me.in.length, attributes;
    SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, me.in.data, length), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(in, 2), output = descriptor(&out, 1);
    SecBufferDesc *given = with_input ? &input : NULL;
    PCtxtHandle context = me.made ? &me.context : NULL;
    SECURITY_STATUS status;
    if (me.server)
        status = AcceptSecurityContext(
            &me.credential, context, given,
            ASC_REQ_STREAM | ASC_REQ_CONFIDENTIALITY | ASC_REQ_ALLOCATE_MEMORY | ASC_REQ_EXTENDED_ERROR, 0,
            &me.context, &output, &attributes, NULL);
    else
        status = InitializeSecurityContextA(
            &me.credential, context, (SEC_CHAR *)HOST,
            ISC_REQ_STREAM | ISC_REQ_CONFIDENTIALITY | ISC_REQ_ALLOCATE_MEMORY | ISC_REQ_EXTENDED_ERROR, 0, 0, given,
            0, &me.context, &output, &attributes, NULL);
    if (status >= 0) me.made = TRUE;
    if (out.cbBuffer > 0) bytes_add(&me.out, out.pvBuffer, out.cbBuffer);
    FreeContextBuffer(out.pvBuffer);
    if (with_input && (status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED))
        bytes_drop(&me.in, length - (in[1].BufferType == SECBUFFER_EXTRA ? in[1].cbBuffer : 0));
    return status;
}

static void close_notify(void) {
    DWORD shutdown = SCHANNEL_SHUTDOWN;
    SecBuffer control = buffer(SECBUFFER_TOKEN, &shutdown, sizeof shutdown);
    SecBufferDesc input = descriptor(&control, 1);
    if (ApplyControlToken(&me.context, &input) == SEC_E_OK) token_call(FALSE);
}

static SECURITY_STATUS encrypt(const void *data, ULONG length) {
    static BYTE record[PIECE + 1024];
    BYTE *start = record + me.sizes.cbHeader;
    memcpy(start, data, length);
    SecBuffer buffers[4] = {
        buffer(SECBUFFER_STREAM_HEADER, record, me.sizes.cbHeader), buffer(SECBUFFER_DATA, start, length),
        buffer(SECBUFFER_STREAM_TRAILER, start + length, me.sizes.cbTrailer), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc message = descriptor(buffers, 4);
    SECURITY_STATUS status = EncryptMessage(&me.context, 0, &message, 0);
    for (int index = 0; status == SEC_E_OK && index < 3; index++)
        bytes_add(&me.out, buffers[index].pvBuffer, buffers[index].cbBuffer);
    return status;
}

/* Writes what waits, and the next piece behind it. */
static void write_on(void) {
    static const BYTE piece[PIECE];
    flush_some();
    if (me.bulk == 0 || me.out.length > 0 || me.broken) return;
    me.bulk = encrypt(piece, PIECE) == SEC_E_OK ? me.bulk - PIECE : 0;
    flush_some();
}

/* Takes one step with what has arrived. FALSE: that is not enough for one. */
static BOOL step(BOOL *ended) {
    if (me.in.length == 0) return FALSE;
    if (!me.established) {
        SECURITY_STATUS status = token_call(TRUE);
        if (status == SEC_E_INCOMPLETE_MESSAGE) return FALSE;
        if (status == SEC_E_OK) {
            me.established = TRUE;
            MUST(QueryContextAttributesA(&me.context, SECPKG_ATTR_STREAM_SIZES, &me.sizes) == SEC_E_OK);
        } else if (status != SEC_I_CONTINUE_NEEDED) {
            if (!me.made) fail("the handshake", status);
            *ended = TRUE;
        }
        return TRUE;
    }
    ULONG length = (ULONG)me.in.length;
    SecBuffer buffers[4] = {
        buffer(SECBUFFER_DATA, me.in.data, length), buffer(SECBUFFER_EMPTY, NULL, 0),
        buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBufferDesc message = descriptor(buffers, 4);
    SECURITY_STATUS status = DecryptMessage(&me.context, &message, 0, NULL);
    if (status == SEC_E_INCOMPLETE_MESSAGE) return FALSE;
    if (status == SEC_I_RENEGOTIATE) {
        status = token_call(TRUE);
        if (status != SEC_E_OK && status != SEC_E_INCOMPLETE_MESSAGE) *ended = TRUE;
        return status != SEC_E_INCOMPLETE_MESSAGE;
    }
    if (status != SEC_E_OK) {
        *ended = TRUE;
        return TRUE;
    }
    ULONG extra = 0;
    for (int index = 1; index < 4; index++) {
        if (buffers[index].BufferType == SECBUFFER_DATA)
            bytes_add(&me.data, buffers[index].pvBuffer, buffers[index].cbBuffer);
        if (buffers[index].BufferType == SECBUFFER_EXTRA) extra = buffers[index].cbBuffer;
    }
    bytes_drop(&me.in, length - extra);
    return TRUE;
}

enum until { ESTABLISHED, PONG, END };

static BOOL is_reached(enum until until) {
    return until == ESTABLISHED ? me.established : until == PONG ? me.data.length >= 4 : FALSE;
}

/*
 * Reads until something is reached, and writes meanwhile. TRUE: the connection has ended, or the order to stop has come on standard input,
 * which counts once there is what the peer sends in any case.
 */
static BOOL read_until(enum until until, BOOL in_handshake) {
    BOOL ended = FALSE;
    for (;;) {
        while (!ended && !is_reached(until) && step(&ended)) continue;
        if (until != END) flush_all();
        if (ended || is_reached(until)) return ended;
        write_on();
        BOOL obeys = in_handshake || (until == END && me.data.length >= LAST);
        struct pollfd both[2] = {{me.socket, POLLIN, 0}, {obeys ? 0 : -1, POLLIN, 0}};
        if (!me.broken && (me.out.length > 0 || me.bulk > 0)) both[0].events |= POLLOUT;
        if (poll(both, 2, -1) < 0) continue;
        if (both[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            BYTE part[1 << 16];
            ssize_t length = recv(me.socket, part, sizeof part, 0);
            if (length > 0) {
                bytes_add(&me.in, part, (size_t)length);
            } else if (length == 0 || (errno != EAGAIN && errno != EINTR)) {
                DWORD how = length < 0 || me.reset ? OPENSCHANNEL_TRANSPORT_RESET : OPENSCHANNEL_TRANSPORT_EOF;
                if (!me.made) fail("the transport ended before there was a context", SEC_E_OK);
                OpenSchannelTransportEnded(&me.context, how, me.in.length, NULL);
                return TRUE;
            }
        } else if (both[1].revents != 0) {
            return TRUE;
        }
    }
}

static void say_verdict(void) {
    OPENSCHANNEL_CLOSING closing;
    closing.cbSize = sizeof closing;
    MUST(OpenSchannelQueryClosing(&me.context, &closing) == SEC_E_OK);
    static const char *const words[] = {"open", "closed", "truncated", "truncated-inside", "reset", "", "failed"};
    unsigned received = (unsigned)me.data.length;
    if (closing.dwReadEnd == OPENSCHANNEL_READ_ALERT)
        printf("verdict alert:%u received=%u\n", (unsigned)closing.dwAlert, received);
    else if (closing.dwReadEnd == OPENSCHANNEL_READ_FAILED)
        printf(
            "verdict failed received=%u detail=%s\n", received, OpenSchannelStatusName(closing.ssFailure));
    else
        printf("verdict %s received=%u\n", words[closing.dwReadEnd], received);
    fflush(stdout);
}

static BOOL close_was_sent(void) {
    OPENSCHANNEL_CLOSING closing;
    closing.cbSize = sizeof closing;
    return OpenSchannelQueryClosing(&me.context, &closing) == SEC_E_OK && closing.fCloseSent;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    const char *state = argv[3];
    char authority[1024];
    snprintf(authority, sizeof authority, "%s/ca.pem", argv[5]);
    /* The system's roots, for this program. */
    setenv("SSL_CERT_FILE", authority, 1);
    me.server = strcmp(argv[1], "server") == 0;
    DWORD version = strcmp(argv[2], "1.3") == 0 ? SP_PROT_TLS1_3 : SP_PROT_TLS1_2;
    me.disabled = ~version;
    acquire_credential(argv[5]);

    struct sockaddr_in address = {0};
    int yes = 1;
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)atoi(argv[4]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    me.socket = socket(AF_INET, SOCK_STREAM, 0);
    MUST(connect(me.socket, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(me.socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(me.socket, F_SETFL, fcntl(me.socket, F_GETFL) | O_NONBLOCK);

    BOOL in_handshake = strcmp(state, "handshake") == 0;
    if (!me.server && token_call(FALSE) != SEC_I_CONTINUE_NEEDED) fail("the first call", SEC_E_INTERNAL_ERROR);
    BOOL ended = read_until(ESTABLISHED, in_handshake);
    if (in_handshake) {
        MUST(ended);
        say_verdict();
        close_notify();
        flush_all();
        shutdown(me.socket, SHUT_WR);
        return 0;
    }
    MUST(!ended);
    flush_all();
    if (strcmp(state, "tickets") != 0) {
        MUST(encrypt("ping", 4) == SEC_E_OK);
        MUST(!read_until(PONG, FALSE));
        bytes_drop(&me.data, 4);
    }
    if (strcmp(state, "closed") == 0) close_notify();
    if (strcmp(state, "key-update-asked") == 0) {
        SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
        SecBufferDesc output = descriptor(&out, 1);
        MUST(OpenSchannelKeyUpdate(&me.context, OPENSCHANNEL_REQUEST_UPDATE, &output) == SEC_E_OK);
        bytes_add(&me.out, out.pvBuffer, out.cbBuffer);
        FreeContextBuffer(out.pvBuffer);
    }
    flush_all();
    puts("ready");
    fflush(stdout);
    BOOL is_blocked = strcmp(state, "blocked") == 0;
    me.bulk = is_blocked ? BLOCKED : strcmp(state, "sending") == 0 ? SENDING : 0;
    read_until(END, FALSE);
    say_verdict();

    /* What the contract promises: as long as sending is possible it works, and the own end goes out. */
    while (me.bulk > 0 && !is_blocked && !me.broken) {
        flush_all();
        write_on();
    }
    flush_all();
    encrypt("still", 5);
    if (!close_was_sent()) close_notify();
    flush_all();
    shutdown(me.socket, SHUT_WR);
    return 0;
}
