#include "common/runtime/file.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"
#include "dnsd/transfer/ixfr.h"

#include <unistd.h>

/* What it may take to send differences rather than the zone. */
struct chain {
    struct keel_buf bytes;
    size_t most;
};

static int add_step(void *arg, const struct dns_journal_step *step)
{
    struct chain *chain = arg;
    if (keel_buf_size(&chain->bytes) + step->encoded.n > chain->most)
        return KEEL_ELIMIT;
    return dns_ixfr_put(&chain->bytes, step->encoded.p, step->encoded.n);
}

/* The steps from `serial` to what is served. */
static int read_chain(struct dns_kept *kept, uint32_t serial, struct chain *chain)
{
    struct dns_keeper *keeper = kept->keeper;
    uint64_t number;
    dns_keeper_end_turn(keeper); /* there is no reading while a batch is open */
    int err = keeper->store ? keel_store_read(keeper->store) : KEEL_ENOENT;
    if (err)
        return err;
    err = dns_journal_since(&keeper->journal, &kept->apex, serial, &number);
    if (err == 0)
        err = dns_journal_steps(&keeper->journal, &kept->apex, number, add_step, chain);
    keel_store_read_end(keeper->store);
    return err;
}

void dns_keeper_differences(struct dns_kept *kept, const struct dns_keeper_request *request,
                            const uint8_t *bytes, size_t size)
{
    struct dns_keeper *keeper = kept->keeper;
    const struct dns_image *image = kept->zone->image;
    struct chain chain = {.most = image ? image->size : 0};
    int fd = -1;

    keel_buf_init(&chain.bytes, 0);
    if (size == 4 && read_chain(kept, keel_get_u32(bytes), &chain) == 0)
        fd = keel_file_in_memory("differences", keel_buf_bytes(&chain.bytes),
                                 keel_buf_size(&chain.bytes));
    keel_buf_fini(&chain.bytes);
    dns_keeper_reply(keeper, request, fd >= 0 ? DNS_NOERROR : DNS_NXDOMAIN, NULL, 0,
                     fd >= 0 ? &fd : NULL, fd >= 0);
    if (fd >= 0)
        close(fd);
}
