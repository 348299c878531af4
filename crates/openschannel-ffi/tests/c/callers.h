/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The calls of real programs, as their sources have them (CALLERS.md names the revisions). */
#ifndef CALLERS_H
#define CALLERS_H

#include "harness.h"

/*
 * The buffers of a call, a letter each.
 *   input    T TOKEN with what arrived; 0 TOKEN without bytes or address; p TOKEN without bytes, with an address; E EMPTY;
 *            P APPLICATION_PROTOCOLS. NULL: no descriptor. "": a descriptor of no buffers, whose pBuffers leads nowhere.
 *            "=": the descriptor of the output.
 *   output   T TOKEN without room; A ALERT likewise; E EMPTY; B TOKEN over a buffer of the caller's. "=": the descriptor that
 *            ApplyControlToken got.
 * phNewContext: 0 NULL, '=' the variable of phContext, 'n' another one. Target: 'h' the host, 'e' an empty string, 0 NULL.
 */
struct shape {
    const char *input, *output;
    char created, target;
    BOOL expiry;
    BOOL client_function; /* InitializeSecurityContext whatever the side */
    ULONG request;        /* 0: as in the handshake */
};

struct side {
    ULONG request;
    DWORD flags; /* of the credential */
    struct shape first, later, post, shutdown;
};

struct caller {
    const char *name;
    char charset; /* of InitializeSecurityContext and AcquireCredentialsHandle */
    BOOL table;   /* calls through InitSecurityInterface */
    DWORD version;
    struct side client, server; /* no request: the caller has not this side */
    BOOL one_variable;          /* the attributes returned are the next request */
    ULONG drep;
    char empty_token;    /* what stands for T when nothing has arrived: 0 or p */
    const char *encrypt; /* HDRE or HDR; R with more room than the trailer needs: r */
    BOOL stale_empties;  /* EMPTY buffers of DecryptMessage keep length and address */
    BOOL post_without_input_first;
    BOOL drops_post_output;
};

#define CRED4 SCHANNEL_CRED_VERSION
#define CRED5 SCH_CREDENTIALS_VERSION

