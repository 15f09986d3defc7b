#include "dnsd/wire/tsig.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"

#define LEAST_MAC 10 /* RFC 8945, 5.2.2.1 */
/* Of the record: type, class, TTL, length; of its rdata: time, fudge, sizes, ID, error. */
#define RECORD_FIXED 10
#define RDATA_FIXED 16
#define TIME_SIZE 6
#define TIME_MASK 0xFFFFFFFFFFFFull

static const struct {
    const char *name; /* flat; the literal's NUL is the root */
    uint8_t name_size;
    enum keel_digest digest;
} algorithms[DNS_TSIG_ALGORITHMS] = {
    [DNS_HMAC_SHA1] = {"\011hmac-sha1", 11, KEEL_SHA1},
    [DNS_HMAC_SHA224] = {"\013hmac-sha224", 13, KEEL_SHA224},
    [DNS_HMAC_SHA256] = {"\013hmac-sha256", 13, KEEL_SHA256},
    [DNS_HMAC_SHA384] = {"\013hmac-sha384", 13, KEEL_SHA384},
    [DNS_HMAC_SHA512] = {"\013hmac-sha512", 13, KEEL_SHA512},
};

const char *dns_tsig_error_name(unsigned error)
{
    switch (error) {
    case 0:
        return "NOERROR";
    case DNS_TSIG_BADSIG:
        return "BADSIG";
    case DNS_TSIG_BADKEY:
        return "BADKEY";
    case DNS_TSIG_BADTIME:
        return "BADTIME";
    case DNS_TSIG_BADTRUNC:
        return "BADTRUNC";
    default:
        return "unknown";
    }
}

size_t dns_tsig_mac_size(enum dns_tsig_algorithm algorithm)
{
    return keel_digest_size(algorithms[algorithm].digest);
}

size_t dns_tsig_mac_least(enum dns_tsig_algorithm algorithm)
{
    size_t half = dns_tsig_mac_size(algorithm) / 2;
    return half > LEAST_MAC ? half : LEAST_MAC;
}

/* --- keys --- */

void dns_tsig_keys_init(struct dns_tsig_keys *keys, struct keel_hash_key hash)
{
    keel_table_init(&keys->by_name);
    keys->hash = hash;
}

void dns_tsig_keys_fini(struct dns_tsig_keys *keys)
{
    size_t cursor = 0;
    struct dns_tsig_key *key;
    while ((key = keel_table_next(&keys->by_name, &cursor))) {
        keel_hmac_key_free(key->hmac);
        keel_free(key);
    }
    keel_table_fini(&keys->by_name);
}

static int key_equal(const void *value, const void *name, size_t size)
{
    const struct dns_tsig_key *key = value;
    return key->name.size == size && memcmp(key->name.bytes, name, size) == 0;
}

const struct dns_tsig_key *dns_tsig_keys_find(const struct dns_tsig_keys *keys,
                                              const struct dns_name *name)
{
    return keel_table_find(&keys->by_name, keel_hash(&keys->hash, name->bytes, name->size),
                           name->bytes, name->size, key_equal);
}

int dns_tsig_keys_add(struct dns_tsig_keys *keys, const struct dns_name *name,
                      enum dns_tsig_algorithm algorithm, const void *secret, size_t secret_size,
                      size_t mac_size)
{
    size_t whole = dns_tsig_mac_size(algorithm);
    if (mac_size == 0)
        mac_size = whole;
    if (mac_size < dns_tsig_mac_least(algorithm) || mac_size > whole)
        return KEEL_ERANGE;
    struct dns_tsig_key *key = keel_calloc(1, sizeof *key);
    if (!key)
        return KEEL_ENOMEM;
    key->name = *name;
    dns_name_lower(&key->name);
    key->algorithm = algorithm;
    key->mac_size = (uint16_t)mac_size;
    int err = dns_tsig_keys_find(keys, &key->name) ? KEEL_EEXIST : 0;
    if (err == 0) {
        key->hmac = keel_hmac_key_new(algorithms[algorithm].digest, secret, secret_size);
        err = key->hmac
                  ? keel_table_add(&keys->by_name,
                                   keel_hash(&keys->hash, key->name.bytes, key->name.size), key)
                  : KEEL_ENOMEM;
    }
    if (err) {
        keel_hmac_key_free(key->hmac);
        keel_free(key);
    }
    return err;
}

