/*
 * The inside of a TLS context, for tls.c and stream_tls.c. Not installed.
 */
#ifndef KEEL_RUNTIME_TLS_PRIVATE_H
#define KEEL_RUNTIME_TLS_PRIVATE_H

#include "common/runtime/tls.h"

#include "common/base/hash.h"
#include "common/base/str.h"

#include <openssl/ssl.h>

/* A name of a certificate, in lower case, as found in the table. */
struct keel_tls_name {
    SSL_CTX *ssl; /* borrowed from the context's list */
    size_t size;
    char text[];
};

struct keel_tls_context {
    unsigned references; /* one thread: a loop's */
    bool client, insecure;
    bool pinned; /* client: to the key that `pin` is the digest of */
    uint8_t pin[KEEL_TLS_PIN_SIZE];
    SSL_CTX **ssl; /* one for each set of names; the first is the default */
    unsigned count;
    struct keel_hash_key hash_key;
    struct keel_table names; /* of struct keel_tls_name */
    BIO_METHOD *method;      /* stream_tls.c's way to the descriptor */
    uint8_t alpn[256];       /* RFC 7301, 3.1: length and name of each */
    unsigned alpn_size;
};

/* The BIO between OpenSSL and a stream's descriptor; NULL: no memory. */
BIO_METHOD *keel_stream_tls_method(void);
/* The first error of OpenSSL's queue as text, and clears the queue. Static text or `out`. */
const char *keel_tls_error_text(char *out, size_t size);

#endif
