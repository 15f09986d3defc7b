/*
 * The host of a protocol: two instances of one record on one loop, connections, limits, drain.
 */
#include "common/runtime/accept.h"
#include "common/runtime/sock.h"
#include "common/service/host.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { M_BYTES };
static const struct keel_metric metrics[] = {
    [M_BYTES] = {"upper_bytes_total", KEEL_COUNTER, NULL, "Bytes."},
    {0},
};

/* Each instance adds its own letter: all its state hangs on the instance. */
struct state {
    char letter;
    bool active, stopped;
    unsigned opened, closed, batches;
};

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    instance->state = instance->settings;
    return 0;
}

static int activate(struct keel_instance *instance, struct keel_diag *diag)
{
    struct state *state = instance->state;
    state->active = true;
    return 0;
}

static void stop(struct keel_instance *instance)
{
    struct state *state = instance->state;
    state->stopped = true;
}

static void on_connect(struct keel_connection *c)
{
    ((struct state *)c->instance->state)->opened++;
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct keel_instance *instance = keel_connection_of(s)->instance;
    struct state *state = instance->state;
    keel_stream_write(s, &state->letter, 1);
    keel_stream_write(s, bytes, size);
    keel_metric_add(&instance->metrics, M_BYTES, size);
    if (instance->draining)
        keel_stream_finish(s, KEEL_NS_PER_S);
    return size;
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    ((struct state *)keel_connection_of(s)->instance->state)->closed++;
}

static void on_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                     struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    struct state *state = instance->state;
    state->batches++;
    for (unsigned i = 0; i < count; i++)
        keel_dgram_send(d, &batch[i], &state->letter, 1);
}

static int configure(const struct keel_conf *conf, void **settings,
                     struct keel_endpoints *endpoints, struct keel_access *access,
                     struct keel_diag *diag)
{
    return 0;
}

static const struct keel_stream_ops ops = {.name = "t", .on_data = on_data, .on_close = on_close};
static const struct keel_protocol protocol = {
    KEEL_PROTOCOL,        .name = "letter",
    .version = "1",       .summary = "a letter before everything",
    .metrics = metrics,   .configure = configure,
    .start = start,       .activate = activate,
    .stop = stop,         .connection_size = sizeof(struct keel_connection),
    .stream = &ops,       .on_connect = on_connect,
    .on_batch = on_batch,
};

struct side {
    struct state state;
    struct keel_endpoint endpoints[2];
    struct keel_addr tcp, udp;
    struct keel_metrics metrics;
    struct keel_host *host;
};

static struct keel_loop *loop;
static bool drained;

static void on_drained(void *arg)
{
    drained = true;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
}

static void side_start(struct side *side, char letter, bool active, unsigned max_connections)
{
    struct keel_diag diag = {""};
    *side = (struct side){.state = {.letter = letter}};
    ck_assert_int_eq(keel_addr_parse(&side->endpoints[0].addr, KEEL_STR("127.0.0.1:0"), 0, NULL),
                     KEEL_OK);
    side->endpoints[0].kind = KEEL_ENDPOINT_TCP;
    side->endpoints[1] = side->endpoints[0];
    side->endpoints[1].kind = KEEL_ENDPOINT_UDP;
    ck_assert_int_eq(keel_metrics_new_private(metrics, &side->metrics), 0);
    struct keel_host_options options = {
        .loop = loop,
        .protocol = &protocol,
        .settings = &side->state,
        .endpoints = side->endpoints,
        .endpoint_count = 2,
        .state_dir = "/",
        .workers = 1,
        .metrics = side->metrics,
        .max_connections = max_connections,
        .active = active,
    };
    ck_assert_msg(keel_host_new(&options, &side->host, &diag) == 0, "%s", diag.text);
    int tcp = keel_sock_listen(&side->endpoints[0].addr, NULL, NULL);
    int udp = keel_sock_udp(&side->endpoints[1].addr, NULL, NULL);
    ck_assert(tcp >= 0 && udp >= 0);
    keel_sock_bound(tcp, &side->tcp);
    keel_sock_bound(udp, &side->udp);
    ck_assert_int_eq(keel_host_serve(side->host, 0, 0, tcp), 0);
    ck_assert_int_eq(keel_host_serve(side->host, 1, 0, udp), 0);
}

