#include "dnsd/answer/query.h"

#include "dnsd/answer/chaos.h"
#include "dnsd/answer/opt.h"
#include "dnsd/answer/resolve.h"
#include "dnsd/transfer/axfr.h"
#include "dnsd/wire/type.h"

/* What the question alone decides; NOERROR: look into a zone. */
static enum dns_rcode judge_query(const struct dns_message *m,
                                  const struct dns_answer_context *context)
{
    if (m->edns.version > 0)
        return DNS_BADVERS;
    if (m->qclass == DNS_CLASS_CH && dns_chaos_text(m, context).n > 0)
        return DNS_NOERROR;
    if (m->qclass != DNS_CLASS_IN)
        return DNS_REFUSED;
    switch (m->qtype) {
    case DNS_TYPE_AXFR:
    case DNS_TYPE_IXFR:
    case DNS_TYPE_ANY:
        return DNS_NOERROR;
    case DNS_TYPE_OPT:
        return DNS_FORMERR;
    default:
        return dns_type_is_meta(m->qtype) ? DNS_NOTIMP : DNS_NOERROR;
    }
}

/* Nobody has news for a primary (RFC 1996, 3.10 and 3.11). Who has some for a secondary is looked
 * at later. */
static enum dns_rcode judge_notify(const struct dns_message *m, const struct dns_zones *zones)
{
    if (m->edns.version > 0)
        return DNS_BADVERS;
    if (m->qtype != DNS_TYPE_SOA)
        return DNS_NOTIMP;
    const struct dns_zone *zone = dns_zones_find(zones, &m->qname, DNS_LABELS_MAX);
    if (!zone || zone->apex.labels != m->qname.labels || m->qclass != DNS_CLASS_IN)
        return DNS_NOTAUTH;
    return zone->primaries > 0 ? DNS_NOERROR : DNS_REFUSED;
}

static void hear_notify(struct dns_query *query, const struct dns_answer_context *context)
{
    const struct dns_zone *zone =
        dns_zones_find(context->zones, &query->message.qname, DNS_LABELS_MAX);
    if (dns_acl_allows(&zone->allow_notify, query->peer, query->tsig.key)) {
        query->notified = zone;
        return;
    }
    query->rcode = DNS_REFUSED;
    query->denied = DNS_DENIED_NOTIFY;
}

/* RFC 2136, 3.1: which zone, and may they? */
static enum dns_rcode judge_update(struct dns_query *query, const struct dns_zones *zones)
{
    const struct dns_message *m = &query->message;
    const struct dns_zone *zone = dns_zones_find(zones, &m->qname, DNS_LABELS_MAX);
    if (m->qtype != DNS_TYPE_SOA)
        return DNS_FORMERR;
    if (!zone || zone->apex.labels != m->qname.labels || m->qclass != DNS_CLASS_IN)
        return DNS_NOTAUTH;
    if (!dns_acl_allows(&zone->allow_update, query->peer, query->tsig.key)) {
        query->denied = DNS_DENIED_UPDATE;
        return DNS_REFUSED;
    }
    query->updated = zone;
    return DNS_NOERROR;
}

static enum dns_rcode judge(const struct dns_message *m, const struct dns_answer_context *context,
                            int err)
{
    switch (dns_message_opcode(m)) {
    case DNS_OPCODE_QUERY:
        return err ? DNS_FORMERR : judge_query(m, context);
    case DNS_OPCODE_NOTIFY:
        return err ? DNS_FORMERR : judge_notify(m, context->zones);
    case DNS_OPCODE_UPDATE: /* the rest behind the signature: it decides who asks */
        return err ? DNS_FORMERR : m->edns.version > 0 ? DNS_BADVERS : DNS_NOERROR;
    default:
        return DNS_NOTIMP; /* whatever is in it */
    }
}

static const struct dns_zone *find_zone(const struct dns_zones *zones, const struct dns_message *m)
{
    const struct dns_zone *zone = dns_zones_find(zones, &m->qname, DNS_LABELS_MAX);
    /* the DS of a zone's apex is its parent's, where that is served here too */
    if (zone && m->qtype == DNS_TYPE_DS && zone->apex.labels == m->qname.labels &&
        zone->apex.labels > 0) {
        const struct dns_zone *parent = dns_zones_find(zones, &m->qname, zone->apex.labels - 1u);
        if (parent)
            return parent;
    }
    return zone;
}

