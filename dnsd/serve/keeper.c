#include "dnsd/serve/keeper.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"

#include <errno.h>

/* Zones with an image below this share files of at most the second. */
#define PACK_IMAGE_MAX (64u * 1024)
#define PACK_MAX (64u * 1024 * 1024)
/* How long what our own workers ask may keep a newer keeper waiting. */
#define RETIRE_TIME (500 * KEEL_NS_PER_MS)

/* --- loading --- */

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

static void check_expiration(const struct dns_zone *zone, const struct dns_image *image)
{
    uint32_t now = (uint32_t)(keel_clock_realtime() / KEEL_NS_PER_S);
    if (image->signatures > 0 && (int32_t)(image->signed_until - now) <= 0)
        dns_keeper_warn(&zone->apex, "signatures have expired");
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

/* --- what is served --- */

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

static int set_own(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset)
{
    struct own_version *own = keel_calloc(1, sizeof *own);
    if (!own)
        return KEEL_ENOMEM;
    own->publisher = zone->kept.keeper->publisher;
    own->file = dns_shared_hold(file);
    own->version.refs = 1;
    own->version.release = free_own;
    own->version.expired = zone->kept.expired;
    own->version.view.base = (const struct dns_image *)(file->map + offset);
    dns_zone_set_version((struct dns_zone *)zone->kept.zone, &own->version);
    return 0;
}

int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct dns_published *published = &zone->published;
    struct dns_shared *old = published->file, *delta = published->delta_file;
    int err = set_own(zone, file, offset);
    if (err)
        return err;
    published->file = dns_shared_hold(file);
    published->offset = offset;
    published->delta_file = NULL;
    dns_shared_release(keeper->publisher, delta);
    dns_shared_release(keeper->publisher, old);
    dns_publisher_touch(keeper->publisher, published);
    keel_list_remove(&zone->news);
    keel_list_push_back(&keeper->news, &zone->news);
    zone->news_in = dns_publisher_next(keeper->publisher);
    return 0;
}

/* All workers serve what was published up to `number`: now the others may hear of it. */
static void on_confirmed(void *arg, uint32_t number)
{
    struct dns_keeper *keeper = arg;
    if (keeper->state == KEEPER_OWNER)
        dns_notifying_begin(keeper->notifying);
    while (!keel_list_empty(&keeper->news)) {
        struct keeper_zone *zone = KEEL_CONTAINER(keeper->news.next, struct keeper_zone, news);
        if ((int32_t)(zone->news_in - number) > 0)
            return;
        keel_list_remove(&zone->news);
        if (keeper->state == KEEPER_OWNER)
            dns_notifying_zone(keeper->notifying, zone->kept.zone);
    }
}

