#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"

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
    keel_list_init(&zone->changed);
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

int dns_keeper_add_zones(struct dns_keeper *keeper, const struct dns_settings *settings)
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

void dns_keeper_greet(void *arg, unsigned worker)
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
    dns_keeper_greet_secondaries(keeper, worker);
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
        return keel_diag_memory(diag);
    }
    (*out)->added_now = true;
    if (settings->target_count > targets)
        err = dns_notifying_add(keeper->notifying, settings->targets + targets,
                                settings->target_count - targets);
    if (!err)
        err = dns_keeper_add_secondary(*out);
    if (err) {
        dns_keeper_remove(*out);
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    }
    dns_keeper_watch(*out);
    return 0;
}

void dns_keeper_free_zone(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    dns_keeper_unwatch(zone);
    keel_list_remove(&zone->news);
    keel_list_remove(&zone->changed);
    keeper->owed -= zone->owed;
    dns_zone_set_version((struct dns_zone *)zone->kept.zone, NULL);
    dns_edit_free(zone->kept.edit);
    dns_shared_release(keeper->publisher, zone->published.delta_file);
    dns_shared_release(keeper->publisher, zone->published.file);
    dns_shared_release(keeper->publisher, zone->next_base);
    dns_shared_release(keeper->publisher, zone->base);
    keel_buf_fini(&zone->difference);
    keel_free(zone->record);
    keel_free(zone->error);
    keel_free(zone);
}

void dns_keeper_remove(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    const struct dns_name apex = zone->kept.apex;
    unsigned index = zone->kept.index;
    dns_keeper_end_turn(keeper);
    dns_publisher_flush(keeper->publisher);
    dns_publisher_say(keeper->publisher, DNS_MSG_ZONE_REMOVE, apex.bytes, apex.size);
    keel_buf_append(&keeper->removed, &apex.size, 1);
    keel_buf_append(&keeper->removed, apex.bytes, apex.size);
    dns_notifying_forget(keeper->notifying, zone->kept.zone);
    dns_secondaries_remove(keeper->secondaries, &zone->kept);
    dns_publisher_remove(keeper->publisher, &zone->published);
    keel_table_remove(&keeper->by_apex, apex_hash(keeper, &apex), zone);
    keeper->zones[index] = NULL;
    keel_buf_append(&keeper->free, &index, sizeof index);
    struct dns_zone *settings = (struct dns_zone *)zone->kept.zone;
    dns_keeper_forget(zone);
    dns_keeper_free_zone(zone);
    dns_settings_remove_zone(keeper->instance->settings, settings);
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
    if (!text) { /* it was not written down yet */
        dns_keeper_remove(zone);
        return 0;
    }
    char *copy = keel_strdup(text);
    if (!copy)
        return keel_diag_memory(diag);
    dns_name_to_text(name, zone->kept.apex.bytes);
    dns_added_remove(&keeper->added, &zone->kept.apex);
    int err = dns_added_save(&keeper->added, diag);
    if (err && dns_added_put(&keeper->added, &zone->kept.apex, copy) != 0)
        keel_error("zone", "no memory to keep what was added", "zone=%s", name);
    keel_free(copy);
    if (err)
        return err;
    keel_notice("zone", "removed", "zone=%s", name);
    dns_keeper_remove(zone);
    return 0;
}
