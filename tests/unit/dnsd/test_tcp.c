#include "common/base/mem.h"
#include "dnsd/serve/serve.h"
#include "dnsd/serve/settings.h"
#include "dnsd/serve/tcp.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ZONE "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

/* The client's end of a socket pair whose other end a worker serves. */
struct pair {
    struct keel_loop *loop;
    struct keel_instance instance;
    struct dns_settings settings;
    struct keel_connection *connection; /* NULL: closed */
    struct keel_stream_ops ops;
    int client;
};
static struct pair *current;

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    dns_tcp_stream.on_close(s, why);
    keel_free(current->connection);
    current->connection = NULL;
}

static void setup(struct pair *p, uint64_t most_queries)
{
    int fds[2];
    struct keel_diag diag;
    memset(p, 0, sizeof *p);
    current = p;
    p->loop = keel_loop_new();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    support_zones_init(&p->settings.zones);
    support_serve(&p->settings.zones, "z", ZONE);
    p->settings.udp_size = DNS_UDP_SIZE;
    p->settings.tcp_idle_ns = 10 * KEEL_NS_PER_S;
    p->settings.tcp_queries = most_queries;
    p->instance.loop = p->loop;
    p->instance.settings = &p->settings;
    ck_assert_int_eq(keel_metrics_new_private(dns_metrics, &p->instance.metrics), 0);
    /* what it waits for is the keeper */
    ck_assert_int_eq(dns_serve_start(&p->instance, &diag), KEEL_EAGAIN);
    p->ops = dns_tcp_stream;
    p->ops.on_close = on_close;
    p->connection = keel_calloc(1, dns_tcp_connection_size);
    p->connection->instance = &p->instance;
    ck_assert_int_eq(
        keel_stream_start(&p->connection->stream, p->loop, fds[0], &p->ops, NULL, NULL), 0);
    dns_tcp_connect(p->connection);
    p->client = fds[1];
}

static void teardown(struct pair *p)
{
    if (p->connection)
        keel_stream_close(&p->connection->stream);
    close(p->client);
    dns_serve_stop(&p->instance);
    keel_metrics_free_private(&p->instance.metrics);
    dns_zones_fini(&p->settings.zones);
    keel_loop_free(p->loop);
}

static void say(struct pair *p, const uint8_t *bytes, size_t size)
{
    ck_assert_int_eq(write(p->client, bytes, size), (ssize_t)size);
    for (int i = 0; i < 3; i++)
        keel_loop_turn(p->loop, 0);
}

/* What came back so far. */
static size_t hear(struct pair *p, uint8_t *out, size_t room)
{
    ssize_t n = read(p->client, out, room);
    ck_assert(n >= 0 || errno == EAGAIN);
    return n < 0 ? 0 : (size_t)n;
}

/* Three framed queries; returns their size. */
static size_t three(uint8_t *out)
{
    static const char *const names[] = {"z", "ns.z", "nothing.z"};
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = support_query(out + at + 2, 512, names[i], DNS_TYPE_A, 0);
        keel_put_u16(out + at, (uint16_t)n);
        at += 2 + n;
    }
    return at;
}

START_TEST(any_split_gives_the_same_answers)
{
    uint8_t queries[2048], whole[4096], parts[4096];
    struct pair p;
    size_t size = three(queries);
    setup(&p, 0);
    say(&p, queries, size);
    size_t expected = hear(&p, whole, sizeof whole);
    ck_assert_uint_gt(expected, 100);
    for (size_t split = 0; split <= size; split++) {
        say(&p, queries, split);
        size_t got = hear(&p, parts, sizeof parts);
        say(&p, queries + split, size - split);
        got += hear(&p, parts + got, sizeof parts - got);
        ck_assert_uint_eq(got, expected);
        ck_assert_mem_eq(parts, whole, got);
    }
    for (size_t i = 0, got = 0; i < size; i++) { /* and a byte at a time */
        say(&p, queries + i, 1);
        got += hear(&p, parts + got, sizeof parts - got);
        if (i + 1 == size)
            ck_assert_uint_eq(got, expected);
    }
    ck_assert_ptr_nonnull(p.connection);
    teardown(&p);
}
END_TEST

START_TEST(what_is_no_query_ends_the_connection)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"\0\0", 2}, {"\0\3abc", 5}, {"\0\14\0\0\200\0\0\0\0\0\0\0\0\0", 14}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        setup(&p, 0);
        say(&p, (const uint8_t *)cases[i].bytes, cases[i].size);
        ck_assert_ptr_null(p.connection);
        teardown(&p);
    }
}
END_TEST

/* the longest message there can be: answered (it is malformed), and the stream stays in step */
START_TEST(takes_the_longest_message)
{
    uint8_t *big = calloc(1, 2 + UINT16_MAX), replies[4096], queries[2048];
    struct pair p;
    setup(&p, 0);
    keel_put_u16(big, UINT16_MAX);
    support_query(big + 2, 512, "z", DNS_TYPE_A, 0);
    for (size_t at = 0, n; at < 2 + UINT16_MAX; at += n) {
        n = 2 + UINT16_MAX - at < 4096 ? 2 + UINT16_MAX - at : 4096;
        say(&p, big + at, n);
    }
    say(&p, queries, three(queries));
    ck_assert_uint_gt(hear(&p, replies, sizeof replies), 100);
    ck_assert_uint_eq(replies[1], DNS_HEADER_SIZE);
    ck_assert_uint_eq(replies[2 + 3] & 15, DNS_FORMERR);
    free(big);
    teardown(&p);
}
END_TEST

START_TEST(the_last_query_is_answered_and_no_more)
{
    uint8_t queries[2048], replies[4096];
    struct pair p;
    setup(&p, 2);
    say(&p, queries, three(queries));
    size_t got = hear(&p, replies, sizeof replies), count = 0;
    for (size_t at = 0; at < got; at += 2u + keel_get_u16(replies + at))
        count++;
    ck_assert_uint_eq(count, 2);
    teardown(&p);
}
END_TEST

Suite *tcp_suite(void)
{
    Suite *s = suite_create("dnsd/serve/tcp");
    TCase *t = tcase_create("tcp");
    tcase_add_test(t, any_split_gives_the_same_answers);
    tcase_add_test(t, what_is_no_query_ends_the_connection);
    tcase_add_test(t, takes_the_longest_message);
    tcase_add_test(t, the_last_query_is_answered_and_no_more);
    suite_add_tcase(s, t);
    return s;
}