/* Sets the zone, or the rcode that says why there is none. */
static void choose_zone(struct dns_query *query, const struct dns_answer_context *context)
{
    const struct dns_zone *zone = find_zone(context->zones, &query->message);
    query->rcode = DNS_REFUSED;
    if (!zone)
        return;
    if (!dns_acl_allows(&zone->allow_query, query->peer, query->tsig.key)) {
        query->denied = DNS_DENIED_QUERY;
        return;
    }
    query->rcode = zone->image ? DNS_NOERROR : DNS_SERVFAIL; /* no data yet, or it has expired */
    query->zone = zone->image ? zone : NULL;
}

/* A client that has a cookie of its own gets ours and comes again (RFC 7873, 5.2.3); one that knows
 * no cookies has to show over TCP that it is where it says (5.2.1). */
static void demand_cookie(struct dns_query *query)
{
    if (query->cookie == DNS_COOKIE_GOOD || query->tsig.key)
        return;
    if (query->cookie == DNS_COOKIE_NONE)
        query->unproved = true;
    else
        query->rcode = DNS_BADCOOKIE;
}

void dns_query_read(struct dns_query *query, const struct dns_answer_context *context,
                    const uint8_t *bytes, size_t size, const struct keel_addr *peer, bool tcp)
{
    struct dns_message *m = &query->message;

    query->bytes = bytes;
    query->peer = peer;
    query->now = context->now;
    query->tcp = tcp;
    query->encrypted = false;
    query->size = size;
    query->zone = NULL;
    query->transfer = DNS_TRANSFER_NONE;
    query->denied = DNS_DENIED_NO;
    query->notified = NULL;
    query->updated = NULL;
    query->truncated = false;
    query->unproved = false;
    query->cookie = DNS_COOKIE_NONE;
    query->subject = DNS_NO_NODE;
    int err = dns_message_parse_query(m, bytes, size);
    /* never answer an answer: two servers could talk to each other for ever */
    query->silent = err == KEEL_ETRUNC || m->flags & DNS_FLAG_QR;
    dns_tsig_none(&query->tsig);
    if (query->silent)
        return;
    query->rcode = judge(m, context, err);
    if (err == 0 && m->tsig_at) { /* before anything else is (RFC 8945, 5.2) */
        enum dns_rcode rcode =
            dns_tsig_accept(&query->tsig, context->keys, bytes, size, m->tsig_at, context->now);
        if (rcode != DNS_NOERROR)
            query->rcode = rcode;
    }
    if (m->edns.cookie_size > 0)
        query->cookie = dns_cookie_check(&context->cookies, &m->edns, peer, context->now);
    if (dns_message_opcode(m) == DNS_OPCODE_UPDATE) {
        if (query->rcode == DNS_NOERROR)
            query->rcode = judge_update(query, context->zones);
        return;
    }
    if (context->need_cookie && !tcp && query->rcode == DNS_NOERROR)
        demand_cookie(query);
    if (query->rcode != DNS_NOERROR || query->unproved || m->qclass != DNS_CLASS_IN)
        return;
    if (dns_message_opcode(m) == DNS_OPCODE_NOTIFY)
        hear_notify(query, context);
    else if (m->qtype == DNS_TYPE_AXFR || m->qtype == DNS_TYPE_IXFR)
        dns_axfr_judge(query, context);
    else
        choose_zone(query, context);
    if (!query->zone)
        return;
    query->hash = dns_image_hash(query->zone->image, m->qname.bytes, m->qname.size);
    dns_image_prefetch_slot(query->zone->image, query->hash);
}

void dns_query_prefetch(const struct dns_query *query)
{
    if (!query->silent && query->zone)
        dns_image_prefetch_node(query->zone->image, query->hash);
}

void dns_query_prefetch_set(const struct dns_query *query)
{
    if (!query->silent && query->zone)
        dns_image_prefetch_set(query->zone->image, query->hash);
}

static size_t reply_limit(const struct dns_query *query, const struct dns_answer_context *context,
                          size_t opt, size_t room)
{
    size_t limit = UINT16_MAX;
    if (!query->tcp) {
        limit = DNS_UDP_MIN;
        if (query->message.edns.present && query->message.edns.udp_size > limit)
            limit = query->message.edns.udp_size;
        if (limit > context->udp_size)
            limit = context->udp_size;
    }
    /* a signed error must fit, and so must the question and a TSIG record where nothing else does:
     * no more than what the client sent, the MAC perhaps excepted */
    size_t least = DNS_HEADER_SIZE + query->message.question_size + opt + query->tsig.room;
    if (limit < least)
        limit = least;
    return limit < room ? limit : room;
}

