#include "dnsd/wire/edns.h"

#include "dnsd/wire/type.h"

#define FLAG_DO 0x8000u

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
        keel_read_u16(&r);
        keel_read_bytes(&r, keel_read_u16(&r));
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
