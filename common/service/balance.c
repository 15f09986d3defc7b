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

struct keel_balance {
    struct keel_master *master;
    struct keel_generation *generation; /* that the sources belong to; NULL: none */
    struct keel_list sources;
    unsigned next; /* round-robin: whose turn it is */
};

static void sources_free(struct keel_balance *b)
{
    keel_list_for_safe(node, &b->sources)
    {
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
    const struct keel_slot *slot = keel_segment_slot(&p->generation->master->segment, p->slot);
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

static bool pass_to(struct keel_process *p, unsigned endpoint, int fd)
{
    uint32_t number = endpoint;
    if (keel_channel_try(&p->channel, KEEL_MSG_CONNECTIONS, 0, 0, &number, sizeof number, &fd, 1) !=
        0)
        return false;
    p->passed++;
    close(fd);
    return true;
}

void keel_balance_pass(struct keel_master *master, unsigned endpoint, int fd)
{
    struct keel_generation *g = master->serving;
    struct keel_balance *b = master->balance;
    for (unsigned tries = 0; g && b && tries <= g->count; tries++) {
        struct keel_process *p = g->core.schedule == KEEL_SCHEDULE_LEAST ? least_loaded(b, g)
                                                                         : next_in_turn(b, g);
        if (!p)
            break;
        if (pass_to(p, endpoint, fd))
            return;
    }
    /* all channels are full, or nobody is there this moment: the next one in turn gets it as
     * soon as there is room */
    for (unsigned i = 0; g && i < g->count; i++) {
        struct keel_process *p = &g->processes[i];
        uint32_t number = endpoint;
        if (p->pid > 0 && p->state != KEEL_PROCESS_DRAINING &&
            keel_channel_send(&p->channel, KEEL_MSG_CONNECTIONS, 0, 0, &number, sizeof number, &fd,
                              1) == 0) {
            p->passed++;
            break;
        }
    }
    close(fd);
}

static void on_accept(struct keel_acceptor *a, int fd, const struct keel_addr *peer)
{
    struct balance_source *source = KEEL_CONTAINER(a, struct balance_source, acceptor);
    keel_balance_pass(source->balance->master, source->endpoint, fd);
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

static int source_add(struct keel_balance *b, unsigned endpoint, int fd)
{
    struct balance_source *source = keel_calloc(1, sizeof *source);
    if (!source)
        return KEEL_ENOMEM;
    source->balance = b;
    source->endpoint = endpoint;
    source->acceptor.on_accept = on_accept;
    source->acceptor.room = room;
    keel_list_push_back(&b->sources, &source->node);
    return keel_acceptor_start(&source->acceptor, b->master->loop, fd);
}

int keel_balance_update(struct keel_master *master)
{
    struct keel_generation *g = master->serving;
    if (!master->balance) {
        master->balance = keel_calloc(1, sizeof *master->balance);
        if (!master->balance)
            return KEEL_ENOMEM;
        master->balance->master = master;
        keel_list_init(&master->balance->sources);
    }
    struct keel_balance *b = master->balance;
    sources_free(b);
    if (!g || (g->core.schedule != KEEL_SCHEDULE_ROUND_ROBIN &&
               g->core.schedule != KEEL_SCHEDULE_LEAST))
        return 0;
    b->generation = g;
    int err = 0;
    for (unsigned e = 0; e < g->endpoints.count && !err; e++) {
        for (unsigned s = 0; s < g->kept[e]->count && !err; s++) {
            if (g->endpoints.items[e].kind == KEEL_ENDPOINT_TCP)
                err = source_add(b, e, g->kept[e]->fds[s]);
        }
    }
    if (err)
        keel_error("balance", "cannot accept", "reason=%s", keel_strerror(err));
    return err;
}

void keel_balance_free(struct keel_master *master)
{
    if (!master->balance)
        return;
    sources_free(master->balance);
    keel_free(master->balance);
    master->balance = NULL;
}
