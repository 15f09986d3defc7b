#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Changes of so many zones, or so many bytes, do not wait for the end of the turn. */
#define TURN_CHANGES 4096
/* How long a worker that does not confirm keeps others waiting. */
#define CONFIRM_TIME KEEL_NS_PER_S
/* A new base is made when what is touched is more than this, and than a part of the base. */
#define MERGE_LEAST ((size_t)256 * 1024)
#define MERGE_PART 8
#define PAGE 4096u

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

static struct keeper_zone *zone_of(struct dns_kept *kept)
{
    return KEEL_CONTAINER(kept, struct keeper_zone, kept);
}

static uint32_t page_up(uint64_t n)
{
    return (uint32_t)((n + PAGE - 1) / PAGE * PAGE);
}

static const struct dns_image *base_image(const struct keeper_zone *zone)
{
    return (const struct dns_image *)(zone->base->map + zone->base_offset);
}

/* --- what is served --- */

static int publish_image(struct keeper_zone *zone, struct keel_diag *diag)
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
        return no_memory(diag);
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
    uint32_t first = page_up(base_image(zone)->size);
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

static void start_merge(struct keeper_zone *zone);

/* What has been committed of it can be served only from a new base, which is being made. */
static void set_owed(struct keeper_zone *zone, bool owed)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    if (owed && !zone->owed)
        keeper->owed++;
    else if (!owed && zone->owed)
        keeper->owed--;
    zone->owed = owed;
}

