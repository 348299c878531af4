/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Sizes and offsets on 64-bit systems, for whichever headers this is compiled with: ours, the Windows headers of a cross compiler,
 * or (WITH_WINPR) FreeRDP's WinPR. What it says has to hold of each of them, so a program sees one ABI.
 */
#ifdef WITH_WINPR
#include <winpr/sspi.h>
#include <winpr/schannel.h>
#else
#define SECURITY_WIN32
#define SCHANNEL_USE_BLACKLISTS
#ifdef _WIN32
/* The function tables with all of their members. */
#undef NTDDI_VERSION
#define NTDDI_VERSION 0x0A000006
#include <windows.h>
#include <subauth.h>
#endif
#include <security.h>
#include <schannel.h>
#endif
#include <stddef.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#endif
#define SIZE(type, size) CHECK(sizeof(type) == size)
#define FIELD(type, field, offset) CHECK(offsetof(type, field) == offset)

/* Base types. */
CHECK(sizeof(ULONG) == 4 && sizeof(LONG) == 4 && sizeof(DWORD) == 4 && sizeof(BOOL) == 4);
CHECK(sizeof(WORD) == 2 && sizeof(USHORT) == 2 && sizeof(SEC_WCHAR) == 2 && sizeof(SEC_CHAR) == 1);
CHECK(sizeof(ULONG_PTR) == 8 && sizeof(HANDLE) == 8 && sizeof(SIZE_T) == 8 && sizeof(ULONGLONG) == 8);
CHECK(sizeof(SECURITY_STATUS) == 4 && (SECURITY_STATUS)-1 < 0);

/* sspi.h */
SIZE(SecHandle, 16);
FIELD(SecHandle, dwLower, 0);
FIELD(SecHandle, dwUpper, 8);
SIZE(SecBuffer, 16);
FIELD(SecBuffer, cbBuffer, 0);
FIELD(SecBuffer, BufferType, 4);
FIELD(SecBuffer, pvBuffer, 8);
SIZE(SecBufferDesc, 16);
FIELD(SecBufferDesc, ulVersion, 0);
FIELD(SecBufferDesc, cBuffers, 4);
FIELD(SecBufferDesc, pBuffers, 8);
SIZE(SecPkgInfoW, 32);
FIELD(SecPkgInfoW, fCapabilities, 0);
FIELD(SecPkgInfoW, wVersion, 4);
FIELD(SecPkgInfoW, wRPCID, 6);
FIELD(SecPkgInfoW, cbMaxToken, 8);
FIELD(SecPkgInfoW, Name, 16);
FIELD(SecPkgInfoW, Comment, 24);
SIZE(SecPkgInfoA, 32);
FIELD(SecPkgInfoA, fCapabilities, 0);
FIELD(SecPkgInfoA, wVersion, 4);
FIELD(SecPkgInfoA, wRPCID, 6);
FIELD(SecPkgInfoA, cbMaxToken, 8);
FIELD(SecPkgInfoA, Name, 16);
FIELD(SecPkgInfoA, Comment, 24);
SIZE(TimeStamp, 8);
FIELD(TimeStamp, LowPart, 0);
FIELD(TimeStamp, HighPart, 4);
#if !defined(WITH_WINPR)
SIZE(SEC_FLAGS, 8);
FIELD(SEC_FLAGS, Flags, 0);
SIZE(UNICODE_STRING, 16);
FIELD(UNICODE_STRING, Length, 0);
FIELD(UNICODE_STRING, MaximumLength, 2);
FIELD(UNICODE_STRING, Buffer, 8);
#endif

