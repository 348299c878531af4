/* The course of a conversation, for the subjects in C: README.md. One thread and poll(), so that what a library does with a write that
 * cannot go on and an end that comes meanwhile is seen undisturbed by locks. */
#include "course.h"

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

/* LAST: what the conductor always sends last. The order to stop comes another way, and may overtake it. */
enum { LAST = 5, PIECE = 16 << 10, SENDING = 4 << 20, BLOCKED = 64 << 20 };

static struct setting setting;
static char word[32], detail[512];
static unsigned long received;
static int stopped;

static int connect_to(int port);
static void drive(enum progress (*operation)(void));
static enum progress ping(void);
static enum progress pong(void);
static void converse(size_t left);
static enum progress read_all(void);
static void wait_for(short events);
static void verdict(void) __attribute__((noreturn));

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: %s client|server 1.2|1.3 STATE PORT CERTIFICATES\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *state = argv[3];
    setting.server = strcmp(argv[1], "server") == 0;
    setting.tls13 = strcmp(argv[2], "1.3") == 0;
    setting.certificates = argv[5];
    setting.fd = connect_to(atoi(argv[4]));
    tls_prepare(&setting);

    drive(tls_handshake);
    if (strcmp(state, "handshake") == 0) {
        because("failed", "the handshake was completed");
        verdict();
    }
    if (strcmp(state, "tickets") != 0) {
        drive(ping);
        drive(pong);
    }
    if (strcmp(state, "closed") == 0)
        drive(tls_close);
    if (strcmp(state, "key-update-asked") == 0)
        drive(tls_key_update);
    puts("ready");
    converse(strcmp(state, "sending") == 0 ? SENDING : strcmp(state, "blocked") == 0 ? BLOCKED : 0);
}

void because(const char *what, const char *format, ...)
{
    va_list arguments;
    snprintf(word, sizeof word, "%s", what);
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    detail[strcspn(detail, "\n")] = '\0';
}

void give_up(const char *what)
{
    because("failed", "cannot be set up: %s", what);
    verdict();
}

const char *path_of(const struct setting *of, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", of->certificates, name);
    return path;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        give_up(strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Until it is done; whatever else happens is the verdict. */
static void drive(enum progress (*operation)(void))
{
    for (;;) {
        enum progress progress = operation();
        switch (progress) {
        case DONE:
            return;
        case ENDED:
            verdict();
        case UNSUPPORTED:
            printf("unsupported %s\n", detail);
            exit(0);
        case WANTS_READ:
        case WANTS_WRITE:
            break;
        }
        if (stopped) {
            because("open", "%s", "");
            verdict();
        }
        wait_for(progress == WANTS_WRITE ? POLLOUT : POLLIN);
    }
}

static enum progress ping(void)
{
    static size_t sent;
    size_t written = 0;
    enum progress progress = tls_write("ping" + sent, 4 - sent, &written);
    sent += written;
    return progress == DONE && sent < 4 ? WANTS_WRITE : progress;
}

static enum progress pong(void)
{
    static char answer[4];
    static size_t length;
    while (length < 4) {
        size_t read = 0;
        enum progress progress = tls_read(answer + length, 4 - length, &read);
        if (progress != DONE)
            return progress;
        length += read;
    }
    if (memcmp(answer, "pong", 4) == 0)
        return DONE;
    because("failed", "no pong");
    return ENDED;
}

/* Reads to the end and meanwhile writes so many bytes. */
static void converse(size_t left)
{
    static char piece[PIECE];
    int reset_seen = 0;
    for (;;) {
        enum progress reading = read_all(), writing = WANTS_READ;
        if (reading == ENDED)
            break;
        if (stopped && received >= LAST) {
            because("open", "%s", "");
            break;
        }
        if (left > 0) {
            size_t written = 0, length = left < PIECE ? left : PIECE;
            writing = tls_write(piece, length, &written);
            left -= written;
            if (writing == ENDED) {
                /* The kernel tells a reset once, to whoever comes first; a read then finds a mere end. */
                reset_seen = strcmp(word, "reset") == 0;
                left = 0;
                continue;
            }
            if (writing == DONE)
                continue;
        }
        wait_for(reading == WANTS_WRITE || writing == WANTS_WRITE ? POLLIN | POLLOUT : POLLIN);
    }
    if (reset_seen && strncmp(word, "truncated", 9) == 0)
        because("reset", "a write found it");
    verdict();
}

static enum progress read_all(void)
{
    static char buffer[PIECE];
    for (;;) {
        size_t length = 0;
        enum progress progress = tls_read(buffer, sizeof buffer, &length);
        received += length;
        if (progress != DONE)
            return progress;
    }
}

static void wait_for(short events)
{
    struct pollfd ready[] = {{.fd = setting.fd, .events = events}, {.fd = stopped ? -1 : 0, .events = POLLIN}};
    while (poll(ready, 2, -1) < 0)
        if (errno != EINTR)
            give_up(strerror(errno));
    if (ready[1].revents) {
        char line[64];
        /* Its only line is "stop", and its end says the same. */
        stopped = read(0, line, sizeof line) >= 0;
    }
}

static void verdict(void)
{
    printf("verdict %s received=%lu%s%s\n", word, received, detail[0] ? " detail=" : "", detail);
    exit(0);
}
