#include "dhcpd/engine/ddns_window.h"

#include "common/base/clock.h"

#define PAUSE_FIRST (1 * KEEL_NS_PER_S)
#define PAUSE_LONGEST (60 * KEEL_NS_PER_S)
/* How often a name may come and go under our hands before it counts as somebody else's. */
#define ROUNDS_MAX 3

void dhcp_ddns_window_init(struct dhcp_ddns_window *window, uint64_t patience)
{
    *window = (struct dhcp_ddns_window){.patience = patience};
}

struct dhcp_ddns_slot *dhcp_ddns_window_room(struct dhcp_ddns_window *window)
{
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (window->slots[i].state == DHCP_DDNS_EMPTY)
            return &window->slots[i];
    return NULL;
}

static void set_step(struct dhcp_ddns_slot *slot, enum dhcp_ddns_step step)
{
    slot->step = step;
    slot->state = dhcp_ddns_is_over(step) ? DHCP_DDNS_OVER : DHCP_DDNS_READY;
}

void dhcp_ddns_window_add(struct dhcp_ddns_slot *slot, uint64_t sequence,
                          const struct dhcp_ddns_op *op)
{
    *slot = (struct dhcp_ddns_slot){.sequence = sequence, .op = *op};
    set_step(slot, dhcp_ddns_first(op));
}

static bool is_waiting(const struct dhcp_ddns_slot *slot)
{
    return slot->state == DHCP_DDNS_READY || slot->state == DHCP_DDNS_SENT;
}

/* Something older on the same name or address is not over yet; while the server is away, anything
 * older. */
static bool must_wait(const struct dhcp_ddns_window *window, const struct dhcp_ddns_slot *slot)
{
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++) {
        const struct dhcp_ddns_slot *o = &window->slots[i];
        if (!is_waiting(o) || o->sequence >= slot->sequence)
            continue;
        if (window->pause || o->op.address == slot->op.address ||
            dns_name_equal(o->op.name.bytes, o->op.name.size, slot->op.name.bytes,
                           slot->op.name.size))
            return true;
    }
    return false;
}

struct dhcp_ddns_slot *dhcp_ddns_window_next(struct dhcp_ddns_window *window, uint64_t now)
{
    struct dhcp_ddns_slot *best = NULL;
    if (window->pause && now < window->resume)
        return NULL;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++) {
        struct dhcp_ddns_slot *s = &window->slots[i];
        if (s->state == DHCP_DDNS_READY && (!best || s->sequence < best->sequence) &&
            !must_wait(window, s))
            best = s;
    }
    return best;
}

void dhcp_ddns_window_sent(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                           uint16_t id, uint64_t now)
{
    slot->state = DHCP_DDNS_SENT;
    slot->id = id;
    slot->deadline = now + window->patience;
}

void dhcp_ddns_window_again(struct dhcp_ddns_slot *slot)
{
    slot->state = DHCP_DDNS_READY;
}

void dhcp_ddns_window_give_up(struct dhcp_ddns_slot *slot)
{
    set_step(slot, DHCP_DDNS_FAILED);
}

struct dhcp_ddns_slot *dhcp_ddns_window_find(struct dhcp_ddns_window *window, uint16_t id)
{
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (window->slots[i].state == DHCP_DDNS_SENT && window->slots[i].id == id)
            return &window->slots[i];
    return NULL;
}

/* The same again, but not at once: several failures at a time are one. */
static void retry(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot, uint64_t now)
{
    slot->state = DHCP_DDNS_READY;
    if (window->pause && now < window->resume)
        return;
    window->pause = window->pause ? window->pause * 2 : PAUSE_FIRST;
    if (window->pause > PAUSE_LONGEST)
        window->pause = PAUSE_LONGEST;
    window->resume = now + window->pause;
}

void dhcp_ddns_window_answer(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                             unsigned rcode, uint64_t now)
{
    int err;
    enum dhcp_ddns_step next = dhcp_ddns_next(&slot->op, slot->step, rcode, &err);
    if (err) {
        if (++slot->refusals >= DHCP_DDNS_REFUSALS)
            dhcp_ddns_window_give_up(slot);
        else
            retry(window, slot, now);
        return;
    }
    window->pause = 0;
    if (slot->step == DHCP_DDNS_ADD_OWN && next == DHCP_DDNS_ADD_NEW &&
        ++slot->rounds >= ROUNDS_MAX)
        next = DHCP_DDNS_CONFLICT;
    set_step(slot, next);
}

void dhcp_ddns_window_lost(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                           uint64_t now)
{
    retry(window, slot, now);
}

struct dhcp_ddns_slot *dhcp_ddns_window_late(struct dhcp_ddns_window *window, uint64_t now)
{
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (window->slots[i].state == DHCP_DDNS_SENT && window->slots[i].deadline <= now)
            return &window->slots[i];
    return NULL;
}

uint64_t dhcp_ddns_window_wake(const struct dhcp_ddns_window *window)
{
    uint64_t wake = UINT64_MAX;
    bool ready = false;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++) {
        const struct dhcp_ddns_slot *s = &window->slots[i];
        ready = ready || (s->state == DHCP_DDNS_READY && !must_wait(window, s));
        if (s->state == DHCP_DDNS_SENT && s->deadline < wake)
            wake = s->deadline;
    }
    if (ready && window->pause && window->resume < wake)
        wake = window->resume;
    return wake;
}