/* --- the record --- */

int dns_tsig_parse(struct dns_tsig *tsig, const uint8_t *message, size_t size, size_t at)
{
    struct dns_record record;
    struct keel_reader r;
    if (dns_record_parse(&record, message, size, &at) != 0 || at != size)
        return KEEL_EINVAL;
    if (record.type != DNS_TYPE_TSIG || record.class != DNS_CLASS_ANY || record.ttl != 0)
        return KEEL_EINVAL;
    tsig->key = record.owner;
    dns_name_lower(&tsig->key);
    keel_reader_init(&r, record.rdata, record.rdata_size);
    if (dns_name_parse_lower(&tsig->algorithm, &r) != 0)
        return KEEL_EINVAL;
    tsig->time = keel_read_u48(&r);
    tsig->fudge = keel_read_u16(&r);
    tsig->mac_size = keel_read_u16(&r);
    tsig->mac = keel_read_bytes(&r, tsig->mac_size);
    tsig->original_id = keel_read_u16(&r);
    tsig->error = keel_read_u16(&r);
    tsig->other_size = keel_read_u16(&r);
    tsig->other = keel_read_bytes(&r, tsig->other_size);
    return r.bad || keel_reader_left(&r) > 0 ? KEEL_EINVAL : 0;
}

int dns_tsig_find(const uint8_t *message, size_t size, size_t *at)
{
    struct dns_record record;
    struct dns_name name;
    size_t offset = DNS_HEADER_SIZE;

    *at = 0;
    if (size < DNS_HEADER_SIZE || size > UINT16_MAX)
        return KEEL_EINVAL;
    for (unsigned i = keel_get_u16(message + 4); i > 0; i--) {
        if (dns_name_parse_compressed(&name, message, size, &offset) != 0 || size - offset < 4)
            return KEEL_EINVAL;
        offset += 4;
    }
    unsigned before = keel_get_u16(message + 6) + (unsigned)keel_get_u16(message + 8);
    unsigned all = before + keel_get_u16(message + 10);
    for (unsigned i = 0; i < all; i++) {
        size_t start = offset;
        if (dns_record_parse(&record, message, size, &offset) != 0)
            return KEEL_EINVAL;
        if (record.type != DNS_TYPE_TSIG)
            continue;
        if (i < before || i + 1 < all)
            return KEEL_EINVAL;
        *at = start;
    }
    return offset == size ? 0 : KEEL_EINVAL;
}

/* --- the signature (RFC 8945, 4.3) --- */

/* What of the record is signed. */
struct variables {
    uint64_t time;
    uint16_t fudge, error, other_size;
    const uint8_t *other;
};

static void update_u16(struct keel_hmac_key *hmac, unsigned v)
{
    uint8_t bytes[2];
    keel_put_u16(bytes, (uint16_t)v);
    keel_hmac_update(hmac, bytes, sizeof bytes);
}

static void update_variables(const struct dns_tsig_session *session, const struct variables *v)
{
    const struct dns_tsig_key *key = session->key;
    uint8_t bytes[TIME_SIZE + 2];
    struct keel_writer w;

    if (!session->later) {
        keel_hmac_update(key->hmac, key->name.bytes, key->name.size);
        keel_hmac_update(key->hmac, "\0\377\0\0\0\0", 6); /* class ANY, TTL 0 */
        keel_hmac_update(key->hmac, algorithms[key->algorithm].name,
                         algorithms[key->algorithm].name_size);
    }
    keel_writer_init(&w, bytes, sizeof bytes);
    keel_write_u48(&w, v->time);
    keel_write_u16(&w, v->fudge);
    keel_hmac_update(key->hmac, bytes, sizeof bytes);
    if (session->later)
        return;
    update_u16(key->hmac, v->error);
    update_u16(key->hmac, v->other_size);
    keel_hmac_update(key->hmac, v->other, v->other_size);
}

