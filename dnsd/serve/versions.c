#include "dnsd/serve/versions.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/messages.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
/* Large files are unmapped bit by bit, so that no answer waits: so much every millisecond. */
#define UNMAP_PART ((uint64_t)4 << 20)

/* A file that is mapped. The keeper's word and each version in it hold a reference. */
struct file {
    uint32_t number;
    unsigned refs;
    int fd;       /* of one with deltas, until they are mapped; else -1 */
    uint8_t *map; /* NULL: deltas */
    uint64_t size, reserve;
    struct keel_list served; /* the versions whose base is here; deltas: in dns_versions.deltas */
    struct dns_versions *versions;
    struct keel_list leaving; /* in dns_versions.leaving, when nobody needs it any more */
    uint64_t unmapped;        /* of it, from its start */
};

/* What dns_zone.version points to. */
struct served {
    struct dns_version version;
    struct keel_list node; /* in file.served */
    struct file *file;
    uint32_t delta_origin, delta_end;
};

struct dns_versions {
    struct keel_instance *instance;
    struct dns_zones *zones;
    struct keel_hash_key key;
    struct keel_table files; /* by number */
    struct keel_list deltas; /* files with deltas of the publication under way, by `served` */
    struct keel_list leaving;
    struct keel_timer unmap;
    unsigned refs; /* its owner, and each file */
    bool closed;   /* without its owner */
};

/* --- files --- */

static uint64_t number_hash(const struct dns_versions *v, uint32_t number)
{
    return keel_hash(&v->key, &number, sizeof number);
}

static int file_equal(const void *value, const void *key, size_t key_size)
{
    return ((const struct file *)value)->number == *(const uint32_t *)key;
}

static struct file *file_find(const struct dns_versions *v, uint32_t number)
{
    return keel_table_find(&v->files, number_hash(v, number), &number, sizeof number, file_equal);
}

static void versions_release(struct dns_versions *v)
{
    if (--v->refs == 0)
        keel_free(v);
}

static void file_free(struct file *file)
{
    keel_list_remove(&file->leaving);
    if (file->map)
        munmap(file->map + file->unmapped, file->reserve - file->unmapped);
    if (file->fd >= 0)
        close(file->fd);
    versions_release(file->versions);
    keel_free(file);
}

static void file_release(struct file *file)
{
    struct dns_versions *v = file->versions;
    if (--file->refs > 0)
        return;
    if (file->map && file->reserve > UNMAP_PART && !v->closed &&
        keel_timer_start(&v->unmap, KEEL_NS_PER_MS, KEEL_NS_PER_MS) == 0)
        keel_list_push_back(&v->leaving, &file->leaving);
    else
        file_free(file);
}

static void on_unmap(struct keel_timer *timer)
{
    struct dns_versions *v = KEEL_CONTAINER(timer, struct dns_versions, unmap);
    struct file *file = KEEL_CONTAINER(v->leaving.next, struct file, leaving);
    if (file->reserve - file->unmapped > UNMAP_PART) { /* deltas were behind its end */
        munmap(file->map + file->unmapped, UNMAP_PART);
        file->unmapped += UNMAP_PART;
        return;
    }
    file_free(file);
    if (keel_list_empty(&v->leaving))
        keel_timer_stop(timer);
}

static void file_forget(struct dns_versions *v, struct file *file)
{
    keel_table_remove(&v->files, number_hash(v, file->number), file);
    if (!file->map)
        keel_list_remove(&file->served);
    file_release(file);
}

