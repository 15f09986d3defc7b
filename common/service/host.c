#include "common/service/host.h"

#include "common/base/mem.h"
#include "common/runtime/accept.h"
#include "common/service/certificates.h"
#include "common/service/connections.h"
#include "common/service/log.h"
#include "common/service/peers.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

/* A descriptor that is served (or, in a standby, waits to be). */
struct host_source {
    struct keel_list node;
    struct keel_host *host;
    unsigned endpoint, slot;
    int fd;
    bool serving;
    struct keel_acceptor acceptor; /* listening ones */
    struct keel_dgram *dgram;      /* datagram ones */
};

struct keel_host {
    struct keel_instance instance;
    struct keel_host_options options;
    struct keel_slot private_slot, *slot;
    struct keel_stream_ops ops; /* the protocol's, with our on_close */
    struct keel_slab slab;
    struct keel_list sources;
    struct keel_list connections;
    struct keel_peers peers; /* the helpers of a worker, the workers of a helper */
    bool active, ready, draining;
    struct keel_timer drain_tick;
    uint64_t drain_until_ns;
    void (*on_drained)(void *arg);
    void *on_drained_arg;
    struct keel_running *running;
    struct keel_list listings;
    json_t *certificates; /* see keel_host_certificates */
    bool collected;
};

/* How often a drain looks whether everything ended. */
#define DRAIN_TICK (20 * KEEL_NS_PER_MS)
/* How many of the oldest connections are asked whether they can go. */
#define EVICT_SCAN 64
/* A connection younger than this may still have its first request on the way. Longer would let a
 * flood hold everybody else up. */
#define EVICT_AGE (250 * KEEL_NS_PER_MS)

static unsigned default_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 128)
        return 64;
    /* an eighth for files, children and upstreams */
    rlim_t n = limit.rlim_cur > 1u << 20 ? 1u << 20 : limit.rlim_cur;
    return (unsigned)(n - (n / 8 < 64 ? 64 : n / 8));
}

struct keel_instance *keel_host_instance(struct keel_host *host)
{
    return &host->instance;
}

unsigned keel_host_connections(const struct keel_host *host)
{
    return (unsigned)host->slab.live;
}

struct keel_list *keel_host_listings(struct keel_host *host)
{
    return &host->listings;
}

const json_t *keel_host_certificates(struct keel_host *host)
{
    const struct keel_protocol *protocol = host->options.protocol;
    for (unsigned i = 0; i < host->options.endpoint_count && protocol->tls && !host->collected;
         i++) {
        const struct keel_endpoint *e = &host->options.endpoints[i];
        const struct keel_tls_context *tls =
            e->tls ? protocol->tls(host->options.settings, e) : NULL;
        if (tls && keel_certificates_add(&host->certificates, tls) != 0)
            return host->certificates; /* out of memory: the next time */
    }
    host->collected = true;
    return host->certificates;
}

void keel_host_restapled(struct keel_host *host)
{
    json_decref(host->certificates);
    host->certificates = NULL;
    host->collected = false;
}

struct keel_running *keel_host_running(const struct keel_host *host)
{
    return host->running;
}

void keel_host_set_running(struct keel_host *host, struct keel_running *running)
{
    host->running = running;
}

struct keel_dgram *keel_instance_dgram(struct keel_instance *instance,
                                       const struct keel_endpoint *endpoint)
{
    struct keel_host *host = instance->host;
    keel_list_for (node, &host->sources) {
        struct host_source *source = KEEL_CONTAINER(node, struct host_source, node);
        if (&host->options.endpoints[source->endpoint] == endpoint && source->serving)
            return source->dgram;
    }
    return NULL;
}

void keel_instance_each_connection(struct keel_instance *instance,
                                   int (*visit)(void *arg, struct keel_connection *c), void *arg)
{
    struct keel_host *host = instance->host;
    keel_list_for_safe (node, &host->connections) {
        if (visit(arg, KEEL_CONTAINER(node, struct keel_connection, node)) != 0)
            return;
    }
}

bool keel_host_ready(const struct keel_host *host)
{
    return host->ready;
}

/* --- what differs between workers and helpers --- */

