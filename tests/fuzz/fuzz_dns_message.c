/*
 * dns_query_process and zone transfers over any bytes: the answer to whatever comes must itself be
 * a message that the strict reader takes, within its room.
 */
#include "dnsd/transfer/axfr.h"
#include "dnsd/zone/compile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char zone_text[] =
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n@ NS ns.other.\n@ MX 1 a\n@ MX 2 m.other.\n"
    "@ MX 3 n.other.\nns A 192.0.2.1\nns AAAA ::1\na A 192.0.2.2\n* TXT w\nc CNAME a\n"
    "l CNAME k\nk CNAME l\nd DNAME e\na.e A 192.0.2.3\ns NS ns.s\nns.s A 192.0.2.4\n"
    "x.y.z A 192.0.2.5\n*.w CNAME q.d\n$GENERATE 1-90 b A 192.0.2.$\n";

/* Signed, in the eyes of who does not verify: one zone with NSEC, one with NSEC3 and opt-out. */
#define SIGNATURE(type) " RRSIG " type " 13 2 60 20300101000000 20200101000000 1 . AAAA\n"
static const char
    nsec_text[] = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@" SIGNATURE("SOA") "@ NS ns\n@" SIGNATURE("NS") "@ NSEC a NS SOA RRSIG NSEC\n@" SIGNATURE("NSEC") "a A 192.0.2.1\na" SIGNATURE(
        "A") "a NSEC s NS A RRSIG NSEC\na" SIGNATURE("NSEC") "x.e A 192.0.2.2\n*.w A "
                                                             "192.0.2.3\n*.w" SIGNATURE(
                                                                 "A") "*.w "
                                                                      "NSEC "
                                                                      "s "
                                                                      "A\n*."
                                                                      "w" SIGNATURE(
                                                                          "NSEC") "*.c CNAME "
                                                                                  "q.w\nd NS a\nd "
                                                                                  "NSEC e NS\n"
                                                                                  "f NS a\nf DS 1 "
                                                                                  "13 2 "
                                                                                  "00\nf" SIGNATURE(
                                                                                      "DS") "g "
                                                                                            "DNAME "
                                                                                            "w\n"
                                                                                            "g" SIGNATURE(
                                                                                                "DN"
                                                                                                "AM"
                                                                                                "E");
static const char nsec3_text[] = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@" SIGNATURE(
    "SOA") "@ NS a\n@ NSEC3PARAM 1 0 0 -\n"
           "a A 192.0.2.1\na" SIGNATURE(
               "A") "x.e NS ns.other.\n*.w A 192.0.2.3\nd NS a\n*.c CNAME q.w\n"
                    "p6gb3qk6sttlnmo4l2g1hvkljet7utf7 NSEC3 1 1 0 - "
                    "mdgaaqhjo8ipt2csvh2lu0i76ai9j1fe NS SOA\n"
                    "p6gb3qk6sttlnmo4l2g1hvkljet7utf7" SIGNATURE(
                        "NSEC3") "mdgaaqhjo8ipt2csvh2lu0i76ai9j1fe NSEC3 1 1 0 - "
                                 "p6gb3qk6sttlnmo4l2g1hvkljet7utf7 A\n";

static int no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                    char **opened, struct keel_diag *diag)
{
    return KEEL_ENOENT;
}

static void serve(struct dns_zones *zones, const char *origin, const char *text)
{
    struct dns_name apex;
    struct dns_image *image;
    struct keel_diag diag;
    dns_name_from_text(&apex, keel_str(origin), NULL);
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {no_files, dns_compiler_add, compiler};
    if (dns_scan_text(keel_str(text), origin, &apex, &io, &diag) != 0 ||
        dns_compiler_finish(compiler, &image, &diag) != 0 ||
        dns_zones_add(zones, &apex, image, origin) != 0)
        abort();
    dns_compiler_free(compiler);
    zones->items[zones->count - 1]->allow_transfer.any = true;
}

/* Every record of the reply can be read, and nothing is behind the last. */
static void check(const uint8_t *reply, size_t n)
{
    struct dns_record record;
    size_t offset = DNS_HEADER_SIZE;
    unsigned records =
        keel_get_u16(reply + 6) + keel_get_u16(reply + 8) + (unsigned)keel_get_u16(reply + 10);
    if (keel_get_u16(reply + 4) == 1) {
        struct dns_name name;
        if (dns_name_parse_compressed(&name, reply, n, &offset) != 0)
            abort();
        offset += 4;
    }
    for (unsigned i = 0; i < records; i++)
        if (dns_record_parse(&record, reply, n, &offset) != 0)
            abort();
    if (offset != n)
        abort();
}

/* The whole zone, when that is what was asked for. */
static void transfer(const struct dns_answer_context *context, const uint8_t *bytes, size_t size,
                     const struct keel_addr *peer)
{
    struct dns_query query;
    struct dns_axfr axfr;
    size_t n;
    dns_query_read(&query, context, bytes, size, peer, true);
    if (query.silent || query.transfer != DNS_TRANSFER_ZONE)
        return;
    uint8_t *message = malloc(UINT16_MAX);
    dns_axfr_start(&axfr, &query, context->udp_size);
    while (dns_axfr_next(&axfr, message, &n, 0) == 0)
        check(message, n);
    if (axfr.records != dns_view_newest(&axfr.view)->records + 1)
        abort();
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct dns_zones zones;
    struct keel_addr peer;
    keel_addr_set4(&peer, 0xC0000201, 53);
    if (zones.count == 0) {
        dns_zones_init(&zones, (struct keel_hash_key){3, 4});
        serve(&zones, "z", zone_text);
        serve(&zones, "s", nsec_text);
        serve(&zones, "t", nsec3_text);
    }
    struct dns_answer_context context = {.zones = &zones,
                                         .udp_size = DNS_UDP_SIZE,
                                         .identity = KEEL_STR("one"),
                                         .version = KEEL_STR("two"),
                                         .keepalive = 100,
                                         .cookies = {.count = 1}};
    for (int tcp = 0; tcp < 2; tcp++) {
        size_t room = tcp ? UINT16_MAX : DNS_UDP_SIZE;
        uint8_t *reply = malloc(room);
        size_t n = dns_query_process(&context, bytes, size, &peer, tcp, reply, room);
        if (n > room)
            abort();
        if (n > 0)
            check(reply, n);
        free(reply);
    }
    transfer(&context, bytes, size, &peer);
    return 0;
}