/* schannel.h: credentials and control tokens */
SIZE(SCHANNEL_CRED, 80);
FIELD(SCHANNEL_CRED, dwVersion, 0);
FIELD(SCHANNEL_CRED, cCreds, 4);
FIELD(SCHANNEL_CRED, paCred, 8);
FIELD(SCHANNEL_CRED, hRootStore, 16);
FIELD(SCHANNEL_CRED, cMappers, 24);
FIELD(SCHANNEL_CRED, aphMappers, 32);
FIELD(SCHANNEL_CRED, cSupportedAlgs, 40);
FIELD(SCHANNEL_CRED, palgSupportedAlgs, 48);
FIELD(SCHANNEL_CRED, grbitEnabledProtocols, 56);
FIELD(SCHANNEL_CRED, dwMinimumCipherStrength, 60);
FIELD(SCHANNEL_CRED, dwMaximumCipherStrength, 64);
FIELD(SCHANNEL_CRED, dwSessionLifespan, 68);
FIELD(SCHANNEL_CRED, dwFlags, 72);
FIELD(SCHANNEL_CRED, dwCredFormat, 76);
#if !defined(WITH_WINPR)
SIZE(SCH_CREDENTIALS, 72);
FIELD(SCH_CREDENTIALS, dwVersion, 0);
FIELD(SCH_CREDENTIALS, dwCredFormat, 4);
FIELD(SCH_CREDENTIALS, cCreds, 8);
FIELD(SCH_CREDENTIALS, paCred, 16);
FIELD(SCH_CREDENTIALS, hRootStore, 24);
FIELD(SCH_CREDENTIALS, cMappers, 32);
FIELD(SCH_CREDENTIALS, aphMappers, 40);
FIELD(SCH_CREDENTIALS, dwSessionLifespan, 48);
FIELD(SCH_CREDENTIALS, dwFlags, 52);
FIELD(SCH_CREDENTIALS, cTlsParameters, 56);
FIELD(SCH_CREDENTIALS, pTlsParameters, 64);
SIZE(TLS_PARAMETERS, 40);
FIELD(TLS_PARAMETERS, cAlpnIds, 0);
FIELD(TLS_PARAMETERS, rgstrAlpnIds, 8);
FIELD(TLS_PARAMETERS, grbitDisabledProtocols, 16);
FIELD(TLS_PARAMETERS, cDisabledCrypto, 20);
FIELD(TLS_PARAMETERS, pDisabledCrypto, 24);
FIELD(TLS_PARAMETERS, dwFlags, 32);
SIZE(CRYPTO_SETTINGS, 48);
FIELD(CRYPTO_SETTINGS, eAlgorithmUsage, 0);
FIELD(CRYPTO_SETTINGS, strCngAlgId, 8);
FIELD(CRYPTO_SETTINGS, cChainingModes, 24);
FIELD(CRYPTO_SETTINGS, rgstrChainingModes, 32);
FIELD(CRYPTO_SETTINGS, dwMinBitLength, 40);
FIELD(CRYPTO_SETTINGS, dwMaxBitLength, 44);
#endif
SIZE(SCHANNEL_CERT_HASH, 40);
FIELD(SCHANNEL_CERT_HASH, dwLength, 0);
FIELD(SCHANNEL_CERT_HASH, dwFlags, 4);
FIELD(SCHANNEL_CERT_HASH, hProv, 8);
FIELD(SCHANNEL_CERT_HASH, ShaHash, 16);
SIZE(SCHANNEL_CERT_HASH_STORE, 296);
FIELD(SCHANNEL_CERT_HASH_STORE, dwLength, 0);
FIELD(SCHANNEL_CERT_HASH_STORE, dwFlags, 4);
FIELD(SCHANNEL_CERT_HASH_STORE, hProv, 8);
FIELD(SCHANNEL_CERT_HASH_STORE, ShaHash, 16);
FIELD(SCHANNEL_CERT_HASH_STORE, pwszStoreName, 36);
SIZE(SCHANNEL_ALERT_TOKEN, 12);
FIELD(SCHANNEL_ALERT_TOKEN, dwTokenType, 0);
FIELD(SCHANNEL_ALERT_TOKEN, dwAlertType, 4);
FIELD(SCHANNEL_ALERT_TOKEN, dwAlertNumber, 8);
SIZE(SCHANNEL_SESSION_TOKEN, 8);
FIELD(SCHANNEL_SESSION_TOKEN, dwTokenType, 0);
FIELD(SCHANNEL_SESSION_TOKEN, dwFlags, 4);

