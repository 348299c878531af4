/* What the subjects in C share: the course of a conversation (course.c) on a handful of calls that each library's file provides.
 * Every call may be repeated when it answers WANTS_READ or WANTS_WRITE. */
#ifndef COURSE_H
#define COURSE_H

#include <stddef.h>

enum progress { DONE, WANTS_READ, WANTS_WRITE, ENDED, UNSUPPORTED };

struct setting {
    int server;
    int tls13;
    const char *certificates; /* a directory */
    int fd;                   /* connected, not blocking */
};

/* In openssl.c or gnutls.c. Whoever answers ENDED or UNSUPPORTED has said why with `because`. */
void tls_prepare(const struct setting *setting);
enum progress tls_handshake(void);
enum progress tls_read(void *buffer, size_t room, size_t *length);
enum progress tls_write(const void *data, size_t length, size_t *written);
enum progress tls_close(void);
enum progress tls_key_update(void);

/* In course.c. */

/* How the connection ended: a word of the protocol, and what the library said. */
void because(const char *word, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The setting cannot be had; ends the program. */
void give_up(const char *what) __attribute__((noreturn));
/* DIRECTORY/NAME; lives until the next call. */
const char *path_of(const struct setting *setting, const char *name);

#define SERVER_NAME "server.test"

#endif
