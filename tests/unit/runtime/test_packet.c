#include "common/runtime/packet.h"

#include "common/base/wire.h"
#include "tests/unit/runtime/suites.h"

#include <errno.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- frames ---------------------------------------------------------------------------------- */

static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 1}, server_mac[6] = {2, 0, 0, 0, 0, 0xfe};

static struct keel_udp_frame sample(const void *payload, size_t size)
{
    struct keel_udp_frame f = {.payload = payload, .size = size};
    memcpy(f.destination, client_mac, 6);
    memcpy(f.source, server_mac, 6);
    keel_addr_set4(&f.from, 0xc0000201, 67);
    keel_addr_set4(&f.to, 0xc0000264, 68);
    return f;
}

/* Made by an independent program. The last one's checksum would be 0, which means "none". */
static const struct {
    const char *payload, *hex;
} vectors[] = {
    {"", "0200000000010200000000fe08004500001c000000004011f66bc0000201c00002640043004400087af1"},
    {"a", "0200000000010200000000fe08004500001d000000004011f66ac0000201c000026400430044000919ef61"},
    {"ab", "0200000000010200000000fe08004500001e000000004011f669c0000201c000026400430044000a198b"
           "6162"},
    {"z\xed", "0200000000010200000000fe08004500001e000000004011f669c0000201c000026400430044000a"
              "ffff7aed"},
};

START_TEST(frames_are_built_to_the_byte)
{
    uint8_t out[128], expected[128];
    struct keel_udp_frame f = sample(vectors[_i].payload, strlen(vectors[_i].payload)), back;
    int size = keel_parse_hex(keel_str(vectors[_i].hex), expected, sizeof expected);
    ck_assert_int_eq(keel_udp_frame_build(&f, out, sizeof out), size);
    ck_assert_mem_eq(out, expected, (size_t)size);
    ck_assert_int_eq(keel_udp_frame_build(&f, out, (size_t)size), size);
    ck_assert_int_eq(keel_udp_frame_build(&f, out, (size_t)size - 1), KEEL_ENOSPC);
    ck_assert_int_eq(keel_udp_frame_parse(&back, expected, (size_t)size, false), 0);
    ck_assert_mem_eq(back.destination, client_mac, 6);
    ck_assert_mem_eq(back.source, server_mac, 6);
    ck_assert(keel_addr_equal(&back.from, &f.from));
    ck_assert(keel_addr_equal(&back.to, &f.to));
    ck_assert_uint_eq(back.ttl, 64);
    ck_assert_uint_eq(back.size, f.size);
    ck_assert_mem_eq(back.payload, f.payload, f.size);
}
END_TEST

START_TEST(what_is_no_ipv4_is_not_built)
{
    uint8_t out[128];
    struct keel_udp_frame f = sample("x", 1);
    keel_addr_any(&f.to, AF_INET6, 68);
    ck_assert_int_eq(keel_udp_frame_build(&f, out, sizeof out), KEEL_EINVAL);
    f = sample(NULL, 65508);
    ck_assert_int_eq(keel_udp_frame_build(&f, out, sizeof out), KEEL_EINVAL);
}
END_TEST

/* Byte `at` of the frame for "ab" becomes `value`; then the IPv4 checksum is made right again. */
static const struct {
    unsigned at;
    uint8_t value;
    int err;
    const char *what;
} damages[] = {
    {12, 0x86, KEEL_ENOTSUP, "another protocol on the link"},
    {14, 0x65, KEEL_EINVAL, "version 6"},
    {14, 0x44, KEEL_EINVAL, "a header of 16 bytes"},
    {14, 0x4f, KEEL_EINVAL, "a header longer than the packet"},
    {17, 0x10, KEEL_EINVAL, "a total length below the header's"},
    {17, 0x1b, KEEL_ETRUNC, "no room for the UDP header"},
    {17, 0x1f, KEEL_ETRUNC, "a total length above the frame's"},
    {20, 0x20, KEEL_ENOTSUP, "a first fragment"},
    {21, 0x01, KEEL_ENOTSUP, "a later fragment"},
    {20, 0x40, 0, "do not fragment"},
    {23, 6, KEEL_ENOTSUP, "TCP"},
    {39, 0x07, KEEL_EINVAL, "a UDP length below its header's"},
    {39, 0x0b, KEEL_ETRUNC, "a UDP length above the packet's"},
    {41, 0x8c, KEEL_EINVAL, "a wrong UDP checksum"},
    {42, 'c', KEEL_EINVAL, "a changed payload"},
};

