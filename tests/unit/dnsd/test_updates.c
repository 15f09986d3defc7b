/*
 * UPDATE over a connection, with the keeper in our hands: what comes behind it waits, nobody is
 * idle who waits for us, and a keeper that dies is an answer too.
 */
#include "common/base/mem.h"
#include "dnsd/serve/serve.h"
#include "dnsd/serve/settings.h"
#include "dnsd/serve/tcp.h"
#include "dnsd/wire/type.h"
#include "fake_keeper.h"
#include "suites.h"
#include "support.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ZONE "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
#define IDLE (300 * KEEL_NS_PER_MS)

static struct keel_loop *loop;
static struct keel_host *host;
static struct keel_metrics metrics;
static struct dns_settings settings;
static struct fake_keeper keeper;
static int client;

static const struct keel_endpoint endpoint = {.kind = KEEL_ENDPOINT_TCP};

static void setup(void)
{
    const struct keel_protocol protocol = {
        KEEL_PROTOCOL,
        .name = "test",
        .start = dns_serve_start,
        .stop = dns_serve_stop,
        .connection_size = dns_tcp_connection_size,
        .stream = &dns_tcp_stream,
        .on_connect = dns_tcp_connect,
        .on_helper = dns_serve_on_helper,
        .on_helper_message = dns_serve_on_helper_message,
    };
    static struct keel_protocol kept;
    struct keel_diag diag = {""};
    int fds[2];
    kept = protocol;
    keeper.fd = -1;
    loop = keel_loop_new();
    settings = (struct dns_settings){.udp_size = DNS_UDP_SIZE, .tcp_idle_ns = IDLE};
    support_zones_init(&settings.zones);
    support_serve(&settings.zones, "z", ZONE);
    settings.zones.items[0]->allow_update.any = true;
    settings.zones.items[0]->allow_query.any = true;
    ck_assert_int_eq(keel_metrics_new_private(dns_metrics, &metrics), 0);
    const struct keel_host_options options = {.loop = loop,
                                              .protocol = &kept,
                                              .settings = &settings,
                                              .endpoints = &endpoint,
                                              .endpoint_count = 1,
                                              .state_dir = "/",
                                              .workers = 1,
                                              .metrics = metrics,
                                              .peers = 1,
                                              .active = true};
    ck_assert_msg(keel_host_new(&options, &host, &diag) == 0, "%s", diag.text);
    fake_keeper_join(&keeper, host, loop);
    keel_instance_ready(keel_host_instance(host));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    keel_host_take_connection(host, 0, fds[0]);
    client = fds[1];
}

static void teardown(void)
{
    close(client);
    keel_host_free(host);
    fake_keeper_fini(&keeper);
    keel_metrics_free_private(&metrics);
    dns_zones_fini(&settings.zones);
    keel_loop_free(loop);
}

static void turn_for(uint64_t ns)
{
    uint64_t until = keel_clock_monotonic() + ns;
    do
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    while (keel_clock_monotonic() < until);
}

static void say(const void *bytes, size_t size)
{
    ck_assert_int_eq(write(client, bytes, size), (ssize_t)size);
    turn_for(0);
    turn_for(0);
}

/* An UPDATE that changes nothing, and a question behind it. */
static void ask(void)
{
    uint8_t bytes[600] = {0, 15,  0, 1, DNS_OPCODE_UPDATE << 3, 0, 0,           1, 0, 0, 0, 0, 0, 0,
                          1, 'z', 0, 0, DNS_TYPE_SOA,           0, DNS_CLASS_IN};
    keel_put_u16(bytes, 12 + 3 + 4);
    size_t n = support_query(bytes + 23, 512, "ns.z", DNS_TYPE_A, 0);
    keel_put_u16(bytes + 21, (uint16_t)n);
    say(bytes, 23 + n);
}

/* The rcodes of the answers that came, most significant first; KEEL_EOF: the connection ended. */
static int heard(void)
{
    uint8_t bytes[4096];
    int rcodes = 0;
    ssize_t n = read(client, bytes, sizeof bytes);
    ck_assert(n >= 0 || errno == EAGAIN);
    if (n == 0)
        return KEEL_EOF;
    for (ssize_t at = 0; at < n; at += 2 + keel_get_u16(bytes + at))
        rcodes = rcodes << 8 | 0x80 | (bytes[at + 5] & 15);
    return rcodes;
}

static uint8_t got[UINT16_MAX];
static size_t got_size;

START_TEST(what_is_behind_waits)
{
    ask();
    uint32_t number = fake_keeper_get(&keeper, got, &got_size);
    ck_assert(number != 0 && got_size == 19);
    ck_assert_int_eq(heard(), 0);
    fake_keeper_reply(&keeper, number, DNS_YXDOMAIN);
    ck_assert_int_eq(heard(), (0x80 | DNS_YXDOMAIN) << 8 | 0x80 | DNS_NOERROR);
}
END_TEST

START_TEST(who_waits_for_us_is_not_idle)
{
    ask();
    uint32_t number = fake_keeper_get(&keeper, got, &got_size);
    turn_for(4 * IDLE);
    ck_assert_int_eq(heard(), 0);
    fake_keeper_reply(&keeper, number, DNS_NOERROR);
    ck_assert_int_eq(heard(), 0x8080);
    for (int i = 0; i < 100 && heard() != KEEL_EOF; i++)
        turn_for(IDLE);
    ck_assert_int_eq(heard(), KEEL_EOF); /* and now it is */
}
END_TEST

START_TEST(a_dead_keeper_is_an_answer)
{
    ask();
    fake_keeper_die(&keeper);
    ck_assert_int_eq(heard(), (0x80 | DNS_SERVFAIL) << 8 | 0x80 | DNS_NOERROR);
    ask(); /* held for the next one */
    ck_assert_int_eq(heard(), 0);
    fake_keeper_join(&keeper, host, loop);
    fake_keeper_reply(&keeper, fake_keeper_get(&keeper, got, &got_size), DNS_NOERROR);
    ck_assert_int_eq(heard(), 0x8080);
}
END_TEST

START_TEST(a_client_may_go)
{
    ask();
    uint32_t number = fake_keeper_get(&keeper, got, &got_size);
    shutdown(client, SHUT_RDWR);
    turn_for(0);
    fake_keeper_reply(&keeper, number, DNS_NOERROR);
    turn_for(0);
}
END_TEST

Suite *updates_suite(void)
{
    Suite *s = suite_create("dnsd/serve/updates");
    TCase *t = tcase_create("updates");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_behind_waits);
    tcase_add_test(t, who_waits_for_us_is_not_idle);
    tcase_add_test(t, a_dead_keeper_is_an_answer);
    tcase_add_test(t, a_client_may_go);
    suite_add_tcase(s, t);
    return s;
}
