/*
 * The whole engine over any message: what it may say, and how much. The zones are small, one plain
 * and two that deny with NSEC and NSEC3.
 *
 * First byte: bit 0 TCP, bit 1 cookies, bit 2 a signing key is known, bit 3 a cookie is needed.
 */
#include "common/base/mem.h"
#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define UDP_SIZE 1232
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define SIGNATURE(type) "RRSIG " type " 13 1 60 20380101000000 20200101000000 1 z. AAAA\n"
static const char common[] =
    "$TTL 60\n@ SOA ns host 1 2 3 4 30\n@ NS ns\n@ MX 1 mail\nns A 192.0.2.1\n"
    "mail AAAA 2001:db8::1\nwww CNAME mail\nloop CNAME loop\n"
    "*.w A 192.0.2.2\n*.c CNAME www\na.b.e TXT \"deep\"\nd DNAME w\n"
    "long DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.w\n"
    "sub NS ns.sub\nns.sub A 192.0.2.3\ns SRV 1 2 3 mail\n"
    "$GENERATE 1-40 big TXT \"a long text, so that no datagram takes all $\"\n";
static const char nsec[] = "$TTL 60\n@ NSEC ns NS SOA MX RRSIG NSEC\n@ " SIGNATURE("NSEC") "@ " SIGNATURE(
    "SOA") "ns NSEC @ A RRSIG NSEC\nns " SIGNATURE("NSEC") "ns " SIGNATURE("A");
static const char nsec3[] = "$TTL 60\n@ NSEC3PARAM 1 0 1 ab\n"
                            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 1 1 ab "
                            "2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG\n"
                            "2t7b4g4vsa5smi47k61mv5bv1a22bojr NSEC3 1 1 1 ab "
                            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A RRSIG\n";

static int no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                    char **opened, struct keel_diag *diag)
{
    return KEEL_ENOENT;
}

static void serve(struct dns_zones *zones, const char *origin, const char *more)
{
    struct dns_name apex;
    struct dns_image *image;
    struct keel_diag diag = {""};
    dns_name_from_text(&apex, keel_str(origin), NULL);
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {no_files, dns_compiler_add, compiler};
    int err = dns_scan_text(keel_str(common), "zone", &apex, &io, &diag);
    if (err == 0)
        err = dns_scan_text(keel_str(more), "zone", &apex, &io, &diag);
    if (err == 0)
        err = dns_compiler_finish(compiler, &image, &diag);
    if (err == 0)
        err = dns_zones_add(zones, &apex, image, "zone");
    if (err) {
        fprintf(stderr, "%s: %s\n", origin, diag.text);
        abort();
    }
    dns_compiler_free(compiler);
    zones->items[zones->count - 1]->allow_query.any = true;
}

static struct dns_answer_context *context(void)
{
    static struct dns_zones zones;
    static struct dns_tsig_keys keys;
    static struct dns_answer_context made = {.zones = &zones, .udp_size = UDP_SIZE, .now = 1000};
    if (zones.count > 0)
        return &made;
    struct dns_name name;
    dns_zones_init(&zones, (struct keel_hash_key){3, 4});
    serve(&zones, "plain.", "");
    serve(&zones, "z.", nsec);
    serve(&zones, "hashed.z.", nsec3);
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    dns_name_from_text(&name, KEEL_STR("key."), NULL);
    MUST(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "secret", 6, 0) == 0);
    made.identity = KEEL_STR("me");
    made.version = KEEL_STR("1");
    made.keepalive = 100;
    made.keys = &keys;
    return &made;
}

