/* SHA1_Init and its like: EVP_Digest takes 507 ns and two allocations for 34 bytes, these 158 ns
 * and none. They are called deprecated in OpenSSL 3, and are there in all of it. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/base/digest.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/sha.h>

static const struct {
    size_t size;
    const EVP_MD *(*md)(void);
} digests[] = {
    [KEEL_MD5] = {16, EVP_md5},       [KEEL_SHA1] = {20, EVP_sha1},
    [KEEL_SHA224] = {28, EVP_sha224}, [KEEL_SHA256] = {32, EVP_sha256},
    [KEEL_SHA384] = {48, EVP_sha384}, [KEEL_SHA512] = {64, EVP_sha512},
};

static void digest_check_kind(enum keel_digest kind)
{
    KEEL_ASSERT((unsigned)kind < sizeof digests / sizeof digests[0], "no such digest");
}

size_t keel_digest_size(enum keel_digest kind)
{
    digest_check_kind(kind);
    return digests[kind].size;
}

int keel_digest(enum keel_digest kind, const void *bytes, size_t n, uint8_t *out)
{
    digest_check_kind(kind);
    return EVP_Digest(bytes, n, out, NULL, digests[kind].md(), NULL) == 1 ? 0 : KEEL_ENOTSUP;
}

int keel_hmac(enum keel_digest kind, const void *key, size_t key_size, const void *bytes, size_t n,
              uint8_t *out)
{
    digest_check_kind(kind);
    if (key_size > INT_MAX)
        return KEEL_ERANGE;
    /* libcrypto refuses NULL for an empty key or text */
    if (!HMAC(digests[kind].md(), key ? key : "", (int)key_size, bytes ? bytes : (const void *)"",
              n, out, NULL))
        return KEEL_ENOTSUP;
    return 0;
}

struct keel_hmac_key {
    EVP_MAC_CTX *context; /* holds the key; init without one begins anew */
    bool failed;
};

struct keel_hmac_key *keel_hmac_key_new(enum keel_digest kind, const void *key, size_t key_size)
{
    digest_check_kind(kind);
    struct keel_hmac_key *k = keel_calloc(1, sizeof *k);
    EVP_MAC *mac = k ? EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL) : NULL;
    if (mac)
        k->context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); /* the context keeps it */
    if (!k || !k->context) {
        keel_free(k);
        return NULL;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)EVP_MD_get0_name(digests[kind].md()), 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_MAC_init(k->context, key ? key : (const void *)"", key_size, params) != 1) {
        keel_hmac_key_free(k);
        return NULL;
    }
    return k;
}

void keel_hmac_key_free(struct keel_hmac_key *key)
{
    if (!key)
        return;
    EVP_MAC_CTX_free(key->context);
    keel_free(key);
}

void keel_hmac_begin(struct keel_hmac_key *key)
{
    key->failed = EVP_MAC_init(key->context, NULL, 0, NULL) != 1;
}

void keel_hmac_update(struct keel_hmac_key *key, const void *bytes, size_t n)
{
    if (n > 0 && EVP_MAC_update(key->context, bytes, n) != 1)
        key->failed = true;
}

int keel_hmac_final(struct keel_hmac_key *key, uint8_t *out)
{
    size_t n;
    if (key->failed || EVP_MAC_final(key->context, out, &n, KEEL_DIGEST_MAX) != 1)
        return KEEL_ENOTSUP;
    return 0;
}

void keel_sha1(const void *a, size_t a_size, const void *b, size_t b_size,
               uint8_t out[KEEL_SHA1_SIZE])
{
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, a, a_size);
    if (b_size > 0)
        SHA1_Update(&sha, b, b_size);
    SHA1_Final(out, &sha);
}

bool keel_equal_secret(const void *a, const void *b, size_t n)
{
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}
