#include "dnsd/transfer/axfr.h"

#include "dnsd/answer/opt.h"
#include "dnsd/wire/type.h"

/* --- the request --- */

/* The serial of the SOA in an IXFR's authority section (RFC 1995, 3). */
static int read_serial(const struct dns_query *query, uint32_t *serial)
{
    const struct dns_message *m = &query->message;
    size_t offset = DNS_HEADER_SIZE + m->question_size;
    struct dns_record record;
    struct dns_name name;

    /* every record was read before: this ends inside of the message */
    if (m->authority != 1 || dns_record_parse(&record, query->bytes, query->size, &offset) != 0 ||
        record.type != DNS_TYPE_SOA || record.class != DNS_CLASS_IN ||
        !dns_name_equal(record.owner.bytes, record.owner.size, m->qname.bytes, m->qname.size))
        return KEEL_EINVAL;
    size_t at = (size_t)(record.rdata - query->bytes), end = at + record.rdata_size;
    if (dns_name_parse_compressed(&name, query->bytes, end, &at) != 0 ||
        dns_name_parse_compressed(&name, query->bytes, end, &at) != 0 || end - at != 20)
        return KEEL_EINVAL;
    *serial = keel_get_u32(query->bytes + at);
    return 0;
}

void dns_axfr_judge(struct dns_query *query, const struct dns_answer_context *context)
{
    const struct dns_message *m = &query->message;

    const struct dns_zone *zone = dns_zones_find(context->zones, &m->qname, DNS_LABELS_MAX);
    if (!zone || zone->apex.labels != m->qname.labels) {
        query->rcode = DNS_NOTAUTH; /* RFC 5936, 2.2.1 */
        return;
    }
    if (!dns_acl_allows(&zone->allow_transfer, query->peer, query->tsig.key)) {
        query->rcode = DNS_REFUSED;
        query->denied = DNS_DENIED_TRANSFER;
        return;
    }
    if (m->qtype == DNS_TYPE_AXFR && !query->tcp) {
        query->rcode = DNS_REFUSED; /* RFC 5936, 4.2: there is no such thing */
        return;
    }
    if (m->qtype == DNS_TYPE_IXFR && read_serial(query, &query->serial) != 0) {
        query->rcode = DNS_FORMERR;
        dns_tsig_none(&query->tsig);
        return;
    }
    if (!zone->image) {
        query->rcode = DNS_SERVFAIL; /* no data yet, or it has expired */
        return;
    }
    query->zone = zone;
    bool current =
        m->qtype == DNS_TYPE_IXFR &&
        (!query->tcp || dns_serial_reached(query->serial, dns_zone_newest(zone)->serial));
    query->transfer = current ? DNS_TRANSFER_SOA : DNS_TRANSFER_ZONE;
}

/* --- the stream --- */

void dns_axfr_start(struct dns_axfr *axfr, const struct dns_query *query, uint16_t udp_size)
{
    const struct dns_message *m = &query->message;
    *axfr = (struct dns_axfr){
        .view = dns_zone_view(query->zone),
        .tsig = query->tsig,
        .edns = {.present = m->edns.present, .udp_size = udp_size, .dnssec_ok = m->edns.dnssec_ok},
        .id = m->id,
        .flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | (m->flags & (DNS_FLAG_RD | DNS_FLAG_CD))),
        .question_size = m->question_size,
    };
    if (dns_expire_of(query, &axfr->edns.expire_after))
        axfr->edns.expire_size = 4;
    memcpy(axfr->question, query->bytes + DNS_HEADER_SIZE, m->question_size);
}

/* The set that comes next, with its node; NULL when there is none left. */
static const struct dns_set *next_set(struct dns_axfr *axfr, const struct dns_node **node)
{
    const struct dns_view *view = &axfr->view;
    *node = dns_view_apex(view);
    if (axfr->stage == DNS_AXFR_DONE)
        return NULL;
    if (axfr->stage != DNS_AXFR_BODY)
        return dns_image_at(view->base, dns_view_newest(view)->soa_at);
    *node = axfr->node;
    return axfr->set;
}

