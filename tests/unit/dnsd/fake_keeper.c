#include "fake_keeper.h"

#include "common/service/channel.h"
#include "dnsd/serve/messages.h"

#include <check.h>
#include <sys/stat.h>
#include <unistd.h>

static void turn(const struct fake_keeper *keeper)
{
    for (int i = 0; i < 5; i++)
        keel_loop_turn(keeper->loop, 0);
}

void fake_keeper_join(struct fake_keeper *keeper, struct keel_host *host, struct keel_loop *loop)
{
    int fds[2];
    ck_assert_int_eq(keel_channel_pair(fds), 0);
    ck_assert_int_eq(keel_host_peer(host, 0, fds[0]), 0);
    keeper->fd = fds[1];
    keeper->loop = loop;
    turn(keeper);
}

void fake_keeper_fini(struct fake_keeper *keeper)
{
    if (keeper->fd >= 0)
        close(keeper->fd);
    keeper->fd = -1;
}

void fake_keeper_die(struct fake_keeper *keeper)
{
    fake_keeper_fini(keeper);
    turn(keeper);
}

uint32_t fake_keeper_get(struct fake_keeper *keeper, uint8_t *bytes, size_t *size)
{
    static _Alignas(8) uint8_t space[KEEL_MESSAGE_MAX + 16];
    int fds[KEEL_MESSAGE_FDS];
    struct keel_message message;
    struct dns_msg_request head;
    struct stat st;
    *size = 0;
    if (keel_channel_receive(keeper->fd, &message, space, fds) != 1)
        return 0;
    ck_assert_uint_eq(message.type, DNS_MSG_UPDATE);
    memcpy(&head, message.bytes, sizeof head);
    ck_assert_uint_eq(head.apex_size, 3);
    size_t at = sizeof head + head.apex_size;
    if (head.in_memory) {
        ck_assert_uint_eq(message.fd_count, 1);
        ck_assert_int_eq(fstat(fds[0], &st), 0);
        *size = (size_t)st.st_size;
        ck_assert_int_eq(pread(fds[0], bytes, *size, 0), st.st_size);
        close(fds[0]);
    } else {
        *size = message.size - at;
        memcpy(bytes, message.bytes + at, *size);
    }
    return message.a;
}

void fake_keeper_reply(struct fake_keeper *keeper, uint32_t number, unsigned rcode)
{
    struct keel_loop *other = keel_loop_new();
    struct keel_channel channel;
    int fd = dup(keeper->fd);
    ck_assert_int_eq(keel_channel_start(&channel, other, fd, NULL, NULL), 0);
    ck_assert_int_eq(keel_channel_send(&channel, DNS_MSG_REPLY, number, rcode, NULL, 0, NULL, 0),
                     0);
    keel_channel_stop(&channel);
    keel_loop_free(other);
    turn(keeper);
}
