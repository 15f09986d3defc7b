#include "dnsd/answer/opt.h"

#include "dnsd/wire/type.h"

#define OPTION_HEAD 4 /* code and size */
/* RFC 8467, 4.1: what is seen of an encrypted answer is a multiple of this. */
#define PADDING_BLOCK 468

/* Errors that were decided before any zone was looked into. */
static enum dns_extended_error error_of(const struct dns_query *query)
{
    if (query->zone)
        return DNS_ERROR_NONE;
    if (query->denied)
        return DNS_ERROR_PROHIBITED;
    switch (query->rcode) {
    case DNS_REFUSED:
        return query->message.qclass == DNS_CLASS_IN ? DNS_ERROR_NOT_AUTHORITATIVE : DNS_ERROR_NONE;
    case DNS_NOTIMP:
        return DNS_ERROR_NOT_SUPPORTED;
    default:
        return DNS_ERROR_NONE;
    }
}

static bool sends_nsid(const struct dns_query *query, const struct dns_answer_context *context)
{
    return query->message.edns.nsid && context->identity.n > 0;
}

/* RFC 7828, 3.3.2: over TCP, to who asks. */
static bool sends_keepalive(const struct dns_query *query, const struct dns_answer_context *context)
{
    return query->tcp && query->message.edns.keepalive && context->keepalive > 0;
}

bool dns_expire_of(const struct dns_query *query, uint32_t *seconds)
{
    const struct dns_message *m = &query->message;
    const struct dns_zone *zone = query->zone;
    uint32_t numbers[5];
    if (!m->edns.expire || !zone || !zone->image || m->qname.size != zone->apex.size ||
        (m->qtype != DNS_TYPE_SOA && query->transfer == DNS_TRANSFER_NONE))
        return false;
    if (zone->primaries > 0) {
        *seconds = (uint32_t)(zone->expires - query->now);
        return zone->expires > query->now;
    }
    const struct dns_view view = dns_zone_view(zone);
    dns_view_soa(&view, numbers);
    *seconds = numbers[3];
    return true;
}

size_t dns_opt_size(const struct dns_query *query, const struct dns_answer_context *context)
{
    size_t size = DNS_OPT_SIZE;
    uint32_t seconds;
    if (!query->message.edns.present || query->rcode == DNS_FORMERR)
        return 0;
    if (sends_nsid(query, context))
        size += OPTION_HEAD + context->identity.n;
    if (query->cookie != DNS_COOKIE_NONE)
        size += OPTION_HEAD + DNS_COOKIE_SIZE;
    if (sends_keepalive(query, context))
        size += OPTION_HEAD + 2;
    if (dns_expire_of(query, &seconds))
        size += OPTION_HEAD + sizeof seconds;
    if (error_of(query) != DNS_ERROR_NONE)
        size += OPTION_HEAD + 2;
    return size;
}

static void pad(struct keel_writer *w, size_t tail)
{
    static const uint8_t zeros[PADDING_BLOCK];
    size_t all = keel_writer_offset(w) + OPTION_HEAD + tail;
    size_t more = (PADDING_BLOCK - all % PADDING_BLOCK) % PADDING_BLOCK;
    if (keel_writer_left(w) >= OPTION_HEAD + more)
        dns_edns_option(w, DNS_OPTION_PADDING, zeros, more);
}

void dns_opt_write(struct keel_writer *w, const struct dns_query *query,
                   const struct dns_answer_context *context, size_t tail)
{
    const struct dns_edns *asked = &query->message.edns;
    enum dns_extended_error error = error_of(query);
    size_t start = keel_writer_offset(w);
    uint8_t bytes[DNS_COOKIE_SIZE];
    uint32_t seconds;

    dns_edns_build(w, &(struct dns_edns){.udp_size = context->udp_size,
                                         .dnssec_ok = asked->dnssec_ok,
                                         .extended_rcode = (uint8_t)(query->rcode >> 4)});
    if (sends_nsid(query, context))
        dns_edns_option(w, DNS_OPTION_NSID, context->identity.p, context->identity.n);
    if (query->cookie != DNS_COOKIE_NONE) {
        dns_cookie_make(&context->cookies, asked->cookie, query->peer, context->now, bytes);
        dns_edns_option(w, DNS_OPTION_COOKIE, bytes, DNS_COOKIE_SIZE);
    }
    if (sends_keepalive(query, context)) {
        keel_put_u16(bytes, context->keepalive);
        dns_edns_option(w, DNS_OPTION_KEEPALIVE, bytes, 2);
    }
    if (dns_expire_of(query, &seconds)) {
        keel_put_u32(bytes, seconds);
        dns_edns_option(w, DNS_OPTION_EXPIRE, bytes, sizeof seconds);
    }
    if (error != DNS_ERROR_NONE) {
        keel_put_u16(bytes, (uint16_t)error);
        dns_edns_option(w, DNS_OPTION_ERROR, bytes, 2);
    }
    if (query->encrypted && asked->padding)
        pad(w, tail);
    dns_edns_end(w, start);
}
