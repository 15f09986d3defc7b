#include "dnsd/zone/diff.h"

#include "common/base/wire.h"

#define FIXED 8 /* type, ttl, size */
/* of a block: serials, counts, sizes */
#define HEAD (4 * 4 + 2 * 8)

void dns_diff_init(struct dns_diff *diff)
{
    *diff = (struct dns_diff){0};
    keel_buf_init(&diff->deleted, 0);
    keel_buf_init(&diff->added, 0);
}

void dns_diff_fini(struct dns_diff *diff)
{
    keel_buf_fini(&diff->deleted);
    keel_buf_fini(&diff->added);
}

static int append(struct keel_buf *buf, uint32_t *count, const struct dns_diff_record *record)
{
    const size_t size = record->owner_size + (size_t)FIXED + record->rdata_size;
    struct keel_writer w;

    uint8_t *room = keel_buf_reserve(buf, size);
    if (!room)
        return KEEL_ENOMEM;
    keel_writer_init(&w, room, size);
    keel_write_bytes(&w, record->owner, record->owner_size);
    keel_write_u16(&w, record->type);
    keel_write_u32(&w, record->ttl);
    keel_write_u16(&w, record->rdata_size);
    keel_write_bytes(&w, record->rdata, record->rdata_size);
    keel_buf_commit(buf, size);
    ++*count;
    return 0;
}

int dns_diff_delete(struct dns_diff *diff, const struct dns_diff_record *record)
{
    return append(&diff->deleted, &diff->deleted_count, record);
}

int dns_diff_add(struct dns_diff *diff, const struct dns_diff_record *record)
{
    return append(&diff->added, &diff->added_count, record);
}

int dns_diff_next(const uint8_t *bytes, size_t size, size_t *offset, struct dns_diff_record *record)
{
    struct keel_reader r;

    if (*offset >= size)
        return KEEL_EOF;
    keel_reader_init(&r, bytes + *offset, size - *offset);
    int owner = dns_name_scan(r.next, keel_reader_left(&r));
    if (owner < 0)
        return KEEL_EINVAL;
    record->owner_size = (uint16_t)owner;
    record->owner = keel_read_bytes(&r, (size_t)owner);
    record->type = keel_read_u16(&r);
    record->ttl = keel_read_u32(&r);
    record->rdata_size = keel_read_u16(&r);
    record->rdata = keel_read_bytes(&r, record->rdata_size);
    if (r.bad)
        return KEEL_EINVAL;
    *offset += keel_reader_offset(&r);
    return 0;
}

int dns_diff_encode(const struct dns_diff *diff, struct keel_buf *out)
{
    uint8_t head[HEAD];
    struct keel_writer w;

    keel_writer_init(&w, head, sizeof head);
    keel_write_u32(&w, diff->from);
    keel_write_u32(&w, diff->to);
    keel_write_u32(&w, diff->deleted_count);
    keel_write_u32(&w, diff->added_count);
    keel_write_u64(&w, keel_buf_size(&diff->deleted));
    keel_write_u64(&w, keel_buf_size(&diff->added));
    keel_buf_append(out, head, sizeof head);
    keel_buf_append(out, keel_buf_bytes(&diff->deleted), keel_buf_size(&diff->deleted));
    keel_buf_append(out, keel_buf_bytes(&diff->added), keel_buf_size(&diff->added));
    return out->failed;
}

/* Every record is whole, and there are as many as it says. */
static bool check(const uint8_t *bytes, size_t size, uint32_t count)
{
    struct dns_diff_record record;
    size_t offset = 0;
    uint32_t n = 0;
    int err;

    while ((err = dns_diff_next(bytes, size, &offset, &record)) == 0)
        n++;
    return err == KEEL_EOF && n == count;
}

int dns_diff_decode(struct dns_diff *diff, const void *bytes, size_t size)
{
    struct keel_reader r;

    dns_diff_init(diff);
    keel_reader_init(&r, bytes, size);
    diff->from = keel_read_u32(&r);
    diff->to = keel_read_u32(&r);
    diff->deleted_count = keel_read_u32(&r);
    diff->added_count = keel_read_u32(&r);
    uint64_t deleted_size = keel_read_u64(&r), added_size = keel_read_u64(&r);
    if (r.bad || deleted_size > keel_reader_left(&r) ||
        added_size != keel_reader_left(&r) - deleted_size)
        return KEEL_EINVAL;
    const uint8_t *deleted = keel_read_bytes(&r, (size_t)deleted_size);
    const uint8_t *added = keel_read_bytes(&r, (size_t)added_size);
    if (!check(deleted, (size_t)deleted_size, diff->deleted_count) ||
        !check(added, (size_t)added_size, diff->added_count))
        return KEEL_EINVAL;
    keel_buf_append(&diff->deleted, deleted, (size_t)deleted_size);
    keel_buf_append(&diff->added, added, (size_t)added_size);
    if (diff->deleted.failed || diff->added.failed) {
        dns_diff_fini(diff);
        return KEEL_ENOMEM;
    }
    return 0;
}