static int call_start(struct keel_host *host, struct keel_diag *diag)
{
    const struct keel_helper *helper = host->options.helper;
    int (*start)(struct keel_instance *, struct keel_diag *) =
        helper ? helper->start : host->options.protocol->start;
    return start ? start(&host->instance, diag) : 0;
}

static int call_activate(struct keel_host *host, struct keel_diag *diag)
{
    const struct keel_helper *helper = host->options.helper;
    int (*activate)(struct keel_instance *, struct keel_diag *) =
        helper ? helper->activate : host->options.protocol->activate;
    return activate ? activate(&host->instance, diag) : 0;
}

static void call_drain(struct keel_host *host)
{
    const struct keel_helper *helper = host->options.helper;
    void (*drain)(struct keel_instance *) = helper ? helper->drain : host->options.protocol->drain;
    if (drain)
        drain(&host->instance);
}

static unsigned call_busy(struct keel_host *host)
{
    const struct keel_helper *helper = host->options.helper;
    unsigned (*busy)(struct keel_instance *) = helper ? helper->busy : host->options.protocol->busy;
    return busy ? busy(&host->instance) : 0;
}

static void call_stop(struct keel_host *host)
{
    const struct keel_helper *helper = host->options.helper;
    void (*stop)(struct keel_instance *) = helper ? helper->stop : host->options.protocol->stop;
    if (stop)
        stop(&host->instance);
}

/* --- peers --- */

static void on_peer_change(struct keel_peers *peers, unsigned index, bool up)
{
    struct keel_host *host = KEEL_CONTAINER(peers, struct keel_host, peers);
    const struct keel_helper *helper = host->options.helper;
    void (*on_peer)(struct keel_instance *, unsigned, bool) =
        helper ? helper->on_peer : host->options.protocol->on_helper;
    if (on_peer)
        on_peer(&host->instance, index, up);
}

static void on_peer_message(struct keel_peers *peers, unsigned index, struct keel_message *message)
{
    struct keel_host *host = KEEL_CONTAINER(peers, struct keel_host, peers);
    const struct keel_helper *helper = host->options.helper;
    void (*on_message)(struct keel_instance *, unsigned, struct keel_message *) =
        helper ? helper->on_message : host->options.protocol->on_helper_message;
    if (on_message)
        on_message(&host->instance, index, message);
}

int keel_host_peer(struct keel_host *host, unsigned peer, int fd)
{
    return keel_peers_connect(&host->peers, peer, fd);
}

int keel_instance_send(struct keel_instance *instance, unsigned peer, uint32_t type, uint32_t a,
                       uint32_t b, const void *bytes, size_t size, const int *fds,
                       unsigned fd_count)
{
    struct keel_host *host = instance->host;
    return keel_peers_send(&host->peers, peer, type, a, b, bytes, size, fds, fd_count);
}

/* --- connections --- */

static void host_on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct keel_connection *c = keel_connection_of(s);
    struct keel_host *host = c->instance->host;
    if (host->options.protocol->stream->on_close)
        host->options.protocol->stream->on_close(s, why);
    keel_list_remove(&c->node);
    keel_slab_free(&host->slab, c);
    keel_slot_set(&host->slot->live, host->slab.live);
}

static bool may_evict(struct keel_host *host, struct keel_connection *c, uint64_t now)
{
    if (now - c->opened_ns < EVICT_AGE)
        return false;
    if (host->options.protocol->evictable)
        return host->options.protocol->evictable(c);
    return keel_stream_pending(&c->stream) == 0;
}

/* Closes the oldest connection that nobody would miss. Those that must stay move to the back, so
 * that the next search starts behind them. */
static bool evict_one(struct keel_host *host)
{
    uint64_t now = keel_loop_now(host->options.loop);
    for (unsigned i = 0; i < EVICT_SCAN && !keel_list_empty(&host->connections); i++) {
        struct keel_list *node = host->connections.next;
        struct keel_connection *c = KEEL_CONTAINER(node, struct keel_connection, node);
        if (may_evict(host, c, now)) {
            keel_slot_set(&host->slot->evicted, host->slot->evicted + 1);
            keel_stream_close(&c->stream);
            return true;
        }
        keel_list_remove(node);
        keel_list_push_back(&host->connections, node);
    }
    return false;
}

