/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* wincrypt.h as a C program sees it. The argument is a directory of certificates; their names say what they are. */
#include <openschannel.h>
#include <security.h>
#include <schannel.h>
#include <wincrypt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;
static int checks;

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        checks++;                                                                                                     \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s (last error 0x%08x)\n", __FILE__, __LINE__, #condition, GetLastError());       \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    BYTE *data;
    DWORD len;
} bytes;

static bytes load(const char *name) {
    char path[512];
    bytes file = { NULL, 0 };
    long len;
    FILE *stream;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        exit(1);
    }
    fseek(stream, 0, SEEK_END);
    len = ftell(stream);
    rewind(stream);
    file.data = malloc((size_t)len + 1);
    file.len = (DWORD)fread(file.data, 1, (size_t)len, stream);
    file.data[file.len] = 0;
    fclose(stream);
    return file;
}

static PCCERT_CONTEXT certificate(const char *name) {
    bytes file = load(name);
    PCCERT_CONTEXT context = CertCreateCertificateContext(X509_ASN_ENCODING | PKCS_7_ASN_ENCODING, file.data, file.len);
    CHECK(context != NULL);
    free(file.data);
    return context;
}

static HCERTSTORE memory_store(void) {
    HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, CERT_STORE_CREATE_NEW_FLAG, NULL);
    CHECK(store != NULL);
    return store;
}

static void add(HCERTSTORE store, const char *name) {
    PCCERT_CONTEXT context = certificate(name);
    CHECK(CertAddCertificateContextToStore(store, context, CERT_STORE_ADD_NEW, NULL));
    CertFreeCertificateContext(context);
}

static int count(HCERTSTORE store) {
    PCCERT_CONTEXT context = NULL;
    int found = 0;
    while ((context = CertEnumCertificatesInStore(store, context)) != NULL) {
        found++;
    }
    CHECK(GetLastError() == (DWORD)CRYPT_E_NOT_FOUND);
    return found;
}

static void contexts(void) {
    bytes file = load("leaf.der");
    PCCERT_CONTEXT context;
    CHECK(CertCreateCertificateContext(0, file.data, file.len) == NULL);
    CHECK(GetLastError() == (DWORD)E_INVALIDARG);
    CHECK(CertCreateCertificateContext(X509_ASN_ENCODING, file.data, file.len - 1) == NULL);
    CHECK(CertCreateCertificateContext(X509_ASN_ENCODING, NULL, 5) == NULL);
    CHECK(CertCreateCertificateContext(X509_ASN_ENCODING, file.data, 0) == NULL);
    context = CertCreateCertificateContext(X509_ASN_ENCODING, file.data, file.len);
    CHECK(context != NULL && context->cbCertEncoded == file.len);
    CHECK(memcmp(context->pbCertEncoded, file.data, file.len) == 0);
    CHECK(context->dwCertEncodingType == X509_ASN_ENCODING && context->hCertStore != NULL);
    CHECK(context->pCertInfo->dwVersion == CERT_V3);
    CHECK(CertDuplicateCertificateContext(context) == context);
    CHECK(CertDuplicateCertificateContext(NULL) == NULL);
    CHECK(CertFreeCertificateContext(context));
    CHECK(context->cbCertEncoded == file.len);
    /* The store of contexts that are in none. */
    CHECK(CertEnumCertificatesInStore(context->hCertStore, NULL) == NULL);
    CHECK(CertAddCertificateContextToStore(context->hCertStore, context, CERT_STORE_ADD_ALWAYS, NULL));
    CHECK(CertEnumCertificatesInStore(context->hCertStore, NULL) == NULL);
    CHECK(CertCloseStore(context->hCertStore, CERT_CLOSE_STORE_CHECK_FLAG));
    CHECK(CertFreeCertificateContext(context));
    CHECK(CertFreeCertificateContext(NULL));
    free(file.data);
}

static void stores(void) {
    HCERTSTORE store = memory_store(), other = memory_store(), collection, roots, mine;
    PCCERT_CONTEXT context, first = NULL, again = NULL;
    bytes file = load("leaf.der");
    add(store, "leaf.der");
    add(store, "intermediate.der");
    CHECK(count(store) == 2);
    context = certificate("leaf.der");
    CHECK(!CertAddCertificateContextToStore(store, context, CERT_STORE_ADD_NEW, NULL));
    CHECK(GetLastError() == (DWORD)CRYPT_E_EXISTS);
    CHECK(!CertAddCertificateContextToStore(store, context, CERT_STORE_ADD_NEWER, NULL));
    CHECK(!CertAddCertificateContextToStore(store, context, 99, NULL));
    CHECK(GetLastError() == (DWORD)E_INVALIDARG);
    CHECK(CertAddCertificateContextToStore(store, context, CERT_STORE_ADD_USE_EXISTING, &first));
    CHECK(first != context && first->hCertStore == store);
    CHECK(count(store) == 2);
    CHECK(CertAddCertificateContextToStore(store, context, CERT_STORE_ADD_REPLACE_EXISTING, &again));
    CHECK(again != first && count(store) == 2);
    /* Replaced, and still there for who has it. */
    CHECK(first->cbCertEncoded == file.len);
    CertFreeCertificateContext(first);
    CHECK(CertAddEncodedCertificateToStore(
        store, X509_ASN_ENCODING, file.data, file.len, CERT_STORE_ADD_ALWAYS, NULL));
    CHECK(count(store) == 3);
    CHECK(CertDeleteCertificateFromStore(again));
    CHECK(count(store) == 2);
    CertFreeCertificateContext(context);
    free(file.data);

    /* Collections show what their stores have, the most important one first, and pass additions on. */
    collection = CertOpenStore(CERT_STORE_PROV_COLLECTION, 0, 0, 0, NULL);
    CHECK(CertAddStoreToCollection(collection, store, 0, 0));
    CHECK(CertAddStoreToCollection(collection, other, CERT_PHYSICAL_STORE_ADD_ENABLE_FLAG, 1));
    CHECK(!CertAddStoreToCollection(collection, collection, 0, 0));
    CHECK(!CertAddStoreToCollection(store, other, 0, 0));
    CHECK(count(collection) == 2);
    add(collection, "root.der");
    CHECK(count(collection) == 3 && count(other) == 1);
    context = CertEnumCertificatesInStore(collection, NULL);
    CHECK(context != NULL && context->hCertStore == other);
    CertFreeCertificateContext(context);
    CertRemoveStoreFromCollection(collection, other);
    CHECK(count(collection) == 2);
    CHECK(CertCloseStore(other, CERT_CLOSE_STORE_CHECK_FLAG));
    CHECK(CertCloseStore(store, 0));
    /* The collection has it still. */
    CHECK(count(collection) == 2);
    CHECK(CertCloseStore(collection, 0));
    CHECK(CertEnumCertificatesInStore(store, NULL) == NULL && GetLastError() == (DWORD)E_INVALIDARG);
    CHECK(!CertCloseStore(store, 0));

    /* System stores. */
    roots = CertOpenSystemStoreA(0, "ROOT");
    CHECK(roots != NULL && count(roots) == 1);
    context = certificate("leaf.der");
    CHECK(!CertAddCertificateContextToStore(roots, context, CERT_STORE_ADD_ALWAYS, NULL));
    CHECK(GetLastError() == ERROR_ACCESS_DENIED);
    mine = CertOpenStore(CERT_STORE_PROV_SYSTEM_A, 0, 0, CERT_SYSTEM_STORE_CURRENT_USER, "My");
    CHECK(mine != NULL && count(mine) == 0);
    CHECK(CertAddCertificateContextToStore(mine, context, CERT_STORE_ADD_ALWAYS, NULL));
    CHECK(CertDuplicateStore(mine) == mine);
    CHECK(CertCloseStore(mine, 0) && count(mine) == 1 && CertCloseStore(mine, CERT_CLOSE_STORE_CHECK_FLAG));
    CHECK(CertCloseStore(roots, 0));
    CertFreeCertificateContext(context);
    roots = CertOpenSystemStoreW(0, OPENSCHANNEL_W("Root"));
    CHECK(roots != NULL && count(roots) == 1 && CertCloseStore(roots, 0));
    CHECK(CertOpenStore("nothing of this name", 0, 0, 0, NULL) == NULL);
    CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
    CHECK(CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, 0, NULL) == NULL);
    CHECK(CertCloseStore(NULL, 0));

    /* Closing with contexts outside. */
    store = memory_store();
    add(store, "leaf.der");
    context = CertEnumCertificatesInStore(store, NULL);
    CHECK(!CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
    CHECK(GetLastError() == (DWORD)CRYPT_E_PENDING_CLOSE);
    CHECK(count(context->hCertStore) == 1);
    CertFreeCertificateContext(context);
    store = memory_store();
    add(store, "leaf.der");
    CHECK(CertEnumCertificatesInStore(store, NULL) != NULL);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_FORCE_FLAG));
}

