#include "harness.h"
#include "suites.h"

#include "tests/support/allocfail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct keel_loop *loop;
static struct owner o;
static int peer;
static int released;

static void setup(void)
{
    loop = keel_loop_new();
    ck_assert_ptr_nonnull(loop);
    owner_init(&o);
    peer = owner_start(&o, loop);
    released = 0;
}

static void teardown(void)
{
    if (!o.closed)
        keel_stream_close(&o.s);
    ck_assert_int_eq(o.closed, 1);
    owner_fini(&o);
    if (peer >= 0)
        close(peer);
    keel_loop_free(loop);
}

static void put(const void *bytes, size_t size)
{
    ck_assert_int_eq(send(peer, bytes, size, MSG_NOSIGNAL), (int)size);
}

/* Everything that waits for the peer, turning the loop until `size` bytes came or it closed. */
static size_t get(uint8_t *out, size_t size)
{
    size_t n = 0;
    uint64_t limit = keel_clock_monotonic() + 5 * KEEL_NS_PER_S;
    while (n < size && keel_clock_monotonic() < limit) {
        ssize_t got = recv(peer, out + n, size - n, 0);
        if (got > 0)
            n += (size_t)got;
        else if (got == 0 || errno != EAGAIN)
            break;
        else
            keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    }
    return n;
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        p[i] = (uint8_t)(seed >> 24);
    }
}

START_TEST(split_at_every_byte)
{
    static const char message[] = "the quick brown fox";
    size_t n = sizeof message - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        /* The owner uses nothing until all is there. */
        keel_buf_clear(&o.in);
        o.take = 0;
        o.largest = 0;
        if (cut > 0) {
            put(message, cut);
            keel_loop_turn(loop, KEEL_NS_PER_S);
            ck_assert_uint_eq(o.largest, cut);
            ck_assert_uint_eq(o.s.input_size, cut);
        }
        o.take = SIZE_MAX;
        if (cut < n) {
            put(message + cut, n - cut);
            keel_loop_turn(loop, KEEL_NS_PER_S);
        } else {
            keel_stream_pause(&o.s);
            keel_stream_resume(&o.s);
            keel_loop_turn(loop, 0);
        }
        ck_assert_uint_eq(keel_buf_size(&o.in), n);
        ck_assert_mem_eq(keel_buf_bytes(&o.in), message, n);
        ck_assert_ptr_null(o.s.input);
    }
}
END_TEST

START_TEST(any_mix_of_sizes_keeps_the_order)
{
    static uint8_t bytes[300000];
    fill(bytes, sizeof bytes, 7);
    uint32_t seed = 1;
    size_t sent = 0;
    while (keel_buf_size(&o.in) < sizeof bytes) {
        seed = seed * 1664525 + 1013904223;
        o.take = (seed >> 8) % 40000;
        size_t n = (seed >> 16) % 30000;
        if (n > sizeof bytes - sent)
            n = sizeof bytes - sent;
        ssize_t put_now = n > 0 ? send(peer, bytes + sent, n, 0) : 0;
        if (put_now > 0)
            sent += (size_t)put_now;
        if (sent == sizeof bytes) {
            o.take = SIZE_MAX;
            keel_stream_pause(&o.s);
        }
        keel_stream_resume(&o.s);
        keel_loop_turn(loop, 0);
    }
    ck_assert_mem_eq(keel_buf_bytes(&o.in), bytes, sizeof bytes);
    ck_assert_uint_le(o.largest, KEEL_STREAM_INPUT_LIMIT);
    ck_assert_ptr_null(o.s.input);
}
END_TEST

