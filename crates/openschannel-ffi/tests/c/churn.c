/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Connect, say something both ways, close, delete: as many times as the second argument says (2,000). The process must not grow: what
 * it occupies after a tenth of the cycles, at least SETTLED, is compared with the end.
 *
 *   churn DIRECTORY [CYCLES]
 */
#include "harness.h"

#ifdef _WIN32
#include <psapi.h>
#endif

/*
 * Allowed growth behind that. The allocator's own unevenness is some pages; the least that a cycle could leave behind, 100 bytes for a
 * handle's entry or a small token, would be more over the 1,000 cycles that are left of 2,000.
 */
#define GROWTH_KIB 96

/* By then every kind of cycle was there, and the heap has found its size. */
#define SETTLED 1024

/* In KiB. 0 where the system does not say. */
static long resident(void) {
#ifdef _WIN32
    PROCESS_MEMORY_COUNTERS counters;
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)) return 0;
    return (long)(counters.WorkingSetSize / 1024);
#else
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long found = 0;
    if (status == NULL) return 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %ld", &found) == 1) break;
    fclose(status);
    return found;
#endif
}

/*
 * One of the kinds: either version, either closer, the other side answering or not. Every fourth has credentials of its own and a whole
 * handshake; its server keeps no sessions, because a cache that fills up cannot be told from a leak. The others share their credentials
 * and resume what the first made.
 */
static void cycle(unsigned long number) {
    enum variant variant = number % 2 == 0 ? TLS12 : TLS13;
    BOOL server_closes = number / 2 % 2 == 1, answered = number / 4 % 2 == 1, own_credentials = number / 8 % 4 == 3;
    struct pair pair;
    CredHandle client, server;
    scene("cycle %lu", number);
    pair_make(&pair, variant, SERVER);
    if (own_credentials) {
        DWORD protocols = FACTS[variant].protocols;
        enum certificate which = number / 32 % 8 == 7 ? OTHER_SERVER : SERVER;
        MUST(
            acquire(
                FALSE, SCH_CREDENTIALS_VERSION, SCH_CRED_MANUAL_CRED_VALIDATION | SCH_CRED_NO_DEFAULT_CREDS, protocols,
                NO_CERTIFICATE, &client) == SEC_E_OK);
        MUST(
            acquire(TRUE, SCH_CREDENTIALS_VERSION, SCH_CRED_DISABLE_RECONNECTS, protocols, which, &server) == SEC_E_OK);
        pair.client.credential = &client;
        pair.server.credential = &server;
    }
    pair_connect(&pair);
    check_data(&pair.client, "there");
    check_data(&pair.server, "and back");
    struct end *closer = server_closes ? &pair.server : &pair.client;
    end_shutdown(closer, NULL);
    check_closed(closer->peer);
    if (answered) {
        end_shutdown(closer->peer, NULL);
        check_closed(closer);
    }
    PCCERT_CONTEXT remote = NULL;
    CHECK_STATUS(QueryContextAttributesA(&pair.client.context, SECPKG_ATTR_REMOTE_CERT_CONTEXT, &remote), SEC_E_OK);
    CHECK(CertFreeCertificateContext(remote));
    pair_close(&pair);
    if (own_credentials) {
        CHECK_STATUS(FreeCredentialsHandle(&client), SEC_E_OK);
        CHECK_STATUS(FreeCredentialsHandle(&server), SEC_E_OK);
    }
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    unsigned long cycles = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    unsigned long begin = cycles / 10 > SETTLED ? cycles / 10 : SETTLED;
    long settled = 0;
    for (unsigned long number = 0; number < cycles; number++) {
        if (number == begin) settled = resident();
        cycle(number);
    }
    long end = resident();
    printf("%lu cycles; resident after %lu of them %ld KiB, at the end %ld KiB\n", cycles, begin, settled, end);
#ifndef _WIN32
    if (cycles > begin) CHECK(settled > 0);
#endif
    if (cycles > begin) CHECK(end - settled <= GROWTH_KIB);
    return harness_end("churn");
}
