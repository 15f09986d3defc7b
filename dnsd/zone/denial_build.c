#include "dnsd/zone/denial_build.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"

#include <stdarg.h>
#include <stdio.h>

#define SET_HEAD 12       /* bytes of a record in a set before its rdata */
#define HASH_SHA1 1       /* RFC 5155, 11 */
#define HASH_TEXT 32      /* a SHA-1 in base32 */
#define NSEC3_FLAGS_MAX 1 /* opt-out is the only flag known (RFC 5155, 3.1.2) */

struct build {
    struct keel_buf *block;
    dns_zone_warning warn;
    void *arg;
    struct keel_diag *diag;
};

/* The block may have moved since the last append. */
static struct dns_image *image_of(const struct build *b)
{
    return (struct dns_image *)keel_buf_bytes(b->block);
}

static int no_memory(const struct build *b)
{
    return keel_diag_memory(b->diag);
}

static void __attribute__((format(printf, 2, 3))) say(const struct build *b, const char *fmt, ...)
{
    char text[DNS_NAME_TEXT + 256];
    va_list ap;
    if (!b->warn)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    b->warn(b->arg, text);
}

/* The first of something that is wrong, and how many there are. */
struct finding {
    uint32_t count;
    const struct dns_node *node;
    uint16_t type;
};

static void find_one(struct finding *f, const struct dns_node *node, uint16_t type)
{
    if (f->count++ == 0) {
        f->node = node;
        f->type = type;
    }
}

static void say_finding(const struct build *b, const struct finding *f, const char *what)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT] = "";
    if (f->count == 0)
        return;
    dns_name_to_text(name, dns_node_name(image_of(b), f->node));
    if (f->type)
        dns_type_format(type, f->type);
    say(b, "%u %s; the first is %s%s%s", f->count, what, name, f->type ? " " : "", type);
}

/* Appends size bytes, 8-aligned and cleared; where they begin in *at. */
static int append_table(struct build *b, size_t size, uint32_t *at)
{
    size_t before = keel_buf_size(b->block), padding = -before & 7;
    /* offsets have 32 bits */
    uint8_t *p =
        before + padding + size < UINT32_MAX ? keel_buf_reserve(b->block, padding + size) : NULL;
    if (!p)
        return no_memory(b);
    memset(p, 0, padding + size);
    keel_buf_commit(b->block, padding + size);
    *at = (uint32_t)(before + padding);
    return 0;
}

/* --- NSEC --- */

static bool in_chain(const struct dns_image *image, const struct dns_node *node,
                     const struct dns_set **set)
{
    return !(node->flags & DNS_NODE_BELOW_CUT) &&
           (*set = dns_node_set(image, node, DNS_TYPE_NSEC)) != NULL;
}

/* Nodes stand in canonical order as the entries do: one walk finds all own ones. */
static void fill_nsec_proofs(const struct dns_image *image, struct dns_node_proof *proofs)
{
    const struct dns_nsec *chain = dns_image_nsec(image);
    struct dns_name star = {.size = 3, .labels = 1, .offsets = {0, 2}, .bytes = "\1*"}, name;
    for (uint32_t i = 0, at = 0; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        while (at + 1 < image->chain_count && chain[at + 1].node <= i)
            at++;
        proofs[i].own = proofs[i].wildcard = at;
        /* nothing can be below a name that leaves no room */
        if (!(node->flags & (DNS_NODE_BELOW_CUT | DNS_NODE_CUT)) &&
            dns_name_join(&name, &star, 1, dns_node_name(image, node), node->name_size) == 0)
            proofs[i].wildcard = dns_nsec_find(image, &name);
    }
}

