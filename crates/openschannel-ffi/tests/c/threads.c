/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Eight threads make, use, delete and misuse handles that all of them share, for as many seconds as the second argument says (2).
 *
 * Two kinds of threads. Half of them are pairs: each two hold a connection on which one end encrypts and decrypts at the same time,
 * and every byte is compared. The others take any handle out of a shared table, good or gone, and do anything with it: then only a
 * documented status can be expected, and that nothing breaks.
 *
 *   threads DIRECTORY [SECONDS]
 */
#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "harness.h"

#include <stdatomic.h>
#include <time.h>

#ifdef _WIN32
typedef HANDLE thread;
typedef CRITICAL_SECTION mutex;
#define mutex_make(m) InitializeCriticalSection(m)
#define mutex_lock(m) EnterCriticalSection(m)
#define mutex_unlock(m) LeaveCriticalSection(m)
#else
#include <pthread.h>
typedef pthread_t thread;
typedef pthread_mutex_t mutex;
#define mutex_make(m) pthread_mutex_init(m, NULL)
#define mutex_lock(m) pthread_mutex_lock(m)
#define mutex_unlock(m) pthread_mutex_unlock(m)
#endif

#define FREE_THREADS 4 /* that do anything */
#define TALKS 2        /* connections with a thread for each direction */

static atomic_int stop;
static atomic_ulong calls, unexpected, messages;

/* The harness' checks count without locks; here is one place that takes note of a failure. */
static mutex telling;

static void tell(const char *what, SECURITY_STATUS status) {
    mutex_lock(&telling);
    if (atomic_fetch_add(&unexpected, 1) < 20)
        fprintf(stderr, "%s: %s (0x%08lx)\n", what, status_name(status), (unsigned long)(uint32_t)status);
    mutex_unlock(&telling);
}

static void documented(const char *what, SECURITY_STATUS status) {
    static const SECURITY_STATUS known[] = {
        SEC_E_OK, SEC_I_CONTINUE_NEEDED, SEC_I_CONTEXT_EXPIRED, SEC_I_RENEGOTIATE, SEC_I_INCOMPLETE_CREDENTIALS,
        SEC_I_NO_RENEGOTIATION, SEC_E_INVALID_HANDLE, SEC_E_INVALID_TOKEN, SEC_E_INCOMPLETE_MESSAGE,
        SEC_E_CONTEXT_EXPIRED, SEC_E_UNSUPPORTED_FUNCTION, SEC_E_INSUFFICIENT_MEMORY, SEC_E_BUFFER_TOO_SMALL,
        SEC_E_ILLEGAL_MESSAGE, SEC_E_MESSAGE_ALTERED, SEC_E_DECRYPT_FAILURE, SEC_E_ENCRYPT_FAILURE,
        SEC_E_NO_CREDENTIALS, SEC_E_ALGORITHM_MISMATCH, SEC_E_CERT_UNKNOWN, SEC_E_UNFINISHED_CONTEXT_DELETED,
        /* A token of another connection's may be anything, an alert any number. SEC_E_INTERNAL_ERROR, alert 80, is left out here and
         * there: it would hide a panic. */
        SEC_E_DOWNGRADE_DETECTED, SEC_E_LOGON_DENIED, SEC_E_UNTRUSTED_ROOT, SEC_E_CERT_EXPIRED, CRYPT_E_REVOKED,
        SEC_E_APPLICATION_PROTOCOL_MISMATCH,
    };
    atomic_fetch_add(&calls, 1);
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (known[index] == status) return;
    tell(what, status);
}

/* What the free threads share: handles, and bytes that were tokens or records of some connection. */

#define SLOTS 12
#define PIECES 16

static mutex shared;
static CtxtHandle contexts[SLOTS];
static CredHandle own_credentials[2];
static BYTE *pieces[PIECES];
static ULONG piece_lengths[PIECES];

static CtxtHandle any_context(uint64_t *state) {
    mutex_lock(&shared);
    CtxtHandle found = contexts[random_below(state, SLOTS)];
    mutex_unlock(&shared);
    return found;
}

static void keep_context(uint64_t *state, CtxtHandle handle) {
    mutex_lock(&shared);
    CtxtHandle *slot = &contexts[random_below(state, SLOTS)], old = *slot;
    *slot = handle;
    mutex_unlock(&shared);
    documented("DeleteSecurityContext", DeleteSecurityContext(&old));
}

