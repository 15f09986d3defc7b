#include "dnsd/transfer/axfr.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/edit.h"
#include "suites.h"
#include "support.h"

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "tests/support/allocfail.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A zone changes at random, in steps. Behind each, what base and delta answer is compared with what
 * an image answers that was compiled anew, for every name that there is or could be. */

#define PAGE 4096u
#define SPACE ((size_t)64 << 20)
#define ADDED_MAX 4096

enum kind { PLAIN, NSEC, NSEC3, OPT_OUT, KINDS };

struct model {
    enum kind kind;
    struct keel_prng prng;
    struct dns_image *base;
    struct dns_edit *edit;
    uint8_t *space; /* the base, and behind it the delta */
    struct dns_zones served, fresh;
    uint32_t serial;
    unsigned steps, deltas, bases, refused;
    uint64_t compared;
};

/* --- names and records at random --- */

static const char *const labels[] = {"a", "b", "c", "*", "ns", "d-with-a-long-name-that-fills"};

static unsigned below(struct model *m, unsigned n)
{
    return (unsigned)keel_prng_below(&m->prng, n);
}

static void random_name(struct model *m, char *out, size_t room)
{
    unsigned depth = below(m, 4);
    size_t n = 0;
    while (depth-- > 0)
        n += (size_t)snprintf(out + n, room - n, "%s.", labels[below(m, below(m, 4) ? 5 : 6)]);
    snprintf(out + n, room - n, "z.");
}

static struct dns_name pick(struct model *m)
{
    char text[256];
    random_name(m, text, sizeof text);
    return support_name(text);
}

struct record {
    struct dns_name owner;
    uint16_t type, size;
    uint8_t rdata[600];
};

static struct dns_diff_record view_of(const struct record *r, uint32_t ttl)
{
    return (struct dns_diff_record){.owner = r->owner.bytes,
                                    .owner_size = r->owner.size,
                                    .type = r->type,
                                    .ttl = ttl,
                                    .rdata = r->rdata,
                                    .rdata_size = r->size};
}

static void put(struct record *r, const void *bytes, size_t size)
{
    memcpy(r->rdata + r->size, bytes, size);
    r->size = (uint16_t)(r->size + size);
}

static void put_name(struct model *m, struct record *r)
{
    struct dns_name name = below(m, 8) ? pick(m) : support_name("elsewhere.test.");
    put(r, name.bytes, name.size);
}

static void random_record(struct model *m, struct record *r)
{
    static const uint16_t types[] = {DNS_TYPE_A,     DNS_TYPE_A,     DNS_TYPE_A,   DNS_TYPE_AAAA,
                                     DNS_TYPE_NS,    DNS_TYPE_NS,    DNS_TYPE_MX,  DNS_TYPE_TXT,
                                     DNS_TYPE_CNAME, DNS_TYPE_DNAME, DNS_TYPE_SRV, DNS_TYPE_HTTPS,
                                     DNS_TYPE_RRSIG, DNS_TYPE_DS};
    uint8_t fill[32];
    for (unsigned i = 0; i < sizeof fill; i++)
        fill[i] = (uint8_t)below(m, 3);
    r->owner = pick(m);
    r->size = 0;
    r->type = types[below(m, sizeof types / sizeof types[0])];
    switch (r->type) {
    case DNS_TYPE_A:
        put(r, fill, 4);
        break;
    case DNS_TYPE_AAAA:
        put(r, fill, 16);
        break;
    case DNS_TYPE_MX:
        put(r, fill, 2);
        put_name(m, r);
        break;
    case DNS_TYPE_SRV:
        put(r, fill, 6);
        put_name(m, r);
        break;
    case DNS_TYPE_HTTPS:
        put(r, "\0\1", 2);
        if (below(m, 2))
            put(r, "", 1);
        else
            put_name(m, r);
        break;
    case DNS_TYPE_TXT:
        put(r, "\4text", 5);
        break;
    case DNS_TYPE_DS:
        put(r, "\0\1\15\2", 4);
        put(r, fill, 32);
        break;
    case DNS_TYPE_RRSIG: {
        uint16_t covered = types[below(m, 8)];
        uint8_t head[18] = {(uint8_t)(covered >> 8), (uint8_t)covered, 13, 1, [11] = fill[0]};
        put(r, head, sizeof head);
        put(r, "", 1);
        put(r, fill, 8);
        break;
    }
    default:
        put_name(m, r);
    }
}