static void mend_checksum(uint8_t *ip)
{
    uint32_t sum = 0;
    ip[10] = ip[11] = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += keel_get_u16(ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    keel_put_u16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

START_TEST(damaged_frames_are_refused)
{
    uint8_t bytes[64];
    struct keel_udp_frame back;
    int size = keel_parse_hex(keel_str(vectors[2].hex), bytes, sizeof bytes);
    bytes[damages[_i].at] = damages[_i].value;
    mend_checksum(bytes + 14);
    int err = keel_udp_frame_parse(&back, bytes, (size_t)size, false);
    ck_assert_msg(err == damages[_i].err, "%s: %d", damages[_i].what, err);
}
END_TEST

START_TEST(checksums_are_looked_at)
{
    uint8_t bytes[64];
    struct keel_udp_frame back;
    int size = keel_parse_hex(keel_str(vectors[2].hex), bytes, sizeof bytes);
    bytes[24] ^= 1; /* IPv4 */
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, (size_t)size, true), KEEL_EINVAL);
    bytes[24] ^= 1;
    bytes[40] ^= 1; /* UDP */
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, (size_t)size, false), KEEL_EINVAL);
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, (size_t)size, true), 0);
    bytes[40] = bytes[41] = 0; /* none was made */
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, (size_t)size, false), 0);
}
END_TEST

START_TEST(every_cut_is_refused_and_padding_is_not)
{
    uint8_t bytes[64] = {0};
    struct keel_udp_frame back;
    int size = keel_parse_hex(keel_str(vectors[2].hex), bytes, sizeof bytes);
    for (int n = 0; n < size; n++) {
        uint8_t *exact = malloc((size_t)n + 1); /* so that the sanitizer sees a read past it */
        memcpy(exact + 1, bytes, (size_t)n);
        ck_assert_int_eq(keel_udp_frame_parse(&back, exact + 1, (size_t)n, false), KEEL_ETRUNC);
        free(exact);
    }
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, 60, false), 0);
    ck_assert_uint_eq(back.size, 2);
}
END_TEST

START_TEST(ipv4_options_are_passed_over)
{
    uint8_t bytes[64];
    struct keel_udp_frame back;
    int size = keel_parse_hex(keel_str(vectors[2].hex), bytes, sizeof bytes);
    memmove(bytes + 38, bytes + 34, (size_t)size - 34);
    memset(bytes + 34, 1, 4); /* no operation */
    bytes[14] = 0x46;
    bytes[17] += 4;
    bytes[24] = bytes[25] = 0;
    uint32_t sum = 0;
    for (unsigned i = 14; i < 38; i += 2)
        sum += keel_get_u16(bytes + i);
    sum = (sum & 0xffff) + (sum >> 16);
    keel_put_u16(bytes + 24, (uint16_t)~sum);
    ck_assert_int_eq(keel_udp_frame_parse(&back, bytes, (size_t)size + 4, false), 0);
    ck_assert_mem_eq(back.payload, "ab", 2);
}
END_TEST

/* --- real interfaces, in a network namespace of this process -------------------------------- */

