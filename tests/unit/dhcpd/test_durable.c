#include "common/base/mem.h"
#include "dhcpd/serve/durable.h"
#include "dhcpd/serve/follow.h"
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
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    ck_assert_int_eq(s->get(s, example.address, &lease), KEEL_ENOENT);
    ck_assert_int_eq(s->find(s, &example.client, &address), KEEL_ENOENT);
    ck_assert_int_eq(s->put(s, &example), 0);
    ck_assert_int_eq(s->find(s, &example.client, &address), 0);
    ck_assert_int_eq(s->get(s, example.address, &lease), 0);
    ck_assert_mem_eq(lease.hostname.p, "host", 4);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    /* another process sees it */
    struct keel_diag diag;
    dhcp_durable_close(&d);
    ck_assert_int_eq(dhcp_durable_open(&d, path, &diag), 0);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    ck_assert_int_eq(s->find(s, &example.client, &address), 0);
    ck_assert_uint_eq(address, example.address);
    keel_store_read_end(d.env);
}
END_TEST

/* What the store that opens it next finds by the client, without having walked over it. */
static uint32_t found_again(void)
{
    struct keel_diag diag;
    uint32_t address;
    dhcp_durable_close(&d);
    ck_assert_int_eq(dhcp_durable_open(&d, path, &diag), 0);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    int err = d.store.find(&d.store, &example.client, &address);
    ck_assert(err == 0 || err == KEEL_ENOENT);
    keel_store_read_end(d.env);
    return err ? 0 : address;
}

static uint32_t found(void)
{
    uint32_t address;
    return d.store.find(&d.store, &example.client, &address) == 0 ? address : 0;
}

/* A client is found by the best of its records; what a lost batch changed is taken back. */
START_TEST(test_clients)
{
    struct dhcp_store *s = &d.store;
    struct dhcp_lease lease = example, other = example;
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    ck_assert_int_eq(s->put(s, &example), 0);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    /* it moves on: the old one is released, the new one granted later */
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    lease.state = DHCP_LEASE_RELEASED;
    ck_assert_int_eq(s->put(s, &lease), 0);
    ck_assert_uint_eq(found(), example.address);
    lease.state = DHCP_LEASE_ACTIVE;
    lease.address++;
    ck_assert_int_eq(s->put(s, &lease), 0);
    ck_assert_uint_eq(found(), example.address + 1);
    dhcp_durable_abort(&d);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    ck_assert_uint_eq(found(), example.address);
    keel_store_read_end(d.env);
    /* the same for good, without the release: what was granted last counts */
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    lease.granted++;
    ck_assert_int_eq(s->put(s, &lease), 0);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    ck_assert_uint_eq(found_again(), example.address + 1);
    /* one that is not active does not come before one that is */
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    lease.address++;
    lease.granted++;
    lease.state = DHCP_LEASE_RELEASED;
    ck_assert_int_eq(s->put(s, &lease), 0);
    ck_assert_uint_eq(found(), example.address + 1);
    /* somebody else gets the address; a lost batch gives it back */
    other.client.identity.p = (const uint8_t *)"\1no";
    other.address = example.address + 1;
    ck_assert_int_eq(s->put(s, &other), 0);
    ck_assert_uint_eq(found(), 0);
    ck_assert_int_eq(s->del(s, other.address), 0);
    dhcp_durable_abort(&d);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    ck_assert_uint_eq(found(), example.address + 1);
    keel_store_read_end(d.env);
    /* what was declined names no client */
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    other.client.identity.n = 0;
    other.state = DHCP_LEASE_DECLINED;
    ck_assert_int_eq(s->put(s, &other), 0);
    ck_assert_int_eq(s->put(s, &other), 0);
    ck_assert_uint_eq(found(), 0);
    ck_assert_int_eq(s->del(s, other.address), 0);
    ck_assert_int_eq(s->del(s, other.address), 0);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    ck_assert_uint_eq(found_again(), example.address);
}
END_TEST

/* A store from the time when the index was a table: its room comes back. */
START_TEST(test_old_table)
{
    struct keel_store_table *clients;
    struct keel_diag diag;
    ck_assert_int_eq(keel_store_table(d.env, "client", false, &clients, &diag), 0);
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    ck_assert_int_eq(d.store.put(&d.store, &example), 0);
    ck_assert_int_eq(
        keel_store_put(clients, (struct keel_bytes){"x", 1}, (struct keel_bytes){"y", 1}), 0);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    ck_assert_uint_eq(found_again(), example.address);
    ck_assert_int_eq(keel_store_table(d.env, "client", false, &clients, &diag), 0);
    ck_assert_uint_eq(keel_store_count(clients), 0);
}
END_TEST

START_TEST(test_walk)
{
    struct dhcp_store *s = &d.store;
    struct dhcp_lease lease = example;
    struct seen seen = {0};
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
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
    dhcp_durable_abort(&d);
}
END_TEST

#define CLIENTS 5
#define ADDRESSES 8

/* The record by which the client is found; its address is 0: none. */
static struct dhcp_lease best_of(const char *client)
{
    struct dhcp_client c = example.client;
    struct dhcp_lease lease = {.address = 0};
    uint32_t address;
    c.identity.p = (const uint8_t *)client;
    if (d.store.find(&d.store, &c, &address) == 0) {
        ck_assert_int_eq(d.store.get(&d.store, address, &lease), 0);
        ck_assert(dhcp_client_equal(&lease.client, &c));
    }
    return lease;
}