static BOOL finds(HCERTSTORE store, DWORD type, const void *parameter, PCCERT_CONTEXT wanted) {
    PCCERT_CONTEXT found = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, type, parameter, NULL);
    BOOL same;
    if (found == NULL) {
        return FALSE;
    }
    same = CertCompareCertificate(X509_ASN_ENCODING, found->pCertInfo, wanted->pCertInfo);
    /* And no other. */
    found = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, type, parameter, found);
    CHECK(found == NULL && GetLastError() == (DWORD)CRYPT_E_NOT_FOUND);
    return same;
}

static void finding(void) {
    HCERTSTORE store = memory_store();
    PCCERT_CONTEXT leaf = certificate("leaf.der"), issuer = certificate("intermediate.der"), root = certificate("root.der");
    PCCERT_CONTEXT found;
    BYTE hash[20];
    DWORD size = sizeof(hash), flags, property = CERT_FRIENDLY_NAME_PROP_ID;
    CRYPT_HASH_BLOB blob;
    CERT_RDN_ATTR attribute;
    CERT_RDN rdn = { 1, &attribute };
    LPSTR usages[] = { (LPSTR)szOID_PKIX_KP_SERVER_AUTH, (LPSTR)szOID_PKIX_KP_CLIENT_AUTH };
    CERT_ENHKEY_USAGE usage = { 1, usages };
    add(store, "root.der");
    add(store, "intermediate.der");
    add(store, "leaf.der");

    CHECK(CertGetCertificateContextProperty(issuer, CERT_HASH_PROP_ID, hash, &size) && size == 20);
    blob.cbData = size;
    blob.pbData = hash;
    CHECK(finds(store, CERT_FIND_HASH, &blob, issuer));
    hash[0] ^= 1;
    CHECK(!finds(store, CERT_FIND_HASH, &blob, issuer));
    CHECK(finds(store, CERT_FIND_SUBJECT_STR_A, "EXAMPLE", leaf));
    CHECK(finds(store, CERT_FIND_SUBJECT_STR_W, OPENSCHANNEL_W("a.example"), leaf));
    CHECK(finds(store, CERT_FIND_ISSUER_STR_A, "intermediate", leaf));
    CHECK(finds(store, CERT_FIND_SUBJECT_NAME, &leaf->pCertInfo->Subject, leaf));
    CHECK(finds(store, CERT_FIND_ISSUER_NAME, &issuer->pCertInfo->Subject, leaf));
    CHECK(finds(store, CERT_FIND_SUBJECT_CERT, leaf->pCertInfo, leaf));
    CHECK(finds(store, CERT_FIND_EXISTING, leaf, leaf));
    CHECK(finds(store, CERT_FIND_ISSUER_OF, leaf, issuer));
    CHECK(finds(store, CERT_FIND_PUBLIC_KEY, &issuer->pCertInfo->SubjectPublicKeyInfo, issuer));
    CHECK(finds(store, CERT_FIND_HASH_STR, OPENSCHANNEL_W("00"), leaf) == FALSE);
    attribute.pszObjId = (LPSTR)szOID_COMMON_NAME;
    attribute.dwValueType = CERT_RDN_ANY_TYPE;
    attribute.Value.pbData = (BYTE *)"a.example";
    attribute.Value.cbData = 9;
    CHECK(finds(store, CERT_FIND_SUBJECT_ATTR, &rdn, leaf));
    attribute.Value.pbData = (BYTE *)"A.example";
    CHECK(!finds(store, CERT_FIND_SUBJECT_ATTR, &rdn, leaf));
    found = CertFindCertificateInStore(
        store, X509_ASN_ENCODING, CERT_CASE_INSENSITIVE_IS_RDN_ATTRS_FLAG, CERT_FIND_SUBJECT_ATTR, &rdn, NULL);
    CHECK(found != NULL && CertFreeCertificateContext(found));
    CHECK(CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_HAS_PRIVATE_KEY, NULL, NULL) == NULL);
    CHECK(CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_PROPERTY, &property, NULL) == NULL);
    usage.cUsageIdentifier = 2;
    found = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_ENHKEY_USAGE, &usage, NULL);
    CHECK(found != NULL && CertCompareCertificate(X509_ASN_ENCODING, found->pCertInfo, root->pCertInfo));
    CertFreeCertificateContext(found);
    CHECK(CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, 77 << 16, NULL, NULL) == NULL);
    CHECK(GetLastError() == (DWORD)E_INVALIDARG);
    CHECK(CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_HASH, NULL, NULL) == NULL);

    found = CertGetSubjectCertificateFromStore(store, X509_ASN_ENCODING, leaf->pCertInfo);
    CHECK(found != NULL && CertFreeCertificateContext(found));
    flags = CERT_STORE_SIGNATURE_FLAG | CERT_STORE_TIME_VALIDITY_FLAG | CERT_STORE_REVOCATION_FLAG;
    found = CertGetIssuerCertificateFromStore(store, leaf, NULL, &flags);
    CHECK(found != NULL && flags == (CERT_STORE_REVOCATION_FLAG | CERT_STORE_NO_CRL_FLAG));
    CHECK(CertGetIssuerCertificateFromStore(store, leaf, found, &flags) == NULL);
    CHECK(CertGetIssuerCertificateFromStore(store, root, NULL, &flags) == NULL);
    CHECK(GetLastError() == (DWORD)CRYPT_E_SELF_SIGNED);
    flags = CERT_STORE_SIGNATURE_FLAG | CERT_STORE_TIME_VALIDITY_FLAG;
    CHECK(CertVerifySubjectCertificateContext(leaf, root, &flags) && flags == CERT_STORE_SIGNATURE_FLAG);
    CHECK(CertVerifySubjectCertificateContext(leaf, issuer, &flags) && flags == 0);
    CertFreeCertificateContext(leaf);
    CertFreeCertificateContext(issuer);
    CertFreeCertificateContext(root);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
}