/* A version with all that has been committed. Small zones as a whole, large ones as a delta. */
static void publish(struct keeper_zone *zone)
{
    struct keel_diag diag = {""};
    char name[DNS_NAME_TEXT];
    bool small = base_image(zone)->size < DNS_PACK_IMAGE_MAX || zone->base->reserve == 0;
    int err = small ? publish_image(zone, &diag) : publish_delta(zone, &diag);
    size_t weight = dns_edit_weight(zone->kept.edit);
    if (err == KEEL_ENOSPC ||
        (weight > MERGE_LEAST && weight > base_image(zone)->size / MERGE_PART))
        start_merge(zone);
    if (err == KEEL_ENOSPC && !zone->merging) /* we may not write: from memory */
        err = publish_image(zone, &diag);
    set_owed(zone, err == KEEL_ENOSPC);
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
static int replay(struct keeper_zone *zone, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct replay r = {.zone = zone, .edit = dns_edit_new(base_image(zone))};
    struct dns_journal_zone known;
    if (!r.edit)
        return no_memory(diag);
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
    int err = replay(zone, diag);
    if (!err && zone->step > zone->base_step)
        publish(zone);
    return err;
}

/* --- the end of a turn: one commit for all that has come --- */

static int may_write(const struct dns_keeper *keeper, struct keel_diag *diag)
{
    if (keeper->state != KEEPER_OWNER && keeper->state != KEEPER_RETIRING)
        return keel_diag_set(diag, KEEL_EACCES, "another process owns the zones");
    if (!keeper->store)
        return keel_diag_set(diag, KEEL_ESYS, "the state cannot be written");
    return 0;
}

/* The store's batch, which is opened by the first. */
static int open_batch(struct dns_keeper *keeper, struct keel_diag *diag)
{
    int err = may_write(keeper, diag);
    if (err)
        return err;
    err = keeper->in_batch ? 0 : keel_store_begin(keeper->store);
    if (err)
        return keel_diag_set(diag, err, "the state cannot be written: %s", keel_strerror(err));
    if (!keeper->in_batch)
        keel_io_change(&keeper->turn, KEEL_READ);
    keeper->in_batch = true;
    return 0;
}

static void mark_changed(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    keel_list_remove(&zone->changed);
    keel_list_push_back(&keeper->changed, &zone->changed);
    keeper->changes++;
}

static void keep_promises(struct keel_list *list, int err)
{
    struct keel_list due;
    keel_list_init(&due);
    while (!keel_list_empty(list)) { /* who is told may promise more */
        struct keel_list *node = list->next;
        keel_list_remove(node);
        keel_list_push_back(&due, node);
    }
    while (!keel_list_empty(&due)) {
        struct dns_promise *promise = KEEL_CONTAINER(due.next, struct dns_promise, node);
        keel_list_remove(&promise->node);
        promise->on_kept(promise, err);
    }
}

/* Nothing of the batch is on the disk: nothing of it may stay in memory. */
static void undo(struct dns_keeper *keeper)
{
    struct keel_diag diag = {""};
    while (!keel_list_empty(&keeper->changed)) {
        struct keeper_zone *zone =
            KEEL_CONTAINER(keeper->changed.next, struct keeper_zone, changed);
        keel_list_remove(&zone->changed);
        dns_shared_release(keeper->publisher, zone->next_base);
        zone->next_base = NULL;
        if (dns_keeper_changes(zone) && zone->base && replay(zone, &diag) != 0) {
            keel_error("keeper", "cannot undo changes", "reason=%s", diag.text);
            KEEL_ASSERT(false, "what is in memory is not what is on the disk");
        }
    }
}

/* What came in this turn is not kept. */
static void drop_batch(struct dns_keeper *keeper, int err)
{
    if (keeper->in_batch)
        keel_store_abort(keeper->store);
    keeper->in_batch = false;
    keel_io_change(&keeper->turn, 0);
    undo(keeper);
    keep_promises(&keeper->promised, err);
}

static void publish_changed(struct dns_keeper *keeper)
{
    struct keel_diag diag = {""};
    while (!keel_list_empty(&keeper->changed)) {
        struct keeper_zone *zone =
            KEEL_CONTAINER(keeper->changed.next, struct keeper_zone, changed);
        keel_list_remove(&zone->changed);
        if (!zone->next_base) {
            publish(zone);
            continue;
        }
        struct dns_shared *base = zone->next_base;
        zone->next_base = NULL;
        zone->unrecorded = false;
        int err = dns_keeper_serve(zone, base, zone->next_offset);
        if (!err && dns_keeper_changes(zone)) {
            dns_edit_free(zone->kept.edit); /* it reads the old base */
            zone->kept.edit = NULL;
            dns_keeper_set_base(zone, base, zone->next_offset);
            err = replay(zone, &diag);
            zone->unflushed = false; /* a file, or a transfer */
        }
        if (err)
            keel_error("keeper", "cannot serve a new base", "reason=%s",
                       diag.text[0] ? diag.text : keel_strerror(err));
        dns_shared_release(keeper->publisher, base);
    }
}

void dns_keeper_end_turn(struct dns_keeper *keeper)
{
    if (!keeper->in_batch)
        return;
    keeper->in_batch = false;
    keeper->changes = 0;
    keel_io_change(&keeper->turn, 0);
    int err = keel_store_commit(keeper->store);
    if (err) {
        undo(keeper);
        keep_promises(&keeper->promised, err);
        return;
    }
    publish_changed(keeper);
    keeper->awaited = dns_publisher_flush(keeper->publisher);
    while (!keel_list_empty(&keeper->promised)) {
        struct keel_list *node = keeper->promised.next;
        keel_list_remove(node);
        keel_list_push_back(&keeper->visible, node);
    }
    keel_timer_start(&keeper->confirm, CONFIRM_TIME, 0);
    dns_keeper_confirmed(keeper, dns_publisher_confirmed(keeper->publisher));
}

/* All workers serve it. Later changes wait for theirs together with these: a turn is short. */
void dns_keeper_confirmed(struct dns_keeper *keeper, uint32_t number)
{
    if (keeper->owed > 0 || (int32_t)(number - keeper->awaited) < 0)
        return;
    keel_timer_stop(&keeper->confirm);
    keep_promises(&keeper->visible, 0);
}

static void on_turn(struct keel_io *io, short what)
{
    dns_keeper_end_turn(KEEL_CONTAINER(io, struct dns_keeper, turn));
}

static void on_confirm_time(struct keel_timer *timer)
{
    struct dns_keeper *keeper = KEEL_CONTAINER(timer, struct dns_keeper, confirm);
    if (keeper->owed > 0) { /* a new base takes its time */
        keel_timer_start(&keeper->confirm, CONFIRM_TIME, 0);
        return;
    }
    keel_warning("keeper", "a worker does not confirm what is new", "publication=%u",
                 keeper->awaited);
    keep_promises(&keeper->visible, 0);
}

int dns_keeper_changes_init(struct dns_keeper *keeper)
{
    keel_list_init(&keeper->changed);
    keel_list_init(&keeper->promised);
    keel_list_init(&keeper->visible);
    keel_timer_init(&keeper->confirm, keeper->instance->loop, "confirm", on_confirm_time);
    /* never read, so always ready: its turn comes when all that the workers have said is read */
    keeper->turn_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    if (keeper->turn_fd < 0)
        return KEEL_ESYS;
    return keel_io_start(&keeper->turn, keeper->instance->loop, keeper->turn_fd, 0,
                         KEEL_PRIORITY_TRAFFIC, "commit", on_turn);
}

void dns_keeper_changes_fini(struct dns_keeper *keeper)
{
    dns_keeper_end_turn(keeper);
    keel_timer_stop(&keeper->confirm);
    keep_promises(&keeper->visible, 0); /* they are on the disk, and nobody is left to confirm */
    keep_promises(&keeper->promised, KEEL_ECANCELED);
    if (keeper->turn_fd >= 0) {
        keel_io_stop(&keeper->turn);
        close(keeper->turn_fd);
    }
    keeper->turn_fd = -1;
}

/* --- a step --- */

static int append(struct keeper_zone *zone, const struct dns_diff *diff, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keel_buf encoded = {0};
    int err = dns_diff_encode(diff, &encoded);
    if (!err)
        err = dns_journal_append(
            &keeper->journal, &zone->kept.apex, diff->from, diff->to,
            (struct keel_bytes){keel_buf_bytes(&encoded), keel_buf_size(&encoded)},
            dns_keeper_journal_size(zone), &zone->step);
    keel_buf_fini(&encoded);
    return err ? keel_diag_set(diag, err, "the journal takes no change: %s", keel_strerror(err))
               : 0;
}

/* Nothing changes: kept as soon as what came before is, on which it may rest. */
static void promise_nothing(struct dns_keeper *keeper, struct dns_promise *promise)
{
    if (keeper->in_batch)
        keel_list_push_back(&keeper->promised, &promise->node);
    else if (!keel_list_empty(&keeper->visible))
        keel_list_push_back(&keeper->visible, &promise->node);
    else
        promise->on_kept(promise, 0);
}

int dns_keeper_commit(struct dns_kept *kept, struct dns_promise *promise, struct keel_diag *diag)
{
    struct dns_keeper *keeper = kept->keeper;
    struct keeper_zone *zone = zone_of(kept);
    struct dns_diff diff;
    dns_diff_init(&diff);
    int err = zone->replacing
                  ? keel_diag_set(diag, KEEL_EBUSY, "the zone is being replaced just now")
                  : may_write(keeper, diag);
    if (!err) {
        err = dns_edit_difference(kept->edit, &diff);
        if (err)
            no_memory(diag);
    }
    if (!err && diff.deleted_count == 0 && diff.added_count == 0) {
        dns_edit_rollback(kept->edit);
        dns_diff_fini(&diff);
        promise_nothing(keeper, promise);
        return 0;
    }
    if (!err)
        err = dns_edit_commit(kept->edit, diag);
    if (err) {
        dns_edit_rollback(kept->edit);
        dns_diff_fini(&diff);
        return err;
    }
    mark_changed(zone);
    err = open_batch(keeper, diag);
    if (!err && zone->unrecorded)
        err = dns_keeper_record(zone);
    if (!err)
        err = append(zone, &diff, diag);
    dns_diff_fini(&diff);
    if (err) { /* the batch, or this zone's part of it, is lost: all of it is undone */
        drop_batch(keeper, err);
        return err;
    }
    zone->unflushed = true;
    keel_list_push_back(&keeper->promised, &promise->node);
    if (keeper->changes >= TURN_CHANGES)
        dns_keeper_end_turn(keeper);
    return 0;
}

/* --- a whole zone --- */

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
    uint64_t limit = dns_keeper_journal_size(zone), step = 0;
    struct dns_journal_zone known;
    struct keel_diag diag;
    int err = dns_journal_find(&keeper->journal, apex, &known);
    if (err == 0 && r->differs) {
        err = append(zone, &r->diff, &diag);
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
    int err = open_batch(r->keeper, &r->diag);
    if (!err && zone->step != r->step)
        err = keel_diag_set(&r->diag, KEEL_EBUSY, "the zone has changed meanwhile");
    if (!err)
        err = dns_keeper_open_file(r->keeper, r->name, zone->kept.zone->changes, &zone->next_base,
                                   &r->diag);
    if (err)
        return err;
    err = dns_keeper_find_image(zone->next_base, &r->apex, 0, &where);
    zone->next_offset = where.offset;
    if (!err)
        err = record_base(r, zone);
    mark_changed(zone);
    if (!err)
        return 0;
    drop_batch(r->keeper, err);
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
        return no_memory(diag);
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
    return dns_keeper_replace_with(zone_of(kept), image, &none, promise, diag);
}

void dns_keeper_expire(struct dns_kept *kept, bool expired)
{
    struct keeper_zone *zone = zone_of(kept);
    if (kept->expired == expired)
        return;
    kept->expired = expired;
    dns_keeper_show(zone);
}

void dns_keeper_refreshed(struct dns_kept *kept, uint64_t refreshed, uint64_t expires,
                          const char *primary)
{
    struct dns_keeper *keeper = kept->keeper;
    struct keel_diag diag;
    if (open_batch(keeper, &diag) != 0)
        return;
    int err = dns_journal_refreshed(&keeper->journal, &kept->apex, refreshed, expires, primary);
    if (err && err != KEEL_ENOENT)
        keel_warning("keeper", "cannot write when a zone was refreshed", "reason=%s",
                     keel_strerror(err));
}

/* --- a new base --- */

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
    int err;
    struct keel_diag diag;
};