int dns_keeper_install(struct keeper_zone *zone, struct keeper_loading *loading,
                       struct keel_diag *diag)
{
    struct pack pack = {0};
    const struct dns_image *old = zone->kept.zone->image;
    uint32_t serial = loading->image->serial, before = old ? old->serial : serial;
    check_expiration(zone->kept.zone, loading->image);
    int err = pack_add(&pack, zone, loading->image);
    loading->image = NULL;
    if (!err)
        err = pack_write(zone->kept.keeper, &pack);
    pack_fini(&pack);
    if (err)
        return keel_diag_set(diag, err, "cannot hold the zone: %s",
                             err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
    if ((int32_t)(serial - before) < 0)
        dns_keeper_warn(&zone->kept.apex, "its serial number has gone back");
    return 0;
}

static int load_zones(struct dns_keeper *keeper, struct keel_diag *diag)
{
    struct pack small = {0}, large = {0};
    struct dns_image *image;
    int err = 0;
    for (unsigned i = 0; i < keeper->count && !err; i++) {
        if (keeper->zones[i]->kept.zone->primaries > 0)
            continue;
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

static int apex_equal(const void *value, const void *key, size_t size)
{
    const struct keeper_zone *zone = value;
    return zone->kept.apex.size == size && memcmp(zone->kept.apex.bytes, key, size) == 0;
}

struct keeper_zone *dns_keeper_find(const struct dns_keeper *keeper, const uint8_t *apex,
                                    size_t size)
{
    return keel_table_find(&keeper->by_apex, keel_hash(&keeper->key, apex, size), apex, size,
                           apex_equal);
}

/* Its place: a free one, or one more. */
static int take_index(struct dns_keeper *keeper, struct keeper_zone *zone)
{
    unsigned i = keeper->count;
    if (keel_buf_size(&keeper->free) >= sizeof i) {
        memcpy(&i, keel_buf_bytes(&keeper->free), sizeof i);
        keel_buf_consume(&keeper->free, sizeof i);
    } else if (i == keeper->capacity) {
        unsigned n = keeper->capacity ? keeper->capacity * 2 : 16;
        struct keeper_zone **zones = keel_realloc(keeper->zones, n * sizeof(struct keeper_zone *));
        if (!zones)
            return KEEL_ENOMEM;
        keeper->zones = zones;
        keeper->capacity = n;
    }
    keeper->zones[i] = zone;
    zone->kept.index = i;
    if (i == keeper->count)
        keeper->count++;
    return 0;
}

static uint64_t apex_hash(const struct dns_keeper *keeper, const struct dns_name *apex)
{
    return keel_hash(&keeper->key, apex->bytes, apex->size);
}

static struct keeper_zone *add_zone(struct dns_keeper *keeper, const struct dns_zone *settings)
{
    struct keeper_zone *zone = keel_calloc(1, sizeof *zone);
    if (!zone)
        return NULL;
    zone->kept.keeper = keeper;
    zone->kept.apex = settings->apex;
    zone->kept.zone = settings;
    zone->published.apex = &zone->kept.apex;
    keel_list_init(&zone->news);
    uint64_t hash = apex_hash(keeper, &settings->apex);
    if (keel_table_add(&keeper->by_apex, hash, zone) != 0) {
        keel_free(zone);
        return NULL;
    }
    if (take_index(keeper, zone) != 0) {
        keel_table_remove(&keeper->by_apex, hash, zone);
        keel_free(zone);
        return NULL;
    }
    dns_publisher_add(keeper->publisher, &zone->published);
    return zone;
}

static int add_zones(struct dns_keeper *keeper, const struct dns_settings *settings)
{
    const struct dns_zones *zones = &settings->zones;
    for (unsigned i = 0; i < zones->count; i++)
        if (!add_zone(keeper, zones->items[i]))
            return KEEL_ENOMEM;
    return dns_notifying_add(keeper->notifying, settings->targets, settings->target_count);
}

/* --- zones that come and go --- */

/* The payload of a DNS_MSG_ZONE_ADD; out has KEEL_MESSAGE_MAX bytes. Returns its size. */
static size_t added_message(uint8_t *out, const struct dns_name *apex, const char *text)
{
    size_t n = strlen(text) + 1; /* DNS_ADDED_TEXT and a little at most */
    out[0] = apex->size;
    memcpy(out + 1, apex->bytes, apex->size);
    memcpy(out + 1 + apex->size, text, n);
    return 1u + apex->size + n;
}

/* It may have read its configuration before zones came or went. */
static void on_new_worker(void *arg, unsigned worker)
{
    struct dns_keeper *keeper = arg;
    const uint8_t *removed = keel_buf_bytes(&keeper->removed);
    size_t size = keel_buf_size(&keeper->removed);
    for (size_t at = 0; at < size; at += 1u + removed[at])
        keel_instance_send(keeper->instance, worker, DNS_MSG_ZONE_REMOVE, 0, 0, removed + at + 1,
                           removed[at], NULL, 0);
    for (unsigned i = 0; i < keeper->count; i++) {
        const struct keeper_zone *zone = keeper->zones[i];
        const char *text =
            zone && zone->added_now ? dns_added_find(&keeper->added, &zone->kept.apex) : NULL;
        uint8_t bytes[KEEL_MESSAGE_MAX];
        if (!text)
            continue;
        size_t n = added_message(bytes, &zone->kept.apex, text);
        keel_instance_send(keeper->instance, worker, DNS_MSG_ZONE_ADD, 0, 0, bytes, n, NULL, 0);
    }
}

int dns_keeper_add(struct dns_keeper *keeper, const char *text, struct keeper_zone **out,
                   struct keel_diag *diag)
{
    struct dns_settings *settings = keeper->instance->settings;
    unsigned targets = settings->target_count;
    struct dns_zone *zone;
    int err = dns_settings_add_zone(settings, keeper->added.path, text, true, &zone, diag);
    if (err)
        return err;
    *out = add_zone(keeper, zone);
    if (!*out) {
        dns_settings_remove_zone(settings, zone);
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    }
    (*out)->added_now = true;
    err = dns_notifying_add(keeper->notifying, settings->targets + targets,
                            settings->target_count - targets);
    if (!err)
        err = dns_keeper_add_secondary(*out);
    if (err) {
        dns_keeper_remove(*out);
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    }
    return 0;
}

void dns_keeper_remove(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    const struct dns_name apex = zone->kept.apex;
    unsigned index = zone->kept.index;
    dns_publisher_flush(keeper->publisher);
    dns_publisher_say(keeper->publisher, DNS_MSG_ZONE_REMOVE, apex.bytes, apex.size);
    keel_buf_append(&keeper->removed, &apex.size, 1);
    keel_buf_append(&keeper->removed, apex.bytes, apex.size);
    dns_notifying_forget(keeper->notifying, zone->kept.zone);
    dns_secondaries_remove(keeper->secondaries, &zone->kept);
    dns_publisher_remove(keeper->publisher, &zone->published);
    keel_list_remove(&zone->news);
    keel_table_remove(&keeper->by_apex, apex_hash(keeper, &apex), zone);
    keeper->zones[index] = NULL;
    keel_buf_append(&keeper->free, &index, sizeof index);
    dns_zone_set_version((struct dns_zone *)zone->kept.zone, NULL);
    dns_settings_remove_zone(keeper->instance->settings, (struct dns_zone *)zone->kept.zone);
    dns_shared_release(keeper->publisher, zone->published.delta_file);
    dns_shared_release(keeper->publisher, zone->published.file);
    keel_free(zone->error);
    keel_free(zone);
}

int dns_keeper_keep_added(struct keeper_zone *zone, const char *text, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    int err = dns_added_put(&keeper->added, &zone->kept.apex, text);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    err = dns_added_save(&keeper->added, diag);
    if (err) {
        dns_added_remove(&keeper->added, &zone->kept.apex);
        return err;
    }
    char name[DNS_NAME_TEXT];
    uint8_t bytes[KEEL_MESSAGE_MAX];
    size_t n = added_message(bytes, &zone->kept.apex, text);
    /* first that it is there, then what is in it: that leaves when the callback ends */
    dns_publisher_say(keeper->publisher, DNS_MSG_ZONE_ADD, bytes, n);
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_notice("zone", "added", "zone=%s", name);
    return 0;
}

int dns_keeper_remove_added(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    char name[DNS_NAME_TEXT];
    const char *text = dns_added_find(&keeper->added, &zone->kept.apex);
    char *copy = keel_strdup(text ? text : "");
    if (!copy)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    dns_added_remove(&keeper->added, &zone->kept.apex);
    int err = dns_added_save(&keeper->added, diag);
    if (err) {
        if (text && dns_added_put(&keeper->added, &zone->kept.apex, copy) != 0)
            keel_error("zone", "no memory to keep what was added", "zone=%s", copy);
    } else {
        dns_name_to_text(name, zone->kept.apex.bytes);
        keel_notice("zone", "removed", "zone=%s", name);
        dns_keeper_remove(zone);
    }
    keel_free(copy);
    return err;
}

static void on_retire(struct keel_timer *timer);

static int keeper_init(struct dns_keeper *keeper, struct keel_instance *instance)
{
    keeper->instance = instance;
    keeper->state = KEEPER_WAITING;
    keeper->key = (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()};
    keel_table_init(&keeper->by_apex);
    keel_list_init(&keeper->news);
    keel_list_init(&keeper->queue);
    keel_timer_init(&keeper->retire, instance->loop, "retire", on_retire);
    keel_buf_init(&keeper->removed, 0);
    keel_buf_init(&keeper->free, 0);
    keeper->pool = keel_offload_new(instance->loop, 1, 0);
    keeper->publisher = dns_publisher_new(instance, on_confirmed, keeper);
    keeper->notifying = dns_notifying_new(instance);
    keeper->secondaries = dns_secondaries_new(instance, instance->settings);
    dns_keeper_changes_init(keeper);
    keeper->left = keel_calloc(instance->workers + 1, sizeof *keeper->left);
    if (!keeper->publisher || !keeper->notifying || !keeper->left || !keeper->pool ||
        !keeper->secondaries)
        return KEEL_ENOMEM;
    dns_publisher_on_new(keeper->publisher, on_new_worker);
    return add_zones(keeper, instance->settings);
}

static int keeper_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_keeper *keeper = keel_calloc(1, sizeof *keeper);
    if (!keeper)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    instance->state = keeper;
    int err = keeper_init(keeper, instance);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    err = dns_added_init(&keeper->added, instance->state_dir, diag);
    if (!err)
        err = load_zones(keeper, diag);
    if (!err)
        dns_publisher_open(keeper->publisher);
    return err;
}

static int keeper_activate(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    keeper->state = KEEPER_OWNER;
    int err = dns_keeper_begin_secondaries(keeper);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    dns_keeper_run_queue(keeper, false);
    if (dns_publisher_is_complete(keeper->publisher))
        dns_notifying_begin(keeper->notifying);
    return 0;
}

/* --- handing over --- */

static void give_up(struct dns_keeper *keeper)
{
    if (keeper->state != KEEPER_RETIRING)
        return;
    keeper->state = KEEPER_RETIRED;
    keel_timer_stop(&keeper->retire);
    dns_secondaries_stop(keeper->secondaries);
    dns_notifying_stop(keeper->notifying);
    keel_instance_retired(keeper->instance);
}

static void on_retire(struct keel_timer *timer)
{
    give_up(KEEL_CONTAINER(timer, struct dns_keeper, retire));
}

static void look_who_left(struct dns_keeper *keeper)
{
    for (unsigned i = 0; i < keeper->instance->workers; i++)
        if (dns_publisher_has(keeper->publisher, i) && !keeper->left[i])
            return;
    give_up(keeper);
}

/* What our workers have asked, or are just asking, is still done here. */
static void keeper_retire(struct keel_instance *instance)
{
    struct dns_keeper *keeper = instance->state;
    if (keeper->state != KEEPER_OWNER)
        return;
    keeper->state = KEEPER_RETIRING;
    keel_timer_start(&keeper->retire, RETIRE_TIME, 0);
    look_who_left(keeper);
}

static void keeper_stop(struct keel_instance *instance)
{
    struct dns_keeper *keeper = instance->state;
    if (!keeper)
        return;
    keeper->stopping = true;
    keel_timer_stop(&keeper->retire);
    if (keeper->pool)
        keel_offload_free(keeper->pool); /* what was under way is replied to */
    dns_keeper_run_queue(keeper, true);
    dns_secondaries_free(keeper->secondaries);
    dns_keeper_changes_fini(keeper);
    dns_notifying_free(keeper->notifying);
    for (unsigned i = 0; i < keeper->count; i++) {
        if (!keeper->zones[i])
            continue;
        dns_zone_set_version((struct dns_zone *)keeper->zones[i]->kept.zone, NULL);
        keel_free(keeper->zones[i]->error);
        keel_free(keeper->zones[i]);
    }
    dns_publisher_free(keeper->publisher);
    keel_table_fini(&keeper->by_apex);
    keel_free(keeper->zones);
    keel_free(keeper->left);
    keel_buf_fini(&keeper->removed);
    keel_buf_fini(&keeper->free);
    dns_added_fini(&keeper->added);
    keel_free(keeper);
    instance->state = NULL;
}

static void keeper_on_peer(struct keel_instance *instance, unsigned worker, bool up)
{
    struct dns_keeper *keeper = instance->state;
    keeper->left[worker] = false;
    dns_publisher_peer(keeper->publisher, worker, up);
    if (!up && keeper->state == KEEPER_RETIRING)
        look_who_left(keeper);
}

static void keeper_on_message(struct keel_instance *instance, unsigned worker,
                              struct keel_message *message)
{
    struct dns_keeper *keeper = instance->state;
    if (message->type >= DNS_MSG_REQUESTS && message->type < DNS_MSG_REQUESTS_END)
        dns_keeper_request(keeper, worker, message);
    else if (message->type == DNS_MSG_CONFIRMED)
        dns_publisher_confirm(keeper->publisher, worker, message->a);
    else if (message->type == DNS_MSG_LEAVING) {
        keeper->left[worker] = true;
        if (keeper->state == KEEPER_RETIRING)
            look_who_left(keeper);
    }
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
        if (zones->items[i]->primaries > 0)
            continue;
        err = dns_keeper_load(zones->items[i], &image, diag);
        keel_free(image);
    }
    return err;
}

static const struct keel_helper keeper = {
    .name = "keeper",
    .start = keeper_start,
    .activate = keeper_activate,
    .retire = keeper_retire,
    .stop = keeper_stop,
    .on_peer = keeper_on_peer,
    .on_message = keeper_on_message,
    .access = keeper_access,
};
const struct keel_helper *const dns_helpers[] = {&keeper, NULL};