static int build_nsec(struct build *b)
{
    const struct dns_image *image = image_of(b);
    const struct dns_set *set;
    struct dns_name name;
    uint32_t count = 0, at;

    for (uint32_t i = 0; i < image->node_count; i++)
        count += in_chain(image, dns_image_node(image, i), &set);
    int err = append_table(b, count * sizeof(struct dns_nsec), &at);
    if (err)
        return err;
    image = image_of(b);
    struct dns_nsec *entry = (struct dns_nsec *)(keel_buf_bytes(b->block) + at);
    for (uint32_t i = 0; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        if (!in_chain(image, node, &set))
            continue;
        dns_name_set(&name, dns_node_name(image, node));
        *entry++ = (struct dns_nsec){dns_nsec_prefix(image, &name), i,
                                     (uint32_t)((const uint8_t *)set - (const uint8_t *)image)};
    }
    image_of(b)->chain_at = at;
    image_of(b)->chain_count = count;
    if ((err = append_table(b, image_of(b)->node_count * sizeof(struct dns_node_proof), &at)) != 0)
        return err;
    image_of(b)->proofs_at = at;
    fill_nsec_proofs(image_of(b), (struct dns_node_proof *)(keel_buf_bytes(b->block) + at));
    image_of(b)->denial = DNS_DENIAL_NSEC;
    return 0;
}

/* --- NSEC3 --- */

/* What an NSEC3 and an NSEC3PARAM have in common, from their rdata (checked). */
struct parameters {
    uint8_t algorithm, flags, salt_size;
    uint16_t iterations;
    const uint8_t *salt;
};

static struct parameters read_parameters(const uint8_t *rdata)
{
    return (struct parameters){rdata[0], rdata[1], rdata[4], keel_get_u16(rdata + 2), rdata + 5};
}

static bool same_parameters(const struct parameters *a, const struct parameters *b)
{
    return a->algorithm == b->algorithm && a->iterations == b->iterations &&
           a->salt_size == b->salt_size && memcmp(a->salt, b->salt, a->salt_size) == 0;
}

bool dns_nsec3_read_hash(const uint8_t *label, uint8_t hash[KEEL_SHA1_SIZE])
{
    if (label[0] != HASH_TEXT)
        return false;
    uint64_t bits = 0;
    for (unsigned i = 0; i < HASH_TEXT; i++) {
        uint8_t c = label[1 + i];
        unsigned v = 32;
        if (c >= '0' && c <= '9')
            v = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'v')
            v = (unsigned)(c - 'a') + 10;
        if (v == 32)
            return false;
        bits = bits << 5 | v;
        if (i % 8 == 7)
            for (unsigned k = 0; k < 5; k++)
                hash[i / 8 * 5 + k] = (uint8_t)(bits >> (32 - 8 * k));
    }
    return true;
}

/* The node is a hash of a chain with these parameters. */
static bool in_hashes(const struct dns_image *image, const struct dns_node *node,
                      const struct parameters *wanted, uint8_t hash[KEEL_SHA1_SIZE])
{
    if (!(node->flags & DNS_NODE_NSEC3) || !dns_nsec3_read_hash(dns_node_name(image, node), hash))
        return false;
    const struct dns_set *set = dns_node_set(image, node, DNS_TYPE_NSEC3);
    struct parameters own = read_parameters(set->bytes + SET_HEAD);
    return set->count == 1 && own.flags <= NSEC3_FLAGS_MAX && same_parameters(&own, wanted);
}

/* Base32hex keeps the order of bytes, so canonical order is the order of the hashes. */
static uint32_t fill_hashes(const struct dns_image *image, const struct parameters *wanted,
                            struct dns_nsec3 *entries)
{
    uint32_t count = 0;
    struct dns_nsec3 entry;
    for (uint32_t i = 0; i < image->node_count; i++)
        if (in_hashes(image, dns_image_node(image, i), wanted, entry.hash)) {
            entry.node = i;
            if (entries)
                entries[count] = entry;
            count++;
        }
    return count;
}

static void fill_buckets(const struct dns_image *image, uint32_t *buckets, uint32_t count)
{
    const struct dns_nsec3 *entries = dns_image_nsec3(image);
    uint32_t i = 0;
    for (uint32_t k = 0; k < count; k++) {
        while (i < image->chain_count &&
               ((uint64_t)keel_get_u32(entries[i].hash) << 32) >> image->bucket_shift < k)
            i++;
        buckets[k] = i;
    }
}