/* --- the chain --- */

struct owner {
    struct dns_name name;
    bool ns, ds;
};
struct gathering {
    struct owner *owners;
    unsigned count;
    struct record *chain; /* the records of the chain that are there */
    unsigned chain_count;
};

static struct owner *owner_of(struct gathering *g, const struct dns_name *name)
{
    for (unsigned i = 0; i < g->count; i++)
        if (dns_name_compare(&g->owners[i].name, name) == 0)
            return &g->owners[i];
    ck_assert_uint_lt(g->count, ADDED_MAX);
    g->owners[g->count] = (struct owner){.name = *name};
    return &g->owners[g->count++];
}

static int gather(void *arg, const struct dns_diff_record *record)
{
    struct gathering *g = arg;
    struct dns_name name;
    dns_name_set(&name, record->owner);
    bool signs = record->type == DNS_TYPE_RRSIG && record->rdata_size > 18 + 1 + 8;
    if (record->type == DNS_TYPE_NSEC || record->type == DNS_TYPE_NSEC3 || signs) {
        struct record *r = &g->chain[g->chain_count++];
        ck_assert_uint_lt(g->chain_count, ADDED_MAX);
        *r = (struct record){.owner = name, .type = record->type, .size = record->rdata_size};
        memcpy(r->rdata, record->rdata, record->rdata_size);
        return 0;
    }
    struct owner *owner = owner_of(g, &name);
    owner->ns |= record->type == DNS_TYPE_NS && name.labels > 1;
    owner->ds |= record->type == DNS_TYPE_DS;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return dns_name_compare(&((const struct owner *)a)->name, &((const struct owner *)b)->name);
}

/* Names below cuts go out; with hashes empty names come in, and insecure cuts may stay out. */
static void choose_owners(struct gathering *g, enum kind kind)
{
    unsigned kept = 0;
    for (unsigned i = 0; kind != NSEC && i < g->count; i++)
        for (struct dns_name up = g->owners[i].name; up.labels > 1;) {
            struct dns_name next;
            dns_name_set(&next, up.bytes + up.offsets[1]);
            up = next;
            owner_of(g, &up);
        }
    qsort(g->owners, g->count, sizeof *g->owners, by_name);
    const struct dns_name *cut = NULL;
    struct dns_name cut_name;
    for (unsigned i = 0; i < g->count; i++) {
        struct owner owner = g->owners[i];
        if (cut && dns_name_in(&owner.name, cut))
            continue;
        if (owner.ns) {
            cut_name = owner.name;
            cut = &cut_name;
        }
        if (kind == OPT_OUT && owner.ns && !owner.ds)
            continue;
        g->owners[kept++] = owner;
    }
    g->count = kept;
}

struct hashed {
    uint8_t hash[KEEL_SHA1_SIZE];
};

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hashed));
}

static void hash_name(const struct dns_name *name, uint8_t hash[KEEL_SHA1_SIZE])
{
    keel_sha1(name->bytes, name->size, "\7\7", 2, hash);
    keel_sha1(hash, KEEL_SHA1_SIZE, "\7\7", 2, hash);
}

