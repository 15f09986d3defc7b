#include "common/base/mem.h"
#include "dnsd/serve/keeper_private.h"

#include <sys/mman.h>

#define PAGE 4096u
#define ROOM_LEAST ((uint64_t)16 << 20)
/* Files of this size are kept so long behind their last use. */
#define LINGER_LEAST ((size_t)1 << 20)
#define LINGER (3 * KEEL_NS_PER_S)

/* --- files of the state directory that are mapped --- */

static uint64_t name_hash(const struct dns_keeper *keeper, const char *name)
{
    return keel_hash(&keeper->key, name, strlen(name));
}

static int name_equal(const void *value, const void *key, size_t size)
{
    const struct keeper_file *file = value;
    return strlen(file->map->name) == size && memcmp(file->map->name, key, size) == 0;
}

static struct keeper_file *find_file(const struct dns_keeper *keeper, const char *name)
{
    return keel_table_find(&keeper->files, name_hash(keeper, name), name, strlen(name), name_equal);
}

static void release_file(struct keel_job *job)
{
    struct keeper_file *file = KEEL_CONTAINER(job, struct keeper_file, job);
    if (file->space)
        munmap(file->space, file->reserve);
    dns_image_map_release(file->map);
}

static void on_released(struct keel_job *job, int err)
{
    struct keeper_file *file = KEEL_CONTAINER(job, struct keeper_file, job);
    if (err) /* it did not run */
        release_file(job);
    keel_free(file);
}

static void on_linger(struct keel_timer *timer)
{
    struct dns_keeper *keeper = KEEL_CONTAINER(timer, struct dns_keeper, linger);
    while (!keel_list_empty(&keeper->lingering)) {
        struct keeper_file *file =
            KEEL_CONTAINER(keeper->lingering.next, struct keeper_file, lingering);
        if (file->until_ns > keel_loop_now(keeper->instance->loop))
            return;
        keel_list_remove(&file->lingering);
        if (keel_offload_start(keeper->pool, &file->job, release_file, on_released) != 0)
            on_released(&file->job, KEEL_ECANCELED);
    }
    keel_timer_stop(timer);
}

/* Nobody is served from it any more. Whoever lets go last of a large file that has no name any more
 * pays for the end of it, tens of milliseconds: that shall be no worker, which unmaps its own bit
 * by bit, and not our loop. */
static void on_unused(void *owner)
{
    struct keeper_file *file = owner;
    struct dns_keeper *keeper = file->keeper;
    keel_table_remove(&keeper->files, name_hash(keeper, file->map->name), file);
    if (file->map->file.size < LINGER_LEAST || keeper->stopping ||
        (!keel_timer_pending(&keeper->linger) &&
         keel_timer_start(&keeper->linger, LINGER / 3, LINGER / 3) != 0)) {
        on_released(&file->job, KEEL_ECANCELED);
        return;
    }
    file->until_ns = keel_loop_now(keeper->instance->loop) + LINGER;
    keel_list_push_back(&keeper->lingering, &file->lingering);
}

void dns_keeper_files_init(struct dns_keeper *keeper)
{
    keel_list_init(&keeper->lingering);
    keel_timer_init(&keeper->linger, keeper->instance->loop, "linger", on_linger);
}

void dns_keeper_files_fini(struct dns_keeper *keeper)
{
    keel_timer_stop(&keeper->linger);
    keel_list_for_safe (node, &keeper->lingering) {
        struct keeper_file *file = KEEL_CONTAINER(node, struct keeper_file, lingering);
        keel_list_remove(&file->lingering);
        on_released(&file->job, KEEL_ECANCELED);
    }
}

const char *dns_keeper_file_name(const struct dns_shared *shared)
{
    return shared && shared->owner ? ((const struct keeper_file *)shared->owner)->map->name : NULL;
}

const struct dns_image_file *dns_keeper_image_file(const struct dns_shared *shared)
{
    return shared && shared->owner ? &((const struct keeper_file *)shared->owner)->map->file : NULL;
}

/* Room for deltas behind what is mapped, as a worker will have it. */
static int set_aside(struct keeper_file *file, uint64_t reserve)
{
    void *space =
        mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return KEEL_ENOMEM;
    file->space = space;
    file->reserve = reserve;
    return mmap(space, file->map->file.size, PROT_READ, MAP_SHARED | MAP_FIXED, file->map->fd, 0) ==
                   MAP_FAILED
               ? KEEL_ESYS
               : 0;
}

bool dns_keeper_has_file(const struct dns_keeper *keeper, const char *name)
{
    return find_file(keeper, name) != NULL;
}

