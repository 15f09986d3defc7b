#include "dnsd/serve/keeper.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/load.h"
#include "dnsd/serve/messages.h"
#include "dnsd/serve/settings.h"

#include <errno.h>

/* Zones with an image below this share files of at most the second. */
#define PACK_IMAGE_MAX (64u * 1024)
#define PACK_MAX (64u * 1024 * 1024)

/* --- loading --- */

static void log_warning(void *arg, const char *text)
{
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, ((const struct dns_name *)arg)->bytes);
    keel_log(KEEL_LOG_WARNING, "zone", "a zone is served, but not as it should be",
             "zone=%s what=%s", name, text);
}

static void check_expiration(const struct dns_zone *zone, const struct dns_image *image)
{
    uint32_t now = (uint32_t)(keel_clock_realtime() / KEEL_NS_PER_S);
    if (image->signatures > 0 && (int32_t)(image->signed_until - now) <= 0)
        log_warning((void *)&zone->apex, "signatures have expired");
}

int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image, struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT];
    struct keel_diag inner = {""};
    int err = dns_load_zone(zone->file, &zone->apex, log_warning, (void *)&zone->apex, image, NULL,
                            &inner);
    if (err == 0) {
        check_expiration(zone, *image);
        return 0;
    }
    dns_name_to_text(name, zone->apex.bytes);
    return keel_diag_set(diag, err == KEEL_ENOMEM ? err : KEEL_ECONF, "zone \"%s\": %s", name,
                         inner.text);
}

/* Images on their way into one file. */
struct pack {
    struct keeper_zone **zones;
    struct dns_image **images;
    unsigned count, capacity;
    size_t size;
};

static void pack_clear(struct pack *pack)
{
    for (unsigned i = 0; i < pack->count; i++)
        keel_free(pack->images[i]);
    pack->count = 0;
    pack->size = 0;
}

static void pack_fini(struct pack *pack)
{
    pack_clear(pack);
    keel_free(pack->zones);
    keel_free(pack->images);
}

static size_t aligned(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* Takes image, also on error. */
static int pack_add(struct pack *pack, struct keeper_zone *zone, struct dns_image *image)
{
    if (pack->count == pack->capacity) {
        unsigned n = pack->capacity ? pack->capacity * 2 : 64;
        struct keeper_zone **zones = keel_realloc(pack->zones, n * sizeof(struct keeper_zone *));
        if (zones)
            pack->zones = zones;
        struct dns_image **images =
            zones ? keel_realloc(pack->images, n * sizeof(struct dns_image *)) : NULL;
        if (!images) {
            keel_free(image);
            return KEEL_ENOMEM;
        }
        pack->images = images;
        pack->capacity = n;
    }
    pack->zones[pack->count] = zone;
    pack->images[pack->count++] = image;
    pack->size += aligned(image->size);
    return 0;
}

/* Puts the images into one file, from which their zones are served from now on. */
static int pack_write(struct dns_keeper *keeper, struct pack *pack)
{
    uint8_t *bytes;
    size_t at = 0;
    if (pack->count == 0)
        return 0;
    struct dns_shared *file = dns_shared_new(keeper->publisher, pack->size, &bytes);
    if (!file)
        return KEEL_ESYS;
    for (unsigned i = 0; i < pack->count; i++) {
        memcpy(bytes + at, pack->images[i], pack->images[i]->size);
        at += aligned(pack->images[i]->size);
    }
    int err = dns_shared_seal(file);
    at = 0;
    for (unsigned i = 0; i < pack->count && !err; i++) {
        err = dns_keeper_serve(pack->zones[i], file, at);
        at += aligned(pack->images[i]->size);
    }
    dns_shared_release(keeper->publisher, file);
    pack_clear(pack);
    return err;
}

int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset)
{
    struct dns_publisher *publisher = zone->kept.keeper->publisher;
    struct dns_published *published = &zone->published;
    struct dns_shared *old = published->file;
    published->file = dns_shared_hold(file);
    published->offset = offset;
    dns_shared_release(publisher, published->delta_file);
    published->delta_file = NULL;
    dns_shared_release(publisher, old);
    dns_publisher_touch(publisher, published);
    return 0;
}

