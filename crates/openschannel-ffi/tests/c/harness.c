/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "harness.h"

#include <stdarg.h>
#include <time.h>

/* Failures told one by one; beyond it they are only counted. */
#define TOLD_FAILURES 40

#define CLIENT_FLAGS (SCH_CRED_MANUAL_CRED_VALIDATION | SCH_CRED_NO_DEFAULT_CREDS | SCH_USE_STRONG_CRYPTO)
#define SERVER_FLAGS (SCH_CRED_NO_SYSTEM_MAPPER | SCH_USE_STRONG_CRYPTO)

const struct facts FACTS[VARIANTS] = {
    {"TLS 1.2, AES-GCM", SP_PROT_TLS1_2_CLIENT | SP_PROT_TLS1_2_SERVER, 13, 16, 31},
    {"TLS 1.2, ChaCha20", SP_PROT_TLS1_2_CLIENT | SP_PROT_TLS1_2_SERVER, 5, 16, 23},
    {"TLS 1.3", SP_PROT_TLS1_3_CLIENT | SP_PROT_TLS1_3_SERVER, 5, 17, 24},
};

/* Checks. */

static unsigned long checks, failures;
static char current_scene[256];

static int counted(int ok, const char *text, const char *file, int line) {
    checks++;
    if (ok) return 1;
    failures++;
    if (failures > TOLD_FAILURES) return 0;
    fprintf(stderr, "%s:%d: [%s] %s", file, line, current_scene, text);
    return 0;
}

static int is_told(void) {
    return failures <= TOLD_FAILURES;
}

int check(int ok, const char *text, const char *file, int line) {
    if (!counted(ok, text, file, line) && is_told()) fprintf(stderr, ": expected it to hold\n");
    return ok;
}

int check_number(
    unsigned long long got, unsigned long long expected, const char *text, const char *file, int line) {
    int ok = got == expected;
    if (!counted(ok, text, file, line) && is_told())
        fprintf(stderr, ": expected %llu (0x%llx), got %llu (0x%llx)\n", expected, expected, got, got);
    return ok;
}

int check_status(SECURITY_STATUS got, SECURITY_STATUS expected, const char *text, const char *file, int line) {
    int ok = got == expected;
    if (!counted(ok, text, file, line) && is_told())
        fprintf(
            stderr, ": expected %s (0x%08lx), got %s (0x%08lx)\n", status_name(expected),
            (unsigned long)(uint32_t)expected, status_name(got), (unsigned long)(uint32_t)got);
    return ok;
}

int check_bytes(
    const void *got, size_t got_length, const void *expected, size_t expected_length, const char *text,
    const char *file, int line) {
    size_t at = 0;
    const BYTE *left = got, *right = expected;
    while (at < got_length && at < expected_length && left[at] == right[at]) at++;
    int ok = at == got_length && at == expected_length;
    if (!counted(ok, text, file, line) && is_told())
        fprintf(
            stderr, ": expected %lu bytes, got %lu, the same up to byte %lu\n", (unsigned long)expected_length,
            (unsigned long)got_length, (unsigned long)at);
    return ok;
}

void must(int ok, const char *text, const char *file, int line) {
    if (ok) return;
    fprintf(stderr, "%s:%d: [%s] %s: the test cannot go on\n", file, line, current_scene, text);
    exit(2);
}

void scene(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current_scene, sizeof current_scene, format, arguments);
    va_end(arguments);
}

#define NAME(status) {status, #status}

