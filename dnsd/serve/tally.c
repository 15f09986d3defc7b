#include "dnsd/serve/tally.h"

#include "common/service/log.h"
#include "dnsd/serve/zone_counts.h"
#include "dnsd/wire/type.h"

static enum dns_metric metric_of(unsigned rcode)
{
    switch (rcode) {
    case DNS_NOERROR:
        return DNS_METRIC_NOERROR;
    case DNS_FORMERR:
        return DNS_METRIC_FORMERR;
    case DNS_SERVFAIL:
        return DNS_METRIC_SERVFAIL;
    case DNS_NXDOMAIN:
        return DNS_METRIC_NXDOMAIN;
    case DNS_NOTIMP:
        return DNS_METRIC_NOTIMP;
    case DNS_YXDOMAIN:
        return DNS_METRIC_YXDOMAIN;
    case DNS_YXRRSET:
        return DNS_METRIC_YXRRSET;
    case DNS_NXRRSET:
        return DNS_METRIC_NXRRSET;
    case DNS_NOTZONE:
        return DNS_METRIC_NOTZONE;
    case DNS_NOTAUTH:
        return DNS_METRIC_NOTAUTH;
    case DNS_BADVERS:
        return DNS_METRIC_BADVERS;
    case DNS_BADCOOKIE:
        return DNS_METRIC_BADCOOKIE;
    default:
        return DNS_METRIC_REFUSED;
    }
}

/* Only what is signed comes here. */
static void tally_tsig(struct dns_tally *tally, const struct dns_query *query)
{
    static const enum dns_metric metrics[] = {
        [0] = DNS_METRIC_TSIG_GOOD,
        [DNS_TSIG_BADSIG] = DNS_METRIC_TSIG_BADSIG,
        [DNS_TSIG_BADKEY] = DNS_METRIC_TSIG_BADKEY,
        [DNS_TSIG_BADTIME] = DNS_METRIC_TSIG_BADTIME,
        [DNS_TSIG_BADTRUNC] = DNS_METRIC_TSIG_BADTRUNC,
    };
    static const char said[] = "a signature was refused";
    char peer[KEEL_ADDR_TEXT];
    tally->counts[metrics[query->tsig.error]]++;
    if (query->tsig.error == 0 || keel_log_holds_back(KEEL_LOG_NOTICE, said))
        return;
    keel_addr_format(peer, sizeof peer, query->peer);
    keel_notice("tsig", said, "peer=%s error=%s", peer, dns_tsig_error_name(query->tsig.error));
}

static void tally_denied(struct dns_tally *tally, const struct dns_query *query)
{
    static const char said[] = "refused";
    static const struct {
        const char *list;
        enum dns_metric metric;
    } lists[] = {
        [DNS_DENIED_QUERY] = {"allow-query", DNS_METRIC_DENIED_QUERY},
        [DNS_DENIED_TRANSFER] = {"allow-transfer", DNS_METRIC_DENIED_TRANSFER},
        [DNS_DENIED_NOTIFY] = {"allow-notify", DNS_METRIC_DENIED_NOTIFY},
        [DNS_DENIED_UPDATE] = {"allow-update", DNS_METRIC_DENIED_UPDATE},
    };
    char peer[KEEL_ADDR_TEXT], name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    tally->counts[lists[query->denied].metric]++;
    if (keel_log_holds_back(KEEL_LOG_NOTICE, said)) /* a flood costs no text */
        return;
    keel_addr_format(peer, sizeof peer, query->peer);
    dns_name_to_text(name, query->message.qname.bytes);
    dns_type_format(type, query->message.qtype);
    keel_notice("access", said, "list=%s peer=%s name=%s type=%s signed=%s",
                lists[query->denied].list, peer, name, type, query->tsig.key ? "yes" : "no");
}

void dns_tally_query(struct dns_tally *tally, const struct dns_query *query, size_t reply_size)
{
    static const enum dns_metric cookies[] = {
        [DNS_COOKIE_NEW] = DNS_METRIC_COOKIE_NEW,
        [DNS_COOKIE_BAD] = DNS_METRIC_COOKIE_BAD,
        [DNS_COOKIE_GOOD] = DNS_METRIC_COOKIE_GOOD,
    };
    if (query->encrypted)
        tally->counts[DNS_METRIC_QUERIES_TLS]++;
    else
        tally->counts[query->tcp ? DNS_METRIC_QUERIES_TCP : DNS_METRIC_QUERIES_UDP]++;
    if (!query->silent && query->message.question_size > 0)
        tally->counts[DNS_METRIC_TYPES + dns_counted_type(query->message.qtype)]++;
    if (query->cookie != DNS_COOKIE_NONE)
        tally->counts[cookies[query->cookie]]++;
    tally->counts[reply_size == 0 ? DNS_METRIC_IGNORED : metric_of(query->rcode)]++;
    if (query->zone)
        dns_zone_count(query);
    if (query->truncated)
        tally->counts[DNS_METRIC_TRUNCATED]++;
    if (query->unproved)
        tally->counts[DNS_METRIC_UNPROVED]++;
    if (query->denied)
        tally_denied(tally, query);
    if (query->tsig.signs)
        tally_tsig(tally, query);
}

void dns_tally_add(const struct dns_tally *tally, struct keel_metrics *metrics)
{
    for (unsigned i = 0; i < DNS_METRICS; i++)
        if (tally->counts[i])
            keel_metric_add(metrics, i, tally->counts[i]);
}
