#include "dnsd/serve/tcp.h"

#include "dnsd/serve/transfer.h"
#include "dnsd/serve/updates.h"

#define LENGTH 2 /* bytes before each message */
#define LINGER (2 * KEEL_NS_PER_S)
/* A leaving worker waits so long for a query that may be on its way. */
#define DRAIN_IDLE KEEL_NS_PER_S

struct tcp_connection {
    struct keel_connection core;
    struct keel_list node; /* in dns_serve.connections */
    uint64_t queries;
    struct dns_pending *pending; /* an answer that is on its way; NULL: none */
    bool half_closed;            /* the client asks no more */
    bool counted;                /* in the quota */
};
const size_t dns_tcp_connection_size = sizeof(struct tcp_connection);

static uint64_t seconds(const struct tcp_connection *c)
{
    return keel_loop_realtime(c->core.instance->loop) / KEEL_NS_PER_S;
}

static void on_drained(struct keel_stream *s);

static struct dns_pending *begin_pending(struct dns_serve *serve, struct keel_stream *s,
                                         const struct dns_query *query)
{
    if (query->transfer == DNS_TRANSFER_ZONE)
        return dns_transfer_new(serve, s, query, on_drained);
    return query->updated ? dns_updates_stream(serve, s, query, on_drained) : NULL;
}

/* As run of dns_pending; 0: there is none any more. */
static int go_on(struct tcp_connection *c)
{
    int err = c->pending->run(c->pending, seconds(c));
    if (err == 0) {
        c->pending->free(c->pending);
        c->pending = NULL;
    }
    return err;
}

/* Answers one message. KEEL_EAGAIN: stop for now; other errors: the connection is of no use. */
static int answer(struct tcp_connection *c, struct dns_tally *tally, const uint8_t *message,
                  size_t size)
{
    struct keel_stream *s = &c->core.stream;
    struct dns_serve *serve = c->core.instance->state;
    struct dns_query *query = &serve->batch[0];
    dns_query_read(query, &serve->context, message, size, &s->peer, true);
    query->encrypted = keel_stream_is_tls(s);
    c->pending = begin_pending(serve, s, query);
    if (c->pending) {
        keel_stream_deadline(s, 0); /* it is not the client that we wait for */
        if (query->transfer == DNS_TRANSFER_ZONE)
            dns_serve_answered(serve, tally, query, size, NULL, 0);
        return go_on(c);
    }
    size_t n = dns_query_answer(query, &serve->context, serve->reply + LENGTH, UINT16_MAX);
    dns_serve_answered(serve, tally, query, n, serve->reply + LENGTH, n);
    if (query->notified)
        dns_serve_notified(serve, query);
    if (n == 0) /* no query: nothing that follows can be trusted either */
        return KEEL_EPROTO;
    keel_put_u16(serve->reply, (uint16_t)n);
    return keel_stream_write(s, serve->reply, LENGTH + n);
}

static bool is_last(const struct tcp_connection *c, const struct dns_serve *serve)
{
    return c->core.instance->draining || (serve->tcp_queries && c->queries >= serve->tcp_queries);
}

/* All whole messages; how many bytes they are. */
static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct tcp_connection *c = KEEL_CONTAINER(keel_connection_of(s), struct tcp_connection, core);
    struct dns_serve *serve = c->core.instance->state;
    struct dns_tally tally = {{0}};
    size_t used = 0;
    int err = 0;

    serve->context.now = seconds(c);
    while (err == 0 && size - used >= LENGTH) {
        size_t message = keel_get_u16(bytes + used);
        if (size - used - LENGTH < message)
            break;
        c->queries++;
        err = answer(c, &tally, bytes + used + LENGTH, message);
        used += LENGTH + message;
        if (c->pending || is_last(c, serve))
            break;
    }
    dns_tally_add(&tally, serve->metrics);
    if (err && err != KEEL_EAGAIN) {
        keel_stream_close(s);
    } else if (c->pending) { /* what else is asked for has to wait */
        keel_stream_pause(s);
    } else if (used > 0 && (c->half_closed || is_last(c, serve))) {
        keel_stream_finish(s, LINGER);
    } else if (used > 0) {
        keel_stream_deadline(s, serve->tcp_idle_ns);
        if (err == KEEL_EAGAIN) /* the client sends faster than it reads */
            keel_stream_pause(s);
    }
    return used;
}

/* Also when there is more to do for what is pending: what came behind it has its turn then. */
static void on_drained(struct keel_stream *s)
{
    struct tcp_connection *c = KEEL_CONTAINER(keel_connection_of(s), struct tcp_connection, core);
    struct dns_serve *serve = c->core.instance->state;
    if (c->pending) {
        int err = go_on(c);
        if (err == KEEL_EAGAIN)
            return;
        if (err) {
            keel_stream_close(s);
            return;
        }
        if (is_last(c, serve) || (c->half_closed && s->input_size == 0)) {
            keel_stream_finish(s, LINGER);
            return;
        }
        keel_stream_deadline(s, serve->tcp_idle_ns);
    }
    keel_stream_resume(s);
}

/* A client that has shut down its side still gets all of what it asked for. */
static void on_eof(struct keel_stream *s)
{
    struct tcp_connection *c = KEEL_CONTAINER(keel_connection_of(s), struct tcp_connection, core);
    c->half_closed = true;
    if (!c->pending) /* else what it asked for behind it comes first */
        keel_stream_finish(s, LINGER);
}

/* Not a reset: what the client is sending just now is read and dropped. */
static void on_deadline(struct keel_stream *s)
{
    struct tcp_connection *c = KEEL_CONTAINER(keel_connection_of(s), struct tcp_connection, core);
    if (c->pending) /* it does not read */
        keel_stream_close(s);
    else
        keel_stream_finish(s, LINGER);
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct tcp_connection *c = KEEL_CONTAINER(keel_connection_of(s), struct tcp_connection, core);
    struct dns_serve *serve = c->core.instance->state;
    if (c->pending)
        c->pending->free(c->pending);
    keel_list_remove(&c->node);
    if (c->counted)
        dns_quota_disconnect(&serve->quota, &s->peer);
}

const struct keel_stream_ops dns_tcp_stream = {
    .name = "dns",
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_close = on_close,
};

void dns_tcp_connect(struct keel_connection *connection)
{
    struct tcp_connection *c = KEEL_CONTAINER(connection, struct tcp_connection, core);
    struct dns_serve *serve = connection->instance->state;
    enum keel_admission how = dns_quota_connect(&serve->quota, &connection->stream.peer);
    keel_list_push_back(&serve->connections, &c->node);
    if (how == KEEL_REFUSE) {
        keel_metric_add(serve->metrics, DNS_METRIC_QUOTA_CONNECTIONS, 1);
        keel_stream_close(&connection->stream);
        return;
    }
    c->counted = how == KEEL_ADMIT;
    /* the longest message must fit, or it would wait for ever */
    connection->stream.input_limit = LENGTH + UINT16_MAX;
    keel_stream_deadline(&connection->stream, serve->tcp_idle_ns);
}

void dns_tcp_drain(struct keel_instance *instance)
{
    struct dns_serve *serve = instance->state;
    keel_list_for_safe (node, &serve->connections) {
        struct tcp_connection *c = KEEL_CONTAINER(node, struct tcp_connection, node);
        /* in the middle of a query: its answer is the last */
        if (c->core.stream.input_size == 0 && !c->pending)
            keel_stream_deadline(&c->core.stream, DRAIN_IDLE);
    }
}
