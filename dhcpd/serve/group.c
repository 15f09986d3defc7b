#include "dhcpd/serve/group.h"

#include "common/base/mem.h"
#include "dhcpd/serve/serve.h"
#include "dhcpd/serve/status.h"

static void on_task(struct keel_task *task)
{
    dhcp_group_close(KEEL_CONTAINER(task, struct dhcp_group, task));
}

struct dhcp_group *dhcp_group_new(struct dhcp_serve *serve)
{
    struct dhcp_group *g = keel_calloc(1, sizeof *g); /* pages that nobody needs cost nothing */
    if (!g)
        return NULL;
    g->serve = serve;
    keel_task_init(&g->task, on_task);
    return g;
}

void dhcp_group_free(struct dhcp_group *g)
{
    if (!g)
        return;
    dhcp_group_close(g);
    keel_free(g);
}

int dhcp_group_open(struct dhcp_group *g)
{
    struct dhcp_serve *s = g->serve;
    if (g->open && (g->count + KEEL_DGRAM_BATCH > DHCP_GROUP_MAX || !dhcp_follow_room(&s->follow)))
        dhcp_group_close(g);
    if (g->open)
        return 0;
    dhcp_engine_tick(s->engine);
    int err = dhcp_durable_begin(&s->durable);
    if (err)
        return err;
    g->open = true;
    g->count = 0;
    keel_task_start(s->instance->loop, &g->task);
    dhcp_follow_settle(&s->follow, s->engine, false);
    return 0;
}

unsigned dhcp_group_add(struct dhcp_group *g, const struct keel_endpoint *endpoint,
                        const struct keel_datagram *request)
{
    KEEL_ASSERT(g->open && g->count < DHCP_GROUP_MAX, "a group has room for a batch");
    unsigned i = g->count++;
    g->endpoints[i] = endpoint;
    g->requests[i] = *request;
    g->requests[i].bytes = NULL;
    return i;
}

static bool make_durable(struct dhcp_group *g)
{
    struct dhcp_serve *s = g->serve;
    struct keel_metrics *m = &s->instance->metrics;
    uint64_t begin = keel_clock_monotonic();
    int done = dhcp_durable_commit(&s->durable, s->engine, g->decisions, g->count,
                                   s->follow.events.count > 0);
    if (done > 0)
        keel_metric_observe(m, DHCP_METRIC_COMMIT, keel_clock_monotonic() - begin);
    if (done >= 0)
        return true;
    keel_metric_add(m, DHCP_METRIC_COMMIT_FAILURES, 1);
    dhcp_follow_lost(&s->follow, s->engine, s->durable.env);
    return false;
}

/* By its hardware address to a client that does not have the address yet. */
static bool send_to_hardware(struct dhcp_serve *s, const struct dhcp_decision *d,
                             const struct keel_datagram *request, const uint8_t *reply)
{
    if (d->htype != 1 || d->hlen != KEEL_MAC_SIZE)
        return false;
    struct keel_addr from = request->local, to;
    keel_addr_set_port(&from, DHCP_SERVER_PORT);
    keel_addr_set4(&to, d->address, d->port);
    int err = dhcp_links_send(&s->links, request->interface, d->chaddr, &from, &to, reply, d->size,
                              keel_loop_now(s->instance->loop));
    if (err == KEEL_ENOTSUP)
        return false;
    if (err)
        keel_metric_add(&s->instance->metrics, DHCP_METRIC_SEND_ERRORS, 1);
    return true;
}

/* NULL when the link went away meanwhile. */
static struct keel_dgram *dgram_of(struct dhcp_group *g, const struct keel_endpoint *endpoint)
{
    if (g->endpoint != endpoint)
        g->dgram = keel_instance_dgram(g->serve->instance, endpoint);
    g->endpoint = endpoint;
    return g->dgram;
}

static void send_reply(struct dhcp_group *g, unsigned i)
{
    static const unsigned rows[DHCP_TYPES] = {
        [DHCP_OFFER] = 0,           [DHCP_ACK] = 1,          [DHCP_NAK] = 2,
        [DHCP_LEASEUNASSIGNED] = 3, [DHCP_LEASEUNKNOWN] = 4, [DHCP_LEASEACTIVE] = 5};
    struct dhcp_serve *s = g->serve;
    const struct dhcp_decision *d = &g->decisions[i];
    const struct keel_datagram *request = &g->requests[i];
    struct keel_dgram *dgram = dgram_of(g, g->endpoints[i]);
    if (!dgram)
        return;
    keel_metric_add(&s->instance->metrics, DHCP_METRIC_SENT + rows[d->sent], 1);
    if (d->target == DHCP_TO_HARDWARE && send_to_hardware(s, d, request, g->replies[i]))
        return;
    struct keel_datagram to = {.local = request->local};
    uint32_t address = d->address;
    if (d->target != DHCP_TO_ADDRESS) {
        address = UINT32_MAX;
        to.interface = request->interface;
    }
    keel_addr_set4(&to.peer, address, d->port);
    keel_dgram_send(dgram, &to, g->replies[i], d->size);
}

void dhcp_group_close(struct dhcp_group *g)
{
    struct dhcp_serve *s = g->serve;
    if (!g->open)
        return;
    keel_task_stop(&g->task);
    g->open = false;
    bool durable = make_durable(g);
    for (unsigned i = 0; i < g->count; i++) {
        const struct dhcp_decision *d = &g->decisions[i];
        if (d->sent && (durable || d->changes == 0))
            send_reply(g, i);
        else if (d->sent)
            keel_metric_add(&s->instance->metrics, DHCP_METRIC_WITHHELD, 1);
    }
    g->endpoint = NULL; /* it may get another socket until the next time */
    dhcp_follow_done(&s->follow);
}
