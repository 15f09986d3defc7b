#include "dnsd/zone/diff.h"

#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <stdlib.h>
#include <string.h>

static struct dns_diff_record record_of(const struct dns_name *owner, uint16_t type, uint32_t ttl,
                                        const char *rdata)
{
    return (struct dns_diff_record){.owner = owner->bytes,
                                    .owner_size = owner->size,
                                    .type = type,
                                    .ttl = ttl,
                                    .rdata = (const uint8_t *)rdata,
                                    .rdata_size = (uint16_t)strlen(rdata)};
}

static int fill(struct dns_diff *diff)
{
    struct dns_name apex = support_name("example.org"), www = support_name("www.example.org");
    const struct dns_diff_record soa = record_of(&apex, DNS_TYPE_SOA, 3600, "old");
    const struct dns_diff_record a = record_of(&www, DNS_TYPE_A, 60, "abcd");
    const struct dns_diff_record newer = record_of(&apex, DNS_TYPE_SOA, 3600, "new");
    dns_diff_init(diff);
    diff->from = 0xFFFFFFFF;
    diff->to = 1;
    int err = dns_diff_delete(diff, &soa);
    if (err == 0)
        err = dns_diff_delete(diff, &a);
    return err ? err : dns_diff_add(diff, &newer);
}

START_TEST(there_and_back)
{
    struct dns_diff diff, back;
    struct dns_diff_record record;
    struct keel_buf block = {0};
    size_t offset = 0;

    ck_assert_int_eq(fill(&diff), 0);
    keel_buf_append(&block, "before", 6); /* encode appends */
    ck_assert_int_eq(dns_diff_encode(&diff, &block), 0);
    keel_buf_consume(&block, 6);
    ck_assert_int_eq(dns_diff_decode(&back, keel_buf_bytes(&block), keel_buf_size(&block)), 0);
    ck_assert_uint_eq(back.from, 0xFFFFFFFF);
    ck_assert_uint_eq(back.to, 1);
    ck_assert_uint_eq(back.deleted_count, 2);
    ck_assert_uint_eq(back.added_count, 1);
    const uint8_t *bytes = keel_buf_bytes(&back.deleted);
    ck_assert_int_eq(dns_diff_next(bytes, keel_buf_size(&back.deleted), &offset, &record), 0);
    ck_assert_uint_eq(record.type, DNS_TYPE_SOA);
    ck_assert_int_eq(dns_diff_next(bytes, keel_buf_size(&back.deleted), &offset, &record), 0);
    ck_assert_uint_eq(record.type, DNS_TYPE_A);
    ck_assert_uint_eq(record.ttl, 60);
    ck_assert_uint_eq(record.owner_size, 17);
    ck_assert_uint_eq(record.rdata_size, 4);
    ck_assert_mem_eq(record.rdata, "abcd", 4);
    ck_assert_int_eq(dns_diff_next(bytes, keel_buf_size(&back.deleted), &offset, &record),
                     KEEL_EOF);
    dns_diff_fini(&diff);
    dns_diff_fini(&back);
    keel_buf_fini(&block);
}
END_TEST

/* Cut anywhere, longer by a byte, or with another number in its head: refused, and nothing is left
 * behind. */
START_TEST(a_block_that_is_not_whole_is_refused)
{
    struct dns_diff diff, back;
    struct keel_buf block = {0};

    ck_assert_int_eq(fill(&diff), 0);
    ck_assert_int_eq(dns_diff_encode(&diff, &block), 0);
    const size_t size = keel_buf_size(&block);
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n + 1); /* of its very size, for the sanitizer */
        memcpy(cut, keel_buf_bytes(&block), n);
        ck_assert_int_eq(dns_diff_decode(&back, cut, n), KEEL_EINVAL);
        free(cut);
    }
    for (size_t i = 8; i < 32; i++) { /* counts and sizes */
        uint8_t *bytes = keel_buf_bytes(&block);
        bytes[i]++;
        ck_assert_int_eq(dns_diff_decode(&back, bytes, size), KEEL_EINVAL);
        bytes[i]--;
    }
    keel_buf_append(&block, "", 1);
    ck_assert_int_eq(dns_diff_decode(&back, keel_buf_bytes(&block), size + 1), KEEL_EINVAL);
    dns_diff_fini(&diff);
    keel_buf_fini(&block);
}
END_TEST

static int whole_work(void *arg)
{
    struct dns_diff diff, back;
    struct keel_buf block = {0};

    int err = fill(&diff);
    if (err == 0)
        err = dns_diff_encode(&diff, &block);
    if (err == 0)
        err = dns_diff_decode(&back, keel_buf_bytes(&block), keel_buf_size(&block));
    if (err == 0)
        dns_diff_fini(&back);
    dns_diff_fini(&diff);
    keel_buf_fini(&block);
    return err;
}

START_TEST(every_allocation_may_fail)
{
    allocfail_sweep(whole_work, NULL);
}
END_TEST

Suite *diff_suite(void)
{
    Suite *suite = suite_create("diff");
    TCase *tc = tcase_create("diff");
    tcase_add_test(tc, there_and_back);
    tcase_add_test(tc, a_block_that_is_not_whole_is_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
