#include "dnsd/transfer/fetch_records.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

/* A record of the answer section, flat. */
struct flat {
    struct dns_name owner; /* lower-cased */
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata;
    size_t size;
};

/* Into the zone that is being collected. */
static enum dns_fetch_outcome collect(struct dns_fetch *f, const struct flat *record)
{
    const struct dns_scanned scanned = {.owner = &record->owner,
                                        .type = record->type,
                                        .ttl = record->ttl,
                                        .rdata = record->rdata,
                                        .rdata_size = (uint16_t)record->size,
                                        .file = "transfer",
                                        .line = (uint32_t)f->records};
    if (!f->compiler)
        f->compiler = dns_compiler_new(&f->options.apex, f->options.hash);
    int err = f->compiler ? dns_compiler_add(f->compiler, &scanned, &f->diag) : KEEL_ENOMEM;
    if (err == KEEL_ENOMEM)
        return fetch_no_memory(f);
    return err ? fetch_over(f, DNS_FETCH_FAILED) : DNS_FETCH_MORE;
}

/* Into the running step. */
static enum dns_fetch_outcome note(struct dns_fetch *f, const struct flat *record)
{
    const struct dns_diff_record item = {.owner = record->owner.bytes,
                                         .owner_size = record->owner.size,
                                         .type = record->type,
                                         .ttl = record->ttl,
                                         .rdata = record->rdata,
                                         .rdata_size = (uint16_t)record->size};
    struct dns_diff *step = &f->steps[f->step_count - 1];
    int err =
        f->stage == DNS_FETCH_DELETED ? dns_diff_delete(step, &item) : dns_diff_add(step, &item);
    return err ? fetch_no_memory(f) : DNS_FETCH_MORE;
}

static enum dns_fetch_outcome begin_step(struct dns_fetch *f, const struct flat *record,
                                         uint32_t serial)
{
    if (f->step_count == f->step_room) {
        unsigned room = f->step_room ? 2 * f->step_room : 4;
        struct dns_diff *steps = keel_realloc(f->steps, room * sizeof *steps);
        if (!steps)
            return fetch_no_memory(f);
        f->steps = steps;
        f->step_room = room;
    }
    struct dns_diff *step = &f->steps[f->step_count++];
    dns_diff_init(step);
    step->from = serial;
    f->stage = DNS_FETCH_DELETED;
    return note(f, record);
}

/* The first: which version it is. */
static enum dns_fetch_outcome on_first(struct dns_fetch *f, const struct flat *record,
                                       const struct dns_soa *soa)
{
    if (!soa)
        return fetch_fail(f, "the first record is no SOA");
    memcpy(f->soa_rdata, record->rdata, record->size);
    f->soa_size = (uint16_t)record->size;
    f->soa_ttl = record->ttl;
    f->soa = *soa;
    f->stage = f->incremental ? DNS_FETCH_SECOND : DNS_FETCH_RECORDS;
    return f->incremental ? DNS_FETCH_MORE : collect(f, record);
}

static enum dns_fetch_outcome on_zone_record(struct dns_fetch *f, const struct flat *record,
                                             const struct dns_soa *soa)
{
    if (!soa)
        return collect(f, record);
    /* RFC 5936, 2.2: it ends as it began */
    if (record->size != f->soa_size || memcmp(record->rdata, f->soa_rdata, f->soa_size) != 0)
        return fetch_fail(f, "it begins with serial %u and ends with another SOA, of serial %u",
                          f->soa.serial, soa->serial);
    f->stage = DNS_FETCH_COMPLETE;
    return DNS_FETCH_MORE;
}

/* Of an IXFR: a step begins with the SOA that we have, a whole zone goes on with anything else. */
static enum dns_fetch_outcome on_second(struct dns_fetch *f, const struct flat *record,
                                        const struct dns_soa *soa)
{
    if (soa && soa->serial == f->options.serial && f->soa.serial != f->options.serial)
        return begin_step(f, record, soa->serial);
    if (soa)
        return fetch_fail(f, "the differences begin at serial %u, ours is %u", soa->serial,
                          f->options.serial);
    const struct flat first = {.owner = f->options.apex,
                               .type = DNS_TYPE_SOA,
                               .ttl = f->soa_ttl,
                               .rdata = f->soa_rdata,
                               .size = f->soa_size};
    f->stage = DNS_FETCH_RECORDS;
    if (collect(f, &first) != DNS_FETCH_MORE)
        return f->outcome;
    return collect(f, record);
}

static enum dns_fetch_outcome on_step_record(struct dns_fetch *f, const struct flat *record,
                                             const struct dns_soa *soa)
{
    struct dns_diff *step = &f->steps[f->step_count - 1];
    if (!soa)
        return note(f, record);
    if (f->stage == DNS_FETCH_DELETED) {
        if (!dns_serial_newer(soa->serial, step->from))
            return fetch_fail(f, "a difference leads from serial %u to %u", step->from,
                              soa->serial);
        step->to = soa->serial;
        f->stage = DNS_FETCH_ADDED;
        return note(f, record);
    }
    if (soa->serial != step->to)
        return fetch_fail(f, "a difference that ends at serial %u is followed by one from %u",
                          step->to, soa->serial);
    if (soa->serial != f->soa.serial)
        return begin_step(f, record, soa->serial);
    f->stage = DNS_FETCH_COMPLETE;
    return DNS_FETCH_MORE;
}

static enum dns_fetch_outcome on_record(struct dns_fetch *f, const struct flat *record)
{
    struct dns_soa numbers;
    const struct dns_soa *soa = NULL;

    if (record->type == DNS_TYPE_SOA) {
        if (!fetch_is_apex(f, &record->owner))
            return fetch_fail(f, "an SOA of another name");
        if (dns_soa_parse(&numbers, record->rdata, record->size) != 0)
            return fetch_fail(f, "a malformed SOA");
        soa = &numbers;
    }
    switch (f->stage) {
    case DNS_FETCH_FIRST:
        return on_first(f, record, soa);
    case DNS_FETCH_SECOND:
        return on_second(f, record, soa);
    case DNS_FETCH_RECORDS:
        return on_zone_record(f, record, soa);
    case DNS_FETCH_DELETED:
    case DNS_FETCH_ADDED:
        return on_step_record(f, record, soa);
    default:
        return fetch_fail(f, "a record behind the last one");
    }
}

enum dns_fetch_outcome fetch_record(struct dns_fetch *f, const uint8_t *message, size_t size,
                                    size_t *offset)
{
    uint8_t rdata[UINT16_MAX];
    struct dns_record record;
    struct flat flat;

    if (dns_record_parse(&record, message, size, offset) != 0)
        return fetch_fail(f, "a malformed message");
    if (record.class != DNS_CLASS_IN || dns_type_is_meta(record.type))
        return fetch_fail(f, "a record of type %u and class %u", record.type, record.class);
    f->records++;
    flat.owner = record.owner;
    dns_name_lower(&flat.owner);
    if (f->stage != DNS_FETCH_FIRST && !dns_name_in(&flat.owner, &f->options.apex)) {
        f->skipped++; /* not its to say (RFC 5936, 3.5) */
        return DNS_FETCH_MORE;
    }
    if (dns_rdata_parse(record.type, message, record.rdata, record.rdata_size, rdata, &flat.size) !=
        0)
        return fetch_fail(f, "a malformed record of type %u", record.type);
    flat.type = record.type;
    flat.ttl = record.ttl > DNS_TTL_MAX ? 0 : record.ttl; /* RFC 2181, 8 */
    flat.rdata = rdata;
    return on_record(f, &flat);
}