/* False where that is not permitted. */
static bool enter_namespace(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static bool ip(const char *arguments)
{
    char command[256];
    snprintf(command, sizeof command, "ip %s", arguments);
    return system(command) == 0;
}

START_TEST(interfaces_are_found)
{
    struct keel_interface lo, same;
    ck_assert_int_eq(keel_interface_by_name("lo", &lo), 0);
    ck_assert(lo.loopback);
    ck_assert_uint_eq(lo.hardware_type, ARPHRD_LOOPBACK);
    ck_assert_int_eq(keel_interface_by_index(lo.index, &same), 0);
    ck_assert_str_eq(same.name, "lo");
    ck_assert_int_eq(keel_interface_by_name("keel-none", &same), KEEL_ENOENT);
    ck_assert_int_eq(keel_interface_by_index(0, &same), KEEL_ENOENT);
    if (!enter_namespace() || !ip("link add va0 type veth peer name vb0"))
        return;
    ip("link set va0 address 02:00:00:00:00:fe mtu 1400 up");
    ip("addr add 192.0.2.1/24 dev va0");
    ip("addr add 198.51.100.1/28 dev va0 label va0:1");
    ck_assert_int_eq(keel_interface_by_name("va0", &same), 0);
    ck_assert_mem_eq(same.hardware, server_mac, 6);
    ck_assert_uint_eq(same.mtu, 1400);
    ck_assert(same.up && !same.running && !same.loopback);
    ck_assert_uint_eq(same.addr_count, 2);
    ck_assert_uint_eq(ntohl(same.addrs[0].addr.s_addr), 0xc0000201);
    ck_assert_uint_eq(same.addrs[0].prefix_length, 24);
    ck_assert_uint_eq(same.addrs[1].prefix_length, 28);
}
END_TEST

START_TEST(a_frame_crosses_a_link)
{
    struct keel_diag diag;
    struct keel_interface a, b;
    struct sock_filter filter[KEEL_UDP_FILTER_SIZE];
    uint8_t bytes[2048];
    bool unverified;
    if (!enter_namespace() || !ip("link add va0 type veth peer name vb0"))
        return;
    ip("link set va0 address 02:00:00:00:00:fe up");
    ip("link set vb0 address 02:00:00:00:00:01 up");
    for (int i = 0; i < 300; i++) { /* until the kernel has noticed that the cable is in */
        ck_assert_int_eq(keel_interface_by_name("va0", &a), 0);
        ck_assert_int_eq(keel_interface_by_name("vb0", &b), 0);
        if (a.running && b.running)
            break;
        usleep(10000);
    }
    unsigned n = keel_udp_filter(filter, 68);
    ck_assert_uint_le(n, KEEL_UDP_FILTER_SIZE);
    int receiver = keel_packet_open(b.index, filter, n, &diag);
    ck_assert_msg(receiver >= 0, "%s", diag.text);
    int sender = keel_packet_open_send(&diag);
    ck_assert_msg(sender >= 0, "%s", diag.text);
    struct keel_udp_frame f = sample("offer", 5), other = sample("other", 5), got;
    keel_addr_set_port(&other.to, 69); /* not for us */
    ck_assert_int_eq(keel_packet_send_udp(sender, a.index, &other), 0);
    ck_assert_int_eq(keel_packet_send_udp(sender, a.index, &f), 0);
    struct pollfd p = {receiver, POLLIN, 0};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ssize_t size = keel_packet_receive(receiver, bytes, sizeof bytes, &unverified);
    ck_assert_int_eq(size, KEEL_UDP_FRAME_OVERHEAD + 5);
    ck_assert_int_eq(keel_udp_frame_parse(&got, bytes, (size_t)size, unverified), 0);
    ck_assert_mem_eq(got.payload, "offer", 5);
    ck_assert_int_eq(keel_packet_receive(receiver, bytes, sizeof bytes, &unverified), KEEL_EAGAIN);
    ck_assert_int_eq(keel_packet_receive(sender, bytes, sizeof bytes, &unverified), KEEL_EAGAIN);
    ck_assert_int_eq(keel_packet_send_udp(sender, 9999, &f), KEEL_ESYS);
    ck_assert_int_eq(keel_packet_send(sender, a.index, bytes, 3), KEEL_ESYS);
    close(receiver);
    close(sender);
}
END_TEST

/* --- changes --------------------------------------------------------------------------------- */

static unsigned calls, wanted_calls, wanted_index;
static const char *wanted; /* a pair changes together: this one's calls are looked at */

static void on_change(struct keel_link_watch *watch, unsigned index, const char *name)
{
    calls++;
    if (wanted && strcmp(name, wanted) == 0) {
        wanted_calls++;
        wanted_index = index;
    }
}

static void on_change_stop(struct keel_link_watch *watch, unsigned index, const char *name)
{
    calls++;
    keel_link_watch_stop(watch);
}

/* Turns the loop until it was told of, then until it is quiet. Returns the index. */
static unsigned expect_change(struct keel_loop *loop, const char *name)
{
    wanted = name;
    wanted_calls = 0;
    for (int i = 0; i < 200 && !wanted_calls; i++)
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    ck_assert_msg(wanted_calls > 0, "%s", name);
    for (unsigned before = calls - 1; before != calls;) {
        before = calls;
        keel_loop_turn(loop, 20 * KEEL_NS_PER_MS);
    }
    return wanted_index;
}

START_TEST(links_that_come_and_go_are_told)
{
    struct keel_link_watch watch;
    if (!enter_namespace())
        return;
    struct keel_loop *loop = keel_loop_new();
    ck_assert_int_eq(keel_link_watch_start(&watch, loop, on_change), 0);
    if (!ip("link add d0 type veth peer name d1"))
        return;
    unsigned index = expect_change(loop, "d0");
    ip("addr add 192.0.2.1/24 dev d0");
    ck_assert_uint_eq(expect_change(loop, "d0"), index);
    ip("link set d0 up");
    expect_change(loop, "d0");
    ip("link del d0");
    ck_assert_uint_eq(expect_change(loop, "d0"), index); /* the last message still has its name */
    /* many at once: told one by one or as "all" */
    for (int i = 0; i < 40; i++)
        ip("link add e0 type veth peer name e1 && ip link del e0 && "
           "ip link add e0 type veth peer name e1 && ip link del e0");
    calls = 0;
    for (int i = 0; i < 20; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_uint_ge(calls, 1);
    keel_link_watch_stop(&watch);
    keel_link_watch_stop(&watch);
    ck_assert_int_eq(keel_link_watch_start(&watch, loop, on_change_stop), 0);
    ip("link set lo up");
    calls = 0;
    for (int i = 0; i < 20; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_uint_eq(calls, 1); /* stopped from inside */
    keel_loop_free(loop);
}
END_TEST

Suite *packet_suite(void)
{
    Suite *suite = suite_create("packet");
    TCase *tc = tcase_create("frame");
    tcase_add_loop_test(tc, frames_are_built_to_the_byte, 0, sizeof vectors / sizeof *vectors);
    tcase_add_test(tc, what_is_no_ipv4_is_not_built);
    tcase_add_loop_test(tc, damaged_frames_are_refused, 0, sizeof damages / sizeof *damages);
    tcase_add_test(tc, checksums_are_looked_at);
    tcase_add_test(tc, every_cut_is_refused_and_padding_is_not);
    tcase_add_test(tc, ipv4_options_are_passed_over);
    suite_add_tcase(suite, tc);
    tc = tcase_create("link");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, interfaces_are_found);
    tcase_add_test(tc, a_frame_crosses_a_link);
    tcase_add_test(tc, links_that_come_and_go_are_told);
    suite_add_tcase(suite, tc);
    return suite;
}
