#include "dnsd/wire/soa.h"

#include "dnsd/wire/name.h"

int dns_soa_parse(struct dns_soa *soa, const uint8_t *rdata, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, rdata, size);
    for (int i = 0; i < 2; i++) {
        int n = dns_name_scan(r.next, keel_reader_left(&r));
        if (n < 0)
            return KEEL_EINVAL;
        keel_read_bytes(&r, (size_t)n);
    }
    soa->serial = keel_read_u32(&r);
    soa->refresh = keel_read_u32(&r);
    soa->retry = keel_read_u32(&r);
    soa->expire = keel_read_u32(&r);
    soa->minimum = keel_read_u32(&r);
    return r.bad || keel_reader_left(&r) > 0 ? KEEL_EINVAL : 0;
}
