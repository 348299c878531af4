/* One end of TLS connections on libssl, driven by a script on its command line. The options, the steps and the lines it
 * prints are those of every scripted peer here: README.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct connection {
    SSL *ssl;
    int fd;
    int key_updates_sent;
    int key_updates_received;
};

static const char *option(char **options, const char *name, const char *fallback);
static SSL_CTX *make_context(int server, char **options);
static int listen_anywhere(void);
static int connect_to(int port);
static int keep_session(SSL *ssl, SSL_SESSION *latest);
static int run(struct connection *peer, int server, char **steps);

static SSL_SESSION *session;

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    int server = argc > 1 && strcmp(argv[1], "server") == 0;
    char **options = argv + 2, **steps = options;
    while (steps < argv + argc && strcmp(*steps, "--") != 0)
        steps++;
    if (argc < 3 || steps >= argv + argc) {
        fprintf(stderr, "usage: %s server|client [name=value]... -- step...\n", argv[0]);
        return 2;
    }
    *steps++ = NULL;

    SSL_CTX *context = make_context(server, options);
    int times = atoi(option(options, "times", "1"));
    int listener = server ? listen_anywhere() : -1;
    for (int round = 0; round < times; round++) {
        struct connection peer = {0};
        peer.fd = server ? accept(listener, NULL, NULL) : connect_to(atoi(option(options, "port", "0")));
        if (peer.fd < 0) {
            printf("error connection errno=%d\n", errno);
            return 1;
        }
        if (!server)
            printf("connected\n");
        int yes = 1;
        setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        peer.ssl = SSL_new(context);
        SSL_set_fd(peer.ssl, peer.fd);
        if (!server) {
            SSL_set_tlsext_host_name(peer.ssl, option(options, "name", "server.test"));
            SSL_set1_host(peer.ssl, option(options, "name", "server.test"));
            if (session)
                SSL_set_session(peer.ssl, session);
        }
        int failed = run(&peer, server, steps);
        /* In TLS 1.2 a resumed session's new ticket is not announced, and its old one marked as used up. */
        if (!server && SSL_version(peer.ssl) == TLS1_2_VERSION)
            keep_session(peer.ssl, SSL_get1_session(peer.ssl));
        SSL_free(peer.ssl);
        if (peer.fd >= 0)
            close(peer.fd);
        if (failed)
            return 1;
        printf("done\n");
    }
    return 0;
}

/* Setting up. */

static void refuse(const char *what)
{
    printf("error setup %s: %s\n", what, ERR_reason_error_string(ERR_peek_error()));
    exit(1);
}

static const char *option(char **options, const char *name, const char *fallback)
{
    size_t length = strlen(name);
    for (; *options; options++)
        if (strncmp(*options, name, length) == 0 && (*options)[length] == '=')
            return *options + length + 1;
    return fallback;
}

static int version_number(const char *text)
{
    return strcmp(text, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static int keep_session(SSL *ssl, SSL_SESSION *latest)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = latest;
    return 1;
}

static SSL_CTX *make_context(int server, char **options)
{
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    const char *value;
    if ((value = option(options, "min", NULL)))
        SSL_CTX_set_min_proto_version(context, version_number(value));
    if ((value = option(options, "max", NULL)))
        SSL_CTX_set_max_proto_version(context, version_number(value));
    if ((value = option(options, "ciphers", NULL)) && !SSL_CTX_set_cipher_list(context, value))
        refuse("ciphers");
    if ((value = option(options, "suites", NULL)) && !SSL_CTX_set_ciphersuites(context, value))
        refuse("suites");
    if ((value = option(options, "groups", NULL)) && !SSL_CTX_set1_groups_list(context, value))
        refuse("groups");
    if ((value = option(options, "cert", NULL)) && SSL_CTX_use_certificate_chain_file(context, value) != 1)
        refuse("cert");
    if ((value = option(options, "key", NULL)) && SSL_CTX_use_PrivateKey_file(context, value, SSL_FILETYPE_PEM) != 1)
        refuse("key");
    if ((value = option(options, "cert2", NULL)) && SSL_CTX_use_certificate_chain_file(context, value) != 1)
        refuse("cert2");
    if ((value = option(options, "key2", NULL)) && SSL_CTX_use_PrivateKey_file(context, value, SSL_FILETYPE_PEM) != 1)
        refuse("key2");
    if ((value = option(options, "ca", NULL))) {
        if (SSL_CTX_load_verify_locations(context, value, NULL) != 1)
            refuse("ca");
        if (server)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(value));
    }
    value = option(options, "verify", server ? "none" : "require");
    if (strcmp(value, "none") != 0)
        SSL_CTX_set_verify(context,
            SSL_VERIFY_PEER | (strcmp(value, "require") == 0 ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    if (strcmp(option(options, "tickets", "on"), "off") == 0)
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"peer", 4);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!server) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
    return context;
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 16)
        || getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("listen");
        exit(1);
    }
    printf("ready %d\n", ntohs(address.sin_port));
    return listener;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) ? -1 : fd;
}