static void side_stop(struct side *side)
{
    keel_host_free(side->host);
    ck_assert(side->state.stopped);
    ck_assert_uint_eq(side->state.opened, side->state.closed);
    keel_metrics_free_private(&side->metrics);
}

static int client(const struct keel_addr *addr, int type)
{
    int fd = socket(AF_INET, type, 0);
    ck_assert_int_eq(connect(fd, &addr->sa, keel_addr_size(addr)), 0);
    return fd;
}

/* What the server says to `text`; "" when it closed, NULL when it says nothing. */
static const char *ask(int fd, const char *text)
{
    static char answer[64];
    if (text)
        ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    turn();
    ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? NULL : "";
    answer[n] = '\0';
    return answer;
}

static void setup(void)
{
    loop = keel_loop_new();
    drained = false;
}

static void teardown(void)
{
    keel_loop_free(loop);
}

START_TEST(two_instances)
{
    struct side a, b;
    side_start(&a, 'a', true, 0);
    side_start(&b, 'b', true, 0);
    int ca = client(&a.tcp, SOCK_STREAM), cb = client(&b.tcp, SOCK_STREAM);
    int ua = client(&a.udp, SOCK_DGRAM), ub = client(&b.udp, SOCK_DGRAM);
    ck_assert_str_eq(ask(ca, "one"), "aone");
    ck_assert_str_eq(ask(cb, "three"), "bthree");
    ck_assert_str_eq(ask(ua, "x"), "a");
    ck_assert_str_eq(ask(ub, "x"), "b");
    ck_assert_uint_eq(a.metrics.cells[a.metrics.offsets[M_BYTES]], 3);
    ck_assert_uint_eq(b.metrics.cells[b.metrics.offsets[M_BYTES]], 5);
    ck_assert_uint_eq(keel_host_connections(a.host), 1);
    side_stop(&a);
    ck_assert_str_eq(ask(ca, NULL), "");
    ck_assert_str_eq(ask(cb, "still"), "bstill"); /* the other one does not notice */
    side_stop(&b);
    close(ca);
    close(cb);
    close(ua);
    close(ub);
}
END_TEST

START_TEST(standby_serves_nothing)
{
    struct side a;
    side_start(&a, 'a', false, 0);
    int c = client(&a.tcp, SOCK_STREAM);
    ck_assert_ptr_null(ask(c, "x"));
    ck_assert(!a.state.active);
    ck_assert_int_eq(keel_host_activate(a.host, NULL), 0);
    ck_assert(a.state.active);
    ck_assert_str_eq(ask(c, NULL), "ax"); /* it waited in the queue */
    side_stop(&a);
    close(c);
}
END_TEST

START_TEST(drain_waits_for_connections)
{
    struct side a;
    side_start(&a, 'a', true, 0);
    int c = client(&a.tcp, SOCK_STREAM);
    ck_assert_str_eq(ask(c, "1"), "a1");
    keel_host_drain(a.host, 10 * KEEL_NS_PER_S, on_drained, NULL);
    turn();
    ck_assert(!drained);
    ck_assert_int_ne(connect(socket(AF_INET, SOCK_STREAM, 0), &a.tcp.sa, keel_addr_size(&a.tcp)),
                     0); /* nobody listens any more: this test has no master that would */
    ck_assert_str_eq(ask(c, "2"), "a2");
    ck_assert_str_eq(ask(c, NULL), "");
    close(c);
    for (int i = 0; i < 100 && !drained; i++)
        turn();
    ck_assert(drained);
    side_stop(&a);
}
END_TEST