static void names(void) {
    PCCERT_CONTEXT leaf = certificate("named.der");
    char text[512], *next;
    WCHAR wide[64];
    DWORD len, style = CERT_X500_NAME_STR | CERT_NAME_STR_REVERSE_FLAG;
    PCERT_NAME_BLOB subject = &leaf->pCertInfo->Subject;
    len = CertNameToStrA(X509_ASN_ENCODING, subject, CERT_X500_NAME_STR, NULL, 0);
    CHECK(CertNameToStrA(X509_ASN_ENCODING, subject, CERT_X500_NAME_STR, text, sizeof(text)) == len);
    CHECK(strlen(text) + 1 == len);
    CHECK(strcmp(text, "C=DE, O=\"Example, Inc.\", OU=\"The \"\"Unit\"\"\", CN=N\xc3\xa4me") == 0);
    CertNameToStrA(X509_ASN_ENCODING, subject, CERT_SIMPLE_NAME_STR | CERT_NAME_STR_NO_QUOTING_FLAG, text, sizeof(text));
    CHECK(strcmp(text, "DE, Example, Inc., The \"Unit\", N\xc3\xa4me") == 0);
    CertNameToStrA(X509_ASN_ENCODING, subject, CERT_OID_NAME_STR | CERT_NAME_STR_SEMICOLON_FLAG, text, sizeof(text));
    CHECK(strncmp(text, "2.5.4.6=DE; 2.5.4.10=\"Exam", 26) == 0);
    /* Cut short, and terminated. */
    CHECK(CertNameToStrA(X509_ASN_ENCODING, subject, CERT_X500_NAME_STR, text, 5) == 5 && strcmp(text, "C=DE") == 0);
    CHECK(CertGetNameStringA(leaf, CERT_NAME_SIMPLE_DISPLAY_TYPE, 0, NULL, text, sizeof(text)) == 6);
    CHECK(CertGetNameStringW(leaf, CERT_NAME_SIMPLE_DISPLAY_TYPE, 0, NULL, wide, COUNT(wide)) == 5);
    CHECK(wide[1] == 0xe4 && wide[4] == 0);
    CertGetNameStringA(leaf, CERT_NAME_ATTR_TYPE, 0, (void *)szOID_ORGANIZATION_NAME, text, sizeof(text));
    CHECK(strcmp(text, "Example, Inc.") == 0);
    CertGetNameStringA(leaf, CERT_NAME_RDN_TYPE, 0, &style, text, sizeof(text));
    CHECK(strncmp(text, "CN=N\xc3\xa4me, OU=", 12) == 0);
    CertGetNameStringA(leaf, CERT_NAME_EMAIL_TYPE, 0, NULL, text, sizeof(text));
    CHECK(strcmp(text, "a@b.example") == 0);
    CertGetNameStringA(leaf, CERT_NAME_URL_TYPE, 0, NULL, text, sizeof(text));
    CHECK(strcmp(text, "https://b.example/") == 0);
    CertGetNameStringA(leaf, CERT_NAME_DNS_TYPE, 0, NULL, text, sizeof(text));
    CHECK(strcmp(text, "b.example") == 0);
    len = CertGetNameStringA(leaf, CERT_NAME_DNS_TYPE, CERT_NAME_SEARCH_ALL_NAMES_FLAG, NULL, text, sizeof(text));
    CHECK(len == sizeof("b.example") + sizeof("*.c.example") + 1);
    next = text + strlen(text) + 1;
    CHECK(strcmp(next, "*.c.example") == 0 && next[strlen(next) + 1] == 0);
    CertGetNameStringA(leaf, CERT_NAME_SIMPLE_DISPLAY_TYPE, CERT_NAME_ISSUER_FLAG, NULL, text, sizeof(text));
    CHECK(strcmp(text, "Test Intermediate") == 0);
    CHECK(CertGetNameStringA(leaf, CERT_NAME_UPN_TYPE, 0, NULL, text, sizeof(text)) == 1 && text[0] == 0);
    CHECK(CertGetNameStringA(NULL, CERT_NAME_DNS_TYPE, 0, NULL, text, sizeof(text)) == 1);
    CertFreeCertificateContext(leaf);
}

static void properties(void) {
    PCCERT_CONTEXT leaf = certificate("leaf.der"), copy = NULL;
    HCERTSTORE store = memory_store();
    WCHAR name[] = { 'n', 'a', 'm', 'e', 0 };
    CRYPT_DATA_BLOB blob;
    CRYPT_KEY_PROV_INFO info, *read;
    CERT_KEY_CONTEXT key_context = { sizeof(CERT_KEY_CONTEXT), { 7 }, AT_SIGNATURE };
    BYTE data[512];
    DWORD size = 0, spec = 0;
    CHECK(CertGetCertificateContextProperty(leaf, CERT_SHA256_HASH_PROP_ID, NULL, &size) && size == 32);
    size = 31;
    CHECK(!CertGetCertificateContextProperty(leaf, CERT_SHA256_HASH_PROP_ID, data, &size));
    CHECK(GetLastError() == ERROR_MORE_DATA && size == 32);
    CHECK(!CertGetCertificateContextProperty(leaf, CERT_SHA256_HASH_PROP_ID, data, NULL));
    size = sizeof(data);
    CHECK(CertGetCertificateContextProperty(leaf, CERT_SIGN_HASH_CNG_ALG_PROP_ID, data, &size) && size == 26);
    size = sizeof(data);
    CHECK(CertGetCertificateContextProperty(leaf, CERT_KEY_IDENTIFIER_PROP_ID, data, &size) && size == 20);
    size = sizeof(data);
    CHECK(!CertGetCertificateContextProperty(leaf, CERT_FRIENDLY_NAME_PROP_ID, data, &size));
    CHECK(GetLastError() == (DWORD)CRYPT_E_NOT_FOUND);
    CHECK(CertEnumCertificateContextProperties(leaf, 0) == 0);
    blob.pbData = (BYTE *)name;
    blob.cbData = sizeof(name);
    CHECK(CertSetCertificateContextProperty(leaf, CERT_FRIENDLY_NAME_PROP_ID, 0, &blob));
    CHECK(CertGetCertificateContextProperty(leaf, CERT_FRIENDLY_NAME_PROP_ID, data, &size));
    CHECK(size == sizeof(name) && memcmp(data, name, size) == 0);
    CHECK(CertGetNameStringA(leaf, CERT_NAME_FRIENDLY_DISPLAY_TYPE, 0, NULL, (char *)data, sizeof(data)) == 5);
    CHECK(strcmp((char *)data, "name") == 0);
    CHECK(CertEnumCertificateContextProperties(leaf, 0) == CERT_FRIENDLY_NAME_PROP_ID);
    CHECK(CertEnumCertificateContextProperties(leaf, CERT_FRIENDLY_NAME_PROP_ID) == 0);
    /* Properties go along. */
    CHECK(CertAddCertificateContextToStore(store, leaf, CERT_STORE_ADD_NEW, &copy));
    CHECK(CertGetCertificateContextProperty(copy, CERT_FRIENDLY_NAME_PROP_ID, NULL, &size) && size == sizeof(name));
    CHECK(CertSetCertificateContextProperty(leaf, CERT_FRIENDLY_NAME_PROP_ID, 0, NULL));
    CHECK(!CertGetCertificateContextProperty(leaf, CERT_FRIENDLY_NAME_PROP_ID, NULL, &size));
    CHECK(CertGetCertificateContextProperty(copy, CERT_FRIENDLY_NAME_PROP_ID, NULL, &size));
    /* Where a key is said to be. */
    memset(&info, 0, sizeof(info));
    info.pwszContainerName = name;
    info.dwProvType = 24;
    info.dwKeySpec = AT_KEYEXCHANGE;
    CHECK(CertSetCertificateContextProperty(leaf, CERT_KEY_PROV_INFO_PROP_ID, 0, &info));
    size = sizeof(data);
    CHECK(CertGetCertificateContextProperty(leaf, CERT_KEY_PROV_INFO_PROP_ID, data, &size));
    read = (CRYPT_KEY_PROV_INFO *)(void *)data;
    CHECK(memcmp(read->pwszContainerName, name, sizeof(name)) == 0 && read->pwszProvName == NULL);
    CHECK(read->dwProvType == 24 && read->dwKeySpec == AT_KEYEXCHANGE);
    size = sizeof(spec);
    CHECK(CertGetCertificateContextProperty(leaf, CERT_KEY_SPEC_PROP_ID, &spec, &size) && spec == AT_KEYEXCHANGE);
    CHECK(CertSetCertificateContextProperty(leaf, CERT_KEY_CONTEXT_PROP_ID, 0, &key_context));
    CHECK(CertGetCertificateContextProperty(leaf, CERT_KEY_SPEC_PROP_ID, &spec, &size) && spec == AT_SIGNATURE);
    CHECK(!CertSetCertificateContextProperty(leaf, 0, 0, &blob));
    CertFreeCertificateContext(leaf);
    CertFreeCertificateContext(copy);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
}

