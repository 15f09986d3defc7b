/*
 * dnsd's configuration, read and checked: the zones, without their data, and a few numbers.
 */
#ifndef DNSD_SERVE_SETTINGS_H
#define DNSD_SERVE_SETTINGS_H

#include "common/runtime/tls.h"
#include "common/service/module.h"
#include "dnsd/answer/rrl.h"
#include "dnsd/serve/primaries.h"
#include "dnsd/serve/quota.h"
#include "dnsd/transfer/notify.h"
#include "dnsd/wire/cookie.h"
#include "dnsd/wire/tsig.h"
#include "dnsd/zone/zones.h"

struct dns_settings {
    struct dns_zones zones;
    struct dns_tsig_keys keys;
    struct dns_notify_target *targets; /* of all zones, those of one behind another */
    unsigned target_count;
    struct dns_primaries primaries; /* of all secondary zones */
    uint32_t transfers_in;          /* most at a time */
    uint64_t transfer_limit;        /* bytes of one */
    uint16_t udp_size;
    uint64_t tcp_idle_ns;
    uint64_t tcp_queries; /* 0: no limit */
    uint32_t transfers;   /* most at a time, of a worker */
    uint64_t transfer_timeout_ns;
    char *identity, *version;
    bool cookies;
    struct dns_cookie_secrets cookie_secrets; /* none: they are in the state directory */
    struct dns_rrl_options rate_limit;        /* rate 0: none */
    struct dns_quota_options quota;
    struct keel_tls_context *tls; /* NULL: no certificate */
};

/* See struct keel_protocol: configure and free_settings. */
int dns_settings_configure(const struct keel_conf *conf, void **settings,
                           struct keel_endpoints *endpoints, struct keel_access *access,
                           struct keel_diag *diag);
void dns_settings_free(void *settings);

/* The rows of what may stand in added-zones.conf: zones (in dnsd/options.c). */
extern const struct keel_option dns_added_options[];
/* One more zone at run time: text is `zone "NAME" { ... }`, file the name for messages and relative
 * paths; check: that its file is there. The zone is the last of s->zones, its targets are the last
 * of s->targets. An error has changed nothing. */
int dns_settings_add_zone(struct dns_settings *s, const char *file, const char *text, bool check,
                          struct dns_zone **zone, struct keel_diag *diag);
/* Frees it; nothing may point to it any more. */
void dns_settings_remove_zone(struct dns_settings *s, struct dns_zone *zone);
struct keel_tls_context *dns_settings_tls(void *settings, const struct keel_endpoint *endpoint);

#endif
