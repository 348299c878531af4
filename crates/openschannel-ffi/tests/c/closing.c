/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * OpenSchannelTransportEnded and OpenSchannelQueryClosing: how a connection ended, for programs that want to know more than SSPI can
 * say. docs/closing.md section 4 has the verdicts.
 *
 *   closing DIRECTORY
 */
#include "harness.h"

static OPENSCHANNEL_CLOSING closing_of(struct end *end) {
    OPENSCHANNEL_CLOSING closing;
    memset(&closing, 0xAA, sizeof closing);
    closing.cbSize = sizeof closing;
    CHECK_STATUS(OpenSchannelQueryClosing(&end->context, &closing), SEC_E_OK);
    CHECK_EQ(closing.cbSize, sizeof closing);
    return closing;
}

static void check_read_end(struct end *end, DWORD read_end, DWORD alert, SECURITY_STATUS failure) {
    OPENSCHANNEL_CLOSING closing = closing_of(end);
    CHECK_EQ(closing.dwReadEnd, read_end);
    CHECK_EQ(closing.dwAlert, alert);
    CHECK_STATUS(closing.ssFailure, failure);
}

static void in_order(enum variant variant, BOOL server) {
    struct pair pair;
    struct message message;
    scene("both sides close, %s, %s first", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    OPENSCHANNEL_CLOSING closing = closing_of(end);
    CHECK_EQ(closing.dwReadEnd, OPENSCHANNEL_READ_OPEN);
    CHECK_EQ(closing.fHandshakeComplete, TRUE);
    CHECK_EQ(closing.fCloseSent, FALSE);
    CHECK_EQ(closing.cbSent, 0);
    CHECK_EQ(closing.cbReceived, 0);

    check_data(end, "seven b");
    end_shutdown(end, NULL);
    closing = closing_of(end);
    CHECK_EQ(closing.dwReadEnd, OPENSCHANNEL_READ_OPEN);
    CHECK_EQ(closing.fCloseSent, TRUE);
    CHECK_EQ(closing.cbSent, 7);
    CHECK_STATUS(end_decrypt(end->peer, &message), SEC_I_CONTEXT_EXPIRED);
    message_free(&message);
    end_shutdown(end->peer, NULL);
    CHECK_STATUS(end_decrypt(end, &message), SEC_I_CONTEXT_EXPIRED);
    message_free(&message);

    /* The transport's end behind a close_notify changes no verdict. */
    closing.cbSize = sizeof closing;
    CHECK_STATUS(OpenSchannelTransportEnded(&end->context, OPENSCHANNEL_TRANSPORT_RESET, 0, &closing), SEC_E_OK);
    CHECK_EQ(closing.dwReadEnd, OPENSCHANNEL_READ_CLEAN);
    check_read_end(end, OPENSCHANNEL_READ_CLEAN, 0, 0);
    check_read_end(end->peer, OPENSCHANNEL_READ_CLEAN, 0, 0);
    CHECK_EQ(closing_of(end->peer).cbReceived, 7);
    pair_close(&pair);
}

static void cut(enum variant variant, BOOL server, DWORD how, SIZE_T unprocessed, DWORD verdict) {
    struct pair pair;
    scene("cut, %s, %s, how %u, %u bytes left", FACTS[variant].name, role(server), (unsigned)how, (unsigned)unprocessed);
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(OpenSchannelTransportEnded(&end->context, how, unprocessed, NULL), SEC_E_OK);
    check_read_end(end, verdict, 0, 0);
    /* The first end counts; what is to be sent can still be tried. */
    CHECK_STATUS(OpenSchannelTransportEnded(&end->context, OPENSCHANNEL_TRANSPORT_EOF, 1, NULL), SEC_E_OK);
    check_read_end(end, verdict, 0, 0);
    end_shutdown(end, NULL);
    CHECK_EQ(closing_of(end).fCloseSent, TRUE);
    pair_close(&pair);
}

static void failures(enum variant variant, BOOL server) {
    struct pair pair;
    struct message message;
    scene("a fatal alert and a forged record, %s, %s", FACTS[variant].name, role(server));
    pair_open(&pair, variant);
    struct end *end = end_of(&pair, server);
    CHECK_STATUS(end_control_alert(end->peer, 2, 80), SEC_E_OK);
    CHECK_STATUS(end_token_empty(end->peer, NULL), SEC_E_OK);
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_INTERNAL_ERROR);
    check_read_end(end, OPENSCHANNEL_READ_ALERT, 80, 0);
    pair_close(&pair);

    pair_open(&pair, variant);
    end = end_of(&pair, server);
    CHECK_STATUS(end_encrypt(end->peer, "forged", 6, NULL), SEC_E_OK);
    end->in.data[end->in.length - 1] ^= 1;
    CHECK_STATUS(end_decrypt(end, &message), SEC_E_MESSAGE_ALTERED);
    check_read_end(end, OPENSCHANNEL_READ_FAILED, 0, SEC_E_MESSAGE_ALTERED);
    CHECK_EQ(closing_of(end).cbReceived, 0);
    pair_close(&pair);
}