static void keep_piece(uint64_t *state, const void *data, ULONG length) {
    BYTE *copy = copy_of(data, length);
    mutex_lock(&shared);
    ULONG index = random_below(state, PIECES);
    BYTE *old = pieces[index];
    pieces[index] = copy;
    piece_lengths[index] = length;
    mutex_unlock(&shared);
    free(old);
}

static BYTE *any_piece(uint64_t *state, ULONG *length) {
    mutex_lock(&shared);
    ULONG index = random_below(state, PIECES);
    *length = piece_lengths[index];
    BYTE *copy = copy_of(pieces[index], *length);
    mutex_unlock(&shared);
    return copy;
}

static CredHandle any_credential(uint64_t *state, BOOL server) {
    if (random_below(state, 4) > 0)
        return *credential(random_below(state, 2) ? TLS13 : TLS12, server, server ? P256 : NO_CERTIFICATE);
    mutex_lock(&shared);
    CredHandle found = own_credentials[server];
    mutex_unlock(&shared);
    return found;
}

static void any_token_call(uint64_t *state, BOOL accept, BOOL later) {
    CtxtHandle context = later ? any_context(state) : (CtxtHandle){0, 0}, made = {0, 0};
    ULONG length, attributes, request = ISC_REQ_ALLOCATE_MEMORY;
    BYTE *piece = any_piece(state, &length);
    SecBuffer in[2] = {buffer(SECBUFFER_TOKEN, piece, length), buffer(SECBUFFER_EMPTY, NULL, 0)};
    SecBuffer out = buffer(SECBUFFER_TOKEN, NULL, 0);
    SecBufferDesc input = descriptor(in, 2), output = descriptor(&out, 1);
    CredHandle with = any_credential(state, accept);
    PCtxtHandle passed = later ? &context : NULL;
    SecBufferDesc *given = random_below(state, 4) == 0 ? NULL : &input;
    SECURITY_STATUS status;
    if (accept)
        status = AcceptSecurityContext(
            &with, passed, given, request, 0, &made, &output, &attributes, NULL);
    else
        status = InitializeSecurityContextA(
            &with, passed, (SEC_CHAR *)HOST, request, 0, 0, given, 0, &made, &output, &attributes, NULL);
    documented(accept ? "AcceptSecurityContext" : "InitializeSecurityContext", status);
    if (out.cbBuffer > 0 && out.pvBuffer != NULL) keep_piece(state, out.pvBuffer, out.cbBuffer);
    documented("FreeContextBuffer", FreeContextBuffer(out.pvBuffer));
    if (!later && status >= 0) keep_context(state, made);
    free(piece);
}

static void any_message(uint64_t *state, BOOL decrypts) {
    CtxtHandle context = any_context(state);
    ULONG length;
    BYTE *piece = any_piece(state, &length), header[13], trailer[80], text[50] = {0};
    if (decrypts) {
        SecBuffer in[4] = {
            buffer(SECBUFFER_DATA, piece, length), buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0),
            buffer(SECBUFFER_EMPTY, NULL, 0)};
        SecBufferDesc message = descriptor(in, 4);
        documented("DecryptMessage", DecryptMessage(&context, &message, 0, NULL));
    } else {
        SecBuffer out[3] = {
            buffer(SECBUFFER_STREAM_HEADER, header, sizeof header), buffer(SECBUFFER_DATA, text, sizeof text),
            buffer(SECBUFFER_STREAM_TRAILER, trailer, sizeof trailer)};
        SecBufferDesc message = descriptor(out, 3);
        SECURITY_STATUS status = EncryptMessage(&context, 0, &message, 0);
        documented("EncryptMessage", status);
        if (status == SEC_E_OK) {
            BYTE record[200];
            ULONG at = 0;
            for (int index = 0; index < 3; index++) {
                memcpy(record + at, out[index].pvBuffer, out[index].cbBuffer);
                at += out[index].cbBuffer;
            }
            keep_piece(state, record, at);
        }
    }
    free(piece);
}