static void take_connection(struct keel_host *host, unsigned endpoint, int fd,
                            const struct keel_addr *peer)
{
    const struct keel_protocol *p = host->options.protocol;
    const struct keel_endpoint *e = &host->options.endpoints[endpoint];
    struct keel_connection *c = keel_slab_alloc(&host->slab);
    if (!c) {
        close(fd);
        return;
    }
    memset(c, 0, p->connection_size);
    c->instance = &host->instance;
    c->endpoint = e;
    c->opened_ns = keel_loop_now(host->options.loop);
    struct keel_tls_context *tls = e->tls && p->tls ? p->tls(host->options.settings, e) : NULL;
    if (keel_stream_start(&c->stream, host->options.loop, fd, &host->ops, peer, tls) != 0) {
        close(fd);
        keel_slab_free(&host->slab, c);
        return;
    }
    keel_list_push_back(&host->connections, &c->node);
    keel_slot_set(&host->slot->accepted, host->slot->accepted + 1);
    keel_slot_set(&host->slot->live, host->slab.live);
    if (p->on_connect)
        p->on_connect(c);
}

void keel_host_take_connection(struct keel_host *host, unsigned endpoint, int fd)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    struct keel_addr peer = {0};
    if (endpoint >= host->options.endpoint_count) {
        close(fd);
        return;
    }
    if (getpeername(fd, (struct sockaddr *)&from, &size) == 0)
        keel_addr_from_sockaddr(&peer, (struct sockaddr *)&from, size);
    if (host->slab.live >= host->options.max_connections && !evict_one(host))
        keel_warning("accept", "connection limit reached", "limit=%u",
                     host->options.max_connections);
    take_connection(host, endpoint, fd, &peer);
}

static void source_on_accept(struct keel_acceptor *a, int fd, const struct keel_addr *peer)
{
    struct host_source *source = KEEL_CONTAINER(a, struct host_source, acceptor);
    take_connection(source->host, source->endpoint, fd, peer);
}

static unsigned source_room(struct keel_acceptor *a)
{
    struct keel_host *host = KEEL_CONTAINER(a, struct host_source, acceptor)->host;
    unsigned limit = host->options.max_connections;
    while (host->slab.live >= limit && evict_one(host))
        ;
    if (host->slab.live < limit)
        return limit - (unsigned)host->slab.live;
    keel_warning("accept", "connection limit reached", "limit=%u", limit);
    return 0;
}

static bool source_on_full(struct keel_acceptor *a, int error)
{
    struct host_source *source = KEEL_CONTAINER(a, struct host_source, acceptor);
    errno = error;
    keel_warning("accept", "cannot accept", "error=%m");
    return evict_one(source->host);
}

/* --- descriptors --- */

static void source_on_batch(struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    struct host_source *source = keel_dgram_arg(d);
    struct keel_host *host = source->host;
    host->options.protocol->on_batch(&host->instance, &host->options.endpoints[source->endpoint], d,
                                     batch, count);
}

static void source_pause(struct host_source *source)
{
    if (!source->serving)
        return;
    source->serving = false;
    if (source->dgram)
        keel_dgram_free(source->dgram);
    else if (source->acceptor.on_accept)
        keel_acceptor_stop(&source->acceptor);
    source->dgram = NULL;
}

static void source_free(struct host_source *source)
{
    source_pause(source);
    close(source->fd);
    keel_list_remove(&source->node);
    keel_free(source);
}

