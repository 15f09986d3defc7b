#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/dump.h"
#include "dnsd/serve/keeper_private.h"

#include <sys/stat.h>

/* What has been touched becomes part of the base, in a thread. */
struct keeper_merging {
    struct keel_job job;
    struct dns_keeper *keeper;
    struct dns_name apex;
    struct dns_edit *snapshot;
    struct dns_shared *base; /* that it is over */
    uint64_t step;
    uint32_t serial;
    struct keeper_pack pack;
    char name[DNS_IMAGES_NAME];
    char *path; /* the zone's file, when that is to be written too; else NULL */
    void (*on_flushed)(void *arg, int err, const char *text);
    void *arg;
    int err;
    struct keel_diag diag;
};

/* The zone's file is written, and is what the image was made of. */
static int write_file(struct keeper_merging *m, const struct dns_image *image,
                      struct dns_sources *sources)
{
    const struct dns_view view = {.base = image};
    struct stat st;
    int err = dns_dump_zone(&view, m->path, &m->diag);
    if (err)
        return err;
    sources->items = keel_calloc(1, sizeof *sources->items);
    char *path = keel_strdup(m->path);
    if (!sources->items || !path || stat(path, &st) != 0) {
        keel_free(path);
        return KEEL_ENOMEM;
    }
    sources->items[0].path = path;
    dns_source_set(&sources->items[0], &st);
    sources->count = 1;
    return 0;
}

static void run_merge(struct keel_job *job)
{
    struct keeper_merging *m = KEEL_CONTAINER(job, struct keeper_merging, job);
    struct dns_sources sources = {0};
    struct dns_image *image = NULL;
    m->err = dns_edit_image(m->snapshot, m->keeper->key, &image, &m->diag);
    if (!m->err && m->path)
        m->err = write_file(m, image, &sources);
    if (!m->err) {
        m->err = dns_pack_add(&m->pack, NULL, image, &sources);
        image = m->err ? image : NULL;
    }
    if (!m->err)
        m->err = dns_pack_write(m->keeper->images, &m->pack, m->name, &m->diag);
    keel_free(image);
    dns_sources_fini(&sources);
}

/* On error the old base is still the one of the journal. */
static int take_base(struct keeper_merging *m, struct keeper_zone *zone)
{
    struct dns_keeper *keeper = m->keeper;
    struct dns_shared *file = NULL;
    struct dns_image_zone where;
    int err = dns_keeper_open_file(keeper, m->name, true, &file, &m->diag);
    if (!err)
        err = dns_keeper_find_image(file, &m->apex, &where);
    if (!err)
        err = dns_keeper_open_batch(keeper, &m->diag);
    if (!err)
        err = dns_journal_base(&keeper->journal, &m->apex, m->name, m->serial, m->step,
                               zone->kept.zone->journal_size);
    /* its own commit: what fails here costs nobody a promise */
    if (!err)
        err = keel_store_commit(keeper->store);
    else if (keeper->in_batch)
        keel_store_abort(keeper->store);
    keeper->in_batch = false;
    keel_io_change(&keeper->turn, 0);
    if (!err) {
        const struct dns_image *base = (const struct dns_image *)(file->map + where.offset);
        int rebased = dns_edit_rebase(zone->kept.edit, m->snapshot, base);
        dns_keeper_set_base(zone, file, where.offset); /* m->base holds the old one */
        zone->base_step = m->step;
        if (rebased != 0)
            dns_keeper_must_replay(zone);
    }
    dns_shared_release(keeper->publisher, file);
    return err;
}

/* From memory: the base on the disk stays what it was. */
static void publish_owed(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keel_diag diag = {""};
    if (dns_keeper_publish_memory(zone, &diag) != 0)
        keel_error("zone", "cannot serve the changes", "reason=%s", diag.text);
    dns_keeper_set_owed(zone, false);
    keeper->awaited = dns_publisher_flush(keeper->publisher);
    dns_keeper_confirmed(keeper, dns_publisher_confirmed(keeper->publisher));
}

