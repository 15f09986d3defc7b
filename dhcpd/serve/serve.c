#include "dhcpd/serve/serve.h"

#include "common/base/mem.h"
#include "common/service/log.h"
#include "dhcpd/serve/settings.h"
#include "dhcpd/serve/status.h"

#define TICK KEEL_NS_PER_S
/* Turns of the reaper, one pool each, in one tick of the timer; traffic adds one a batch. Some
 * milliseconds at the most. */
#define TICKS 64

/* Leases that expired: a batch of their own when no client comes. */
static void settle(struct dhcp_serve *s)
{
    struct dhcp_follow *f = &s->follow;
    if (!dhcp_follow_events(f) || dhcp_durable_begin(&s->durable) != 0)
        return;
    dhcp_follow_settle(f, s->engine, true);
    if (f->events.count == 0) {
        dhcp_durable_abort(&s->durable);
    } else if (dhcp_durable_end(&s->durable) == 0) {
        dhcp_follow_done(f);
    } else {
        keel_metric_add(&s->instance->metrics, DHCP_METRIC_COMMIT_FAILURES, 1);
        dhcp_follow_lost(f, s->engine, s->durable.env);
    }
}

static void on_tick(struct keel_timer *timer)
{
    struct dhcp_serve *s = KEEL_CONTAINER(timer, struct dhcp_serve, tick);
    for (unsigned i = 0; i < TICKS; i++)
        dhcp_engine_tick(s->engine);
    settle(s);
    dhcp_pool_watch_run(&s->watch, s->engine);
    dhcp_status_gauges(&s->instance->metrics, s->engine);
}

int dhcp_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dhcp_serve *s = keel_calloc(1, sizeof *s);
    if (!s)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    s->instance = instance;
    keel_prng_seed(&s->prng, keel_rand_u64());
    keel_timer_init(&s->tick, instance->loop, "dhcp-tick", on_tick);
    dhcp_links_init(&s->links);
    instance->state = s;
    const struct dhcp_settings *settings = instance->settings;
    if (settings->ping_check > 0) {
        s->probes = dhcp_probes_new(s, settings->ping_check);
        if (!s->probes)
            return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    return 0;
}

/* The pools as the store has them. */
static int fill_engine(struct dhcp_serve *s, struct keel_diag *diag)
{
    const struct dhcp_settings *settings = s->instance->settings;
    const struct dhcp_env env = {
        .config = &settings->config,
        .clock = &keel_clock_system,
        .prng = &s->prng,
        .store = &s->durable.store,
        .events = dhcp_follow_events(&s->follow),
    };
    uint64_t begin = keel_clock_monotonic();
    int err = keel_store_read(s->durable.env);
    if (!err) {
        err = dhcp_engine_new(&env, &s->engine);
        keel_store_read_end(s->durable.env);
    }
    if (err)
        return keel_diag_set(diag, err, "cannot read the leases: %s", keel_strerror(err));
    const struct dhcp_engine_load *load = dhcp_engine_loaded(s->engine);
    keel_info("serve", "leases read", "in_pools=%llu outside=%llu ms=%llu",
              (unsigned long long)load->leases, (unsigned long long)load->outside,
              (unsigned long long)((keel_clock_monotonic() - begin) / KEEL_NS_PER_MS));
    if (load->unreadable)
        keel_error("serve", "lease records cannot be read, their addresses are given to nobody",
                   "records=%llu see=\"keelctl dhcpd leases state=unreadable\"",
                   (unsigned long long)load->unreadable);
    return 0;
}

/* What keeps a flood from one side away from all others. */
static int protect(struct dhcp_serve *s, struct keel_diag *diag)
{
    const struct dhcp_settings *settings = s->instance->settings;
    struct keel_hash_key secret = {keel_rand_u64(), keel_rand_u64()};
    s->backlog = dhcp_backlog_new(s);
    s->group = dhcp_group_new(s);
    if (!s->backlog || !s->group ||
        dhcp_admission_init(&s->admission, settings->client_rate, settings->relay_rate, secret) !=
            0)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    return 0;
}

