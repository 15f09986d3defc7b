#include "httpd/request/users.h"

#include <crypt.h>

#include "common/base/digest.h"

static int is_user(const void *value, const void *key, size_t key_size)
{
    const struct http_user *user = value;
    return keel_str_equal(user->name, (struct keel_str){key, key_size});
}

static uint64_t hash_of(const struct http_users *users, struct keel_str name)
{
    return keel_hash(&users->key, name.p, name.n);
}

static struct keel_str copy(struct http_users *users, struct keel_str text)
{
    return (struct keel_str){keel_arena_strndup(&users->arena, text.p, text.n), text.n};
}

static int add(struct http_users *users, const struct http_password_line *line, int number,
               struct keel_diag *diag)
{
    const struct http_user *other = http_users_find(users, line->user);
    if (other)
        return keel_diag_set(diag, KEEL_EINVAL, "%d: user \"%s\" stands in line %d, too", number,
                             other->name.p, other->line);
    struct http_user *user = keel_arena_alloc(&users->arena, sizeof *user);
    if (!user)
        return KEEL_ENOMEM;
    *user =
        (struct http_user){copy(users, line->user), copy(users, line->hash), line->kind, number};
    if (!user->name.p || !user->hash.p)
        return KEEL_ENOMEM;
    users->last = user;
    return keel_table_add(&users->table, hash_of(users, user->name), user);
}

int http_users_parse(struct http_users *users, const struct keel_hash_key *key,
                     struct keel_str text, struct keel_diag *diag)
{
    struct keel_str rest = text, line;
    struct keel_diag why;
    int err = 0;
    *users = (struct http_users){.key = *key};
    keel_arena_init(&users->arena, 0);
    for (int number = 1; !err && keel_str_split(&rest, '\n', &line); number++) {
        struct http_password_line parsed;
        int kind = http_password_line_parse(line, &parsed, &why);
        if (kind < 0)
            err = keel_diag_set(diag, kind, "%d: %s", number, why.text);
        else if (kind == 0)
            err = add(users, &parsed, number, diag);
    }
    if (err)
        http_users_fini(users);
    return err;
}

void http_users_fini(struct http_users *users)
{
    keel_table_fini(&users->table);
    keel_arena_fini(&users->arena);
    *users = (struct http_users){.last = NULL};
}

const struct http_user *http_users_find(const struct http_users *users, struct keel_str name)
{
    return keel_table_find(&users->table, hash_of(users, name), name.p, name.n, is_user);
}

/* --- passwords --- */

static bool check_crypt(const char *password, struct keel_str hash)
{
    struct crypt_data *data = keel_calloc(1, sizeof *data);
    if (!data)
        return false;
    const char *made = crypt_rn(password, hash.p, data, sizeof *data);
    bool same = made && strlen(made) == hash.n && keel_equal_secret(made, hash.p, hash.n);
    explicit_bzero(data, sizeof *data);
    keel_free(data);
    return same;
}

/* "$apr1$SALT$DIGEST" */
static bool check_apr1(struct keel_str password, struct keel_str hash)
{
    char made[HTTP_APR1_SIZE];
    struct keel_str rest = {hash.p + 6, hash.n - 6}, salt;
    return keel_str_split(&rest, '$', &salt) && rest.n == HTTP_APR1_SIZE - 1 &&
           http_apr1(password, salt, made) == 0 && keel_equal_secret(made, rest.p, rest.n);
}

/* "{SHA}DIGEST" */
static bool check_sha1(struct keel_str password, struct keel_str hash)
{
    uint8_t made[KEEL_SHA1_SIZE], known[KEEL_SHA1_SIZE + 1];
    keel_sha1(password.p, password.n, NULL, 0, made);
    return keel_parse_base64((struct keel_str){hash.p + 5, hash.n - 5}, known, sizeof known) ==
               KEEL_SHA1_SIZE &&
           keel_equal_secret(made, known, KEEL_SHA1_SIZE);
}

bool http_password_check(const char *password, struct keel_str hash, enum http_hash_kind kind)
{
    switch (kind) {
    case HTTP_HASH_APR1:
        return check_apr1(keel_str(password), hash);
    case HTTP_HASH_SHA1:
        return check_sha1(keel_str(password), hash);
    default:
        return check_crypt(password, hash);
    }
}
