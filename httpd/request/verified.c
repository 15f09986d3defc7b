#include "httpd/request/verified.h"

#include <string.h>

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/rand.h"

#define WAYS 4
#define SETS 1024

struct http_verified_item {
    uint8_t digest[HTTP_VERIFIED_SIZE];
    uint64_t until_ns; /* 0: free */
};

int http_verified_init(struct http_verified *v)
{
    uint8_t key[HTTP_VERIFIED_SIZE];
    keel_rand_bytes(key, sizeof key);
    v->items = keel_calloc(WAYS * SETS, sizeof *v->items);
    v->key = keel_hmac_key_new(KEEL_SHA256, key, sizeof key);
    explicit_bzero(key, sizeof key);
    return v->items && v->key ? 0 : KEEL_ENOMEM;
}

void http_verified_fini(struct http_verified *v)
{
    keel_free(v->items);
    if (v->key)
        keel_hmac_key_free(v->key);
    *v = (struct http_verified){NULL, NULL};
}

int http_verified_digest(struct http_verified *v, uint32_t file, uint32_t version, const char *name,
                         const char *password, uint8_t out[HTTP_VERIFIED_SIZE])
{
    uint8_t digest[KEEL_DIGEST_MAX];
    const uint32_t which[] = {file, version};
    keel_hmac_begin(v->key);
    keel_hmac_update(v->key, which, sizeof which);
    keel_hmac_update(v->key, name, strlen(name) + 1); /* with the NUL: "a", "bc" is not "ab", "c" */
    keel_hmac_update(v->key, password, strlen(password));
    int err = keel_hmac_final(v->key, digest);
    memcpy(out, digest, HTTP_VERIFIED_SIZE);
    return err;
}

/* Nobody outside can choose a digest, so its bytes choose the set and are compared plainly. */
static struct http_verified_item *set_of(const struct http_verified *v, const uint8_t *digest)
{
    return &v->items[(digest[0] | (unsigned)digest[1] << 8) % SETS * WAYS];
}

bool http_verified_find(const struct http_verified *v, const uint8_t digest[HTTP_VERIFIED_SIZE],
                        uint64_t now_ns)
{
    const struct http_verified_item *set = set_of(v, digest);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].until_ns > now_ns && memcmp(set[i].digest, digest, HTTP_VERIFIED_SIZE) == 0)
            return true;
    return false;
}

void http_verified_add(struct http_verified *v, const uint8_t digest[HTTP_VERIFIED_SIZE],
                       uint64_t until_ns)
{
    struct http_verified_item *set = set_of(v, digest), *oldest = set;
    for (unsigned i = 1; i < WAYS; i++)
        if (set[i].until_ns < oldest->until_ns)
            oldest = &set[i];
    memcpy(oldest->digest, digest, HTTP_VERIFIED_SIZE);
    oldest->until_ns = until_ns;
}