static void inspecting(void) {
    PCCERT_CONTEXT leaf = certificate("leaf.der"), issuer = certificate("intermediate.der"), rsa = certificate("rsa.der");
    PCERT_EXTENSION extension;
    CERT_INFO *info = leaf->pCertInfo;
    BYTE usage[2], data[512];
    DWORD size = sizeof(data);
    FILETIME early = { 1, 0 };
    CERT_ENHKEY_USAGE *enhanced = (CERT_ENHKEY_USAGE *)(void *)data;
    CERT_ALT_NAME_INFO *alternatives = NULL;
    CERT_BASIC_CONSTRAINTS2_INFO constraints;
    BYTE one[] = { 1, 0, 0 }, minus[] = { 0xff, 0xff }, big[] = { 0xff, 0 };
    CRYPT_INTEGER_BLOB first = { 3, one }, second = { 1, one };
    CHECK(CertCompareIntegerBlob(&first, &second));
    second.pbData = minus;
    CHECK(!CertCompareIntegerBlob(&first, &second));
    first.pbData = big, first.cbData = 2;
    CHECK(!CertCompareIntegerBlob(&first, &second));
    CHECK(CertCompareCertificate(X509_ASN_ENCODING, info, info));
    CHECK(!CertCompareCertificate(X509_ASN_ENCODING, info, issuer->pCertInfo));
    CHECK(!CertCompareCertificate(X509_ASN_ENCODING, info, NULL));
    CHECK(CertCompareCertificateName(X509_ASN_ENCODING, &info->Issuer, &issuer->pCertInfo->Subject));
    CHECK(!CertCompareCertificateName(X509_ASN_ENCODING, &info->Subject, &issuer->pCertInfo->Subject));
    CHECK(CertComparePublicKeyInfo(X509_ASN_ENCODING, &info->SubjectPublicKeyInfo, &info->SubjectPublicKeyInfo));
    CHECK(!CertComparePublicKeyInfo(
        X509_ASN_ENCODING, &info->SubjectPublicKeyInfo, &issuer->pCertInfo->SubjectPublicKeyInfo));
    CHECK(CertGetPublicKeyLength(X509_ASN_ENCODING, &info->SubjectPublicKeyInfo) == 256);
    CHECK(CertGetPublicKeyLength(X509_ASN_ENCODING, &rsa->pCertInfo->SubjectPublicKeyInfo) == 2048);
    CHECK(CertVerifyTimeValidity(NULL, info) == 0);
    CHECK(CertVerifyTimeValidity(&early, info) == -1);
    early.dwHighDateTime = 0xffffffff;
    CHECK(CertVerifyTimeValidity(&early, info) == 1);
    CHECK(CertFindExtension("1.2.3", info->cExtension, info->rgExtension) == NULL);
    CHECK(CertFindExtension(NULL, 0, NULL) == NULL);

    extension = CertFindExtension(szOID_SUBJECT_ALT_NAME2, info->cExtension, info->rgExtension);
    CHECK(extension != NULL);
    CHECK(CryptDecodeObjectEx(X509_ASN_ENCODING, X509_ALTERNATE_NAME, extension->Value.pbData, extension->Value.cbData,
        CRYPT_DECODE_ALLOC_FLAG, NULL, (void *)&alternatives, &size));
    CHECK(alternatives->cAltEntry == 2);
    CHECK(alternatives->rgAltEntry[0].dwAltNameChoice == CERT_ALT_NAME_DNS_NAME);
    CHECK(alternatives->rgAltEntry[0].pwszDNSName[0] == 'a' && alternatives->rgAltEntry[0].pwszDNSName[9] == 0);
    CHECK(alternatives->rgAltEntry[1].dwAltNameChoice == CERT_ALT_NAME_IP_ADDRESS);
    CHECK(alternatives->rgAltEntry[1].IPAddress.cbData == 4 && alternatives->rgAltEntry[1].IPAddress.pbData[3] == 7);
    CHECK(LocalFree(alternatives) == NULL);
    CHECK(LocalFree(alternatives) == (void *)alternatives);
    CHECK(LocalFree(NULL) == NULL);
    CHECK(!CryptDecodeObject(X509_ASN_ENCODING, (LPCSTR)1, extension->Value.pbData, 1, 0, NULL, &size));
    CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
    CHECK(!CryptDecodeObject(X509_ASN_ENCODING, szOID_SUBJECT_ALT_NAME2, extension->Value.pbData, 1, 0, NULL, &size));
    extension = CertFindExtension(
        szOID_BASIC_CONSTRAINTS2, issuer->pCertInfo->cExtension, issuer->pCertInfo->rgExtension);
    size = sizeof(constraints);
    CHECK(CryptDecodeObject(X509_ASN_ENCODING, X509_BASIC_CONSTRAINTS2, extension->Value.pbData, extension->Value.cbData,
        0, &constraints, &size));
    CHECK(constraints.fCA && !constraints.fPathLenConstraint);

    CHECK(CertGetIntendedKeyUsage(X509_ASN_ENCODING, info, usage, sizeof(usage)));
    CHECK(usage[0] == CERT_DIGITAL_SIGNATURE_KEY_USAGE && usage[1] == 0);
    CHECK(!CertGetIntendedKeyUsage(X509_ASN_ENCODING, rsa->pCertInfo, usage, sizeof(usage)) && GetLastError() == 0);
    size = sizeof(data);
    CHECK(CertGetEnhancedKeyUsage(leaf, 0, enhanced, &size) && enhanced->cUsageIdentifier == 1);
    CHECK(strcmp(enhanced->rgpszUsageIdentifier[0], szOID_PKIX_KP_SERVER_AUTH) == 0);
    size = sizeof(data);
    CHECK(CertGetEnhancedKeyUsage(issuer, 0, enhanced, &size) && enhanced->cUsageIdentifier == 0);
    CHECK(GetLastError() == (DWORD)CRYPT_E_NOT_FOUND);
    CertFreeCertificateContext(leaf);
    CertFreeCertificateContext(issuer);
    CertFreeCertificateContext(rsa);
}

