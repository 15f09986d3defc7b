/*
 * A primary that says anything: the first byte chooses what is asked, the rest is what comes over
 * the stream. However it is cut, the outcome is the same; differences that were taken can be sent
 * on, and a client takes them.
 */
#include "common/base/mem.h"
#include "dnsd/transfer/fetch.h"
#include "dnsd/transfer/ixfr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static struct dns_fetch_options options_of(uint8_t choice)
{
    struct dns_fetch_options options = {.incremental = choice & 1,
                                        .ask_soa = choice & 2,
                                        .have = choice & 4,
                                        .serial = choice >> 4,
                                        .hash = {1, 2},
                                        .limit = 1 << 20};
    must(dns_name_from_text(&options.apex, KEEL_STR("example.org."), NULL) == 0);
    return options;
}

/* The IDs of a request are random: those of the input are made to fit, where a message begins. */
static enum dns_fetch_outcome play(struct dns_fetch *f, const struct dns_fetch_options *options,
                                   const uint8_t *bytes, size_t size, size_t chunk)
{
    enum dns_fetch_outcome outcome = DNS_FETCH_MORE;
    uint8_t *stream = malloc(size + 1);
    size_t at = 0, used = 0;

    memcpy(stream, bytes, size);
    must(dns_fetch_start(f, options, 1000) == 0);
    for (size_t give = chunk; outcome == DNS_FETCH_MORE && at < size; give += chunk) {
        if (size - at >= 4 && keel_get_u16(stream + at) >= 2)
            keel_put_u16(stream + at + 2, f->id);
        if (give > size - at)
            give = size - at;
        /* one message at a time: the next may need another ID */
        size_t whole = size - at >= 2 ? 2u + keel_get_u16(stream + at) : size - at;
        size_t offered = give > whole ? whole : give;
        outcome = dns_fetch_data(f, stream + at, offered, &used, 1000);
        must(used <= offered);
        at += used;
        if (used > 0)
            give = 0;
        else if (offered == size - at)
            break;
    }
    free(stream);
    return outcome;
}

/* What came as differences leaves as differences. */
static void send_on(struct dns_fetch *f)
{
    static uint8_t message[UINT16_MAX];
    struct keel_buf chain = {0};
    struct dns_query query = {.tcp = true};
    struct dns_ixfr ixfr;
    struct dns_fetch client;
    size_t size;

    for (unsigned i = 0; i < f->step_count; i++) {
        struct keel_buf block = {0};
        must(dns_diff_encode(&f->steps[i], &block) == 0);
        must(dns_ixfr_put(&chain, keel_buf_bytes(&block), keel_buf_size(&block)) == 0);
        keel_buf_fini(&block);
    }
    struct dns_fetch_options options = f->options;
    options.ask_soa = false;
    options.limit = UINT32_MAX;
    must(dns_fetch_start(&client, &options, 1000) == 0);
    query.bytes = keel_buf_bytes(&client.out) + 2;
    query.size = keel_buf_size(&client.out) - 2;
    must(dns_message_parse_query(&query.message, query.bytes, query.size) == 0);
    must(dns_ixfr_start(&ixfr, &query, options.serial, keel_buf_bytes(&chain),
                        keel_buf_size(&chain), 1232) == 0);
    int err;
    while ((err = dns_ixfr_next(&ixfr, message, &size, 1000)) == 0)
        dns_fetch_message(&client, message, size, 1000);
    if (err == KEEL_EOF)
        must(client.outcome == DNS_FETCH_STEPS && client.step_count == f->step_count);
    else
        must(err == KEEL_ENOSPC);
    dns_ixfr_fini(&ixfr);
    dns_fetch_fini(&client);
    keel_buf_fini(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dns_fetch whole, pieces;
    struct dns_image *image = NULL;
    struct keel_diag diag;

    if (size < 1 || size > 100000)
        return 0;
    struct dns_fetch_options options = options_of(bytes[0]);
    enum dns_fetch_outcome outcome = play(&whole, &options, bytes + 1, size - 1, size);
    must(play(&pieces, &options, bytes + 1, size - 1, 1 + size / 7) == outcome);
    if (outcome == DNS_FETCH_ZONE && dns_compiler_finish(whole.compiler, &image, &diag) == 0)
        keel_free(image);
    if (outcome == DNS_FETCH_STEPS)
        send_on(&whole);
    dns_fetch_fini(&whole);
    dns_fetch_fini(&pieces);
    return 0;
}
