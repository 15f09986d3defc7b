#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <errno.h>

/* A new base is made when what is touched is more than this, and than a part of the base. */
#define MERGE_LEAST ((size_t)256 * 1024)
#define MERGE_PART 8
/* A delta of more than this takes more than some 5 ms, with each change anew. */
#define MERGE_MOST ((size_t)1 << 20)
#define PAGE 4096u

static uint32_t page_up(uint64_t n)
{
    return (uint32_t)((n + PAGE - 1) / PAGE * PAGE);
}

/* --- what is served --- */

int dns_keeper_publish_memory(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keeper_pack pack = {0};
    struct dns_sources none = {0};
    struct dns_image *image;
    int err = dns_edit_image(zone->kept.edit, keeper->key, &image, diag);
    if (err)
        return err;
    err = dns_pack_add(&pack, zone, image, &none);
    if (err) {
        keel_free(image);
        return keel_diag_memory(diag);
    }
    err = dns_keeper_serve_memory(keeper, &pack, diag);
    dns_pack_fini(&pack);
    return err;
}

/* A delta that stands where neither the base is nor, if there is room, the one that is served. */
static int make_delta(struct keeper_zone *zone, struct dns_image **delta, uint32_t *origin,
                      struct keel_diag *diag)
{
    uint64_t room = zone->base->reserve - zone->base_offset;
    uint32_t first = page_up(dns_keeper_base(zone)->size);
    *origin = zone->delta_next > first ? zone->delta_next : first;
    if (room > UINT32_MAX)
        room = UINT32_MAX;
    int err = *origin + PAGE < room
                  ? dns_edit_delta(zone->kept.edit, *origin, room - *origin, delta, diag)
                  : KEEL_ENOSPC;
    if (err != KEEL_ENOSPC || *origin == first)
        return err;
    *origin = first;
    return dns_edit_delta(zone->kept.edit, first, room - first, delta, diag);
}

static int publish_delta(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct dns_image *delta = NULL;
    uint32_t origin;
    uint8_t *bytes;
    int err = make_delta(zone, &delta, &origin, diag);
    if (err)
        return err;
    if (!delta)
        return dns_keeper_serve(zone, zone->base, zone->base_offset);
    struct dns_shared *file = dns_shared_new(keeper->publisher, delta->size, &bytes);
    if (!file) {
        keel_free(delta);
        return keel_diag_set(diag, KEEL_ESYS, "no memory for a delta: %s", strerror(errno));
    }
    memcpy(bytes, delta, delta->size);
    file->deltas = true;
    err = dns_shared_seal(file);
    if (!err)
        err = dns_keeper_serve_delta(zone, file, origin, delta->size);
    zone->delta_next = page_up((uint64_t)origin + delta->size);
    dns_shared_release(keeper->publisher, file);
    keel_free(delta);
    return err;
}

/* What has been committed of it can be served only from a new base, which is being made. */
void dns_keeper_set_owed(struct keeper_zone *zone, bool owed)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    if (owed && !zone->owed)
        keeper->owed++;
    else if (!owed && zone->owed)
        keeper->owed--;
    zone->owed = owed;
}

/* A version with all that has been committed. Small zones as a whole, large ones as a delta. */
void dns_keeper_publish(struct keeper_zone *zone)
{
    struct keel_diag diag = {""};
    char name[DNS_NAME_TEXT];
    bool small = dns_keeper_base(zone)->size < DNS_PACK_IMAGE_MAX || zone->base->reserve == 0;
    int err = small ? dns_keeper_publish_memory(zone, &diag) : publish_delta(zone, &diag);
    size_t weight = dns_edit_weight(zone->kept.edit);
    if (err == KEEL_ENOSPC ||
        (weight > MERGE_LEAST &&
         (weight > MERGE_MOST || weight > dns_keeper_base(zone)->size / MERGE_PART)))
        dns_keeper_merge(zone);
    if (err == KEEL_ENOSPC && !zone->merging) /* we may not write: from memory */
        err = dns_keeper_publish_memory(zone, &diag);
    dns_keeper_set_owed(zone, err == KEEL_ENOSPC);
    if (err == 0 || zone->owed)
        return;
    dns_name_to_text(name, zone->kept.apex.bytes);
    keel_error("zone", "cannot serve the changes", "zone=%s reason=%s", name,
               diag.text[0] ? diag.text : keel_strerror(err));
}

/* --- from base and journal --- */

struct replay {
    struct keeper_zone *zone;
    struct dns_edit *edit;
    struct keel_diag diag;
};

static int replay_step(void *arg, const struct dns_journal_step *step)
{
    struct replay *r = arg;
    struct dns_diff diff;
    dns_diff_init(&diff);
    int err = dns_diff_decode(&diff, step->encoded.p, step->encoded.n);
    if (!err) {
        dns_edit_begin(r->edit);
        err = dns_edit_apply(r->edit, &diff, &r->diag);
        if (!err)
            err = dns_edit_commit(r->edit, &r->diag);
        if (err)
            dns_edit_rollback(r->edit);
    }
    dns_diff_fini(&diff);
    return err;
}

/* The zone over its base, with the steps that the journal has on top of it. */
int dns_keeper_replay(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct replay r = {.zone = zone, .edit = dns_edit_new(dns_keeper_base(zone))};
    struct dns_journal_zone known;
    if (!r.edit)
        return keel_diag_memory(diag);
    int err = keeper->store ? keel_store_read(keeper->store) : KEEL_ENOENT;
    if (!err) {
        err = dns_journal_find(&keeper->journal, &zone->kept.apex, &known);
        const char *base = dns_keeper_file_name(zone->base);
        if (!err && (!base || strcmp(base, known.base) != 0))
            err = KEEL_ENOENT; /* what it knows is of another base */
        if (!err)
            err = dns_journal_steps(&keeper->journal, &zone->kept.apex, known.base_step + 1,
                                    replay_step, &r);
        keel_store_read_end(keeper->store);
    }
    if (err && err != KEEL_ENOENT) {
        dns_edit_free(r.edit);
        return keel_diag_set(diag, err, "the journal cannot be read: %s",
                             r.diag.text[0] ? r.diag.text : keel_strerror(err));
    }
    dns_edit_free(zone->kept.edit);
    zone->kept.edit = r.edit;
    zone->step = err ? 0 : known.next - 1;
    zone->base_step = err ? 0 : known.base_step;
    return 0;
}

void dns_keeper_set_base(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset)
{
    struct dns_shared *old = zone->base;
    zone->base = dns_shared_hold(file);
    zone->base_offset = offset;
    zone->delta_next = 0;
    dns_shared_release(zone->kept.keeper->publisher, old);
}

int dns_keeper_recover(struct keeper_zone *zone, struct keel_diag *diag)
{
    int err = dns_keeper_replay(zone, diag);
    if (!err && zone->step > zone->base_step)
        dns_keeper_publish(zone);
    return err;
}
