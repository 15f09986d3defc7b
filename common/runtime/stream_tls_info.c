/*
 * What was agreed in a TLS handshake, asked of OpenSSL when somebody wants to know.
 */
#include "common/runtime/stream.h"
#include "common/runtime/tls_private.h"

#include <openssl/err.h>
#include <string.h>

struct keel_str keel_stream_alpn(const struct keel_stream *s)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    if (s->tls)
        SSL_get0_alpn_selected(keel_stream_ssl(s), &name, &size);
    return (struct keel_str){(const char *)name, size};
}

struct keel_str keel_stream_server_name(const struct keel_stream *s)
{
    if (!s->tls)
        return (struct keel_str){NULL, 0};
    return keel_str(SSL_get_servername(keel_stream_ssl(s), TLSEXT_NAMETYPE_host_name));
}

int keel_stream_tls_tag(const struct keel_stream *s)
{
    const struct keel_tls_rules *rules = s->tls ? keel_tls_rules_of(keel_stream_ssl(s)) : NULL;
    return rules ? (int)rules->tag : -1;
}

size_t keel_tls_subject(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    if (bio && X509_NAME_print_ex(bio, name, 0,
                                  XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) > 0)
        n = BIO_get_mem_data(bio, &text);
    size_t used = n > 0 && (size_t)n <= size ? (size_t)n : 0;
    if (used > 0)
        memcpy(out, text, used);
    BIO_free(bio);
    ERR_clear_error();
    return used;
}

size_t keel_stream_peer_subject(const struct keel_stream *s, char *out, size_t size)
{
    const SSL *ssl = keel_stream_ssl(s);
    X509 *peer = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    if (!peer || SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    return keel_tls_subject(X509_get_subject_name(peer), out, size);
}

bool keel_stream_tls_session(const struct keel_stream *s, struct keel_tls_session *out)
{
    const SSL *ssl = keel_stream_ssl(s);
    *out = (struct keel_tls_session){.version = NULL};
    if (!ssl || !SSL_is_init_finished(ssl))
        return false;
    *out = (struct keel_tls_session){.version = SSL_get_version(ssl),
                                     .cipher = SSL_get_cipher_name(ssl),
                                     .resumed = SSL_session_reused(ssl) == 1};
    return true;
}
