/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Every alert number, in the handshake and behind it: the status is the one of section 5.1. Check 10 at the end of
 * docs/schannel-behaviour.md.
 *
 *   alerts DIRECTORY [HIGHEST-NUMBER]
 */
#include "harness.h"

/* The highest number sent; less where every instruction is checked and counts. */
static unsigned last_alert = 255;

static SECURITY_STATUS meaning(unsigned number) {
    switch (number) {
    case 0: return SEC_I_CONTEXT_EXPIRED;
    case 20: case 30: return SEC_E_MESSAGE_ALTERED;
    case 21: case 51: return SEC_E_DECRYPT_FAILURE;
    case 42: case 43: case 46: return SEC_E_CERT_UNKNOWN;
    case 44: return CRYPT_E_REVOKED;
    case 45: return SEC_E_CERT_EXPIRED;
    case 48: return SEC_E_UNTRUSTED_ROOT;
    case 49: return SEC_E_LOGON_DENIED;
    case 70: return SEC_E_UNSUPPORTED_FUNCTION;
    case 71: return SEC_E_ALGORITHM_MISMATCH;
    case 80: return SEC_E_INTERNAL_ERROR;
    case 90: return SEC_E_UNFINISHED_CONTEXT_DELETED;
    case 120: return SEC_E_APPLICATION_PROTOCOL_MISMATCH;
    default: return SEC_E_ILLEGAL_MESSAGE;
    }
}

static void alert_established(enum variant variant, BOOL server, unsigned number, unsigned level) {
    struct pair pair;
    struct message message;
    scene("10, alert %u level %u behind the handshake, %s, %s gets it", number, level, FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_control_alert(end->peer, level, number), SEC_E_OK);
    CHECK_STATUS(end_token_empty(end->peer, NULL), SEC_E_OK);
    CHECK_EQ(end->in.length, FACTS[variant].alert);
    SECURITY_STATUS expected = meaning(number);
    /* TLS 1.3 has no warnings but two; in TLS 1.2 they are passed over. */
    if (variant == TLS13 ? number == 90 : level == 1 && number != 0) expected = SEC_E_OK;
    CHECK_STATUS(end_decrypt(end, &message), expected);
    CHECK_EQ(message.data.length, 0);
    message_free(&message);
    if (expected == SEC_E_OK) {
        /* Who sent a fatal one is through with it, heard or not. */
        if (level == 1) check_data(end, "goes on");
    } else if (expected < 0) {
        CHECK_STATUS(end_encrypt(end, "no", 2, NULL), SEC_E_CONTEXT_EXPIRED);
        CHECK_STATUS(end_decrypt(end, &message), SEC_E_CONTEXT_EXPIRED);
        CHECK_STATUS(end_token_empty(end, NULL), SEC_E_CONTEXT_EXPIRED);
        /* The shutdown that every caller does in the end: nothing more is said to a peer that failed. */
        struct bytes token = {0};
        end_shutdown(end, &token);
        CHECK_EQ(token.length, 0);
        bytes_free(&token);
    }
    pair_close(&pair);
}

/* The ClientHello in two records: what a server has seen when it answers nothing yet. */
static void split_record(struct bytes *record, size_t at) {
    struct bytes parts = {0};
    size_t body = record->length - 5;
    BYTE header[5];
    memcpy(header, record->data, 3);
    header[3] = (BYTE)(at >> 8);
    header[4] = (BYTE)at;
    bytes_add(&parts, header, 5);
    bytes_add(&parts, record->data + 5, at);
    header[3] = (BYTE)((body - at) >> 8);
    header[4] = (BYTE)(body - at);
    bytes_add(&parts, header, 5);
    bytes_add(&parts, record->data + 5 + at, body - at);
    bytes_free(record);
    *record = parts;
}

static void alert_in_handshake(enum variant variant, BOOL server, unsigned number) {
    struct pair pair;
    scene("10, alert %u in the handshake, %s, %s gets it", number, FACTS[variant].name, role(server));
    pair_make(&pair, variant, SERVER);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    if (server) {
        /* The client says it before it has looked at the server's flight. */
        CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
    } else {
        split_record(&pair.server.in, 40);
        struct bytes rest = {0};
        bytes_add(&rest, pair.server.in.data + 45, pair.server.in.length - 45);
        pair.server.in.length = 45;
        CHECK_STATUS(end_token(&pair.server, NULL), SEC_I_CONTINUE_NEEDED);
        CHECK_EQ(pair.client.in.length, 0);
        bytes_free(&rest);
    }
    CHECK_STATUS(end_control_alert(end->peer, 2, number), SEC_E_OK);
    CHECK_STATUS(end_token_empty(end->peer, NULL), SEC_E_OK);
    CHECK_EQ(end->in.length, 7);
    struct bytes token = {0};
    SECURITY_STATUS expected = meaning(number);
    if (variant == TLS13 && server && number == 90) {
        /* user_canceled: a close_notify is to follow, which the server takes for what it is. */
        CHECK_STATUS(end_token(end, &token), SEC_I_CONTINUE_NEEDED);
        CHECK_STATUS(end_control_shutdown(end->peer), SEC_E_OK);
        CHECK_STATUS(end_token_empty(end->peer, NULL), SEC_E_OK);
        expected = SEC_I_CONTEXT_EXPIRED;
    }
    CHECK_STATUS(end_token(end, &token), expected);
    CHECK_EQ(token.length, 0);
    CHECK_STATUS(end_encrypt(end, "no", 2, NULL), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(end_token_empty(end, &token), expected < 0 ? SEC_E_CONTEXT_EXPIRED : SEC_I_CONTEXT_EXPIRED);
    CHECK_EQ(token.length, 0);
    bytes_free(&token);
    pair_close(&pair);
}

static void alerts(enum variant variant, BOOL server) {
    for (unsigned number = 0; number <= last_alert; number++) {
        alert_established(variant, server, number, 2);
        alert_established(variant, server, number, 1);
        alert_in_handshake(variant, server, number);
    }
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    if (argc > 2) last_alert = (unsigned)strtoul(argv[2], NULL, 10);
    for (int server = 0; server < 2; server++) {
        alerts(TLS12, server);
        alerts(TLS13, server);
    }
    return harness_end("alerts");
}
