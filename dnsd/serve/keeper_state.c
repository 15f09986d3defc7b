#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_RECORDS (5 * KEEL_NS_PER_S)

static void store_path(const struct dns_keeper *keeper, char out[KEEPER_PATH])
{
    snprintf(out, KEEPER_PATH, "%s/store", keeper->instance->state_dir);
}

static int open_store(struct dns_keeper *keeper, bool read_only, struct keel_diag *diag)
{
    char path[KEEPER_PATH];
    store_path(keeper, path);
    int err = keel_store_open(path, DNS_JOURNAL_TABLES, read_only, &keeper->store, diag);
    if (!err)
        err = dns_journal_init(&keeper->journal, keeper->store, diag);
    if (err && keeper->store) {
        keel_store_close(keeper->store);
        keeper->store = NULL;
    }
    return err;
}

/* To look into it while another keeper owns it. None there: nothing is known. */
static void open_to_read(struct dns_keeper *keeper)
{
    char path[KEEPER_PATH], data[KEEPER_PATH + 16];
    struct keel_diag diag = {""};
    store_path(keeper, path);
    snprintf(data, sizeof data, "%s/data.mdb", path);
    if (access(data, F_OK) == 0 && open_store(keeper, true, &diag) != 0)
        keel_warning("keeper", "cannot read the state", "reason=%s", diag.text);
}

void dns_keeper_close_store(struct dns_keeper *keeper)
{
    if (keeper->store)
        keel_store_close(keeper->store);
    keeper->store = NULL;
}

/* --- what is known of a zone --- */

static int keep_record(void *arg, const struct dns_name *apex, const struct dns_journal_zone *known)
{
    struct dns_keeper *keeper = arg;
    struct keeper_zone *zone = dns_keeper_find(keeper, apex->bytes, apex->size);
    size_t n = strlen(known->base) + 1;
    if (!zone)
        return 0;
    keel_free(zone->record);
    zone->record = keel_malloc(sizeof *zone->record + n);
    if (!zone->record)
        return KEEL_ENOMEM;
    zone->record->base_step = known->base_step;
    zone->record->next = known->next;
    memcpy(zone->record->base, known->base, n);
    return 0;
}

static int read_records(struct dns_keeper *keeper)
{
    int err = keeper->store ? keel_store_read(keeper->store) : KEEL_ENOENT;
    if (err)
        return err == KEEL_ENOENT ? 0 : err;
    err = dns_journal_each(&keeper->journal, keep_record, keeper);
    keel_store_read_end(keeper->store);
    return err;
}

/* The base that the record names, looked through; NULL with diag: it cannot be used. Holds *file.
 */
static const struct dns_image *look_through(struct keeper_zone *zone, struct dns_shared **file,
                                            struct dns_image_zone *where, int *err,
                                            struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    const struct dns_image *image = NULL;
    *err = dns_keeper_open_file(keeper, zone->record->base, dns_keeper_changes(zone), file, diag);
    if (*err)
        return NULL;
    if (dns_keeper_find_image(*file, &zone->kept.apex, where) == 0)
        image = dns_image_file_image(dns_keeper_image_file(*file), where, diag);
    if (!image)
        dns_shared_release(keeper->publisher, *file);
    return image;
}

/* An older keeper may make a new base, and remove the old one, before we open it. */
static const struct dns_image *map_base(struct keeper_zone *zone, struct dns_shared **file,
                                        struct dns_image_zone *where)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keel_diag diag = {""};
    struct dns_journal_zone known;
    char name[DNS_NAME_TEXT];
    int err = 0;
    for (unsigned tries = 0; tries < 10; tries++) {
        const struct dns_image *image = look_through(zone, file, where, &err, &diag);
        if (image)
            return image;
        if (err != KEEL_ENOENT || !keeper->store || keel_store_read(keeper->store) != 0)
            break;
        err = dns_journal_find(&keeper->journal, &zone->kept.apex, &known);
        keel_store_read_end(keeper->store);
        if (err || strcmp(known.base, zone->record->base) == 0 ||
            keep_record(keeper, &zone->kept.apex, &known) != 0)
            break;
    }
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_warning("zone", "its image cannot be used", "zone=%s file=%s reason=%s", name,
                 zone->record->base, diag.text);
    return NULL;
}

/* --- the start --- */

