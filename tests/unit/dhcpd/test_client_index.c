#include "dhcpd/lease/client_index.h"

#include "common/base/mem.h"
#include "tests/support/dhcp_memory_store.h"
#include "tests/unit/dhcpd/suites.h"

static struct memory_store store;
static struct dhcp_client_index clients;

static void setup(void)
{
    memory_store_init(&store);
    dhcp_client_index_init(&clients, &store.store);
}
static void teardown(void)
{
    dhcp_client_index_fini(&clients);
}

/* The record of a client, by the last octet of its identifier. */
static struct dhcp_lease lease_of(uint8_t client, uint32_t address, enum dhcp_lease_state state,
                                  uint64_t granted)
{
    static uint8_t identities[256][2];
    identities[client][1] = client;
    return (struct dhcp_lease){.address = address,
                               .state = state,
                               .granted = granted,
                               .client = {0xc0000200, 24, {identities[client], 2}}};
}

static uint32_t note(const struct dhcp_lease *lease)
{
    uint32_t replaced;
    ck_assert_int_eq(store.store.put(&store.store, lease), 0);
    ck_assert_int_eq(dhcp_client_index_note(&clients, lease, &replaced), 0);
    return replaced;
}

static uint32_t found(const struct dhcp_lease *lease)
{
    uint32_t address;
    int err = dhcp_client_index_find(&clients, &lease->client, &address);
    ck_assert(err == 0 || (err == KEEL_ENOENT && address == 0));
    return address;
}

/* Again and again, since each index has a secret of its own, and so other clients side by side. */
START_TEST(test_best)
{
    struct dhcp_lease a = lease_of(1, 10, DHCP_LEASE_ACTIVE, 5),
                      b = lease_of(1, 11, DHCP_LEASE_ACTIVE, 5),
                      c = lease_of(1, 12, DHCP_LEASE_RELEASED, 9),
                      d = lease_of(1, 13, DHCP_LEASE_ACTIVE, 4);
    ck_assert_uint_eq(found(&a), 0);
    ck_assert_uint_eq(note(&a), 0);
    ck_assert_uint_eq(note(&a), 0);
    ck_assert_uint_eq(found(&a), 10);
    ck_assert_uint_eq(note(&b), 10); /* as late, and said later */
    ck_assert_uint_eq(note(&c), 0);  /* not active */
    ck_assert_uint_eq(note(&d), 0);  /* granted before */
    ck_assert_uint_eq(found(&a), 11);
    ck_assert_uint_eq(clients.table.count, 1);
    /* another subnet is another client */
    struct dhcp_lease other = b;
    other.client.length = 25;
    ck_assert_uint_eq(found(&other), 0);
    /* what the store does not say is not believed */
    struct dhcp_lease taken = lease_of(2, 11, DHCP_LEASE_ACTIVE, 6);
    ck_assert_uint_eq(note(&taken), 0);
    ck_assert_uint_eq(found(&a), 0);
    ck_assert_uint_eq(found(&taken), 11);
    dhcp_client_index_forget(&clients, dhcp_client_index_hash(&clients, &taken.client), 12);
    ck_assert_uint_eq(found(&taken), 11);
    dhcp_client_index_forget(&clients, dhcp_client_index_hash(&clients, &taken.client), 11);
    ck_assert_uint_eq(found(&taken), 0);
}
END_TEST

/* Many clients that move about: each is found where it was last, in one entry. */
START_TEST(test_many)
{
    uint32_t at[200] = {0};
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t client = (uint8_t)(i * 7 % 200);
        struct dhcp_lease lease =
            lease_of(client, 1000 + i % 2 * 200 + client, DHCP_LEASE_ACTIVE, 100 + i);
        ck_assert_uint_eq(note(&lease), at[client] == lease.address ? 0 : at[client]);
        at[client] = lease.address;
    }
    ck_assert_uint_eq(clients.table.count, 200);
    for (unsigned client = 0; client < 200; client++) {
        struct dhcp_lease lease = lease_of((uint8_t)client, 0, DHCP_LEASE_ACTIVE, 0);
        ck_assert_uint_eq(found(&lease), at[client]);
    }
}
END_TEST

START_TEST(test_no_memory)
{
    for (uint8_t client = 0; client < 100; client++) {
        struct dhcp_lease lease = lease_of(client, 500u + client, DHCP_LEASE_ACTIVE, 1);
        uint32_t replaced;
        ck_assert_int_eq(store.store.put(&store.store, &lease), 0);
        keel_mem_fail_at(1);
        int err = dhcp_client_index_note(&clients, &lease, &replaced);
        keel_mem_fail_at(0);
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        ck_assert_uint_eq(found(&lease), err ? 0 : lease.address);
        ck_assert_int_eq(dhcp_client_index_note(&clients, &lease, &replaced), 0);
        ck_assert_uint_eq(found(&lease), lease.address);
    }
}
END_TEST

Suite *client_index_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/client_index");
    TCase *t = tcase_create("client_index");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_best, 0, 32);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
