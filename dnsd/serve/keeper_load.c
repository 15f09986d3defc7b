#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

/* Warnings are said when the job is done: the log belongs to the loop. */
#define WARNINGS_MAX 65536

static void keep_warning(void *arg, const char *text)
{
    struct keeper_loading *loading = arg;
    keel_buf_append(&loading->warnings, text, strlen(text) + 1);
}

/* In a thread: touches nothing but the job. */
static void run(struct keel_job *job)
{
    struct keeper_loading *l = KEEL_CONTAINER(job, struct keeper_loading, job);
    l->err = dns_load_zone(l->file, &l->apex, keep_warning, l, &l->image, &l->sources, &l->diag);
}

static void free_loading(struct keeper_loading *l)
{
    keel_free(l->image);
    keel_free(l->file);
    dns_sources_fini(&l->sources);
    keel_buf_fini(&l->warnings);
    keel_free(l);
}

static void say_warnings(const struct keeper_loading *l)
{
    const char *text = (const char *)keel_buf_bytes(&l->warnings);
    size_t size = keel_buf_size(&l->warnings);
    for (size_t at = 0; at < size; at += strlen(text + at) + 1)
        dns_keeper_warn(&l->apex, text + at);
}

/* Why what is served is not what the file says. */
static void keep_error(struct keeper_zone *zone, const struct keeper_loading *l)
{
    char name[DNS_NAME_TEXT];
    keel_free(zone->error);
    zone->error = l->err ? keel_strdup(l->diag.text) : NULL;
    if (l->err == 0)
        return;
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_error("zone", "not taken, the old one is served", "zone=%s reason=%s", name, l->diag.text);
}

static void finish(struct keeper_loading *l, struct keeper_zone *zone)
{
    if (zone && zone->loading == l)
        zone->loading = NULL;
    if (zone)
        keep_error(zone, l);
    if (zone && l->err == 0)
        dns_keeper_watch(zone);
    l->on_loaded(l, l->err == 0 ? zone : NULL);
    free_loading(l);
}

static void on_kept(struct dns_promise *promise, int err)
{
    struct keeper_loading *l = KEEL_CONTAINER(promise, struct keeper_loading, promise);
    struct keeper_zone *zone = dns_keeper_find(l->keeper, l->apex.bytes, l->apex.size);
    if (zone && zone->loading != l)
        zone = NULL;
    if (err || !zone)
        l->err = keel_diag_set(&l->diag, err ? err : KEEL_ENOENT,
                               "the new version cannot be kept: %s", keel_strerror(err));
    finish(l, zone);
}

/* A zone whose changes are nowhere but here is not put back to what its file says. */
static int may_replace(const struct keeper_zone *zone, struct keel_diag *diag)
{
    if (dns_keeper_changes(zone) && zone->unflushed)
        return keel_diag_set(diag, KEEL_EBUSY,
                             "the zone has updates that its file has not: zone-flush writes them "
                             "there");
    return 0;
}

static void on_done(struct keel_job *job, int err)
{
    struct keeper_loading *l = KEEL_CONTAINER(job, struct keeper_loading, job);
    struct keeper_zone *zone = dns_keeper_find(l->keeper, l->apex.bytes, l->apex.size);
    const struct dns_image *old;
    if (zone && zone->loading != l)
        zone = NULL;
    if (err)
        l->err = keel_diag_set(&l->diag, err, "%s", keel_strerror(err));
    else if (!zone)
        l->err = keel_diag_set(&l->diag, KEEL_ENOENT, "the zone was removed meanwhile");
    if (l->err == 0)
        l->err = may_replace(zone, &l->diag);
    if (l->err == 0 && l->on_read)
        l->err = l->on_read(l, zone, &l->diag);
    if (l->err == 0) {
        say_warnings(l);
        l->serial = l->image->serial;
        dns_keeper_check_expiration(zone->kept.zone, l->image);
        old = dns_zone_newest(zone->kept.zone);
        if (old && (int32_t)(l->image->serial - old->serial) < 0)
            dns_keeper_warn(&l->apex, "its serial number has gone back");
        l->promise.on_kept = on_kept;
        l->err = dns_keeper_replace_with(zone, l->image, &l->sources, &l->promise, &l->diag);
    }
    if (l->err == 0)
        l->image = NULL;
    else
        finish(l, zone);
}

int dns_keeper_start_loading(struct keeper_zone *zone,
                             void (*on_loaded)(struct keeper_loading *loading,
                                               struct keeper_zone *zone),
                             void *arg, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    if (zone->loading)
        return keel_diag_set(diag, KEEL_EBUSY, "the zone is being read just now");
    struct keeper_loading *l = keel_calloc(1, sizeof *l);
    char *file = keel_strdup(zone->kept.zone->file);
    if (!l || !file) {
        keel_free(l);
        keel_free(file);
        return keel_diag_memory(diag);
    }
    l->keeper = keeper;
    l->apex = zone->kept.apex;
    l->file = file;
    l->on_loaded = on_loaded;
    l->arg = arg;
    l->began_ns = keel_loop_now(keeper->instance->loop);
    keel_buf_init(&l->warnings, WARNINGS_MAX);
    int err = keel_offload_start(keeper->pool, &l->job, run, on_done);
    if (err) {
        free_loading(l);
        return keel_diag_set(diag, err, "cannot read the zone: %s", keel_strerror(err));
    }
    zone->loading = l;
    return 0;
}