static int source_start(struct host_source *source)
{
    struct keel_host *host = source->host;
    const struct keel_protocol *p = host->options.protocol;
    const struct keel_endpoint *e = &host->options.endpoints[source->endpoint];
    struct keel_dgram_options dgram = p->dgram;
    int err = 0;
    switch (e->kind) {
    case KEEL_ENDPOINT_TCP:
    case KEEL_ENDPOINT_UNIX:
        if (p->connection_size == 0)
            return KEEL_ENOTSUP;
        source->acceptor.on_accept = source_on_accept;
        source->acceptor.room = source_room;
        source->acceptor.on_full = source_on_full;
        if (keel_acceptor_start(&source->acceptor, host->options.loop, source->fd) != 0)
            keel_error("worker", "cannot accept, and will try again", "error=%m");
        break;
    case KEEL_ENDPOINT_UDP:
    case KEEL_ENDPOINT_UNIX_DGRAM:
        if (!p->on_batch)
            return KEEL_ENOTSUP;
        dgram.packet_info = e->packet_info;
        source->dgram =
            keel_dgram_new(host->options.loop, source->fd, &dgram, source_on_batch, source);
        if (!source->dgram)
            err = KEEL_ENOMEM;
        break;
    case KEEL_ENDPOINT_PACKET:
    case KEEL_ENDPOINT_ARP:
    case KEEL_ENDPOINT_ECHO:
        if (p->on_descriptor)
            p->on_descriptor(&host->instance, e, source->fd);
        break;
    }
    source->serving = err == 0;
    return err;
}

static struct host_source *source_find(struct keel_host *host, unsigned endpoint, unsigned slot)
{
    keel_list_for (node, &host->sources) {
        struct host_source *source = KEEL_CONTAINER(node, struct host_source, node);
        if (source->endpoint == endpoint && source->slot == slot)
            return source;
    }
    return NULL;
}

int keel_host_serve(struct keel_host *host, unsigned endpoint, unsigned slot, int fd)
{
    if (endpoint >= host->options.endpoint_count || host->draining ||
        source_find(host, endpoint, slot)) {
        close(fd);
        return host->draining ? KEEL_ECANCELED : KEEL_EEXIST;
    }
    struct host_source *source = keel_calloc(1, sizeof *source);
    if (!source) {
        close(fd);
        return KEEL_ENOMEM;
    }
    source->host = host;
    source->endpoint = endpoint;
    source->slot = slot;
    source->fd = fd;
    keel_list_push_back(&host->sources, &source->node);
    int err = host->active && host->ready ? source_start(source) : 0;
    if (err)
        source_free(source);
    return err;
}

void keel_host_release(struct keel_host *host, unsigned endpoint, unsigned slot)
{
    struct host_source *source = source_find(host, endpoint, slot);
    if (source)
        source_free(source);
}

int keel_host_file(struct keel_host *host, const char *path, const char *text, size_t size,
                   struct keel_diag *diag)
{
    const struct keel_protocol *p = host->options.protocol;
    return KEEL_PROTOCOL_HAS(p, on_file) && p->on_file
               ? p->on_file(&host->instance, path, text, size, diag)
               : 0;
}

void keel_host_log_file(struct keel_host *host, unsigned index, int fd)
{
    const struct keel_protocol *p = host->options.protocol;
    if (!host->options.helper && KEEL_PROTOCOL_HAS(p, on_log_file) && p->on_log_file)
        p->on_log_file(&host->instance, index, fd);
    else
        close(fd);
}

static void close_sources(struct keel_host *host)
{
    keel_list_for_safe (node, &host->sources)
        source_free(KEEL_CONTAINER(node, struct host_source, node));
}

static void close_connections(struct keel_host *host)
{
    keel_list_for_safe (node, &host->connections)
        keel_stream_close(&KEEL_CONTAINER(node, struct keel_connection, node)->stream);
}

/* --- life --- */

static void on_drain_tick(struct keel_timer *timer)
{
    struct keel_host *host = KEEL_CONTAINER(timer, struct keel_host, drain_tick);
    unsigned busy = keel_host_connections(host) + call_busy(host);
    if (busy > 0 && keel_loop_now(host->options.loop) < host->drain_until_ns)
        return;
    if (busy > 0)
        keel_notice("drain", "deadline passed, closing the rest", "left=%u", busy);
    keel_timer_stop(timer);
    close_connections(host);
    host->on_drained(host->on_drained_arg);
}

void keel_host_drain(struct keel_host *host, uint64_t deadline_ns, void (*on_drained)(void *arg),
                     void *arg)
{
    uint64_t until = keel_loop_now(host->options.loop) + deadline_ns;
    if (host->draining) { /* asked again, to hurry */
        if (until < host->drain_until_ns)
            host->drain_until_ns = until;
        return;
    }
    host->draining = host->instance.draining = true;
    host->drain_until_ns = until;
    host->on_drained = on_drained;
    host->on_drained_arg = arg;
    close_sources(host);
    call_drain(host);
    keel_timer_start(&host->drain_tick, KEEL_NS_PER_MS, DRAIN_TICK);
}