static struct dns_name hash_owner(const uint8_t *hash)
{
    char text[64];
    size_t n = 0;
    for (unsigned bit = 0; bit < 160; bit += 5) {
        unsigned two = (unsigned)hash[bit / 8] << 8 | (bit < 152 ? hash[bit / 8 + 1] : 0u);
        text[n++] = "0123456789abcdefghijklmnopqrstuv"[two >> (11 - bit % 8) & 31];
    }
    memcpy(text + n, ".z.", 4);
    return support_name(text);
}

static unsigned make_chain(const struct gathering *g, enum kind kind, struct record *wanted)
{
    static struct hashed hashes[ADDED_MAX];
    unsigned count = 0;
    for (unsigned i = 0; kind == NSEC && i < g->count; i++) {
        struct record *r = &wanted[count++];
        const struct dns_name *next = &g->owners[(i + 1) % g->count].name;
        *r = (struct record){.owner = g->owners[i].name, .type = DNS_TYPE_NSEC};
        put(r, next->bytes, next->size);
        put(r, "\0\1\100", 3);
    }
    if (kind == NSEC)
        return count;
    for (unsigned i = 0; i < g->count; i++)
        hash_name(&g->owners[i].name, hashes[i].hash);
    qsort(hashes, g->count, sizeof *hashes, by_hash);
    for (unsigned i = 0; i < g->count; i++) {
        struct record *r = &wanted[count++];
        *r = (struct record){.owner = hash_owner(hashes[i].hash), .type = DNS_TYPE_NSEC3};
        put(r, kind == OPT_OUT ? "\1\1\0\1\2\7\7\24" : "\1\0\0\1\2\7\7\24", 8);
        put(r, hashes[(i + 1) % g->count].hash, KEEL_SHA1_SIZE);
        r = &wanted[count++];
        *r = (struct record){.owner = wanted[count - 2].owner, .type = DNS_TYPE_RRSIG};
        const uint8_t head[18] = {0, DNS_TYPE_NSEC3, 13, 1};
        put(r, head, sizeof head);
        put(r, "", 1);
        put(r, hashes[i].hash, KEEL_SHA1_SIZE);
    }
    return count;
}

static bool has(const struct record *list, unsigned count, const struct record *r)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].type == r->type && list[i].size == r->size &&
            list[i].owner.size == r->owner.size &&
            memcmp(list[i].owner.bytes, r->owner.bytes, r->owner.size) == 0 &&
            memcmp(list[i].rdata, r->rdata, r->size) == 0)
            return true;
    return false;
}

/* As a signer would: the chain is that of what is there now. */
static void sign(struct model *m)
{
    static struct owner owners[ADDED_MAX];
    static struct record chain[ADDED_MAX], wanted[ADDED_MAX];
    struct gathering g = {owners, 0, chain, 0};
    ck_assert_int_eq(dns_edit_each(m->edit, gather, &g), 0);
    choose_owners(&g, m->kind);
    unsigned count = make_chain(&g, m->kind, wanted);
    for (unsigned i = 0; i < g.chain_count; i++)
        if (!has(wanted, count, &chain[i])) {
            struct dns_diff_record r = view_of(&chain[i], 60);
            ck_assert_int_eq(dns_edit_remove(m->edit, &r), 0);
        }
    for (unsigned i = 0; i < count; i++)
        if (!has(chain, g.chain_count, &wanted[i])) {
            struct dns_diff_record r = view_of(&wanted[i], 60);
            ck_assert_int_eq(dns_edit_add(m->edit, &r), 0);
        }
}

/* --- steps --- */

static void add_soa(struct model *m)
{
    struct record r = {.owner = support_name("z."), .type = DNS_TYPE_SOA};
    uint8_t numbers[20] = {[19] = 5};
    keel_put_u32(numbers, ++m->serial);
    put(&r, "\2ns\1z\0\1h\1z\0", 11);
    put(&r, numbers, sizeof numbers);
    struct dns_diff_record record = view_of(&r, 300);
    ck_assert_int_eq(dns_edit_add(m->edit, &record), 0);
}

