#include "harness.h"
#include "suites.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct keel_loop *loop;
static struct owner o;

static void setup(void)
{
    loop = keel_loop_new();
    owner_init(&o);
}

static void teardown(void)
{
    owner_fini(&o);
    keel_loop_free(loop);
}

/* The stream on the accepted side of a TCP connection; returns the client's descriptor. */
static int start_tcp(const struct keel_stream_ops *ops)
{
    struct keel_addr bound;
    int listener = listen_any(AF_INET, &bound);
    int client = keel_sock_connect(&bound, NULL, SOCK_STREAM, NULL);
    int fd = accept_one(listener);
    close(listener);
    ck_assert_int_eq(keel_stream_start(&o.s, loop, fd, ops, &bound, NULL), 0);
    return client;
}

static void reset(int fd)
{
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

START_TEST(half_close_then_answer)
{
    int client = start_tcp(&owner_ops);
    char text[16];
    send(client, "question", 8, 0);
    shutdown(client, SHUT_WR);
    turn_until(loop, &o.eofs, 1);
    ck_assert_uint_eq(keel_buf_size(&o.in), 8);
    uint64_t before = keel_clock_monotonic();
    struct keel_lag_row row;
    turn_for(loop, 30 * KEEL_NS_PER_MS); /* must not spin on the readable end */
    ck_assert_uint_eq(keel_loop_lag(loop, &row, 1), 1);
    ck_assert_uint_lt(row.calls, 10);
    ck_assert_uint_ge(keel_clock_monotonic() - before, 30 * KEEL_NS_PER_MS);
    ck_assert_int_eq(o.closed, 0);
    keel_stream_write(&o.s, "answer", 6);
    keel_stream_finish(&o.s, KEEL_NS_PER_S);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_PEER);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 6);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 0);
    close(client);
}
END_TEST

START_TEST(without_on_eof_it_finishes)
{
    int client = start_tcp(&bare_ops);
    o.echo = true;
    char text[16];
    send(client, "echo", 4, 0);
    shutdown(client, SHUT_WR);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_PEER);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 4);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 0);
    close(client);
}
END_TEST

START_TEST(a_reset_is_told)
{
    reset(start_tcp(&owner_ops));
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_RESET);
    ck_assert_int_eq(o.s.error, ECONNRESET);
}
END_TEST

static uint64_t calls(void)
{
    struct keel_lag_row rows[8];
    uint64_t n = 0;
    unsigned count = keel_loop_lag(loop, rows, 8);
    for (unsigned i = 0; i < count; i++)
        n += rows[i].calls;
    return n;
}

START_TEST(a_reset_while_paused_does_not_spin)
{
    int client = start_tcp(&owner_ops);
    keel_stream_pause(&o.s);
    reset(client);
    turn_for(loop, 30 * KEEL_NS_PER_MS);
    ck_assert_uint_lt(calls(), 10);
    ck_assert_int_eq(o.closed, 0);
    keel_stream_resume(&o.s);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_RESET);
}
END_TEST

START_TEST(a_reset_while_paused_with_output)
{
    static const uint8_t much[8 << 20];
    int client = start_tcp(&owner_ops);
    keel_stream_pause(&o.s);
    keel_stream_write_borrowed(&o.s, much, sizeof much, NULL, NULL);
    turn_for(loop, 10 * KEEL_NS_PER_MS);
    ck_assert_uint_gt(keel_stream_pending(&o.s), 0);
    reset(client);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_RESET);
}
END_TEST

static void close_now(struct owner *owner)
{
    keel_stream_write(&owner->s, "lost", 4);
    keel_stream_close(&owner->s);
    ck_assert_int_eq(owner->closed, 0); /* not inside its own callback */
    ck_assert_int_eq(keel_stream_write(&owner->s, "x", 1), KEEL_EOF);
    keel_stream_close(&owner->s);
    keel_stream_finish(&owner->s, 1);
    keel_stream_resume(&owner->s);
}

START_TEST(closed_inside_every_callback)
{
    static const char kib[1024];
    for (int i = 0; i < 4; i++) {
        owner_init(&o);
        int client = start_tcp(&owner_ops);
        switch (i) {
        case 0:
            o.in_data = close_now;
            send(client, "x", 1, 0);
            break;
        case 1:
            o.in_eof = close_now;
            shutdown(client, SHUT_WR);
            break;
        case 2:
            o.in_deadline = close_now;
            keel_stream_deadline(&o.s, KEEL_NS_PER_MS);
            break;
        case 3:
            o.in_drained = close_now;
            keel_stream_watermarks(&o.s, 1, 0); /* 1 KiB */
            ck_assert_int_eq(keel_stream_write(&o.s, kib, sizeof kib), 0);
            ck_assert_int_eq(keel_stream_write(&o.s, kib, 1), KEEL_EAGAIN);
        }
        turn_until(loop, &o.closed, 1);
        ck_assert_int_eq(o.why, KEEL_END_LOCAL);
        owner_fini(&o);
        close(client);
    }
    owner_init(&o);
}
END_TEST