static void encodings(void) {
    static const BYTE binary[] = { 0, 1, 2, 0xfd, 0xfe };
    BYTE data[2048];
    char text[2048];
    WCHAR wide[16];
    DWORD size, skip, flags, len;
    bytes pem = load("leaf.pem"), der = load("leaf.der");
    len = 0;
    CHECK(CryptBinaryToStringA(binary, 5, CRYPT_STRING_BASE64 | CRYPT_STRING_NOCRLF, NULL, &len) && len == 9);
    CHECK(CryptBinaryToStringA(binary, 5, CRYPT_STRING_BASE64 | CRYPT_STRING_NOCRLF, text, &len) && len == 8);
    CHECK(strcmp(text, "AAEC/f4=") == 0);
    len = 8;
    CHECK(!CryptBinaryToStringA(binary, 5, CRYPT_STRING_BASE64 | CRYPT_STRING_NOCRLF, text, &len) && len == 9);
    CHECK(GetLastError() == ERROR_MORE_DATA);
    len = COUNT(wide);
    CHECK(CryptBinaryToStringW(binary, 5, CRYPT_STRING_HEXRAW | CRYPT_STRING_NOCRLF, wide, &len) && len == 10);
    CHECK(wide[9] == 'e' && wide[10] == 0);
    len = sizeof(text);
    CHECK(CryptBinaryToStringA(binary, 5, CRYPT_STRING_HEX, text, &len) && strcmp(text, "00 01 02 fd fe\r\n") == 0);
    len = sizeof(text);
    CHECK(!CryptBinaryToStringA(binary, 5, 0x77, text, &len) && GetLastError() == ERROR_INVALID_PARAMETER);

    size = sizeof(data);
    CHECK(CryptStringToBinaryA("x AAEC/f4=", 0, CRYPT_STRING_BASE64, data, &size, NULL, NULL) == FALSE);
    CHECK(GetLastError() == ERROR_INVALID_DATA);
    CHECK(CryptStringToBinaryA("AAEC\n/f4=junk", 9, CRYPT_STRING_BASE64, data, &size, &skip, &flags));
    CHECK(size == 5 && memcmp(data, binary, 5) == 0 && skip == 0 && flags == CRYPT_STRING_BASE64);
    size = sizeof(data);
    CHECK(CryptStringToBinaryW(OPENSCHANNEL_W("0001 02FD fe"), 0, CRYPT_STRING_HEX, data, &size, NULL, NULL));
    CHECK(size == 5 && memcmp(data, binary, 5) == 0);
    size = sizeof(data);
    CHECK(CryptStringToBinaryA((char *)pem.data, 0, CRYPT_STRING_BASE64_ANY, data, &size, &skip, &flags));
    CHECK(size == der.len && memcmp(data, der.data, size) == 0 && flags == CRYPT_STRING_BASE64HEADER);
    CHECK(skip == strlen("text before it\n"));
    size = sizeof(data);
    CHECK(!CryptStringToBinaryA("AAEC", 0, CRYPT_STRING_BASE64HEADER, data, &size, NULL, NULL));
    size = 3;
    CHECK(!CryptStringToBinaryA("AAEC/f4=", 0, CRYPT_STRING_BASE64, data, &size, NULL, NULL) && size == 5);
    len = sizeof(text);
    CHECK(CryptBinaryToStringA(der.data, der.len, CRYPT_STRING_BASE64HEADER, text, &len));
    size = sizeof(data);
    CHECK(CryptStringToBinaryA(text, len, CRYPT_STRING_ANY, data, &size, NULL, NULL) && size == der.len);
    CHECK(memcmp(data, der.data, size) == 0);
    free(pem.data);
    free(der.data);
}

static SECURITY_STATUS acquire(PCCERT_CONTEXT context) {
    SCHANNEL_CRED credential;
    CredHandle handle;
    SECURITY_STATUS status;
    memset(&credential, 0, sizeof(credential));
    credential.dwVersion = SCHANNEL_CRED_VERSION;
    credential.cCreds = 1;
    credential.paCred = &context;
    status = AcquireCredentialsHandleA(
        NULL, (LPSTR)UNISP_NAME_A, SECPKG_CRED_INBOUND, NULL, &credential, NULL, NULL, &handle, NULL);
    if (status == SEC_E_OK) {
        FreeCredentialsHandle(&handle);
    }
    return status;
}

static void importing(void) {
    static const char *const keys[] = { "key.pem", "key.der" };
    bytes chain = load("chain.pem"), key, both = load("both.pem"), pfx = load("all.pfx"), der = load("leaf.der");
    PCCERT_CONTEXT context = NULL;
    HCERTSTORE store;
    CRYPT_DATA_BLOB blob;
    HCRYPTPROV_OR_NCRYPT_KEY_HANDLE handle = 0;
    CRYPT_KEY_PROV_INFO info;
    DWORD size = 0;
    int with_key = 0;
    size_t index;
    for (index = 0; index < COUNT(keys); index++) {
        key = load(keys[index]);
        CHECK(OpenSchannelImportPem(chain.data, chain.len, key.data, key.len, NULL, &context));
        CHECK(count(context->hCertStore) == 3 && acquire(context) == SEC_E_OK);
        CHECK(!CryptAcquireCertificatePrivateKey(context, 0, NULL, &handle, NULL, NULL));
        CHECK(CertGetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, NULL, &size));
        CHECK(CertEnumCertificateContextProperties(context, 0) == CERT_KEY_PROV_INFO_PROP_ID);
        CertFreeCertificateContext(context);
        context = certificate("leaf.der");
        CHECK(acquire(context) == SEC_E_NO_CREDENTIALS);
        CHECK(OpenSchannelSetPrivateKey(context, key.data, key.len) && acquire(context) == SEC_E_OK);
        CHECK(CertSetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, 0, NULL));
        CHECK(acquire(context) == SEC_E_NO_CREDENTIALS);
        memset(&info, 0, sizeof(info));
        CHECK(CertSetCertificateContextProperty(context, CERT_KEY_PROV_INFO_PROP_ID, 0, &info));
        CHECK(acquire(context) == SEC_E_UNKNOWN_CREDENTIALS);
        CertFreeCertificateContext(context);
        free(key.data);
    }
    CHECK(OpenSchannelImportPem(both.data, both.len, NULL, 0, NULL, &context) && acquire(context) == SEC_E_OK);
    CertFreeCertificateContext(context);
    CHECK(OpenSchannelImportPem(der.data, der.len, NULL, 0, NULL, &context));
    CHECK(acquire(context) == SEC_E_NO_CREDENTIALS);
    CHECK(!CryptAcquireCertificatePrivateKey(context, 0, NULL, &handle, NULL, NULL));
    CHECK(GetLastError() == (DWORD)CRYPT_E_NO_KEY_PROPERTY && handle == 0);
    CertFreeCertificateContext(context);
    key = load("other-key.pem");
    context = NULL;
    CHECK(!OpenSchannelImportPem(chain.data, chain.len, key.data, key.len, NULL, &context));
    CHECK(GetLastError() == (DWORD)CRYPT_E_NO_MATCH && context == NULL);
    CHECK(!OpenSchannelImportPem(key.data, key.len, key.data, key.len, NULL, &context));
    CHECK(GetLastError() == (DWORD)CRYPT_E_BAD_ENCODE);
    CHECK(!OpenSchannelImportPem(chain.data, chain.len, NULL, 0, NULL, NULL));
    CHECK(!OpenSchannelImportPem(NULL, 7, NULL, 0, NULL, &context));
    CHECK(!OpenSchannelImportPem(chain.data, chain.len, NULL, 0, (HCERTSTORE)0x123, &context));
    store = memory_store();
    CHECK(OpenSchannelImportPem(chain.data, chain.len, NULL, 0, store, NULL) && count(store) == 3);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
    free(key.data);

    /* PKCS #12: everything is in the store, and the key is the leaf's. */
    blob.pbData = pfx.data;
    blob.cbData = pfx.len;
    CHECK(PFXIsPFXBlob(&blob) && PFXVerifyPassword(&blob, OPENSCHANNEL_W("secret"), 0));
    CHECK(!PFXVerifyPassword(&blob, OPENSCHANNEL_W("wrong"), 0) && GetLastError() == ERROR_INVALID_PASSWORD);
    CHECK(PFXImportCertStore(&blob, OPENSCHANNEL_W("wrong"), 0) == NULL && GetLastError() == ERROR_INVALID_PASSWORD);
    CHECK(PFXImportCertStore(&blob, NULL, 0) == NULL);
    store = PFXImportCertStore(&blob, OPENSCHANNEL_W("secret"), PKCS12_NO_PERSIST_KEY);
    CHECK(store != NULL && count(store) == 3);
    context = NULL;
    while ((context = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_HAS_PRIVATE_KEY, NULL, context))
           != NULL) {
        with_key++;
        CHECK(context->cbCertEncoded == der.len && memcmp(context->pbCertEncoded, der.data, der.len) == 0);
        CHECK(acquire(context) == SEC_E_OK);
    }
    CHECK(with_key == 1);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
    blob.pbData = der.data;
    blob.cbData = der.len;
    CHECK(!PFXIsPFXBlob(&blob) && !PFXIsPFXBlob(NULL));
    CHECK(PFXImportCertStore(&blob, NULL, 0) == NULL && GetLastError() == (DWORD)CRYPT_E_BAD_ENCODE);
    free(chain.data);
    free(both.data);
    free(pfx.data);
    free(der.data);
}

