/* A subject on libssl: README.md. */
#include "course.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL *ssl;

static enum progress judge(int result);
static void end_without_close(void);
static void transport_error(int error);
static void protocol_error(unsigned long error);

void tls_prepare(const struct setting *setting)
{
    SSL_CTX *context = SSL_CTX_new(setting->server ? TLS_server_method() : TLS_client_method());
    int version = setting->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (!context || !SSL_CTX_set_min_proto_version(context, version) || !SSL_CTX_set_max_proto_version(context, version))
        give_up("version");
    if (setting->server) {
        if (SSL_CTX_use_certificate_chain_file(context, path_of(setting, "chain.pem")) != 1
            || SSL_CTX_use_PrivateKey_file(context, path_of(setting, "key.pem"), SSL_FILETYPE_PEM) != 1)
            give_up("certificate");
    } else {
        if (SSL_CTX_load_verify_locations(context, path_of(setting, "ca.pem"), NULL) != 1)
            give_up("authority");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ssl = SSL_new(context);
    if (!ssl || !SSL_set_fd(ssl, setting->fd))
        give_up("connection");
    if (setting->server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        if (!SSL_set_tlsext_host_name(ssl, SERVER_NAME) || !SSL_set1_host(ssl, SERVER_NAME))
            give_up("name");
    }
}

enum progress tls_handshake(void)
{
    ERR_clear_error();
    return judge(SSL_do_handshake(ssl));
}

enum progress tls_read(void *buffer, size_t room, size_t *length)
{
    ERR_clear_error();
    return judge(SSL_read_ex(ssl, buffer, room, length));
}

enum progress tls_write(const void *data, size_t length, size_t *written)
{
    ERR_clear_error();
    return judge(SSL_write_ex(ssl, data, length, written));
}

enum progress tls_close(void)
{
    ERR_clear_error();
    int result = SSL_shutdown(ssl);
    /* 0: sent, and the peer's has not come. SSL_get_error() has no meaning then. */
    return result == 0 ? DONE : judge(result);
}

enum progress tls_key_update(void)
{
    static int asked;
    if (!asked++ && !SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED))
        return judge(0);
    return tls_handshake();
}

static enum progress judge(int result)
{
    int error = errno;
    if (result > 0)
        return DONE;
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        because("closed", "SSL_ERROR_ZERO_RETURN");
        return ENDED;
    case SSL_ERROR_SYSCALL:
        transport_error(error);
        return ENDED;
    default:
        protocol_error(ERR_peek_error());
        return ENDED;
    }
}

static void transport_error(int error)
{
    if (error == 0)
        end_without_close();
    else
        because(error == ECONNRESET ? "reset" : "failed", "SSL_ERROR_SYSCALL, %s", strerror(error));
}

static void protocol_error(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        end_without_close();
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
        char word[16];
        snprintf(word, sizeof word, "alert:%d", reason - SSL_AD_REASON_OFFSET);
        because(word, "%s", text ? text : "");
    } else {
        because("failed", "%s", text ? text : "no reason");
    }
}

static void end_without_close(void)
{
    /* "RH": it waits for a record's header, of which nothing may have come either. */
    int inside = strcmp(SSL_rstate_string(ssl), "RH") != 0 || SSL_has_pending(ssl);
    because(inside ? "truncated-inside" : "truncated", "unexpected EOF while reading, %s", SSL_rstate_string_long(ssl));
}
