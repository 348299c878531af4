/* A subject on GnuTLS: README.md. */
#include "course.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/gnutls.h>

static gnutls_session_t session;

static int is_warning(ssize_t result);
static enum progress judge(int result);

void tls_prepare(const struct setting *setting)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&session, (setting->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK);
    const char *priorities = setting->tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3" : "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    if (gnutls_priority_set_direct(session, priorities, NULL) < 0)
        give_up("version");
    if (setting->server) {
        char chain[4096];
        gnutls_datum_t tickets;
        snprintf(chain, sizeof chain, "%s", path_of(setting, "chain.pem"));
        if (gnutls_certificate_set_x509_key_file(credentials, chain, path_of(setting, "key.pem"), GNUTLS_X509_FMT_PEM) < 0)
            give_up("certificate");
        /* Without a key for them a server sends no tickets. */
        if (gnutls_session_ticket_key_generate(&tickets) < 0 || gnutls_session_ticket_enable_server(session, &tickets) < 0)
            give_up("tickets");
    } else {
        if (gnutls_certificate_set_x509_trust_file(credentials, path_of(setting, "ca.pem"), GNUTLS_X509_FMT_PEM) < 0)
            give_up("authority");
        gnutls_server_name_set(session, GNUTLS_NAME_DNS, SERVER_NAME, strlen(SERVER_NAME));
        gnutls_session_set_verify_cert(session, SERVER_NAME, 0);
    }
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(session, setting->fd);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT);
}

enum progress tls_handshake(void)
{
    int result;
    do {
        errno = 0;
        result = gnutls_handshake(session);
    } while (is_warning(result));
    return judge(result);
}

enum progress tls_read(void *buffer, size_t room, size_t *length)
{
    ssize_t result;
    do {
        errno = 0;
        result = gnutls_record_recv(session, buffer, room);
    } while (is_warning(result));
    *length = result > 0 ? (size_t)result : 0;
    /* Its 0 is what other calls name so. */
    return judge(result == 0 ? GNUTLS_E_SESSION_EOF : (int)result);
}

enum progress tls_write(const void *data, size_t length, size_t *written)
{
    ssize_t result;
    do {
        errno = 0;
        result = gnutls_record_send(session, data, length);
    } while (is_warning(result));
    *written = result > 0 ? (size_t)result : 0;
    return judge((int)result);
}

enum progress tls_close(void)
{
    errno = 0;
    return judge(gnutls_bye(session, GNUTLS_SHUT_WR));
}

enum progress tls_key_update(void)
{
    errno = 0;
    return judge(gnutls_session_key_update(session, GNUTLS_KU_PEER));
}

/* Such as user_canceled: the call is to be repeated, and reading may be possible without the socket. */
static int is_warning(ssize_t result)
{
    return result < 0 && result != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)result);
}

static enum progress judge(int result)
{
    int error = errno;
    char word[16];
    const char *name = result < 0 ? gnutls_strerror_name(result) : "";
    if (result >= 0)
        return DONE;
    switch (result) {
    case GNUTLS_E_AGAIN:
        return gnutls_record_get_direction(session) ? WANTS_WRITE : WANTS_READ;
    case GNUTLS_E_SESSION_EOF:
        because("closed", "%s", name);
        return ENDED;
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        snprintf(word, sizeof word, "alert:%d", (int)gnutls_alert_get(session));
        because(word, "%s", name);
        return ENDED;
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        /* The library says the same of a reset and of an end; the call below it has left its errno. */
        if (error == ECONNRESET)
            because("reset", "%s, errno ECONNRESET", name);
        else
            because(result == GNUTLS_E_PREMATURE_TERMINATION ? "truncated" : "failed", "%s, errno %d", name, error);
        return ENDED;
    default:
        because("failed", "%s", name);
        return ENDED;
    }
}