/* Steps. Each prints one line; the first that fails ends the run. */

/* How reading ended, in the words of README.md. */
static const char *end_of_reading(SSL *ssl, int result, char *text, size_t size)
{
    int kind = SSL_get_error(ssl, result), saved = errno;
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    if (kind == SSL_ERROR_ZERO_RETURN)
        snprintf(text, size, "close_notify");
    else if (kind == SSL_ERROR_SYSCALL)
        snprintf(text, size, saved == ECONNRESET || saved == EPIPE ? "reset" : saved ? "errno:%d" : "eof", saved);
    else if (kind == SSL_ERROR_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        snprintf(text, size, "eof");
    else if (kind == SSL_ERROR_SSL && ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        snprintf(text, size, "alert:%d", reason - SSL_AD_REASON_OFFSET);
    else
        snprintf(text, size, "error:%s", error ? ERR_reason_error_string(error) : "unknown");
    for (char *at = text; *at; at++)
        if (*at == ' ')
            *at = '_';
    return text;
}

static int failed(struct connection *peer, const char *step, int result)
{
    char text[200];
    printf("error %s end=%s\n", step, end_of_reading(peer->ssl, result, text, sizeof text));
    return 1;
}

static void watch(int sent, int version, int type, const void *data, size_t length, SSL *ssl, void *argument)
{
    struct connection *peer = argument;
    (void)ssl;
    if (version == TLS1_3_VERSION && type == SSL3_RT_HANDSHAKE && length > 0
        && *(const unsigned char *)data == SSL3_MT_KEY_UPDATE)
        ++*(sent ? &peer->key_updates_sent : &peer->key_updates_received);
}

static int handshake(struct connection *peer, int server)
{
    SSL *ssl = peer->ssl;
    SSL_set_msg_callback(ssl, watch);
    SSL_set_msg_callback_arg(ssl, peer);
    int result = server ? SSL_accept(ssl) : SSL_connect(ssl);
    if (result != 1)
        return failed(peer, "handshake", result);
    int group = SSL_get_negotiated_group(ssl);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    char name[100] = "-";
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    printf("handshake version=%s cipher=%s group=%s reused=%d peer=%s\n", SSL_get_version(ssl),
        SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)), SSL_group_to_name(ssl, group),
        SSL_session_reused(ssl), name);
    return 0;
}

struct file {
    unsigned char *data;
    size_t length;
};

static struct file load(const char *path)
{
    struct file file = {NULL, 0};
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        exit(1);
    }
    fseek(in, 0, SEEK_END);
    file.length = (size_t)ftell(in);
    rewind(in);
    file.data = malloc(file.length + 1);
    if (fread(file.data, 1, file.length, in) != file.length) {
        perror(path);
        exit(1);
    }
    fclose(in);
    return file;
}

static void report_received(EVP_MD_CTX *digest, size_t received, const char *end)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned length;
    EVP_DigestFinal_ex(digest, hash, &length);
    printf("received bytes=%zu sha256=", received);
    for (unsigned i = 0; i < length; i++)
        printf("%02x", hash[i]);
    printf(" end=%s\n", end);
}

/* send:FILE, recv:N, both:FILE:N[:update] in one loop that never blocks in one direction only. `wanted` of SIZE_MAX reads
 * to the end. `update` is sent with half of the data gone. */
static int transfer(struct connection *peer, const char *step, struct file out, size_t wanted, int update)
{
    static unsigned char buffer[1 << 16];
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    size_t sent = 0, received = 0;
    char end[200] = "open";
    int flags = fcntl(peer->fd, F_GETFL);
    fcntl(peer->fd, F_SETFL, flags | O_NONBLOCK);
    while (sent < out.length || received < wanted) {
        int moved = 0;
        short events = 0;
        if (sent < out.length) {
            size_t rest = out.length - sent;
            ERR_clear_error();
            int result = SSL_write(peer->ssl, out.data + sent, rest < sizeof buffer ? (int)rest : (int)sizeof buffer);
            if (result > 0) {
                moved = 1;
                int half = sent < out.length / 2 && sent + (size_t)result >= out.length / 2;
                sent += (size_t)result;
                if (half && update >= 0 && SSL_key_update(peer->ssl, update) != 1)
                    return failed(peer, "keyupdate", 0);
            } else {
                int kind = SSL_get_error(peer->ssl, result);
                if (kind != SSL_ERROR_WANT_WRITE && kind != SSL_ERROR_WANT_READ)
                    return failed(peer, step, result);
                events |= kind == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
            }
        }
        if (received < wanted) {
            size_t rest = wanted - received;
            ERR_clear_error();
            errno = 0;
            int result = SSL_read(peer->ssl, buffer, rest < sizeof buffer ? (int)rest : (int)sizeof buffer);
            if (result > 0) {
                moved = 1;
                received += (size_t)result;
                EVP_DigestUpdate(digest, buffer, (size_t)result);
            } else {
                int kind = SSL_get_error(peer->ssl, result);
                if (kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_WANT_READ) {
                    events |= kind == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
                } else if (wanted == SIZE_MAX) {
                    end_of_reading(peer->ssl, result, end, sizeof end);
                    break;
                } else {
                    return failed(peer, step, result);
                }
            }
        }
        if (!moved) {
            struct pollfd wait = {peer->fd, events, 0};
            poll(&wait, 1, -1);
        }
    }
    fcntl(peer->fd, F_SETFL, flags);
    if (wanted)
        report_received(digest, received, end);
    else
        printf("sent bytes=%zu\n", sent);
    EVP_MD_CTX_free(digest);
    return 0;
}