size_t dns_query_answer(struct dns_query *query, const struct dns_answer_context *context,
                        uint8_t *bytes, size_t room)
{
    const struct dns_message *m = &query->message;
    bool authoritative = false;

    if (query->silent)
        return 0;
    if (query->updated)
        query->rcode = DNS_SERVFAIL;
    /* a malformed query gets its header back, without an OPT: what it has cannot be trusted */
    bool question = query->rcode != DNS_FORMERR && m->question_size > 0;
    size_t opt = dns_opt_size(query, context);
    struct dns_reply reply = {
        .qname_size = m->qname.size, .subject = DNS_NO_NODE, .dnssec = m->edns.dnssec_ok};
    size_t limit = reply_limit(query, context, opt, room);
    keel_writer_init(&reply.out, bytes, limit - opt - query->tsig.room);
    keel_write_skip(&reply.out, DNS_HEADER_SIZE);
    if (question)
        keel_write_bytes(&reply.out, query->bytes + DNS_HEADER_SIZE, m->question_size);
    if (query->unproved) {
        reply.truncated = query->truncated = true;
    } else if (query->transfer == DNS_TRANSFER_ZONE) {
        query->rcode = DNS_SERVFAIL;
    } else if (query->zone) {
        uint16_t qtype = query->transfer == DNS_TRANSFER_SOA ? DNS_TYPE_SOA : m->qtype;
        reply.view = dns_zone_view(query->zone);
        query->rcode =
            dns_resolve(&reply, &m->qname, qtype, query->hash, query->tcp, &authoritative);
        query->truncated = reply.truncated;
        query->subject = reply.subject;
    } else if (query->notified) {
        authoritative = true; /* RFC 1996, 3.4 */
    } else if (query->rcode == DNS_NOERROR && m->qclass == DNS_CLASS_CH) {
        authoritative = true;
        reply.truncated = query->truncated = !dns_chaos_write(&reply, dns_chaos_text(m, context));
    }
    if (opt > 0) {
        reply.out.end += opt;
        dns_opt_write(&reply.out, query, context, query->tsig.room);
        reply.counts[DNS_ADDITIONAL]++;
    }
    keel_put_u16(bytes, m->id);
    keel_put_u16(bytes + 2,
                 (uint16_t)(DNS_FLAG_QR |
                            (m->flags & (DNS_OPCODE_MASK | DNS_FLAG_RD | DNS_FLAG_CD)) |
                            (authoritative ? DNS_FLAG_AA : 0) |
                            (reply.truncated ? DNS_FLAG_TC : 0) | (query->rcode & DNS_RCODE_MASK)));
    keel_put_u16(bytes + 4, question ? 1 : 0);
    for (unsigned i = 0; i < 3; i++)
        keel_put_u16(bytes + 6 + 2 * i, reply.counts[i]);
    reply.out.end += query->tsig.room;
    if (dns_tsig_sign(&query->tsig, &reply.out, context->now) != 0)
        return 0;
    KEEL_ASSERT(!reply.out.bad, "a reply without room for its header");
    return keel_writer_offset(&reply.out);
}

size_t dns_query_cut(struct dns_query *query, const struct dns_answer_context *context,
                     uint8_t *reply)
{
    struct keel_writer w;
    size_t question = keel_get_u16(reply + 4) ? query->message.question_size : 0;
    size_t opt = dns_opt_size(query, context);

    keel_writer_init(&w, reply, DNS_HEADER_SIZE + question + opt);
    keel_write_skip(&w, DNS_HEADER_SIZE + question);
    keel_put_u16(reply + 2, (uint16_t)((keel_get_u16(reply + 2) & ~DNS_FLAG_AA) | DNS_FLAG_TC));
    memset(reply + 6, 0, 6);
    if (opt > 0) {
        dns_opt_write(&w, query, context, 0);
        keel_put_u16(reply + 10, 1);
    }
    query->truncated = true;
    return keel_writer_offset(&w);
}

size_t dns_query_process(const struct dns_answer_context *context, const uint8_t *bytes,
                         size_t size, const struct keel_addr *peer, bool tcp, uint8_t *reply,
                         size_t room)
{
    struct dns_query query;
    dns_query_read(&query, context, bytes, size, peer, tcp);
    return dns_query_answer(&query, context, reply, room);
}
