#include "dhcpd/serve/durable.h"
#include "tests/unit/dhcpd/suites.h"

#include <stdio.h>
#include <unistd.h>

static char folder[64], path[128];
static struct dhcp_durable d;

static void setup(void)
{
    struct keel_diag diag;
    snprintf(folder, sizeof folder, "/tmp/keel-durable-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/leases", folder);
    ck_assert_msg(dhcp_durable_open(&d, path, &diag) == 0, "%s", diag.text);
}
static void teardown(void)
{
    char command[160];
    dhcp_durable_close(&d);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static const struct dhcp_lease example = {
    .address = 0xc0000264,
    .state = DHCP_LEASE_ACTIVE,
    .granted = 1,
    .expires = 2,
    .hlen = 6,
    .client = {0xc0000200, 24, {(const uint8_t *)"\1id", 3}},
    .hostname = {(const uint8_t *)"host", 4},
};

struct seen {
    uint32_t leases, unreadable;
};
static int count_and_stop(void *arg, uint32_t address, const struct dhcp_lease *lease)
{
    struct seen *seen = arg;
    seen->leases += lease != NULL;
    seen->unreadable += !lease;
    ck_assert(!lease || lease->address == address);
    return address == 3 ? 7 : 0;
}

START_TEST(test_tables)
{
    struct dhcp_store *s = &d.store;
    struct dhcp_lease lease;
    uint32_t address;
    ck_assert_int_eq(keel_store_begin(d.env), 0);
    ck_assert_int_eq(s->get(s, example.address, &lease), KEEL_ENOENT);
    ck_assert_int_eq(s->find(s, &example.client, &address), KEEL_ENOENT);
    ck_assert_int_eq(s->unbind(s, &example.client), 0);
    ck_assert_int_eq(s->put(s, &example), 0);
    ck_assert_int_eq(s->bind(s, &example.client, example.address), 0);
    ck_assert_int_eq(s->get(s, example.address, &lease), 0);
    ck_assert_mem_eq(lease.hostname.p, "host", 4);
    ck_assert_int_eq(keel_store_commit(d.env), 0);
    /* another process sees it */
    struct keel_diag diag;
    dhcp_durable_close(&d);
    ck_assert_int_eq(dhcp_durable_open(&d, path, &diag), 0);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    ck_assert_int_eq(s->find(s, &example.client, &address), 0);
    ck_assert_uint_eq(address, example.address);
    keel_store_read_end(d.env);
    ck_assert_int_eq(keel_store_begin(d.env), 0);
    /* an entry that cannot be read costs a client its address, never the service */
    uint8_t client[DHCP_CLIENT_KEY_MAX];
    struct keel_bytes k = {client, dhcp_client_key(&example.client, client)};
    ck_assert_int_eq(keel_store_put(d.clients, k, (struct keel_bytes){"x", 1}), 0);
    ck_assert_int_eq(s->find(s, &example.client, &address), KEEL_ENOENT);
    ck_assert_int_eq(s->unbind(s, &example.client), 0);
    ck_assert_int_eq(s->find(s, &example.client, &address), KEEL_ENOENT);
    keel_store_abort(d.env);
}
END_TEST

START_TEST(test_walk)
{
    struct dhcp_store *s = &d.store;
    struct dhcp_lease lease = example;
    struct seen seen = {0};
    ck_assert_int_eq(keel_store_begin(d.env), 0);
    for (lease.address = 1; lease.address < 6; lease.address++)
        ck_assert_int_eq(s->put(s, &lease), 0);
    /* one that is no lease, and one under another's address */
    uint32_t key = 2, other = 9;
    uint8_t record[DHCP_LEASE_MAX];
    ck_assert_int_eq(
        keel_store_put(d.leases, (struct keel_bytes){&key, 4}, (struct keel_bytes){"what", 4}), 0);
    size_t size = dhcp_lease_encode(&example, record);
    ck_assert_int_eq(
        keel_store_put(d.leases, (struct keel_bytes){&other, 4}, (struct keel_bytes){record, size}),
        0);
    ck_assert_int_eq(s->get(s, 2, &lease), KEEL_EINVAL);
    ck_assert_int_eq(s->each(s, count_and_stop, &seen), 7);
    ck_assert_uint_eq(seen.leases, 2);
    ck_assert_uint_eq(seen.unreadable, 1);
    ck_assert_int_eq(dhcp_durable_each(&d, 4, count_and_stop, &seen), 0);
    ck_assert_uint_eq(seen.leases, 4);
    ck_assert_uint_eq(seen.unreadable, 2);
    ck_assert_int_eq(s->get(s, 9, &lease), KEEL_EINVAL);
    keel_store_abort(d.env);
}
END_TEST

START_TEST(test_one_owner)
{
    struct dhcp_durable second;
    struct keel_diag diag;
    ck_assert_int_eq(dhcp_durable_open(&second, path, &diag), KEEL_EBUSY);
}
END_TEST

Suite *durable_suite(void)
{
    Suite *s = suite_create("dhcpd/serve/durable");
    TCase *t = tcase_create("durable");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_tables);
    tcase_add_test(t, test_walk);
    tcase_add_test(t, test_one_owner);
    suite_add_tcase(s, t);
    return s;
}