static void any_control(uint64_t *state) {
    CtxtHandle context = any_context(state);
    DWORD control[3] = {random_below(state, 4), 1, random_below(state, 256)};
    if (control[2] == TLS1_ALERT_INTERNAL_ERROR) control[2] = 0;
    SecBuffer one = buffer(SECBUFFER_TOKEN, control, sizeof control);
    SecBufferDesc input = descriptor(&one, 1);
    documented("ApplyControlToken", ApplyControlToken(&context, &input));
}

static void any_query(uint64_t *state) {
    CtxtHandle context = any_context(state);
    if (random_below(state, 2) == 0) {
        SecPkgContext_StreamSizes sizes;
        documented(
            "QueryContextAttributes", QueryContextAttributesA(&context, SECPKG_ATTR_STREAM_SIZES, &sizes));
    } else {
        PCCERT_CONTEXT remote = NULL;
        documented(
            "QueryContextAttributes", QueryContextAttributesA(&context, SECPKG_ATTR_REMOTE_CERT_CONTEXT, &remote));
        if (remote != NULL) CertFreeCertificateContext(remote);
    }
}

/* A whole connection in one go, on a thread's own; its ends are then everybody's. */
static void whole_connection(uint64_t *state) {
    enum variant variant = random_below(state, 2) ? TLS13 : TLS12;
    SecBuffer in[2], out;
    SecBufferDesc input = descriptor(in, 2), output = descriptor(&out, 1);
    CtxtHandle ends[2] = {{0, 0}, {0, 0}};
    BOOL made[2] = {FALSE, FALSE}, done[2] = {FALSE, FALSE};
    struct bytes arrived[2] = {{0}, {0}};
    ULONG attributes;
    int turn = 0;
    for (int round = 0; round < 12 && !(done[0] && done[1]); round++, turn = !turn) {
        if (round > 0 && arrived[turn].length == 0) continue;
        BYTE *copy = copy_of(arrived[turn].data, arrived[turn].length);
        in[0] = buffer(SECBUFFER_TOKEN, copy, (ULONG)arrived[turn].length);
        in[1] = buffer(SECBUFFER_EMPTY, NULL, 0);
        out = buffer(SECBUFFER_TOKEN, NULL, 0);
        PCredHandle own = credential(variant, turn == 1, turn == 1 ? P256 : NO_CERTIFICATE);
        PCtxtHandle passed = made[turn] ? &ends[turn] : NULL;
        SECURITY_STATUS status =
            turn == 1 ? AcceptSecurityContext(own, passed, &input, 0x100, 0, &ends[1], &output, &attributes, NULL)
                      : InitializeSecurityContextA(
                            own, passed, (SEC_CHAR *)HOST, 0x100, 0, 0, passed ? &input : NULL, 0, &ends[0], &output,
                            &attributes, NULL);
        free(copy);
        if (status != SEC_E_OK && status != SEC_I_CONTINUE_NEEDED) {
            tell("a handshake of a thread's own", status);
            break;
        }
        made[turn] = TRUE;
        done[turn] = status == SEC_E_OK;
        bytes_free(&arrived[turn]);
        if (out.cbBuffer > 0) {
            bytes_add(&arrived[!turn], out.pvBuffer, out.cbBuffer);
            keep_piece(state, out.pvBuffer, out.cbBuffer);
        }
        documented("FreeContextBuffer", FreeContextBuffer(out.pvBuffer));
        /* The client's tickets. */
        if (done[0] && done[1]) break;
    }
    for (int end = 0; end < 2; end++) {
        bytes_free(&arrived[end]);
        if (made[end]) keep_context(state, ends[end]);
    }
}

static void free_thread(uint64_t *state) {
    while (!atomic_load(&stop)) {
        CtxtHandle gone;
        switch (random_below(state, 16)) {
        case 0: whole_connection(state); break;
        case 1: any_token_call(state, FALSE, FALSE); break;
        case 2: any_token_call(state, TRUE, FALSE); break;
        case 3: case 4: any_token_call(state, FALSE, TRUE); break;
        case 5: any_token_call(state, TRUE, TRUE); break;
        case 6: any_control(state); break;
        case 7: case 8: any_query(state); break;
        case 9:
            gone = any_context(state);
            documented("DeleteSecurityContext", DeleteSecurityContext(&gone));
            break;
        case 10: {
            /* Credentials come and go too. */
            BOOL server = random_below(state, 2) == 0;
            CredHandle fresh, old;
            if (acquire(
                    server, SCH_CREDENTIALS_VERSION, 0x18, FACTS[TLS13].protocols | FACTS[TLS12].protocols,
                    server ? P256 : NO_CERTIFICATE, &fresh) != SEC_E_OK) {
                tell("AcquireCredentialsHandle", 0);
                break;
            }
            mutex_lock(&shared);
            old = own_credentials[server];
            own_credentials[server] = fresh;
            mutex_unlock(&shared);
            documented("FreeCredentialsHandle", FreeCredentialsHandle(&old));
            break;
        }
        case 11: case 12: case 13: any_message(state, TRUE); break;
        default: any_message(state, FALSE); break;
        }
    }
}

