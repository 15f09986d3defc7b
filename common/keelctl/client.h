/*
 * keelctl's side of the control socket: finds a daemon's, sends one request line, reads one reply
 * line.
 */
#ifndef KEEL_KEELCTL_CLIENT_H
#define KEEL_KEELCTL_CLIENT_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdint.h>

/* Longest reply taken. */
#define KEELCTL_REPLY_MAX (64u << 20)

/* The path of a daemon's control socket: `daemon` itself when it has a slash, else NAME.sock in
 * the directory of this user's sockets, or in /run/keel. A directory that somebody else owns (not
 * root, not this user) is not looked into. 0, or KEEL_ENOENT, KEEL_EACCES, KEEL_ENOSPC with diag.
 */
int keelctl_find(const char *daemon, char *path, size_t size, struct keel_diag *diag);
/* Calls visit with the name of each daemon that has a socket there. */
void keelctl_each_daemon(void (*visit)(void *arg, const char *daemon), void *arg);

/* Sends the words (command, then arguments) and appends the reply's line, without its end, to
 * reply. No byte for timeout_ns is KEEL_ETIMEDOUT. 0, or an error with diag. */
int keelctl_ask(const char *path, const char *const *words, int count, uint64_t timeout_ns,
                struct keel_buf *reply, struct keel_diag *diag);

#endif
