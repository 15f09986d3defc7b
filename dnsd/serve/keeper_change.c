#include "common/base/mem.h"
#include "dnsd/serve/keeper_private.h"

#include <string.h>

static void on_changes(struct keel_task *task)
{
    struct dns_keeper *keeper = KEEL_CONTAINER(task, struct dns_keeper, change_task);
    keel_list_for_safe (node, &keeper->changes) {
        struct dns_promise *promise = KEEL_CONTAINER(node, struct dns_promise, node);
        keel_list_remove(node);
        promise->on_kept(promise, 0);
    }
}

void dns_keeper_changes_init(struct dns_keeper *keeper)
{
    keel_list_init(&keeper->changes);
    keel_task_init(&keeper->change_task, on_changes);
}

void dns_keeper_changes_fini(struct dns_keeper *keeper)
{
    keel_task_stop(&keeper->change_task);
    keel_list_for_safe (node, &keeper->changes) {
        struct dns_promise *promise = KEEL_CONTAINER(node, struct dns_promise, node);
        keel_list_remove(node);
        promise->on_kept(promise, KEEL_ECANCELED);
    }
}

int dns_keeper_replace(struct dns_kept *kept, struct dns_image *image, struct dns_promise *promise,
                       struct keel_diag *diag)
{
    struct dns_keeper *keeper = kept->keeper;
    struct keeper_zone *zone = KEEL_CONTAINER(kept, struct keeper_zone, kept);
    uint8_t *bytes;
    struct dns_shared *file = dns_shared_new(keeper->publisher, image->size, &bytes);
    if (!file)
        return keel_diag_set(diag, KEEL_ESYS, "cannot hold the zone");
    memcpy(bytes, image, image->size);
    int err = dns_shared_seal(file);
    if (err == 0)
        err = dns_keeper_serve(zone, file, 0);
    dns_shared_release(keeper->publisher, file);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    keel_free(image);
    keel_list_push_back(&keeper->changes, &promise->node);
    keel_task_start(keeper->instance->loop, &keeper->change_task);
    return 0;
}

void dns_keeper_refreshed(struct dns_kept *kept, uint64_t refreshed, uint64_t expires,
                          const char *primary)
{
}

void dns_keeper_expire(struct dns_kept *kept, bool expired)
{
    struct keeper_zone *zone = KEEL_CONTAINER(kept, struct keeper_zone, kept);
    kept->expired = expired;
    zone->published.expired = expired;
    dns_publisher_touch(kept->keeper->publisher, &zone->published);
}