const char *status_name(SECURITY_STATUS status) {
    static const struct {
        SECURITY_STATUS status;
        const char *name;
    } names[] = {
        NAME(SEC_E_OK), NAME(SEC_I_CONTINUE_NEEDED), NAME(SEC_I_CONTEXT_EXPIRED), NAME(SEC_I_RENEGOTIATE),
        NAME(SEC_I_INCOMPLETE_CREDENTIALS), NAME(SEC_E_INVALID_HANDLE), NAME(SEC_E_INVALID_TOKEN),
        NAME(SEC_E_INCOMPLETE_MESSAGE), NAME(SEC_E_CONTEXT_EXPIRED), NAME(SEC_E_UNSUPPORTED_FUNCTION),
        NAME(SEC_E_INSUFFICIENT_MEMORY), NAME(SEC_E_INTERNAL_ERROR), NAME(SEC_E_NO_CREDENTIALS),
        NAME(SEC_E_UNKNOWN_CREDENTIALS), NAME(SEC_E_SECPKG_NOT_FOUND), NAME(SEC_E_ALGORITHM_MISMATCH),
        NAME(SEC_E_ILLEGAL_MESSAGE), NAME(SEC_E_MESSAGE_ALTERED), NAME(SEC_E_DECRYPT_FAILURE),
        NAME(SEC_E_ENCRYPT_FAILURE), NAME(SEC_E_BUFFER_TOO_SMALL), NAME(SEC_E_QOP_NOT_SUPPORTED),
        NAME(SEC_E_UNTRUSTED_ROOT), NAME(SEC_E_CERT_UNKNOWN), NAME(SEC_E_CERT_EXPIRED), NAME(SEC_E_LOGON_DENIED),
        NAME(SEC_E_WRONG_PRINCIPAL), NAME(SEC_E_INVALID_PARAMETER), NAME(SEC_E_UNFINISHED_CONTEXT_DELETED),
        NAME(SEC_E_NO_IMPERSONATION), NAME(SEC_E_TARGET_UNKNOWN), NAME(SEC_I_NO_RENEGOTIATION),
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        if (names[index].status == status) return names[index].name;
    return "another status";
}

/* Bytes. */

void *copy_of(const void *data, size_t length) {
    BYTE *copy = malloc(length + (length == 0));
    MUST(copy != NULL);
    if (length > 0) memcpy(copy, data, length);
    return copy;
}

void bytes_add(struct bytes *bytes, const void *more, size_t length) {
    if (length == 0) return;
    bytes->data = realloc(bytes->data, bytes->length + length);
    MUST(bytes->data != NULL);
    memcpy(bytes->data + bytes->length, more, length);
    bytes->length += length;
}

void bytes_drop(struct bytes *bytes, size_t front) {
    MUST(front <= bytes->length);
    bytes->length -= front;
    if (bytes->length > 0) memmove(bytes->data, bytes->data + front, bytes->length);
}

void bytes_free(struct bytes *bytes) {
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

SecBuffer buffer(ULONG type, void *data, ULONG length) {
    SecBuffer made = {length, type, data};
    return made;
}

SecBufferDesc descriptor(SecBuffer *buffers, ULONG count) {
    SecBufferDesc made = {SECBUFFER_VERSION, count, buffers};
    return made;
}

/* Certificates. */

static const char *directory;
static PCCERT_CONTEXT certificates[CERTIFICATES];

static BYTE *read_file(const char *name, const char *extension, DWORD *length) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.%s", directory, name, extension);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    BYTE *data = malloc(0x10000);
    MUST(data != NULL);
    *length = (DWORD)fread(data, 1, 0x10000, file);
    fclose(file);
    return data;
}

#ifdef _WIN32

static PCCERT_CONTEXT import(const char *name) {
    DWORD length;
    BYTE *data = read_file(name, "pfx", &length);
    CRYPT_DATA_BLOB blob = {length, data};
    /* Wine puts persistent keys into one and the same container; and its keys sign for TLS 1.3 only if they can be exported. */
    HCERTSTORE store = PFXImportCertStore(&blob, L"test", PKCS12_NO_PERSIST_KEY | CRYPT_EXPORTABLE);
    PCCERT_CONTEXT found = NULL;
    MUST(store != NULL);
    do {
        found = CertEnumCertificatesInStore(store, found);
        MUST(found != NULL);
        DWORD size;
        if (CertGetCertificateContextProperty(found, CERT_KEY_PROV_INFO_PROP_ID, NULL, &size)) break;
        if (CertGetCertificateContextProperty(found, CERT_KEY_CONTEXT_PROP_ID, NULL, &size)) break;
    } while (found != NULL);
    CertCloseStore(store, 0);
    free(data);
    return found;
}

#else

static PCCERT_CONTEXT import(const char *name) {
    DWORD chain_length, key_length;
    BYTE *chain = read_file(name, "pem", &chain_length);
    BYTE *key = read_file(name, "key", &key_length);
    PCCERT_CONTEXT imported = NULL;
    MUST(OpenSchannelImportPem(chain, chain_length, key, key_length, NULL, &imported));
    free(chain);
    free(key);
    return imported;
}

#endif

PCCERT_CONTEXT certificate(enum certificate which) {
    static const char *const names[CERTIFICATES] = {NULL, "server", "other", "client"};
    if (which == NO_CERTIFICATE) return NULL;
    if (certificates[which] == NULL) certificates[which] = import(names[which]);
    return certificates[which];
}

/* What only this library has: linked, or on Windows found in the DLL that stands for secur32. */

struct options {
    DWORD cbSize, dwFlags;
    const char *pszKeyLogFile;
    DWORD cCipherSuites;
    const WORD *pCipherSuites;
    DWORD cGroups;
    const WORD *pGroups;
};

#ifdef _WIN32

static FARPROC extension(const char *name) {
    FARPROC found = GetProcAddress(GetModuleHandleA("secur32.dll"), name);
    if (found == NULL) {
        fprintf(stderr, "secur32.dll has no %s: it is not OpenSchannel's\n", name);
        exit(2);
    }
    return found;
}

static SECURITY_STATUS acquire_with(
    ULONG use, void *data, const struct options *options, PCredHandle handle, PTimeStamp expiry) {
    union {
        FARPROC found;
        SECURITY_STATUS(WINAPI *call)(ULONG, void *, const struct options *, PCredHandle, PTimeStamp);
    } function;
    function.found = extension("OpenSchannelAcquireCredentials");
    return function.call(use, data, options, handle, expiry);
}

SECURITY_STATUS key_update(PCtxtHandle context, DWORD flags, PSecBufferDesc output) {
    union {
        FARPROC found;
        SECURITY_STATUS(WINAPI *call)(PCtxtHandle, DWORD, PSecBufferDesc);
    } function;
    function.found = extension("OpenSchannelKeyUpdate");
    return function.call(context, flags, output);
}

#else

static SECURITY_STATUS acquire_with(
    ULONG use, void *data, const struct options *options, PCredHandle handle, PTimeStamp expiry) {
    return OpenSchannelAcquireCredentials(
        use, data, (const OPENSCHANNEL_CREDENTIAL_OPTIONS *)options, handle, expiry);
}

SECURITY_STATUS key_update(PCtxtHandle context, DWORD flags, PSecBufferDesc output) {
    return OpenSchannelKeyUpdate(context, flags, output);
}

#endif

/* Credentials. */

static CredHandle credentials[VARIANTS][2][CERTIFICATES];
static BOOL have_credential[VARIANTS][2][CERTIFICATES];

static SECURITY_STATUS acquire_suites(
    BOOL server, DWORD version, DWORD flags, DWORD protocols, enum certificate which, const struct options *options,
    PCredHandle handle) {
    PCCERT_CONTEXT one = certificate(which);
    SCHANNEL_CRED old = {0};
    SCH_CREDENTIALS new = {0};
    TLS_PARAMETERS parameters = {0};
    ULONG use = server ? SECPKG_CRED_INBOUND : SECPKG_CRED_OUTBOUND;
    void *data;
    if (version == SCHANNEL_CRED_VERSION) {
        old.dwVersion = version;
        old.cCreds = one != NULL;
        old.paCred = one != NULL ? &one : NULL;
        old.grbitEnabledProtocols = protocols;
        old.dwFlags = flags;
        data = &old;
    } else {
        parameters.grbitDisabledProtocols = ~protocols;
        new.dwVersion = version;
        new.cCreds = one != NULL;
        new.paCred = one != NULL ? &one : NULL;
        new.dwFlags = flags;
        new.cTlsParameters = 1;
        new.pTlsParameters = &parameters;
        data = &new;
    }
    if (options != NULL) return acquire_with(use, data, options, handle, NULL);
    return AcquireCredentialsHandleA(NULL, (SEC_CHAR *)UNISP_NAME_A, use, NULL, data, NULL, NULL, handle, NULL);
}

SECURITY_STATUS acquire(
    BOOL server, DWORD version, DWORD flags, DWORD protocols, enum certificate which, PCredHandle handle) {
    return acquire_suites(server, version, flags, protocols, which, NULL, handle);
}

PCredHandle credential(enum variant variant, BOOL server, enum certificate which) {
    static const WORD chacha[] = {0xcca9, 0xcca8};
    struct options options = {0};
    if (have_credential[variant][server][which]) return &credentials[variant][server][which];
    options.cbSize = sizeof options;
    options.cCipherSuites = 2;
    options.pCipherSuites = chacha;
    MUST(
        acquire_suites(
            server, SCH_CREDENTIALS_VERSION, server ? SERVER_FLAGS : CLIENT_FLAGS, FACTS[variant].protocols, which,
            variant == TLS12_CHACHA ? &options : NULL, &credentials[variant][server][which]) == SEC_E_OK);
    have_credential[variant][server][which] = TRUE;
    return &credentials[variant][server][which];
}

/* Choices. */

uint64_t random_seed(void) {
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u;
    printf("SEED=0x%llx\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* xorshift64*; the state is never zero behind the first line. */
uint32_t random_below(uint64_t *state, uint32_t bound) {
    if (*state == 0) *state = 1;
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 33) % bound;
}

/* Begin and end. */

void harness_begin(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY-WITH-CERTIFICATES ...\n", argv[0]);
        exit(2);
    }
    directory = argv[1];
    scene("start");
}

int harness_end(const char *program) {
    scene("end");
    for (int variant = 0; variant < VARIANTS; variant++)
        for (int server = 0; server < 2; server++)
            for (int which = 0; which < CERTIFICATES; which++)
                if (have_credential[variant][server][which])
                    CHECK_STATUS(FreeCredentialsHandle(&credentials[variant][server][which]), SEC_E_OK);
    for (int which = 0; which < CERTIFICATES; which++)
        if (certificates[which] != NULL) CHECK(CertFreeCertificateContext(certificates[which]));
    printf("%s: %lu checks, %lu failed\n", program, checks, failures);
    return failures == 0 && checks > 0 ? 0 : 1;
}