/* Maps it into address space of its own, with room behind it for deltas. */
static int map_file(struct file *file, int fd)
{
    uint8_t *map =
        mmap(NULL, file->reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return KEEL_ESYS;
    file->map = map;
    return mmap(map, file->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED
               ? KEEL_ESYS
               : 0;
}

static int add_file(struct dns_versions *v, const struct dns_msg_file *row, int *fd)
{
    struct stat st;
    if (row->size == 0 || row->reserve < row->size || fstat(*fd, &st) != 0 ||
        (uint64_t)st.st_size < row->size)
        return KEEL_EINVAL;
    struct file *file = keel_calloc(1, sizeof *file);
    if (!file)
        return KEEL_ENOMEM;
    *file = (struct file){.number = row->number,
                          .refs = 1,
                          .fd = -1,
                          .versions = v,
                          .size = row->size,
                          .reserve = (row->reserve + PAGE - 1) / PAGE * PAGE};
    keel_list_init(&file->served);
    keel_list_init(&file->leaving);
    v->refs++;
    int err = row->flags & DNS_MSG_FILE_DELTAS ? 0 : map_file(file, *fd);
    if (!err)
        err = keel_table_add(&v->files, number_hash(v, file->number), file);
    if (err) {
        file_release(file);
        return err;
    }
    if (row->flags & DNS_MSG_FILE_DELTAS) {
        keel_list_push_back(&v->deltas, &file->served);
        file->fd = *fd;
        *fd = -1;
    }
    return 0;
}

static void take_files(struct dns_versions *v, struct keel_message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++) {
        struct dns_msg_file row;
        if ((i + 1) * sizeof row > message->size)
            return;
        memcpy(&row, message->bytes + i * sizeof row, sizeof row);
        if (file_find(v, row.number))
            continue; /* told again */
        int err = add_file(v, &row, &message->fds[i]);
        if (err)
            keel_error("zone", "cannot map a file of the keeper", "file=%u bytes=%llu reason=%s",
                       row.number, (unsigned long long)row.size, keel_strerror(err));
    }
}

static void forget_files(struct dns_versions *v, const struct keel_message *message)
{
    for (size_t at = 0; at + 4 <= message->size; at += 4) {
        uint32_t number;
        memcpy(&number, message->bytes + at, 4);
        struct file *file = file_find(v, number);
        if (file)
            file_forget(v, file);
    }
}

/* --- versions --- */

static void on_unused(struct dns_version *version)
{
    struct served *served = KEEL_CONTAINER(version, struct served, version);
    keel_list_remove(&served->node);
    if (served->file)
        file_release(served->file);
    keel_free(served);
}

static const struct dns_image *image_at(const struct file *file, uint64_t offset)
{
    if (offset % 64 || offset + sizeof(struct dns_image) > file->size)
        return NULL;
    const struct dns_image *image = (const struct dns_image *)(file->map + offset);
    return image->magic == DNS_IMAGE_MAGIC && image->size <= file->size - offset ? image : NULL;
}

/* Versions that have a delta where another one comes: whoever still reads them has to stop. */
static void revoke_over(struct file *file, uint32_t origin, uint32_t end)
{
    keel_list_for (node, &file->served) {
        struct served *served = KEEL_CONTAINER(node, struct served, node);
        if (served->version.view.delta && served->delta_origin < end && served->delta_end > origin)
            served->version.revoked = true;
    }
}

static int map_delta(struct dns_versions *v, struct served *served, const struct dns_msg_zone *zone)
{
    struct file *base = served->file, *deltas = file_find(v, zone->delta_file);
    uint64_t size = ((uint64_t)zone->delta_size + PAGE - 1) / PAGE * PAGE;
    uint64_t at = zone->offset + zone->delta_origin;
    if (!deltas || deltas->fd < 0 || zone->offset % PAGE || zone->delta_origin % PAGE ||
        zone->delta_offset % PAGE || zone->delta_offset + zone->delta_size > deltas->size ||
        zone->delta_size < sizeof(struct dns_image) || at < base->size || at + size > base->reserve)
        return KEEL_EINVAL;
    served->delta_origin = zone->delta_origin;
    served->delta_end = (uint32_t)(zone->delta_origin + size);
    revoke_over(base, served->delta_origin, served->delta_end);
    void *map = mmap(base->map + at, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, deltas->fd,
                     (off_t)zone->delta_offset);
    if (map == MAP_FAILED)
        return KEEL_ESYS;
    served->version.view.delta = map;
    return 0;
}

static int make_version(struct dns_versions *v, const struct dns_msg_zone *zone,
                        struct dns_version **out)
{
    struct file *file = file_find(v, zone->file);
    const struct dns_image *image = file && file->map ? image_at(file, zone->offset) : NULL;
    if (!image)
        return KEEL_EINVAL;
    struct served *served = keel_calloc(1, sizeof *served);
    if (!served)
        return KEEL_ENOMEM;
    served->version.refs = 1;
    served->version.expired = zone->flags & DNS_MSG_ZONE_EXPIRED;
    served->version.release = on_unused;
    served->version.view.base = image;
    served->file = file;
    file->refs++;
    int err = zone->delta_file == DNS_MSG_NO_FILE ? 0 : map_delta(v, served, zone);
    keel_list_push_back(&file->served, &served->node);
    if (err) {
        on_unused(&served->version);
        return err;
    }
    *out = &served->version;
    return 0;
}

/* An entry of the catalogue. */
static void take_zone(struct dns_versions *v, const struct dns_msg_zone *entry)
{
    struct dns_version *version = NULL;
    struct dns_zone *zone = dns_zones_get(v->zones, entry->apex, entry->apex_size);
    if (!zone) /* the keeper's configuration is newer: a reload is under way */
        return;
    int err = entry->flags & DNS_MSG_ZONE_GONE ? 0 : make_version(v, entry, &version);
    if (err) {
        char name[DNS_NAME_TEXT];
        dns_name_to_text(name, zone->apex.bytes);
        keel_error("zone", "cannot serve a version", "zone=%s reason=%s", name, keel_strerror(err));
        return; /* the old one is better than none */
    }
    dns_zone_set_version(zone, version);
}

static void take_catalogue(struct dns_versions *v, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (size - at >= sizeof(struct dns_msg_zone)) {
        const struct dns_msg_zone *entry = (const struct dns_msg_zone *)(bytes + at);
        if (entry->size > size - at || entry->size % 8 ||
            entry->size < sizeof *entry + entry->apex_size)
            break;
        take_zone(v, entry);
        at += entry->size;
    }
}

static void take_zones(struct dns_versions *v, const struct keel_message *message)
{
    struct stat st;
    if (message->a == 0) { /* entries want to be aligned, a message need not be */
        _Alignas(8) uint8_t bytes[KEEL_MESSAGE_MAX];
        memcpy(bytes, message->bytes, message->size);
        take_catalogue(v, bytes, message->size);
        return;
    }
    if (message->fd_count != 1 || fstat(message->fds[0], &st) != 0 || st.st_size <= 0)
        return;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, message->fds[0], 0);
    if (map == MAP_FAILED) {
        keel_error("zone", "cannot map the list of zones", "error=%m");
        return;
    }
    take_catalogue(v, map, (size_t)st.st_size);
    munmap(map, (size_t)st.st_size);
}