/* Any change of any address: it goes from client to client, is released, declined, deleted. */
static void change_something(struct keel_prng *prng, char clients[][4], uint64_t now)
{
    struct dhcp_lease lease = example;
    unsigned client = keel_prng_below(prng, CLIENTS);
    lease.address = 1 + keel_prng_below(prng, ADDRESSES);
    lease.granted = now;
    lease.state = (enum dhcp_lease_state)(1 + keel_prng_below(prng, 4));
    lease.client.identity.p = (const uint8_t *)clients[client];
    if (lease.state == DHCP_LEASE_DECLINED)
        lease.client.identity.n = 0;
    if (keel_prng_below(prng, 8) == 0)
        ck_assert_int_eq(d.store.del(&d.store, lease.address), 0);
    else
        ck_assert_int_eq(d.store.put(&d.store, &lease), 0);
}

/* Whatever a batch did that is lost: who was found before is found again, by no worse a record. */
START_TEST(test_lost_batches)
{
    char clients[CLIENTS][4] = {"\1aa", "\1bb", "\1cc", "\1dd", "\1ee"};
    struct keel_prng prng;
    struct dhcp_lease before[CLIENTS];
    keel_prng_seed(&prng, (uint64_t)_i);
    for (unsigned round = 0; round < 60; round++) {
        ck_assert_int_eq(dhcp_durable_begin(&d), 0);
        for (unsigned c = 0; c < CLIENTS; c++) {
            before[c] = best_of(clients[c]);
            before[c].client.identity.p = NULL;
        }
        for (unsigned n = 1 + keel_prng_below(&prng, 6); n > 0; n--)
            change_something(&prng, clients, round);
        if (keel_prng_below(&prng, 2)) {
            ck_assert_int_eq(dhcp_durable_end(&d), 0);
            continue;
        }
        dhcp_durable_abort(&d);
        ck_assert_int_eq(keel_store_read(d.env), 0);
        for (unsigned c = 0; c < CLIENTS; c++) {
            struct dhcp_lease after = best_of(clients[c]);
            bool active = before[c].state == DHCP_LEASE_ACTIVE;
            ck_assert(!before[c].address || after.address);
            ck_assert(!active || after.state == DHCP_LEASE_ACTIVE);
            ck_assert(after.state != before[c].state || after.granted >= before[c].granted);
        }
        keel_store_read_end(d.env);
    }
}
END_TEST

/* Memory runs out at each allocation of two changes: the batch has both or none, and who had what
 * before is found as before. */
START_TEST(test_no_memory)
{
    struct dhcp_store *s = &d.store;
    struct dhcp_lease moved = example, other = example, lease;
    int first, second, end;
    ck_assert_int_eq(dhcp_durable_begin(&d), 0);
    ck_assert_int_eq(s->put(s, &example), 0);
    ck_assert_int_eq(dhcp_durable_end(&d), 0);
    moved.address++;
    moved.granted++;
    other.client.identity.p = (const uint8_t *)"\1no";
    other.address += 2;
    for (unsigned n = 1;; n++) {
        keel_free(d.changes); /* as at the start */
        d.changes = NULL;
        d.change_capacity = 0;
        ck_assert_int_eq(dhcp_durable_begin(&d), 0);
        keel_mem_fail_at(n);
        first = s->put(s, &moved);
        second = s->put(s, &other);
        keel_mem_fail_at(0);
        end = dhcp_durable_end(&d);
        if (first == 0 && second == 0)
            break;
        ck_assert_int_eq(end, KEEL_ENOMEM);
        ck_assert_int_eq(keel_store_read(d.env), 0);
        ck_assert_int_eq(s->get(s, moved.address, &lease), KEEL_ENOENT);
        ck_assert_int_eq(s->get(s, other.address, &lease), KEEL_ENOENT);
        ck_assert_uint_eq(found(), example.address);
        keel_store_read_end(d.env);
    }
    ck_assert_int_eq(end, 0);
    ck_assert_int_eq(keel_store_read(d.env), 0);
    ck_assert_uint_eq(found(), moved.address);
    keel_store_read_end(d.env);
}
END_TEST

/* Nobody is told of what was lost, also when the store cannot even be read. */
START_TEST(test_lost_events)
{
    struct dhcp_follow follow = {.written = 2};
    ck_assert_int_eq(dhcp_events_init(&follow.events, 4), 0);
    follow.events.count = 2;
    ck_assert_int_eq(dhcp_durable_begin(&d), 0); /* nor can it be read now */
    dhcp_follow_lost(&follow, NULL, d.env);
    ck_assert_uint_eq(follow.events.count, 0);
    ck_assert_uint_eq(follow.written, 0);
    dhcp_durable_abort(&d);
    dhcp_events_fini(&follow.events);
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
    tcase_add_test(t, test_clients);
    tcase_add_test(t, test_old_table);
    tcase_add_test(t, test_walk);
    tcase_add_loop_test(t, test_lost_batches, 0, 20);
    tcase_add_test(t, test_no_memory);
    tcase_add_test(t, test_lost_events);
    tcase_add_test(t, test_one_owner);
    suite_add_tcase(s, t);
    return s;
}