/* A reply is a well-formed message to its last byte, and echoes what it may. */
static void check_reply(const struct dns_query *query, const uint8_t *reply, size_t size)
{
    size_t at = DNS_HEADER_SIZE;
    struct dns_record record;
    unsigned opt = 0, signatures = 0;
    MUST(size >= DNS_HEADER_SIZE);
    MUST(memcmp(reply, query->bytes, 2) == 0);
    MUST(reply[2] & 0x80);
    MUST(((reply[2] ^ query->bytes[2]) & 0x79) == 0); /* opcode and RD come back */
    MUST((reply[3] & 0xE0 & ~DNS_FLAG_CD) == 0);      /* RA, Z and AD never */
    unsigned questions = keel_get_u16(reply + 4);
    MUST(questions <= 1);
    if (questions) {
        MUST(memcmp(reply + at, query->bytes + at, query->message.question_size) == 0);
        at += query->message.question_size;
    }
    unsigned records =
        keel_get_u16(reply + 6) + (unsigned)keel_get_u16(reply + 8) + keel_get_u16(reply + 10);
    for (unsigned i = 0; i < records; i++) {
        MUST(dns_record_parse(&record, reply, size, &at) == 0);
        opt += record.type == DNS_TYPE_OPT;
        signatures += record.type == DNS_TYPE_TSIG;
    }
    MUST(at == size);
    MUST(opt == (unsigned)(query->message.edns.present && query->rcode != DNS_FORMERR));
    MUST(signatures <= 1);
    if (reply[2] & 0x02 && !query->tcp)
        MUST(size <= UDP_SIZE);
}

/* Never more than the client can take; never more than it sent where nothing was asked of a zone,
 * what OPT, cookie and MAC need excepted. */
static void check_size(const struct dns_query *query, size_t size)
{
    size_t limit = UINT16_MAX, extra = DNS_COOKIE_SIZE + 8 + 6 + 6 + 64;
    if (!query->tcp) {
        limit = DNS_UDP_MIN;
        if (query->message.edns.present && query->message.edns.udp_size > limit)
            limit = query->message.edns.udp_size;
        if (limit > UDP_SIZE)
            limit = UDP_SIZE;
        if (query->tsig.signs && limit < query->size + extra)
            limit = query->size + extra;
    }
    MUST(size <= limit);
    bool chaos = query->message.qclass == DNS_CLASS_CH;
    if (!query->zone && !chaos)
        MUST(size <= query->size + extra);
    if (query->rcode == DNS_FORMERR && !query->tsig.signs)
        MUST(size == DNS_HEADER_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t reply[UINT16_MAX], again[UINT16_MAX];
    const struct keel_addr peer = {.in4 = {.sin_family = AF_INET, .sin_addr = {0x010200C0}}};
    struct dns_answer_context c = *context();
    struct dns_query query;

    if (size < 1 || size > UINT16_MAX)
        return 0;
    bool tcp = bytes[0] & 1;
    c.cookies.count = bytes[0] & 2 ? 1 : 0;
    if (!(bytes[0] & 4))
        c.keys = NULL;
    c.need_cookie = bytes[0] & 8 && bytes[0] & 2;
    /* of its own size, so that reading behind its end is seen */
    uint8_t *message = keel_malloc(size);
    memcpy(message, bytes + 1, size - 1);
    size--;
    size_t room = tcp ? UINT16_MAX : UDP_SIZE;
    dns_query_read(&query, &c, message, size, &peer, tcp);
    dns_query_prefetch(&query);
    size_t n = dns_query_answer(&query, &c, reply, room);
    MUST(n <= room);
    MUST((n == 0) == (size < DNS_HEADER_SIZE || message[2] & 0x80));
    if (n > 0) {
        check_reply(&query, reply, n);
        check_size(&query, n);
    }
    MUST(dns_query_process(&c, message, size, &peer, tcp, again, room) == n);
    MUST(memcmp(reply, again, n) == 0);
    if (n > 0 && !tcp && !query.tsig.signs) {
        n = dns_query_cut(&query, &c, reply);
        check_reply(&query, reply, n);
        MUST(n <= size + DNS_COOKIE_SIZE + 64);
    }
    keel_free(message);
    return 0;
}
