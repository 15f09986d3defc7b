/*
 * The inside of a TLS context, for tls*.c and stream_tls*.c. Not installed.
 *
 *   tls.c         making one of files
 *   tls_names.c   which certificate for which name
 *   tls_ticket.c  session tickets
 *   tls_staple.c  stapled OCSP responses
 *   tls_info.c    what certificates say
 */
#ifndef KEEL_RUNTIME_TLS_PRIVATE_H
#define KEEL_RUNTIME_TLS_PRIVATE_H

#include "common/runtime/tls.h"

#include "common/base/hash.h"
#include "common/base/str.h"

#include <openssl/ssl.h>

/* What a client that asks for a name gets: a certificate, or some with keys of different types,
 * and the rules for it. */
struct keel_tls_rules {
    struct keel_tls_context *context;
    SSL_CTX *ssl; /* its app data is this struct */
    enum keel_tls_verify verify;
    unsigned tag;
};

/* A name, in lower case, as found in the table. */
struct keel_tls_name {
    struct keel_tls_rules *rules; /* borrowed from the context's list */
    size_t size;
    char text[];
};

/* One of the options' certificates, and the response that is stapled to it. */
struct keel_tls_item {
    struct keel_tls_rules *rules;
    X509 *x;  /* as OpenSSL uses it: compared by its address */
    int type; /* of its key, as OpenSSL numbers them */
    char *file;
    char *name;        /* the first it was given, or has; NULL: none */
    int64_t not_after; /* seconds since 1970 */
    uint8_t *response; /* NULL: none is stapled */
    size_t response_size;
    int64_t this_update, next_update; /* INT64_MAX: it does not say */
    char *response_file;
    char *fault;                 /* why there is none */
    uint8_t said, response_said; /* enum in tls.c: what was logged about their ends */
};

struct keel_tls_ticket_key {
    uint8_t name[16], aes[32], hmac[32];
};

struct keel_tls_context {
    unsigned references; /* one thread: a loop's */
    bool client, insecure;
    bool pinned; /* client: to the key that `pin` is the digest of */
    uint8_t pin[KEEL_TLS_PIN_SIZE];
    struct keel_tls_rules **rules; /* the first is the default */
    unsigned count;
    struct keel_tls_item *items; /* server: as many as certificates in the options */
    unsigned item_count;
    struct keel_hash_key hash_key;
    struct keel_table names; /* of struct keel_tls_name */
    BIO_METHOD *method;      /* stream_tls_bio.c: the way to the descriptor */
    uint8_t alpn[256];       /* RFC 7301, 3.1: length and name of each */
    unsigned alpn_size;
    struct keel_tls_ticket_key keys[KEEL_TLS_TICKET_KEYS]; /* the newest first */
    unsigned key_count;
    EVP_CIPHER *ticket_cipher;
};

static inline struct keel_tls_rules *keel_tls_rules_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* tls.c: sets diag to `file: what: OpenSSL's reason`, and clears OpenSSL's queue. KEEL_ETLS. */
int keel_tls_fail(struct keel_diag *diag, const char *file, const char *what);
/* The first error of OpenSSL's queue as text, and clears the queue. Static text or `out`. */
const char *keel_tls_error_text(char *out, size_t size);

/* tls_names.c */
/* Gives a name to rules; the first that has it keeps it. 0 or KEEL_ENOMEM. */
int keel_tls_name_add(struct keel_tls_rules *rules, const char *text, size_t size);
/* All names that stand in a certificate. 0 or KEEL_ENOMEM. */
int keel_tls_names_add_of(struct keel_tls_rules *rules, X509 *x);
/* Calls visit with each DNS name of the certificate; with the common name when there is none.
 * Stops at the first result that is not 0 and returns it. */
int keel_tls_names_each(X509 *x, int (*visit)(void *arg, const char *text, size_t size), void *arg);
/* The first name that stands in a certificate. Returns new; NULL: there is none (or no memory). */
char *keel_tls_name_first(X509 *x);
/* Makes its SSL_CTX choose by name and by ALPN. */
void keel_tls_names_install(struct keel_tls_rules *rules);
void keel_tls_names_fini(struct keel_tls_context *c);

/* tls_ticket.c */
/* 0 or KEEL_ETLS. */
int keel_tls_tickets_init(struct keel_tls_context *c);
void keel_tls_tickets_install(struct keel_tls_rules *rules);
void keel_tls_tickets_fini(struct keel_tls_context *c);

/* tls_staple.c */
/* Reads a response for item->x, whose issuer stands in chain (or is itself), from the file `where`,
 * whose name is `file`. 0, also when it is not stapled (item->fault); KEEL_ETLS or KEEL_ENOMEM with
 * diag. */
int keel_tls_staple_read(struct keel_tls_item *item, const char *file, const char *where,
                         STACK_OF(X509) * chain, struct keel_diag *diag);
void keel_tls_staple_install(struct keel_tls_rules *rules);
void keel_tls_staple_fini(struct keel_tls_item *item);
/* Seconds since 1970 of a time in a certificate; INT64_MAX for NULL. */
int64_t keel_tls_seconds(const ASN1_TIME *time);

/* stream_tls_bio.c: the BIO between OpenSSL and a stream's descriptor; NULL: no memory. */
BIO_METHOD *keel_stream_tls_method(void);
/* NULL: plain. */
struct keel_stream;
SSL *keel_stream_ssl(const struct keel_stream *s);
/* stream_tls_info.c: the name as RFC 4514 has it, in UTF-8. Returns its size; 0: it does not fit.
 */
size_t keel_tls_subject(const X509_NAME *name, char *out, size_t size);

#endif
