/*
 * Requests of a worker to a keeper that comes and goes: each gets one reply, what comes while there
 * is none is held, and what was sent to one that died is not promised.
 */
#include "common/base/mem.h"
#include "common/service/host.h"
#include "dnsd/serve/requests.h"
#include "dnsd/wire/message.h"
#include "fake_keeper.h"
#include "suites.h"
#include "support.h"

static struct keel_loop *loop;
static struct keel_host *host;
static struct dns_requests requests;
static struct fake_keeper keeper;

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    dns_requests_init(&requests, instance);
    return 0;
}

static void stop(struct keel_instance *instance)
{
    dns_requests_fini(&requests);
}

static void on_helper(struct keel_instance *instance, unsigned helper, bool up)
{
    if (up)
        dns_requests_up(&requests);
    else
        dns_requests_down(&requests);
}

static void on_helper_message(struct keel_instance *instance, unsigned helper,
                              struct keel_message *message)
{
    dns_requests_message(&requests, message);
}

static const struct keel_protocol protocol = {
    KEEL_PROTOCOL, .name = "test",         .start = start,
    .stop = stop,  .on_helper = on_helper, .on_helper_message = on_helper_message,
};

static void keeper_comes(void)
{
    fake_keeper_join(&keeper, host, loop);
}

static void keeper_dies(void)
{
    fake_keeper_die(&keeper);
}

static uint32_t get(uint8_t *bytes, size_t *size)
{
    return fake_keeper_get(&keeper, bytes, size);
}

static void reply(uint32_t number, unsigned rcode)
{
    fake_keeper_reply(&keeper, number, rcode);
}

static void setup(void)
{
    struct keel_diag diag = {""};
    keeper.fd = -1;
    loop = keel_loop_new();
    const struct keel_host_options options = {.loop = loop,
                                              .protocol = &protocol,
                                              .state_dir = "/",
                                              .workers = 1,
                                              .peers = 1,
                                              .active = true};
    ck_assert_msg(keel_host_new(&options, &host, &diag) == 0, "%s", diag.text);
}

static void teardown(void)
{
    fake_keeper_fini(&keeper);
    keel_host_free(host);
    keel_loop_free(loop);
}

/* --- a client, and what it was told --- */

struct client {
    struct dns_request request;
    unsigned replies, rcode;
};

static void on_reply(struct dns_request *request, unsigned rcode, struct keel_message *message)
{
    struct client *client = KEEL_CONTAINER(request, struct client, request);
    client->replies++;
    client->rcode = rcode;
}

static int ask(struct client *client, const void *bytes, size_t size)
{
    struct dns_name apex = support_name("z");
    if (client)
        *client = (struct client){.request.on_reply = on_reply};
    return dns_requests_send(&requests, client ? &client->request : NULL, DNS_MSG_UPDATE, &apex,
                             &support_peer, bytes, size);
}

static uint8_t got[UINT16_MAX];
static size_t got_size;

START_TEST(carries_both_ways)
{
    static const size_t sizes[] = {0, 1, KEEL_MESSAGE_MAX, UINT16_MAX};
    static uint8_t bytes[UINT16_MAX];
    struct client client;
    memset(bytes, 'x', sizeof bytes);
    keeper_comes();
    ck_assert_int_eq(ask(&client, bytes, sizes[_i]), 0);
    uint32_t number = get(got, &got_size);
    ck_assert_uint_ne(number, 0);
    ck_assert_uint_eq(got_size, sizes[_i]);
    ck_assert_mem_eq(got, bytes, got_size);
    reply(number + 1, DNS_REFUSED); /* somebody else's */
    ck_assert_uint_eq(client.replies, 0);
    reply(number, DNS_YXDOMAIN);
    reply(number, DNS_REFUSED);
    ck_assert_uint_eq(client.replies, 1);
    ck_assert_uint_eq(client.rcode, DNS_YXDOMAIN);
    ck_assert_uint_eq(dns_requests_waiting(&requests), 0);
}
END_TEST