static void change(struct model *m)
{
    struct record r;
    random_record(m, &r);
    uint32_t ttl = 60 * (1 + below(m, 3));
    struct dns_diff_record record = view_of(&r, ttl);
    bool apex = r.owner.labels == 1;
    switch (below(m, 5)) {
    case 0: /* a whole name */
        record.rdata = NULL;
        record.type = 0;
        if (!apex)
            dns_edit_remove(m->edit, &record);
        break;
    case 1: /* a set */
        record.rdata = NULL;
        if (!apex || record.type != DNS_TYPE_NS)
            dns_edit_remove(m->edit, &record);
        break;
    case 2:
        if (r.type == DNS_TYPE_CNAME && !apex) { /* alone, or it is refused */
            struct dns_diff_record all = record;
            all.rdata = NULL;
            all.type = 0;
            dns_edit_remove(m->edit, &all);
        } /* fallthrough */
    default:
        dns_edit_add(m->edit, &record);
    }
}

static bool step(struct model *m)
{
    struct keel_diag diag = {""};
    dns_edit_begin(m->edit);
    for (unsigned n = 1 + below(m, 6); n > 0; n--)
        change(m);
    add_soa(m);
    if (m->kind != PLAIN)
        sign(m);
    int err = dns_edit_commit(m->edit, &diag);
    ck_assert_msg(err == 0 || err == KEEL_EINVAL, "%s", diag.text);
    if (err)
        dns_edit_rollback(m->edit);
    m->refused += err != 0;
    return err == 0;
}

/* --- comparing --- */