static void run_merge(struct keel_job *job)
{
    struct keeper_merging *m = KEEL_CONTAINER(job, struct keeper_merging, job);
    struct dns_sources none = {0};
    struct dns_image *image = NULL;
    m->err = dns_edit_image(m->snapshot, m->keeper->key, &image, &m->diag);
    if (!m->err)
        m->err = dns_pack_add(&m->pack, NULL, image, &none);
    if (!m->err)
        m->err = dns_pack_write(m->keeper->images, &m->pack, m->name, &m->diag);
    else
        keel_free(image);
}

static int take_base(struct keeper_merging *m, struct keeper_zone *zone)
{
    struct dns_keeper *keeper = m->keeper;
    struct dns_shared *file = NULL;
    struct dns_image_zone where;
    int err = dns_keeper_open_file(keeper, m->name, true, &file, &m->diag);
    if (!err)
        err = dns_keeper_find_image(file, &m->apex, 0, &where);
    if (!err)
        err = open_batch(keeper, &m->diag);
    if (!err)
        err = dns_journal_base(&keeper->journal, &m->apex, m->name, m->serial, m->step,
                               dns_keeper_journal_size(zone));
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
            err = replay(zone, &m->diag);
    }
    dns_shared_release(keeper->publisher, file);
    return err;
}

