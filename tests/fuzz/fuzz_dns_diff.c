/*
 * Bytes as a difference out of the journal: what is taken comes back as the same bytes, and every
 * record of it can be read.
 */
#include "dnsd/zone/diff.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint32_t count(const struct keel_buf *part)
{
    struct dns_diff_record record;
    size_t offset = 0;
    uint32_t n = 0;
    int err;
    while ((err = dns_diff_next(keel_buf_bytes(part), keel_buf_size(part), &offset, &record)) ==
           0) {
        if (dns_name_scan(record.owner, record.owner_size) != record.owner_size)
            abort();
        n++;
    }
    if (err != KEEL_EOF)
        abort();
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dns_diff diff;
    struct keel_buf again = {0};
    if (dns_diff_decode(&diff, bytes, size) != 0)
        return 0;
    if (count(&diff.deleted) != diff.deleted_count || count(&diff.added) != diff.added_count)
        abort();
    if (dns_diff_encode(&diff, &again) != 0 || keel_buf_size(&again) != size ||
        memcmp(keel_buf_bytes(&again), bytes, size) != 0)
        abort();
    keel_buf_fini(&again);
    dns_diff_fini(&diff);
    return 0;
}