/* It is served from there; if it changes, with what the journal has on top. */
static int serve_base(struct keeper_zone *zone, struct dns_shared *file,
                      const struct dns_image_zone *where, struct keel_diag *diag)
{
    int err = dns_keeper_serve(zone, file, where->offset);
    if (err)
        return keel_diag_memory(diag);
    if (!dns_keeper_changes(zone))
        return 0;
    dns_edit_free(zone->kept.edit); /* it reads the old base */
    zone->kept.edit = NULL;
    dns_keeper_set_base(zone, file, where->offset);
    err = dns_keeper_recover(zone, diag);
    zone->unflushed = where->source_count == 0 || zone->step > zone->base_step;
    return err;
}

/* Where what is made for zones goes: into the state directory; or, when that is full, into memory.
 */
static int serve_pack(struct dns_keeper *keeper, struct keeper_pack *pack, struct keel_diag *diag)
{
    char name[DNS_IMAGES_NAME];
    struct dns_shared *file = NULL;
    struct dns_image_zone where;
    struct keel_diag inner = {""};
    if (pack->count == 0)
        return 0;
    int err = dns_pack_write(keeper->images, pack, name, &inner);
    if (!err)
        err = dns_keeper_open_file(keeper, name, pack->items[0].zone->kept.zone->changes, &file,
                                   &inner);
    if (err) {
        keel_error("keeper", "cannot keep zones in the state directory, they are in memory alone",
                   "zones=%u reason=%s", pack->count, inner.text);
        err = dns_keeper_serve_memory(keeper, pack, diag);
        for (unsigned i = 0; i < pack->count; i++)
            pack->items[i].zone->file_anew = pack->items[i].zone->record != NULL;
        dns_pack_clear(pack);
        return err;
    }
    for (unsigned i = 0; i < pack->count && !err; i++) {
        struct keeper_zone *zone = pack->items[i].zone;
        err = dns_keeper_find_image(file, &zone->kept.apex, &where);
        if (!err)
            err = serve_base(zone, file, &where, diag);
        zone->unrecorded = true;
        zone->file_anew = zone->record != NULL;
    }
    dns_shared_release(keeper->publisher, file);
    dns_pack_clear(pack);
    return err ? keel_diag_set(diag, err, "%s", keel_strerror(err)) : 0;
}

/* No change came since the base was read from its file. */
static bool is_as_read(const struct keeper_zone *zone, const struct dns_image_zone *where)
{
    return where->source_count > 0 && zone->record->next == zone->record->base_step + 1;
}

/* True when what is known of the zone is what is to be served. */
static bool is_current(struct keeper_zone *zone, const struct dns_shared *file,
                       const struct dns_image_zone *where)
{
    const char *path = zone->kept.zone->file;
    if (!path)
        return true;
    bool fresh = dns_images_fresh(dns_keeper_image_file(file), where, path);
    if (fresh || !dns_keeper_changes(zone) || is_as_read(zone, where))
        return fresh;
    if (where->source_count > 0)
        dns_keeper_warn(&zone->kept.apex, "its file has changed, and it has updates that are not "
                                          "in the file: the file is not read");
    return true;
}

struct loading {
    struct dns_keeper *keeper;
    struct keeper_pack small, large;
    struct dns_shared *last; /* a pack is not opened anew for each of its zones */
};

/* So that who has the known version gets the difference (IXFR). It costs nobody the zone when it
 * cannot be had. */
static void keep_difference(struct keeper_zone *zone, const struct dns_image *known,
                            const struct dns_image *image)
{
    const struct dns_view old = {.base = known}, new = {.base = image};
    const struct dns_acl *list = &zone->kept.zone->allow_transfer;
    struct dns_diff diff;
    if (!known || (!list->any && list->count == 0) || (int32_t)(image->serial - known->serial) <= 0)
        return;
    dns_diff_init(&diff);
    if (dns_view_difference(&old, &new, &diff) == 0 &&
        dns_diff_encode(&diff, &zone->difference) == 0) {
        zone->differs_from = diff.from;
        zone->differs_to = diff.to;
    } else {
        keel_buf_fini(&zone->difference);
    }
    dns_diff_fini(&diff);
}

static int compile(struct loading *l, struct keeper_zone *zone, const struct dns_image *known,
                   struct keel_diag *diag)
{
    struct dns_image *image = NULL;
    struct dns_sources sources = {0};
    int err = dns_keeper_load(zone->kept.zone, &image, &sources, diag);
    if (err)
        return err;
    keep_difference(zone, known, image);
    bool alone = image->size >= DNS_PACK_IMAGE_MAX;
    struct keeper_pack *pack = alone ? &l->large : &l->small;
    err = dns_pack_add(pack, zone, image, &sources);
    if (err) {
        keel_free(image);
        dns_sources_fini(&sources);
        return keel_diag_memory(diag);
    }
    return alone || pack->size >= DNS_PACK_MAX ? serve_pack(l->keeper, pack, diag) : 0;
}

