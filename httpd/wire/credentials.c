#include "httpd/wire/credentials.h"

#include "common/base/digest.h"
#include "httpd/wire/chars.h"

/* --- Authorization --- */

static bool has_controls(struct keel_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f)
            return true;
    return false;
}

int http_basic_parse(struct keel_str value, char *out, struct keel_str *user,
                     struct keel_str *password)
{
    struct keel_str rest = value, scheme;
    if (!keel_str_split(&rest, ' ', &scheme) || !http_token_is(scheme, KEEL_STR("basic")))
        return KEEL_ENOTSUP;
    /* the second NUL needs a byte that base64 has no use for */
    int n = keel_parse_base64(keel_str_trim(rest), (uint8_t *)out, HTTP_BASIC_SIZE - 1);
    struct keel_str both = {out, n > 0 ? (size_t)n : 0}, name;
    if (n <= 0 || has_controls(both))
        return KEEL_EINVAL;
    out[n] = '\0';
    bool split = keel_str_split(&both, ':', &name) && both.p;
    if (!split || name.n == 0 || name.n > HTTP_USER_MAX || both.n > HTTP_PASSWORD_MAX)
        return KEEL_EINVAL;
    out[name.n] = '\0';
    *user = name;
    *password = both;
    return 0;
}

/* --- htpasswd --- */

static bool is_salt_char(int c)
{
    return keel_is_digit(c) || (keel_to_lower(c) >= 'a' && keel_to_lower(c) <= 'z') || c == '.' ||
           c == '/';
}

static bool is_salt_text(struct keel_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_salt_char((uint8_t)text.p[i]))
            return false;
    return true;
}

/* How each kind is written: so many parts between '$' behind the prefix, one of which may be left
 * out where `optional` says so; the last has `digest` characters of salt text. */
static const struct {
    const char *prefix;
    unsigned parts;
    const char *optional; /* a part that may come first */
    unsigned digest;
    enum http_hash_kind kind;
} forms[] = {
    {"$2y$", 2, NULL, 53, HTTP_HASH_CRYPT},     {"$2b$", 2, NULL, 53, HTTP_HASH_CRYPT},
    {"$2a$", 2, NULL, 53, HTTP_HASH_CRYPT},     {"$5$", 2, "rounds=", 43, HTTP_HASH_CRYPT},
    {"$6$", 2, "rounds=", 86, HTTP_HASH_CRYPT}, {"$y$", 3, NULL, 43, HTTP_HASH_CRYPT},
    {"$1$", 2, NULL, 22, HTTP_HASH_CRYPT},      {"$apr1$", 2, NULL, 22, HTTP_HASH_APR1},
};

static bool is_number(struct keel_str text)
{
    uint64_t n;
    return keel_parse_u64(text, 999999999, &n) == 0;
}

static bool has_form(struct keel_str hash, unsigned i)
{
    size_t skip = strlen(forms[i].prefix);
    struct keel_str rest = {hash.p + skip, hash.n - skip}, part = {NULL, 0};
    unsigned count = 0;
    bool first = true;
    while (keel_str_split(&rest, '$', &part)) {
        struct keel_str option = keel_str(forms[i].optional);
        if (first && option.n > 0 && keel_str_begins(part, option)) {
            if (!is_number((struct keel_str){part.p + option.n, part.n - option.n}))
                return false;
        } else {
            count++;
            if (!is_salt_text(part))
                return false;
        }
        first = false;
    }
    return count == forms[i].parts && part.n == forms[i].digest;
}

/* The salt of $apr1$ has 1 to 8 bytes, and bcrypt's cost two digits from 04 to 31. */
static bool has_limits(struct keel_str hash, enum http_hash_kind kind)
{
    if (kind == HTTP_HASH_APR1)
        return hash.n >= 6 + 1 + 1 + 22 && hash.n <= 6 + 8 + 1 + 22;
    if (hash.p[1] != '2')
        return true;
    uint64_t cost = 0;
    return hash.n == 60 && keel_parse_u64((struct keel_str){hash.p + 4, 2}, 31, &cost) == 0 &&
           cost >= 4;
}

