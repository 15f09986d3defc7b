/*
 * Basic authentication (RFC 7617): a step before the handler, for locations with a users file.
 *
 * A password is checked in a thread, because a good hash takes its time, and never twice at once;
 * what was right is remembered for some minutes. Of one client's addresses only so many checks are
 * made. A name that does not exist costs as much as one that does.
 */
#ifndef HTTPD_HANDLERS_AUTH_H
#define HTTPD_HANDLERS_AUTH_H

#include "httpd/request/handler.h"
#include "httpd/request/users.h"

/* A users file, as it was read last: it changes while the settings live, because the file does. */
struct http_users_file {
    const char *path;
    unsigned number;  /* 0, 1, ... */
    unsigned version; /* one more each time it was read */
    struct http_users users;
};
/* Its text, whole, stands for what it was before. 0, or an error with `FILE:LINE: what` in diag;
 * then the users are the ones that they were. */
int http_users_file_take(struct http_users_file *file, struct keel_str text,
                         struct keel_diag *diag);

/* Settings of the step. */
struct http_auth {
    struct keel_str challenge; /* the line WWW-Authenticate */
    struct http_users_file *file;
    struct keel_str *allowed; /* users; allowed_count 0: all of the file */
    unsigned allowed_count;
};
extern const struct http_handler http_auth_handler;

#endif