static void querying(void) {
    static const char *const names[] = { "leaf.der", "chain.pem", "all.pfx" };
    static const DWORD contents[] = { CERT_QUERY_CONTENT_CERT, CERT_QUERY_CONTENT_CERT, CERT_QUERY_CONTENT_PFX };
    static const DWORD formats[] = { CERT_QUERY_FORMAT_BINARY, CERT_QUERY_FORMAT_BASE64_ENCODED, CERT_QUERY_FORMAT_BINARY };
    static const int counts[] = { 1, 3, 0 };
    size_t index;
    for (index = 0; index < COUNT(names); index++) {
        bytes file = load(names[index]);
        CRYPT_DATA_BLOB blob;
        DWORD encoding, content, format;
        HCERTSTORE store;
        PCCERT_CONTEXT context;
        WCHAR path[512];
        char narrow[512];
        size_t position;
        blob.pbData = file.data;
        blob.cbData = file.len;
        CHECK(CryptQueryObject(CERT_QUERY_OBJECT_BLOB, &blob, CERT_QUERY_CONTENT_FLAG_ALL, CERT_QUERY_FORMAT_FLAG_ALL, 0,
            &encoding, &content, &format, &store, NULL, (const void **)&context));
        CHECK(content == contents[index] && format == formats[index] && encoding == X509_ASN_ENCODING);
        if (counts[index] == 0) {
            CHECK(store == NULL && context == NULL);
        } else {
            CHECK(count(store) == counts[index] && context->hCertStore == store);
            CertFreeCertificateContext(context);
            CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
        }
        CHECK(!CryptQueryObject(CERT_QUERY_OBJECT_BLOB, &blob, 0, CERT_QUERY_FORMAT_FLAG_ALL, 0, NULL, NULL, NULL, NULL, NULL,
            NULL));
        CHECK(GetLastError() == (DWORD)CRYPT_E_NO_MATCH);
        snprintf(narrow, sizeof(narrow), "%s/%s", directory, names[index]);
        for (position = 0; position <= strlen(narrow); position++) {
            path[position] = (WCHAR)narrow[position];
        }
        context = NULL;
        CHECK(CryptQueryObject(CERT_QUERY_OBJECT_FILE, path, CERT_QUERY_CONTENT_FLAG_ALL, CERT_QUERY_FORMAT_FLAG_ALL, 0, NULL,
            NULL, NULL, NULL, NULL, (const void **)&context));
        CertFreeCertificateContext(context);
        free(file.data);
    }
    CHECK(!CryptQueryObject(CERT_QUERY_OBJECT_FILE, OPENSCHANNEL_W("/nowhere"), CERT_QUERY_CONTENT_FLAG_ALL,
        CERT_QUERY_FORMAT_FLAG_ALL, 0, NULL, NULL, NULL, NULL, NULL, NULL));
    CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
}

/* What CertVerifyCertificateChainPolicy says of a chain. */
static DWORD policy(PCCERT_CHAIN_CONTEXT chain, DWORD checks_ignored, DWORD role, LPWSTR name) {
    SSL_EXTRA_CERT_CHAIN_POLICY_PARA ssl;
    CERT_CHAIN_POLICY_PARA para;
    CERT_CHAIN_POLICY_STATUS status;
    memset(&ssl, 0, sizeof(ssl));
    ssl.cbSize = sizeof(ssl);
    ssl.dwAuthType = role;
    ssl.fdwChecks = checks_ignored;
    ssl.pwszServerName = name;
    memset(&para, 0, sizeof(para));
    para.cbSize = sizeof(para);
    para.pvExtraPolicyPara = &ssl;
    memset(&status, 0xff, sizeof(status));
    CHECK(CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_SSL, chain, &para, &status));
    CHECK((status.dwError == 0) == (status.lChainIndex == -1));
    return status.dwError;
}

static PCCERT_CHAIN_CONTEXT chain_of(
    HCERTCHAINENGINE engine, const char *name, HCERTSTORE additional, LPSTR usage, DWORD flags) {
    PCCERT_CONTEXT context = certificate(name);
    PCCERT_CHAIN_CONTEXT chain = NULL;
    CERT_CHAIN_PARA para;
    memset(&para, 0, sizeof(para));
    para.cbSize = sizeof(para);
    if (usage != NULL) {
        para.RequestedUsage.Usage.cUsageIdentifier = 1;
        para.RequestedUsage.Usage.rgpszUsageIdentifier = &usage;
    }
    CHECK(CertGetCertificateChain(engine, context, NULL, additional, &para, flags, NULL, &chain));
    CHECK(chain->cChain == 1 && chain->rgpChain[0]->cElement >= 1);
    CHECK(memcmp(chain->rgpChain[0]->rgpElement[0]->pCertContext->pbCertEncoded, context->pbCertEncoded,
              context->cbCertEncoded)
        == 0);
    CHECK(chain->rgpChain[0]->TrustStatus.dwErrorStatus == chain->TrustStatus.dwErrorStatus);
    CertFreeCertificateContext(context);
    return chain;
}

typedef struct {
    const char *name;
    DWORD error;
    DWORD elements;
    DWORD verdict;
    DWORD ignoring; /* the check to leave out that makes it good, 0 for none */
} expectation;

