/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What OpenSchannel can do beyond Schannel. Programs that keep to SSPI need nothing from here.
 *
 * Every structure begins with its size: set cbSize to sizeof before the call. Later versions may add members at the end; one
 * compiled against an older header gets what it has room for. Functions check handles and pointers as SSPI's do.
 */
#ifndef OPENSCHANNEL_H
#define OPENSCHANNEL_H

#include "openschannel_types.h"
#if defined(_WIN32) && !defined(SECURITY_WIN32) && !defined(SECURITY_KERNEL)
#define SECURITY_WIN32
#endif
#include <sspi.h>
#include <wincrypt.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPENSCHANNEL_VERSION_MAJOR 0
#define OPENSCHANNEL_VERSION_MINOR 1
#define OPENSCHANNEL_VERSION_PATCH 0

/* The library's version, as "openschannel/0.1.0". The texts of these three are static. */
const char *WINAPI OpenSchannelVersion(void);

/* A status by its name, "SEC_I_CONTEXT_EXPIRED" ("unknown" if the library never gives it), and in words. */
const char *WINAPI OpenSchannelStatusName(SECURITY_STATUS status);
const char *WINAPI OpenSchannelStatusMeaning(SECURITY_STATUS status);

/* Credentials. */

/*
 * What TLS 1.3 sends after the handshake, session tickets and key updates. Without either flag SCHANNEL_CRED means QUIET and
 * SCH_CREDENTIALS COMPATIBLE.
 *
 * QUIET: DecryptMessage deals with them; the program never sees SEC_I_RENEGOTIATE. A key update that the peer wants answered is
 * answered behind the next message encrypted, or with OpenSchannelAnswerKeyUpdate.
 * COMPATIBLE: SEC_I_RENEGOTIATE, and the record is to be passed to the handshake call, as on Windows.
 */
#define OPENSCHANNEL_QUIET 0x00000001
#define OPENSCHANNEL_COMPATIBLE 0x00000002

/*
 * Verify the peer's certificate chain in every full handshake. Without it, a chain that was found valid within the last ten minutes, byte
 * for byte the same, for the same name and under the same trust, is not built and its signatures are not checked again; its dates are,
 * and so is that the peer owns the key. Manual validation and every check of revocation verify anew in any case.
 */
#define OPENSCHANNEL_FORGET_CHAINS 0x00000004

typedef struct _OPENSCHANNEL_CREDENTIAL_OPTIONS {
    DWORD cbSize;
    DWORD dwFlags;             /* OPENSCHANNEL_QUIET or _COMPATIBLE, OPENSCHANNEL_FORGET_CHAINS */
    const char *pszKeyLogFile; /* secrets of every connection go there, as NSS and Wireshark know them; NULL: nowhere */
    DWORD cCipherSuites;
    const WORD *pCipherSuites; /* IANA's numbers, the preferred one first; none: the usual ones */
    DWORD cGroups;
    const WORD *pGroups; /* likewise: groups for the key exchange */
} OPENSCHANNEL_CREDENTIAL_OPTIONS, *POPENSCHANNEL_CREDENTIAL_OPTIONS;

/*
 * AcquireCredentialsHandle with options. pAuthData is a SCHANNEL_CRED, an SCH_CREDENTIALS or NULL; pOptions may be NULL.
 * Freed with FreeCredentialsHandle.
 */
SECURITY_STATUS WINAPI OpenSchannelAcquireCredentials(
    ULONG fCredentialUse, void *pAuthData, const OPENSCHANNEL_CREDENTIAL_OPTIONS *pOptions, PCredHandle phCredential,
    PTimeStamp ptsExpiry);

/* How a connection ends. SSPI never hears of the transport's end, so it cannot tell a clean end from a cut; here it is told. */

#define OPENSCHANNEL_TRANSPORT_EOF 1
#define OPENSCHANNEL_TRANSPORT_RESET 2

