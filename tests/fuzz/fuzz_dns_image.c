/*
 * Bytes as an image file, and an image with some of its bytes changed: nothing is read outside, and
 * what passes the check answers every question without leaving its bytes.
 *
 *     first byte even: the rest is a file; odd: the rest is {offset 3, value 1} ... of an image
 */
#include "common/base/mem.h"
#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/image_check.h"
#include "dnsd/zone/image_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char zone_text[] =
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n@ MX 1 mail.ns\n@ MX 2 other.test.\nns A 192.0.2.1\n"
    "* TXT x\na.b CNAME c.d\nd DNAME e\nsub NS ns.sub\nns.sub AAAA ::1\n_s._tcp SRV 1 2 3 ns\n"
    "a-rather-long-name-that-does-not-stand-in-its-node.b A 192.0.2.1\n@ NSEC a.b NS SOA\n"
    "a.b NSEC z. CNAME\n";

static int no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                    char **opened, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOENT, "no files here");
}

static struct dns_image *compile(void)
{
    struct dns_name apex;
    struct dns_image *image = NULL;
    struct keel_diag diag;
    dns_name_from_text(&apex, KEEL_STR("z"), NULL);
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {no_files, dns_compiler_add, compiler};
    if (dns_scan_text(keel_str(zone_text), "z", &apex, &io, &diag) != 0 ||
        dns_compiler_finish(compiler, &image, &diag) != 0)
        abort();
    dns_compiler_free(compiler);
    return image;
}

static void ask(const struct dns_zones *zones, const char *text, uint16_t type)
{
    static uint8_t reply[UINT16_MAX];
    struct dns_answer_context context = {.zones = zones, .udp_size = DNS_UDP_SIZE};
    struct keel_addr peer;
    struct keel_writer w;
    struct dns_name name;
    uint8_t query[512];
    keel_addr_set4(&peer, 0x7F000001, 53);
    dns_name_from_text(&name, keel_str(text), NULL);
    keel_writer_init(&w, query, sizeof query);
    keel_write_bytes(&w, "\0\1\0\0\0\1\0\0\0\0\0\1", 12);
    keel_write_bytes(&w, name.bytes, name.size);
    keel_write_u32(&w, (uint32_t)type << 16 | DNS_CLASS_IN);
    dns_edns_build(&w, &(struct dns_edns){.udp_size = 4096, .dnssec_ok = true});
    dns_query_process(&context, query, keel_writer_offset(&w), &peer, true, reply, sizeof reply);
}

static void serve(struct dns_image *image)
{
    static const char *const names[] = {"z",     "ns.z",       "x.z",     "a.b.z", "c.d.z",
                                        "y.d.z", "ns.sub.z",   "q.sub.z", "b.z",   "_s._tcp.z",
                                        "x.b.z", "mail.ns.z.", "c.ns.z",  "sub.z"};
    static const uint16_t types[] = {DNS_TYPE_A,    DNS_TYPE_NS,  DNS_TYPE_MX, DNS_TYPE_SRV,
                                     DNS_TYPE_NSEC, DNS_TYPE_ANY, DNS_TYPE_DS};
    struct dns_zones zones;
    struct dns_name apex;
    dns_zones_init(&zones, (struct keel_hash_key){1, 2});
    dns_name_from_text(&apex, KEEL_STR("z"), NULL);
    if (dns_zones_add(&zones, &apex, image, "z") != 0)
        abort();
    zones.items[0]->allow_query.any = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
            ask(&zones, names[i], types[k]);
    dns_zones_fini(&zones);
}

static void try_changed(const uint8_t *bytes, size_t size)
{
    static struct dns_image *good;
    struct keel_diag diag = {""};
    if (!good)
        good = compile();
    struct dns_image *image = keel_memdup(good, good->size);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        uint32_t at = keel_get_u32(bytes + i) >> 8;
        ((uint8_t *)image)[at % good->size] = bytes[i + 3];
    }
    int err = dns_image_check(image, good->size, &diag);
    if (err && diag.text[0] == '\0')
        abort();
    const struct dns_node *apex = err ? NULL : dns_image_apex(image);
    if (!err && apex->name_size == 3 && memcmp(dns_node_name(image, apex), "\1z", 3) == 0)
        serve(image);
    else
        keel_free(image);
}

static void try_file(const uint8_t *bytes, size_t size)
{
    struct dns_image_file file;
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    uint8_t *copy = aligned_alloc(64, (size + 64) & ~(size_t)63);
    memcpy(copy, bytes, size);
    if (dns_image_file_open(&file, copy, size, &diag) == 0)
        for (unsigned i = 0; i < file.count; i++) {
            dns_image_file_zone(&file, i, &zone);
            for (unsigned k = 0; k < zone.source_count; k++) {
                struct dns_source source;
                dns_image_file_source(&file, &zone, k, &source);
            }
            dns_image_file_image(&file, &zone, &diag);
        }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (bytes[0] % 2)
        try_changed(bytes + 1, size - 1);
    else
        try_file(bytes + 1, size - 1);
    return 0;
}