/* From memory: the base on the disk stays what it was. */
static void publish_owed(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keel_diag diag = {""};
    if (publish_image(zone, &diag) != 0)
        keel_error("zone", "cannot serve the changes", "reason=%s", diag.text);
    set_owed(zone, false);
    keeper->awaited = dns_publisher_flush(keeper->publisher);
    dns_keeper_confirmed(keeper, dns_publisher_confirmed(keeper->publisher));
}

static void free_merging(struct keeper_merging *m)
{
    dns_edit_free(m->snapshot);
    dns_shared_release(m->keeper->publisher, m->base);
    dns_pack_fini(&m->pack);
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
        publish(zone);
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
    free_merging(m);
}

static void start_merge(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    if (zone->merging || zone->replacing || keeper->state != KEEPER_OWNER || keeper->stopping)
        return;
    struct keeper_merging *m = keel_calloc(1, sizeof *m);
    if (!m)
        return;
    m->keeper = keeper;
    m->apex = zone->kept.apex;
    m->base = dns_shared_hold(zone->base);
    m->step = zone->step;
    m->serial = dns_edit_serial(zone->kept.edit);
    m->snapshot = dns_edit_snapshot(zone->kept.edit);
    if (!m->snapshot || keel_offload_start(keeper->pool, &m->job, run_merge, on_merged) != 0) {
        free_merging(m);
        return;
    }
    zone->merging = m;
}
