/*
 * Channels: order, descriptors, a full socket, and what a dead process left unread.
 */
#include "common/service/channel.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
    struct keel_channel channel;
    unsigned received, fds;
    uint32_t next; /* `a` of the next message: they come in order */
    bool ended;
};

static struct keel_loop *loop;

static void on_message(struct keel_channel *channel, struct keel_message *message)
{
    struct end *end = KEEL_CONTAINER(channel, struct end, channel);
    ck_assert_uint_eq(message->type, KEEL_MSG_COMMAND);
    ck_assert_uint_eq(message->a, end->next++);
    ck_assert_uint_eq(message->size, message->b);
    size_t right = 0; /* one assertion a message: each is a write to a file */
    while (right < message->size && message->bytes[right] == (uint8_t)(message->a + right))
        right++;
    ck_assert_uint_eq(right, message->size);
    end->received++;
    end->fds += message->fd_count;
}

static void on_end(struct keel_channel *channel)
{
    KEEL_CONTAINER(channel, struct end, channel)->ended = true;
}

static void fill(uint8_t *bytes, uint32_t a, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(a + i);
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

START_TEST(in_order_also_when_full)
{
    struct end a = {0}, b = {0};
    int fds[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    static uint8_t bytes[KEEL_MESSAGE_MAX];
    loop = keel_loop_new();
    ck_assert_int_eq(keel_channel_pair(fds), 0);
    ck_assert_int_eq(keel_channel_start(&a.channel, loop, fds[0], on_message, on_end), 0);
    unsigned before = open_descriptors();
    /* more than the socket takes: the rest is queued, and nothing waits */
    for (uint32_t i = 0; i < 500; i++) {
        size_t size = i * 64 % (KEEL_MESSAGE_MAX + 1);
        fill(bytes, i, size);
        ck_assert_int_eq(keel_channel_send(&a.channel, KEEL_MSG_COMMAND, i, (uint32_t)size, bytes,
                                           size, &null, i % 3 == 0),
                         0);
    }
    ck_assert(!keel_list_empty(&a.channel.queue));
    ck_assert_int_eq(keel_channel_try(&a.channel, KEEL_MSG_COMMAND, 0, 0, NULL, 0, NULL, 0),
                     KEEL_EAGAIN);
    ck_assert_int_eq(keel_channel_start(&b.channel, loop, fds[1], on_message, on_end), 0);
    turns(200);
    ck_assert_uint_eq(b.received, 500);
    ck_assert_uint_eq(b.fds, 167);
    ck_assert(keel_list_empty(&a.channel.queue));
    ck_assert_uint_eq(open_descriptors(), before); /* what nobody took was closed */
    keel_channel_stop(&a.channel);
    turns(5);
    ck_assert(b.ended);
    ck_assert_int_eq(keel_channel_send(&b.channel, 1, 0, 0, NULL, 0, NULL, 0), KEEL_EOF);
    keel_channel_stop(&b.channel);
    close(null);
    keel_loop_free(loop);
}
END_TEST

START_TEST(what_was_not_read)
{
    int fds[2], got[KEEL_MESSAGE_FDS], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint8_t space[KEEL_MESSAGE_MAX + 16];
    struct end a = {0};
    struct keel_message message;
    loop = keel_loop_new();
    keel_channel_pair(fds);
    keel_channel_start(&a.channel, loop, fds[0], on_message, NULL);
    uint32_t endpoint = 7;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            keel_channel_send(&a.channel, KEEL_MSG_CONNECTIONS, 0, 0, &endpoint, 4, &null, 1), 0);
    /* fds[1] is kept by the master too: it reads what the worker did not */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(keel_channel_receive(fds[1], &message, space, got), 1);
        ck_assert_uint_eq(message.type, KEEL_MSG_CONNECTIONS);
        ck_assert_uint_eq(message.fd_count, 1);
        ck_assert(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
        close(got[0]);
    }
    ck_assert_int_eq(keel_channel_receive(fds[1], &message, space, got), 0);
    keel_channel_stop(&a.channel);
    close(fds[1]);
    close(null);
    keel_loop_free(loop);
}
END_TEST

START_TEST(a_short_packet_is_harmless)
{
    int fds[2], got[KEEL_MESSAGE_FDS];
    uint8_t space[KEEL_MESSAGE_MAX + 16];
    struct keel_message message;
    keel_channel_pair(fds);
    ck_assert_int_eq(send(fds[0], "abc", 3, 0), 3);
    ck_assert_int_eq(keel_channel_receive(fds[1], &message, space, got), 1);
    ck_assert_uint_eq(message.type, 0);
    ck_assert_uint_eq(message.size, 0);
    close(fds[0]);
    ck_assert_int_eq(keel_channel_receive(fds[1], &message, space, got), KEEL_EOF);
    close(fds[1]);
}
END_TEST

struct taken {
    unsigned connections, fds;
};

static bool take_connections(void *arg, struct keel_message *message)
{
    struct taken *taken = arg;
    if (message->type != KEEL_MSG_CONNECTIONS)
        return false;
    taken->connections++;
    for (unsigned i = 0; i < message->fd_count; i++) {
        close(message->fds[i]);
        message->fds[i] = -1;
        taken->fds++;
    }
    return true;
}

/* Messages that were sent and not read, and those that still wait for room, are taken back; the
 * others arrive in their order. */
START_TEST(taken_back)
{
    struct keel_channel channel = {.fd = -1};
    struct taken taken = {0};
    static uint8_t big[KEEL_MESSAGE_MAX];
    uint8_t space[KEEL_MESSAGE_MAX + 16];
    int pair[2], fds[KEEL_MESSAGE_FDS], fd = dup(0);
    unsigned before = 0;
    struct keel_message m;
    loop = keel_loop_new();
    ck_assert_int_eq(keel_channel_pair(pair), 0);
    ck_assert_int_eq(keel_channel_start(&channel, loop, pair[0], NULL, NULL), 0);
    while (keel_list_empty(&channel.queue)) { /* sent, until the socket is full */
        keel_channel_send(&channel, KEEL_MSG_COMMAND, ++before, 0, big, sizeof big, NULL, 0);
        keel_channel_send(&channel, KEEL_MSG_CONNECTIONS, 0, 0, big, 4, &fd, 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        keel_channel_send(&channel, KEEL_MSG_CONNECTIONS, 0, 0, big, 4, &fd, 1);
        keel_channel_send(&channel, KEEL_MSG_COMMAND, ++before, 0, NULL, 0, &fd, 1);
    }
    keel_channel_take_back(&channel, pair[1], take_connections, &taken);
    ck_assert_uint_eq(taken.connections, before);
    ck_assert_uint_eq(taken.fds, before);
    for (unsigned i = 1; i <= before; i++) {
        while (keel_channel_receive(pair[1], &m, space, fds) == 0)
            keel_channel_flush(&channel, 0);
        ck_assert_uint_eq(m.type, KEEL_MSG_COMMAND);
        ck_assert_uint_eq(m.a, i);
        for (unsigned k = 0; k < m.fd_count; k++)
            close(fds[k]);
    }
    keel_channel_flush(&channel, 0);
    ck_assert(keel_list_empty(&channel.queue));
    keel_channel_stop(&channel);
    close(pair[1]);
    close(fd);
    keel_loop_free(loop);
}
END_TEST

Suite *channel_suite(void);
Suite *channel_suite(void)
{
    Suite *suite = suite_create("channel");
    TCase *tc = tcase_create("channel");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, in_order_also_when_full);
    tcase_add_test(tc, what_was_not_read);
    tcase_add_test(tc, a_short_packet_is_harmless);
    tcase_add_test(tc, taken_back);
    suite_add_tcase(suite, tc);
    return suite;
}