static void unfinished(enum variant variant) {
    struct pair pair;
    scene("in the handshake, %s", FACTS[variant].name);
    pair_make(&pair, variant, SERVER);
    CHECK_STATUS(end_token_empty(&pair.client, NULL), SEC_I_CONTINUE_NEEDED);
    OPENSCHANNEL_CLOSING closing = closing_of(&pair.client);
    CHECK_EQ(closing.dwReadEnd, OPENSCHANNEL_READ_OPEN);
    CHECK_EQ(closing.fHandshakeComplete, FALSE);
    CHECK_STATUS(OpenSchannelTransportEnded(&pair.client.context, OPENSCHANNEL_TRANSPORT_EOF, 0, NULL), SEC_E_OK);
    check_read_end(&pair.client, OPENSCHANNEL_READ_TRUNCATED, 0, 0);
    pair_close(&pair);
}

static void refused(void) {
    struct pair pair;
    CtxtHandle nothing = {0, 0};
    OPENSCHANNEL_CLOSING closing;
    scene("calls that make no sense");
    pair_open(&pair, TLS13);
    PCtxtHandle context = &pair.client.context;
    memset(&closing, 0xAA, sizeof closing);
    CHECK_STATUS(OpenSchannelQueryClosing(context, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(OpenSchannelQueryClosing(context, &closing), SEC_E_INVALID_PARAMETER);
    CHECK_EQ(closing.dwReadEnd, 0xAAAAAAAA);
    closing.cbSize = sizeof closing;
    CHECK_STATUS(OpenSchannelQueryClosing(NULL, &closing), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(OpenSchannelQueryClosing(&nothing, &closing), SEC_E_INVALID_HANDLE);
    CHECK_STATUS(OpenSchannelTransportEnded(context, 0, 0, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(OpenSchannelTransportEnded(context, 3, 0, NULL), SEC_E_INVALID_PARAMETER);
    CHECK_STATUS(OpenSchannelTransportEnded(&nothing, OPENSCHANNEL_TRANSPORT_EOF, 0, NULL), SEC_E_INVALID_HANDLE);
    closing.cbSize = 3;
    CHECK_STATUS(OpenSchannelTransportEnded(context, OPENSCHANNEL_TRANSPORT_EOF, 0, &closing), SEC_E_INVALID_PARAMETER);
    check_read_end(&pair.client, OPENSCHANNEL_READ_OPEN, 0, 0);
    check_data(&pair.client, "goes on");
    pair_close(&pair);
}

int main(int argc, char **argv) {
    harness_begin(argc, argv);
    for (int variant = 0; variant < VARIANTS; variant++) {
        for (int server = 0; server < 2; server++) {
            in_order(variant, server);
            cut(variant, server, OPENSCHANNEL_TRANSPORT_EOF, 0, OPENSCHANNEL_READ_TRUNCATED);
            cut(variant, server, OPENSCHANNEL_TRANSPORT_EOF, 4, OPENSCHANNEL_READ_TRUNCATED_INSIDE_RECORD);
            cut(variant, server, OPENSCHANNEL_TRANSPORT_RESET, 0, OPENSCHANNEL_READ_RESET);
            failures(variant, server);
        }
        unfinished(variant);
    }
    refused();
    return harness_end("closing");
}
