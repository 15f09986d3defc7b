/* Authorization fields and htpasswd files: the first byte chooses which. What is read as a line of
 * a file is read again when it is written out. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "httpd/request/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_field(struct keel_str text)
{
    char out[HTTP_BASIC_SIZE];
    struct keel_str user, password;
    if (http_basic_parse(text, out, &user, &password) != 0)
        return;
    if (user.n == 0 || user.n > HTTP_USER_MAX || password.n > HTTP_PASSWORD_MAX ||
        strlen(user.p) != user.n || strlen(password.p) != password.n)
        abort();
}

static void try_file(struct keel_str text)
{
    static const struct keel_hash_key key = {1, 2};
    struct http_users users, again;
    struct keel_diag diag;
    if (http_users_parse(&users, &key, text, &diag) == 0 && users.last) {
        char line[HTTP_USER_MAX + HTTP_HASH_MAX + 2];
        size_t n = users.last->name.n;
        memcpy(line, users.last->name.p, n);
        line[n++] = ':';
        memcpy(line + n, users.last->hash.p, users.last->hash.n);
        n += users.last->hash.n;
        if (http_users_parse(&again, &key, (struct keel_str){line, n}, &diag) != 0 ||
            (line[0] != '#' && !again.last))
            abort();
        http_users_fini(&again);
    }
    http_users_fini(&users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct keel_str text = {(const char *)data + 1, size - 1};
    if (data[0] & 1)
        try_field(text);
    else
        try_file(text);
    return 0;
}