static int find_kind(struct keel_str hash, enum http_hash_kind *kind, struct keel_diag *diag)
{
    uint8_t digest[KEEL_DIGEST_MAX];
    struct keel_str sha = KEEL_STR("{SHA}");
    if (hash.n > HTTP_HASH_MAX)
        return keel_diag_set(diag, KEEL_EINVAL, "the hash is too long");
    if (keel_str_begins(hash, sha)) {
        *kind = HTTP_HASH_SHA1;
        if (keel_parse_base64((struct keel_str){hash.p + sha.n, hash.n - sha.n}, digest,
                              sizeof digest) == 20)
            return 0;
        return keel_diag_set(diag, KEEL_EINVAL, "the hash is cut or malformed");
    }
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!keel_str_begins(hash, keel_str(forms[i].prefix)))
            continue;
        *kind = forms[i].kind;
        if (has_form(hash, i) && has_limits(hash, *kind))
            return 0;
        return keel_diag_set(diag, KEEL_EINVAL, "the hash is cut or malformed");
    }
    if (hash.n == 13 && is_salt_text(hash))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "a hash by DES protects nothing: make it anew, as with htpasswd -B");
    return keel_diag_set(
        diag, KEEL_EINVAL,
        "no hash of a kind that is known: bcrypt ($2y$), yescrypt ($y$), SHA ($5$, "
        "$6$), MD5 ($apr1$, $1$) or {SHA}");
}

int http_password_line_parse(struct keel_str line, struct http_password_line *out,
                             struct keel_diag *diag)
{
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (keel_str_trim(line).n == 0 || line.p[0] == '#')
        return 1;
    struct keel_str rest = line, hash = {NULL, 0};
    if (!keel_str_split(&rest, ':', &out->user) || !keel_str_split(&rest, ':', &hash))
        return keel_diag_set(diag, KEEL_EINVAL, "\"USER:HASH\" expected");
    if (out->user.n == 0 || out->user.n > HTTP_USER_MAX || has_controls(out->user))
        return keel_diag_set(diag, KEEL_EINVAL, "a user's name has 1 to %d printable characters",
                             HTTP_USER_MAX);
    out->hash = hash;
    return find_kind(hash, &out->kind, diag);
}

/* --- $apr1$ --- */

struct apr1_text {
    uint8_t bytes[2 * HTTP_PASSWORD_MAX + 64];
    size_t n;
};

static void put(struct apr1_text *t, const void *p, size_t n)
{
    memcpy(t->bytes + t->n, p, n);
    t->n += n;
}

/* Hashes what was put, and begins anew. */
static int digest_text(struct apr1_text *t, uint8_t out[16])
{
    int err = keel_digest(KEEL_MD5, t->bytes, t->n, out);
    t->n = 0;
    return err;
}

static int apr1_digest(struct keel_str password, struct keel_str salt, uint8_t digest[16])
{
    struct apr1_text t = {.n = 0};
    uint8_t inner[16];
    put(&t, password.p, password.n);
    put(&t, salt.p, salt.n);
    put(&t, password.p, password.n);
    int err = digest_text(&t, inner);
    put(&t, password.p, password.n);
    put(&t, "$apr1$", 6);
    put(&t, salt.p, salt.n);
    for (size_t left = password.n; left > 0; left -= left < 16 ? left : 16)
        put(&t, inner, left < 16 ? left : 16);
    for (size_t bits = password.n; bits > 0; bits >>= 1)
        put(&t, bits & 1 ? "" : password.p, 1);
    if (!err)
        err = digest_text(&t, digest);
    for (unsigned round = 0; round < 1000 && !err; round++) {
        if (round & 1)
            put(&t, password.p, password.n);
        else
            put(&t, digest, 16);
        if (round % 3)
            put(&t, salt.p, salt.n);
        if (round % 7)
            put(&t, password.p, password.n);
        if (round & 1)
            put(&t, digest, 16);
        else
            put(&t, password.p, password.n);
        err = digest_text(&t, digest);
    }
    explicit_bzero(&t, sizeof t);
    return err;
}

int http_apr1(struct keel_str password, struct keel_str salt, char out[HTTP_APR1_SIZE])
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const uint8_t order[6][3] = {{0, 6, 12}, {1, 7, 13}, {2, 8, 14},
                                        {3, 9, 15}, {4, 10, 5}, {16, 16, 11}};
    uint8_t digest[17] = {0}; /* the last stays 0 */
    char *p = out;
    if (salt.n > 8 || password.n > HTTP_PASSWORD_MAX)
        return KEEL_EINVAL;
    int err = apr1_digest(password, salt, digest);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t bits = (uint32_t)digest[order[i][0]] << 16 | (uint32_t)digest[order[i][1]] << 8 |
                        digest[order[i][2]];
        for (unsigned n = i < 5 ? 4 : 2; n > 0; n--, bits >>= 6)
            *p++ = digits[bits & 63];
    }
    *p = '\0';
    return err;
}
