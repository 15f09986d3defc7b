/*
 * TLS contexts: certificates, names and rules, made once from files and shared by many streams.
 *
 * A context is immutable but for its ticket key. Streams hold a reference, so that one can be
 * replaced (new certificates) while old connections go on with theirs.
 */
#ifndef KEEL_RUNTIME_TLS_H
#define KEEL_RUNTIME_TLS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keel_tls_context;

/* PEM files: the certificate with its chain behind it, and the private key. */
struct keel_tls_certificate {
    const char *certificate;
    const char *key; /* NULL: the key is in the certificate's file */
};

#define KEEL_TLS_PIN_SIZE 32

enum keel_tls_version { KEEL_TLS_1_2, KEEL_TLS_1_3 };

/* What a server asks of its clients. */
enum keel_tls_verify {
    KEEL_TLS_VERIFY_NONE,
    KEEL_TLS_VERIFY_OPTIONAL, /* a certificate that is sent must be valid */
    KEEL_TLS_VERIFY_REQUIRED
};

struct keel_tls_options {
    bool client; /* for keel_stream_connect; otherwise for accepted connections */
    /* Server: at least one; the names in each (subject alternative names, "*.example.org" for one
     * label) choose by SNI, the first one serves everybody else. An RSA and an ECDSA certificate
     * for the same first name serve together. Client: none, or the one to show. */
    const struct keel_tls_certificate *certificates;
    unsigned certificate_count;
    const char *const *alpn; /* "h2", "http/1.1", best first; server: a client without any of them
                                is refused (RFC 7301, 3.2), one without ALPN is not */
    unsigned alpn_count;
    enum keel_tls_version minimum;
    const char *ciphers;         /* of TLS 1.2, in OpenSSL's language; NULL: OpenSSL's default */
    enum keel_tls_verify verify; /* server */
    bool insecure;               /* client: take any certificate, for tests */
    const char *ca_file;         /* PEM; server: who may sign client certificates; client: whom to
                                    trust, NULL: the system's list */
    /* Client: take the certificate whose public key this is the SHA-256 of (RFC 7858, 4.2), and no
     * other, whoever signed it and whatever names it has. NULL: trust as above. */
    const uint8_t *pin; /* KEEL_TLS_PIN_SIZE bytes */
};

/* Returns new in *out. KEEL_ENOMEM, KEEL_EINVAL (a contradiction in the options), or KEEL_ETLS with
 * the file and what is wrong with it in diag (may be NULL). */
int keel_tls_context_new(const struct keel_tls_options *options, struct keel_tls_context **out,
                         struct keel_diag *diag);
/* One more reference; returns context. */
struct keel_tls_context *keel_tls_context_ref(struct keel_tls_context *context);
/* Drops a reference; NULL is fine. */
void keel_tls_context_free(struct keel_tls_context *context);
/* The secret behind session tickets: with the same one in all workers and generations a client
 * resumes at any of them. Without it each context has its own. size >= 48, of random bytes.
 * 0, KEEL_EINVAL or KEEL_ETLS. */
int keel_tls_context_set_ticket_key(struct keel_tls_context *context, const void *key, size_t size);

#endif