static void chains(void) {
    static WCHAR good[] = { 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0 };
    static WCHAR dotted[] = { 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 0 };
    static WCHAR address[] = { '1', '9', '2', '.', '0', '.', '2', '.', '7', 0 };
    static WCHAR bad[] = { 'b', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0 };
    static const expectation expectations[] = {
        { "leaf.der", 0, 3, 0, 0 },
        { "expired.der", CERT_TRUST_IS_NOT_TIME_VALID, 3, (DWORD)CERT_E_EXPIRED, SECURITY_FLAG_IGNORE_CERT_DATE_INVALID },
        { "untrusted.der", CERT_TRUST_IS_UNTRUSTED_ROOT, 1, (DWORD)CERT_E_UNTRUSTEDROOT, SECURITY_FLAG_IGNORE_UNKNOWN_CA },
        { "partial.der", CERT_TRUST_IS_PARTIAL_CHAIN, 1, (DWORD)CERT_E_CHAINING, SECURITY_FLAG_IGNORE_UNKNOWN_CA },
        { "client.der", 0, 3, (DWORD)CERT_E_WRONG_USAGE, SECURITY_FLAG_IGNORE_WRONG_USAGE },
        { "mail-issued.der", 0, 3, (DWORD)CERT_E_WRONG_USAGE, SECURITY_FLAG_IGNORE_WRONG_USAGE },
        { "tampered.der", CERT_TRUST_IS_NOT_SIGNATURE_VALID, 3, (DWORD)TRUST_E_CERT_SIGNATURE, 0 },
        { "constrained.der", CERT_TRUST_HAS_NOT_PERMITTED_NAME_CONSTRAINT, 3, (DWORD)CERT_E_INVALID_NAME, 0 },
        { "below-leaf.der", CERT_TRUST_INVALID_BASIC_CONSTRAINTS, 4, (DWORD)TRUST_E_BASIC_CONSTRAINTS, 0 },
        { "critical.der", CERT_TRUST_HAS_NOT_SUPPORTED_CRITICAL_EXT, 3, (DWORD)CERT_E_CRITICAL, 0 },
    };
    HCERTSTORE others = memory_store();
    PCCERT_CHAIN_CONTEXT chain;
    PCCERT_CONTEXT leaf;
    CERT_CHAIN_POLICY_PARA para;
    CERT_CHAIN_POLICY_STATUS status;
    FILETIME then = { 0, 0x02000000 };
    WCHAR *endless;
    size_t index;
    add(others, "intermediate.der");
    add(others, "constraining.der");
    add(others, "mail.der");
    add(others, "leaf.der");
    for (index = 0; index < COUNT(expectations); index++) {
        const expectation *expected = &expectations[index];
        DWORD error, verdict;
        chain = chain_of(NULL, expected->name, others, NULL, CERT_CHAIN_CACHE_END_CERT);
        error = chain->TrustStatus.dwErrorStatus;
        if ((error & expected->error) != expected->error || (expected->error == 0 && error != 0)
            || chain->rgpChain[0]->cElement != expected->elements) {
            fprintf(stderr, "%s: error 0x%x, %u elements\n", expected->name, error, chain->rgpChain[0]->cElement);
            CHECK(FALSE);
        }
        verdict = policy(chain, 0, AUTHTYPE_SERVER, good);
        if (verdict != expected->verdict) {
            fprintf(stderr, "%s: 0x%x\n", expected->name, verdict);
            CHECK(FALSE);
        }
        if (expected->ignoring != 0) {
            CHECK(policy(chain, expected->ignoring, AUTHTYPE_SERVER, good) == 0);
        } else if (expected->verdict != 0) {
            /* Nothing a TLS client may leave out makes it good. */
            CHECK(policy(chain, 0x3380, AUTHTYPE_SERVER, good) == expected->verdict);
        }
        CertFreeCertificateChain(chain);
    }

    /* Names, roles, usage. */
    chain = chain_of(NULL, "leaf.der", others, NULL, 0);
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, bad) == (DWORD)CERT_E_CN_NO_MATCH);
    CHECK(policy(chain, SECURITY_FLAG_IGNORE_CERT_CN_INVALID, AUTHTYPE_SERVER, bad) == 0);
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, dotted) == 0 && policy(chain, 0, AUTHTYPE_SERVER, address) == 0);
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, NULL) == 0);
    /* No name is that long, and none that is said goes unchecked. */
    endless = malloc((1 << 21) * sizeof(WCHAR));
    CHECK(endless != NULL);
    for (index = 0; index < (1 << 21) - 1; index++) {
        endless[index] = 'a';
    }
    endless[index] = 0;
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, endless) == (DWORD)CERT_E_CN_NO_MATCH);
    free(endless);
    CHECK(policy(chain, 0, AUTHTYPE_CLIENT, bad) == (DWORD)CERT_E_WRONG_USAGE);
    CHECK(chain->rgpChain[0]->rgpElement[2]->TrustStatus.dwInfoStatus & CERT_TRUST_IS_SELF_SIGNED);
    CHECK(chain->rgpChain[0]->rgpElement[0]->TrustStatus.dwInfoStatus & CERT_TRUST_HAS_KEY_MATCH_ISSUER);
    CHECK(chain->rgpChain[0]->rgpElement[0]->pApplicationUsage->cUsageIdentifier == 1);
    CHECK(chain->rgpChain[0]->rgpElement[1]->pApplicationUsage == NULL);
    CHECK(chain->rgpChain[0]->rgpElement[0]->pRevocationInfo == NULL);
    memset(&para, 0, sizeof(para));
    CHECK(CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASE, chain, &para, &status) && status.dwError == 0);
    CHECK(CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASIC_CONSTRAINTS, chain, NULL, &status) && status.dwError == 0);
    CHECK(!CertVerifyCertificateChainPolicy((LPCSTR)2, chain, &para, &status));
    CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
    CHECK(!CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASE, chain, &para, NULL));
    CHECK(CertDuplicateCertificateChain(chain) == chain);
    CertFreeCertificateChain(chain);
    leaf = CertDuplicateCertificateContext(chain->rgpChain[0]->rgpElement[2]->pCertContext);
    CertFreeCertificateChain(chain);
    /* An element outlives its chain for who has it. */
    CHECK(leaf->cbCertEncoded > 0);
    CertFreeCertificateContext(leaf);
    CHECK(CertDuplicateCertificateChain(chain) == NULL);
    CHECK(!CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASE, chain, &para, &status));
    CertFreeCertificateChain(chain);
    CertFreeCertificateChain(NULL);

    chain = chain_of(NULL, "leaf.der", others, (LPSTR)szOID_PKIX_KP_SERVER_AUTH, 0);
    CHECK(chain->TrustStatus.dwErrorStatus == 0);
    CertFreeCertificateChain(chain);
    chain = chain_of(NULL, "leaf.der", others, (LPSTR)szOID_PKIX_KP_CLIENT_AUTH, 0);
    CHECK(chain->TrustStatus.dwErrorStatus == CERT_TRUST_IS_NOT_VALID_FOR_USAGE);
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, good) == (DWORD)CERT_E_WRONG_USAGE);
    CertFreeCertificateChain(chain);

    /* Another time. */
    leaf = certificate("leaf.der");
    CHECK(CertGetCertificateChain(NULL, leaf, &then, others, NULL, 0, NULL, &chain));
    CHECK(chain->TrustStatus.dwErrorStatus == 0);
    CertFreeCertificateChain(chain);
    then.dwHighDateTime = 1;
    CHECK(CertGetCertificateChain(NULL, leaf, &then, others, NULL, 0, NULL, &chain));
    CHECK(chain->TrustStatus.dwErrorStatus == CERT_TRUST_IS_NOT_TIME_VALID);
    CertFreeCertificateChain(chain);

    /* Handles that are none. */
    CHECK(!CertGetCertificateChain((HCERTCHAINENGINE)0x9999, leaf, NULL, others, NULL, 0, NULL, &chain));
    CHECK(!CertGetCertificateChain(NULL, leaf, NULL, (HCERTSTORE)0x9999, NULL, 0, NULL, &chain) && chain == NULL);
    CHECK(!CertGetCertificateChain(NULL, (PCCERT_CONTEXT)(void *)&then, NULL, others, NULL, 0, NULL, &chain));
    CHECK(!CertGetCertificateChain(NULL, leaf, NULL, others, NULL, 0, NULL, NULL));
    CertFreeCertificateContext(leaf);

    /* Revocation is never known: what could be asked is offline, the rest cannot be checked. */
    chain = chain_of(NULL, "leaf.der", others, NULL, CERT_CHAIN_REVOCATION_CHECK_END_CERT);
    CHECK(chain->TrustStatus.dwErrorStatus == CERT_TRUST_REVOCATION_STATUS_UNKNOWN);
    CHECK(chain->rgpChain[0]->rgpElement[0]->pRevocationInfo->dwRevocationResult == (DWORD)CRYPT_E_NO_REVOCATION_CHECK);
    CHECK(chain->rgpChain[0]->rgpElement[1]->pRevocationInfo == NULL);
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, good) == (DWORD)CRYPT_E_NO_REVOCATION_CHECK);
    CHECK(policy(chain, SECURITY_FLAG_IGNORE_REVOCATION, AUTHTYPE_SERVER, good) == 0);
    para.dwFlags = CERT_CHAIN_POLICY_IGNORE_END_REV_UNKNOWN_FLAG;
    CHECK(CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASE, chain, &para, &status) && status.dwError == 0);
    CertFreeCertificateChain(chain);
    chain = chain_of(NULL, "revocable.der", others, NULL, CERT_CHAIN_REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT);
    CHECK(chain->TrustStatus.dwErrorStatus == (CERT_TRUST_REVOCATION_STATUS_UNKNOWN | CERT_TRUST_IS_OFFLINE_REVOCATION));
    CHECK(policy(chain, 0, AUTHTYPE_SERVER, good) == (DWORD)CRYPT_E_REVOCATION_OFFLINE);
    CHECK(chain->rgpChain[0]->rgpElement[1]->pRevocationInfo != NULL);
    CHECK(chain->rgpChain[0]->rgpElement[2]->pRevocationInfo == NULL);
    CertFreeCertificateChain(chain);
    CHECK(CertCloseStore(others, CERT_CLOSE_STORE_CHECK_FLAG));
}

