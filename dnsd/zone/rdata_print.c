#include "dnsd/zone/rdata_print.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/rdata_text.h"
#include "dnsd/zone/svcb_text.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <time.h>

struct printing {
    struct keel_buf *out;
    const struct dns_name *origin;
    struct keel_reader in;
    bool first; /* no field stands yet */
};

/* The blank before every field but the first. */
static void begin_field(struct printing *p)
{
    if (!p->first)
        keel_buf_append(p->out, " ", 1);
    p->first = false;
}

/* A last dot, unless only labels above the origin are wanted. */
static int print_labels(struct keel_buf *out, const uint8_t *flat, size_t size, bool dot)
{
    uint8_t labels[DNS_NAME_MAX + 1];
    char text[DNS_NAME_TEXT];
    memcpy(labels, flat, size);
    labels[size] = 0;
    size_t n = dns_name_to_text(text, labels);
    return keel_buf_append(out, text, dot ? n : n - 1);
}

int dns_name_print(struct keel_buf *out, const uint8_t *flat, size_t size,
                   const struct dns_name *origin)
{
    size_t at = 0;
    /* the origin at a label's start, in the very case that it will come back in */
    if (!origin || origin->labels == 0 || size < origin->size ||
        memcmp(flat + size - origin->size, origin->bytes, origin->size) != 0)
        return print_labels(out, flat, size - 1, true);
    while (at < size - origin->size)
        at += flat[at] + 1u;
    if (at != size - origin->size)
        return print_labels(out, flat, size - 1, true);
    if (at == 0)
        return keel_buf_append(out, "@", 1);
    return print_labels(out, flat, at, false);
}

static bool print_name(struct printing *p)
{
    int n = dns_name_scan(p->in.next, keel_reader_left(&p->in));
    if (n < 0)
        return false;
    dns_name_print(p->out, keel_read_bytes(&p->in, (size_t)n), (size_t)n, p->origin);
    return true;
}

/* A quoted string (RFC 1035, 5.1). */
static void print_quoted(struct keel_buf *out, const uint8_t *bytes, size_t n)
{
    char *p = (char *)keel_buf_reserve(out, 4 * n + 2), *start = p;
    if (!p)
        return;
    *p++ = '"';
    for (size_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];
        if (c < ' ' || c >= 127) {
            *p++ = '\\';
            *p++ = (char)('0' + c / 100);
            *p++ = (char)('0' + c / 10 % 10);
            *p++ = (char)('0' + c % 10);
            continue;
        }
        if (c == '"' || c == '\\')
            *p++ = '\\';
        *p++ = (char)c;
    }
    *p++ = '"';
    keel_buf_commit(out, (size_t)(p - start));
}

static void print_hex(struct keel_buf *out, const uint8_t *bytes, size_t n)
{
    char *p = (char *)keel_buf_reserve(out, 2 * n + 1);
    if (p)
        keel_buf_commit(out, keel_format_hex(p, 2 * n + 1, bytes, n, 0));
}

static void print_base64(struct keel_buf *out, const uint8_t *bytes, size_t n)
{
    size_t room = (n + 2) / 3 * 4 + 1;
    char *p = (char *)keel_buf_reserve(out, room);
    int size = p ? keel_format_base64(p, room, bytes, n) : 0;
    if (size > 0)
        keel_buf_commit(out, (size_t)size);
}

static void print_base32hex(struct keel_buf *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 5; held -= 5)
            keel_buf_append(out, &digits[bits >> (held - 5) & 31], 1);
    }
}

static void print_address(struct keel_buf *out, int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN];
    if (address && inet_ntop(family, address, text, sizeof text))
        keel_buf_puts(out, text);
}

static void print_type(struct keel_buf *out, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    keel_buf_puts(out, dns_type_format(text, type));
}

