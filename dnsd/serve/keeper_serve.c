#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE 4096u

void dns_keeper_warn(const struct dns_name *apex, const char *text)
{
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, apex->bytes);
    keel_log(KEEL_LOG_WARNING, "zone", "a zone is served, but not as it should be",
             "zone=%s what=%s", name, text);
}

static void log_warning(void *arg, const char *text)
{
    dns_keeper_warn(arg, text);
}

void dns_keeper_check_expiration(const struct dns_zone *zone, const struct dns_image *image)
{
    uint32_t now = (uint32_t)(keel_clock_realtime() / KEEL_NS_PER_S);
    if (image->signatures > 0 && (int32_t)(image->signed_until - now) <= 0)
        dns_keeper_warn(&zone->apex, "signatures have expired");
}

int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image,
                    struct dns_sources *sources, struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT];
    struct keel_diag inner = {""};
    int err = dns_load_zone(zone->file, &zone->apex, log_warning, (void *)&zone->apex, image,
                            sources, &inner);
    if (err == 0) {
        dns_keeper_check_expiration(zone, *image);
        return 0;
    }
    dns_name_to_text(name, zone->apex.bytes);
    return keel_diag_set(diag, err == KEEL_ENOMEM ? err : KEEL_ECONF, "zone \"%s\": %s", name,
                         inner.text);
}

static size_t aligned(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

int dns_keeper_serve_memory(struct dns_keeper *keeper, struct keeper_pack *pack,
                            struct keel_diag *diag)
{
    uint8_t *bytes;
    size_t size = 0, at = 0;
    for (unsigned i = 0; i < pack->count; i++)
        size += aligned(pack->items[i].image->size);
    struct dns_shared *file = dns_shared_new(keeper->publisher, size, &bytes);
    if (!file)
        return keel_diag_set(diag, KEEL_ESYS, "cannot hold zones: %s", strerror(errno));
    for (unsigned i = 0; i < pack->count; i++) {
        memcpy(bytes + at, pack->items[i].image, pack->items[i].image->size);
        at += aligned(pack->items[i].image->size);
    }
    int err = dns_shared_seal(file);
    at = 0;
    for (unsigned i = 0; i < pack->count && !err; i++) {
        err = dns_keeper_serve(pack->items[i].zone, file, at);
        at += aligned(pack->items[i].image->size);
    }
    dns_shared_release(keeper->publisher, file);
    return err ? keel_diag_set(diag, err, "cannot hold zones: %s", keel_strerror(err)) : 0;
}

/* The keeper reads its own zones as a worker does: the notifier and the commands look there. */
struct own_version {
    struct dns_version version;
    struct dns_publisher *publisher;
    struct dns_shared *file;
};

static void free_own(struct dns_version *version)
{
    struct own_version *own = KEEL_CONTAINER(version, struct own_version, version);
    dns_shared_release(own->publisher, own->file);
    keel_free(own);
}

/* What is published of the zone, as our own version of it. */
static struct own_version *make_own(const struct keeper_zone *zone, struct dns_shared *file,
                                    uint64_t offset)
{
    struct own_version *own = keel_calloc(1, sizeof *own);
    if (!own)
        return NULL;
    own->publisher = zone->kept.keeper->publisher;
    own->file = dns_shared_hold(file);
    own->version.refs = 1;
    own->version.release = free_own;
    own->version.expired = zone->kept.expired;
    own->version.view.base = (const struct dns_image *)(file->map + offset);
    return own;
}

static void set_own(struct keeper_zone *zone, struct own_version *own)
{
    dns_zone_set_version((struct dns_zone *)zone->kept.zone, &own->version);
}

/* It leaves with the next publication, and when that is confirmed others hear of it. */
static void touch(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    dns_publisher_touch(keeper->publisher, &zone->published);
    keel_list_remove(&zone->news);
    keel_list_push_back(&keeper->news, &zone->news);
    zone->news_in = dns_publisher_next(keeper->publisher);
}

int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset)
{
    struct dns_publisher *publisher = zone->kept.keeper->publisher;
    struct dns_published *published = &zone->published;
    struct dns_shared *old = published->file, *delta = published->delta_file;
    struct own_version *own = make_own(zone, file, offset);
    if (!own)
        return KEEL_ENOMEM;
    set_own(zone, own);
    published->file = dns_shared_hold(file);
    published->offset = offset;
    published->delta_file = NULL;
    dns_shared_release(publisher, delta);
    dns_shared_release(publisher, old);
    touch(zone);
    return 0;
}

int dns_keeper_serve_delta(struct keeper_zone *zone, struct dns_shared *delta, uint32_t origin,
                           uint32_t size)
{
    struct dns_publisher *publisher = zone->kept.keeper->publisher;
    struct dns_published *published = &zone->published;
    struct dns_shared *old = published->file, *old_delta = published->delta_file;
    uint8_t *at = (uint8_t *)zone->base->map + zone->base_offset + origin;
    struct own_version *own = make_own(zone, zone->base, zone->base_offset);
    if (!own)
        return KEEL_ENOMEM;
    if (mmap(at, (size + PAGE - 1) / PAGE * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, delta->fd,
             0) == MAP_FAILED) {
        dns_version_release(&own->version);
        return KEEL_ESYS;
    }
    own->version.view.delta = (const struct dns_image *)at;
    set_own(zone, own);
    published->file = dns_shared_hold(zone->base);
    published->offset = zone->base_offset;
    published->delta_file = dns_shared_hold(delta);
    published->delta_origin = origin;
    published->delta_offset = 0;
    published->delta_size = size;
    dns_shared_release(publisher, old_delta);
    dns_shared_release(publisher, old);
    touch(zone);
    return 0;
}

void dns_keeper_show(struct keeper_zone *zone)
{
    struct dns_zone *settings = (struct dns_zone *)zone->kept.zone;
    zone->published.expired = zone->kept.expired;
    if (settings->version) {
        settings->version->expired = zone->kept.expired;
        dns_zone_set_version(settings, dns_version_hold(settings->version));
    }
    touch(zone);
}