int dhcp_serve_activate(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    char path[4096];
    snprintf(path, sizeof path, "%s/leases", instance->state_dir);
    int err = dhcp_durable_open(&s->durable, path, diag);
    if (!err)
        err = protect(s, diag);
    if (!err)
        err = dhcp_follow_open(&s->follow, instance, s->durable.env, instance->settings, diag);
    if (!err)
        err = fill_engine(s, diag);
    if (err)
        return err;
    const struct dhcp_settings *settings = instance->settings;
    if (dhcp_pool_watch_init(&s->watch, settings->warnings, settings->warning_count,
                             dhcp_engine_pool_count(s->engine)) != 0)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    dhcp_status_gauges(&instance->metrics, s->engine);
    return keel_timer_start(&s->tick, TICK, TICK);
}

void dhcp_serve_drain(struct keel_instance *instance)
{
    struct dhcp_serve *s = instance->state;
    /* who waits asks the next worker again */
    dhcp_probes_free(s->probes);
    dhcp_backlog_free(s->backlog);
    s->probes = NULL;
    s->backlog = NULL;
}

void dhcp_serve_helper(struct keel_instance *instance, unsigned helper, bool up)
{
    struct dhcp_serve *s = instance->state;
    if (s && helper == DHCP_HELPER_HOOKS && up)
        dhcp_hooks_up(&s->follow.hooks);
}

void dhcp_serve_helper_message(struct keel_instance *instance, unsigned helper,
                               struct keel_message *message)
{
    struct dhcp_serve *s = instance->state;
    if (s && helper == DHCP_HELPER_HOOKS && message->type == DHCP_HOOK_TAKEN)
        dhcp_hooks_taken(&s->follow.hooks, message->a);
}

void dhcp_serve_stop(struct keel_instance *instance)
{
    struct dhcp_serve *s = instance->state;
    if (!s)
        return;
    keel_timer_stop(&s->tick);
    dhcp_group_free(s->group);
    dhcp_probes_free(s->probes);
    dhcp_backlog_free(s->backlog);
    dhcp_admission_fini(&s->admission);
    dhcp_engine_free(s->engine);
    dhcp_pool_watch_fini(&s->watch);
    dhcp_follow_close(&s->follow);
    dhcp_durable_close(&s->durable);
    keel_free(s);
    instance->state = NULL;
}

void dhcp_serve_descriptor(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                           int fd)
{
    struct dhcp_serve *s = instance->state;
    if (endpoint->kind == KEEL_ENDPOINT_PACKET)
        s->links.fd = fd;
    else if (s->probes)
        dhcp_probes_descriptor(s->probes, endpoint->kind, fd);
}

static void log_decision(const struct dhcp_decision *d)
{
    char hardware[3 * 16], address[16];
    if (!keel_log_enabled(KEEL_LOG_DEBUG) && d->outcome != DHCP_NO_ADDRESS &&
        d->received != DHCP_DECLINE)
        return;
    keel_format_hex(hardware, sizeof hardware, d->chaddr, d->hlen, ':');
    dhcp_address_text(d->lease, address);
    if (d->outcome == DHCP_NO_ADDRESS)
        keel_warning("serve", "no free address", "hardware=%s", hardware);
    else if (d->received == DHCP_DECLINE && d->outcome == DHCP_DONE)
        keel_notice("serve", "address is used by somebody else", "address=%s hardware=%s", address,
                    hardware);
    keel_debug("serve", "message", "received=%s sent=%s outcome=%s address=%s hardware=%s",
               dhcp_type_name(d->received), dhcp_type_name(d->sent), dhcp_outcome_name(d->outcome),
               address, hardware);
}

/* What the datagram is to the engine. */
static void decide(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                   const struct keel_datagram *from, uint32_t silent)
{
    const struct keel_addr *local =
        keel_addr_family(&from->local) == AF_INET ? &from->local : &endpoint->addr;
    const struct dhcp_input input = {
        .bytes = from->bytes,
        .size = from->truncated ? 0 : from->size,
        .peer = ntohl(from->peer.in4.sin_addr.s_addr),
        .peer_port = keel_addr_port(&from->peer),
        .local = ntohl(local->in4.sin_addr.s_addr),
        .local_port = keel_addr_port(&endpoint->addr),
        .broadcast = from->broadcast,
        .interface = endpoint->interface,
        .may_probe = dhcp_probes_can(s->probes, from),
        .silent = silent,
    };
    unsigned i = dhcp_group_add(s->group, endpoint, from);
    struct dhcp_decision *d = &s->group->decisions[i];
    dhcp_engine_process(s->engine, &input, s->group->replies[i], DHCP_REPLY_ROOM, d);
    if (d->outcome == DHCP_PROBING)
        dhcp_probes_begin(s->probes, endpoint, from, d->lease,
                          d->htype == 1 && d->hlen == KEEL_MAC_SIZE ? d->chaddr : NULL);
    dhcp_follow_write(&s->follow);
    dhcp_status_count(&s->instance->metrics, d);
    log_decision(d);
}

