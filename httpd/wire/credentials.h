/*
 * Credentials on the wire and on disk: the field Authorization of the scheme Basic (RFC 7617), and
 * the lines of an htpasswd file.
 */
#ifndef HTTPD_WIRE_CREDENTIALS_H
#define HTTPD_WIRE_CREDENTIALS_H

#include "common/base/err.h"
#include "common/base/str.h"

#define HTTP_USER_MAX 255     /* bytes of a name */
#define HTTP_PASSWORD_MAX 511 /* bytes: what crypt(3) takes */
#define HTTP_BASIC_SIZE (HTTP_USER_MAX + 1 + HTTP_PASSWORD_MAX + 1)

/* "Basic dXNlcjpwYXNzd29yZA==". out has HTTP_BASIC_SIZE bytes and holds both, each with a NUL
 * behind it. 0; KEEL_ENOTSUP: another scheme; KEEL_EINVAL: malformed, with control characters, or
 * longer than the limits above. */
int http_basic_parse(struct keel_str value, char *out, struct keel_str *user,
                     struct keel_str *password);

enum http_hash_kind {
    HTTP_HASH_CRYPT, /* crypt(3) knows it: $2y$ $2b$ $2a$ $5$ $6$ $y$ $1$ */
    HTTP_HASH_APR1,  /* $apr1$: MD5 as Apache has it */
    HTTP_HASH_SHA1,  /* {SHA}: no salt */
};
#define HTTP_HASH_MAX 255 /* bytes of its text */
struct http_password_line {
    struct keel_str user, hash; /* of the line */
    enum http_hash_kind kind;
};
/* A line without its end. 0; 1: it is empty or a comment; KEEL_EINVAL with what is wrong. What
 * follows a colon behind the hash is looked over. */
int http_password_line_parse(struct keel_str line, struct http_password_line *out,
                             struct keel_diag *diag);

/* The text behind "$apr1$SALT$": 22 characters and a NUL. The salt has at most 8 bytes, the
 * password HTTP_PASSWORD_MAX. 0, or KEEL_ENOTSUP: there is no MD5 here. */
#define HTTP_APR1_SIZE 23
int http_apr1(struct keel_str password, struct keel_str salt, char out[HTTP_APR1_SIZE]);

#endif