/* A connection with two threads, one for each direction: EncryptMessage and DecryptMessage meet on both contexts. */
struct talk {
    struct pair pair;
    struct bytes wire[2]; /* to the client, to the server */
    mutex lock[2];
};

static struct talk talks[TALKS];

#define TALK_ROOM (1 << 16)

/* Byte n of what a direction carries. */
static BYTE content(int direction, uint64_t at) {
    return (BYTE)((at * 31 + at / 251) ^ (direction ? 0x5a : 0));
}

static void encrypt_some(struct talk *talk, int direction, uint64_t *sent, uint64_t *state) {
    struct end *end = direction ? &talk->pair.client : &talk->pair.server;
    const struct facts *facts = &FACTS[end->variant];
    BYTE record[20000];
    ULONG length = 1 + random_below(state, random_below(state, 8) == 0 ? 16384 : 300);
    mutex_lock(&talk->lock[direction]);
    int full = talk->wire[direction].length > TALK_ROOM;
    mutex_unlock(&talk->lock[direction]);
    if (full) return;
    for (ULONG index = 0; index < length; index++) record[facts->header + index] = content(direction, *sent + index);
    SecBuffer out[3] = {
        buffer(SECBUFFER_STREAM_HEADER, record, facts->header),
        buffer(SECBUFFER_DATA, record + facts->header, length),
        buffer(SECBUFFER_STREAM_TRAILER, record + facts->header + length, facts->trailer)};
    SecBufferDesc message = descriptor(out, 3);
    SECURITY_STATUS status = EncryptMessage(&end->context, 0, &message, 0);
    if (status != SEC_E_OK) {
        tell("EncryptMessage beside DecryptMessage", status);
        return;
    }
    mutex_lock(&talk->lock[direction]);
    bytes_add(&talk->wire[direction], record, out[0].cbBuffer + out[1].cbBuffer + out[2].cbBuffer);
    mutex_unlock(&talk->lock[direction]);
    *sent += length;
}

static void decrypt_some(struct talk *talk, int direction, uint64_t *received) {
    struct end *end = direction ? &talk->pair.server : &talk->pair.client;
    mutex_lock(&talk->lock[direction]);
    struct bytes taken = talk->wire[direction];
    memset(&talk->wire[direction], 0, sizeof taken);
    mutex_unlock(&talk->lock[direction]);
    ULONG at = 0;
    while (at < taken.length) {
        ULONG rest = (ULONG)taken.length - at;
        SecBuffer in[4] = {
            buffer(SECBUFFER_DATA, taken.data + at, rest), buffer(SECBUFFER_EMPTY, NULL, 0),
            buffer(SECBUFFER_EMPTY, NULL, 0), buffer(SECBUFFER_EMPTY, NULL, 0)};
        SecBufferDesc message = descriptor(in, 4);
        SECURITY_STATUS status = DecryptMessage(&end->context, &message, 0, NULL);
        if (status != SEC_E_OK) {
            tell("DecryptMessage beside EncryptMessage", status);
            break;
        }
        const BYTE *data = in[1].pvBuffer;
        for (ULONG index = 0; index < in[1].cbBuffer; index++)
            if (data[index] != content(direction, *received + index)) {
                tell("other data than was sent", status);
                break;
            }
        *received += in[1].cbBuffer;
        atomic_fetch_add(&messages, 1);
        at += rest - (in[3].BufferType == SECBUFFER_EXTRA ? in[3].cbBuffer : 0);
    }
    bytes_free(&taken);
}

