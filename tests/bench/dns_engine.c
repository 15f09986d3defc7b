/*
 * Nanoseconds of CPU an answer takes in the engine alone, without a socket: batches of 64 random
 * queries over zones of N names, unsigned, with NSEC and with NSEC3. The signatures are made up.
 * Then each zone with a delta over it, and what it takes to make one.
 *
 *     tests/bench/dns_engine [N [ROUNDS]]
 */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum kind { UNSIGNED, NSEC, NSEC3, KINDS };
static const char *const origins[] = {"plain.bench", "nsec.bench", "nsec3.bench"};

#define BATCH 64
#define RRSIG_SIZE (18 + 1 + 64) /* signer: the root, to keep it simple; ECDSA P-256 */

struct making {
    struct dns_compiler *compiler;
    enum kind kind;
};

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "dns_engine: %s\n", what);
        exit(1);
    }
}

static void add(struct making *m, const struct dns_name *owner, uint16_t type, const void *rdata,
                size_t size)
{
    struct keel_diag diag;
    struct dns_scanned record = {.owner = owner,
                                 .type = type,
                                 .ttl = 60,
                                 .rdata = rdata,
                                 .rdata_size = (uint16_t)size,
                                 .file = "made",
                                 .line = 1};
    must(dns_compiler_add(m->compiler, &record, &diag) == 0, "a record was refused");
    if (m->kind != UNSIGNED && type != DNS_TYPE_RRSIG) {
        uint8_t signature[RRSIG_SIZE] = {(uint8_t)(type >> 8), (uint8_t)type, 13, 2};
        add(m, owner, DNS_TYPE_RRSIG, signature, sizeof signature);
    }
}

static void add_nsec3(struct making *m, const struct dns_name *apex, const uint8_t *hash)
{
    uint8_t rdata[5 + 21] = {1, 0, 0, 0, 0, 20}; /* no types, and the next hash is nobody's */
    char text[DNS_NAME_TEXT];
    struct dns_name owner;
    size_t n = 0;
    for (unsigned bit = 0; bit < 160; bit += 5) {
        unsigned two = (unsigned)hash[bit / 8] << 8 | (bit < 152 ? hash[bit / 8 + 1] : 0u);
        text[n++] = "0123456789abcdefghijklmnopqrstuv"[two >> (11 - bit % 8) & 31];
    }
    must(dns_name_from_text(&owner, (struct keel_str){text, n}, apex) == 0, "a hash is no name");
    add(m, &owner, DNS_TYPE_NSEC3, rdata, sizeof rdata);
}

static void add_denial(struct making *m, const struct dns_name *owner, const struct dns_name *apex)
{
    uint8_t hash[KEEL_SHA1_SIZE];
    if (m->kind == NSEC)
        add(m, owner, DNS_TYPE_NSEC, apex->bytes, apex->size);
    if (m->kind != NSEC3)
        return;
    keel_sha1(owner->bytes, owner->size, NULL, 0, hash);
    add_nsec3(m, apex, hash);
}