/* The old one is better than none, where nobody else serves. */
static int serve_old(struct keeper_zone *zone, struct dns_shared *file,
                     const struct dns_image_zone *where, struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_error("zone", "its file is not taken, the last version is served", "zone=%s reason=%s",
               name, diag->text);
    keel_free(zone->error);
    zone->error = keel_strdup(diag->text);
    return serve_base(zone, file, where, diag);
}

static int load_zone(struct loading *l, struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_shared *file = NULL;
    struct dns_image_zone where;
    const struct dns_image *known = zone->record ? map_base(zone, &file, &where) : NULL;
    if (known && file != l->last) {
        dns_shared_release(l->keeper->publisher, l->last);
        l->last = dns_shared_hold(file);
    }
    if (known && is_current(zone, file, &where)) {
        int err = serve_base(zone, file, &where, diag);
        dns_shared_release(l->keeper->publisher, file);
        return err;
    }
    int err = zone->kept.zone->file ? compile(l, zone, known, diag) : 0;
    if (err == KEEL_ECONF && known && !l->keeper->instance->replaces)
        err = serve_old(zone, file, &where, diag);
    if (known)
        dns_shared_release(l->keeper->publisher, file);
    return err;
}

int dns_keeper_load_all(struct dns_keeper *keeper, struct keel_diag *diag)
{
    struct loading l = {.keeper = keeper};
    int err = dns_images_open(&keeper->images, keeper->instance->state_dir, diag);
    if (err)
        return err;
    keeper->opened_ns = keel_clock_realtime();
    open_to_read(keeper);
    err = read_records(keeper);
    if (err)
        keel_warning("keeper", "cannot read what is known of zones", "reason=%s",
                     keel_strerror(err));
    err = 0;
    for (unsigned i = 0; i < keeper->count && !err; i++)
        err = load_zone(&l, keeper->zones[i], diag);
    if (!err)
        err = serve_pack(keeper, &l.small, diag);
    dns_shared_release(keeper->publisher, l.last);
    dns_pack_fini(&l.small);
    dns_pack_fini(&l.large);
    return err;
}

/* --- the owner --- */

/* True when what is known leads to this base, or does now. */
static bool leads_to(struct keeper_zone *zone, const struct dns_journal_zone *known,
                     const struct dns_image *base)
{
    const struct keel_buf *d = &zone->difference;
    if (known->serial == base->serial)
        return true;
    return keel_buf_size(d) > 0 && zone->differs_from == known->serial &&
           zone->differs_to == base->serial &&
           dns_journal_append(&zone->kept.keeper->journal, &zone->kept.apex, zone->differs_from,
                              zone->differs_to,
                              (struct keel_bytes){keel_buf_bytes(d), keel_buf_size(d)},
                              zone->kept.zone->journal_size, &zone->step) == 0;
}

int dns_keeper_record(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    const char *name = dns_keeper_file_name(zone->published.file);
    const struct dns_image *base = zone->kept.zone->version->view.base;
    struct dns_journal_zone known;
    uint64_t step = 0;
    if (!name)
        return 0; /* in memory alone */
    int err = dns_journal_find(&keeper->journal, &zone->kept.apex, &known);
    if (err == KEEL_ENOENT)
        err = 0;
    else if (err == 0 && leads_to(zone, &known, base))
        step = known.serial == base->serial ? known.next - 1 : zone->step;
    else
        err = dns_journal_remove(&keeper->journal, &zone->kept.apex);
    if (!err)
        err = dns_journal_base(&keeper->journal, &zone->kept.apex, name, base->serial, step,
                               zone->kept.zone->journal_size);
    if (!err)
        zone->step = zone->base_step = step;
    return err;
}

static void on_retry(struct keel_timer *timer)
{
    struct dns_keeper *keeper = KEEL_CONTAINER(timer, struct dns_keeper, retry);
    dns_keeper_record_all(keeper);
}

/* In a batch of their own. */
static int write_records(struct dns_keeper *keeper)
{
    int err = keel_store_begin(keeper->store);
    if (err)
        return err;
    for (unsigned i = 0; i < keeper->count && !err; i++)
        if (keeper->zones[i] && keeper->zones[i]->unrecorded)
            err = dns_keeper_record(keeper->zones[i]);
    if (err == 0)
        return keel_store_commit(keeper->store);
    keel_store_abort(keeper->store);
    return err;
}