static void talk_thread(struct talk *talk, int direction, uint64_t *state) {
    uint64_t sent = 0, received = 0;
    while (!atomic_load(&stop)) {
        /* Out of one end and into the other; the other thread goes the opposite way, so both are at work at each end. */
        encrypt_some(talk, direction, &sent, state);
        decrypt_some(talk, direction, &received);
        SecPkgContext_StreamSizes sizes;
        struct end *end = direction ? &talk->pair.client : &talk->pair.server;
        if (random_below(state, 64) == 0)
            documented("QueryContextAttributes", QueryContextAttributesA(&end->context, SECPKG_ATTR_STREAM_SIZES, &sizes));
    }
}

struct task {
    int number;
    uint64_t state;
};

static void run_task(struct task *task) {
    if (task->number < FREE_THREADS)
        free_thread(&task->state);
    else
        talk_thread(&talks[(task->number - FREE_THREADS) / 2], (task->number - FREE_THREADS) % 2, &task->state);
}

#ifdef _WIN32
static DWORD WINAPI start(void *task) {
    run_task(task);
    return 0;
}
#else
static void *start(void *task) {
    run_task(task);
    return NULL;
}
#endif

int main(int argc, char **argv) {
    enum { THREADS = FREE_THREADS + 2 * TALKS };
    thread threads[THREADS];
    struct task tasks[THREADS];
    harness_begin(argc, argv);
    int seconds = argc > 2 ? atoi(argv[2]) : 2;
    uint64_t seed = random_seed();

    mutex_make(&telling);
    mutex_make(&shared);
    /* What the harness makes when it is first asked has to be there before the threads are. */
    for (int variant = 0; variant < VARIANTS; variant++) {
        credential(variant, FALSE, NO_CERTIFICATE);
        credential(variant, TRUE, P256);
    }
    for (int server = 0; server < 2; server++)
        MUST(
            acquire(
                server, SCH_CREDENTIALS_VERSION, 0x18, FACTS[TLS13].protocols | FACTS[TLS12].protocols,
                server ? P256 : NO_CERTIFICATE, &own_credentials[server]) == SEC_E_OK);
    for (int index = 0; index < TALKS; index++) {
        pair_open(&talks[index].pair, index == 0 ? TLS12 : TLS13);
        mutex_make(&talks[index].lock[0]);
        mutex_make(&talks[index].lock[1]);
    }
    for (int index = 0; index < PIECES; index++) pieces[index] = copy_of("", 0);
    for (int index = 0; index < THREADS; index++) {
        tasks[index].number = index;
        tasks[index].state = seed + 0x1234567u * (uint64_t)(index + 1);
#ifdef _WIN32
        threads[index] = CreateThread(NULL, 0, start, &tasks[index], 0, NULL);
        MUST(threads[index] != NULL);
#else
        MUST(pthread_create(&threads[index], NULL, start, &tasks[index]) == 0);
#endif
    }
#ifdef _WIN32
    Sleep((DWORD)seconds * 1000);
#else
    struct timespec duration = {seconds, 0};
    nanosleep(&duration, NULL);
#endif
    atomic_store(&stop, 1);
    for (int index = 0; index < THREADS; index++) {
#ifdef _WIN32
        WaitForSingleObject(threads[index], INFINITE);
        CloseHandle(threads[index]);
#else
        pthread_join(threads[index], NULL);
#endif
    }
    scene("behind the threads");
    for (int index = 0; index < TALKS; index++) {
        bytes_free(&talks[index].wire[0]);
        bytes_free(&talks[index].wire[1]);
        pair_close(&talks[index].pair);
    }
    for (int index = 0; index < SLOTS; index++) DeleteSecurityContext(&contexts[index]);
    for (int index = 0; index < PIECES; index++) free(pieces[index]);
    for (int server = 0; server < 2; server++) CHECK_STATUS(FreeCredentialsHandle(&own_credentials[server]), SEC_E_OK);
    printf(
        "%d threads, %d s: %lu calls on shared handles, %lu messages compared\n", THREADS, seconds,
        atomic_load(&calls), atomic_load(&messages));
    CHECK_EQ(atomic_load(&unexpected), 0);
    CHECK(atomic_load(&calls) > 0 && atomic_load(&messages) > 0);
    return harness_end("threads");
}
