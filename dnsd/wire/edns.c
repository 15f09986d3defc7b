#include "dnsd/wire/edns.h"

#include "dnsd/wire/type.h"

#define FLAG_DO 0x8000u

/* One option of a query; false when it has a size that it cannot have. */
static bool read_option(struct dns_edns *edns, uint16_t code, const uint8_t *bytes, size_t size)
{
    switch (code) {
    case DNS_OPTION_NSID: /* RFC 5001, 2.1: a query's must be empty, and is ignored otherwise */
        edns->nsid = true;
        return true;
    case DNS_OPTION_EXPIRE: /* RFC 7314, 2: empty in a query, a number in an answer */
        edns->expire = true;
        edns->expire_size = (uint8_t)size;
        edns->expire_after = size == 4 ? keel_get_u32(bytes) : 0;
        return size == 0 || size == 4;
    case DNS_OPTION_COOKIE: /* RFC 7873, 5.2.2 */
        if (size != DNS_COOKIE_CLIENT && (size < 2 * DNS_COOKIE_CLIENT || size > DNS_COOKIE_MAX))
            return false;
        if (edns->cookie_size == 0) { /* the first counts */
            edns->cookie = bytes;
            edns->cookie_size = (uint8_t)size;
        }
        return true;
    case DNS_OPTION_KEEPALIVE: /* RFC 7828, 3.2.1 */
        edns->keepalive = true;
        return size == 0;
    case DNS_OPTION_PADDING:
        edns->padding = true;
        return true;
    default:
        return true;
    }
}

int dns_edns_parse(struct dns_edns *edns, uint16_t class, uint32_t ttl, const uint8_t *rdata,
                   size_t size)
{
    edns->present = true;
    edns->udp_size = class;
    edns->extended_rcode = (uint8_t)(ttl >> 24);
    edns->version = (uint8_t)(ttl >> 16);
    edns->dnssec_ok = ttl & FLAG_DO;
    if (edns->version != 0)
        return 0;
    struct keel_reader r;
    keel_reader_init(&r, rdata, size);
    while (!r.bad && keel_reader_left(&r) > 0) {
        uint16_t code = keel_read_u16(&r), n = keel_read_u16(&r);
        const uint8_t *bytes = keel_read_bytes(&r, n);
        if (!bytes || !read_option(edns, code, bytes, n))
            return KEEL_EINVAL;
    }
    return r.bad ? KEEL_EINVAL : 0;
}

void dns_edns_build(struct keel_writer *w, const struct dns_edns *edns)
{
    keel_write_u8(w, 0); /* the root */
    keel_write_u16(w, DNS_TYPE_OPT);
    keel_write_u16(w, edns->udp_size);
    keel_write_u32(w, (uint32_t)edns->extended_rcode << 24 | (uint32_t)edns->version << 16 |
                          (edns->dnssec_ok ? FLAG_DO : 0));
    keel_write_u16(w, 0);
}

void dns_edns_option(struct keel_writer *w, uint16_t code, const void *bytes, size_t size)
{
    keel_write_u16(w, code);
    keel_write_u16(w, (uint16_t)size);
    keel_write_bytes(w, bytes, size);
}

void dns_edns_end(struct keel_writer *w, size_t start)
{
    if (!w->bad)
        keel_put_u16(w->start + start + DNS_OPT_SIZE - 2,
                     (uint16_t)(keel_writer_offset(w) - start - DNS_OPT_SIZE));
}

void dns_edns_transfer(struct keel_writer *w, const struct dns_edns *edns)
{
    size_t start = keel_writer_offset(w);
    uint8_t seconds[4];
    dns_edns_build(w, edns);
    if (edns->expire_size) {
        keel_put_u32(seconds, edns->expire_after);
        dns_edns_option(w, DNS_OPTION_EXPIRE, seconds, sizeof seconds);
    }
    dns_edns_end(w, start);
}
