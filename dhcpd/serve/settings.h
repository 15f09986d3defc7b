/*
 * From a configuration file to what the engine is told.
 */
#ifndef DHCPD_SERVE_SETTINGS_H
#define DHCPD_SERVE_SETTINGS_H

#include "common/service/module.h"
#include "dhcpd/engine/config.h"
#include "dhcpd/engine/fqdn.h"
#include "dhcpd/serve/pools.h"
#include "dnsd/wire/tsig.h"

/* Dynamic DNS. */
struct dhcp_ddns_settings {
    struct dhcp_naming naming;
    struct keel_addr server;
    struct dns_tsig_keys keys;
    const struct dns_tsig_key *key; /* NULL: updates are not signed */
    uint64_t queue;                 /* pieces of work that may wait */
};

/* Somebody who is told of lease events. Borrows of the arena. */
struct dhcp_hook {
    const char *const *argv; /* NULL-terminated; a command, or else */
    const char *module;      /* a shared object */
    const char *argument;    /* of the module */
    unsigned events;         /* bits of enum dhcp_event_type */
    unsigned concurrency, queue;
    uint64_t timeout;         /* ns */
    const char *const *write; /* paths, NULL-terminated */
};

struct dhcp_settings {
    struct keel_arena arena; /* owns all below */
    struct dhcp_config config;
    struct dhcp_option_def *definitions; /* the file's own options */
    unsigned definition_count;
    uint64_t ping_check;              /* ns that a probe waits; 0: none */
    struct dhcp_ddns_settings *ddns;  /* NULL: none */
    uint32_t client_rate, relay_rate; /* messages a second; 0: no limit */
    struct dhcp_hook *hooks;
    unsigned hook_count;
    unsigned hook_events;                  /* of all of them */
    unsigned warnings[DHCP_POOL_WARNINGS]; /* percent, going up */
    unsigned warning_count;
    const struct keel_conf **sections; /* where subnet i was read; only while configuring */
};

/* For struct keel_protocol. */
int dhcp_settings_configure(const struct keel_conf *conf, void **settings,
                            struct keel_endpoints *endpoints, struct keel_access *access,
                            struct keel_diag *diag);
void dhcp_settings_free(void *settings);

#endif