/* YYYYMMDDHHmmSS (RFC 4034, 3.2). */
static void print_date(struct keel_buf *out, uint32_t seconds)
{
    time_t when = seconds;
    struct tm tm;
    if (gmtime_r(&when, &tm))
        keel_buf_printf(out, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The types of a bitmap (RFC 4034, 4.1.2), each with a blank before it. */
static bool print_bitmap(struct printing *p)
{
    struct keel_reader *in = &p->in;
    while (!in->bad && keel_reader_left(in) > 0) {
        unsigned window = keel_read_u8(in), n = keel_read_u8(in);
        const uint8_t *bits = keel_read_bytes(in, n);
        for (unsigned i = 0; bits && i < n * 8; i++)
            if (bits[i / 8] & 0x80 >> i % 8) {
                begin_field(p);
                print_type(p->out, (uint16_t)(window << 8 | i));
            }
    }
    return !in->bad;
}

/* Bytes behind their number; NULL: they are not there. */
static const uint8_t *read_counted(struct keel_reader *in, uint8_t *n)
{
    *n = keel_read_u8(in);
    return keel_read_bytes(in, *n);
}

static void print_string(struct printing *p)
{
    uint8_t n;
    const uint8_t *bytes = read_counted(&p->in, &n);
    if (bytes)
        print_quoted(p->out, bytes, n);
}

/* Letters, digits and hyphens need no quotes. */
static bool print_tag(struct printing *p)
{
    uint8_t n;
    const uint8_t *tag = read_counted(&p->in, &n);
    if (tag)
        keel_buf_append(p->out, tag, n);
    return tag;
}

static void print_strings(struct printing *p)
{
    print_string(p);
    while (!p->in.bad && keel_reader_left(&p->in) > 0) {
        keel_buf_append(p->out, " ", 1);
        print_string(p);
    }
}

/* RFC 5155, 3.3: "-" is none. */
static bool print_salt(struct printing *p)
{
    uint8_t n;
    const uint8_t *salt = read_counted(&p->in, &n);
    if (salt && n > 0)
        print_hex(p->out, salt, n);
    else
        keel_buf_append(p->out, "-", 1);
    return salt;
}

static bool print_hash(struct printing *p)
{
    uint8_t n;
    const uint8_t *hash = read_counted(&p->in, &n);
    if (!hash || n % 5)
        return false;
    print_base32hex(p->out, hash, n);
    return true;
}

/* Fields of one size. */
static void print_fixed(struct printing *p, char field)
{
    struct keel_reader *in = &p->in;
    switch (field) {
    case 'a':
        print_address(p->out, AF_INET, keel_read_bytes(in, 4));
        break;
    case 'q':
        print_address(p->out, AF_INET6, keel_read_bytes(in, 16));
        break;
    case 'b':
        keel_buf_printf(p->out, "%u", keel_read_u8(in));
        break;
    case 'h':
        keel_buf_printf(p->out, "%u", keel_read_u16(in));
        break;
    case 'T':
        print_type(p->out, keel_read_u16(in));
        break;
    case 'D':
        print_date(p->out, keel_read_u32(in));
        break;
    default: /* w, t */
        keel_buf_printf(p->out, "%u", keel_read_u32(in));
    }
}

/* The letters of dnsd/wire/type.h, and for types whose text ldns reads: T a type, D a date, B
 * base64 to the end, H a salt, E a hash in base32, m a bitmap. */
static bool print_field(struct printing *p, char field)
{
    struct keel_reader *in = &p->in;
    size_t left = keel_reader_left(in);
    bool good = true;
    if (field == 'p')
        return dns_svcb_to_text(p->out, keel_read_bytes(in, left), left) == 0;
    if (field == 'm')
        return print_bitmap(p);
    if (left == 0 && (field == 'x' || field == 'B'))
        return true; /* nothing: not even a blank */
    begin_field(p);
    switch (field) {
    case 'n':
    case 'N':
        return print_name(p);
    case 's':
        print_string(p);
        break;
    case 'S':
        print_strings(p);
        break;
    case 'g':
        good = print_tag(p);
        break;
    case 'v':
        print_quoted(p->out, keel_read_bytes(in, left), left);
        break;
    case 'x':
        print_hex(p->out, keel_read_bytes(in, left), left);
        break;
    case 'B':
        print_base64(p->out, keel_read_bytes(in, left), left);
        break;
    case 'H':
        good = print_salt(p);
        break;
    case 'E':
        good = print_hash(p);
        break;
    default:
        print_fixed(p, field);
    }
    return good && !in->bad;
}

/* Types of signed zones: there are many of their records. */
static const char *layout_of_signed(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_DS:
        return "hbbx";
    case DNS_TYPE_DNSKEY:
        return "hbbB";
    case DNS_TYPE_RRSIG:
        return "TbbwDDhNB";
    case DNS_TYPE_NSEC:
        return "Nm";
    case DNS_TYPE_NSEC3:
        return "bbhHEm";
    case DNS_TYPE_NSEC3PARAM:
        return "bbhH";
    default:
        return NULL;
    }
}

static bool print_fields(struct keel_buf *out, const char *layout, const uint8_t *rdata,
                         size_t size, const struct dns_name *origin)
{
    struct printing p = {.out = out, .origin = origin, .first = true};
    keel_reader_init(&p.in, rdata, size);
    for (; *layout; layout++)
        if (!print_field(&p, *layout))
            return false;
    return keel_reader_left(&p.in) == 0;
}

/* The rdata as ldns writes it. */
static bool print_by_ldns(struct keel_buf *out, uint16_t type, const uint8_t *rdata, size_t size)
{
    ldns_rr *rr = NULL;
    size_t at = 0, wire_size = 11 + size;
    uint8_t *wire = keel_malloc(wire_size);
    if (!wire)
        return false;
    memset(wire, 0, 11);
    keel_put_u16(wire + 1, type);
    keel_put_u16(wire + 3, DNS_CLASS_IN);
    keel_put_u16(wire + 9, (uint16_t)size);
    if (size > 0)
        memcpy(wire + 11, rdata, size);
    bool good = ldns_wire2rr(&rr, wire, wire_size, &at, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK &&
                at == wire_size && ldns_rr_rd_count(rr) > 0;
    for (size_t i = 0; good && i < ldns_rr_rd_count(rr); i++) {
        char *text = ldns_rdf2str(ldns_rr_rdf(rr, i));
        good = text != NULL;
        if (text && i > 0)
            keel_buf_append(out, " ", 1);
        if (text)
            keel_buf_puts(out, text);
        free(text);
    }
    /* some of its texts end with a blank */
    while (out->end > out->start && out->data[out->end - 1] == ' ')
        out->end--;
    ldns_rr_free(rr);
    keel_free(wire);
    return good;
}

/* What stands in `out` from `start` on is read back as these bytes. */
static bool reads_back(struct keel_buf *out, size_t start, uint16_t type, const uint8_t *rdata,
                       size_t size, const struct dns_name *origin)
{
    struct dns_name root;
    struct dns_lexer lexer;
    struct keel_diag diag;
    uint8_t *again = keel_malloc(UINT16_MAX);
    const char *text = keel_buf_text(out);
    bool same = false;
    if (again && text && keel_buf_size(out) > start) {
        dns_name_set_root(&root);
        dns_lexer_init(&lexer, (struct keel_str){text + start, keel_buf_size(out) - start}, 1);
        same = dns_lexer_entry(&lexer) == 1 &&
               dns_rdata_from_text(type, &lexer, origin ? origin : &root, again, UINT16_MAX,
                                   &diag) == (int)size &&
               memcmp(again, rdata, size) == 0;
    }
    keel_free(again);
    return same;
}

/* RFC 3597, 5. */
static void print_generic(struct keel_buf *out, const uint8_t *rdata, size_t size)
{
    keel_buf_printf(out, "\\# %zu", size);
    if (size > 0) {
        keel_buf_append(out, " ", 1);
        print_hex(out, rdata, size);
    }
}

int dns_rdata_print(struct keel_buf *out, uint16_t type, const uint8_t *rdata, size_t size,
                    const struct dns_name *origin)
{
    const char *layout = dns_type_layout(type), *own = layout ? layout : layout_of_signed(type);
    size_t start = keel_buf_size(out);
    char text[DNS_TYPE_TEXT];
    bool good = false;

    if (own)
        good = print_fields(out, own, rdata, size, origin);
    else if (strncmp(dns_type_format(text, type), "TYPE", 4) != 0)
        good = print_by_ldns(out, type, rdata, size);
    if (out->failed)
        return out->failed;
    /* types that are all ours come back: the tests have every field of them */
    bool sure = layout && !strchr(layout, 'p') && !strchr(layout, 'x') && !strchr(layout, 'g');
    if (!good || !(sure || reads_back(out, start, type, rdata, size, origin))) {
        out->end = out->start + start;
        print_generic(out, rdata, size);
    }
    return out->failed;
}
