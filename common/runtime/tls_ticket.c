/*
 * Session tickets (RFC 5077, RFC 8446, 4.6.1): sealed with the newest key, opened with any that is
 * kept. What a ticket is good for beside that is the session id context, in tls.c.
 */
#include "common/runtime/tls_private.h"

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/rand.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define LIFETIME_SECONDS 7200
#define LIFETIME_MAX (7 * 86400)

/* AES-256-CBC, then HMAC-SHA-256 (RFC 5077, 4). */
static int use_key(const struct keel_tls_context *c, const struct keel_tls_ticket_key *key,
                   const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_CipherInit_ex2(cipher, c->ticket_cipher, key->aes, iv, seal, NULL) != 1)
        return -1;
    return EVP_MAC_init(mac, key->hmac, sizeof key->hmac, params) == 1 ? 1 : -1;
}

/* OpenSSL asks how to seal (1) or open (1; 2: and give the client a new one; 0: we cannot). In TLS
 * 1.3 a client gets a new one each time: two uses of one could be linked (RFC 8446,
 * C.4). */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int seal)
{
    const struct keel_tls_context *c = keel_tls_rules_of(ssl)->context;
    if (seal) {
        keel_rand_bytes(iv, 16);
        memcpy(name, c->keys[0].name, sizeof c->keys[0].name);
        return use_key(c, &c->keys[0], iv, cipher, mac, 1);
    }
    for (unsigned i = 0; i < c->key_count; i++) {
        if (memcmp(name, c->keys[i].name, sizeof c->keys[i].name) != 0)
            continue;
        int result = use_key(c, &c->keys[i], iv, cipher, mac, 0);
        bool renew = i > 0 || SSL_version(ssl) == TLS1_3_VERSION;
        return result == 1 && renew ? 2 : result;
    }
    return 0;
}

/* What the ticket says about its client was found out when it was made; a certificate of the
 * client may have ended since. */
static SSL_TICKET_RETURN on_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                   size_t name_size, SSL_TICKET_STATUS status, void *arg)
{
    X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;
    if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    switch (status) {
    case SSL_TICKET_SUCCESS:
        return SSL_TICKET_RETURN_USE;
    case SSL_TICKET_SUCCESS_RENEW:
        return SSL_TICKET_RETURN_USE_RENEW;
    default:
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}

int keel_tls_tickets_init(struct keel_tls_context *c)
{
    uint8_t secret[1][KEEL_TLS_TICKET_SECRET];
    c->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!c->ticket_cipher)
        return KEEL_ETLS;
    keel_rand_bytes(secret[0], sizeof secret[0]);
    int err =
        keel_tls_context_set_ticket_keys(c, (const uint8_t(*)[KEEL_TLS_TICKET_SECRET])secret, 1);
    OPENSSL_cleanse(secret, sizeof secret);
    return err;
}

void keel_tls_tickets_install(struct keel_tls_rules *rules)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(rules->ssl, on_ticket_key);
    SSL_CTX_set_session_ticket_cb(rules->ssl, NULL, on_opened, NULL);
    SSL_CTX_set_timeout(rules->ssl, LIFETIME_SECONDS);
    /* One, where OpenSSL makes two after a full handshake, each for a twentieth of its cost: a
     * client gets the next with each resumption. */
    SSL_CTX_set_num_tickets(rules->ssl, 1);
}

void keel_tls_tickets_fini(struct keel_tls_context *c)
{
    EVP_CIPHER_free(c->ticket_cipher);
    OPENSSL_cleanse(c->keys, sizeof c->keys);
}

static int derive(struct keel_tls_ticket_key *key, const uint8_t *secret)
{
    uint8_t a[KEEL_DIGEST_MAX], b[KEEL_DIGEST_MAX];
    int err = keel_hmac(KEEL_SHA512, secret, KEEL_TLS_TICKET_SECRET, "keel ticket name", 16, a);
    if (!err)
        err = keel_hmac(KEEL_SHA512, secret, KEEL_TLS_TICKET_SECRET, "keel ticket keys", 16, b);
    if (!err) {
        memcpy(key->name, a, sizeof key->name);
        memcpy(key->aes, b, sizeof key->aes);
        memcpy(key->hmac, b + sizeof key->aes, sizeof key->hmac);
    }
    OPENSSL_cleanse(b, sizeof b);
    return err ? KEEL_ETLS : 0;
}

int keel_tls_context_set_ticket_keys(struct keel_tls_context *context,
                                     const uint8_t (*secrets)[KEEL_TLS_TICKET_SECRET],
                                     unsigned count)
{
    struct keel_tls_ticket_key keys[KEEL_TLS_TICKET_KEYS];
    if (count == 0 || count > KEEL_TLS_TICKET_KEYS)
        return KEEL_EINVAL;
    memset(keys, 0, sizeof keys);
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++)
        err = derive(&keys[i], secrets[i]);
    if (!err) {
        memcpy(context->keys, keys, sizeof keys);
        context->key_count = count;
    }
    OPENSSL_cleanse(keys, sizeof keys);
    ERR_clear_error();
    return err;
}

void keel_tls_context_set_ticket_lifetime(struct keel_tls_context *context, uint64_t lifetime_ns)
{
    uint64_t seconds = lifetime_ns / KEEL_NS_PER_S;
    for (unsigned i = 0; i < context->count; i++)
        SSL_CTX_set_timeout(context->rules[i]->ssl,
                            (long)(seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX));
}