/* Of a message whose TSIG record stands at `at` and is counted in the header, or is none of both
 * yet. before: unsigned messages that come with it. mac has KEEL_DIGEST_MAX bytes. */
static int compute(const struct dns_tsig_session *session, struct keel_str before,
                   const uint8_t *message, size_t at, uint16_t id, bool counted,
                   const struct variables *v, uint8_t *mac)
{
    struct keel_hmac_key *hmac = session->key->hmac;
    uint8_t header[DNS_HEADER_SIZE];

    keel_hmac_begin(hmac);
    if (session->last_size > 0) {
        update_u16(hmac, session->last_size);
        keel_hmac_update(hmac, session->last, session->last_size);
    }
    keel_hmac_update(hmac, before.p, before.n);
    memcpy(header, message, sizeof header);
    keel_put_u16(header, id);
    keel_put_u16(header + 10, (uint16_t)(keel_get_u16(message + 10) - (counted ? 1 : 0)));
    keel_hmac_update(hmac, header, sizeof header);
    keel_hmac_update(hmac, message + sizeof header, at - sizeof header);
    update_variables(session, v);
    return keel_hmac_final(hmac, mac);
}

static void keep_mac(struct dns_tsig_session *session, const uint8_t *mac, size_t size)
{
    memcpy(session->last, mac, size);
    session->last_size = (uint16_t)size;
}

static uint16_t room_of(size_t key, size_t algorithm, size_t mac, size_t other)
{
    return (uint16_t)(key + RECORD_FIXED + algorithm + RDATA_FIXED + mac + other);
}

static bool key_matches(const struct dns_tsig_key *key, const struct dns_tsig *tsig)
{
    return tsig->algorithm.size == algorithms[key->algorithm].name_size &&
           memcmp(tsig->algorithm.bytes, algorithms[key->algorithm].name, tsig->algorithm.size) ==
               0;
}

static bool time_fits(const struct dns_tsig *tsig, uint64_t now)
{
    uint64_t apart = now > tsig->time ? now - tsig->time : tsig->time - now;
    return apart <= tsig->fudge;
}

/* --- as a server --- */

/* The reply has a TSIG record without a MAC. */
static enum dns_rcode refuse(struct dns_tsig_session *session, const struct dns_tsig *tsig,
                             enum dns_tsig_error error)
{
    session->key = NULL;
    session->error = error;
    session->room = room_of(tsig->key.size, tsig->algorithm.size, 0, 0);
    return DNS_NOTAUTH;
}

enum dns_rcode dns_tsig_accept(struct dns_tsig_session *session, const struct dns_tsig_keys *keys,
                               const uint8_t *message, size_t size, size_t at, uint64_t now)
{
    struct dns_tsig tsig;
    uint8_t mac[KEEL_DIGEST_MAX];

    dns_tsig_none(session);
    if (dns_tsig_parse(&tsig, message, size, at) != 0)
        return DNS_FORMERR;
    session->signs = true;
    session->later = false;
    session->last_size = 0;
    session->time = tsig.time;
    session->request = message;
    session->request_size = (uint16_t)size;
    session->request_at = (uint16_t)at;
    const struct dns_tsig_key *key = keys ? dns_tsig_keys_find(keys, &tsig.key) : NULL;
    if (!key || !key_matches(key, &tsig))
        return refuse(session, &tsig, DNS_TSIG_BADKEY);
    if (tsig.mac_size > dns_tsig_mac_size(key->algorithm) ||
        tsig.mac_size < dns_tsig_mac_least(key->algorithm)) {
        dns_tsig_none(session);
        return DNS_FORMERR;
    }
    const struct variables v = {tsig.time, tsig.fudge, tsig.error, tsig.other_size, tsig.other};
    session->key = key;
    if (compute(session, KEEL_STR(""), message, at, tsig.original_id, true, &v, mac) != 0 ||
        !keel_equal_secret(mac, tsig.mac, tsig.mac_size))
        return refuse(session, &tsig, DNS_TSIG_BADSIG);
    keep_mac(session, tsig.mac, tsig.mac_size);
    /* a client that takes cut MACs gets them as long as its own, or as our policy wants them */
    session->mac_size = tsig.mac_size > key->mac_size ? tsig.mac_size : key->mac_size;
    if (!time_fits(&tsig, now))
        session->error = DNS_TSIG_BADTIME;
    else if (tsig.mac_size < key->mac_size)
        session->error = DNS_TSIG_BADTRUNC;
    else
        session->request = NULL;
    session->room = room_of(key->name.size, algorithms[key->algorithm].name_size, session->mac_size,
                            session->error == DNS_TSIG_BADTIME ? TIME_SIZE : 0);
    return session->error ? DNS_NOTAUTH : DNS_NOERROR;
}