static void engines(void) {
    HCERTSTORE own = memory_store(), intermediates = memory_store(), nothing = memory_store();
    CERT_CHAIN_ENGINE_CONFIG config;
    HCERTCHAINENGINE engine = NULL, restricted = NULL;
    PCCERT_CHAIN_CONTEXT chain;
    add(own, "untrusted.der");
    add(intermediates, "intermediate.der");
    memset(&config, 0, sizeof(config));
    CHECK(!CertCreateCertificateChainEngine(&config, &engine));
    config.cbSize = sizeof(config);
    config.hExclusiveRoot = (HCERTSTORE)0x9999;
    CHECK(!CertCreateCertificateChainEngine(&config, &engine) && engine == NULL);
    CHECK(!CertCreateCertificateChainEngine(NULL, &engine));
    config.hExclusiveRoot = own;
    config.cAdditionalStore = 1;
    config.rghAdditionalStore = &intermediates;
    CHECK(CertCreateCertificateChainEngine(&config, &engine));
    /* The engine keeps what it needs. */
    CHECK(CertCloseStore(own, 0) && CertCloseStore(intermediates, 0));
    chain = chain_of(engine, "untrusted.der", NULL, NULL, 0);
    CHECK(chain->TrustStatus.dwErrorStatus == 0);
    CertFreeCertificateChain(chain);
    chain = chain_of(engine, "leaf.der", NULL, NULL, 0);
    CHECK(chain->rgpChain[0]->cElement == 2);
    CHECK(chain->TrustStatus.dwErrorStatus == CERT_TRUST_IS_PARTIAL_CHAIN);
    CertFreeCertificateChain(chain);
    CertFreeCertificateChainEngine(engine);
    CertFreeCertificateChainEngine(engine);
    CertFreeCertificateChainEngine(NULL);
    CHECK(CertEnumCertificatesInStore(own, NULL) == NULL && GetLastError() == (DWORD)E_INVALIDARG);

    /* An authority in the place of a root. */
    own = memory_store();
    add(own, "intermediate.der");
    memset(&config, 0, sizeof(config));
    config.cbSize = sizeof(config);
    config.hExclusiveRoot = own;
    config.dwExclusiveFlags = CERT_CHAIN_EXCLUSIVE_ENABLE_CA_FLAG;
    CHECK(CertCreateCertificateChainEngine(&config, &engine));
    chain = chain_of(engine, "leaf.der", NULL, NULL, 0);
    CHECK(chain->TrustStatus.dwErrorStatus == 0 && chain->rgpChain[0]->cElement == 2);
    CertFreeCertificateChain(chain);
    CertFreeCertificateChainEngine(engine);

    /* A restriction takes roots away and gives none. */
    memset(&config, 0, sizeof(config));
    config.cbSize = offsetof(CERT_CHAIN_ENGINE_CONFIG, hExclusiveRoot);
    config.hRestrictedRoot = nothing;
    CHECK(CertCreateCertificateChainEngine(&config, &restricted));
    chain = chain_of(restricted, "leaf.der", own, NULL, 0);
    CHECK(chain->TrustStatus.dwErrorStatus & CERT_TRUST_IS_PARTIAL_CHAIN);
    CertFreeCertificateChain(chain);
    CertFreeCertificateChainEngine(restricted);
    CHECK(CertCloseStore(own, CERT_CLOSE_STORE_CHECK_FLAG));
    CHECK(CertCloseStore(nothing, CERT_CLOSE_STORE_CHECK_FLAG));
}

static BOOL WINAPI seen(PCCERT_CONTEXT context, void *argument) {
    CHECK(context->cbCertEncoded > 0);
    ++*(int *)argument;
    return *(int *)argument < 2;
}

static void chains_for_clients(void) {
    HCERTSTORE store = memory_store();
    bytes chain = load("both.pem");
    PCCERT_CONTEXT issuer = certificate("root.der"), stranger = certificate("untrusted.der");
    CERT_CHAIN_FIND_BY_ISSUER_PARA para;
    PCCERT_CHAIN_CONTEXT found;
    int calls = 0;
    memset(&para, 0, sizeof(para));
    para.cbSize = sizeof(para);
    para.cIssuer = 1;
    para.rgIssuer = &issuer->pCertInfo->Subject;
    para.pfnFindCallback = seen;
    para.pvFindArg = &calls;
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, NULL) == NULL);
    CHECK(GetLastError() == (DWORD)CRYPT_E_NOT_FOUND);
    CHECK(OpenSchannelImportPem(chain.data, chain.len, NULL, 0, store, NULL));
    found = CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, NULL);
    CHECK(found != NULL && found->rgpChain[0]->cElement == 3 && calls == 1);
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, found) == NULL);
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, NULL) == NULL && calls == 2);
    para.pfnFindCallback = NULL;
    para.pszUsageIdentifier = szOID_PKIX_KP_CLIENT_AUTH;
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, NULL) == NULL);
    para.pszUsageIdentifier = NULL;
    para.rgIssuer = &stranger->pCertInfo->Subject;
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, CERT_CHAIN_FIND_BY_ISSUER, &para, NULL) == NULL);
    CHECK(CertFindChainInStore(store, X509_ASN_ENCODING, 0, 2, &para, NULL) == NULL);
    CHECK(GetLastError() == (DWORD)E_INVALIDARG);
    CertFreeCertificateContext(issuer);
    CertFreeCertificateContext(stranger);
    free(chain.data);
    CHECK(CertCloseStore(store, CERT_CLOSE_STORE_CHECK_FLAG));
}

/* What is not the library's is refused and not followed. */
static void misuse(void) {
    char memory[256] = { 0 };
    void *wild[] = { NULL, (void *)1, (void *)-1, memory, (void *)"text" };
    size_t index;
    for (index = 0; index < COUNT(wild); index++) {
        PCCERT_CONTEXT context = (PCCERT_CONTEXT)wild[index];
        DWORD size = 0, flags = 0;
        CHECK(CertFreeCertificateContext(context));
        CHECK(CertDuplicateCertificateContext(context) == NULL);
        CHECK(!CertDeleteCertificateFromStore(context));
        CHECK(!CertGetCertificateContextProperty(context, CERT_HASH_PROP_ID, NULL, &size));
        CHECK(!CertSetCertificateContextProperty(context, CERT_HASH_PROP_ID, 0, NULL));
        CHECK(CertEnumCertificateContextProperties(context, 0) == 0);
        CHECK(CertEnumCertificatesInStore(wild[index], NULL) == NULL);
        CHECK(CertFindCertificateInStore(wild[index], 1, 0, CERT_FIND_ANY, NULL, context) == NULL);
        CHECK(CertGetIssuerCertificateFromStore(wild[index], context, context, &flags) == NULL);
        CHECK(CertDuplicateStore(wild[index]) == NULL);
        CHECK(CertCloseStore(wild[index], 0) == (wild[index] == NULL));
        CHECK(!CertAddCertificateContextToStore(wild[index], context, CERT_STORE_ADD_NEW, NULL));
        CHECK(acquire(context) == SEC_E_UNKNOWN_CREDENTIALS);
        CHECK(CertDuplicateCertificateChain(wild[index]) == NULL);
        CertFreeCertificateChain(wild[index]);
        CertRemoveStoreFromCollection(wild[index], wild[index]);
        CHECK(CertFindChainInStore(wild[index], 0, 0, CERT_CHAIN_FIND_BY_ISSUER, NULL, wild[index]) == NULL);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    directory = argv[1];
    contexts();
    stores();
    finding();
    names();
    properties();
    inspecting();
    encodings();
    importing();
    querying();
    chains();
    engines();
    chains_for_clients();
    misuse();
    printf("%d checks\n", checks);
    return 0;
}