static const struct caller CALLERS[] = {
    {"curl", 'W', TRUE, CRED5,
     {0x819c, 0x40181c, {NULL, "E", 'n', 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0},
      {NULL, "E", '=', 'h', 0, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"curl, ALPN", 'A', TRUE, CRED5,
     {0x811c, 0x40181c, {"P", "E", 'n', 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0},
      {NULL, "E", '=', 'h', 0, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"curl, SCHANNEL_CRED", 'W', TRUE, CRED4,
     {0x819c, 0x40181c, {NULL, "E", 'n', 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0},
      {NULL, "E", '=', 'h', 0, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"schannel-rs", 'W', FALSE, CRED5,
     {0x9819c, 0x400010, {"", "E", 'n', 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0},
      {"TE", "TAE", 0, 'h', 0, 0, 0}},
     {0x1011c, 0x400010, {"TE", "TAE", 'n', 0, 0, 0, 0}, {"TE", "TAE", '=', 0, 0, 0, 0}, {"TE", "TAE", '=', 0, 0, 0, 0},
      {"TE", "TAE", '=', 0, 0, 0, 0}},
     FALSE, 0, 'p', "HDrE", FALSE, FALSE, FALSE},
    {"schannel-rs, ALPN", 'W', FALSE, CRED5,
     {0x9819c, 0x400010, {"P", "E", 'n', 'h', 0, 0, 0}, {"TEP", "TAE", 0, 'h', 0, 0, 0}, {"TEP", "TAE", 0, 'h', 0, 0, 0},
      {"TEP", "TAE", 0, 'h', 0, 0, 0}},
     {0x1011c, 0x400010, {"TEP", "TAE", 'n', 0, 0, 0, 0}, {"TEP", "TAE", '=', 0, 0, 0, 0},
      {"TEP", "TAE", '=', 0, 0, 0, 0}, {"TEP", "TAE", '=', 0, 0, 0, 0}},
     FALSE, 0, 'p', "HDrE", FALSE, FALSE, FALSE},
    {".NET", 'W', FALSE, CRED5,
     {0x8011c, 0x600018, {"0E", "T", 'n', 'h', 1, 0, 0}, {"TE", "T", '=', 'h', 1, 0, 0}, {"TE", "T", '=', 'h', 1, 0, 0},
      {"0E", "T", '=', 'h', 1, 0, 0}},
     {0x1811c, 0x600002, {"TE", "TA", 'n', 0, 1, 0, 0}, {"TE", "TA", '=', 0, 1, 0, 0}, {"TE", "TA", '=', 0, 1, 0, 0},
      {"0E", "TA", '=', 0, 1, 0, 0}},
     FALSE, 0x10, '0', "HDRE", FALSE, FALSE, FALSE},
    {".NET, ALPN", 'W', FALSE, CRED5,
     {0x8011c, 0x600018, {"0EP", "T", 'n', 'h', 1, 0, 0}, {"TE", "T", '=', 'h', 1, 0, 0}, {"TE", "T", '=', 'h', 1, 0, 0},
      {"0E", "T", '=', 'h', 1, 0, 0}},
     {0x1811c, 0x600002, {"TEP", "TA", 'n', 0, 1, 0, 0}, {"TE", "TA", '=', 0, 1, 0, 0}, {"TE", "TA", '=', 0, 1, 0, 0},
      {"0E", "TA", '=', 0, 1, 0, 0}},
     FALSE, 0x10, '0', "HDRE", FALSE, FALSE, FALSE},
    {"aws-c-io", 'A', FALSE, CRED5,
     {0x811c, 0x40181c, {NULL, "E", 'n', 'h', 1, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0}, {"TE", "TAE", 0, 'h', 0, 0, 0},
      {NULL, "E", 0, 'h', 0, 0, 0}},
     {0x1011c, 0x400010, {"TE", "T", 'n', 0, 0, 0, 0}, {"TE", "TAE", 0, 0, 0, 0, 0}, {"TE", "TAE", 0, 'e', 0, 1, 0},
      {NULL, "E", 0, 'e', 0, 1, 0}},
     FALSE, 0, 'p', "HDRE", FALSE, FALSE, TRUE},
    {"aws-c-io, ALPN", 'A', FALSE, CRED4,
     {0x811c, 0x40181c, {"P", "E", 'n', 'e', 1, 0, 0}, {"TE", "TAE", 0, 'e', 0, 0, 0}, {"TE", "TAE", 0, 'e', 0, 0, 0},
      {NULL, "E", 0, 'e', 0, 0, 0}},
     {0x1011c, 0x400010, {"TP", "T", 'n', 0, 0, 0, 0}, {"TE", "TAE", 0, 0, 0, 0, 0}, {"TE", "TAE", 0, 'e', 0, 1, 0},
      {NULL, "E", 0, 'e', 0, 1, 0}},
     FALSE, 0, 'p', "HDRE", FALSE, FALSE, TRUE},
    {"libgit2", 'W', FALSE, CRED4,
     {0x811c, 0x181c, {NULL, "TA", 'n', 'h', 0, 0, 0}, {"TE", "TA", 0, 'h', 0, 0, 0}, {"TE", "TA", 0, 'h', 0, 0, 0},
      {"=", "T", 0, 0, 0, 0, 0}},
     {0}, TRUE, 0, '0', "HDR", FALSE, FALSE, FALSE},
    {"MariaDB", 'A', FALSE, CRED5,
     {0xc19c, 0x1c, {NULL, "T", 'n', 'h', 0, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0xc11c}, {"TE", "T", 0, 0, 1, 0, 0xc11c},
      {0}},
     {0}, FALSE, 0x10, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"MariaDB, SCHANNEL_CRED", 'A', FALSE, CRED4,
     {0xc19c, 0x1c, {NULL, "T", 'n', 'h', 0, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0xc11c}, {"TE", "T", 0, 0, 1, 0, 0xc11c},
      {0}},
     {0}, FALSE, 0x10, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"boost-wintls", 'A', TRUE, CRED5,
     {0x8c19c, 0x400000, {NULL, "T", 'n', 'h', 0, 0, 0}, {"TE", "T", 0, 'h', 0, 0, 0}, {"TE", "T", 0, 'h', 0, 0, 0},
      {NULL, "=", '=', 0, 0, 0, 0}},
     {0x1811c, 0x400000, {"TE", "T", 'n', 0, 1, 0, 0}, {"TE", "T", '=', 0, 1, 0, 0}, {"TE", "T", '=', 0, 1, 0, 0},
      {NULL, "=", '=', 0, 0, 1, 0x8c19c}},
     FALSE, 0x10, '0', "HDRE", TRUE, FALSE, FALSE},
    {"boost-wintls, SCHANNEL_CRED", 'A', TRUE, CRED4,
     {0x8c19c, 0x18, {NULL, "T", 'n', 'e', 0, 0, 0}, {"TE", "T", 0, 'e', 0, 0, 0}, {"TE", "T", 0, 'e', 0, 0, 0},
      {NULL, "=", '=', 0, 0, 0, 0}},
     {0x1811c, 0x18, {"TE", "T", 'n', 0, 1, 0, 0}, {"TE", "T", '=', 0, 1, 0, 0}, {"TE", "T", '=', 0, 1, 0, 0},
      {NULL, "=", '=', 0, 0, 1, 0x8c19c}},
     FALSE, 0x10, '0', "HDRE", TRUE, FALSE, FALSE},
    {"Qt", 'W', FALSE, CRED5,
     {0x8811c, 0x410, {NULL, "TAE", 'n', 'h', 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 0, 0},
      {NULL, "TAE", 0, 'h', 1, 0, 0}},
     {0x811c, 0x410, {"TE", "TAE", 'n', 0, 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 1, 0}, {"TE", "TAE", 0, 'h', 1, 1, 0},
      {NULL, "TAE", 0, 0, 1, 0, 0}},
     FALSE, 0, 'p', "HDRE", FALSE, TRUE, FALSE},
    {"Qt, ALPN", 'W', FALSE, CRED5,
     {0x8811c, 0x410, {"P", "TAE", 'n', 'h', 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 0, 0},
      {NULL, "TAE", 0, 'h', 1, 0, 0}},
     {0x811c, 0x410, {"TP", "TAE", 'n', 0, 1, 0, 0}, {"TE", "TAE", 0, 'h', 1, 1, 0}, {"TE", "TAE", 0, 'h', 1, 1, 0},
      {NULL, "TAE", 0, 0, 1, 0, 0}},
     FALSE, 0, 'p', "HDRE", FALSE, TRUE, FALSE},
    {"Poco", 'W', TRUE, CRED5,
     {0x8c19c, 0x184c, {NULL, "T", 'n', 'h', 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0},
      {NULL, "T", '=', 0, 1, 0, 0xc11c}},
     {0x8c11c, 0x1808, {"TE", "T", 'n', 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 1, 0},
      {NULL, "T", 0, 0, 1, 0, 0x1811c}},
     FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"Poco, strict", 'W', TRUE, CRED4,
     {0x1c19c, 0x1858, {NULL, "T", 'n', 'h', 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0},
      {NULL, "T", '=', 0, 1, 0, 0xc11c}},
     {0x1c11c, 0x1802, {"TE", "T", 'n', 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 0, 0}, {"TE", "T", 0, 0, 1, 1, 0},
      {NULL, "T", 0, 0, 1, 0, 0x1811c}},
     FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"TSDuck", 'W', FALSE, CRED5,
     {0x1819c, 0x400018, {NULL, "T", 'n', 'h', 0, 0, 0}, {"TE", "T", '=', 'h', 0, 0, 0}, {"TE", "T", '=', 'h', 0, 0, 0},
      {"=", "T", 0, 0, 0, 0, 0xc11c}},
     {0x1811c, 0x400000, {"TE", "T", 'n', 0, 0, 0, 0}, {"TE", "T", '=', 0, 0, 0, 0}, {"TE", "T", '=', 0, 0, 0, 0},
      {NULL, "T", 0, 0, 0, 0, 0x1811c}},
     TRUE, 0, 'p', "HDR", FALSE, FALSE, FALSE},
    {"WinPR's test", 'A', TRUE, CRED4,
     {0x9c01c, 0x1c, {"pE", "B", 'n', 'h', 1, 0, 0}, {"TE", "B", '=', 'h', 1, 0, 0}, {"TE", "B", '=', 'h', 1, 0, 0},
      {0}},
     {0x1801c, 0x2, {"TE", "B", 'n', 0, 1, 0, 0}, {"TE", "B", '=', 0, 1, 0, 0}, {"TE", "B", '=', 0, 1, 0, 0}, {0}},
     TRUE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"c-ares", 'A', FALSE, CRED5,
     {0x8c11c, 0x400018, {NULL, "TA", 'n', 'h', 0, 0, 0}, {"TE", "TA", 0, 'h', 0, 0, 0}, {"TE", "TA", 0, 'h', 0, 0, 0},
      {NULL, "T", 0, 'h', 0, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"c-ares, SCHANNEL_CRED", 'A', FALSE, CRED4,
     {0x8c11c, 0x400018, {NULL, "TA", 'n', 0, 0, 0, 0}, {"TE", "TA", 0, 0, 0, 0, 0}, {"TE", "TA", 0, 0, 0, 0, 0},
      {NULL, "T", 0, 0, 0, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
    {"Wine's test", 'A', FALSE, CRED5,
     {0x801c, 0x18, {NULL, "B", 'n', 'h', 1, 0, 0}, {"TE", "B", '=', 'h', 1, 0, 0}, {"TE", "B", '=', 'h', 1, 0, 0},
      {NULL, "B", '=', 0, 1, 0, 0}},
     {0}, FALSE, 0, 'p', "HDRE", FALSE, FALSE, FALSE},
};

#endif