/* Attributes. */
SIZE(SecPkgContext_Sizes, 16);
FIELD(SecPkgContext_Sizes, cbMaxToken, 0);
FIELD(SecPkgContext_Sizes, cbMaxSignature, 4);
FIELD(SecPkgContext_Sizes, cbBlockSize, 8);
FIELD(SecPkgContext_Sizes, cbSecurityTrailer, 12);
SIZE(SecPkgContext_StreamSizes, 20);
FIELD(SecPkgContext_StreamSizes, cbHeader, 0);
FIELD(SecPkgContext_StreamSizes, cbTrailer, 4);
FIELD(SecPkgContext_StreamSizes, cbMaximumMessage, 8);
FIELD(SecPkgContext_StreamSizes, cBuffers, 12);
FIELD(SecPkgContext_StreamSizes, cbBlockSize, 16);
SIZE(SecPkgContext_Lifespan, 16);
FIELD(SecPkgContext_Lifespan, tsStart, 0);
FIELD(SecPkgContext_Lifespan, tsExpiry, 8);
SIZE(SecPkgContext_Flags, 4);
FIELD(SecPkgContext_Flags, Flags, 0);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_NamesW, 8);
FIELD(SecPkgContext_NamesW, sUserName, 0);
SIZE(SecPkgContext_AuthorityW, 8);
FIELD(SecPkgContext_AuthorityW, sAuthorityName, 0);
SIZE(SecPkgContext_KeyInfoW, 32);
FIELD(SecPkgContext_KeyInfoW, sSignatureAlgorithmName, 0);
FIELD(SecPkgContext_KeyInfoW, sEncryptAlgorithmName, 8);
FIELD(SecPkgContext_KeyInfoW, KeySize, 16);
FIELD(SecPkgContext_KeyInfoW, SignatureAlgorithm, 20);
FIELD(SecPkgContext_KeyInfoW, EncryptAlgorithm, 24);
SIZE(SecPkgContext_KeyInfoA, 32);
FIELD(SecPkgContext_KeyInfoA, sSignatureAlgorithmName, 0);
FIELD(SecPkgContext_KeyInfoA, sEncryptAlgorithmName, 8);
FIELD(SecPkgContext_KeyInfoA, KeySize, 16);
FIELD(SecPkgContext_KeyInfoA, SignatureAlgorithm, 20);
FIELD(SecPkgContext_KeyInfoA, EncryptAlgorithm, 24);
SIZE(SecPkgContext_PackageInfoW, 8);
FIELD(SecPkgContext_PackageInfoW, PackageInfo, 0);
SIZE(SecPkgContext_PackageInfoA, 8);
FIELD(SecPkgContext_PackageInfoA, PackageInfo, 0);
#endif
SIZE(SecPkgContext_ConnectionInfo, 28);
FIELD(SecPkgContext_ConnectionInfo, dwProtocol, 0);
FIELD(SecPkgContext_ConnectionInfo, aiCipher, 4);
FIELD(SecPkgContext_ConnectionInfo, dwCipherStrength, 8);
FIELD(SecPkgContext_ConnectionInfo, aiHash, 12);
FIELD(SecPkgContext_ConnectionInfo, dwHashStrength, 16);
FIELD(SecPkgContext_ConnectionInfo, aiExch, 20);
FIELD(SecPkgContext_ConnectionInfo, dwExchStrength, 24);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_ConnectionInfoEx, 404);
FIELD(SecPkgContext_ConnectionInfoEx, dwVersion, 0);
FIELD(SecPkgContext_ConnectionInfoEx, dwProtocol, 4);
FIELD(SecPkgContext_ConnectionInfoEx, szCipher, 8);
FIELD(SecPkgContext_ConnectionInfoEx, dwCipherStrength, 136);
FIELD(SecPkgContext_ConnectionInfoEx, szHash, 140);
FIELD(SecPkgContext_ConnectionInfoEx, dwHashStrength, 268);
FIELD(SecPkgContext_ConnectionInfoEx, szExchange, 272);
FIELD(SecPkgContext_ConnectionInfoEx, dwExchStrength, 400);
SIZE(SecPkgContext_CipherInfo, 680);
FIELD(SecPkgContext_CipherInfo, dwVersion, 0);
FIELD(SecPkgContext_CipherInfo, dwProtocol, 4);
FIELD(SecPkgContext_CipherInfo, dwCipherSuite, 8);
FIELD(SecPkgContext_CipherInfo, dwBaseCipherSuite, 12);
FIELD(SecPkgContext_CipherInfo, szCipherSuite, 16);
FIELD(SecPkgContext_CipherInfo, szCipher, 144);
FIELD(SecPkgContext_CipherInfo, dwCipherLen, 272);
FIELD(SecPkgContext_CipherInfo, dwCipherBlockLen, 276);
FIELD(SecPkgContext_CipherInfo, szHash, 280);
FIELD(SecPkgContext_CipherInfo, dwHashLen, 408);
FIELD(SecPkgContext_CipherInfo, szExchange, 412);
FIELD(SecPkgContext_CipherInfo, dwMinExchangeLen, 540);
FIELD(SecPkgContext_CipherInfo, dwMaxExchangeLen, 544);
FIELD(SecPkgContext_CipherInfo, szCertificate, 548);
FIELD(SecPkgContext_CipherInfo, dwKeyType, 676);
#endif
SIZE(SecPkgContext_SessionInfo, 40);
FIELD(SecPkgContext_SessionInfo, dwFlags, 0);
FIELD(SecPkgContext_SessionInfo, cbSessionId, 4);
FIELD(SecPkgContext_SessionInfo, rgbSessionId, 8);
SIZE(SecPkgContext_SessionAppData, 16);
FIELD(SecPkgContext_SessionAppData, dwFlags, 0);
FIELD(SecPkgContext_SessionAppData, cbAppData, 4);
FIELD(SecPkgContext_SessionAppData, pbAppData, 8);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_ApplicationProtocol, 264);
FIELD(SecPkgContext_ApplicationProtocol, ProtoNegoStatus, 0);
FIELD(SecPkgContext_ApplicationProtocol, ProtoNegoExt, 4);
FIELD(SecPkgContext_ApplicationProtocol, ProtocolIdSize, 8);
FIELD(SecPkgContext_ApplicationProtocol, ProtocolId, 9);
#endif
SIZE(SEC_CHANNEL_BINDINGS, 32);
FIELD(SEC_CHANNEL_BINDINGS, dwInitiatorAddrType, 0);
FIELD(SEC_CHANNEL_BINDINGS, cbInitiatorLength, 4);
FIELD(SEC_CHANNEL_BINDINGS, dwInitiatorOffset, 8);
FIELD(SEC_CHANNEL_BINDINGS, dwAcceptorAddrType, 12);
FIELD(SEC_CHANNEL_BINDINGS, cbAcceptorLength, 16);
FIELD(SEC_CHANNEL_BINDINGS, dwAcceptorOffset, 20);
FIELD(SEC_CHANNEL_BINDINGS, cbApplicationDataLength, 24);
FIELD(SEC_CHANNEL_BINDINGS, dwApplicationDataOffset, 28);
SIZE(SecPkgContext_Bindings, 16);
FIELD(SecPkgContext_Bindings, BindingsLength, 0);
FIELD(SecPkgContext_Bindings, Bindings, 8);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_KeyingMaterialInfo, 40);
FIELD(SecPkgContext_KeyingMaterialInfo, cbLabel, 0);
FIELD(SecPkgContext_KeyingMaterialInfo, pszLabel, 8);
FIELD(SecPkgContext_KeyingMaterialInfo, cbContextValue, 16);
FIELD(SecPkgContext_KeyingMaterialInfo, pbContextValue, 24);
FIELD(SecPkgContext_KeyingMaterialInfo, cbKeyingMaterial, 32);
SIZE(SecPkgContext_KeyingMaterial, 16);
FIELD(SecPkgContext_KeyingMaterial, cbKeyingMaterial, 0);
FIELD(SecPkgContext_KeyingMaterial, pbKeyingMaterial, 8);
SIZE(SecPkgContext_KeyingMaterial_Inproc, 48);
FIELD(SecPkgContext_KeyingMaterial_Inproc, cbLabel, 0);
FIELD(SecPkgContext_KeyingMaterial_Inproc, pszLabel, 8);
FIELD(SecPkgContext_KeyingMaterial_Inproc, cbContextValue, 16);
FIELD(SecPkgContext_KeyingMaterial_Inproc, pbContextValue, 24);
FIELD(SecPkgContext_KeyingMaterial_Inproc, cbKeyingMaterial, 32);
FIELD(SecPkgContext_KeyingMaterial_Inproc, pbKeyingMaterial, 40);
SIZE(SecPkgContext_IssuerListInfoEx, 16);
FIELD(SecPkgContext_IssuerListInfoEx, aIssuers, 0);
FIELD(SecPkgContext_IssuerListInfoEx, cIssuers, 8);
SIZE(SecPkgContext_NegotiatedTlsExtensions, 16);
FIELD(SecPkgContext_NegotiatedTlsExtensions, ExtensionsCount, 0);
FIELD(SecPkgContext_NegotiatedTlsExtensions, Extensions, 8);
#endif
SIZE(SecPkgContext_SupportedSignatures, 16);
FIELD(SecPkgContext_SupportedSignatures, cSignatureAndHashAlgorithms, 0);
FIELD(SecPkgContext_SupportedSignatures, pSignatureAndHashAlgorithms, 8);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_Certificates, 16);
FIELD(SecPkgContext_Certificates, cCertificates, 0);
FIELD(SecPkgContext_Certificates, cbCertificateChain, 4);
FIELD(SecPkgContext_Certificates, pbCertificateChain, 8);
SIZE(SecPkgContext_CertInfo, 40);
FIELD(SecPkgContext_CertInfo, dwVersion, 0);
FIELD(SecPkgContext_CertInfo, cbSubjectName, 4);
FIELD(SecPkgContext_CertInfo, pwszSubjectName, 8);
FIELD(SecPkgContext_CertInfo, cbIssuerName, 16);
FIELD(SecPkgContext_CertInfo, pwszIssuerName, 24);
FIELD(SecPkgContext_CertInfo, dwKeySize, 32);
#endif
SIZE(SecPkgContext_EapKeyBlock, 192);
FIELD(SecPkgContext_EapKeyBlock, rgbKeys, 0);
FIELD(SecPkgContext_EapKeyBlock, rgbIVs, 128);
#if !defined(WITH_WINPR)
SIZE(SecPkgContext_EapPrfInfo, 16);
FIELD(SecPkgContext_EapPrfInfo, dwVersion, 0);
FIELD(SecPkgContext_EapPrfInfo, cbPrfData, 4);
FIELD(SecPkgContext_EapPrfInfo, pbPrfData, 8);
SIZE(SecPkgContext_EarlyStart, 4);
FIELD(SecPkgContext_EarlyStart, dwEarlyStartFlags, 0);
#endif
#if !defined(WITH_WINPR) && !defined(_WIN32)
SIZE(SecPkgContext_CertificateValidationResult, 8);
FIELD(SecPkgContext_CertificateValidationResult, dwChainErrorStatus, 0);
FIELD(SecPkgContext_CertificateValidationResult, hrVerifyChainStatus, 4);
#endif
SIZE(SecPkgCred_SupportedAlgs, 16);
FIELD(SecPkgCred_SupportedAlgs, cSupportedAlgs, 0);
FIELD(SecPkgCred_SupportedAlgs, palgSupportedAlgs, 8);
SIZE(SecPkgCred_CipherStrengths, 8);
FIELD(SecPkgCred_CipherStrengths, dwMinimumCipherStrength, 0);
FIELD(SecPkgCred_CipherStrengths, dwMaximumCipherStrength, 4);
SIZE(SecPkgCred_SupportedProtocols, 4);
FIELD(SecPkgCred_SupportedProtocols, grbitProtocol, 0);
#if !defined(WITH_WINPR) && !defined(_WIN32)
SIZE(SecPkgCred_SessionTicketKey, 88);
FIELD(SecPkgCred_SessionTicketKey, TicketInfoVersion, 0);
FIELD(SecPkgCred_SessionTicketKey, KeyId, 4);
FIELD(SecPkgCred_SessionTicketKey, KeyingMaterial, 20);
FIELD(SecPkgCred_SessionTicketKey, KeyingMaterialSize, 84);
SIZE(SecPkgCred_SessionTicketKeys, 16);
FIELD(SecPkgCred_SessionTicketKeys, cSessionTicketKeys, 0);
FIELD(SecPkgCred_SessionTicketKeys, pSessionTicketKeys, 8);
#endif
#if !defined(WITH_WINPR)
FIELD(SEC_TRAFFIC_SECRETS, SymmetricAlgId, 0);
FIELD(SEC_TRAFFIC_SECRETS, ChainingMode, 128);
FIELD(SEC_TRAFFIC_SECRETS, HashAlgId, 256);
FIELD(SEC_TRAFFIC_SECRETS, KeySize, 384);
FIELD(SEC_TRAFFIC_SECRETS, IvSize, 386);
FIELD(SEC_TRAFFIC_SECRETS, MsgSequenceStart, 388);
FIELD(SEC_TRAFFIC_SECRETS, MsgSequenceEnd, 390);
FIELD(SEC_TRAFFIC_SECRETS, TrafficSecretType, 392);
FIELD(SEC_TRAFFIC_SECRETS, TrafficSecretSize, 396);
FIELD(SEC_TRAFFIC_SECRETS, TrafficSecret, 398);
FIELD(SEC_APPLICATION_PROTOCOL_LIST, ProtoNegoExt, 0);
FIELD(SEC_APPLICATION_PROTOCOL_LIST, ProtocolListSize, 4);
FIELD(SEC_APPLICATION_PROTOCOL_LIST, ProtocolList, 6);
FIELD(SEC_APPLICATION_PROTOCOLS, ProtocolListsSize, 0);
FIELD(SEC_APPLICATION_PROTOCOLS, ProtocolLists, 4);
#endif

