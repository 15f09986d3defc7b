#include "dnsd/serve/keeper.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"

/* How long what our own workers ask may keep a newer keeper waiting. */
#define RETIRE_TIME (500 * KEEL_NS_PER_MS)

/* All workers serve what was published up to `number`: now the others may hear of it. */
static void on_confirmed(void *arg, uint32_t number)
{
    struct dns_keeper *keeper = arg;
    dns_keeper_confirmed(keeper, number);
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
    dns_keeper_state_init(keeper);
    keel_buf_init(&keeper->removed, 0);
    keel_buf_init(&keeper->free, 0);
    keel_table_init(&keeper->files);
    dns_keeper_files_init(keeper);
    keeper->pool = keel_offload_new(instance->loop, 2, 65536);
    keeper->publisher = dns_publisher_new(instance, on_confirmed, keeper);
    keeper->notifying = dns_notifying_new(instance);
    keeper->secondaries = dns_secondaries_new(instance, instance->settings);
    int err = dns_keeper_changes_init(keeper);
    keeper->left = keel_calloc(instance->workers + 1, sizeof *keeper->left);
    if (err || !keeper->publisher || !keeper->notifying || !keeper->left || !keeper->pool ||
        !keeper->secondaries)
        return err ? err : KEEL_ENOMEM;
    dns_publisher_on_new(keeper->publisher, dns_keeper_greet);
    return dns_keeper_add_zones(keeper, instance->settings);
}

static int keeper_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_keeper *keeper = keel_calloc(1, sizeof *keeper);
    if (!keeper)
        return keel_diag_memory(diag);
    instance->state = keeper;
    int err = keeper_init(keeper, instance);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    err = dns_added_init(&keeper->added, instance->state_dir, diag);
    if (!err)
        err = dns_keeper_load_all(keeper, diag);
    if (!err)
        dns_publisher_open(keeper->publisher);
    return err;
}

static int keeper_activate(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    int err = dns_keeper_own(keeper, diag);
    if (err)
        return err;
    err = dns_keeper_begin_secondaries(keeper);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    dns_keeper_run_queue(keeper, false);
    dns_keeper_watch_all(keeper);
    if (dns_publisher_is_complete(keeper->publisher))
        dns_notifying_begin(keeper->notifying);
    return 0;
}

/* --- handing over --- */

static void give_up(struct dns_keeper *keeper)
{
    if (keeper->state != KEEPER_RETIRING)
        return;
    dns_secondaries_stop(keeper->secondaries);
    dns_keeper_unwatch_all(keeper);
    dns_keeper_end_turn(keeper);
    keeper->state = KEEPER_RETIRED;
    keel_timer_stop(&keeper->retire);
    dns_notifying_stop(keeper->notifying);
    dns_keeper_disown(keeper);
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
    dns_keeper_unwatch_all(keeper);
    keel_timer_stop(&keeper->retire);
    dns_keeper_files_fini(keeper);
    if (keeper->pool)
        keel_offload_free(keeper->pool); /* what was under way is replied to */
    dns_keeper_run_queue(keeper, true);
    dns_secondaries_free(keeper->secondaries);
    dns_keeper_changes_fini(keeper);
    dns_notifying_free(keeper->notifying);
    for (unsigned i = 0; i < keeper->count; i++) {
        if (keeper->zones[i])
            dns_keeper_free_zone(keeper->zones[i]);
    }
    dns_publisher_free(keeper->publisher);
    keel_table_fini(&keeper->files);
    keel_timer_stop(&keeper->retry);
    dns_keeper_close_store(keeper);
    dns_images_close(keeper->images);
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

/* zone-flush writes beside a zone's file. */
static int allow_flush(struct keel_access *access, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *folder =
        slash ? keel_strndup(file, slash == file ? 1 : (size_t)(slash - file)) : keel_strdup(".");
    if (!folder)
        return KEEL_ENOMEM;
    bool known = false;
    for (unsigned i = 0; i < access->writes && !known; i++)
        known = strcmp(access->write[i], folder) == 0;
    int err = known ? 0 : keel_access_add(access, folder, true);
    keel_free(folder);
    return err;
}

/* It reads what its user may read: zone files, and what they include, may be anywhere. */
static int keeper_access(const void *settings, struct keel_access *access)
{
    const struct dns_zones *zones = &((const struct dns_settings *)settings)->zones;
    int err = keel_access_add(access, "/", false);
    for (unsigned i = 0; i < zones->count && !err; i++)
        if (zones->items[i]->changes && zones->items[i]->file)
            err = allow_flush(access, zones->items[i]->file);
    return err;
}

int dns_keeper_check(void *settings, struct keel_diag *diag)
{
    const struct dns_zones *zones = &((struct dns_settings *)settings)->zones;
    int err = 0;
    for (unsigned i = 0; i < zones->count && !err; i++) {
        struct dns_image *image = NULL;
        if (zones->items[i]->primaries > 0)
            continue;
        err = dns_keeper_load(zones->items[i], &image, NULL, diag);
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
