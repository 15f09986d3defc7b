#include "dnsd/zone/image_file.h"

#include "common/base/hash.h"
#include "dnsd/zone/image_check.h"

/* Another layout of the file, of an image, or of what an image promises: another number. What an
 * older or newer program wrote is made anew then. */
#define FORMAT 1

#define ZONES_MAX (1u << 24)

static const uint8_t magic[8] = DNS_IMAGE_FILE_MAGIC;

struct file_head {
    uint8_t magic[8];
    uint32_t format;
    uint32_t count;    /* zones */
    uint64_t size;     /* of the file */
    uint64_t head;     /* of the head */
    uint64_t checksum; /* of the head, zero in its place */
    uint64_t unused[3];
};
_Static_assert(sizeof(struct file_head) == 64, "the zones follow");

struct file_zone {
    uint64_t offset, checksum;
    uint32_t size;
    uint32_t apex;    /* offset in the head */
    uint32_t sources; /* offset of the first in the head */
    uint16_t source_count;
    uint16_t apex_size;
};

struct file_source {
    uint64_t size, inode, device;
    int64_t modified_ns, changed_ns;
    uint32_t next;      /* offset in the head of the source behind */
    uint16_t path_size; /* with its NUL */
    uint16_t settled;
    char path[];
};

/* Tells apart the builds whose images differ though the format is the same: sizes and byte order.
 */
static uint32_t format(void)
{
    return FORMAT << 16 | (uint32_t)sizeof(struct dns_image) << 4 | sizeof(void *);
}

/* --- building --- */

static void align(struct keel_buf *head, size_t to)
{
    static const uint8_t zeros[64];
    keel_buf_append(head, zeros, -keel_buf_size(head) & (to - 1));
}

static int put_sources(struct keel_buf *head, const struct dns_image_part *part)
{
    for (unsigned i = 0; i < part->source_count; i++) {
        const struct dns_source *source = &part->sources[i];
        size_t path = strlen(source->path) + 1, size = sizeof(struct file_source) + path;
        if (path > UINT16_MAX)
            return KEEL_ERANGE;
        struct file_source row = {
            .size = source->size,
            .inode = source->inode,
            .device = source->device,
            .modified_ns = source->modified_ns,
            .changed_ns = source->changed_ns,
            .next = (uint32_t)(keel_buf_size(head) + ((size + 7) & ~(size_t)7)),
            .path_size = (uint16_t)path,
            .settled = source->settled,
        };
        keel_buf_append(head, &row, sizeof row);
        keel_buf_append(head, source->path, path);
        align(head, 8);
    }
    return head->failed;
}

static struct file_zone *row_of(struct keel_buf *head, unsigned i)
{
    return (struct file_zone *)(keel_buf_bytes(head) + sizeof(struct file_head)) + i;
}

static int put_zone(struct keel_buf *head, unsigned i, const struct dns_image_part *part)
{
    const struct dns_node *apex = dns_image_apex(part->image);
    struct file_zone row = {
        .size = part->image->size,
        .checksum = keel_checksum(part->image, part->image->size),
        .apex = (uint32_t)keel_buf_size(head),
        .apex_size = apex->name_size,
        .source_count = (uint16_t)part->source_count,
    };
    if (part->source_count > UINT16_MAX)
        return KEEL_ERANGE;
    keel_buf_append(head, dns_node_name(part->image, apex), apex->name_size);
    align(head, 8);
    row.sources = (uint32_t)keel_buf_size(head);
    int err = put_sources(head, part);
    if (err == 0)
        *row_of(head, i) = row;
    return err;
}

int dns_image_file_build(const struct dns_image_part *parts, unsigned count, struct keel_buf *head,
                         uint64_t *offsets, uint64_t *size)
{
    struct file_head top = {.format = format(), .count = count};
    size_t fixed = sizeof top + count * sizeof(struct file_zone);
    memcpy(top.magic, magic, sizeof magic);
    if (count == 0 || count > ZONES_MAX)
        return KEEL_ERANGE;
    uint8_t *p = keel_buf_reserve(head, fixed);
    if (!p)
        return head->failed;
    memset(p, 0, fixed);
    keel_buf_commit(head, fixed);
    for (unsigned i = 0; i < count; i++) {
        int err = put_zone(head, i, &parts[i]);
        if (err)
            return err;
    }
    if (keel_buf_size(head) > UINT32_MAX)
        return KEEL_ERANGE;
    uint64_t at =
        (keel_buf_size(head) + DNS_IMAGE_FILE_PAGE - 1) & ~(uint64_t)(DNS_IMAGE_FILE_PAGE - 1);
    for (unsigned i = 0; i < count; i++) {
        offsets[i] = row_of(head, i)->offset = at;
        *size = at + parts[i].image->size;
        at = (*size + 63) & ~63ull;
    }
    top.size = *size;
    top.head = keel_buf_size(head);
    memcpy(keel_buf_bytes(head), &top, sizeof top);
    top.checksum = keel_checksum(keel_buf_bytes(head), keel_buf_size(head));
    memcpy(keel_buf_bytes(head), &top, sizeof top);
    return 0;
}

/* --- reading --- */