/* Function tables: the version, then pointers. WinPR 2 ends behind SetContextAttributes. */
#define ENTRY(table, member, place) FIELD(table, member, 8 * place)
FIELD(SecurityFunctionTableW, dwVersion, 0);
ENTRY(SecurityFunctionTableW, EnumerateSecurityPackagesW, 1);
ENTRY(SecurityFunctionTableW, QueryCredentialsAttributesW, 2);
ENTRY(SecurityFunctionTableW, AcquireCredentialsHandleW, 3);
ENTRY(SecurityFunctionTableW, FreeCredentialsHandle, 4);
ENTRY(SecurityFunctionTableW, Reserved2, 5);
ENTRY(SecurityFunctionTableW, InitializeSecurityContextW, 6);
ENTRY(SecurityFunctionTableW, AcceptSecurityContext, 7);
ENTRY(SecurityFunctionTableW, CompleteAuthToken, 8);
ENTRY(SecurityFunctionTableW, DeleteSecurityContext, 9);
ENTRY(SecurityFunctionTableW, ApplyControlToken, 10);
ENTRY(SecurityFunctionTableW, QueryContextAttributesW, 11);
ENTRY(SecurityFunctionTableW, ImpersonateSecurityContext, 12);
ENTRY(SecurityFunctionTableW, RevertSecurityContext, 13);
ENTRY(SecurityFunctionTableW, MakeSignature, 14);
ENTRY(SecurityFunctionTableW, VerifySignature, 15);
ENTRY(SecurityFunctionTableW, FreeContextBuffer, 16);
ENTRY(SecurityFunctionTableW, QuerySecurityPackageInfoW, 17);
ENTRY(SecurityFunctionTableW, Reserved3, 18);
ENTRY(SecurityFunctionTableW, Reserved4, 19);
ENTRY(SecurityFunctionTableW, ExportSecurityContext, 20);
ENTRY(SecurityFunctionTableW, ImportSecurityContextW, 21);
ENTRY(SecurityFunctionTableW, AddCredentialsW, 22);
ENTRY(SecurityFunctionTableW, Reserved8, 23);
ENTRY(SecurityFunctionTableW, QuerySecurityContextToken, 24);
ENTRY(SecurityFunctionTableW, EncryptMessage, 25);
ENTRY(SecurityFunctionTableW, DecryptMessage, 26);
ENTRY(SecurityFunctionTableW, SetContextAttributesW, 27);
#ifndef WITH_WINPR
ENTRY(SecurityFunctionTableW, SetCredentialsAttributesW, 28);
ENTRY(SecurityFunctionTableW, ChangeAccountPasswordW, 29);
ENTRY(SecurityFunctionTableW, QueryContextAttributesExW, 30);
ENTRY(SecurityFunctionTableW, QueryCredentialsAttributesExW, 31);
SIZE(SecurityFunctionTableW, 8 * 32);
#endif
FIELD(SecurityFunctionTableA, dwVersion, 0);
ENTRY(SecurityFunctionTableA, EnumerateSecurityPackagesA, 1);
ENTRY(SecurityFunctionTableA, QueryCredentialsAttributesA, 2);
ENTRY(SecurityFunctionTableA, AcquireCredentialsHandleA, 3);
ENTRY(SecurityFunctionTableA, FreeCredentialsHandle, 4);
ENTRY(SecurityFunctionTableA, Reserved2, 5);
ENTRY(SecurityFunctionTableA, InitializeSecurityContextA, 6);
ENTRY(SecurityFunctionTableA, AcceptSecurityContext, 7);
ENTRY(SecurityFunctionTableA, CompleteAuthToken, 8);
ENTRY(SecurityFunctionTableA, DeleteSecurityContext, 9);
ENTRY(SecurityFunctionTableA, ApplyControlToken, 10);
ENTRY(SecurityFunctionTableA, QueryContextAttributesA, 11);
ENTRY(SecurityFunctionTableA, ImpersonateSecurityContext, 12);
ENTRY(SecurityFunctionTableA, RevertSecurityContext, 13);
ENTRY(SecurityFunctionTableA, MakeSignature, 14);
ENTRY(SecurityFunctionTableA, VerifySignature, 15);
ENTRY(SecurityFunctionTableA, FreeContextBuffer, 16);
ENTRY(SecurityFunctionTableA, QuerySecurityPackageInfoA, 17);
ENTRY(SecurityFunctionTableA, Reserved3, 18);
ENTRY(SecurityFunctionTableA, Reserved4, 19);
ENTRY(SecurityFunctionTableA, ExportSecurityContext, 20);
ENTRY(SecurityFunctionTableA, ImportSecurityContextA, 21);
ENTRY(SecurityFunctionTableA, AddCredentialsA, 22);
ENTRY(SecurityFunctionTableA, Reserved8, 23);
ENTRY(SecurityFunctionTableA, QuerySecurityContextToken, 24);
ENTRY(SecurityFunctionTableA, EncryptMessage, 25);
ENTRY(SecurityFunctionTableA, DecryptMessage, 26);
ENTRY(SecurityFunctionTableA, SetContextAttributesA, 27);
#ifndef WITH_WINPR
ENTRY(SecurityFunctionTableA, SetCredentialsAttributesA, 28);
ENTRY(SecurityFunctionTableA, ChangeAccountPasswordA, 29);
ENTRY(SecurityFunctionTableA, QueryContextAttributesExA, 30);
ENTRY(SecurityFunctionTableA, QueryCredentialsAttributesExA, 31);
SIZE(SecurityFunctionTableA, 8 * 32);
#endif

