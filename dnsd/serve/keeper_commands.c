#include "dnsd/serve/keeper_commands.h"

#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"

#include <fnmatch.h>

/* Most zones in one reply, and most errors. */
#define ROWS_MAX 1000
#define ERRORS_MAX 100

static const char *argument(json_t *args, size_t i)
{
    return json_string_value(json_array_get(args, i));
}

static int read_name(struct dns_name *apex, json_t *args, struct keel_diag *diag)
{
    const char *text = argument(args, 0);
    if (!text)
        return keel_diag_set(diag, KEEL_EINVAL, "the name of a zone expected");
    if (dns_name_from_text(apex, keel_str(text), NULL) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not a domain name", text);
    dns_name_lower(apex);
    return 0;
}

struct keeper_zone *dns_command_zone(struct keel_instance *instance, json_t *args,
                                     struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    struct dns_name apex;
    if (read_name(&apex, args, diag) != 0)
        return NULL;
    struct keeper_zone *zone = dns_keeper_find(keeper, apex.bytes, apex.size);
    if (!zone)
        keel_diag_set(diag, KEEL_ENOENT, "there is no zone \"%s\"", argument(args, 0));
    return zone;
}

static int must_own(const struct dns_keeper *keeper, struct keel_diag *diag)
{
    return keeper->state == KEEPER_OWNER
               ? 0
               : keel_diag_set(diag, KEEL_EAGAIN, "a reload or an upgrade is under way, try again");
}

/* --- looking --- */

/* How a zone denies what it has not: the word for "signed". */
static const char *signed_text(const struct dns_image *image)
{
    switch (image->denial) {
    case DNS_DENIAL_NSEC:
        return "nsec";
    case DNS_DENIAL_NSEC3:
        return "nsec3";
    default:
        return "no";
    }
}

static const char *state_text(const struct dns_zone *zone)
{
    if (!zone->version)
        return "no data";
    return zone->version->expired ? "expired" : "served";
}

/* Bytes of the images that it is served from. */
static uint64_t size_of(const struct dns_view *view)
{
    return view->base->size + (view->delta ? (uint64_t)view->delta->size : 0);
}

static json_t *zone_row(const struct keeper_zone *zone)
{
    const struct dns_zone *z = zone->kept.zone;
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, z->apex.bytes);
    json_t *row = json_pack("{s:s, s:s}", "name", name, "state", state_text(z));
    if (!row || !z->version)
        return row;
    const struct dns_image *image = dns_view_newest(&z->version->view);
    json_t *rest = json_pack("{s:I, s:I, s:I, s:s}", "serial", (json_int_t)image->serial, "records",
                             (json_int_t)image->records, "bytes",
                             (json_int_t)size_of(&z->version->view), "signed", signed_text(image));
    json_object_update(row, rest);
    json_decref(rest);
    if (z->file)
        json_object_set_new(row, "file", json_string(z->file));
    return row;
}

