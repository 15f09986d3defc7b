#include "dnsd/transfer/ixfr.h"

#include "dnsd/wire/type.h"

#define LENGTH 4 /* before each step of a chain */

int dns_ixfr_put(struct keel_buf *chain, const void *encoded, size_t size)
{
    uint8_t length[LENGTH];
    if (size > UINT32_MAX)
        return KEEL_ENOMEM;
    keel_put_u32(length, (uint32_t)size);
    keel_buf_append(chain, length, sizeof length);
    keel_buf_append(chain, encoded, size);
    return chain->failed;
}

/* --- the chain --- */

/* Unpacks the step at chain_at in place of the one before. KEEL_EOF behind the last. */
static int next_step(struct dns_ixfr *ixfr)
{
    struct keel_reader r;

    if (ixfr->chain_at == ixfr->chain_size)
        return KEEL_EOF;
    keel_reader_init(&r, ixfr->chain + ixfr->chain_at, ixfr->chain_size - ixfr->chain_at);
    uint32_t size = keel_read_u32(&r);
    const uint8_t *encoded = keel_read_bytes(&r, size);
    dns_diff_fini(&ixfr->step);
    if (!encoded)
        return KEEL_EINVAL;
    ixfr->chain_at += keel_reader_offset(&r);
    ixfr->at = 0;
    return dns_diff_decode(&ixfr->step, encoded, size);
}

/* The SOA that a part of a step begins with. */
static int read_soa(const struct keel_buf *records, uint32_t serial, struct dns_diff_record *record)
{
    struct dns_soa soa;
    size_t offset = 0;
    int err = dns_diff_next(keel_buf_bytes(records), keel_buf_size(records), &offset, record);
    if (err || record->type != DNS_TYPE_SOA ||
        dns_soa_parse(&soa, record->rdata, record->rdata_size) != 0 || soa.serial != serial)
        return KEEL_EINVAL;
    return 0;
}

/* Each step leads on from the one before, and begins as an IXFR wants it; the last one's SOA. */
static int check_chain(struct dns_ixfr *ixfr)
{
    struct dns_diff_record soa;
    uint32_t serial = ixfr->from;
    int err;

    while ((err = next_step(ixfr)) == 0) {
        const struct dns_diff *step = &ixfr->step;
        if (step->from != serial || read_soa(&step->deleted, step->from, &soa) != 0 ||
            read_soa(&step->added, step->to, &soa) != 0)
            return KEEL_EINVAL;
        serial = step->to;
        memcpy(ixfr->soa_rdata, soa.rdata, soa.rdata_size); /* it was parsed: it is no longer */
        ixfr->soa_size = soa.rdata_size;
        ixfr->soa_ttl = soa.ttl;
    }
    if (err != KEEL_EOF)
        return err;
    ixfr->to = serial;
    ixfr->chain_at = 0;
    return ixfr->soa_size > 0 ? 0 : KEEL_EINVAL;
}

/* The rest of *ixfr says who asked; the chain is looked through. */
static int begin(struct dns_ixfr *ixfr, uint32_t serial, const uint8_t *chain, size_t chain_size)
{
    struct keel_reader r;
    ixfr->chain = chain;
    ixfr->chain_size = chain_size;
    ixfr->from = serial;
    keel_reader_init(&r, ixfr->question, ixfr->question_size);
    if (dns_name_parse_lower(&ixfr->apex, &r) != 0)
        return KEEL_EINVAL;
    dns_diff_init(&ixfr->step);
    int err = check_chain(ixfr);
    if (err)
        dns_ixfr_fini(ixfr);
    return err;
}

int dns_ixfr_start(struct dns_ixfr *ixfr, const struct dns_query *query, uint32_t serial,
                   const uint8_t *chain, size_t chain_size, uint16_t udp_size)
{
    const struct dns_message *m = &query->message;
    *ixfr = (struct dns_ixfr){
        .tsig = query->tsig,
        .edns = {.present = m->edns.present, .udp_size = udp_size, .dnssec_ok = m->edns.dnssec_ok},
        .id = m->id,
        .flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | (m->flags & (DNS_FLAG_RD | DNS_FLAG_CD))),
        .question_size = m->question_size,
    };
    memcpy(ixfr->question, query->bytes + DNS_HEADER_SIZE, m->question_size);
    return begin(ixfr, serial, chain, chain_size);
}

int dns_ixfr_instead(struct dns_ixfr *ixfr, const struct dns_axfr *axfr, uint32_t serial,
                     const uint8_t *chain, size_t chain_size)
{
    *ixfr = (struct dns_ixfr){.tsig = axfr->tsig,
                              .edns = axfr->edns,
                              .id = axfr->id,
                              .flags = axfr->flags,
                              .question_size = axfr->question_size};
    memcpy(ixfr->question, axfr->question, axfr->question_size);
    return begin(ixfr, serial, chain, chain_size);
}

void dns_ixfr_fini(struct dns_ixfr *ixfr)
{
    dns_diff_fini(&ixfr->step);
}

/* --- the stream --- */