/* All of a record of 1000 bytes but its last `missing`. */
static int cut(struct connection *peer, size_t missing)
{
    static unsigned char data[1000], *record;
    BIO *memory = BIO_new(BIO_s_mem());
    SSL_set0_wbio(peer->ssl, memory);
    int result = SSL_write(peer->ssl, data, sizeof data);
    if (result <= 0)
        return failed(peer, "cut", result);
    size_t length = (size_t)BIO_get_mem_data(memory, &record) - missing;
    if (send(peer->fd, record, length, 0) != (ssize_t)length)
        return failed(peer, "cut", 0);
    printf("cut bytes=%zu\n", length);
    return 0;
}

/* Reads the next record as if its last byte had changed on the way. */
static int spoil(struct connection *peer)
{
    static unsigned char record[5 + (1 << 14) + 2048], data[1];
    if (recv(peer->fd, record, 5, MSG_WAITALL) != 5)
        return failed(peer, "spoil", 0);
    size_t length = (size_t)record[3] << 8 | record[4];
    if (length > sizeof record - 5 || recv(peer->fd, record + 5, length, MSG_WAITALL) != (ssize_t)length)
        return failed(peer, "spoil", 0);
    record[4 + length] ^= 1;
    BIO *memory = BIO_new(BIO_s_mem());
    BIO_write(memory, record, (int)(5 + length));
    SSL_set0_rbio(peer->ssl, memory);
    char text[200];
    ERR_clear_error();
    int result = SSL_read(peer->ssl, data, 1);
    printf("spoilt end=%s\n", result > 0 ? "accepted" : end_of_reading(peer->ssl, result, text, sizeof text));
    return 0;
}

static void end_abruptly(struct connection *peer, int reset)
{
    struct linger linger = {1, 0};
    if (reset)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer->fd);
    peer->fd = -1;
}

/* Holds the connection, reading nothing, until the harness closes standard input. */
static void hold(void)
{
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
}

static int run(struct connection *peer, int server, char **steps)
{
    const struct file nothing = {NULL, 0};
    for (; *steps; steps++) {
        char *step = strtok(strdup(*steps), ":"), *first = strtok(NULL, ":"), *second = strtok(NULL, ":"),
             *third = strtok(NULL, ":");
        int bad = 0;
        ERR_clear_error();
        errno = 0;
        if (strcmp(step, "handshake") == 0) {
            bad = handshake(peer, server);
        } else if (strcmp(step, "send") == 0) {
            bad = transfer(peer, step, load(first), 0, -1);
        } else if (strcmp(step, "recv") == 0) {
            bad = transfer(peer, step, nothing, strtoull(first, NULL, 10), -1);
        } else if (strcmp(step, "read") == 0) {
            bad = transfer(peer, step, nothing, SIZE_MAX, -1);
        } else if (strcmp(step, "both") == 0) {
            int update = !third ? -1 : strcmp(third, "request") == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
            bad = transfer(peer, step, load(first), strtoull(second, NULL, 10), update);
        } else if (strcmp(step, "keyupdates") == 0) {
            printf("keyupdates sent=%d received=%d\n", peer->key_updates_sent, peer->key_updates_received);
        } else if (strcmp(step, "shutdown") == 0) {
            int result = SSL_shutdown(peer->ssl);
            bad = result < 0 ? failed(peer, step, result) : 0;
            if (!bad)
                printf("shutdown\n");
        } else if (strcmp(step, "fin") == 0) {
            shutdown(peer->fd, SHUT_WR);
            printf("fin\n");
        } else if (strcmp(step, "close") == 0 || strcmp(step, "reset") == 0) {
            end_abruptly(peer, strcmp(step, "reset") == 0);
            printf("%s\n", step);
        } else if (strcmp(step, "cut") == 0) {
            bad = cut(peer, strtoull(first, NULL, 10));
        } else if (strcmp(step, "spoil") == 0) {
            bad = spoil(peer);
        } else if (strcmp(step, "hold") == 0) {
            printf("holding\n");
            hold();
        } else {
            printf("error step %s\n", step);
            return 1;
        }
        if (bad)
            return 1;
    }
    return 0;
}