/* As when the kernel's limit is reached: it is tried again, and goes when it is taken back. */
START_TEST(what_cannot_be_watched_is_tried_again)
{
    struct side a;
    side_start(&a, 'a', true, 0);
    int deaf = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(keel_host_serve(a.host, 0, 7, deaf), 0);
    keel_host_release(a.host, 0, 7);
    ck_assert_int_eq(fcntl(deaf, F_GETFD), -1);
    ck_assert_int_eq(keel_host_serve(a.host, 0, 7, open("/proc/self/exe", O_RDONLY)), 0);
    keel_loop_turn(loop, 2 * KEEL_ACCEPT_RETRY);
    int c = client(&a.tcp, SOCK_STREAM);
    ck_assert_str_eq(ask(c, "1"), "a1");
    close(c);
    turn();
    side_stop(&a);
    keel_loop_turn(loop, 2 * KEEL_ACCEPT_RETRY);
}
END_TEST

START_TEST(drain_has_a_deadline)
{
    struct side a;
    side_start(&a, 'a', true, 0);
    int c = client(&a.tcp, SOCK_STREAM);
    ck_assert_str_eq(ask(c, "1"), "a1");
    keel_host_drain(a.host, 50 * KEEL_NS_PER_MS, on_drained, NULL);
    for (int i = 0; i < 100 && !drained; i++)
        turn();
    ck_assert(drained);
    ck_assert_str_eq(ask(c, NULL), "");
    side_stop(&a);
    close(c);
}
END_TEST

START_TEST(the_oldest_idle_makes_room)
{
    struct side a;
    int c[4];
    side_start(&a, 'a', true, 3);
    for (int i = 0; i < 3; i++) {
        c[i] = client(&a.tcp, SOCK_STREAM);
        ck_assert_str_eq(ask(c[i], "x"), "ax");
    }
    c[3] = client(&a.tcp, SOCK_STREAM);
    send(c[3], "late", 4, 0);
    const char *answer = NULL;
    for (int i = 0; i < 50 && !answer; i++)
        answer = ask(c[3], NULL);
    ck_assert_ptr_nonnull(answer);
    ck_assert_str_eq(answer, "alate");
    ck_assert_str_eq(ask(c[0], NULL), "");
    for (int i = 1; i < 4; i++)
        ck_assert_str_eq(ask(c[i], "y"), "ay");
    side_stop(&a);
    for (int i = 0; i < 4; i++)
        close(c[i]);
}
END_TEST

START_TEST(passed_connections_and_release)
{
    struct side a;
    int pair[2];
    side_start(&a, 'a', true, 0);
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, pair), 0);
    keel_host_take_connection(a.host, 0, pair[0]);
    ck_assert_str_eq(ask(pair[1], "p"), "ap");
    keel_host_release(a.host, 1, 0);
    keel_host_release(a.host, 1, 0); /* twice is harmless */
    int u = client(&a.udp, SOCK_DGRAM);
    send(u, "x", 1, MSG_NOSIGNAL);
    turn();
    ck_assert_uint_eq(a.state.batches, 0);
    ck_assert_int_ne(keel_host_serve(a.host, 9, 0, dup(u)), 0); /* no such endpoint */
    close(u);
    close(pair[1]);
    side_stop(&a);
}
END_TEST

Suite *host_suite(void);
Suite *host_suite(void)
{
    Suite *suite = suite_create("host");
    TCase *tc = tcase_create("host");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, two_instances);
    tcase_add_test(tc, standby_serves_nothing);
    tcase_add_test(tc, drain_waits_for_connections);
    tcase_add_test(tc, what_cannot_be_watched_is_tried_again);
    tcase_add_test(tc, drain_has_a_deadline);
    tcase_add_test(tc, the_oldest_idle_makes_room);
    tcase_add_test(tc, passed_connections_and_release);
    suite_add_tcase(suite, tc);
    return suite;
}
