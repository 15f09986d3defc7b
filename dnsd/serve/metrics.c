#include "dnsd/serve/metrics.h"

#define ANSWERS "dnsd_answers_total", KEEL_COUNTER
#define ANSWERS_HELP "Answers by their code"
#define TYPES "dnsd_questions_total", KEEL_COUNTER
#define TYPES_HELP "Questions by their type"
#define DENIED "dnsd_denied_total", KEEL_COUNTER
#define DENIED_HELP "Questions that were refused because of an access list"
#define TRANSFERS "dnsd_transfers_out_total", KEEL_COUNTER
#define TRANSFERS_HELP "Zones that were sent whole, as differences (IXFR), and those that broke off"
#define REFRESH "dnsd_refresh_total", KEEL_COUNTER
#define REFRESH_HELP "What primaries said when they were asked: no news; nothing of use"
#define NOTIFY "dnsd_notify_total", KEEL_COUNTER
#define NOTIFY_HELP "Servers that were told of a new serial, by what they said"
#define TSIG "dnsd_tsig_total", KEEL_COUNTER
#define TSIG_HELP "Signed messages that came, by what was said of their signature"

const struct keel_metric dns_metrics[] = {
    [DNS_METRIC_QUERIES_UDP] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"udp\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_QUERIES_TCP] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"tcp\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_QUERIES_TLS] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"tls\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_TYPES + DNS_COUNTED_OTHER] = {TYPES, "type=\"other\"", TYPES_HELP},