/* Messages of one port are decided; they are answered when the group is closed. */
static void serve(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                  struct keel_datagram *batch, unsigned count, uint32_t silent)
{
    KEEL_ASSERT(count <= KEEL_DGRAM_BATCH, "a batch has its known size");
    if (dhcp_group_open(s->group) != 0) {
        /* nothing can be promised now; clients ask again */
        keel_metric_add(&s->instance->metrics, DHCP_METRIC_COMMIT_FAILURES, 1);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        decide(s, endpoint, &batch[i], silent);
}

/* The messages to be served now, in the order of their worth: who has an address goes before who is
 * new. While more wait in the socket, those who are new wait here. Returns how many. */
static unsigned admit(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                      const struct keel_datagram *batch, unsigned count,
                      struct keel_datagram *admitted)
{
    struct keel_metrics *m = &s->instance->metrics;
    uint64_t now = keel_loop_now(s->instance->loop);
    uint8_t later[KEEL_DGRAM_BATCH];
    unsigned n = 0, waiting = 0;
    bool dropped;
    for (unsigned i = 0; i < count; i++) {
        uint32_t peer = ntohl(batch[i].peer.in4.sin_addr.s_addr);
        enum dhcp_admit a = dhcp_admit(&s->admission, batch[i].bytes, batch[i].size, peer, now);
        if (a == DHCP_ADMIT_FIRST)
            admitted[n++] = batch[i];
        else if (a == DHCP_ADMIT_LATER)
            later[waiting++] = (uint8_t)i;
        else
            keel_metric_add(m, DHCP_METRIC_DROPPED + (a == DHCP_REFUSE_RELAY ? 1 : 0), 1);
    }
    bool busy = count == KEEL_DGRAM_BATCH && s->backlog;
    for (unsigned i = 0; i < waiting; i++) {
        dropped = false;
        if (!busy || !dhcp_backlog_add(s->backlog, endpoint, &batch[later[i]], &dropped))
            admitted[n++] = batch[later[i]];
        if (dropped)
            keel_metric_add(m, DHCP_METRIC_DROPPED + 2, 1);
    }
    return n;
}

void dhcp_serve_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                      struct keel_dgram *dgram, struct keel_datagram *batch, unsigned count)
{
    struct dhcp_serve *s = instance->state;
    struct keel_datagram admitted[KEEL_DGRAM_BATCH];
    unsigned n = admit(s, endpoint, batch, count, admitted);
    (void)dgram; /* answers go where the group finds the endpoint's */
    if (n > 0)
        serve(s, endpoint, admitted, n, 0);
    if (count == KEEL_DGRAM_BATCH && s->backlog)
        dhcp_backlog_turn(s->backlog);
}

void dhcp_serve_later(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                      struct keel_datagram *batch, unsigned count)
{
    if (keel_instance_dgram(s->instance, endpoint)) /* else the link went away meanwhile */
        serve(s, endpoint, batch, count, 0);
}

void dhcp_serve_again(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                      struct keel_datagram *datagram, uint32_t silent)
{
    if (keel_instance_dgram(s->instance, endpoint)) /* else the link went away meanwhile */
        serve(s, endpoint, datagram, 1, silent);
}

void dhcp_serve_quarantine(struct dhcp_serve *s, uint32_t address)
{
    dhcp_group_close(s->group); /* of the same callback: who waited may have been heard before */
    if (dhcp_durable_begin(&s->durable) != 0)
        return;
    dhcp_engine_quarantine(s->engine, address); /* an error is the commit's too */
    if (dhcp_durable_end(&s->durable) != 0)
        keel_metric_add(&s->instance->metrics, DHCP_METRIC_COMMIT_FAILURES, 1);
    /* in memory it rests all the same */
}