/* The record that comes next; KEEL_EOF: there is none. Does not move. */
static int peek(struct dns_ixfr *ixfr, struct dns_diff_record *record, size_t *behind)
{
    for (;;) {
        const struct keel_buf *part = &ixfr->step.deleted;
        int err;
        switch (ixfr->stage) {
        case DNS_IXFR_FIRST_SOA:
        case DNS_IXFR_LAST_SOA:
            *record = (struct dns_diff_record){.owner = ixfr->apex.bytes,
                                               .owner_size = ixfr->apex.size,
                                               .type = DNS_TYPE_SOA,
                                               .ttl = ixfr->soa_ttl,
                                               .rdata = ixfr->soa_rdata,
                                               .rdata_size = ixfr->soa_size};
            return 0;
        case DNS_IXFR_DONE:
            return KEEL_EOF;
        case DNS_IXFR_ADDED:
            part = &ixfr->step.added;
            break;
        case DNS_IXFR_DELETED:
            break;
        }
        *behind = ixfr->at;
        err = dns_diff_next(keel_buf_bytes(part), keel_buf_size(part), behind, record);
        if (err != KEEL_EOF)
            return err;
        ixfr->at = 0;
        if (ixfr->stage == DNS_IXFR_DELETED) {
            ixfr->stage = DNS_IXFR_ADDED;
            continue;
        }
        err = next_step(ixfr);
        if (err && err != KEEL_EOF)
            return err;
        ixfr->stage = err ? DNS_IXFR_LAST_SOA : DNS_IXFR_DELETED;
    }
}

/* Moves behind the record that peek gave. KEEL_EINVAL, KEEL_ENOMEM of the first step. */
static int advance(struct dns_ixfr *ixfr, size_t behind)
{
    switch (ixfr->stage) {
    case DNS_IXFR_FIRST_SOA:
        ixfr->stage = DNS_IXFR_DELETED;
        return next_step(ixfr);
    case DNS_IXFR_LAST_SOA:
        ixfr->stage = DNS_IXFR_DONE;
        return 0;
    default:
        ixfr->at = behind;
        return 0;
    }
}

/* The owner as its labels and a pointer to the apex in the question. False, with nothing written,
 * when the record does not fit. */
static bool put_record(const struct dns_ixfr *ixfr, struct keel_writer *w,
                       const struct dns_diff_record *record)
{
    struct keel_writer before = *w;
    size_t apex = ixfr->apex.size, own = record->owner_size;

    if (own >= apex && apex > 1 &&
        memcmp(record->owner + own - apex, ixfr->apex.bytes, apex) == 0) {
        keel_write_bytes(w, record->owner, own - apex);
        keel_write_u16(w, 0xC000 | DNS_HEADER_SIZE);
    } else {
        keel_write_bytes(w, record->owner, own);
    }
    keel_write_u16(w, record->type);
    keel_write_u16(w, DNS_CLASS_IN);
    keel_write_u32(w, record->ttl);
    keel_write_u16(w, record->rdata_size);
    keel_write_bytes(w, record->rdata, record->rdata_size);
    if (!w->bad)
        return true;
    *w = before;
    return false;
}

/* Fills the answer section; *count: of its records. end: where the longest message would end. */
static int fill(struct dns_ixfr *ixfr, struct keel_writer *w, uint8_t *end, unsigned *count)
{
    struct dns_diff_record record;
    size_t behind = 0;
    int err;

    while ((err = peek(ixfr, &record, &behind)) == 0) {
        if (!put_record(ixfr, w, &record)) {
            if (*count > 0)
                return 0;
            w->end = end; /* one that is longer than our messages are */
            if (!put_record(ixfr, w, &record))
                return KEEL_ENOSPC;
        }
        ++*count;
        err = advance(ixfr, behind);
        if (err)
            return err;
    }
    return err == KEEL_EOF ? 0 : err;
}

int dns_ixfr_next(struct dns_ixfr *ixfr, uint8_t *out, size_t *size, uint64_t now)
{
    bool edns = ixfr->edns.present && ixfr->messages == 0;
    size_t tail = (edns ? dns_edns_transfer_size(&ixfr->edns) : 0) + ixfr->tsig.room;
    struct keel_writer w;
    unsigned count = 0;

    if (ixfr->stage == DNS_IXFR_DONE)
        return KEEL_EOF;
    keel_writer_init(&w, out, DNS_AXFR_MESSAGE - tail);
    keel_write_skip(&w, DNS_HEADER_SIZE);
    keel_write_bytes(&w, ixfr->question, ixfr->question_size);
    int err = fill(ixfr, &w, out + UINT16_MAX - tail, &count);
    if (err) {
        ixfr->stage = DNS_IXFR_DONE;
        return err;
    }
    w.end = out + UINT16_MAX;
    if (edns)
        dns_edns_transfer(&w, &ixfr->edns);
    keel_put_u16(out, ixfr->id);
    keel_put_u16(out + 2, ixfr->flags);
    keel_put_u16(out + 4, 1);
    keel_put_u16(out + 6, (uint16_t)count);
    keel_put_u16(out + 8, 0);
    keel_put_u16(out + 10, edns ? 1 : 0);
    if (dns_tsig_sign(&ixfr->tsig, &w, now) != 0) {
        ixfr->stage = DNS_IXFR_DONE;
        return KEEL_ENOTSUP;
    }
    *size = keel_writer_offset(&w);
    ixfr->messages++;
    ixfr->records += count;
    ixfr->bytes += *size;
    return 0;
}