static void serve(struct dns_zones *zones, enum kind kind, unsigned count)
{
    struct dns_name apex, owner;
    struct dns_image *image;
    struct keel_diag diag;
    struct making m = {.kind = kind};
    uint8_t soa[22] = {0};
    struct timespec begin, end;
    dns_name_from_text(&apex, keel_str(origins[kind]), NULL);
    m.compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    add(&m, &apex, DNS_TYPE_SOA, soa, sizeof soa);
    add(&m, &apex, DNS_TYPE_NS, "\2ns\7example", 12);
    if (kind == NSEC3)
        add(&m, &apex, DNS_TYPE_NSEC3PARAM, "\1\0\0\0", 5);
    add_denial(&m, &apex, &apex);
    for (unsigned i = 0; i < count; i++) {
        char text[32];
        uint32_t address = i;
        snprintf(text, sizeof text, "host%07u", i);
        dns_name_from_text(&owner, keel_str(text), &apex);
        add(&m, &owner, DNS_TYPE_A, &address, 4);
        add_denial(&m, &owner, &apex);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    must(dns_compiler_finish(m.compiler, &image, &diag) == 0, diag.text);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    dns_compiler_free(m.compiler);
    must(dns_zones_add(zones, &apex, image, "made") == 0, "no memory");
    zones->items[zones->count - 1]->allow_query.any = true;
    printf("%-12s %u records, %.0f bytes each, compiled in %.2f s\n", origins[kind], image->records,
           (double)image->size / image->records,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
}

static size_t make_query(uint8_t *out, const char *text, bool dnssec)
{
    struct dns_name name;
    struct keel_writer w;
    dns_name_from_text(&name, keel_str(text), NULL);
    keel_writer_init(&w, out, 512);
    keel_write_bytes(&w, "\0\1\0\0\0\1\0\0\0\0\0\1", 12);
    keel_write_bytes(&w, name.bytes, name.size);
    keel_write_u32(&w, DNS_TYPE_A << 16 | DNS_CLASS_IN);
    dns_edns_build(&w, &(struct dns_edns){.udp_size = 1232, .dnssec_ok = dnssec});
    return keel_writer_offset(&w);
}

static void measure(const struct dns_zones *zones, enum kind kind, bool exists, bool dnssec,
                    unsigned count, unsigned rounds)
{
    static uint8_t queries[4096][512], reply[4096];
    static size_t sizes[4096];
    static struct dns_query batch[BATCH];
    struct dns_answer_context context = {.zones = zones, .udp_size = DNS_UDP_SIZE};
    struct keel_addr peer;
    struct keel_prng prng;
    struct timespec begin, end;
    size_t bytes = 0;
    double best = 0;

    keel_addr_set4(&peer, 0x7F000001, 53);
    keel_prng_seed(&prng, 1);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 4096; i++) {
            char text[64];
            snprintf(text, sizeof text, "host%07u%s.%s", keel_prng_below(&prng, count),
                     exists ? "" : "x", origins[kind]);
            sizes[i] = make_query(queries[i], text, dnssec);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        for (unsigned at = 0; at < 4096; at += BATCH) {
            for (unsigned i = 0; i < BATCH; i++)
                dns_query_read(&batch[i], &context, queries[at + i], sizes[at + i], &peer, false);
            for (unsigned i = 0; i < BATCH; i++)
                dns_query_prefetch(&batch[i]);
            for (unsigned i = 0; i < DNS_QUERY_AHEAD; i++)
                dns_query_prefetch_set(&batch[i]);
            for (unsigned i = 0; i < BATCH; i++) {
                if (i + DNS_QUERY_AHEAD < BATCH)
                    dns_query_prefetch_set(&batch[i + DNS_QUERY_AHEAD]);
                bytes += dns_query_answer(&batch[i], &context, reply, sizeof reply);
            }
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        double ns =
            ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
            4096;
        if (best == 0 || ns < best)
            best = ns;
    }
    printf("%-12s %-9s %-3s %6.0f ns  %4zu bytes\n", origins[kind], exists ? "exists" : "NXDOMAIN",
           dnssec ? "DO" : "", best, bytes / rounds / 4096);
}

/* --- deltas --- */

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Touches `count` names, every other one a new one, and says what their delta takes. */
static struct dns_image *make_delta(const struct dns_image *base, enum kind kind, uint32_t origin,
                                    unsigned names, unsigned count)
{
    struct dns_edit *edit = dns_edit_new(base);
    struct dns_image *delta = NULL;
    struct keel_diag diag;
    struct dns_name apex, owner;
    must(edit != NULL, "no memory");
    dns_name_from_text(&apex, keel_str(origins[kind]), NULL);
    double begin = cpu_ms();
    dns_edit_begin(edit);
    for (unsigned i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%07u", i % 2 ? "host" : "new", i * 7919u % names);
        dns_name_from_text(&owner, keel_str(text), &apex);
        must(dns_edit_add(edit, &(struct dns_diff_record){.owner = owner.bytes,
                                                          .owner_size = owner.size,
                                                          .type = DNS_TYPE_A,
                                                          .ttl = 60,
                                                          .rdata = (const uint8_t *)"\300\0\2\1",
                                                          .rdata_size = 4}) == 0,
             "a change was refused");
    }
    must(dns_edit_commit(edit, &diag) == 0, diag.text);
    double changed = cpu_ms();
    must(dns_edit_delta(edit, origin, 1u << 30, &delta, &diag) == 0, "no delta");
    double made = cpu_ms();
    printf("%-12s %u names touched: changes %.2f ms, delta %.2f ms, %u bytes\n", origins[kind],
           count, changed - begin, made - changed, delta->size);
    dns_edit_free(edit);
    return delta;
}

static void no_release(struct dns_version *version)
{
}

static void measure_delta(struct dns_zones *zones, enum kind kind, unsigned names, unsigned rounds)
{
    static struct dns_version version;
    struct dns_zone *zone = zones->items[kind];
    const struct dns_image *base = zone->image;
    uint32_t origin = (base->size + 4095u) & ~4095u;
    for (unsigned count = 64; count <= 4096 && count <= names; count *= 8) {
        struct dns_image *delta = make_delta(base, kind, origin, names, count);
        size_t space = (size_t)origin + delta->size;
        uint8_t *map =
            mmap(NULL, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(map != MAP_FAILED, "no memory");
        memcpy(map, base, base->size);
        memcpy(map + origin, delta, delta->size);
        struct dns_version *old = dns_version_hold(zone->version);
        version = (struct dns_version){
            .view = {(void *)map, (void *)(map + origin)}, .refs = 1, .release = no_release};
        dns_zone_set_version(zone, &version);
        for (int exists = 1; exists >= 0; exists--)
            measure(zones, kind, exists, kind != UNSIGNED, names, rounds);
        dns_zone_set_version(zone, old);
        munmap(map, space);
        keel_free(delta);
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 50;
    struct dns_zones zones;

    must(count > 0 && rounds > 0, "usage: dns_engine [N [ROUNDS]]");
    dns_zones_init(&zones, (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    for (unsigned kind = 0; kind < KINDS; kind++)
        serve(&zones, kind, count);
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (int exists = 1; exists >= 0; exists--)
            for (int dnssec = 0; dnssec <= (kind != UNSIGNED); dnssec++)
                measure(&zones, kind, exists, dnssec, count, rounds);
    for (unsigned kind = 0; kind < KINDS; kind++)
        measure_delta(&zones, kind, count, rounds);
    dns_zones_fini(&zones);
    return 0;
}
