#include "common/base/digest.h"

#include "common/base/err.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

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

bool keel_equal_secret(const void *a, const void *b, size_t n)
{
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}
