/*
 * The secrets behind session tickets: the master makes them, replaces them in time and tells all
 * workers, so that a client resumes at any of them, before and after a reload or an upgrade.
 */
#include "common/service/master.h"

#include "common/base/rand.h"

#include <string.h>

/* While an upgrade decides who serves, nothing changes: both masters go by the same secrets. */
#define PATIENCE (1 * KEEL_NS_PER_S)

static void add_newest(struct keel_ticket_ring *ring)
{
    memmove(ring->secrets[1], ring->secrets[0],
            (KEEL_TLS_TICKET_KEYS - 1) * sizeof ring->secrets[0]);
    memmove(&ring->made_ns[1], &ring->made_ns[0],
            (KEEL_TLS_TICKET_KEYS - 1) * sizeof ring->made_ns[0]);
    keel_rand_bytes(ring->secrets[0], sizeof ring->secrets[0]);
    ring->made_ns[0] = keel_clock_monotonic();
    if (ring->count < KEEL_TLS_TICKET_KEYS)
        ring->count++;
}

static void keep_only(struct keel_ticket_ring *ring, unsigned count)
{
    for (unsigned i = count; i < KEEL_TLS_TICKET_KEYS; i++)
        explicit_bzero(ring->secrets[i], sizeof ring->secrets[i]);
    ring->count = count;
}

/* When the oldest is of no use any more: its last tickets were made before its successor was. */
static uint64_t end_of_oldest(const struct keel_ticket_ring *ring, uint64_t lifetime)
{
    return ring->count > 1 ? ring->made_ns[ring->count - 2] + lifetime : UINT64_MAX;
}

static void tell_workers(struct keel_master *master)
{
    const struct keel_ticket_ring *ring = &master->tickets;
    keel_list_for (node, &master->generations) {
        struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->count; i++) {
            if (g->processes[i].pid > 0)
                keel_channel_send(&g->processes[i].channel, KEEL_MSG_TICKET_KEYS, ring->count, 0,
                                  ring->secrets, ring->count * sizeof ring->secrets[0], NULL, 0);
        }
    }
}

static void on_timer(struct keel_timer *timer)
{
    struct keel_master *master = KEEL_CONTAINER(timer, struct keel_master, ticket_timer);
    struct keel_ticket_ring *ring = &master->tickets;
    if (!master->serving || master->stopping)
        return;
    if (keel_upgrade_is_pending(master)) {
        keel_timer_start(timer, PATIENCE, 0);
        return;
    }
    const struct keel_core *core = &master->serving->core;
    uint64_t now = keel_clock_monotonic();
    if (core->ticket_rotation > 0 && now >= ring->made_ns[0] + core->ticket_rotation) {
        keel_info("tls", "new ticket key", "reason=ticket-rotation");
        add_newest(ring);
    }
    while (now >= end_of_oldest(ring, core->ticket_lifetime))
        keep_only(ring, ring->count - 1);
    tell_workers(master);
    keel_tickets_plan(master);
}

void keel_tickets_start(struct keel_master *master)
{
    keel_timer_init(&master->ticket_timer, master->loop, "tickets", on_timer);
    if (master->tickets.count == 0)
        add_newest(&master->tickets);
}

void keel_tickets_stop(struct keel_master *master)
{
    keel_timer_stop(&master->ticket_timer);
    keep_only(&master->tickets, 0);
}

void keel_tickets_plan(struct keel_master *master)
{
    const struct keel_ticket_ring *ring = &master->tickets;
    if (!master->serving || !master->protocol->tls)
        return;
    const struct keel_core *core = &master->serving->core;
    uint64_t due = end_of_oldest(ring, core->ticket_lifetime);
    if (core->ticket_rotation > 0 && ring->made_ns[0] + core->ticket_rotation < due)
        due = ring->made_ns[0] + core->ticket_rotation;
    uint64_t now = keel_clock_monotonic();
    if (due == UINT64_MAX)
        keel_timer_stop(&master->ticket_timer);
    else
        keel_timer_start(&master->ticket_timer, due > now ? due - now : 0, 0);
}

int keel_tickets_rotate(struct keel_master *master, bool forget, struct keel_diag *diag)
{
    if (!master->protocol->tls)
        return keel_diag_set(diag, KEEL_ENOTSUP, "this daemon has no TLS");
    if (!master->serving || master->stopping || keel_upgrade_is_pending(master))
        return keel_diag_set(diag, KEEL_EBUSY, "a start, an upgrade or a stop is under way");
    add_newest(&master->tickets);
    if (forget)
        keep_only(&master->tickets, 1);
    tell_workers(master);
    keel_tickets_plan(master);
    keel_notice("tls", "new ticket key", "reason=command kept=%u", master->tickets.count - 1);
    return 0;
}
