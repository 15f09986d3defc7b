/*
 * How full the pools are: commands, and a word in the log when one gets full.
 */
#ifndef DHCPD_SERVE_POOLS_H
#define DHCPD_SERVE_POOLS_H

#include "common/service/module.h"
#include "dhcpd/engine/engine.h"

#define DHCP_POOL_WARNINGS 8

/* The thresholds, and which of them each pool is beyond. */
struct dhcp_pool_watch {
    unsigned percent[DHCP_POOL_WARNINGS]; /* going up */
    unsigned count;
    uint8_t *beyond; /* of each pool: how many of them */
};

/* 0 or KEEL_ENOMEM. */
int dhcp_pool_watch_init(struct dhcp_pool_watch *watch, const unsigned *percent, unsigned count,
                         unsigned pools);
void dhcp_pool_watch_fini(struct dhcp_pool_watch *watch);
/* Says once when a pool has come beyond a threshold, and once when it is well below it again. */
void dhcp_pool_watch_run(struct dhcp_pool_watch *watch, const struct dhcp_engine *engine);

/* For struct keel_command. */
int dhcp_pools_list(struct keel_instance *instance, json_t *args, json_t **result,
                    struct keel_diag *diag);
int dhcp_pools_subnets(struct keel_instance *instance, json_t *args, json_t **result,
                       struct keel_diag *diag);

#endif
