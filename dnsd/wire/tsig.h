/*
 * TSIG: messages signed with a secret that both sides know (RFC 8945). The record, the keys, and
 * the session: what the signatures of one exchange build on.
 *
 * A server that got a signed message:
 *     dns_tsig_accept(&session, keys, message, ...)      its rcode and session.error
 *     ... the reply is built, session.room bytes left free ...
 *     dns_tsig_sign(&session, &reply, now)               again for every message of a stream
 * A client:
 *     dns_tsig_open(&session, key); dns_tsig_sign(&session, &request, now);
 *     dns_tsig_verify(&session, reply, ...)              again for every message of a stream
 */
#ifndef DNSD_WIRE_TSIG_H
#define DNSD_WIRE_TSIG_H

#include "common/base/digest.h"
#include "common/base/hash.h"
#include "dnsd/wire/message.h"

/* Values of the error field beside the rcodes (RFC 8945, 3). */
enum dns_tsig_error {
    DNS_TSIG_BADSIG = 16,
    DNS_TSIG_BADKEY = 17,
    DNS_TSIG_BADTIME = 18,
    DNS_TSIG_BADTRUNC = 22,
};
/* "BADSIG" and so on; "NOERROR" for 0. Static storage. */
const char *dns_tsig_error_name(unsigned error);

/* RFC 8945, 6, without HMAC-MD5, which must not be used. */
enum dns_tsig_algorithm {
    DNS_HMAC_SHA1,
    DNS_HMAC_SHA224,
    DNS_HMAC_SHA256,
    DNS_HMAC_SHA384,
    DNS_HMAC_SHA512,
    DNS_TSIG_ALGORITHMS
};
/* The names in this order, as a configuration writes them. */
#define DNS_TSIG_ALGORITHM_NAMES "hmac-sha1|hmac-sha224|hmac-sha256|hmac-sha384|hmac-sha512"
/* Bytes of a whole MAC, and of the shortest that may be cut from it (RFC 8945, 5.2.2.1). */
size_t dns_tsig_mac_size(enum dns_tsig_algorithm algorithm);
size_t dns_tsig_mac_least(enum dns_tsig_algorithm algorithm);

#define DNS_TSIG_FUDGE 300 /* seconds; what RFC 8945, 10 recommends */

struct dns_tsig_key {
    struct dns_name name; /* lower-cased */
    enum dns_tsig_algorithm algorithm;
    uint16_t mac_size; /* bytes that we send, and the fewest that we take */
    struct keel_hmac_key *hmac;
};

/* The keys that are known, by name. */
struct dns_tsig_keys {
    struct keel_table by_name;
    struct keel_hash_key hash;
};
void dns_tsig_keys_init(struct dns_tsig_keys *keys, struct keel_hash_key hash);
void dns_tsig_keys_fini(struct dns_tsig_keys *keys);
/* Copies all. mac_size 0: whole MACs. KEEL_EEXIST, KEEL_ENOMEM, or KEEL_ERANGE (mac_size). */
int dns_tsig_keys_add(struct dns_tsig_keys *keys, const struct dns_name *name,
                      enum dns_tsig_algorithm algorithm, const void *secret, size_t secret_size,
                      size_t mac_size);
/* name is lower-cased. NULL: unknown. */
const struct dns_tsig_key *dns_tsig_keys_find(const struct dns_tsig_keys *keys,
                                              const struct dns_name *name);

/* A TSIG record as it stands in a message. */
struct dns_tsig {
    struct dns_name key, algorithm; /* lower-cased */
    uint64_t time;                  /* seconds since 1970, 48 bits */
    uint16_t fudge, original_id, error;
    uint16_t mac_size, other_size;
    const uint8_t *mac, *other; /* in the message */
};
/* Reads the record at `at`, which must be the last of the message: class ANY, TTL 0, its rdata
 * filled exactly. 0 or KEEL_EINVAL. */
int dns_tsig_parse(struct dns_tsig *tsig, const uint8_t *message, size_t size, size_t at);
/* Where the TSIG record of any message stands, 0: it has none. KEEL_EINVAL: malformed, or a TSIG
 * record that is not the last of the additional section. */
int dns_tsig_find(const uint8_t *message, size_t size, size_t *at);

struct dns_tsig_session {
    const struct dns_tsig_key *key; /* NULL: no signature; borrowed from the keys */
    bool signs;                     /* what we send carries a TSIG record */
    bool later;                     /* behind the first message: only the time is signed with it */
    uint16_t error;                 /* of the request */
    uint16_t room;                  /* bytes that the record takes in what we send */
    uint16_t mac_size;              /* of the MACs that we send */
    uint16_t last_size;             /* of the last MAC, either way; 0: none yet */
    uint8_t last[KEEL_DIGEST_MAX];
    uint64_t time;          /* BADTIME: what the client says */
    const uint8_t *request; /* an error is answered with the names that stand here; else NULL */
    uint16_t request_size, request_at;
};

/* No TSIG: nothing is signed. */
static inline void dns_tsig_none(struct dns_tsig_session *session)
{
    session->key = NULL;
    session->signs = false;
    session->error = 0;
    session->room = 0;
}

/* Judges a request whose TSIG record stands at `at` (RFC 8945, 5.2): DNS_NOERROR: session->key
 * signed it; DNS_NOTAUTH: session->error says why; DNS_FORMERR: nothing is signed. Borrows message
 * until the reply is signed. now: seconds since 1970. */
enum dns_rcode dns_tsig_accept(struct dns_tsig_session *session, const struct dns_tsig_keys *keys,
                               const uint8_t *message, size_t size, size_t at, uint64_t now);
/* Begins an exchange as its client. */
void dns_tsig_open(struct dns_tsig_session *session, const struct dns_tsig_key *key);
/* Appends the record to the message in w, whose header is complete, and counts it there. w has
 * session->room bytes left. Does nothing when the session does not sign. 0, or KEEL_ENOTSUP when
 * libcrypto fails: the message must not be sent. */
int dns_tsig_sign(struct dns_tsig_session *session, struct keel_writer *w, uint64_t now);
/* Checks a reply (RFC 8945, 5.3 and 5.4.1): 0; KEEL_EINVAL: malformed; KEEL_ENOENT: not signed;
 * KEEL_EACCES: not by this key, or too far from now; then *error, which may be NULL, is what the
 * server said (unproven) or what we say. */
int dns_tsig_verify(struct dns_tsig_session *session, const uint8_t *message, size_t size,
                    uint64_t now, unsigned *error);
/* The same for a message of a stream in which not all are signed (RFC 8945, 5.3.1): `unsigned_` are
 * the whole messages since the last signed one, one behind the other, which this one proves too. */
int dns_tsig_verify_all(struct dns_tsig_session *session, struct keel_str unsigned_,
                        const uint8_t *message, size_t size, uint64_t now, unsigned *error);
#define DNS_TSIG_UNSIGNED_MAX 99 /* messages between two signed ones */

#endif