/* Deltas of up to the base's size, twice, so that one can be made while another is read. */
static uint64_t room_behind(uint64_t size)
{
    uint64_t reserve = 3 * size + ROOM_LEAST;
    reserve = reserve > UINT32_MAX ? UINT32_MAX : reserve;
    return reserve / PAGE * PAGE;
}

int dns_keeper_open_file(struct dns_keeper *keeper, const char *name, bool room,
                         struct dns_shared **shared, struct keel_diag *diag)
{
    struct dns_image_map *map;
    struct keeper_file *file = find_file(keeper, name);
    if (file) {
        *shared = dns_shared_hold(file->shared);
        return 0;
    }
    int err = dns_images_map(keeper->images, name, &map, diag);
    if (err)
        return err;
    file = keel_calloc(1, sizeof *file);
    if (!file) {
        dns_image_map_release(map);
        return keel_diag_memory(diag);
    }
    file->keeper = keeper;
    file->map = map;
    /* small ones are published whole, and what is in a pack stands in nobody's way */
    if (room && map->file.count == 1 && map->file.size >= DNS_PACK_IMAGE_MAX)
        err = set_aside(file, room_behind(map->file.size));
    if (!err)
        err = keel_table_add(&keeper->files, name_hash(keeper, name), file);
    if (!err) {
        file->shared = dns_shared_borrow(keeper->publisher, map->fd,
                                         file->space ? file->space : map->file.bytes,
                                         map->file.size, file, on_unused);
        err = file->shared ? 0 : KEEL_ENOMEM;
    }
    if (err) {
        on_unused(file);
        return keel_diag_set(diag, err, "cannot map \"%s\": %s", name, keel_strerror(err));
    }
    file->shared->reserve = file->reserve;
    *shared = file->shared;
    return 0;
}

/* --- images on their way into files --- */

void dns_pack_clear(struct keeper_pack *pack)
{
    for (unsigned i = 0; i < pack->count; i++) {
        keel_free(pack->items[i].image);
        dns_sources_fini(&pack->items[i].sources);
    }
    pack->count = 0;
    pack->size = 0;
}

void dns_pack_fini(struct keeper_pack *pack)
{
    dns_pack_clear(pack);
    keel_free(pack->items);
    *pack = (struct keeper_pack){0};
}

int dns_pack_add(struct keeper_pack *pack, struct keeper_zone *zone, struct dns_image *image,
                 struct dns_sources *sources)
{
    if (pack->count == pack->capacity) {
        unsigned n = pack->capacity ? pack->capacity * 2 : 64;
        struct keeper_pack_item *items = keel_realloc(pack->items, n * sizeof *items);
        if (!items)
            return KEEL_ENOMEM;
        pack->items = items;
        pack->capacity = n;
    }
    pack->items[pack->count++] = (struct keeper_pack_item){zone, image, *sources};
    *sources = (struct dns_sources){0};
    pack->size += image->size;
    return 0;
}

int dns_pack_write(struct dns_images *images, const struct keeper_pack *pack,
                   char name[DNS_IMAGES_NAME], struct keel_diag *diag)
{
    struct dns_image_part *parts = keel_calloc(pack->count + 1, sizeof *parts);
    if (!parts)
        return keel_diag_memory(diag);
    for (unsigned i = 0; i < pack->count; i++)
        parts[i] = (struct dns_image_part){pack->items[i].image, pack->items[i].sources.items,
                                           pack->items[i].sources.count};
    int err = dns_images_write(images, parts, pack->count, name, diag);
    keel_free(parts);
    return err;
}

/* Zones are asked for in the order in which they stand there: the next one first. */
int dns_keeper_find_image(const struct dns_shared *shared, const struct dns_name *apex,
                          struct dns_image_zone *zone)
{
    struct keeper_file *owner = shared->owner;
    const struct dns_image_file *file = &owner->map->file;
    for (unsigned i = 0; i < file->count; i++) {
        unsigned at = (owner->cursor + i) % file->count;
        dns_image_file_zone(file, at, zone);
        if (zone->apex_size == apex->size && memcmp(zone->apex, apex->bytes, apex->size) == 0) {
            owner->cursor = at + 1;
            return 0;
        }
    }
    return KEEL_ENOENT;
}

bool dns_keeper_is_fresh(const struct keeper_zone *zone)
{
    const struct dns_shared *shared = zone->published.file;
    struct dns_image_zone where;
    if (!shared || !shared->owner || dns_keeper_changes(zone))
        return false;
    return dns_keeper_find_image(shared, &zone->kept.apex, &where) == 0 &&
           dns_images_fresh(dns_keeper_image_file(shared), &where, zone->kept.zone->file);
}
