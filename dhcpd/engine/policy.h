/*
 * Policy: what one level of the configuration says of the clients that it applies to, and the
 * levels that apply to one client, the most specific first:
 *
 *   reservation > class (the first in the file first) > pool > subnet > shared network > global
 *
 * Each setting comes from the first level that says something of it; levels are not mixed within
 * one option.
 */
#ifndef DHCPD_ENGINE_POLICY_H
#define DHCPD_ENGINE_POLICY_H

#include "dhcpd/engine/expression.h"

/* An option to send, in wire form. */
struct dhcp_option_value {
    uint8_t code;
    struct dhcp_bytes value;
};
/* A set of them: each code at most once. */
struct dhcp_options {
    struct dhcp_option_value *items;
    unsigned count;
    uint8_t index[256]; /* code -> position + 1; 0: not there */
};
/* Adds to a set with room for it; a code that is there already is replaced. */
void dhcp_options_set(struct dhcp_options *set, uint8_t code, struct dhcp_bytes value);
/* NULL when it is not there. */
const struct dhcp_option_value *dhcp_options_get(const struct dhcp_options *set, uint8_t code);

/* Seconds; 0: not said at this level. */
struct dhcp_times {
    uint32_t lease, min, max;
};
#define DHCP_LEASE_TIME (12 * 3600)
#define DHCP_LEASE_TIME_MIN (5 * 60)
#define DHCP_LEASE_TIME_MAX (7 * 86400)

/* Sub-options of a vendor: the value of option 43 for clients whose vendor class begins with
 * `class`, or what option 125 holds for an enterprise number (`class` empty then). */
struct dhcp_vendor_value {
    struct dhcp_bytes class;
    uint32_t enterprise;
    struct dhcp_bytes value;
};

struct dhcp_policy {
    struct dhcp_options options;
    uint64_t always[4]; /* codes to send also to clients that do not ask for them */
    struct dhcp_vendor_value *vendors;
    unsigned vendor_count;
    struct dhcp_times times;
    uint32_t renewal, rebinding;              /* T1 and T2, seconds; 0: not said */
    uint32_t next_server;                     /* siaddr, host order; 0: not said */
    struct dhcp_bytes server_name, boot_file; /* sname, file; empty: not said */
};

/* 0, or KEEL_ECONF with diag: times that contradict each other at one level. */
int dhcp_policy_check(const struct dhcp_policy *policy, struct keel_diag *diag);

/* What applies to one client; borrows. */
#define DHCP_LEVELS_MAX (DHCP_CLASSES_MAX + 5)
struct dhcp_levels {
    const struct dhcp_policy *list[DHCP_LEVELS_MAX];
    unsigned count;
};
static inline void dhcp_levels_add(struct dhcp_levels *levels, const struct dhcp_policy *policy)
{
    if (policy && levels->count < DHCP_LEVELS_MAX)
        levels->list[levels->count++] = policy;
}
/* The value of an option; p NULL when no level says it. */
struct dhcp_bytes dhcp_levels_option(const struct dhcp_levels *levels, uint8_t code);
/* The value of option 43 for a client of this vendor class, likewise. */
struct dhcp_bytes dhcp_levels_vendor(const struct dhcp_levels *levels, struct dhcp_bytes class);
/* All three times, none 0. Where levels contradict each other the more specific one is right:
 * limits give way to a lease time that is said closer to the client, and the other way round. */
struct dhcp_times dhcp_levels_times(const struct dhcp_levels *levels);
/* When a client with a lease of so many seconds begins to renew and to rebind: *renewal <=
 * *rebinding
 * <= lease. What is said and does not fit gives way to a half and seven eighths (RFC 2131, 4.4.5).
 */
void dhcp_levels_renewal(const struct dhcp_levels *levels, uint32_t lease, uint32_t *renewal,
                         uint32_t *rebinding);
uint32_t dhcp_levels_next_server(const struct dhcp_levels *levels);
struct dhcp_bytes dhcp_levels_server_name(const struct dhcp_levels *levels);
struct dhcp_bytes dhcp_levels_boot_file(const struct dhcp_levels *levels);

#endif
