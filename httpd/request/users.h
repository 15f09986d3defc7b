/*
 * The users of an htpasswd file, and whether a password is theirs.
 */
#ifndef HTTPD_REQUEST_USERS_H
#define HTTPD_REQUEST_USERS_H

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "httpd/wire/credentials.h"

struct http_user {
    struct keel_str name, hash; /* the hash has a NUL behind it */
    enum http_hash_kind kind;
    int line;
};
struct http_users {
    struct keel_arena arena;
    struct keel_table table;
    struct keel_hash_key key;
    const struct http_user *last; /* NULL: there are none */
};
/* Reads the text of a whole file; *users is set in any case, and empty after an error. The key is
 * random. 0; KEEL_ENOMEM; KEEL_EINVAL with `LINE: what` in diag. */
int http_users_parse(struct http_users *users, const struct keel_hash_key *key,
                     struct keel_str text, struct keel_diag *diag);
/* All zero is fine. */
void http_users_fini(struct http_users *users);
/* NULL: no such user. */
const struct http_user *http_users_find(const struct http_users *users, struct keel_str name);

/* True when the hash was made of the password, which has a NUL behind it. Takes as long as the hash
 * wants, tens or hundreds of milliseconds: not for the loop. Touches nothing else, allocates. */
bool http_password_check(const char *password, struct keel_str hash, enum http_hash_kind kind);

#endif