/* What follows the owner. */
static void write_record(struct keel_writer *w, const void *algorithm, size_t algorithm_size,
                         const struct variables *v, const uint8_t *mac, size_t mac_size)
{
    uint16_t id = keel_get_u16(w->start);
    keel_write_u16(w, DNS_TYPE_TSIG);
    keel_write_u16(w, DNS_CLASS_ANY);
    keel_write_u32(w, 0);
    keel_write_u16(w, (uint16_t)(algorithm_size + RDATA_FIXED + mac_size + v->other_size));
    keel_write_bytes(w, algorithm, algorithm_size);
    keel_write_u48(w, v->time);
    keel_write_u16(w, v->fudge);
    keel_write_u16(w, (uint16_t)mac_size);
    keel_write_bytes(w, mac, mac_size);
    keel_write_u16(w, id);
    keel_write_u16(w, v->error);
    keel_write_u16(w, v->other_size);
    keel_write_bytes(w, v->other, v->other_size);
    KEEL_ASSERT(!w->bad, "no room was left for the TSIG record");
    keel_put_u16(w->start + 10, (uint16_t)(keel_get_u16(w->start + 10) + 1));
}

/* Writes the name with a pointer into the question for the labels that they share at the end: a
 * request may have written it so, and its answer shall not be longer than it. */
static void write_compressed(struct keel_writer *w, const struct dns_name *name)
{
    struct dns_name question;
    size_t at = DNS_HEADER_SIZE;
    unsigned shared = 0;
    if (keel_get_u16(w->start + 4) == 1 &&
        dns_name_parse_compressed(&question, w->start, keel_writer_offset(w), &at) == 0) {
        dns_name_lower(&question);
        shared = name->labels < question.labels ? name->labels : question.labels;
    }
    for (; shared > 0; shared--) {
        unsigned mine = name->offsets[name->labels - shared];
        unsigned theirs = question.offsets[question.labels - shared];
        size_t size = (size_t)name->size - mine;
        if (size == (size_t)question.size - theirs &&
            memcmp(name->bytes + mine, question.bytes + theirs, size) == 0) {
            keel_write_bytes(w, name->bytes, mine);
            keel_write_u16(w, (uint16_t)(0xC000 | (DNS_HEADER_SIZE + theirs)));
            return;
        }
    }
    keel_write_bytes(w, name->bytes, name->size);
}

/* BADKEY and BADSIG must not be signed: the names come back as they came (RFC 8945, 5.3.2). */
static void append_unsigned(const struct dns_tsig_session *session, struct keel_writer *w)
{
    struct dns_tsig tsig;
    int err = dns_tsig_parse(&tsig, session->request, session->request_size, session->request_at);
    KEEL_ASSERT(err == 0, "a TSIG record that was read before is malformed");
    const struct variables v = {.time = tsig.time, .fudge = tsig.fudge, .error = session->error};
    write_compressed(w, &tsig.key);
    write_record(w, tsig.algorithm.bytes, tsig.algorithm.size, &v, NULL, 0);
}

