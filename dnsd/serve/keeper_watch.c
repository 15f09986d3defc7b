#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <errno.h>

/* How the files look now of which the zone is made: two that differ are two states of them. */
static uint64_t add_look(uint64_t look, const char *path)
{
    struct stat st;
    struct dns_source now = {0};
    if (stat(path, &st) == 0)
        dns_source_set(&now, &st);
    const uint64_t all[] = {
        look, now.size, now.inode, now.device, (uint64_t)now.modified_ns, (uint64_t)now.changed_ns};
    return keel_checksum(all, sizeof all);
}

/* The same as when they were read. */
static bool is_as_read(const struct dns_source *then)
{
    struct stat st;
    struct dns_source now;
    if (stat(then->path, &st) != 0)
        return false;
    dns_source_set(&now, &st);
    return now.size == then->size && now.inode == then->inode && now.device == then->device &&
           now.modified_ns == then->modified_ns && now.changed_ns == then->changed_ns;
}

/* True when what is served was made of files that look another way now; `unknown` when it is not
 * known what it was made of. */
static bool look_at_files(const struct keeper_zone *zone, bool unknown, uint64_t *look)
{
    const struct dns_shared *shared = zone->base ? zone->base : zone->published.file;
    const struct dns_image_file *file = dns_keeper_image_file(shared);
    struct dns_image_zone image = {0};
    struct dns_source source;
    bool same = true;
    *look = add_look(0, zone->kept.zone->file);
    if (!file || dns_keeper_find_image(shared, &zone->kept.apex, &image) != 0 ||
        image.source_count == 0)
        return unknown;
    for (unsigned i = 0; i < image.source_count; i++) {
        dns_image_file_source(file, &image, i, &source);
        *look = add_look(*look, source.path);
        same = same && is_as_read(&source);
    }
    return !same;
}

static void on_loaded(struct keeper_loading *loading, struct keeper_zone *zone)
{
    char name[DNS_NAME_TEXT];
    if (!zone)
        return; /* it was said why */
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_notice("zone", "its file has changed and was read", "zone=%s serial=%u", name,
                loading->serial);
}

static void on_touched(void *arg, struct dns_watched *w)
{
    struct dns_keeper *keeper = arg;
    struct keeper_zone *zone = KEEL_CONTAINER(w, struct keeper_zone, watched);
    struct keel_diag diag = {""};
    uint64_t look;
    if (!look_at_files(zone, true, &look) || look == zone->look || keeper->stopping)
        return;
    int err = dns_keeper_start_loading(zone, on_loaded, NULL, &diag);
    if (err == 0)
        zone->look = look; /* these are read, good or bad: once */
    else
        dns_file_watch_again(keeper->watch, w);
}

void dns_keeper_watch(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    char name[DNS_NAME_TEXT];
    uint64_t look;
    if (!zone->kept.zone->watch || zone->watched.folder)
        return;
    if (!keeper->watch)
        keeper->watch = dns_file_watch_new(keeper->instance->loop, on_touched, keeper);
    if (!keeper->watch ||
        dns_file_watch_add(keeper->watch, &zone->watched, zone->kept.zone->file) != 0) {
        dns_name_to_text(name, zone->kept.apex.bytes);
        keel_warning("zone", "its file cannot be watched", "zone=%s reason=%s", name,
                     strerror(errno));
        return;
    }
    /* what happened before somebody watched; a file that was refused already is left alone */
    if (look_at_files(zone, false, &look) && !zone->error)
        dns_file_watch_again(keeper->watch, &zone->watched);
}

void dns_keeper_unwatch(struct keeper_zone *zone)
{
    if (zone->kept.keeper->watch)
        dns_file_watch_remove(zone->kept.keeper->watch, &zone->watched);
}

void dns_keeper_watch_all(struct dns_keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->zones[i])
            dns_keeper_watch(keeper->zones[i]);
}

void dns_keeper_unwatch_all(struct dns_keeper *keeper)
{
    dns_file_watch_free(keeper->watch);
    keeper->watch = NULL;
}