#define X(name, number)                                                                            \
    [DNS_METRIC_TYPES + DNS_COUNTED_##name] = {TYPES, "type=\"" #name "\"", TYPES_HELP},
    DNS_COUNTED_TYPES(X)
#undef X
        [DNS_METRIC_NOERROR] = {ANSWERS, "rcode=\"NOERROR\"", ANSWERS_HELP},
    [DNS_METRIC_FORMERR] = {ANSWERS, "rcode=\"FORMERR\"", ANSWERS_HELP},
    [DNS_METRIC_SERVFAIL] = {ANSWERS, "rcode=\"SERVFAIL\"", ANSWERS_HELP},
    [DNS_METRIC_NXDOMAIN] = {ANSWERS, "rcode=\"NXDOMAIN\"", ANSWERS_HELP},
    [DNS_METRIC_NOTIMP] = {ANSWERS, "rcode=\"NOTIMP\"", ANSWERS_HELP},
    [DNS_METRIC_REFUSED] = {ANSWERS, "rcode=\"REFUSED\"", ANSWERS_HELP},
    [DNS_METRIC_YXDOMAIN] = {ANSWERS, "rcode=\"YXDOMAIN\"", ANSWERS_HELP},
    [DNS_METRIC_YXRRSET] = {ANSWERS, "rcode=\"YXRRSET\"", ANSWERS_HELP},
    [DNS_METRIC_NXRRSET] = {ANSWERS, "rcode=\"NXRRSET\"", ANSWERS_HELP},
    [DNS_METRIC_NOTZONE] = {ANSWERS, "rcode=\"NOTZONE\"", ANSWERS_HELP},
    [DNS_METRIC_NOTAUTH] = {ANSWERS, "rcode=\"NOTAUTH\"", ANSWERS_HELP},
    [DNS_METRIC_BADVERS] = {ANSWERS, "rcode=\"BADVERS\"", ANSWERS_HELP},
    [DNS_METRIC_BADCOOKIE] = {ANSWERS, "rcode=\"BADCOOKIE\"", ANSWERS_HELP},
    [DNS_METRIC_TRUNCATED] = {"dnsd_truncated_total", KEEL_COUNTER, NULL,
                              "Answers that did not fit and said so (TC)"},
    [DNS_METRIC_COOKIE_NEW] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"new\"",
                               "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_COOKIE_BAD] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"bad\"",
                               "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_COOKIE_GOOD] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"good\"",
                                "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_LIMITED_CUT] = {"dnsd_rate_limited_total", KEEL_COUNTER, "action=\"cut\"",
                                "Of the answers those over the rate limit: cut or dropped"},
    [DNS_METRIC_LIMITED_DROPPED] = {"dnsd_rate_limited_total", KEEL_COUNTER, "action=\"dropped\"",
                                    "Of the answers those over the rate limit: cut or dropped"},
    [DNS_METRIC_QUOTA_CONNECTIONS] = {"dnsd_quota_total", KEEL_COUNTER, "what=\"connection\"",
                                      "Of a client above its quota: connections closed, "
                                      "questions not answered"},
    [DNS_METRIC_QUOTA_QUERIES] = {"dnsd_quota_total", KEEL_COUNTER, "what=\"query\"",
                                  "Of a client above its quota: connections closed, questions "
                                  "not answered"},
    [DNS_METRIC_UNPROVED] = {"dnsd_unproved_total", KEEL_COUNTER, NULL,
                             "Under load: questions without a cookie that were sent to TCP"},
    [DNS_METRIC_IGNORED] = {"dnsd_ignored_total", KEEL_COUNTER, NULL,
                            "Messages that got no answer: too short, or answers themselves"},
    [DNS_METRIC_DENIED_QUERY] = {DENIED, "list=\"allow-query\"", DENIED_HELP},
    [DNS_METRIC_DENIED_TRANSFER] = {DENIED, "list=\"allow-transfer\"", DENIED_HELP},
    [DNS_METRIC_DENIED_NOTIFY] = {DENIED, "list=\"allow-notify\"", DENIED_HELP},
    [DNS_METRIC_DENIED_UPDATE] = {DENIED, "list=\"allow-update\"", DENIED_HELP},
    [DNS_METRIC_TRANSFERS_SENT] = {TRANSFERS, "result=\"sent\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_STEPS] = {TRANSFERS, "result=\"differences\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_BROKEN] = {TRANSFERS, "result=\"broken\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_ACTIVE] = {"dnsd_transfers_out_active", KEEL_GAUGE, NULL,
                                     "Zones that are being sent now"},
    [DNS_METRIC_TRANSFERS_TAKEN] = {"dnsd_transfers_in_total", KEEL_COUNTER, NULL,
                                    "Zones, or differences of them, taken from primaries"},
    [DNS_METRIC_REFRESH_ASKED] = {"dnsd_refresh_asked_total", KEEL_COUNTER, NULL,
                                  "Primaries asked for news, or for a zone"},
    [DNS_METRIC_REFRESH_CURRENT] = {REFRESH, "result=\"current\"", REFRESH_HELP},
    [DNS_METRIC_REFRESH_FAILED] = {REFRESH, "result=\"failed\"", REFRESH_HELP},
    [DNS_METRIC_NOTIFY_HEARD] = {"dnsd_notify_heard_total", KEEL_COUNTER, NULL,
                                 "NOTIFY messages from those who may send them"},
    [DNS_METRIC_NOTIFY_SENT] = {"dnsd_notify_sent_total", KEEL_COUNTER, NULL,
                                "NOTIFY messages sent, repetitions included"},
    [DNS_METRIC_NOTIFY_ACKNOWLEDGED] = {NOTIFY, "result=\"acknowledged\"", NOTIFY_HELP},
    [DNS_METRIC_NOTIFY_REJECTED] = {NOTIFY, "result=\"rejected\"", NOTIFY_HELP},
    [DNS_METRIC_NOTIFY_GIVEN_UP] = {NOTIFY, "result=\"no-answer\"", NOTIFY_HELP},
    [DNS_METRIC_TSIG_GOOD] = {TSIG, "result=\"NOERROR\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADKEY] = {TSIG, "result=\"BADKEY\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADSIG] = {TSIG, "result=\"BADSIG\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADTIME] = {TSIG, "result=\"BADTIME\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADTRUNC] = {TSIG, "result=\"BADTRUNC\"", TSIG_HELP},
    [DNS_METRICS] = {0},
};