/* Moves to the set behind `previous` of this node, or to the first one of a later node. */
static void advance_body(struct dns_axfr *axfr, const struct dns_set *previous)
{
    for (;;) {
        const struct dns_set *set = dns_node_next_set(axfr->view.base, axfr->node, previous);
        previous = set;
        if (set && set->type == DNS_TYPE_SOA)
            continue; /* it stands at both ends instead */
        axfr->set = set;
        if (set)
            return;
        axfr->node = dns_view_next(&axfr->view, &axfr->walk);
        if (!axfr->node) {
            axfr->stage = DNS_AXFR_LAST_SOA;
            return;
        }
    }
}

static void advance(struct dns_axfr *axfr)
{
    switch (axfr->stage) {
    case DNS_AXFR_FIRST_SOA:
        axfr->stage = DNS_AXFR_BODY;
        axfr->node = dns_view_next(&axfr->view, &axfr->walk);
        advance_body(axfr, NULL);
        break;
    case DNS_AXFR_BODY:
        advance_body(axfr, axfr->set);
        break;
    default:
        axfr->stage = DNS_AXFR_DONE;
    }
}

/* As much of a set as a message of its own, as long as there may be, takes: it can be longer than
 * that (RFC 5936, 2.2: records are not kept together). True when it is all there. */
static bool put_divided(struct dns_axfr *axfr, struct dns_reply *reply, const struct dns_node *node,
                        const struct dns_set *set)
{
    if (!axfr->divided)
        axfr->cursor = (struct dns_set_cursor){0};
    dns_reply_records(reply, DNS_ANSWER, node, set, &axfr->cursor);
    axfr->divided = axfr->cursor.count < set->count;
    return !axfr->divided;
}

/* Fills the answer section. end: where the longest message would end. */
static void fill(struct dns_axfr *axfr, struct dns_reply *reply, uint8_t *end)
{
    const struct dns_node *node, *written = NULL;
    size_t owner = DNS_OWNER_NONE;
    const struct dns_set *set;

    while ((set = next_set(axfr, &node))) {
        bool first = reply->counts[DNS_ANSWER] == 0;
        size_t at = keel_writer_offset(&reply->out);
        if (node != written)
            owner = node == dns_view_apex(&axfr->view) ? DNS_OWNER_QUESTION : DNS_OWNER_NONE;
        if (axfr->divided || !dns_reply_set(reply, DNS_ANSWER, node, set, owner)) {
            if (!first)
                return;
            reply->out.end = end;
            if (put_divided(axfr, reply, node, set))
                advance(axfr);
            return;
        }
        if (owner == DNS_OWNER_NONE && at <= DNS_POINTER_MAX)
            owner = at;
        written = node;
        advance(axfr);
    }
}

int dns_axfr_next(struct dns_axfr *axfr, uint8_t *out, size_t *size, uint64_t now)
{
    bool edns = axfr->edns.present && axfr->messages == 0;
    size_t tail = (edns ? dns_edns_transfer_size(&axfr->edns) : 0) + axfr->tsig.room;
    struct dns_reply reply = {.view = axfr->view, .qname_size = axfr->question_size - 4u};

    if (axfr->stage == DNS_AXFR_DONE)
        return KEEL_EOF;
    keel_writer_init(&reply.out, out, DNS_AXFR_MESSAGE - tail);
    keel_write_skip(&reply.out, DNS_HEADER_SIZE);
    /* the question in every message (RFC 5936, 2.2.1 allows it): names point to it */
    keel_write_bytes(&reply.out, axfr->question, axfr->question_size);
    fill(axfr, &reply, out + UINT16_MAX - tail);
    if (reply.counts[DNS_ANSWER] == 0) {
        axfr->stage = DNS_AXFR_DONE;
        return KEEL_ENOSPC;
    }
    reply.out.end = out + UINT16_MAX;
    if (edns)
        dns_edns_transfer(&reply.out, &axfr->edns);
    keel_put_u16(out, axfr->id);
    keel_put_u16(out + 2, axfr->flags);
    keel_put_u16(out + 4, 1);
    keel_put_u16(out + 6, reply.counts[DNS_ANSWER]);
    keel_put_u16(out + 8, 0);
    keel_put_u16(out + 10, edns ? 1 : 0);
    if (dns_tsig_sign(&axfr->tsig, &reply.out, now) != 0) {
        axfr->stage = DNS_AXFR_DONE;
        return KEEL_ENOTSUP;
    }
    *size = keel_writer_offset(&reply.out);
    axfr->messages++;
    axfr->records += reply.counts[DNS_ANSWER];
    axfr->bytes += *size;
    return 0;
}