/* wincrypt.h */
#ifndef WITH_WINPR
SIZE(CERT_CONTEXT, 40);
FIELD(CERT_CONTEXT, pbCertEncoded, 8);
FIELD(CERT_CONTEXT, pCertInfo, 24);
FIELD(CERT_CONTEXT, hCertStore, 32);
SIZE(CERT_INFO, 208);
FIELD(CERT_INFO, SerialNumber, 8);
FIELD(CERT_INFO, Issuer, 48);
FIELD(CERT_INFO, NotBefore, 64);
FIELD(CERT_INFO, Subject, 80);
FIELD(CERT_INFO, SubjectPublicKeyInfo, 96);
FIELD(CERT_INFO, cExtension, 192);
SIZE(CERT_EXTENSION, 32);
SIZE(CERT_PUBLIC_KEY_INFO, 48);
SIZE(CERT_RDN_ATTR, 32);
SIZE(CERT_RDN, 16);
SIZE(CERT_ENHKEY_USAGE, 16);
SIZE(CRYPT_DATA_BLOB, 16);
SIZE(CRYPT_KEY_PROV_INFO, 48);
FIELD(CRYPT_KEY_PROV_INFO, dwKeySpec, 40);
SIZE(CERT_KEY_CONTEXT, 24);
FIELD(CERT_KEY_CONTEXT, dwKeySpec, 16);
SIZE(CERT_ALT_NAME_ENTRY, 24);
FIELD(CERT_ALT_NAME_ENTRY, pwszDNSName, 8);
SIZE(CERT_ALT_NAME_INFO, 16);
SIZE(CERT_OTHER_NAME, 24);
SIZE(CERT_BASIC_CONSTRAINTS2_INFO, 12);
SIZE(CRYPT_DECODE_PARA, 24);
SIZE(CERT_CHAIN_CONTEXT, 72);
FIELD(CERT_CHAIN_CONTEXT, TrustStatus, 4);
FIELD(CERT_CHAIN_CONTEXT, rgpChain, 16);
FIELD(CERT_CHAIN_CONTEXT, ChainId, 52);
SIZE(CERT_SIMPLE_CHAIN, 40);
FIELD(CERT_SIMPLE_CHAIN, rgpElement, 16);
SIZE(CERT_CHAIN_ELEMENT, 56);
FIELD(CERT_CHAIN_ELEMENT, TrustStatus, 16);
FIELD(CERT_CHAIN_ELEMENT, pApplicationUsage, 40);
SIZE(CERT_REVOCATION_INFO, 40);
SIZE(CERT_CHAIN_PARA, 32);
FIELD(CERT_CHAIN_PARA, RequestedUsage, 8);
SIZE(CERT_USAGE_MATCH, 24);
FIELD(CERT_CHAIN_ENGINE_CONFIG, hRestrictedRoot, 8);
FIELD(CERT_CHAIN_ENGINE_CONFIG, rghAdditionalStore, 40);
FIELD(CERT_CHAIN_ENGINE_CONFIG, hExclusiveRoot, 64);
FIELD(CERT_CHAIN_ENGINE_CONFIG, dwExclusiveFlags, 80);
SIZE(CERT_CHAIN_ENGINE_CONFIG, 88);
FIELD(CERT_CHAIN_FIND_BY_ISSUER_PARA, rgIssuer, 32);
FIELD(CERT_CHAIN_FIND_BY_ISSUER_PARA, pvFindArg, 48);
SIZE(CERT_CHAIN_POLICY_PARA, 16);
SIZE(CERT_CHAIN_POLICY_STATUS, 24);
FIELD(CERT_CHAIN_POLICY_STATUS, lElementIndex, 12);
SIZE(SSL_EXTRA_CERT_CHAIN_POLICY_PARA, 24);
FIELD(SSL_EXTRA_CERT_CHAIN_POLICY_PARA, pwszServerName, 16);
CHECK(CERT_QUERY_CONTENT_FLAG_ALL == 0x3FFE);
CHECK(CERT_QUERY_FORMAT_FLAG_ALL == 0xE);
CHECK(CERT_FIND_SUBJECT_STR_W == 0x80007);
CHECK(CERT_FIND_ISSUER_NAME == 0x20004);
CHECK(CERT_CHAIN_POLICY_IGNORE_ALL_REV_UNKNOWN_FLAGS == 0xF00);
#endif