int dns_tsig_sign(struct dns_tsig_session *session, struct keel_writer *w, uint64_t now)
{
    const struct dns_tsig_key *key = session->key;
    uint8_t mac[KEEL_DIGEST_MAX], time[TIME_SIZE];
    struct variables v = {now & TIME_MASK, DNS_TSIG_FUDGE, session->error, 0, NULL};

    if (!session->signs)
        return 0;
    if (!key) {
        append_unsigned(session, w);
        return 0;
    }
    if (session->error == DNS_TSIG_BADTIME) { /* RFC 8945, 5.2.3: its time, and ours behind it */
        struct keel_writer clock;
        keel_writer_init(&clock, time, sizeof time);
        keel_write_u48(&clock, v.time);
        v.other = time;
        v.other_size = sizeof time;
        v.time = session->time;
    }
    if (compute(session, KEEL_STR(""), w->start, keel_writer_offset(w), keel_get_u16(w->start),
                false, &v, mac))
        return KEEL_ENOTSUP;
    keel_write_bytes(w, key->name.bytes, key->name.size);
    write_record(w, algorithms[key->algorithm].name, algorithms[key->algorithm].name_size, &v, mac,
                 session->mac_size);
    /* a client's request is the first message, and so is the reply to it */
    session->later = session->last_size > 0;
    keep_mac(session, mac, session->mac_size);
    return 0;
}

/* --- as a client --- */

void dns_tsig_open(struct dns_tsig_session *session, const struct dns_tsig_key *key)
{
    *session = (struct dns_tsig_session){.key = key, .signs = true, .mac_size = key->mac_size};
    session->room = room_of(key->name.size, algorithms[key->algorithm].name_size, key->mac_size, 0);
}

static int reject(unsigned *error, unsigned why)
{
    if (error)
        *error = why;
    return KEEL_EACCES;
}

int dns_tsig_verify(struct dns_tsig_session *session, const uint8_t *message, size_t size,
                    uint64_t now, unsigned *error)
{
    return dns_tsig_verify_all(session, KEEL_STR(""), message, size, now, error);
}

int dns_tsig_verify_all(struct dns_tsig_session *session, struct keel_str unsigned_,
                        const uint8_t *message, size_t size, uint64_t now, unsigned *error)
{
    const struct dns_tsig_key *key = session->key;
    uint8_t mac[KEEL_DIGEST_MAX];
    struct dns_tsig tsig;
    size_t at;

    if (dns_tsig_find(message, size, &at) != 0)
        return KEEL_EINVAL;
    if (at == 0)
        return KEEL_ENOENT;
    if (dns_tsig_parse(&tsig, message, size, at) != 0)
        return KEEL_EINVAL;
    if (tsig.key.size != key->name.size ||
        memcmp(tsig.key.bytes, key->name.bytes, key->name.size) != 0 || !key_matches(key, &tsig))
        return reject(error, DNS_TSIG_BADKEY);
    if (tsig.mac_size == 0 && tsig.error != 0)
        return reject(error, tsig.error);
    if (tsig.mac_size > dns_tsig_mac_size(key->algorithm) || tsig.mac_size < key->mac_size)
        return reject(error, DNS_TSIG_BADTRUNC);
    const struct variables v = {tsig.time, tsig.fudge, tsig.error, tsig.other_size, tsig.other};
    if (compute(session, unsigned_, message, at, tsig.original_id, true, &v, mac) != 0 ||
        !keel_equal_secret(mac, tsig.mac, tsig.mac_size))
        return reject(error, DNS_TSIG_BADSIG);
    if (tsig.error != 0)
        return reject(error, tsig.error);
    if (!time_fits(&tsig, now))
        return reject(error, DNS_TSIG_BADTIME);
    keep_mac(session, tsig.mac, tsig.mac_size);
    session->later = true;
    return 0;
}
