#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_private.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* Changes of so many zones do not wait for the end of the turn. */
#define TURN_CHANGES 4096
/* How long a worker that does not confirm keeps others waiting. */
#define CONFIRM_TIME KEEL_NS_PER_S

static struct keeper_zone *zone_of(struct dns_kept *kept)
{
    return KEEL_CONTAINER(kept, struct keeper_zone, kept);
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
int dns_keeper_open_batch(struct dns_keeper *keeper, struct keel_diag *diag)
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

void dns_keeper_mark_changed(struct keeper_zone *zone)
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

void dns_keeper_must_replay(struct keeper_zone *zone)
{
    struct keel_diag diag = {""};
    if (dns_keeper_replay(zone, &diag) == 0)
        return;
    keel_error("keeper", "cannot go back to what is on the disk", "reason=%s", diag.text);
    KEEL_ASSERT(false, "what is in memory is not what is on the disk");
}

/* Nothing of the batch is on the disk: nothing of it may stay in memory. */
static void undo(struct dns_keeper *keeper)
{
    keeper->changes = 0;
    while (!keel_list_empty(&keeper->changed)) {
        struct keeper_zone *zone =
            KEEL_CONTAINER(keeper->changed.next, struct keeper_zone, changed);
        keel_list_remove(&zone->changed);
        dns_shared_release(keeper->publisher, zone->next_base);
        zone->next_base = NULL;
        if (dns_keeper_changes(zone) && zone->base)
            dns_keeper_must_replay(zone);
    }
}

/* What came in this turn is not kept. */
void dns_keeper_drop_batch(struct dns_keeper *keeper, int err)
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
            dns_keeper_publish(zone);
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
            err = dns_keeper_replay(zone, &diag);
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

int dns_keeper_append(struct keeper_zone *zone, const struct dns_diff *diff, struct keel_diag *diag)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct keel_buf encoded = {0};
    int err = dns_diff_encode(diff, &encoded);
    if (!err)
        err = dns_journal_append(
            &keeper->journal, &zone->kept.apex, diff->from, diff->to,
            (struct keel_bytes){keel_buf_bytes(&encoded), keel_buf_size(&encoded)},
            zone->kept.zone->journal_size, &zone->step);
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
            keel_diag_memory(diag);
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
    dns_keeper_mark_changed(zone);
    err = dns_keeper_open_batch(keeper, diag);
    if (!err && zone->unrecorded)
        err = dns_keeper_record(zone);
    if (!err)
        err = dns_keeper_append(zone, &diff, diag);
    dns_diff_fini(&diff);
    if (err) { /* the batch, or this zone's part of it, is lost: all of it is undone */
        dns_keeper_drop_batch(keeper, err);
        return err;
    }
    zone->unflushed = true;
    keel_list_push_back(&keeper->promised, &promise->node);
    if (keeper->changes >= TURN_CHANGES)
        dns_keeper_end_turn(keeper);
    return 0;
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
    if (dns_keeper_open_batch(keeper, &diag) != 0)
        return;
    int err = dns_journal_refreshed(&keeper->journal, &kept->apex, refreshed, expires, primary);
    if (err && err != KEEL_ENOENT)
        keel_warning("keeper", "cannot write when a zone was refreshed", "reason=%s",
                     keel_strerror(err));
}
