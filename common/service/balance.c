#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/runtime/accept.h"

#include <errno.h>
#include <unistd.h>

/* A listening descriptor that the master accepts from. */
struct balance_source {
    struct keel_list node;
    struct keel_balance *balance;
    struct keel_acceptor acceptor;
    unsigned endpoint;
};

/* A connection that no worker could take back yet. */
struct parked {
    struct keel_list node;
    struct keel_endpoint endpoint;
    int fd;
};

struct keel_balance {
    struct keel_master *master;
    struct keel_generation *generation; /* that the sources belong to; NULL: none */
    struct keel_list sources;
    struct keel_list parked;
    unsigned next; /* round-robin: whose turn it is */
};

static void sources_free(struct keel_balance *b)
{
    keel_list_for_safe (node, &b->sources) {
        struct balance_source *source = KEEL_CONTAINER(node, struct balance_source, node);
        keel_acceptor_stop(&source->acceptor);
        keel_list_remove(node);
        keel_free(source);
    }
    b->generation = NULL;
}

/* Connections that a worker has open or has on the way to it. */
static uint64_t load_of(const struct keel_process *p)
{
    const struct keel_slot *slot =
        keel_segment_slot(&p->generation->master->board.segment, p->slot);
    uint64_t received = keel_slot_get(&slot->received);
    return keel_slot_get(&slot->live) + (p->passed > received ? p->passed - received : 0);
}

static struct keel_process *next_in_turn(struct keel_balance *b, struct keel_generation *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct keel_process *p = &g->processes[b->next++ % g->count];
        if (keel_process_healthy(p))
            return p;
    }
    return NULL;
}

static struct keel_process *least_loaded(struct keel_balance *b, struct keel_generation *g)
{
    struct keel_process *best = NULL;
    uint64_t least = UINT64_MAX;
    b->next++; /* ties go round */
    for (unsigned i = 0; i < g->count; i++) {
        struct keel_process *p = &g->processes[(b->next + i) % g->count];
        if (!keel_process_healthy(p))
            continue;
        uint64_t load = load_of(p);
        if (load < least) {
            least = load;
            best = p;
        }
    }
    return best;
}

static bool pass_to(struct keel_process *p, unsigned endpoint, int fd, bool queue)
{
    uint32_t number = endpoint;
    int err = queue ? keel_channel_send(&p->channel, KEEL_MSG_CONNECTIONS, 0, 0, &number,
                                        sizeof number, &fd, 1)
                    : keel_channel_try(&p->channel, KEEL_MSG_CONNECTIONS, 0, 0, &number,
                                       sizeof number, &fd, 1);
    if (err)
        return false;
    p->passed++;
    close(fd);
    return true;
}

static struct keel_process *choose(struct keel_balance *b, struct keel_generation *g)
{
    return g->core.schedule == KEEL_SCHEDULE_LEAST ? least_loaded(b, g) : next_in_turn(b, g);
}

/* Gives fd to a worker that is well. False when there is none; fd is then still the caller's. */
static bool place(struct keel_balance *b, struct keel_generation *g, unsigned endpoint, int fd)
{
    for (unsigned tries = 0; tries < g->count; tries++) {
        struct keel_process *p = choose(b, g);
        if (!p)
            return false;
        if (pass_to(p, endpoint, fd, false))
            return true;
    }
    for (unsigned i = 0; i < g->count; i++) { /* all are full: it leaves when there is room */
        if (keel_process_healthy(&g->processes[i]) && pass_to(&g->processes[i], endpoint, fd, true))
            return true;
    }
    return false;
}

/* --- connections without a worker --- */

/* Keeps fd until a worker is ready. */
static void park(struct keel_balance *b, const struct keel_endpoint *endpoint, int fd)
{
    struct parked *parked = keel_calloc(1, sizeof *parked);
    if (!parked) {
        close(fd);
        return;
    }
    parked->endpoint = *endpoint;
    parked->fd = fd;
    keel_list_push_back(&b->parked, &parked->node);
}

/* To whoever serves its address now; a connection to an address that is gone is closed. */
static void pass_or_park(struct keel_balance *b, const struct keel_endpoint *endpoint, int fd)
{
    struct keel_generation *g = b->master->serving;
    unsigned e = 0;
    while (g && e < g->endpoints.count && !keel_endpoint_same(&g->endpoints.items[e], endpoint))
        e++;
    if (b->master->stopping || (g && e == g->endpoints.count))
        close(fd);
    else if (!g || !place(b, g, e, fd))
        park(b, endpoint, fd);
}