START_TEST(promises_nothing_for_the_dead)
{
    struct client sent, held;
    keeper_comes();
    ck_assert_int_eq(ask(&sent, "a", 1), 0);
    keeper_dies();
    ck_assert_uint_eq(sent.replies, 1);
    ck_assert_uint_eq(sent.rcode, DNS_SERVFAIL);
    ck_assert_int_eq(ask(&held, "b", 1), 0);
    keeper_comes(); /* and is down at once, before it has read anything */
    keeper_dies();
    ck_assert_uint_eq(held.replies, 1);
    ck_assert_uint_eq(held.rcode, DNS_SERVFAIL);
}
END_TEST

START_TEST(holds_until_it_comes)
{
    static uint8_t large[UINT16_MAX];
    struct client one, gone, three;
    ck_assert_int_eq(ask(&one, "a", 1), 0);
    ck_assert_int_eq(ask(&gone, "b", 1), 0);
    ck_assert_int_eq(ask(NULL, "c", 1), 0);
    ck_assert_int_eq(ask(&three, large, sizeof large), 0);
    dns_requests_cancel(&requests, &gone.request);
    ck_assert_uint_eq(dns_requests_waiting(&requests), 2);
    keeper_comes();
    uint32_t number = get(got, &got_size);
    ck_assert(got_size == 1 && got[0] == 'a');
    reply(number, DNS_NOERROR);
    ck_assert(get(got, &got_size) != 0 && got[0] == 'b'); /* it happens all the same */
    ck_assert(get(got, &got_size) == 0 && got_size == 1 && got[0] == 'c');
    number = get(got, &got_size);
    ck_assert_uint_eq(got_size, sizeof large);
    reply(number, DNS_NOTAUTH);
    ck_assert(one.replies == 1 && one.rcode == DNS_NOERROR);
    ck_assert(three.replies == 1 && three.rcode == DNS_NOTAUTH);
    ck_assert_uint_eq(gone.replies, 0);
}
END_TEST

START_TEST(holds_for_a_while_only)
{
    struct client client;
    ck_assert_int_eq(ask(&client, "a", 1), 0);
    uint64_t began = keel_clock_monotonic();
    while (client.replies == 0 && keel_clock_monotonic() - began < 20 * KEEL_NS_PER_S)
        keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert(client.replies == 1 && client.rcode == DNS_SERVFAIL);
    ck_assert_uint_ge(keel_clock_monotonic() - began, KEEL_NS_PER_S);
    keeper_comes();
    ck_assert_uint_eq(get(got, &got_size), 0);
    ck_assert_uint_eq(got_size, 0);
}
END_TEST

START_TEST(holds_only_so_much)
{
    static uint8_t large[UINT16_MAX];
    struct client client;
    size_t most = DNS_REQUESTS_HELD_BYTES / sizeof large, n = 0;
    while (n <= most && ask(NULL, large, sizeof large) == 0)
        n++;
    ck_assert_uint_gt(n, most / 2);
    ck_assert_uint_le(n, most);
    ck_assert_int_eq(ask(&client, large, sizeof large), KEEL_ELIMIT);
    ck_assert_uint_eq(client.replies, 0);
    ck_assert_uint_eq(dns_requests_waiting(&requests), 0);
}
END_TEST

START_TEST(answers_all_at_the_end)
{
    struct client sent, held;
    keeper_comes();
    ck_assert_int_eq(ask(&sent, "a", 1), 0);
    fake_keeper_fini(&keeper);
    ck_assert_int_eq(ask(&held, "b", 1), 0); /* nobody has told us of its end yet */
    keel_host_free(host);
    host = NULL;
    ck_assert(sent.replies == 1 && sent.rcode == DNS_SERVFAIL);
    ck_assert(held.replies == 1 && held.rcode == DNS_SERVFAIL);
}
END_TEST

Suite *requests_suite(void)
{
    Suite *s = suite_create("dnsd/serve/requests");
    TCase *t = tcase_create("requests");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, carries_both_ways, 0, 4);
    tcase_add_test(t, promises_nothing_for_the_dead);
    tcase_add_test(t, holds_until_it_comes);
    tcase_add_test(t, holds_for_a_while_only);
    tcase_add_test(t, holds_only_so_much);
    tcase_add_test(t, answers_all_at_the_end);
    suite_add_tcase(s, t);
    return s;
}
