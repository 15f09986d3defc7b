#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

/* An image on its way into the state directory, in a thread. */
struct keeper_replacing {
    struct keel_job job;
    struct dns_keeper *keeper;
    struct dns_name apex;
    struct dns_version *old; /* what it replaces; NULL: there was nothing */
    struct keeper_pack pack;
    struct dns_diff diff;
    bool differs;  /* diff is what leads from the old one to it */
    uint64_t step; /* of the zone when it began */
    struct dns_promise *promise;
    char name[DNS_IMAGES_NAME];
    int err;
    struct keel_diag diag;
};

static void run_replace(struct keel_job *job)
{
    struct keeper_replacing *r = KEEL_CONTAINER(job, struct keeper_replacing, job);
    const struct dns_image *image = r->pack.items[0].image;
    const struct dns_view view = {.base = image};
    r->err = dns_pack_write(r->keeper->images, &r->pack, r->name, &r->diag);
    if (r->err || !r->old)
        return;
    r->differs = (int32_t)(image->serial - dns_view_newest(&r->old->view)->serial) > 0 &&
                 dns_view_difference(&r->old->view, &view, &r->diff) == 0;
}

/* The records of the new base, in the batch. */
static int record_base(struct keeper_replacing *r, struct keeper_zone *zone)
{
    struct dns_keeper *keeper = r->keeper;
    const struct dns_name *apex = &r->apex;
    uint32_t serial = r->pack.items[0].image->serial;
    uint64_t limit = zone->kept.zone->journal_size, step = 0;
    struct dns_journal_zone known;
    struct keel_diag diag;
    int err = dns_journal_find(&keeper->journal, apex, &known);
    if (err == 0 && r->differs) {
        err = dns_keeper_append(zone, &r->diff, &diag);
        if (err == KEEL_ERANGE) /* it follows from something else */
            err = dns_journal_clear(&keeper->journal, apex);
    } else if (err == 0) {
        err = dns_journal_clear(&keeper->journal, apex);
    } else if (err == KEEL_ENOENT) {
        err = 0;
    }
    if (!err && dns_journal_find(&keeper->journal, apex, &known) == 0)
        step = known.next - 1;
    return err ? err : dns_journal_base(&keeper->journal, apex, r->name, serial, step, limit);
}

static int install(struct keeper_replacing *r, struct keeper_zone *zone)
{
    struct dns_image_zone where;
    int err = dns_keeper_open_batch(r->keeper, &r->diag);
    if (!err && zone->step != r->step)
        err = keel_diag_set(&r->diag, KEEL_EBUSY, "the zone has changed meanwhile");
    if (!err)
        err = dns_keeper_open_file(r->keeper, r->name, zone->kept.zone->changes, &zone->next_base,
                                   &r->diag);
    if (err)
        return err;
    err = dns_keeper_find_image(zone->next_base, &r->apex, &where);
    zone->next_offset = where.offset;
    if (!err)
        err = record_base(r, zone);
    dns_keeper_mark_changed(zone);
    if (!err)
        return 0;
    dns_keeper_drop_batch(r->keeper, err);
    return keel_diag_set(&r->diag, err, "%s", keel_strerror(err));
}

static void free_replacing(struct keeper_replacing *r)
{
    dns_version_release(r->old);
    dns_pack_fini(&r->pack);
    dns_diff_fini(&r->diff);
    keel_free(r);
}

static void on_replaced(struct keel_job *job, int err)
{
    struct keeper_replacing *r = KEEL_CONTAINER(job, struct keeper_replacing, job);
    struct keeper_zone *zone = dns_keeper_find(r->keeper, r->apex.bytes, r->apex.size);
    char name[DNS_NAME_TEXT];
    if (zone && zone->replacing != r)
        zone = NULL;
    if (zone)
        zone->replacing = NULL;
    if (!err)
        err = r->err;
    if (!err && !zone)
        err = KEEL_ENOENT; /* removed meanwhile */
    if (!err)
        err = install(r, zone);
    if (!err) {
        if (r->promise)
            keel_list_push_back(&r->keeper->promised, &r->promise->node);
    } else {
        dns_name_to_text(name, r->apex.bytes);
        keel_error("zone", "a new version is not kept", "zone=%s reason=%s", name,
                   r->diag.text[0] ? r->diag.text : keel_strerror(err));
        if (r->name[0])
            dns_images_remove(r->keeper->images, r->name);
        if (r->promise)
            r->promise->on_kept(r->promise, err);
    }
    free_replacing(r);
}

int dns_keeper_replace_with(struct keeper_zone *zone, struct dns_image *image,
                            struct dns_sources *sources, struct dns_promise *promise,
                            struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    if (zone->replacing)
        return keel_diag_set(diag, KEEL_EBUSY, "the zone is being replaced just now");
    struct keeper_replacing *r = keel_calloc(1, sizeof *r);
    if (!r)
        return keel_diag_memory(diag);
    r->keeper = keeper;
    r->apex = zone->kept.apex;
    r->promise = promise;
    r->step = zone->step;
    dns_diff_init(&r->diff);
    if (zone->kept.zone->version)
        r->old = dns_version_hold(zone->kept.zone->version);
    int err = dns_pack_add(&r->pack, zone, image, sources);
    if (!err) {
        err = keel_offload_start(keeper->pool, &r->job, run_replace, on_replaced);
        if (err)
            r->pack.items[0].image = NULL; /* it is still the caller's */
    }
    if (err) {
        free_replacing(r);
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    }
    zone->replacing = r;
    return 0;
}

int dns_keeper_replace(struct dns_kept *kept, struct dns_image *image, struct dns_promise *promise,
                       struct keel_diag *diag)
{
    struct dns_sources none = {0};
    return dns_keeper_replace_with(KEEL_CONTAINER(kept, struct keeper_zone, kept), image, &none,
                                   promise, diag);
}
