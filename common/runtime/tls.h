/*
 * TLS contexts: certificates, names and rules, made once from files and shared by many streams.
 *
 * A context is immutable but for its ticket keys. Streams hold a reference, so that one can be
 * replaced (new certificates) while old connections go on with theirs.
 */
#ifndef KEEL_RUNTIME_TLS_H
#define KEEL_RUNTIME_TLS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keel_tls_context;

enum keel_tls_version { KEEL_TLS_1_2, KEEL_TLS_1_3 };

/* What a server asks of its clients. */
enum keel_tls_verify {
    KEEL_TLS_VERIFY_NONE,
    KEEL_TLS_VERIFY_OPTIONAL, /* a certificate that is sent must be valid */
    KEEL_TLS_VERIFY_REQUIRED
};

/* PEM files: the certificate with its chain behind it, and the private key. */
struct keel_tls_certificate {
    const char *certificate;
    const char *key; /* NULL: the key is in the certificate's file */
    /* The rest is a server's. Certificates with one tag, for the same first name and with keys of
     * different types (RSA and ECDSA), serve together. */
    const char *const *names; /* they choose it, before the names that stand in certificates */
    unsigned name_count;
    const char *ocsp;            /* DER file of a response to staple (RFC 6066, 8); NULL: none */
    enum keel_tls_verify verify; /* what is asked of clients that came to it */
    const char *ca_file;         /* PEM: who may sign their certificates; NULL: nobody is asked */
    unsigned tag;                /* the caller's: keel_stream_tls_tag tells it */
};

#define KEEL_TLS_PIN_SIZE 32

struct keel_tls_options {
    bool client; /* for keel_stream_connect; otherwise for accepted connections */
    /* Server: at least one; the name that a client asks for (SNI) chooses, by `names` and by the
     * subject alternative names ("*.example.org" for one label); the first one serves everybody
     * else. Client: none, or the one to show. */
    const struct keel_tls_certificate *certificates;
    unsigned certificate_count;
    const char *const *alpn; /* "h2", "http/1.1", best first; server: a client without any of them
                                is refused (RFC 7301, 3.2), one without ALPN is not */
    unsigned alpn_count;
    enum keel_tls_version minimum;
    const char *ciphers; /* of TLS 1.2, in OpenSSL's language; NULL: for servers those with
                            ephemeral keys and authenticated encryption (RFC 9325, 4.2), for
                            clients OpenSSL's default */
    /* Server: where the content of a file is now; in messages it keeps its name. NULL: under it. */
    const char *(*locate)(const void *arg, const char *file);
    const void *locate_arg;
    bool insecure;       /* client: take any certificate, for tests */
    const char *ca_file; /* client: PEM of whom to trust, NULL: the system's list */
    /* Client: take the certificate whose public key this is the SHA-256 of (RFC 7858, 4.2), and no
     * other, whoever signed it and whatever names it has. NULL: trust as above. */
    const uint8_t *pin; /* KEEL_TLS_PIN_SIZE bytes */
};

/* Returns new in *out. KEEL_ENOMEM, KEEL_EINVAL (a contradiction in the options), or KEEL_ETLS with
 * the file and what is wrong with it in diag (may be NULL). A stapled response that is out of date
 * or not good is no error: keel_tls_context_staple_fault tells. */
int keel_tls_context_new(const struct keel_tls_options *options, struct keel_tls_context **out,
                         struct keel_diag *diag);
/* One more reference; returns context. */
struct keel_tls_context *keel_tls_context_ref(struct keel_tls_context *context);
/* Drops a reference; NULL is fine. */
void keel_tls_context_free(struct keel_tls_context *context);
/* 0, or KEEL_ETLS with diag when OpenSSL knows none of these ciphers. */
int keel_tls_check_ciphers(const char *ciphers, struct keel_diag *diag);
/* What certificate i of the options says, and what is stapled to it. */
struct keel_tls_certificate_info {
    const char *file, *name;        /* borrowed; name: the first it was given, or has; NULL: none */
    char names[1024];               /* that stand in it, with commas between; cut between two */
    char subject[512], issuer[512]; /* RFC 4514; "": too long */
    char serial[64], sha256[65];    /* hex; "": too long */
    char key[32];                   /* "EC 256" */
    int64_t not_before, not_after;  /* seconds since 1970 */
    const char *ocsp;               /* file of the response; NULL: none; borrowed */
    const char *ocsp_fault;         /* why it is not stapled; NULL: it was good when it was read */
    int64_t ocsp_until;             /* seconds since 1970; INT64_MAX: it does not say */
};
/* False: there is no such certificate. */
bool keel_tls_context_certificate(const struct keel_tls_context *context, unsigned i,
                                  struct keel_tls_certificate_info *out);
/* Why the response of certificate i of the options is not stapled; NULL: it is, or there is none.
 * Borrowed. */
const char *keel_tls_context_staple_fault(const struct keel_tls_context *context, unsigned i);
/* The file of a stapled response has another content now. 0, also when no certificate has that
 * file; an error with diag, and the old one stays. Responses up to KEEL_TLS_RESPONSE_MAX. */
#define KEEL_TLS_RESPONSE_MAX 65536
int keel_tls_context_restaple(struct keel_tls_context *context, const char *file, const void *bytes,
                              size_t size, struct keel_diag *diag);
/* Logs, once for each, what has ended or soon will: certificates and stapled responses. */
void keel_tls_context_report(struct keel_tls_context *context, uint64_t realtime_ns);

/* The secrets behind session tickets, of random bytes, the newest first: tickets are made with the
 * first and taken from all; one that came from another than the first is renewed. With the same
 * ones in all workers and generations a client resumes at any of them; without this call each
 * context has its own. A ticket is good only for the certificates and rules it was made under.
 * 0, KEEL_EINVAL (none, or too many) or KEEL_ETLS, and then nothing changed. */
#define KEEL_TLS_TICKET_SECRET 64
#define KEEL_TLS_TICKET_KEYS 4
int keel_tls_context_set_ticket_keys(struct keel_tls_context *context,
                                     const uint8_t (*secrets)[KEEL_TLS_TICKET_SECRET],
                                     unsigned count);
/* How long a session may be resumed; 2 hours without this call. At most 7 days (RFC 8446, 4.6.1).
 */
void keel_tls_context_set_ticket_lifetime(struct keel_tls_context *context, uint64_t lifetime_ns);

#endif