static void fill_nsec3_proofs(const struct dns_image *image, struct dns_node_proof *proofs)
{
    uint8_t hash[KEEL_SHA1_SIZE], wild[DNS_NAME_MAX + 2] = "\1*";
    for (uint32_t i = 0; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        const uint8_t *name = dns_node_name(image, node);
        if (node->flags & (DNS_NODE_NSEC3 | DNS_NODE_BELOW_CUT))
            continue; /* nobody asks about these */
        dns_nsec3_hash(image, name, node->name_size, hash);
        proofs[i].own = dns_nsec3_find(image, hash);
        if (node->flags & DNS_NODE_CUT)
            continue;
        memcpy(wild + 2, name, node->name_size);
        dns_nsec3_hash(image, wild, node->name_size + 2u, hash);
        proofs[i].wildcard = dns_nsec3_find(image, hash);
    }
}

static int build_nsec3(struct build *b, const struct parameters *p)
{
    uint32_t at, bits = 1;
    uint8_t salt[UINT8_MAX];
    memcpy(salt, p->salt, p->salt_size); /* the block will move */
    struct parameters own = *p;
    own.salt = salt;

    uint32_t count = fill_hashes(image_of(b), &own, NULL);
    int err = append_table(b, own.salt_size, &at);
    if (err)
        return err;
    memcpy(keel_buf_bytes(b->block) + at, salt, own.salt_size);
    image_of(b)->salt_at = at;
    image_of(b)->salt_size = own.salt_size;
    image_of(b)->iterations = own.iterations;
    if ((err = append_table(b, count * sizeof(struct dns_nsec3), &at)) != 0)
        return err;
    image_of(b)->chain_at = at;
    image_of(b)->chain_count = count;
    fill_hashes(image_of(b), &own, (struct dns_nsec3 *)(keel_buf_bytes(b->block) + at));
    while (bits < 31 && 1u << bits < count / 2)
        bits++;
    image_of(b)->bucket_shift = 64 - bits;
    if ((err = append_table(b, sizeof(uint32_t) << bits, &at)) != 0)
        return err;
    image_of(b)->buckets_at = at;
    fill_buckets(image_of(b), (uint32_t *)(keel_buf_bytes(b->block) + at), 1u << bits);
    if ((err = append_table(b, image_of(b)->node_count * sizeof(struct dns_node_proof), &at)) != 0)
        return err;
    image_of(b)->proofs_at = at;
    fill_nsec3_proofs(image_of(b), (struct dns_node_proof *)(keel_buf_bytes(b->block) + at));
    image_of(b)->denial = DNS_DENIAL_NSEC3;
    return 0;
}

/* Only a chain that knows the apex can deny anything. */
static bool knows_apex(const struct dns_image *image, const struct parameters *p)
{
    const struct dns_node *apex = dns_image_apex(image);
    uint8_t hash[KEEL_SHA1_SIZE], own[KEEL_SHA1_SIZE];
    keel_sha1(dns_node_name(image, apex), apex->name_size, p->salt, p->salt_size, hash);
    for (unsigned i = 0; i < p->iterations; i++)
        keel_sha1(hash, sizeof hash, p->salt, p->salt_size, hash);
    for (uint32_t i = 0; i < image->node_count; i++)
        if (in_hashes(image, dns_image_node(image, i), p, own) && memcmp(own, hash, 20) == 0)
            return true;
    return false;
}

/* Chooses among the NSEC3PARAM records of the apex. 1: *chosen is set, 0: none is of use. */
static int choose_parameters(const struct build *b, struct parameters *chosen)
{
    const struct dns_image *image = image_of(b);
    const struct dns_set *set = dns_node_set(image, dns_image_apex(image), DNS_TYPE_NSEC3PARAM);
    const uint8_t *p = set ? set->bytes : NULL;

    for (unsigned i = 0; set && i < set->count; i++) {
        *chosen = read_parameters(p + SET_HEAD);
        p += SET_HEAD + keel_get_u16(p + 10);
        if (chosen->algorithm != HASH_SHA1 || chosen->flags != 0) { /* RFC 5155, 4.1.2 */
            say(b, "an NSEC3PARAM with algorithm %u and flags %u is not used", chosen->algorithm,
                chosen->flags);
            continue;
        }
        if (chosen->iterations > DNS_NSEC3_ITERATIONS_MAX)
            return keel_diag_set(b->diag, KEEL_EINVAL,
                                 "NSEC3PARAM: %u iterations; more than %u are not allowed "
                                 "(RFC 5155, 10.3)",
                                 chosen->iterations, DNS_NSEC3_ITERATIONS_MAX);
        if (!knows_apex(image, chosen)) {
            say(b, "there are no NSEC3 records for the NSEC3PARAM with %u iterations",
                chosen->iterations);
            continue;
        }
        if (chosen->iterations > 0)
            say(b,
                "NSEC3PARAM: %u iterations cost time and protect nothing; 0 is right "
                "(RFC 9276, 3.1)",
                chosen->iterations);
        return 1;
    }
    return 0;
}