#define LINES 600
struct lines {
    unsigned count;
    char *items[LINES];
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_lines(struct lines *lines, const uint8_t *reply, size_t size)
{
    static const char *const titles[] = {"answer", "authority", "additional"};
    size_t offset = DNS_HEADER_SIZE, flat_size;
    struct dns_name question;
    struct dns_record record;
    static uint8_t flat[UINT16_MAX];
    lines->count = 0;
    if (keel_get_u16(reply + 4)) {
        ck_assert_int_eq(dns_name_parse_compressed(&question, reply, size, &offset), 0);
        offset += 4;
    }
    for (unsigned s = 0; s < 3; s++)
        for (unsigned i = keel_get_u16(reply + 6 + 2 * s); i > 0; i--) {
            ck_assert_int_eq(dns_record_parse(&record, reply, size, &offset), 0);
            if (record.type == DNS_TYPE_OPT)
                continue;
            ck_assert_int_eq(dns_rdata_parse(record.type, reply, record.rdata, record.rdata_size,
                                             flat, &flat_size),
                             0);
            char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
            dns_name_to_text(name, record.owner.bytes);
            dns_type_format(type, record.type);
            size_t room = strlen(name) + 2 * flat_size + 64;
            char *text = malloc(room);
            size_t n =
                (size_t)snprintf(text, room, "%s %s %u %s ", titles[s], name, record.ttl, type);
            for (size_t k = 0; k < flat_size; k++)
                n += (size_t)snprintf(text + n, room - n, "%02x", flat[k]);
            ck_assert_uint_lt(lines->count, LINES);
            lines->items[lines->count++] = text;
        }
    qsort(lines->items, lines->count, sizeof(char *), by_text);
}

static void free_lines(struct lines *lines)
{
    for (unsigned i = 0; i < lines->count; i++)
        free(lines->items[i]);
}

static void say(const char *title, const struct lines *lines)
{
    for (unsigned i = 0; i < lines->count; i++)
        fprintf(stderr, "# %s: %s\n", title, lines->items[i]);
}

static void compare(struct model *m, const char *name, uint16_t type, bool dnssec, bool tcp)
{
    static uint8_t query[1024], a[UINT16_MAX], b[UINT16_MAX];
    struct dns_answer_context served = {.zones = &m->served, .udp_size = DNS_UDP_SIZE},
                              fresh = {.zones = &m->fresh, .udp_size = DNS_UDP_SIZE};
    size_t size = support_query(query, sizeof query, name, type, 1232);
    if (dnssec)
        query[size - 4] = 0x80; /* DO, in the OPT record at the end */
    size_t n = dns_query_process(&served, query, size, &support_peer, tcp, a, sizeof a);
    size_t k = dns_query_process(&fresh, query, size, &support_peer, tcp, b, sizeof b);
    m->compared++;
    if (n == k && memcmp(a, b, n) == 0)
        return;
    static struct lines x, y;
    bool same = memcmp(a, b, 4) == 0;
    read_lines(&x, a, n);
    read_lines(&y, b, k);
    same = same && x.count == y.count;
    for (unsigned i = 0; same && i < x.count; i++)
        same = strcmp(x.items[i], y.items[i]) == 0;
    if (!same) {
        char text[DNS_TYPE_TEXT];
        fprintf(stderr, "# kind %d step %u: %s %s%s\n", m->kind, m->steps, name,
                dns_type_format(text, type), dnssec ? " DO" : "");
        fprintf(stderr, "# flags %04x %04x\n", keel_get_u16(a + 2), keel_get_u16(b + 2));
        say("delta", &x);
        say("fresh", &y);
    }
    free_lines(&x);
    free_lines(&y);
    ck_assert_msg(same, "an answer over a delta differs");
}

static void compare_all(struct model *m, unsigned questions)
{
    static const uint16_t types[] = {DNS_TYPE_A,     DNS_TYPE_AAAA, DNS_TYPE_NS,    DNS_TYPE_CNAME,
                                     DNS_TYPE_DNAME, DNS_TYPE_MX,   DNS_TYPE_SRV,   DNS_TYPE_TXT,
                                     DNS_TYPE_DS,    DNS_TYPE_SOA,  DNS_TYPE_HTTPS, DNS_TYPE_ANY,
                                     DNS_TYPE_NSEC,  DNS_TYPE_NSEC, DNS_TYPE_RRSIG};
    char name[256];
    for (unsigned i = 0; i < questions; i++) {
        random_name(m, name, sizeof name);
        if (below(m, 6) == 0) { /* one that is surely not there */
            char more[260];
            snprintf(more, sizeof more, "x%u.%s", below(m, 1000), name);
            memcpy(name, more, 255);
        }
        uint16_t type = types[below(m, sizeof types / sizeof types[0])];
        compare(m, name, type, m->kind != PLAIN && below(m, 4), below(m, 2));
    }
}

/* Every record of the zone as a transfer has it. */
static void transfer(const struct dns_zones *zones, struct lines *all)
{
    static uint8_t query[512], out[UINT16_MAX];
    struct dns_answer_context context = {.zones = zones, .udp_size = DNS_UDP_SIZE};
    struct dns_query q;
    struct dns_axfr axfr;
    struct lines *lines = malloc(sizeof *lines);
    size_t size = support_query(query, sizeof query, "z.", DNS_TYPE_AXFR, 0), n;
    dns_query_read(&q, &context, query, size, &support_peer, true);
    ck_assert_int_eq(q.transfer, DNS_TRANSFER_ZONE);
    dns_axfr_start(&axfr, &q, DNS_UDP_SIZE);
    all->count = 0;
    while (dns_axfr_next(&axfr, out, &n, 0) == 0) {
        read_lines(lines, out, n);
        for (unsigned i = 0; i < lines->count; i++) {
            ck_assert_uint_lt(all->count, LINES);
            all->items[all->count++] = lines->items[i];
        }
    }
    free(lines);
    qsort(all->items, all->count, sizeof(char *), by_text);
}

static void compare_transfers(struct model *m)
{
    static struct lines x, y;
    transfer(&m->served, &x);
    transfer(&m->fresh, &y);
    bool same = x.count == y.count;
    for (unsigned i = 0; same && i < x.count; i++)
        same = strcmp(x.items[i], y.items[i]) == 0;
    if (!same) {
        say("delta", &x);
        say("fresh", &y);
    }
    free_lines(&x);
    free_lines(&y);
    ck_assert_msg(same, "a transfer over a delta differs");
}

/* --- the run --- */

static void no_release(struct dns_version *version)
{
}

static struct dns_version version_of_space, version_of_fresh;

static void place_base(struct model *m)
{
    memcpy(m->space, m->base, m->base->size);
}

static void serve(struct dns_zones *zones, struct dns_version *version,
                  const struct dns_image *base, const struct dns_image *delta)
{
    *version = (struct dns_version){
        .view = {.base = base, .delta = delta}, .refs = 1, .release = no_release};
    dns_zone_set_version(zones->items[0], version);
}

static void start(struct model *m, enum kind kind, uint64_t seed)
{
    *m = (struct model){.kind = kind, .serial = 7};
    struct dns_name apex = support_name("z.");
    keel_prng_seed(&m->prng, seed);
    m->space = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(m->space, MAP_FAILED);
    m->base = support_image("z.", "$TTL 60\n@ 300 SOA ns h 7 0 0 0 5\n@ NS ns\nns A 192.0.2.1\n");
    m->edit = dns_edit_new(m->base);
    ck_assert_ptr_nonnull(m->edit);
    support_zones_init(&m->served);
    support_zones_init(&m->fresh);
    ck_assert_int_eq(dns_zones_add(&m->served, &apex, NULL, "z"), 0);
    ck_assert_int_eq(dns_zones_add(&m->fresh, &apex, NULL, "z"), 0);
    m->served.items[0]->allow_transfer.any = m->fresh.items[0]->allow_transfer.any = true;
    place_base(m);
    if (kind == NSEC3 || kind == OPT_OUT) {
        struct keel_diag diag;
        struct record r = {.owner = apex, .type = DNS_TYPE_NSEC3PARAM};
        put(&r, "\1\0\0\1\2\7\7", 7);
        struct dns_diff_record record = view_of(&r, 60);
        dns_edit_begin(m->edit);
        ck_assert_int_eq(dns_edit_add(m->edit, &record), 0);
        sign(m);
        ck_assert_int_eq(dns_edit_commit(m->edit, &diag), 0);
    }
}

static void stop(struct model *m)
{
    dns_zones_fini(&m->served);
    dns_zones_fini(&m->fresh);
    dns_edit_free(m->edit);
    keel_free(m->base);
    munmap(m->space, SPACE);
}

static struct dns_image *compile(const struct dns_edit *edit)
{
    struct keel_diag diag = {""};
    struct dns_image *image = NULL;
    int err = dns_edit_image(edit, (struct keel_hash_key){5, 6}, &image, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    return image;
}

/* What was touched up to now becomes the base, while one more step is made. */
static void merge(struct model *m)
{
    struct dns_edit *snapshot = dns_edit_snapshot(m->edit);
    ck_assert_ptr_nonnull(snapshot);
    step(m);
    struct dns_image *image = compile(snapshot);
    ck_assert_int_eq(dns_edit_rebase(m->edit, snapshot, image), 0);
    dns_edit_free(snapshot);
    keel_free(m->base);
    m->base = image;
    m->bases++;
    place_base(m);
}

static void look(struct model *m, unsigned questions)
{
    struct keel_diag diag = {""};
    struct dns_image *delta = NULL, *image = compile(m->edit);
    uint32_t origin = (m->base->size + PAGE - 1) / PAGE * PAGE + PAGE * below(m, 3);
    int err = dns_edit_delta(m->edit, origin, SPACE - origin, &delta, &diag);
    if (err == KEEL_ENOSPC) { /* the way of denying has changed */
        keel_free(image);
        merge(m);
        return;
    }
    ck_assert_msg(err == 0, "%s", diag.text);
    m->deltas += delta != NULL;
    if (delta) {
        memcpy(m->space + origin, delta, delta->size);
        ck_assert_uint_eq(delta->records, image->records);
        ck_assert_uint_eq(delta->serial, image->serial);
        ck_assert_uint_eq(delta->signatures, image->signatures);
        ck_assert_uint_ge(delta->max_labels, image->max_labels);
        ck_assert_uint_eq(delta->denial, image->denial);
    }
    serve(&m->served, &version_of_space, (void *)m->space,
          delta ? (void *)(m->space + origin) : NULL);
    serve(&m->fresh, &version_of_fresh, image, NULL);
    compare_all(m, questions);
    compare_transfers(m);
    struct dns_diff diff;
    dns_diff_init(&diff);
    ck_assert_int_eq(dns_view_difference(&version_of_space.view, &version_of_fresh.view, &diff),
                     KEEL_EEXIST);
    dns_diff_fini(&diff);
    keel_free(delta);
    keel_free(image);
}

static void play(enum kind kind, uint64_t seed, unsigned steps, unsigned questions)
{
    struct model m;
    start(&m, kind, seed);
    for (; m.steps < steps; m.steps++) {
        if (!step(&m))
            continue;
        if (below(&m, 40) == 0)
            merge(&m);
        look(&m, questions);
    }
    ck_assert_uint_gt(m.deltas, steps / 4);
    if (getenv("KEEL_TEST_STEPS"))
        fprintf(stderr, "# kind %d: %u steps, %u deltas, %u bases, %u refused, %llu answers\n",
                kind, m.steps, m.deltas, m.bases, m.refused, (unsigned long long)m.compared);
    stop(&m);
}

START_TEST(answers_as_an_image_made_anew)
{
    const char *more = getenv("KEEL_TEST_STEPS");
    for (uint64_t seed = 1; seed <= (more ? 10 : 2); seed++)
        play((enum kind)_i, seed, more ? (unsigned)atoi(more) : 40, 300);
}
END_TEST

START_TEST(too_much_is_no_delta)
{
    struct keel_diag diag;
    struct dns_image *delta = NULL;
    struct model m;
    start(&m, PLAIN, 1);
    uint32_t origin = (m.base->size + PAGE - 1) / PAGE * PAGE;
    ck_assert_int_eq(dns_edit_delta(m.edit, origin, SPACE, &delta, &diag), 0);
    ck_assert_ptr_null(delta); /* nothing is touched */
    while (!step(&m))
        ;
    ck_assert_int_eq(dns_edit_delta(m.edit, origin, 256, &delta, &diag), KEEL_ENOSPC);
    ck_assert_ptr_null(delta);
    stop(&m);
}
END_TEST

static int sweep(void *arg)
{
    struct model *m = arg;
    struct keel_diag diag;
    struct dns_image *delta = NULL;
    int err = dns_edit_delta(m->edit, PAGE * 4, SPACE, &delta, &diag);
    keel_free(delta);
    return err;
}

START_TEST(survives_every_failing_allocation)
{
    struct model m;
    start(&m, (enum kind)_i, 3);
    for (unsigned n = 0; n < 8;)
        n += step(&m);
    if (m.kind != PLAIN)
        merge(&m);
    for (unsigned n = 0; n < 4;)
        n += step(&m);
    ck_assert_uint_gt(allocfail_sweep(sweep, &m), 10);
    stop(&m);
}
END_TEST

Suite *delta_suite(void)
{
    Suite *s = suite_create("dnsd/zone/delta");
    TCase *t = tcase_create("delta");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, answers_as_an_image_made_anew, 0, KINDS);
    tcase_add_test(t, too_much_is_no_delta);
    tcase_add_loop_test(t, survives_every_failing_allocation, 0, KINDS);
    suite_add_tcase(s, t);
    return s;
}