void dns_keeper_record_all(struct dns_keeper *keeper)
{
    bool any = false;
    for (unsigned i = 0; i < keeper->count && !any; i++)
        any = keeper->zones[i] && keeper->zones[i]->unrecorded;
    if (!any || keeper->state != KEEPER_OWNER || !keeper->store)
        return;
    dns_keeper_end_turn(keeper);
    if (write_records(keeper) !=
        0) { /* the store has said why: what is served is served, the next start reads files */
        keel_timer_start(&keeper->retry, RETRY_RECORDS, 0);
        return;
    }
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->zones[i] && dns_keeper_file_name(keeper->zones[i]->published.file)) {
            keeper->zones[i]->unrecorded = false;
            keel_buf_fini(&keeper->zones[i]->difference);
        }
}

/* Numbers of files go up with time: those that are younger than we may be another keeper's. */
static bool keep_file(void *arg, const char *name)
{
    const struct dns_keeper *keeper = arg;
    const char *dot = strrchr(name, '.');
    if (dns_keeper_has_file(keeper, name))
        return true;
    return dot && dot - name > 16 && strtoull(dot - 16, NULL, 16) >= keeper->opened_ns;
}

/* What an older keeper has done since we read the state. */
static int catch_up(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct dns_journal_zone known;
    struct dns_shared *file;
    struct dns_image_zone where;
    int err = keel_store_read(keeper->store);
    if (err)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    err = dns_journal_find(&keeper->journal, &zone->kept.apex, &known);
    keel_store_read_end(keeper->store);
    if (err)
        return 0; /* nothing: what we have is what there is */
    const struct keeper_record *r = zone->record;
    bool same = r && strcmp(r->base, known.base) == 0 && r->next == known.next;
    const char *base = dns_keeper_file_name(zone->base);
    if ((same && zone->file_anew) ||
        (base && strcmp(base, known.base) == 0 && zone->step + 1 == known.next))
        return 0;
    err = dns_keeper_open_file(keeper, known.base, true, &file, diag);
    if (err)
        return err;
    err = dns_keeper_find_image(file, &zone->kept.apex, &where);
    if (!err && !dns_image_file_image(dns_keeper_image_file(file), &where, diag))
        err = KEEL_EINVAL;
    if (!err)
        err = serve_base(zone, file, &where, diag);
    zone->unrecorded = false;
    dns_shared_release(keeper->publisher, file);
    return err;
}

int dns_keeper_own(struct dns_keeper *keeper, struct keel_diag *diag)
{
    struct keel_diag inner = {""};
    dns_keeper_close_store(keeper);
    int err = open_store(keeper, false, diag);
    if (err)
        return err;
    for (unsigned i = 0; i < keeper->count; i++) {
        struct keeper_zone *zone = keeper->zones[i];
        if (!zone || !dns_keeper_changes(zone))
            continue;
        err = catch_up(zone, &inner);
        if (err) {
            char name[DNS_NAME_TEXT];
            dns_name_to_text(name, zone->kept.apex.bytes);
            return keel_diag_set(diag, err, "zone \"%s\": its state cannot be read: %s", name,
                                 inner.text);
        }
    }
    keeper->state = KEEPER_OWNER;
    dns_keeper_record_all(keeper);
    int swept = dns_images_sweep(keeper->images, keep_file, keeper, &inner);
    if (swept < 0)
        keel_warning("keeper", "cannot sweep the state directory", "reason=%s", inner.text);
    return 0;
}

void dns_keeper_disown(struct dns_keeper *keeper)
{
    keel_timer_stop(&keeper->retry);
    dns_keeper_close_store(keeper);
    open_to_read(keeper); /* for who asks for differences */
}

void dns_keeper_state_init(struct dns_keeper *keeper)
{
    keel_timer_init(&keeper->retry, keeper->instance->loop, "records", on_retry);
}

void dns_keeper_forget(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    const char *name = dns_keeper_file_name(zone->base ? zone->base : zone->published.file);
    const struct dns_shared *file = zone->base ? zone->base : zone->published.file;
    if (keeper->state != KEEPER_OWNER || !keeper->store)
        return;
    dns_keeper_end_turn(keeper);
    int err = keel_store_begin(keeper->store);
    if (!err && (err = dns_journal_remove(&keeper->journal, &zone->kept.apex)) != 0)
        keel_store_abort(keeper->store);
    else if (!err)
        err = keel_store_commit(keeper->store);
    if (!err && name && dns_keeper_image_file(file)->count == 1)
        dns_images_remove(keeper->images, name); /* else it goes with the next sweep */
}