/* --- how well it is signed --- */

/* A set that must be signed: authoritative, and not a delegation. */
static bool wants_signature(const struct dns_node *node, uint16_t type)
{
    return type != DNS_TYPE_RRSIG && !(node->flags & DNS_NODE_BELOW_CUT) &&
           !(node->flags & DNS_NODE_CUT && type == DNS_TYPE_NS);
}

static void note_expiration(struct dns_image *image, const struct dns_set *set)
{
    const uint8_t *p = set->bytes;
    for (unsigned i = 0; i < set->count; i++) {
        uint32_t expires = keel_get_u32(p + SET_HEAD + 8);
        /* serial arithmetic (RFC 4034, 3.1.5) */
        if (image->signatures == 0 || (int32_t)(expires - image->signed_until) < 0)
            image->signed_until = expires;
        image->signatures++;
        p += SET_HEAD + keel_get_u16(p + 10);
    }
}

/* Looks at all sets: counts signatures, and tells of sets without. */
static void check_signatures(const struct build *b)
{
    struct dns_image *image = image_of(b);
    struct finding unsigned_sets = {0};
    for (uint32_t i = 0; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        const struct dns_set *set = NULL;
        while ((set = dns_node_next_set(image, node, set))) {
            if (set->type == DNS_TYPE_RRSIG)
                note_expiration(image, set);
            else if (!(set->flags & DNS_SET_SIGNED) && wants_signature(node, set->type))
                find_one(&unsigned_sets, node, set->type);
        }
    }
    if (image->signatures > 0)
        say_finding(b, &unsigned_sets, "RRsets have no signature");
}

static bool has_sets(const struct dns_node *node)
{
    return node->set_count > 0 && !(node->flags & (DNS_NODE_NSEC3 | DNS_NODE_BELOW_CUT));
}

/* Names that the chain does not know. With opt-out a delegation may be missing. */
static void check_chain(const struct build *b)
{
    const struct dns_image *image = image_of(b);
    struct finding missing = {0};
    for (uint32_t i = 0; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        if (!has_sets(node))
            continue;
        if (image->denial == DNS_DENIAL_NSEC) {
            if (!dns_node_set(image, node, DNS_TYPE_NSEC))
                find_one(&missing, node, 0);
        } else if (!(dns_image_proofs(image)[i].own & DNS_PROOF_MATCH) &&
                   (!(node->flags & DNS_NODE_CUT) || dns_node_set(image, node, DNS_TYPE_DS))) {
            find_one(&missing, node, 0);
        }
    }
    say_finding(b, &missing,
                image->denial == DNS_DENIAL_NSEC ? "names have no NSEC" : "names have no NSEC3");
}

int dns_denial_build(struct keel_buf *block, dns_zone_warning warn, void *arg,
                     struct keel_diag *diag)
{
    struct build b = {block, warn, arg, diag};
    const struct dns_image *image = image_of(&b);
    struct parameters parameters;

    check_signatures(&b);
    int err = choose_parameters(&b, &parameters);
    if (err < 0)
        return err;
    if (err == 1)
        err = build_nsec3(&b, &parameters);
    else if (dns_node_set(image, dns_image_apex(image), DNS_TYPE_NSEC))
        err = build_nsec(&b);
    if (err)
        return err;
    if (image_of(&b)->denial != DNS_DENIAL_NONE)
        check_chain(&b);
    else if (image_of(&b)->signatures > 0)
        say(&b, "there are signatures, but no NSEC or NSEC3 that denies what is not there");
    return 0;
}