START_TEST(the_input_limit_pauses)
{
    static uint8_t bytes[10000];
    o.s.input_limit = 1000;
    o.take = 0;
    put(bytes, sizeof bytes);
    turn_for(loop, 20 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(o.largest, 1000);
    ck_assert_int_eq(o.data_calls, 1);
    /* Still nothing used: offered once more, and paused again, without spinning. */
    keel_stream_resume(&o.s);
    turn_for(loop, 20 * KEEL_NS_PER_MS);
    ck_assert_int_eq(o.data_calls, 2);
    o.take = SIZE_MAX;
    keel_stream_resume(&o.s);
    while (keel_buf_size(&o.in) < sizeof bytes)
        keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_uint_eq(o.largest, 1000);
}
END_TEST

static void pause_resume(struct owner *owner)
{
    keel_stream_pause(&owner->s);
    keel_stream_resume(&owner->s);
}

START_TEST(paused_and_resumed_inside_on_data)
{
    o.in_data = pause_resume;
    o.take = 1;
    put("abcdef", 6);
    turn_for(loop, 5 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(keel_buf_size(&o.in), 6);
    /* And one that uses nothing is not asked for ever. */
    o.take = 0;
    put("g", 1);
    turn_for(loop, 5 * KEEL_NS_PER_MS);
    ck_assert_int_le(o.data_calls, 8);
}
END_TEST

START_TEST(many_writes_one_send)
{
    /* A message socket shows how many sends there were. */
    int fds[2];
    static const char borrowed[] = "borrowed ";
    struct owner m;
    owner_init(&m);
    ck_assert_int_eq(keel_sock_pair(SOCK_SEQPACKET, fds), 0);
    ck_assert_int_eq(keel_stream_start(&m.s, loop, fds[0], &owner_ops, NULL, NULL), 0);
    for (int i = 0; i < 20; i++) {
        keel_stream_write(&m.s, "copied ", 7);
        keel_stream_write(&m.s, "again ", 6);
        keel_stream_write_borrowed(&m.s, borrowed, sizeof borrowed - 1, NULL, NULL);
    }
    ck_assert_uint_eq(keel_stream_pending(&m.s), 20 * 22);
    keel_loop_turn(loop, 0);
    ck_assert_uint_eq(keel_stream_pending(&m.s), 0);
    ck_assert_ptr_null(m.s.output);
    char text[2000];
    ck_assert_int_eq(recv(fds[1], text, sizeof text, 0), 20 * 22);
    ck_assert_mem_eq(text, "copied again borrowed copied", 28);
    ck_assert_int_eq(recv(fds[1], text, sizeof text, MSG_DONTWAIT), -1);
    keel_stream_close(&m.s);
    owner_fini(&m);
    close(fds[1]);
}
END_TEST

START_TEST(pipelined_answers_cost_no_memory)
{
    o.echo = true;
    uint8_t text[16];
    for (int i = 0; i < 3; i++) { /* the pool fills */
        put("ping", 4);
        ck_assert_uint_eq(get(text, 4), 4);
    }
    keel_buf_clear(&o.in);
    keel_mem_count();
    for (int i = 0; i < 100; i++) {
        put("ping", 4);
        ck_assert_uint_eq(get(text, 4), 4);
        keel_buf_clear(&o.in);
    }
    ck_assert_uint_eq(keel_mem_count(), 0);
}
END_TEST

static void release(void *arg)
{
    ck_assert_ptr_eq(arg, &released);
    released++;
}

START_TEST(backpressure_on_writing)
{
    static uint8_t bytes[3 << 20], got[3 << 20];
    fill(bytes, sizeof bytes, 3);
    keel_stream_watermarks(&o.s, 100000, 10000);
    ck_assert_int_eq(keel_stream_write(&o.s, bytes, 1000), 0);
    ck_assert_int_eq(keel_stream_write_borrowed(&o.s, bytes + 1000, 2000000, release, &released),
                     KEEL_EAGAIN);
    /* Queued all the same. */
    ck_assert_int_eq(keel_stream_write(&o.s, bytes + 2001000, sizeof bytes - 2001000), KEEL_EAGAIN);
    keel_loop_turn(loop, 0);
    ck_assert_int_eq(o.drained, 0);
    ck_assert_int_eq(released, 0);
    ck_assert_uint_gt(keel_stream_pending(&o.s), 100000);
    ck_assert_uint_eq(get(got, sizeof got), sizeof got);
    ck_assert_mem_eq(got, bytes, sizeof got);
    ck_assert_int_eq(o.drained, 1);
    ck_assert_int_eq(released, 1);
    ck_assert_ptr_null(o.s.output);
}
END_TEST

static uint8_t long_answer[6 << 20];

static void answer_long(struct owner *owner)
{
    keel_stream_write_borrowed(&owner->s, long_answer, sizeof long_answer, release, &released);
}

/* However much the kernel would take: others have their turn. */
START_TEST(a_long_answer_leaves_in_turns)
{
    static uint8_t got[sizeof long_answer];
    const int room = 2 * (int)sizeof got;
    size_t before = sizeof got;
    fill(long_answer, sizeof long_answer, 5);
    if (setsockopt(keel_stream_fd(&o.s), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0)
        return; /* for root only */
    o.in_data = answer_long;
    put("x", 1);
    while (released == 0) {
        keel_loop_turn(loop, KEEL_NS_PER_S);
        ck_assert_uint_le(before - keel_stream_pending(&o.s), 512 * 1024);
        before = keel_stream_pending(&o.s);
    }
    ck_assert_uint_eq(get(got, sizeof got), sizeof got);
    ck_assert_mem_eq(got, long_answer, sizeof got);
}
END_TEST

static void write_more(struct owner *owner)
{
    static const uint8_t block[60000];
    while (owner->count < 100) {
        owner->count++;
        if (keel_stream_write(&owner->s, block, sizeof block) != 0)
            return;
    }
    if (owner->count == 100) {
        owner->count++;
        keel_stream_finish(&owner->s, KEEL_NS_PER_S);
    }
}

START_TEST(a_producer_follows_its_reader)
{
    static uint8_t got[65536];
    o.in_drained = write_more;
    write_more(&o);
    ck_assert_int_lt(o.count, 10);
    size_t total = 0, n;
    while ((n = get(got, sizeof got)) > 0) {
        total += n;
        ck_assert_uint_le(keel_stream_pending(&o.s), 256 * 1024 + 60000);
    }
    ck_assert_uint_eq(total, 100 * 60000);
    close(peer);
    peer = -1;
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_PEER);
}
END_TEST

static int make_file(const uint8_t *bytes, size_t size)
{
    char path[] = "/tmp/keel-file-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

START_TEST(file_ranges)
{
    static uint8_t bytes[1 << 20], got[1 << 20];
    fill(bytes, sizeof bytes, 9);
    int file = make_file(bytes, sizeof bytes);
    keel_stream_write(&o.s, "head", 4);
    keel_stream_write_file(&o.s, file, 1000, 900000, release, &released);
    keel_stream_write(&o.s, "tail", 4);
    keel_stream_write_file(&o.s, file, 5, 0, release, &released); /* empty: released at once */
    ck_assert_int_eq(released, 1);
    ck_assert_uint_eq(get(got, 900008), 900008);
    ck_assert_mem_eq(got, "head", 4);
    ck_assert_mem_eq(got + 4, bytes + 1000, 900000);
    ck_assert_mem_eq(got + 900004, "tail", 4);
    ck_assert_int_eq(released, 2);
    /* Shorter than promised: the stream closes, and everything is released. */
    keel_stream_write_file(&o.s, file, sizeof bytes - 100, 101, release, &released);
    keel_stream_write_borrowed(&o.s, bytes, 10, release, &released);
    ck_assert_uint_eq(get(got, sizeof got), 100);
    ck_assert_int_eq(o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_RESET);
    ck_assert_int_eq(o.s.error, ENODATA);
    ck_assert_int_eq(released, 4);
    close(file);
}
END_TEST

START_TEST(a_file_without_sendfile)
{
    /* A pipe's end cannot be mapped: read is tried, which fails here, and says so. */
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    keel_stream_write_file(&o.s, fds[0], 0, 10, release, &released);
    keel_loop_turn(loop, 0);
    turn_until(loop, &o.closed, 1);
    ck_assert_int_eq(o.why, KEEL_END_RESET);
    ck_assert_int_eq(o.s.error, ESPIPE);
    ck_assert_int_eq(released, 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void to_other(struct owner *owner)
{
    struct owner *other = owner->other;
    size_t n = keel_buf_size(&owner->in);
    if (keel_stream_write(&other->s, keel_buf_bytes(&owner->in), n) == KEEL_EAGAIN)
        keel_stream_pause(&owner->s);
    keel_buf_consume(&owner->in, n);
}

static void resume_other(struct owner *owner)
{
    keel_stream_resume(&owner->other->s);
}

START_TEST(two_joined_by_watermarks)
{
    static uint8_t bytes[4 << 20], got[4 << 20];
    fill(bytes, sizeof bytes, 5);
    struct owner b;
    owner_init(&b);
    int far = owner_start(&b, loop);
    o.other = &b;
    b.other = &o;
    o.in_data = to_other;
    b.in_drained = resume_other;
    size_t sent = 0, n = 0;
    uint64_t limit = keel_clock_monotonic() + 10 * KEEL_NS_PER_S;
    while (n < sizeof bytes && keel_clock_monotonic() < limit) {
        if (sent < sizeof bytes) {
            ssize_t put_now = send(peer, bytes + sent, sizeof bytes - sent, 0);
            sent += put_now > 0 ? (size_t)put_now : 0;
        }
        keel_loop_turn(loop, 0);
        ck_assert_uint_le(keel_stream_pending(&b.s), 256 * 1024 + 65536);
        if (sent == sizeof bytes || keel_stream_pending(&b.s) > 200000) {
            ssize_t r = recv(far, got + n, sizeof got - n, 0);
            n += r > 0 ? (size_t)r : 0;
        }
    }
    ck_assert_uint_eq(n, sizeof bytes);
    ck_assert_mem_eq(got, bytes, sizeof bytes);
    keel_stream_close(&b.s);
    owner_fini(&b);
    close(far);
}
END_TEST

START_TEST(a_pair_of_pipes)
{
    int out[2], in[2];
    struct owner writer, reader;
    char text[16];
    owner_init(&writer);
    owner_init(&reader);
    ck_assert_int_eq(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(keel_stream_start(&writer.s, loop, out[1], &bare_ops, NULL, NULL), 0);
    ck_assert_int_eq(keel_stream_start(&reader.s, loop, in[0], &bare_ops, NULL, NULL), 0);
    keel_stream_write(&writer.s, "to the child", 12);
    ck_assert_int_eq(write(in[1], "from the child", 14), 14);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_eq(read(out[0], text, 16), 12);
    ck_assert_uint_eq(keel_buf_size(&reader.in), 14);
    close(in[1]);
    turn_until(loop, &reader.closed, 1);
    ck_assert_int_eq(reader.why, KEEL_END_PEER);
    keel_stream_write(&writer.s, "end", 3);
    keel_stream_finish(&writer.s, KEEL_NS_PER_S);
    turn_until(loop, &writer.closed, 1);
    ck_assert_int_eq(read(out[0], text, 16), 3);
    ck_assert_int_eq(read(out[0], text, 16), 0);
    close(out[0]);
    owner_fini(&writer);
    owner_fini(&reader);
    /* The reader of a pipe goes away. */
    owner_init(&writer);
    ck_assert_int_eq(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(keel_stream_start(&writer.s, loop, out[1], &bare_ops, NULL, NULL), 0);
    close(out[0]);
    turn_until(loop, &writer.closed, 1);
    ck_assert_int_eq(writer.why, KEEL_END_RESET);
    ck_assert_int_eq(writer.s.error, EPIPE);
}
END_TEST

/* A whole life under a failing allocator: reading with a remainder, all kinds of writes, closing.
 */
static int life(void *arg)
{
    int *file = arg;
    struct owner m;
    int fds[2], before = released;
    char text[64];
    owner_init(&m);
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds), 0);
    if (keel_stream_start(&m.s, loop, fds[0], &owner_ops, NULL, NULL) != 0) {
        close(fds[0]);
        close(fds[1]);
        return KEEL_ENOMEM;
    }
    m.take = 3;
    ck_assert_int_eq(send(fds[1], "abcdefgh", 8, 0), 8);
    keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    for (int i = 0; i < 12 && !m.closed; i++) {
        keel_stream_write(&m.s, "some text", 9);
        keel_stream_write_borrowed(&m.s, "more", 4, release, &released);
        keel_stream_write_file(&m.s, *file, 0, 4, release, &released);
    }
    keel_loop_turn(loop, 0);
    if (!m.closed)
        keel_stream_finish(&m.s, 0);
    keel_loop_turn(loop, 0);
    ck_assert_int_eq(m.closed, 1);
    ck_assert_int_eq((released - before) % 2, 0);
    while (recv(fds[1], text, sizeof text, 0) > 0)
        ;
    close(fds[1]);
    bool failed = m.why == KEEL_END_RESET || m.in.failed;
    if (m.why == KEEL_END_RESET)
        ck_assert_int_eq(m.s.error, ENOMEM);
    owner_fini(&m);
    return failed ? KEEL_ENOMEM : 0;
}

START_TEST(every_allocation_may_fail)
{
    int file = make_file((const uint8_t *)"file", 4);
    /* A fresh loop each time, so that its pool is empty and allocates. */
    for (uint64_t n = 1;; n++) {
        struct keel_loop *old = loop;
        loop = keel_loop_new();
        keel_mem_fail_at(n);
        int err = life(&file);
        uint64_t count = keel_mem_count();
        keel_mem_fail_at(0);
        keel_loop_free(loop);
        loop = old;
        if (count < n) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_gt(n, 4);
            break;
        }
    }
    for (uint64_t n = 1; n < 6; n++) {
        keel_mem_fail_at(n);
        struct keel_loop *none = keel_loop_new();
        keel_mem_fail_at(0);
        ck_assert(!!none == (n > 4));
        keel_loop_free(none);
    }
    close(file);
}
END_TEST

Suite *stream_suite(void)
{
    Suite *suite = suite_create("stream");
    TCase *tc = tcase_create("stream");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, split_at_every_byte);
    tcase_add_test(tc, any_mix_of_sizes_keeps_the_order);
    tcase_add_test(tc, the_input_limit_pauses);
    tcase_add_test(tc, a_long_answer_leaves_in_turns);
    tcase_add_test(tc, paused_and_resumed_inside_on_data);
    tcase_add_test(tc, many_writes_one_send);
    tcase_add_test(tc, pipelined_answers_cost_no_memory);
    tcase_add_test(tc, backpressure_on_writing);
    tcase_add_test(tc, a_producer_follows_its_reader);
    tcase_add_test(tc, file_ranges);
    tcase_add_test(tc, a_file_without_sendfile);
    tcase_add_test(tc, two_joined_by_watermarks);
    tcase_add_test(tc, a_pair_of_pipes);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