/* --- the keeper's word --- */

/* Deltas have been mapped to where they are wanted: their files are not needed. */
static void end_publication(struct dns_versions *v)
{
    while (!keel_list_empty(&v->deltas))
        file_forget(v, KEEL_CONTAINER(v->deltas.next, struct file, served));
}

int dns_versions_message(struct dns_versions *versions, unsigned helper,
                         struct keel_message *message)
{
    switch (message->type) {
    case DNS_MSG_FILES:
        take_files(versions, message);
        return 0;
    case DNS_MSG_ZONES:
        take_zones(versions, message);
        return 0;
    case DNS_MSG_FORGET:
        forget_files(versions, message);
        return 0;
    case DNS_MSG_PUBLISHED:
        end_publication(versions);
        keel_instance_send(versions->instance, helper, DNS_MSG_CONFIRMED, message->a, 0, NULL, 0,
                           NULL, 0);
        if (message->b)
            keel_instance_ready(versions->instance);
        return 0;
    default:
        return KEEL_ENOTSUP;
    }
}

static void forget_all(struct dns_versions *v)
{
    size_t cursor = 0;
    struct file *file;
    while ((file = keel_table_next(&v->files, &cursor)))
        file_release(file);
    keel_table_fini(&v->files);
    keel_table_init(&v->files);
    keel_list_init(&v->deltas);
}

void dns_versions_restart(struct dns_versions *versions)
{
    forget_all(versions); /* a new keeper numbers files anew */
}

struct dns_versions *dns_versions_new(struct keel_instance *instance, struct dns_zones *zones)
{
    struct dns_versions *v = keel_calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->instance = instance;
    v->zones = zones;
    v->key = (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()};
    keel_table_init(&v->files);
    keel_list_init(&v->deltas);
    keel_list_init(&v->leaving);
    keel_timer_init(&v->unmap, instance->loop, "unmap", on_unmap);
    v->refs = 1;
    return v;
}

void dns_versions_free(struct dns_versions *versions)
{
    if (!versions)
        return;
    for (unsigned i = 0; i < versions->zones->count; i++)
        dns_zone_set_version(versions->zones->items[i], NULL);
    versions->closed = true;
    keel_timer_stop(&versions->unmap);
    forget_all(versions);
    keel_list_for_safe (node, &versions->leaving)
        file_free(KEEL_CONTAINER(node, struct file, leaving));
    versions_release(versions);
}
