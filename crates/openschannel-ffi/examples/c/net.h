/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* TCP for the examples: BSD sockets, or Winsock behind the same names. */
#ifndef EXAMPLE_NET_H
#define EXAMPLE_NET_H

#ifdef _WIN32
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>
typedef SOCKET net_socket;
#define NET_NONE INVALID_SOCKET
#define NET_SEND_FLAGS 0
#define NET_SHUT_WRITE SD_SEND
#else
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
typedef int net_socket;
#define NET_NONE (-1)
#define NET_SEND_FLAGS MSG_NOSIGNAL
#define NET_SHUT_WRITE SHUT_WR
#define closesocket close
#endif

#include <stddef.h>
#include <string.h>

/* A peer that says nothing for so long is given up. */
#define NET_PATIENCE_SECONDS 30

static inline int net_begin(void) {
#ifdef _WIN32
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data) == 0;
#else
    return 1;
#endif
}

static inline void net_be_patient(net_socket socket) {
#ifdef _WIN32
    DWORD patience = NET_PATIENCE_SECONDS * 1000;
#else
    struct timeval patience = {NET_PATIENCE_SECONDS, 0};
#endif
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, (const char *)&patience, sizeof patience);
}

static inline net_socket net_connect(const char *host, const char *port) {
    struct addrinfo hints, *found, *each;
    net_socket connected = NET_NONE;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &found) != 0) return NET_NONE;
    for (each = found; each != NULL && connected == NET_NONE; each = each->ai_next) {
        net_socket candidate = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (candidate == NET_NONE) continue;
        if (connect(candidate, each->ai_addr, (int)each->ai_addrlen) == 0)
            connected = candidate;
        else
            closesocket(candidate);
    }
    freeaddrinfo(found);
    if (connected != NET_NONE) net_be_patient(connected);
    return connected;
}

/* On loopback; port 0 takes a free one. *port receives the one taken. */
static inline net_socket net_listen(unsigned short *port) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    net_socket listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener == NET_NONE) return NET_NONE;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(*port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        closesocket(listener);
        return NET_NONE;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

static inline net_socket net_accept(net_socket listener) {
    net_socket accepted = accept(listener, NULL, NULL);
    if (accepted != NET_NONE) net_be_patient(accepted);
    return accepted;
}

/* All of it, or 0. */
static inline int net_send(net_socket socket, const void *data, size_t length) {
    const char *next = data;
    while (length > 0) {
        int most = length > 0x10000 ? 0x10000 : (int)length;
        int sent = (int)send(socket, next, (size_t)most, NET_SEND_FLAGS);
        if (sent <= 0) return 0;
        next += sent;
        length -= (size_t)sent;
    }
    return 1;
}

/* How many bytes came; 0 when the peer has ended its direction, negative when the connection is broken. */
static inline int net_receive(net_socket socket, void *room, size_t length) {
    int most = length > 0x10000 ? 0x10000 : (int)length;
    return (int)recv(socket, (char *)room, (size_t)most, 0);
}

/* Ends our direction of TCP; the other one stays open. */
static inline void net_finish(net_socket socket) { shutdown(socket, NET_SHUT_WRITE); }

static inline void net_close(net_socket socket) { closesocket(socket); }

#endif
