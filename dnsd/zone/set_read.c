#include "dnsd/zone/set_read.h"

#include "dnsd/wire/message.h"
#include "dnsd/wire/type.h"

#define RECORD_HEAD 12u /* owner, type, class, TTL, size */

void dns_set_read(struct dns_set_reader *reader, const struct dns_set *set, const uint8_t *owner,
                  unsigned owner_size, unsigned apex_size)
{
    reader->set = set;
    reader->owner = owner;
    reader->owner_size = owner_size;
    reader->apex_size = apex_size;
    reader->at = 0;
    reader->record = 0;
    reader->fix = 0;
}

/* The end of the apex that a pointer into the question means: it begins at one of its labels. */
static bool write_apex(const struct dns_set_reader *r, unsigned target, struct keel_writer *w)
{
    unsigned wanted = target - DNS_HEADER_SIZE, at = r->owner_size - r->apex_size;
    if (target < DNS_HEADER_SIZE)
        return false;
    while (at < wanted && r->owner[at] != 0)
        at += r->owner[at] + 1u;
    if (at != wanted || r->owner[at] == 0)
        return false;
    keel_write_bytes(w, r->owner + at, r->owner_size - at);
    return true;
}

/* A pointer that a name ends with is one of the set's fixes. */
static bool is_fix(const struct dns_set_reader *r, unsigned offset)
{
    const struct dns_fix *fixes = dns_set_fixes(r->set);
    unsigned low = 0, high = r->fix;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (fixes[middle].offset == offset)
            return true;
        if (fixes[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* What the pointer at `offset` of the bytes stands for. Each one leads to bytes before it, so that
 * it ends. */
static bool write_tail(const struct dns_set_reader *r, unsigned offset, struct keel_writer *w)
{
    const uint8_t *bytes = r->set->bytes;
    unsigned home = DNS_HEADER_SIZE + r->owner_size + 4u, end = offset, at = offset;
    for (;;) {
        if (at >= r->set->size)
            return false;
        unsigned n = bytes[at];
        if (n >= 0xC0) {
            if (r->set->size - at < 2 || (at != offset && !is_fix(r, at)))
                return false;
            unsigned target = keel_get_u16(bytes + at) & DNS_POINTER_MAX;
            if (target < home)
                return write_apex(r, target, w);
            if (target - home >= end)
                return false;
            end = at = target - home;
            continue;
        }
        if (n > DNS_LABEL_MAX || at + n + 1 > offset)
            return false;
        keel_write_bytes(w, bytes + at, n + 1);
        if (n == 0)
            return true;
        at += n + 1;
    }
}

/* The fix says where its pointer leads: its kind must agree. */
static bool kind_fits(const struct dns_set_reader *r, const struct dns_fix *fix)
{
    const uint8_t *p = r->set->bytes + fix->offset;
    unsigned home = DNS_HEADER_SIZE + r->owner_size + 4u;
    unsigned target = keel_get_u16(p) & DNS_POINTER_MAX;
    return p[0] >= 0xC0 && fix->kind == (target < home ? DNS_FIX_APEX : DNS_FIX_SET);
}

/* A name that may end with a pointer, which is the next fix then. Moves *at behind it. */
static bool expand_name(struct dns_set_reader *r, unsigned *at, unsigned end, struct keel_writer *w)
{
    const struct dns_fix *fixes = dns_set_fixes(r->set);
    const uint8_t *bytes = r->set->bytes;
    while (*at < end && bytes[*at] < 0xC0) {
        unsigned n = bytes[*at];
        if (n > DNS_LABEL_MAX || n >= end - *at)
            return false;
        keel_write_bytes(w, bytes + *at, n + 1);
        *at += n + 1;
        if (n == 0)
            return true;
    }
    if (end - *at < 2 || r->fix == r->set->fixes || fixes[r->fix].offset != *at ||
        !kind_fits(r, &fixes[r->fix]) || !write_tail(r, *at, w))
        return false;
    r->fix++;
    *at += 2;
    return true;
}

/* The rdata [at, end) with its names written out. Only types of RFC 1035 have pointers: their
 * fields are names and numbers. */
static int expand(struct dns_set_reader *r, unsigned at, unsigned end, const uint8_t **rdata,
                  uint16_t *size)
{
    const char *layout = dns_type_layout(r->set->type);
    struct keel_writer w;
    keel_writer_init(&w, r->rdata, sizeof r->rdata);
    for (; layout && *layout; layout++) {
        unsigned n = *layout == 'h' ? 2 : *layout == 'w' || *layout == 't' ? 4 : 0;
        if (*layout == 'n') {
            if (!expand_name(r, &at, end, &w))
                return KEEL_EINVAL;
            continue;
        }
        if (n == 0 || end - at < n)
            return KEEL_EINVAL;
        keel_write_bytes(&w, r->set->bytes + at, n);
        at += n;
    }
    *rdata = r->rdata;
    *size = (uint16_t)keel_writer_offset(&w);
    return layout && at == end && !w.bad ? 1 : KEEL_EINVAL;
}

int dns_set_read_next(struct dns_set_reader *r, const uint8_t **rdata, uint16_t *size)
{
    const struct dns_set *set = r->set;
    if (r->record == set->count)
        return r->at == set->size && r->fix == set->fixes ? 0 : KEEL_EINVAL;
    if (set->size - r->at < RECORD_HEAD)
        return KEEL_EINVAL;
    unsigned at = r->at + RECORD_HEAD, n = keel_get_u16(set->bytes + at - 2), end = at + n;
    if (n > set->size - at)
        return KEEL_EINVAL;
    r->record++;
    r->at = end;
    if (r->fix < set->fixes && dns_set_fixes(set)[r->fix].offset < end)
        return expand(r, at, end, rdata, size);
    *rdata = set->bytes + at;
    *size = (uint16_t)n;
    return 1;
}