int dns_command_zones(struct keel_instance *instance, json_t *args, json_t **result,
                      struct keel_diag *diag)
{
    const struct dns_keeper *keeper = instance->state;
    const char *pattern = argument(args, 0), *from = argument(args, 1);
    uint64_t skip = 0;
    if (from && keel_parse_u64(keel_str(from), UINT32_MAX, &skip) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "FROM is a number");
    json_t *list = json_array();
    for (unsigned i = 0; list && i < keeper->count && json_array_size(list) < ROWS_MAX; i++) {
        char name[DNS_NAME_TEXT];
        if (!keeper->zones[i])
            continue;
        dns_name_to_text(name, keeper->zones[i]->kept.apex.bytes);
        if (pattern && fnmatch(pattern, name, 0) != 0)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        if (json_array_append_new(list, zone_row(keeper->zones[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    *result = list;
    return list ? 0 : keel_diag_memory(diag);
}

static int count_zones(const struct dns_keeper *keeper, json_t **result, struct keel_diag *diag)
{
    uint64_t count = 0, served = 0, expired = 0, empty = 0, added = 0, records = 0, bytes = 0;
    for (unsigned i = 0; i < keeper->count; i++) {
        const struct dns_zone *zone = keeper->zones[i] ? keeper->zones[i]->kept.zone : NULL;
        if (!zone)
            continue;
        count++;
        added += zone->added;
        if (!zone->version) {
            empty++;
            continue;
        }
        const struct dns_image *image = dns_view_newest(&zone->version->view);
        served += !zone->version->expired;
        expired += zone->version->expired;
        records += image->records;
        bytes += size_of(&zone->version->view);
    }
    *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "zones", (json_int_t)count, "served",
                        (json_int_t)served, "expired", (json_int_t)expired, "no data",
                        (json_int_t)empty, "added", (json_int_t)added, "records",
                        (json_int_t)records, "bytes", (json_int_t)bytes);
    return *result ? 0 : keel_diag_memory(diag);
}

int dns_command_zone_status(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag)
{
    if (json_array_size(args) == 0)
        return count_zones(instance->state, result, diag);
    struct keeper_zone *zone = dns_command_zone(instance, args, diag);
    if (!zone)
        return KEEL_ENOENT;
    *result = zone_row(zone);
    if (!*result)
        return keel_diag_memory(diag);
    json_object_set_new(*result, "added", json_boolean(zone->kept.zone->added));
    json_object_set_new(*result, "loading", json_boolean(zone->loading != NULL));
    dns_secondaries_status(((struct dns_keeper *)instance->state)->secondaries, &zone->kept,
                           *result);
    if (zone->error)
        json_object_set_new(*result, "error", json_string(zone->error));
    return 0;
}

/* --- zone-reload --- */

static double milliseconds(const struct keeper_loading *l)
{
    uint64_t now = keel_loop_now(l->keeper->instance->loop);
    return (double)(now - l->began_ns) / (double)KEEL_NS_PER_MS;
}

static void on_reloaded(struct keeper_loading *loading, struct keeper_zone *zone)
{
    struct keel_deferred *deferred = loading->arg;
    json_t *row = zone ? zone_row(zone) : NULL;
    if (row)
        json_object_set_new(row, "ms", json_real(milliseconds(loading)));
    keel_command_reply(deferred, loading->err, row, loading->diag.text);
}

/* All zones, one after another. */
struct reload_all {
    struct dns_keeper *keeper;
    struct keel_deferred *deferred;
    unsigned next; /* zone */
    uint64_t done, unchanged, failed;
    json_t *errors;
};

static void reload_next(struct reload_all *all);

static void note_error(struct reload_all *all, const struct dns_name *apex, const char *text)
{
    char name[DNS_NAME_TEXT];
    all->failed++;
    dns_name_to_text(name, apex->bytes);
    if (json_array_size(all->errors) < ERRORS_MAX)
        json_array_append_new(all->errors, json_pack("{s:s, s:s}", "zone", name, "error", text));
}

static void on_one_of_all(struct keeper_loading *loading, struct keeper_zone *zone)
{
    struct reload_all *all = loading->arg;
    if (zone)
        all->done++;
    else
        note_error(all, &loading->apex, loading->diag.text);
    reload_next(all);
}

static void reload_next(struct reload_all *all)
{
    struct dns_keeper *keeper = all->keeper;
    while (all->next < keeper->count && !keeper->stopping) {
        struct keeper_zone *zone = keeper->zones[all->next++];
        struct keel_diag diag = {""};
        if (!zone || !zone->kept.zone->file)
            continue;
        if (!zone->error && dns_keeper_is_fresh(zone)) {
            all->unchanged++;
            continue;
        }
        if (dns_keeper_start_loading(zone, on_one_of_all, all, &diag) == 0)
            return;
        note_error(all, &zone->kept.apex, diag.text);
    }
    keel_command_reply(all->deferred, 0,
                       json_pack("{s:I, s:I, s:I, s:o}", "reloaded", (json_int_t)all->done,
                                 "unchanged", (json_int_t)all->unchanged, "failed",
                                 (json_int_t)all->failed, "errors", all->errors),
                       NULL);
    keel_free(all);
}

static int start_all(struct keel_instance *instance, struct keel_diag *diag)
{
    struct reload_all *all = keel_calloc(1, sizeof *all);
    json_t *errors = json_array();
    struct keel_deferred *deferred = all && errors ? keel_command_defer(instance) : NULL;
    if (!deferred) {
        json_decref(errors);
        keel_free(all);
        return keel_diag_memory(diag);
    }
    *all = (struct reload_all){.keeper = instance->state, .deferred = deferred, .errors = errors};
    reload_next(all);
    return KEEL_EAGAIN;
}

int dns_command_zone_reload(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag)
{
    const char *name = argument(args, 0);
    int err = must_own(instance->state, diag);
    if (err)
        return err;
    if (name && strcmp(name, "all") == 0)
        return start_all(instance, diag);
    struct keeper_zone *zone = dns_command_zone(instance, args, diag);
    if (!zone)
        return KEEL_ENOENT;
    if (!zone->kept.zone->file)
        return keel_diag_set(diag, KEEL_EINVAL, "the zone has no file");
    struct keel_deferred *deferred = keel_command_defer(instance);
    if (!deferred)
        return keel_diag_memory(diag);
    struct keel_diag why = {""};
    err = dns_keeper_start_loading(zone, on_reloaded, deferred, &why);
    if (err)
        keel_command_reply(deferred, err, NULL, why.text);
    return KEEL_EAGAIN;
}

/* --- zone-add, zone-remove --- */

/* On its way: it is served when its file has been read. */
struct adding {
    struct keel_deferred *deferred;
    struct keel_buf text;
};

static void adding_free(struct adding *adding)
{
    keel_buf_fini(&adding->text);
    keel_free(adding);
}

static int on_read(struct keeper_loading *loading, struct keeper_zone *zone, struct keel_diag *diag)
{
    struct adding *adding = loading->arg;
    return dns_keeper_keep_added(zone, keel_buf_text(&adding->text), diag);
}

static void on_added(struct keeper_loading *loading, struct keeper_zone *zone)
{
    struct adding *adding = loading->arg;
    struct dns_keeper *keeper = loading->keeper;
    struct keel_diag diag = {""};
    int err = loading->err;
    if (err) { /* as if it had never been */
        zone = dns_keeper_find(keeper, loading->apex.bytes, loading->apex.size);
        if (zone && !keeper->stopping && dns_keeper_remove_added(zone, &diag) != 0)
            keel_error("zone", "cannot take back a zone that was not added", "reason=%s",
                       diag.text);
        keel_command_reply(adding->deferred, err, NULL, loading->diag.text);
    } else {
        keel_command_reply(adding->deferred, 0, zone_row(zone), NULL);
    }
    adding_free(adding);
}

/* The zone is there, without data. 0: it is read, and on_added comes; else it is gone again. */
static int read_added(struct keel_instance *instance, struct keeper_zone *zone,
                      struct adding *adding, struct keel_diag *diag)
{
    adding->deferred = keel_command_defer(instance);
    if (!adding->deferred) {
        dns_keeper_remove(zone);
        return keel_diag_memory(diag);
    }
    struct keel_diag why = {""};
    int err = dns_keeper_start_loading(zone, on_added, adding, &why);
    if (err) {
        dns_keeper_remove(zone);
        keel_command_reply(adding->deferred, err, NULL, why.text);
        adding_free(adding);
    } else {
        zone->loading->on_read = on_read;
    }
    return 0;
}

/* As read_added, for a zone whose data comes by itself. */
static int keep_secondary(struct keeper_zone *zone, struct adding *adding, json_t **result,
                          struct keel_diag *diag)
{
    int err = dns_keeper_keep_added(zone, keel_buf_text(&adding->text), diag);
    if (err)
        dns_keeper_remove(zone);
    else
        *result = zone_row(zone);
    return err;
}

static int check_new(struct keel_instance *instance, json_t *args, struct dns_name *apex,
                     struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    int err = must_own(keeper, diag);
    if (!err)
        err = read_name(apex, args, diag);
    if (!err && !argument(args, 1))
        err = keel_diag_set(diag, KEEL_EINVAL,
                            "what stands in the section expected: "
                            "'file = \"/path/of/the.zone\"'");
    if (!err && dns_keeper_find(keeper, apex->bytes, apex->size))
        err = keel_diag_set(diag, KEEL_EEXIST, "there is a zone \"%s\" already", argument(args, 0));
    return err;
}

int dns_command_zone_add(struct keel_instance *instance, json_t *args, json_t **result,
                         struct keel_diag *diag)
{
    struct keeper_zone *zone;
    struct dns_name apex;
    int err = check_new(instance, args, &apex, diag);
    if (err)
        return err;
    struct adding *adding = keel_calloc(1, sizeof *adding);
    if (!adding)
        return keel_diag_memory(diag);
    err = dns_added_text(&adding->text, &apex, argument(args, 1), diag);
    if (!err)
        err = dns_keeper_add(instance->state, keel_buf_text(&adding->text), &zone, diag);
    if (!err && zone->kept.zone->primaries == 0) {
        err = read_added(instance, zone, adding, diag);
        if (err == 0)
            return KEEL_EAGAIN;
    } else if (!err) {
        err = keep_secondary(zone, adding, result, diag);
    }
    adding_free(adding);
    return err;
}

int dns_command_zone_remove(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    int err = must_own(keeper, diag);
    struct keeper_zone *zone = err ? NULL : dns_command_zone(instance, args, diag);
    if (!zone)
        return err ? err : KEEL_ENOENT;
    if (!zone->kept.zone->added)
        return keel_diag_set(diag, KEEL_EINVAL,
                             "the zone stands in the configuration file: take it out there");
    return dns_keeper_remove_added(zone, diag);
}
