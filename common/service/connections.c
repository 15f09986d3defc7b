#include "common/service/connections.h"

#include "common/base/mem.h"
#include "common/runtime/sock.h"

#include <stdio.h>

/* Rows that are made before others get their turn: some milliseconds of work. */
#define SLICE 100

struct listing {
    struct keel_list node; /* in the host's */
    struct keel_rows rows;
    json_t *args;
    struct keel_host *host;
    struct keel_loop *loop;
    struct keel_timer timer;
    /* Connections stand in the order of opened_ns. All those up to after_ns were seen; those of one
     * time are seen in one slice. */
    uint64_t after_ns, at_ns;
    unsigned made; /* rows, in this slice */
    bool rest;     /* there are more to see */
    struct keel_deferred *deferred;
    int err;
    struct keel_diag diag;
};

/* A text, null when it is empty. */
static json_t *text(const char *p, size_t n)
{
    json_t *value = n > 0 ? json_stringn(p, n) : NULL; /* NULL also when it is not UTF-8 */
    return value ? value : json_null();
}

static void add_tls(const struct keel_stream *s, json_t *row)
{
    struct keel_tls_session session;
    struct keel_str name = keel_stream_server_name(s);
    bool agreed = keel_stream_tls_session(s, &session);
    json_object_set_new(row, "tls", json_boolean(keel_stream_is_tls(s)));
    json_object_set_new(row, "tls_version", agreed ? json_string(session.version) : json_null());
    json_object_set_new(row, "tls_cipher", agreed ? json_string(session.cipher) : json_null());
    json_object_set_new(row, "tls_resumed", agreed ? json_boolean(session.resumed) : json_null());
    json_object_set_new(row, "server_name", text(name.p, name.n));
}

/* Null for what is no TCP connection. */
static void add_traffic(const struct keel_stream *s, json_t *row)
{
    struct keel_sock_traffic t;
    bool known = keel_sock_traffic(keel_stream_fd(s), &t);
    json_object_set_new(row, "idle_s", known ? json_real((double)t.idle_ns / 1e9) : json_null());
    json_object_set_new(row, "rtt_ms", known ? json_real((double)t.rtt_ns / 1e6) : json_null());
    json_object_set_new(row, "received",
                        known ? json_integer((json_int_t)t.received) : json_null());
    json_object_set_new(row, "sent", known ? json_integer((json_int_t)t.sent) : json_null());
    json_object_set_new(row, "unsent", json_integer((json_int_t)keel_stream_pending(s)));
}

static json_t *make_row(struct keel_connection *c, uint64_t now_ns)
{
    char peer[KEEL_ADDR_TEXT] = "local", endpoint[KEEL_ADDR_TEXT] = "";
    struct keel_tls_session session;
    struct keel_addr local;
    const struct keel_protocol *protocol = c->instance->protocol;
    json_t *row = json_object();
    if (keel_addr_family(&c->stream.peer) != AF_UNSPEC)
        keel_addr_format(peer, sizeof peer, &c->stream.peer);
    if (keel_sock_bound(keel_stream_fd(&c->stream), &local) == 0 &&
        keel_addr_family(&local) != AF_UNSPEC)
        keel_addr_format(endpoint, sizeof endpoint, &local);
    else
        snprintf(endpoint, sizeof endpoint, "%.70s", c->endpoint->path);
    json_object_set_new(row, "peer", json_string(peer));
    json_object_set_new(row, "listener", json_string(endpoint));
    add_tls(&c->stream, row);
    json_object_set_new(row, "age_s", json_real((double)(now_ns - c->opened_ns) / 1e9));
    add_traffic(&c->stream, row);
    if (KEEL_PROTOCOL_HAS(protocol, describe) && protocol->describe)
        protocol->describe(c, row);
    if (keel_stream_is_tls(&c->stream) && !keel_stream_tls_session(&c->stream, &session))
        json_object_set_new(row, "state", json_string("handshake"));
    return row;
}

static int visit(void *arg, struct keel_connection *c)
{
    struct listing *l = arg;
    if (c->opened_ns <= l->after_ns)
        return 0;
    if (l->made >= SLICE && c->opened_ns != l->at_ns) {
        l->after_ns = l->at_ns;
        l->rest = true;
        return 1;
    }
    l->at_ns = c->opened_ns;
    if (keel_rows_wants(&l->rows, &c->stream.peer)) {
        l->made++;
        l->err = keel_rows_add(&l->rows, make_row(c, keel_loop_now(l->loop)), &l->diag);
    }
    return l->err || l->rows.more;
}

static void slice(struct listing *l)
{
    l->made = 0;
    l->rest = false;
    keel_instance_each_connection(keel_host_instance(l->host), visit, l);
}

static json_t *result_of(const struct listing *l)
{
    static const char *const detail[] = {"listener",    "tls_version", "tls_cipher", "tls_resumed",
                                         "server_name", "rtt_ms",      "received",   "sent",
                                         "unsent",      NULL};
    return keel_rows_end(&l->rows,
                         json_pack("{s:i, s:O}", "open", (int)keel_host_connections(l->host),
                                   "connections", l->rows.list),
                         detail);
}

static void listing_free(struct listing *l)
{
    keel_timer_stop(&l->timer);
    keel_list_remove(&l->node);
    keel_rows_fini(&l->rows);
    json_decref(l->args);
    keel_free(l);
}

static void on_timer(struct keel_timer *timer)
{
    struct listing *l = KEEL_CONTAINER(timer, struct listing, timer);
    slice(l);
    if (l->rest) {
        keel_timer_start(timer, 0, 0);
        return;
    }
    keel_command_reply(l->deferred, l->err, l->err ? NULL : result_of(l), l->diag.text);
    listing_free(l);
}

void keel_connections_abort(struct keel_list *listings)
{
    keel_list_for_safe (node, listings) {
        struct listing *l = KEEL_CONTAINER(node, struct listing, node);
        keel_command_reply(l->deferred, KEEL_EOF, NULL, "the worker ends");
        listing_free(l);
    }
}

/* The first slice has shown that there are too many to list at once. */
static int put_off(struct listing *l)
{
    l->deferred = keel_command_defer(keel_host_instance(l->host));
    if (!l->deferred)
        return keel_diag_memory(&l->diag);
    keel_list_push_back(keel_host_listings(l->host), &l->node);
    keel_timer_start(&l->timer, 0, 0);
    return KEEL_EAGAIN;
}

int keel_connections_list(struct keel_host *host, struct keel_loop *loop, json_t *args,
                          json_t **result, struct keel_diag *diag)
{
    struct listing *l = keel_calloc(1, sizeof *l);
    if (!l)
        return keel_diag_memory(diag);
    l->host = host;
    l->loop = loop;
    l->args = json_incref(args);
    keel_list_init(&l->node);
    keel_timer_init(&l->timer, loop, "connections", on_timer);
    int err = keel_rows_init(&l->rows, args, diag);
    if (!err) {
        slice(l);
        err = l->rest ? put_off(l) : l->err;
        if (err == KEEL_EAGAIN)
            return err;
    }
    if (l->diag.text[0])
        *diag = l->diag;
    if (!err)
        *result = result_of(l);
    listing_free(l);
    return err;
}