/* dwReadEnd: what became of the direction from the peer. */
#define OPENSCHANNEL_READ_OPEN 0
#define OPENSCHANNEL_READ_CLEAN 1                   /* the peer's close_notify came */
#define OPENSCHANNEL_READ_TRUNCATED 2               /* the transport ended without it, between two records */
#define OPENSCHANNEL_READ_TRUNCATED_INSIDE_RECORD 3 /* the transport ended within a record */
#define OPENSCHANNEL_READ_RESET 4                   /* the transport was reset */
#define OPENSCHANNEL_READ_ALERT 5                   /* the peer sent a fatal alert: dwAlert */
#define OPENSCHANNEL_READ_FAILED 6                  /* what came was refused: ssFailure */

typedef struct _OPENSCHANNEL_CLOSING {
    DWORD cbSize;
    DWORD dwReadEnd;           /* OPENSCHANNEL_READ_* */
    DWORD dwAlert;             /* with OPENSCHANNEL_READ_ALERT: its number */
    SECURITY_STATUS ssFailure; /* with OPENSCHANNEL_READ_FAILED: the status it was reported by */
    BOOL fHandshakeComplete;
    BOOL fCloseSent;      /* our close_notify was given to the program */
    ULONGLONG cbSent;     /* application data in this direction and that */
    ULONGLONG cbReceived;
} OPENSCHANNEL_CLOSING, *POPENSCHANNEL_CLOSING;

/*
 * The transport's reading direction has ended; cbUnprocessed bytes were read from it that no call has consumed.
 * pClosing may be NULL.
 */
SECURITY_STATUS WINAPI OpenSchannelTransportEnded(
    PCtxtHandle phContext, DWORD dwTransportEnd, SIZE_T cbUnprocessed, OPENSCHANNEL_CLOSING *pClosing);
SECURITY_STATUS WINAPI OpenSchannelQueryClosing(PCtxtHandle phContext, OPENSCHANNEL_CLOSING *pClosing);

/* TLS 1.3: new keys. Both give bytes for the peer in a SECBUFFER_TOKEN of pOutput. */

#define OPENSCHANNEL_REQUEST_UPDATE 0x00000001 /* the peer is to change its keys too */

SECURITY_STATUS WINAPI OpenSchannelKeyUpdate(PCtxtHandle phContext, DWORD dwFlags, PSecBufferDesc pOutput);
/* With OPENSCHANNEL_QUIET: the answer that the peer waits for. SEC_E_OK and an empty token if none is due. In TLS 1.2 the
 * no_renegotiation for a request that DecryptMessage has consumed; empty too if the key has protected as many records as it may. */
SECURITY_STATUS WINAPI OpenSchannelAnswerKeyUpdate(PCtxtHandle phContext, PSecBufferDesc pOutput);

#ifndef _WIN32
/*
 * Certificates and keys as other systems keep them; on Windows the system's own functions do this. FALSE: see GetLastError.
 *
 * OpenSchannelImportPem: certificates, the leaf first, and the leaf's private key, each as PEM or DER; the key as PKCS #8, PKCS #1 or
 * SEC 1, not encrypted. pbKey may be NULL: certificates alone. They are added to hStore, or with NULL to a store that lives as long as
 * the leaf. The leaf is given in *ppContext, which may be NULL if hStore is not, and is to be freed.
 */
BOOL WINAPI OpenSchannelImportPem(
    const BYTE *pbChain, DWORD cbChain, const BYTE *pbKey, DWORD cbKey, HCERTSTORE hStore, PCCERT_CONTEXT *ppContext);
/* Gives a certificate its private key. */
BOOL WINAPI OpenSchannelSetPrivateKey(PCCERT_CONTEXT pContext, const BYTE *pbKey, DWORD cbKey);
#endif

#ifdef __cplusplus
}
#endif

#endif /* OPENSCHANNEL_H */