static void close_other(struct owner *owner)
{
    keel_stream_close(&owner->other->s);
    ck_assert_int_eq(owner->other->closed, 1); /* not in a callback of that one: at once */
}

START_TEST(one_closes_another)
{
    struct owner b;
    int client = start_tcp(&owner_ops);
    owner_init(&b);
    int far = owner_start(&b, loop);
    o.in_data = close_other;
    o.other = &b;
    keel_stream_write(&b.s, "queued", 6);
    /* Both are ready in the same turn: the closed one's event must not come. */
    send(far, "y", 1, 0);
    send(client, "x", 1, 0);
    turn_until(loop, &o.data_calls, 1);
    turn_for(loop, 5 * KEEL_NS_PER_MS);
    ck_assert_int_eq(b.closed, 1);
    keel_stream_close(&o.s);
    ck_assert_int_eq(o.closed, 1);
    owner_fini(&b);
    close(far);
    close(client);
}
END_TEST

static struct keel_stream *in_release;

static void close_in_release(void *arg)
{
    int *count = arg;
    (*count)++;
    keel_stream_write_borrowed(in_release, "again", 5, NULL, NULL);
    keel_stream_close(in_release);
}

START_TEST(closed_inside_a_release)
{
    int client = start_tcp(&owner_ops), released = 0;
    in_release = &o.s;
    keel_stream_write_borrowed(&o.s, "one", 3, close_in_release, &released);
    keel_stream_write_borrowed(&o.s, "two", 3, close_in_release, &released);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(released, 2);
    close(client);
    /* Dropped with the stream: released before on_close. */
    owner_fini(&o);
    owner_init(&o);
    client = start_tcp(&owner_ops);
    keel_stream_write_borrowed(&o.s, "one", 3, close_in_release, &released);
    keel_stream_close(&o.s);
    ck_assert_int_eq(released, 3);
    ck_assert_int_eq(o.closed, 1);
    close(client);
}
END_TEST

START_TEST(finish_sends_everything_and_no_reset)
{
    static uint8_t much[3 << 20], got[65536];
    int client = start_tcp(&owner_ops);
    size_t total = 0, sent = 0;
    o.take = 0;
    keel_stream_write_borrowed(&o.s, much, sizeof much, NULL, NULL);
    keel_stream_finish(&o.s, 2 * KEEL_NS_PER_S);
    ck_assert_int_eq(keel_stream_write(&o.s, "late", 4), KEEL_EOF);
    /* The client goes on sending, and must get every byte of the answer all the same. */
    for (;;) {
        if (sent < 2000000) {
            ssize_t n = send(client, got, 50000, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        ssize_t n = recv(client, got, sizeof got, 0);
        if (n == 0)
            break;
        ck_assert(n > 0 || errno == EAGAIN);
        total += n > 0 ? (size_t)n : 0;
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    }
    ck_assert_uint_eq(total, sizeof much);
    ck_assert_int_eq(o.closed, 0);
    close(client);
    turn_until(loop, &o.closed, 1);
    ck_assert_uint_eq(keel_buf_size(&o.in), 0);
}
END_TEST

START_TEST(linger_ends)
{
    int client = start_tcp(&owner_ops);
    char text[8];
    keel_stream_write(&o.s, "bye", 3);
    keel_stream_finish(&o.s, 600 * KEEL_NS_PER_MS);
    turn_for(loop, 50 * KEEL_NS_PER_MS);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 3);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 0);
    ck_assert_int_eq(o.closed, 0);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_PEER);
    close(client);
}
END_TEST

START_TEST(deadlines)
{
    int client = start_tcp(&owner_ops);
    keel_stream_deadline(&o.s, 10 * KEEL_NS_PER_S);
    keel_stream_deadline(&o.s, KEEL_NS_PER_MS);
    turn_until(loop, &o.closed, 1); /* on_deadline did nothing */
    ck_assert_int_eq(o.deadlines, 1);
    ck_assert_int_eq(o.why, KEEL_END_TIMEOUT);
    close(client);
    owner_init(&o);
    client = start_tcp(&bare_ops);
    keel_stream_deadline(&o.s, KEEL_NS_PER_MS);
    keel_stream_deadline(&o.s, 0);
    turn_for(loop, 300 * KEEL_NS_PER_MS);
    ck_assert_int_eq(o.closed, 0);
    /* A peer that does not read holds up a finish no longer than the deadline. */
    static const uint8_t much[8 << 20];
    keel_stream_write_borrowed(&o.s, much, sizeof much, NULL, NULL);
    keel_stream_finish(&o.s, KEEL_NS_PER_S);
    keel_stream_deadline(&o.s, 10 * KEEL_NS_PER_MS);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_TIMEOUT);
    close(client);
}
END_TEST