static void free_merging(struct keeper_merging *m)
{
    dns_edit_free(m->snapshot);
    dns_shared_release(m->keeper->publisher, m->base);
    dns_pack_fini(&m->pack);
    keel_free(m->path);
    keel_free(m);
}

static void on_merged(struct keel_job *job, int err)
{
    struct keeper_merging *m = KEEL_CONTAINER(job, struct keeper_merging, job);
    struct keeper_zone *zone = dns_keeper_find(m->keeper, m->apex.bytes, m->apex.size);
    char old[DNS_IMAGES_NAME] = "", name[DNS_NAME_TEXT];
    bool ours = zone && zone->merging == m;
    if (ours)
        zone->merging = NULL;
    if (!err)
        err = m->err;
    if (!err && (!ours || zone->base != m->base || zone->replacing))
        err = KEEL_ECANCELED; /* it has another base already */
    if (!err) {
        dns_keeper_end_turn(m->keeper);
        const char *before = dns_keeper_file_name(m->base);
        if (before && dns_keeper_image_file(m->base)->count == 1)
            memcpy(old, before, strlen(before) + 1);
        err = take_base(m, zone);
    }
    if (!err) {
        dns_keeper_publish(zone);
        m->keeper->awaited = dns_publisher_flush(m->keeper->publisher);
        if (old[0])
            dns_images_remove(m->keeper->images, old);
    } else {
        if (ours && zone->owed) /* who waits does not wait for a file */
            publish_owed(zone);
        if (m->name[0])
            dns_images_remove(m->keeper->images, m->name);
        if (err != KEEL_ECANCELED && m->keeper->state == KEEPER_OWNER) {
            dns_name_to_text(name, m->apex.bytes);
            keel_warning("zone", "cannot make a new base, the journal goes on", "zone=%s reason=%s",
                         name, m->diag.text[0] ? m->diag.text : keel_strerror(err));
        }
    }
    if (!err && m->path && zone->step == m->step)
        zone->unflushed = false;
    if (m->on_flushed)
        m->on_flushed(m->arg, err, m->diag.text[0] ? m->diag.text : keel_strerror(err));
    free_merging(m);
}

static struct keeper_merging *start(struct keeper_zone *zone, char *path)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keeper_merging *m = keel_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->path = path;
    m->keeper = keeper;
    m->apex = zone->kept.apex;
    m->base = dns_shared_hold(zone->base);
    m->step = zone->step;
    m->serial = dns_edit_serial(zone->kept.edit);
    m->snapshot = dns_edit_snapshot(zone->kept.edit);
    if (!m->snapshot || keel_offload_start(keeper->pool, &m->job, run_merge, on_merged) != 0) {
        m->path = NULL; /* it is still the caller's */
        free_merging(m);
        return NULL;
    }
    zone->merging = m;
    return m;
}

static bool may_merge(const struct keeper_zone *zone)
{
    const struct dns_keeper *keeper = zone->kept.keeper;
    return !zone->merging && !zone->replacing && keeper->state == KEEPER_OWNER && !keeper->stopping;
}

void dns_keeper_merge(struct keeper_zone *zone)
{
    if (may_merge(zone))
        start(zone, NULL);
}

int dns_keeper_flush(struct keeper_zone *zone,
                     void (*on_flushed)(void *arg, int err, const char *text), void *arg,
                     struct keel_diag *diag)
{
    if (!may_merge(zone))
        return keel_diag_set(diag, KEEL_EBUSY, "the zone is being written just now, try again");
    char *path = keel_strdup(zone->kept.zone->file);
    struct keeper_merging *m = path ? start(zone, path) : NULL;
    if (!m) {
        keel_free(path);
        return keel_diag_memory(diag);
    }
    m->on_flushed = on_flushed;
    m->arg = arg;
    return 0;
}