static int wrong(struct keel_diag *diag, const char *what)
{
    return keel_diag_set(diag, KEEL_EINVAL, "%s", what);
}

/* A checksum over the head with zero where it stands itself, without a copy: its place is summed
 * apart. */
static bool head_is_whole(const uint8_t *bytes, const struct file_head *top, struct keel_buf *copy)
{
    struct file_head zeroed = *top;
    zeroed.checksum = 0;
    keel_buf_append(copy, bytes, (size_t)top->head);
    if (copy->failed)
        return false;
    memcpy(keel_buf_bytes(copy), &zeroed, sizeof zeroed);
    return keel_checksum(keel_buf_bytes(copy), (size_t)top->head) == top->checksum;
}

static const struct file_source *source_at(const struct dns_image_file *file, uint64_t head,
                                           uint64_t at)
{
    if (at % 8 || at > head || head - at < sizeof(struct file_source))
        return NULL;
    const struct file_source *source = (const struct file_source *)(file->bytes + at);
    uint64_t size = (sizeof *source + source->path_size + 7u) & ~7ull;
    if (source->path_size == 0 || size > head - at || source->next != at + size ||
        memchr(source->path, 0, source->path_size) != source->path + source->path_size - 1)
        return NULL;
    return source;
}

static bool zone_inside(const struct dns_image_file *file, uint64_t head,
                        const struct file_zone *zone)
{
    if (zone->offset % 64 || zone->offset < head || zone->offset > file->size ||
        zone->size > file->size - zone->offset || zone->apex > head ||
        zone->apex_size > head - zone->apex || zone->apex_size > DNS_NAME_MAX ||
        dns_name_scan(file->bytes + zone->apex, zone->apex_size) != zone->apex_size)
        return false;
    uint64_t at = zone->sources;
    for (unsigned i = 0; i < zone->source_count; i++) {
        const struct file_source *source = source_at(file, head, at);
        if (!source)
            return false;
        at = source->next;
    }
    return true;
}

int dns_image_file_open(struct dns_image_file *file, const void *bytes, uint64_t size,
                        struct keel_diag *diag)
{
    const struct file_head *top = bytes;
    struct keel_buf copy = {0};

    if (size < sizeof *top || memcmp(top->magic, magic, sizeof magic) != 0)
        return wrong(diag, "no file of images");
    if (top->format != format())
        return wrong(diag, "written in another format, by another version of the program");
    if (top->size != size)
        return wrong(diag, "torn: its size is another");
    *file = (struct dns_image_file){.bytes = bytes, .size = size, .count = top->count};
    if (top->head > size || top->count > ZONES_MAX ||
        (top->head < sizeof *top + top->count * sizeof(struct file_zone)))
        return wrong(diag, "damaged: its head");
    bool whole = head_is_whole(bytes, top, &copy);
    int failed = copy.failed;
    keel_buf_fini(&copy);
    if (failed)
        return keel_diag_set(diag, failed, "%s", keel_strerror(failed));
    if (!whole)
        return wrong(diag, "damaged: the checksum of its head is another");
    for (unsigned i = 0; i < top->count; i++)
        if (!zone_inside(file, top->head, (const struct file_zone *)(top + 1) + i))
            return wrong(diag, "damaged: its list of zones");
    return 0;
}

void dns_image_file_zone(const struct dns_image_file *file, unsigned i, struct dns_image_zone *zone)
{
    const struct file_zone *row =
        (const struct file_zone *)(file->bytes + sizeof(struct file_head)) + i;
    *zone = (struct dns_image_zone){
        .apex = file->bytes + row->apex,
        .apex_size = (uint8_t)row->apex_size,
        .offset = row->offset,
        .size = row->size,
        .source_count = row->source_count,
        .sources = row->sources,
        .checksum = row->checksum,
    };
}

void dns_image_file_source(const struct dns_image_file *file, const struct dns_image_zone *zone,
                           unsigned k, struct dns_source *source)
{
    const struct file_source *row = (const struct file_source *)(file->bytes + zone->sources);
    while (k-- > 0)
        row = (const struct file_source *)(file->bytes + row->next);
    *source = (struct dns_source){
        .path = row->path,
        .size = row->size,
        .inode = row->inode,
        .device = row->device,
        .modified_ns = row->modified_ns,
        .changed_ns = row->changed_ns,
        .settled = row->settled != 0,
    };
}

const struct dns_image *dns_image_file_image(const struct dns_image_file *file,
                                             const struct dns_image_zone *zone,
                                             struct keel_diag *diag)
{
    const struct dns_image *image = (const struct dns_image *)(file->bytes + zone->offset);
    if (keel_checksum(image, zone->size) != zone->checksum) {
        wrong(diag, "damaged: the checksum is another");
        return NULL;
    }
    if (dns_image_check(image, zone->size, diag) != 0)
        return NULL;
    const struct dns_node *apex = dns_image_apex(image);
    if (apex->name_size != zone->apex_size ||
        memcmp(dns_node_name(image, apex), zone->apex, zone->apex_size) != 0) {
        wrong(diag, "damaged: another zone");
        return NULL;
    }
    return image;
}
