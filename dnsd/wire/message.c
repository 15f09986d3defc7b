#include "dnsd/wire/message.h"

#include "dnsd/wire/type.h"

int dns_record_parse(struct dns_record *record, const uint8_t *message, size_t size, size_t *offset)
{
    int err = dns_name_parse_compressed(&record->owner, message, size, offset);
    if (err)
        return err;
    struct keel_reader r;
    keel_reader_init(&r, message + *offset, size - *offset);
    record->type = keel_read_u16(&r);
    record->class = keel_read_u16(&r);
    record->ttl = keel_read_u32(&r);
    record->rdata_size = keel_read_u16(&r);
    record->rdata = keel_read_bytes(&r, record->rdata_size);
    if (r.bad)
        return KEEL_ETRUNC;
    *offset += keel_reader_offset(&r);
    return 0;
}

static int parse_question(struct dns_message *m, const uint8_t *bytes, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, bytes + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE);
    if (dns_name_parse_lower(&m->qname, &r) != 0)
        return KEEL_EINVAL;
    m->qtype = keel_read_u16(&r);
    m->qclass = keel_read_u16(&r);
    if (r.bad)
        return KEEL_EINVAL;
    m->question_size = (uint16_t)keel_reader_offset(&r);
    return 0;
}

static int parse_record(struct dns_message *m, const uint8_t *bytes, size_t size, size_t *offset,
                        bool additional, bool last)
{
    struct dns_record record;
    size_t start = *offset;
    int err = dns_record_parse(&record, bytes, size, offset);
    if (err)
        return KEEL_EINVAL;
    switch (record.type) {
    case DNS_TYPE_OPT:
        if (!additional || m->edns.present || record.owner.size != 1)
            return KEEL_EINVAL; /* RFC 6891, 6.1.1 */
        return dns_edns_parse(&m->edns, record.class, record.ttl, record.rdata, record.rdata_size);
    case DNS_TYPE_TSIG: /* RFC 8945, 5.1 */
        if (!additional || !last)
            return KEEL_EINVAL;
        m->tsig_at = (uint16_t)start;
        return 0;
    case DNS_TYPE_SIG: /* RFC 2931, 3.1: with nothing covered; an update may hold others */
        if (record.rdata_size >= 2 && keel_get_u16(record.rdata) != 0)
            return 0;
        return additional && last ? 0 : KEEL_EINVAL;
    default:
        return 0;
    }
}

int dns_message_parse_query(struct dns_message *m, const uint8_t *bytes, size_t size)
{
    if (size < DNS_HEADER_SIZE)
        return KEEL_ETRUNC;
    m->id = keel_get_u16(bytes);
    m->flags = keel_get_u16(bytes + 2);
    m->question_size = 0;
    m->tsig_at = 0;
    m->edns = (struct dns_edns){0};
    unsigned questions = keel_get_u16(bytes + 4), answers = keel_get_u16(bytes + 6);
    unsigned authority = keel_get_u16(bytes + 8), additional = keel_get_u16(bytes + 10);
    m->authority = (uint16_t)authority;

    /* RFC 9619: QUERY has exactly one question; so have NOTIFY and UPDATE (their zone) */
    if (questions != 1 || parse_question(m, bytes, size) != 0)
        return KEEL_EINVAL;
    unsigned opcode = dns_message_opcode(m);
    if (opcode == DNS_OPCODE_QUERY && (answers || (authority && m->qtype != DNS_TYPE_IXFR)))
        return KEEL_EINVAL;
    if (opcode != DNS_OPCODE_QUERY && opcode != DNS_OPCODE_NOTIFY && opcode != DNS_OPCODE_UPDATE)
        return 0;
    size_t offset = DNS_HEADER_SIZE + m->question_size;
    unsigned before = answers + authority, all = before + additional;
    for (unsigned i = 0; i < all; i++)
        if (parse_record(m, bytes, size, &offset, i >= before, i + 1 == all) != 0)
            return KEEL_EINVAL;
    return offset == size ? 0 : KEEL_EINVAL;
}
