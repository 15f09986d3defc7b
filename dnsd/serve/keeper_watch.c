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

/* What is served was made of these files; NULL: it is not known of which. */
static const struct dns_image_file *made_of(const struct keeper_zone *zone,
                                            struct dns_image_zone *image)
{
    const struct dns_shared *shared = zone->base ? zone->base : zone->published.file;
    const struct dns_image_file *file = dns_keeper_image_file(shared);
    return file && dns_keeper_find_image(shared, &zone->kept.apex, image) == 0 &&
                   image->source_count > 0
               ? file
               : NULL;
}

/* True when what is served was made of files that look another way now; `unknown` when it is not
 * known what it was made of. */
static bool look_at_files(const struct keeper_zone *zone, bool unknown, uint64_t *look)
{
    struct dns_image_zone image;
    const struct dns_image_file *file = made_of(zone, &image);
    struct dns_source source;
    bool same = true;
    *look = add_look(0, zone->kept.zone->file);
    if (!file)
        return unknown;
    for (unsigned i = 0; i < image.source_count; i++) {
        dns_image_file_source(file, &image, i, &source);
        *look = add_look(*look, source.path);
        same = same && dns_source_is(&source);
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

static void on_touched(void *arg, struct keel_watched_files *w)
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
        keel_file_watch_again(keeper->watch, w);
}

/* Every folder that a file of the zone lies in: the file's, and those of what it includes. */
static int add_folders(struct keeper_zone *zone)
{
    struct keel_file_watch *watch = zone->kept.keeper->watch;
    struct dns_image_zone image;
    const struct dns_image_file *file = made_of(zone, &image);
    struct dns_source source;
    int err = keel_file_watch_add(watch, &zone->watched, zone->kept.zone->file);
    for (unsigned i = 0; file && i < image.source_count && !err; i++) {
        dns_image_file_source(file, &image, i, &source);
        err = keel_file_watch_add(watch, &zone->watched, source.path);
    }
    return err;
}

void dns_keeper_watch(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    char name[DNS_NAME_TEXT];
    uint64_t look;
    int err = KEEL_ESYS;
    if (!zone->kept.zone->watch || keeper->state != KEEPER_OWNER)
        return;
    if (!keeper->watch)
        keeper->watch = keel_file_watch_new(keeper->instance->loop, "zone files", on_touched, keeper);
    if (keeper->watch)
        err = add_folders(zone);
    if (err) {
        dns_name_to_text(name, zone->kept.apex.bytes);
        keel_warning("zone", "its files cannot be watched", "zone=%s reason=%s", name,
                     err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
        return;
    }
    /* what happened before somebody watched; a file that was refused already is left alone */
    if (look_at_files(zone, false, &look) && !zone->error)
        keel_file_watch_again(keeper->watch, &zone->watched);
}

void dns_keeper_unwatch(struct keeper_zone *zone)
{
    if (zone->kept.keeper->watch)
        keel_file_watch_remove(zone->kept.keeper->watch, &zone->watched);
}

void dns_keeper_watch_all(struct dns_keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->zones[i])
            dns_keeper_watch(keeper->zones[i]);
}

void dns_keeper_unwatch_all(struct dns_keeper *keeper)
{
    keel_file_watch_free(keeper->watch);
    keeper->watch = NULL;
}
