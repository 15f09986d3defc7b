#include "common/base/mem.h"
#include "dnsd/serve/dump.h"
#include "dnsd/serve/keeper_commands.h"
#include "dnsd/serve/keeper_private.h"

#include <stdio.h>

/* --- zone-dump --- */

/* A zone on its way into a file, in a thread. */
struct dumping {
    struct keel_job job;
    struct dns_keeper *keeper;
    struct keel_deferred *deferred;
    struct dns_edit *snapshot;   /* of a zone that changes; */
    struct dns_version *version; /* of others */
    char path[KEEPER_PATH];
    uint32_t serial;
    int err;
    struct keel_diag diag;
};

static void run_dump(struct keel_job *job)
{
    struct dumping *d = KEEL_CONTAINER(job, struct dumping, job);
    struct dns_image *image = NULL;
    struct dns_view view;
    d->err = 0;
    if (d->snapshot) {
        d->err = dns_edit_image(d->snapshot, d->keeper->key, &image, &d->diag);
        view = (struct dns_view){.base = image};
    } else {
        view = d->version->view;
    }
    if (d->err == 0) {
        d->serial = dns_view_newest(&view)->serial;
        d->err = dns_dump_zone(&view, d->path, &d->diag);
    }
    keel_free(image);
}

static void on_dumped(struct keel_job *job, int err)
{
    struct dumping *d = KEEL_CONTAINER(job, struct dumping, job);
    json_t *row = NULL;
    if (!err)
        err = d->err;
    if (!err)
        row = json_pack("{s:s, s:I}", "file", d->path, "serial", (json_int_t)d->serial);
    keel_command_reply(d->deferred, err, row, d->diag.text[0] ? d->diag.text : keel_strerror(err));
    dns_edit_free(d->snapshot);
    dns_version_release(d->version);
    keel_free(d);
}

/* FILE as it is given, or STATE/NAME.zone. */
static int choose_path(const struct dumping *d, const struct keeper_zone *zone, const char *file,
                       char out[KEEPER_PATH], struct keel_diag *diag)
{
    const char *folder = d->keeper->instance->state_dir;
    char name[DNS_NAME_TEXT];
    int n;
    dns_name_to_text(name, zone->kept.apex.bytes);
    if (file && file[0] == '/')
        n = snprintf(out, KEEPER_PATH, "%s", file);
    else if (file)
        n = snprintf(out, KEEPER_PATH, "%s/%s", folder, file);
    else if (strchr(name, '/'))
        return keel_diag_set(diag, KEEL_EINVAL, "the name of the zone is none of a file: give one");
    else
        n = snprintf(out, KEEPER_PATH, "%s/%szone", folder, name[1] ? name : "root.");
    return n < KEEPER_PATH ? 0 : keel_diag_set(diag, KEEL_ENOSPC, "the path is too long");
}

int dns_command_zone_dump(struct keel_instance *instance, json_t *args, json_t **result,
                          struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    struct keeper_zone *zone = dns_command_zone(instance, args, diag);
    if (!zone)
        return KEEL_ENOENT;
    if (!zone->kept.zone->version)
        return keel_diag_set(diag, KEEL_ENOENT, "the zone has no data");
    struct dumping *d = keel_calloc(1, sizeof *d);
    if (!d)
        return keel_diag_memory(diag);
    d->keeper = keeper;
    int err = choose_path(d, zone, json_string_value(json_array_get(args, 1)), d->path, diag);
    if (!err && zone->kept.edit) {
        d->snapshot = dns_edit_snapshot(zone->kept.edit);
        err = d->snapshot ? 0 : KEEL_ENOMEM;
    } else if (!err) {
        d->version = dns_version_hold(zone->kept.zone->version);
    }
    if (!err)
        d->deferred = keel_command_defer(instance);
    if (!err && d->deferred) {
        err = keel_offload_start(keeper->pool, &d->job, run_dump, on_dumped);
        if (!err)
            return KEEL_EAGAIN;
        on_dumped(&d->job, err); /* replies, and frees all */
        return KEEL_EAGAIN;
    }
    dns_edit_free(d->snapshot);
    dns_version_release(d->version);
    keel_free(d);
    return err ? err : KEEL_ENOMEM;
}

/* --- zone-flush --- */

struct flushing {
    struct dns_keeper *keeper;
    struct keel_deferred *deferred;
    unsigned next, last; /* zones, by index */
    uint64_t done;
};

static void flush_next(struct flushing *f);

static void on_flushed(void *arg, int err, const char *text)
{
    struct flushing *f = arg;
    if (err) {
        keel_command_reply(f->deferred, err, NULL, text);
        keel_free(f);
        return;
    }
    f->done++;
    flush_next(f);
}

static void flush_next(struct flushing *f)
{
    struct keel_diag diag = {""};
    while (f->next < f->last && f->next < f->keeper->count) {
        struct keeper_zone *zone = f->keeper->zones[f->next++];
        if (!zone || !zone->kept.zone->file || !zone->kept.edit || !zone->unflushed)
            continue;
        int err = dns_keeper_flush(zone, on_flushed, f, &diag);
        if (err)
            on_flushed(f, err, diag.text);
        return;
    }
    keel_command_reply(f->deferred, 0, json_pack("{s:I}", "flushed", (json_int_t)f->done), NULL);
    keel_free(f);
}

int dns_command_zone_flush(struct keel_instance *instance, json_t *args, json_t **result,
                           struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    const char *name = json_string_value(json_array_get(args, 0));
    struct flushing f = {.keeper = keeper, .last = keeper->count};
    if (keeper->state != KEEPER_OWNER)
        return keel_diag_set(diag, KEEL_EAGAIN, "a reload or an upgrade is under way, try again");
    if (!name || strcmp(name, "all") != 0) {
        const struct keeper_zone *zone = dns_command_zone(instance, args, diag);
        if (!zone)
            return KEEL_ENOENT;
        if (!zone->kept.zone->file || !zone->kept.edit)
            return keel_diag_set(diag, KEEL_EINVAL, "the zone has no updates to write to a file");
        f.next = zone->kept.index;
        f.last = f.next + 1;
    }
    struct flushing *flushing = keel_memdup(&f, sizeof f);
    if (flushing)
        flushing->deferred = keel_command_defer(instance);
    if (!flushing || !flushing->deferred) {
        keel_free(flushing);
        return keel_diag_memory(diag);
    }
    flush_next(flushing);
    return KEEL_EAGAIN;
}