static int load_zones(struct dns_keeper *keeper, struct keel_diag *diag)
{
    struct pack small = {0}, large = {0};
    struct dns_image *image;
    int err = 0;
    for (unsigned i = 0; i < keeper->count && !err; i++) {
        err = dns_keeper_load(keeper->zones[i]->kept.zone, &image, diag);
        if (err)
            break;
        bool alone = image->size >= PACK_IMAGE_MAX;
        err = pack_add(alone ? &large : &small, keeper->zones[i], image);
        if (!err && (alone || small.size >= PACK_MAX))
            err = pack_write(keeper, alone ? &large : &small);
        if (err)
            keel_diag_set(diag, err, "cannot hold the zones: %s",
                          err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
    }
    if (!err) {
        err = pack_write(keeper, &small);
        if (err)
            keel_diag_set(diag, err, "cannot hold the zones: %s", strerror(errno));
    }
    pack_fini(&small);
    pack_fini(&large);
    return err;
}

/* --- life --- */

static void on_confirmed(void *arg, uint32_t number)
{
}

static int add_zones(struct dns_keeper *keeper, const struct dns_zones *zones)
{
    keeper->zones = keel_calloc(zones->count + 1, sizeof(struct keeper_zone *));
    if (!keeper->zones)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < zones->count; i++) {
        struct keeper_zone *zone = keel_calloc(1, sizeof *zone);
        if (!zone)
            return KEEL_ENOMEM;
        zone->kept = (struct dns_kept){
            .keeper = keeper, .index = i, .apex = zones->items[i]->apex, .zone = zones->items[i]};
        zone->published.apex = &zone->kept.apex;
        keeper->zones[keeper->count++] = zone;
        dns_publisher_add(keeper->publisher, &zone->published);
    }
    return 0;
}

static int keeper_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_settings *settings = instance->settings;
    struct dns_keeper *keeper = keel_calloc(1, sizeof *keeper);
    if (!keeper)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    instance->state = keeper;
    keeper->instance = instance;
    keeper->publisher = dns_publisher_new(instance, on_confirmed, keeper);
    int err = keeper->publisher ? add_zones(keeper, &settings->zones) : KEEL_ENOMEM;
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    err = load_zones(keeper, diag);
    if (!err)
        dns_publisher_open(keeper->publisher);
    return err;
}

static void keeper_stop(struct keel_instance *instance)
{
    struct dns_keeper *keeper = instance->state;
    if (!keeper)
        return;
    dns_publisher_free(keeper->publisher);
    for (unsigned i = 0; i < keeper->count; i++)
        keel_free(keeper->zones[i]);
    keel_free(keeper->zones);
    keel_free(keeper);
    instance->state = NULL;
}

static void keeper_on_peer(struct keel_instance *instance, unsigned worker, bool up)
{
    struct dns_keeper *keeper = instance->state;
    dns_publisher_peer(keeper->publisher, worker, up);
}

static void keeper_on_message(struct keel_instance *instance, unsigned worker,
                              struct keel_message *message)
{
    struct dns_keeper *keeper = instance->state;
    if (message->type == DNS_MSG_CONFIRMED)
        dns_publisher_confirm(keeper->publisher, worker, message->a);
}

/* It reads what its user may read: zone files, and what they include, may be anywhere. */
static int keeper_access(const void *settings, struct keel_access *access)
{
    return keel_access_add(access, "/", false);
}

int dns_keeper_check(void *settings, struct keel_diag *diag)
{
    const struct dns_zones *zones = &((struct dns_settings *)settings)->zones;
    int err = 0;
    for (unsigned i = 0; i < zones->count && !err; i++) {
        struct dns_image *image = NULL;
        err = dns_keeper_load(zones->items[i], &image, diag);
        keel_free(image);
    }
    return err;
}

static const struct keel_helper keeper = {
    .name = "keeper",
    .start = keeper_start,
    .stop = keeper_stop,
    .on_peer = keeper_on_peer,
    .on_message = keeper_on_message,
    .access = keeper_access,
};
const struct keel_helper *const dns_helpers[] = {&keeper, NULL};