static void finish_408(struct owner *owner)
{
    keel_stream_write(&owner->s, "408", 3);
    keel_stream_finish(&owner->s, 50 * KEEL_NS_PER_MS);
}

START_TEST(a_deadline_may_answer)
{
    int client = start_tcp(&owner_ops);
    char text[8];
    o.in_deadline = finish_408;
    keel_stream_deadline(&o.s, KEEL_NS_PER_MS);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_PEER);
    ck_assert_int_eq(recv(client, text, sizeof text, 0), 3);
    close(client);
}
END_TEST

START_TEST(connecting)
{
    struct keel_addr bound;
    char text[16];
    int listener = listen_any(AF_INET, &bound);
    ck_assert_int_eq(
        keel_stream_connect(&o.s, loop, &bound, NULL, &owner_ops, KEEL_NS_PER_S, NULL, NULL), 0);
    keel_stream_write(&o.s, "early", 5);
    ck_assert_int_eq(o.opened, 0);
    int fd = accept_one(listener);
    turn_until(loop, &o.opened, 1);
    turn_for(loop, 400 * KEEL_NS_PER_MS); /* the timeout was for connecting only */
    ck_assert_int_eq(recv(fd, text, sizeof text, 0), 5);
    ck_assert_int_eq(o.closed, 0);
    keel_stream_close(&o.s);
    close(fd);
    close(listener);
    /* Nobody listens there now. */
    owner_init(&o);
    ck_assert_int_eq(
        keel_stream_connect(&o.s, loop, &bound, NULL, &owner_ops, KEEL_NS_PER_S, NULL, NULL), 0);
    ck_assert_int_eq(o.closed, 0);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_CONNECT);
    ck_assert_int_eq(o.s.error, ECONNREFUSED);
    /* Refused at once: also not before connect returned. */
    owner_init(&o);
    ck_assert_int_eq(
        keel_stream_connect_unix(&o.s, loop, "/nonexistent/socket", &owner_ops, KEEL_NS_PER_S), 0);
    ck_assert_int_eq(o.closed, 0);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_CONNECT);
    ck_assert_int_eq(o.s.error, ENOENT);
}
END_TEST

START_TEST(connecting_takes_too_long)
{
    /* A listener with a full queue drops further SYNs. */
    struct keel_addr bound;
    struct keel_sock_options options = {.backlog = 1};
    int fillers[8];
    keel_addr_set4(&bound, INADDR_LOOPBACK, 0);
    int listener = keel_sock_listen(&bound, &options, NULL);
    keel_sock_bound(listener, &bound);
    for (int i = 0; i < 8; i++)
        fillers[i] = keel_sock_connect(&bound, NULL, SOCK_STREAM, NULL);
    usleep(20000);
    ck_assert_int_eq(
        keel_stream_connect(&o.s, loop, &bound, NULL, &owner_ops, 50 * KEEL_NS_PER_MS, NULL, NULL),
        0);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_CONNECT);
    ck_assert_int_eq(o.s.error, ETIMEDOUT);
    ck_assert_int_eq(o.opened, 0);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(listener);
}
END_TEST

Suite *stream_end_suite(void)
{
    Suite *suite = suite_create("stream end");
    TCase *tc = tcase_create("stream end");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, half_close_then_answer);
    tcase_add_test(tc, without_on_eof_it_finishes);
    tcase_add_test(tc, a_reset_is_told);
    tcase_add_test(tc, a_reset_while_paused_does_not_spin);
    tcase_add_test(tc, a_reset_while_paused_with_output);
    tcase_add_test(tc, closed_inside_every_callback);
    tcase_add_test(tc, one_closes_another);
    tcase_add_test(tc, closed_inside_a_release);
    tcase_add_test(tc, finish_sends_everything_and_no_reset);
    tcase_add_test(tc, linger_ends);
    tcase_add_test(tc, deadlines);
    tcase_add_test(tc, a_deadline_may_answer);
    tcase_add_test(tc, connecting);
    tcase_add_test(tc, connecting_takes_too_long);
    suite_add_tcase(suite, tc);
    return suite;
}
