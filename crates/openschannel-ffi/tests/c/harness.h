/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the C tests share: checks that count, certificates (harness.c), and two contexts of this library with a wire in memory between
 * them (connection.c).
 *
 * A program is called with a directory that holds server.pem, server.key and likewise other and client; for Windows server.pfx and so
 * on, with the password "test". The first two are for HOST, with keys of different kinds where the system takes them (Wine: RSA only);
 * the system's roots, which SSL_CERT_FILE names, vouch for server and not for other.
 */
#ifndef HARNESS_H
#define HARNESS_H

#ifndef SECURITY_WIN32
#define SECURITY_WIN32
#endif
#define SCHANNEL_USE_BLACKLISTS
#ifdef _WIN32
#include <windows.h>
#include <subauth.h>
#include <wincrypt.h>
#else
#include <openschannel.h>
#endif
#include <security.h>
#include <schannel.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "server.test"

/* Checks. A failed one is told, with the scene it belongs to, and counted; the program goes on. */

#define CHECK(condition) check(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(got, expected) \
    check_number((unsigned long long)(got), (unsigned long long)(expected), #got, __FILE__, __LINE__)
#define CHECK_STATUS(got, expected) check_status((got), (expected), #got, __FILE__, __LINE__)
#define CHECK_BYTES(got, got_length, expected, expected_length) \
    check_bytes((got), (got_length), (expected), (expected_length), #got, __FILE__, __LINE__)
/* For what the rest of the program cannot do without. */
#define MUST(condition) must(!!(condition), #condition, __FILE__, __LINE__)

int check(int ok, const char *text, const char *file, int line);
int check_number(
    unsigned long long got, unsigned long long expected, const char *text, const char *file, int line);
int check_status(SECURITY_STATUS got, SECURITY_STATUS expected, const char *text, const char *file, int line);
int check_bytes(
    const void *got, size_t got_length, const void *expected, size_t expected_length, const char *text,
    const char *file, int line);
void must(int ok, const char *text, const char *file, int line);
const char *status_name(SECURITY_STATUS status);

/* Says what the following checks are about. */
#if defined(__GNUC__) && !defined(_WIN32)
__attribute__((format(printf, 1, 2)))
#endif
void scene(const char *format, ...);

void harness_begin(int argc, char **argv);
/* Frees what the harness holds, prints the count, and gives the exit status. */
int harness_end(const char *program);

/* Bytes. */

struct bytes {
    BYTE *data;
    size_t length;
};

void bytes_add(struct bytes *bytes, const void *more, size_t length);
void bytes_drop(struct bytes *bytes, size_t front);
void bytes_free(struct bytes *bytes);
/* Memory of exactly this length, so that a memory checker sees a step beyond it. */
void *copy_of(const void *data, size_t length);

/* Which connection. */

enum variant { TLS12, TLS12_CHACHA, TLS13, VARIANTS };

struct facts {
    const char *name;
    DWORD protocols;   /* SP_PROT_*, both roles */
    ULONG header;      /* SECPKG_ATTR_STREAM_SIZES */
    ULONG trailer;
    ULONG alert;       /* an alert's record, sealed (section 4.3) */
};
extern const struct facts FACTS[VARIANTS];

enum certificate { NO_CERTIFICATE, SERVER, OTHER_SERVER, CLIENT, CERTIFICATES };

/* The certificate; valid until the end. NULL for none. */
PCCERT_CONTEXT certificate(enum certificate which);

/* OpenSchannelKeyUpdate, wherever it is. */
SECURITY_STATUS key_update(PCtxtHandle context, DWORD flags, PSecBufferDesc output);

/* Credentials with defaults: SCH_CREDENTIALS, the client without validation. Made once, freed at the end. */
PCredHandle credential(enum variant variant, BOOL server, enum certificate which);
/* Others; the caller frees them. */
SECURITY_STATUS acquire(
    BOOL server, DWORD version, DWORD flags, DWORD protocols, enum certificate which, PCredHandle handle);

/* A connection. */

#define CLIENT_REQUEST 0x0001c11c /* EXTENDED_ERROR, ALLOCATE, INTEGRITY beside the usual */
#define SERVER_REQUEST 0x0003811c
#define MUTUAL 0x2

struct end {
    BOOL server;
    enum variant variant;
    PCredHandle credential;
    CtxtHandle context;
    BOOL made;
    BOOL done;         /* the handshake is finished */
    ULONG request;
    struct bytes in;   /* has arrived, is not consumed */
    struct end *peer;
};

struct pair {
    struct end client, server;
};

struct end *end_of(struct pair *pair, BOOL server);
const char *role(BOOL server);

/* Two ends with a wire, no contexts yet. */
void pair_make(struct pair *pair, enum variant variant, enum certificate which);
/* The handshake, and whatever follows it on the wire. */
void pair_connect(struct pair *pair);
/* Both at once. */
void pair_open(struct pair *pair, enum variant variant);
void pair_close(struct pair *pair);

/* Puts bytes on the wire to the other end. */
void end_put(struct end *end, const void *data, size_t length);

/*
 * A token call in a plain shape: [TOKEN, EMPTY] in and [TOKEN, ALERT] out. Takes what was consumed out of the wire. The token is sent
 * to the peer, or given in *token if that is not NULL.
 */
SECURITY_STATUS end_token(struct end *end, struct bytes *token);
/* As above, without input. */
SECURITY_STATUS end_token_empty(struct end *end, struct bytes *token);
/* ApplyControlToken. */
SECURITY_STATUS end_control(struct end *end, const void *control, ULONG length);
SECURITY_STATUS end_control_shutdown(struct end *end);
SECURITY_STATUS end_control_alert(struct end *end, DWORD level, DWORD number);
/* ApplyControlToken(SHUTDOWN) and the token call; checks SEC_E_OK. */
void end_shutdown(struct end *end, struct bytes *token);

/* EncryptMessage of one message; sent, or given in *record. */
SECURITY_STATUS end_encrypt(struct end *end, const void *data, ULONG length, struct bytes *record);

/* DecryptMessage of what has arrived; checks the layout of section 2.8. */
struct message {
    SECURITY_STATUS status;
    struct bytes data;
    ULONG missing;
    ULONG extra;
};
SECURITY_STATUS end_decrypt(struct end *end, struct message *message);
/* Reads until there is data, the peer's close, or a failure; token calls for what SEC_I_RENEGOTIATE announces. */
SECURITY_STATUS end_read(struct end *end, struct message *message);
void message_free(struct message *message);
/* Checks that the bytes given travel from an end to its peer. */
void check_data(struct end *from, const char *text);
/* Checks that the next thing that an end reads is the peer's close. */
void check_closed(struct end *end);

/* Checks SECPKG_ATTR_STREAM_SIZES. */
void check_sizes(struct end *end);

/* TLS 1.3's KeyUpdate, sent. */
void end_key_update(struct end *end, BOOL request);

void end_free(struct end *end);

/* Buffers in one line. */
SecBuffer buffer(ULONG type, void *data, ULONG length);
SecBufferDesc descriptor(SecBuffer *buffers, ULONG count);

/* A generator for tests that want arbitrary choices; the seed is printed at the start. */
uint64_t random_seed(void);
uint32_t random_below(uint64_t *state, uint32_t bound);

#endif
