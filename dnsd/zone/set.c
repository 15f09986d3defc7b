#include "dnsd/zone/set.h"

#include "common/base/mem.h"
#include "dnsd/wire/message.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

/* The longest question, a header and an OPT have to fit beside the set. */
#define SET_MAX (UINT16_MAX - DNS_HEADER_SIZE - DNS_NAME_MAX - 4 - DNS_OPT_SIZE)
/* Pointers into the set stay valid behind the longest question (wildcards). */
#define TARGET_MAX (DNS_POINTER_MAX - DNS_HEADER_SIZE - DNS_NAME_MAX - 4)
#define SUFFIXES_MAX 64
/* Uncompressed sets over this are refused unseen, so that work stays bounded. */
#define ROOM_MAX (8u * UINT16_MAX)

/* A name, or the end of one, that stands uncompressed at its front in the bytes. */
struct suffix {
    uint32_t offset;
    const uint8_t *flat;
    size_t size;
};

struct layout {
    const struct dns_set_source *source;
    struct keel_writer bytes;
    struct dns_fix *fixes;
    struct dns_link *links;
    unsigned fix_count, link_count;
    bool open; /* DNS_SET_OPEN */
    unsigned suffix_count;
    struct suffix suffixes[SUFFIXES_MAX];
};

static void put_pointer(struct layout *l, size_t target, enum dns_fix_kind kind)
{
    l->fixes[l->fix_count++] =
        (struct dns_fix){(uint16_t)keel_writer_offset(&l->bytes), (uint16_t)kind};
    keel_write_u16(&l->bytes, (uint16_t)(0xC000 | target));
}

/* Writes a pointer for this end of a name when there is something to point to. */
static bool try_pointer(struct layout *l, const uint8_t *flat, size_t size)
{
    const struct dns_name *owner = l->source->owner, *apex = l->source->apex;
    if (size <= apex->size && size > 2 &&
        dns_name_equal(flat, size, apex->bytes + apex->size - size, size)) {
        /* only at a label's start: a suffix of equal bytes may begin in the middle of one */
        for (unsigned i = 0; i < apex->labels; i++)
            if (apex->offsets[i] == apex->size - size) {
                put_pointer(l, DNS_HEADER_SIZE + owner->size - size, DNS_FIX_APEX);
                return true;
            }
    }
    for (unsigned i = 0; i < l->suffix_count; i++) {
        const struct suffix *s = &l->suffixes[i];
        if (s->size == size && memcmp(s->flat, flat, size) == 0) {
            put_pointer(l, DNS_HEADER_SIZE + owner->size + 4u + s->offset, DNS_FIX_SET);
            return true;
        }
    }
    return false;
}

static void put_name(struct layout *l, const uint8_t *flat, size_t size, bool compressible)
{
    if (!compressible) {
        keel_write_bytes(&l->bytes, flat, size);
        return;
    }
    while (flat[0] != 0) {
        if (try_pointer(l, flat, size))
            return;
        size_t offset = keel_writer_offset(&l->bytes), step = flat[0] + 1u;
        if (l->suffix_count < SUFFIXES_MAX && offset <= TARGET_MAX)
            l->suffixes[l->suffix_count++] = (struct suffix){(uint32_t)offset, flat, size};
        keel_write_bytes(&l->bytes, flat, step);
        flat += step;
        size -= step;
    }
    keel_write_u8(&l->bytes, 0);
}

static void add_link(struct layout *l, size_t offset, const uint8_t *flat, size_t size)
{
    uint8_t lower[DNS_NAME_MAX];
    for (size_t i = 0; i < size; i++)
        lower[i] = dns_lower[flat[i]];
    uint32_t node = l->source->find_addresses(l->source->arg, lower, size);
    if (node == DNS_NO_NODE) {
        const struct dns_name *apex = l->source->apex;
        l->open |=
            size >= apex->size && memcmp(lower + size - apex->size, apex->bytes, apex->size) == 0;
        return;
    }
    for (unsigned i = 0; i < l->link_count; i++)
        if (l->links[i].node == node)
            return;
    l->links[l->link_count++] = (struct dns_link){(uint32_t)offset, node};
}

static bool has_links(uint16_t type)
{
    return type == DNS_TYPE_NS || type == DNS_TYPE_MX || type == DNS_TYPE_SRV ||
           type == DNS_TYPE_SVCB || type == DNS_TYPE_HTTPS;
}

/* A service whose name is that of its record (RFC 9460, 2.5.2): "." with a priority. */
static bool is_own_name(uint16_t type, const uint8_t *rdata, const uint8_t *flat)
{
    return (type == DNS_TYPE_SVCB || type == DNS_TYPE_HTTPS) && keel_get_u16(rdata) > 0 &&
           flat[0] == 0;
}