static int start_sources(struct keel_host *host, struct keel_diag *diag)
{
    keel_list_for_safe (node, &host->sources) {
        struct host_source *source = KEEL_CONTAINER(node, struct host_source, node);
        int err = source->serving ? 0 : source_start(source);
        if (err)
            return keel_diag_set(diag, err, "cannot serve a descriptor: %s", keel_strerror(err));
    }
    return 0;
}

int keel_host_activate(struct keel_host *host, struct keel_diag *diag)
{
    if (host->active || host->draining)
        return 0;
    int err = call_activate(host, diag);
    if (err)
        return err;
    host->active = true;
    return host->ready ? start_sources(host, diag) : 0;
}

static bool can_retire(const struct keel_host *host)
{
    return host->options.helper && host->options.helper->retire;
}

void keel_host_retire(struct keel_host *host)
{
    if (host->active && can_retire(host))
        host->options.helper->retire(&host->instance);
}

void keel_instance_retired(struct keel_instance *instance)
{
    struct keel_host *host = instance->host;
    if (!host->active)
        return;
    host->active = false;
    if (host->options.on_retired)
        host->options.on_retired(host->options.on_retired_arg);
}

void keel_instance_ready(struct keel_instance *instance)
{
    struct keel_host *host = instance->host;
    struct keel_diag diag = {""};
    if (host->ready)
        return;
    host->ready = true;
    if (host->active && !host->draining && start_sources(host, &diag) != 0)
        keel_error("worker", "cannot serve", "reason=%s", diag.text);
    if (host->options.on_ready)
        host->options.on_ready(host->options.on_ready_arg);
}

int keel_host_new(const struct keel_host_options *options, struct keel_host **out,
                  struct keel_diag *diag)
{
    const struct keel_protocol *p = options->protocol;
    struct keel_host *host = keel_calloc(1, sizeof *host);
    if (!host)
        return keel_diag_memory(diag);
    host->options = *options;
    host->slot = options->slot ? options->slot : &host->private_slot;
    if (host->options.max_connections == 0)
        host->options.max_connections = default_connections();
    host->instance = (struct keel_instance){
        .protocol = p,
        .loop = options->loop,
        .settings = options->settings,
        .metrics = options->metrics,
        .name = p->name,
        .state_dir = options->state_dir,
        .worker = options->worker,
        .workers = options->workers,
        .helper = options->helper,
        .host = host,
        .replaces = options->replaces,
        .board = options->board,
        .slot = options->board_slot,
    };
    if (p->stream) {
        host->ops = *p->stream;
        host->ops.on_close = host_on_close;
    }
    keel_slab_init(&host->slab,
                   p->connection_size ? p->connection_size : sizeof(struct keel_connection), 0);
    keel_list_init(&host->sources);
    keel_list_init(&host->connections);
    keel_list_init(&host->listings);
    keel_timer_init(&host->drain_tick, options->loop, "drain", on_drain_tick);

    int err = keel_peers_init(&host->peers, options->loop, options->peers, on_peer_change,
                              on_peer_message);
    if (err)
        keel_diag_memory(diag);
    else
        err = call_start(host, diag);
    host->ready = host->ready || err == 0;
    if (err && err != KEEL_EAGAIN) {
        keel_slab_fini(&host->slab);
        keel_peers_fini(&host->peers);
        keel_free(host);
        return err;
    }
    err = 0;
    if (options->active)
        err = keel_host_activate(host, diag);
    if (err) {
        keel_host_free(host);
        return err;
    }
    *out = host;
    return 0;
}

void keel_host_free(struct keel_host *host)
{
    if (!host)
        return;
    keel_timer_stop(&host->drain_tick);
    keel_connections_abort(&host->listings);
    close_sources(host);
    close_connections(host);
    call_stop(host);
    keel_peers_fini(&host->peers);
    keel_slab_fini(&host->slab);
    json_decref(host->certificates);
    keel_free(host);
}
