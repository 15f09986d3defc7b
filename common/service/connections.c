#include "common/service/connections.h"

#include "common/runtime/sock.h"

#include <stdio.h>

struct listing {
    struct keel_rows rows;
    uint64_t now_ns;
    int err;
    struct keel_diag *diag;
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
    if (keel_rows_wants(&l->rows, &c->stream.peer))
        l->err = keel_rows_add(&l->rows, make_row(c, l->now_ns), l->diag);
    return l->err || l->rows.more;
}

static const char *const detail[] = {"listener",    "tls_version", "tls_cipher", "tls_resumed",
                                     "server_name", "rtt_ms",      "received",   "sent",
                                     "unsent",      NULL};

int keel_connections_list(struct keel_host *host, struct keel_loop *loop, json_t *args,
                          json_t **result, struct keel_diag *diag)
{
    struct listing l = {.now_ns = keel_loop_now(loop), .diag = diag};
    l.err = keel_rows_init(&l.rows, args, diag);
    if (!l.err)
        keel_instance_each_connection(keel_host_instance(host), visit, &l);
    if (!l.err)
        *result = keel_rows_end(&l.rows,
                                json_pack("{s:i, s:O}", "open", (int)keel_host_connections(host),
                                          "connections", l.rows.list),
                                detail);
    keel_rows_fini(&l.rows);
    return l.err;
}