static void put_record(struct layout *l, const struct dns_rdata *rdata)
{
    const struct dns_set_source *source = l->source;
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    unsigned count = dns_rdata_names(source->type, rdata->bytes, rdata->size, names);
    size_t done = 0;

    keel_write_u16(&l->bytes, 0xC000 | DNS_HEADER_SIZE);
    keel_write_u16(&l->bytes, source->type);
    keel_write_u16(&l->bytes, DNS_CLASS_IN);
    keel_write_u32(&l->bytes, source->ttl);
    uint8_t *size = keel_write_skip(&l->bytes, 2);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *flat = rdata->bytes + names[i].offset;
        keel_write_bytes(&l->bytes, rdata->bytes + done, names[i].offset - done);
        if (is_own_name(source->type, rdata->bytes, flat))
            add_link(l, 0, source->owner->bytes, source->owner->size);
        else if (has_links(source->type))
            add_link(l, keel_writer_offset(&l->bytes), flat, names[i].size);
        put_name(l, flat, names[i].size, names[i].compressible);
        done = names[i].offset + (size_t)names[i].size;
    }
    keel_write_bytes(&l->bytes, rdata->bytes + done, rdata->size - done);
    if (size)
        keel_put_u16(size, (uint16_t)(l->bytes.next - size - 2));
}

/* Most sets are small: their fixes and links need no heap until they are where they belong. */
#define SMALL 16
struct scratch {
    struct dns_fix fixes[SMALL * DNS_RDATA_NAMES];
    struct dns_link links[SMALL];
};

/* Behind the bytes, which stand in the reserved room already: what belongs to them, and the head
 * before them. */
static void end_set(struct keel_buf *out, const struct layout *l, uint8_t *room)
{
    const struct dns_set_source *source = l->source;
    size_t size = keel_writer_offset(&l->bytes), padding = -size & 3;
    size_t fixes = l->fix_count * sizeof *l->fixes, links = l->link_count * sizeof *l->links;
    struct dns_set set = {.type = source->type,
                          .count = (uint16_t)source->count,
                          .ttl = source->ttl,
                          .size = (uint32_t)size,
                          .fixes = (uint16_t)l->fix_count,
                          .links = (uint16_t)l->link_count,
                          .flags = l->open ? DNS_SET_OPEN : 0};
    set.total = (uint32_t)(sizeof set + size + padding + fixes + links);
    memcpy(room, &set, sizeof set);
    uint8_t *p = room + sizeof set + size;
    memset(p, 0, padding);
    if (fixes)
        memcpy(p + padding, l->fixes, fixes);
    if (links)
        memcpy(p + padding + fixes, l->links, links);
    keel_buf_commit(out, set.total);
}

static int lay_out(struct keel_buf *out, struct layout *l, size_t bytes)
{
    const struct dns_set_source *source = l->source;
    size_t most = sizeof(struct dns_set) + bytes + 3 +
                  source->count * (DNS_RDATA_NAMES * sizeof *l->fixes + sizeof *l->links);
    uint8_t *room = keel_buf_reserve(out, most);
    if (!room)
        return out->failed;
    keel_writer_init(&l->bytes, room + sizeof(struct dns_set), bytes);
    for (unsigned i = 0; i < source->count; i++)
        put_record(l, &source->rdata[i]);
    KEEL_ASSERT(!l->bytes.bad, "an RRset became longer by compression");
    if (keel_writer_offset(&l->bytes) > SET_MAX)
        return KEEL_ERANGE;
    end_set(out, l, room);
    return 0;
}

int dns_set_append(struct keel_buf *out, const struct dns_set_source *source)
{
    struct layout l; /* the suffixes are many, and few are used: not cleared */
    struct scratch small;
    size_t bytes = 0;

    for (unsigned i = 0; i < source->count; i++)
        bytes += 12u + source->rdata[i].size;
    if (bytes > ROOM_MAX)
        return KEEL_ERANGE;
    l.source = source;
    l.fix_count = l.link_count = l.suffix_count = 0;
    l.open = false;
    l.fixes = small.fixes;
    l.links = small.links;
    if (source->count <= SMALL)
        return lay_out(out, &l, bytes);
    l.fixes = keel_malloc(source->count * DNS_RDATA_NAMES * sizeof *l.fixes);
    l.links = keel_malloc(source->count * sizeof *l.links);
    int err = l.fixes && l.links ? lay_out(out, &l, bytes) : KEEL_ENOMEM;
    keel_free(l.fixes);
    keel_free(l.links);
    return err;
}