void keel_balance_flush(struct keel_master *master)
{
    struct keel_balance *b = master->balance;
    struct keel_list waiting;
    keel_list_init(&waiting);
    while (!keel_list_empty(&b->parked)) {
        struct keel_list *node = b->parked.next;
        keel_list_remove(node);
        keel_list_push_back(&waiting, node);
    }
    while (!keel_list_empty(&waiting)) {
        struct parked *parked = KEEL_CONTAINER(waiting.next, struct parked, node);
        keel_list_remove(&parked->node);
        pass_or_park(b, &parked->endpoint, parked->fd);
        keel_free(parked);
    }
}

static bool take_connections(void *arg, struct keel_message *message)
{
    struct keel_process *p = arg;
    struct keel_generation *g = p->generation;
    if (message->type != KEEL_MSG_CONNECTIONS)
        return false;
    for (unsigned i = 0; i < message->fd_count && (i + 1) * 4 <= message->size; i++) {
        uint32_t endpoint;
        memcpy(&endpoint, message->bytes + i * 4, 4);
        if (endpoint >= g->endpoints.count)
            continue;
        p->passed--;
        pass_or_park(g->master->balance, &g->endpoints.items[endpoint], message->fds[i]);
        message->fds[i] = -1;
    }
    return true;
}

void keel_balance_recover(struct keel_process *p)
{
    keel_channel_take_back(&p->channel, p->worker_end, take_connections, p);
}

/* --- accepting --- */

static void on_accept(struct keel_acceptor *a, int fd, const struct keel_addr *peer)
{
    struct balance_source *source = KEEL_CONTAINER(a, struct balance_source, acceptor);
    struct keel_balance *b = source->balance;
    if (!place(b, b->generation, source->endpoint, fd))
        park(b, &b->generation->endpoints.items[source->endpoint], fd);
}

static bool on_full(struct keel_acceptor *a, int error)
{
    errno = error;
    keel_warning("balance", "cannot accept", "error=%m");
    return false; /* the connections are the workers', who have descriptors of their own */
}

/* While no worker can take one, connections wait in the kernel's queue. */
static unsigned room(struct keel_acceptor *a)
{
    struct balance_source *source = KEEL_CONTAINER(a, struct balance_source, acceptor);
    struct keel_generation *g = source->balance->generation;
    for (unsigned i = 0; i < g->count; i++) {
        if (keel_process_healthy(&g->processes[i]) &&
            keel_list_empty(&g->processes[i].channel.queue))
            return KEEL_ACCEPT_BATCH;
    }
    return 0;
}

/* One that cannot be watched yet is tried again by its acceptor. */
static void source_add(struct keel_balance *b, unsigned endpoint, int fd)
{
    struct balance_source *source = keel_calloc(1, sizeof *source);
    if (!source) {
        keel_error("balance", "cannot accept", "reason=%s", keel_strerror(KEEL_ENOMEM));
        return;
    }
    source->balance = b;
    source->endpoint = endpoint;
    source->acceptor.on_accept = on_accept;
    source->acceptor.room = room;
    source->acceptor.on_full = on_full;
    keel_list_push_back(&b->sources, &source->node);
    int err = keel_acceptor_start(&source->acceptor, b->master->loop, fd);
    if (err)
        keel_error("balance", "cannot accept, and will try again", "error=%m");
}

int keel_balance_init(struct keel_master *master)
{
    master->balance = keel_calloc(1, sizeof *master->balance);
    if (!master->balance)
        return KEEL_ENOMEM;
    master->balance->master = master;
    keel_list_init(&master->balance->sources);
    keel_list_init(&master->balance->parked);
    return 0;
}

void keel_balance_update(struct keel_master *master)
{
    struct keel_generation *g = master->serving;
    struct keel_balance *b = master->balance;
    sources_free(b);
    keel_balance_flush(master);
    if (!g)
        return;
    b->generation = g;
    for (unsigned e = 0; e < g->endpoints.count; e++)
        for (unsigned s = 0; keel_generation_accepts(g, e) && s < g->kept[e]->count; s++)
            source_add(b, e, g->kept[e]->fds[s]);
}

void keel_balance_free(struct keel_master *master)
{
    if (!master->balance)
        return;
    sources_free(master->balance);
    keel_list_for_safe (node, &master->balance->parked) {
        struct parked *parked = KEEL_CONTAINER(node, struct parked, node);
        close(parked->fd);
        keel_free(parked);
    }
    keel_free(master->balance);
    master->balance = NULL;
}
