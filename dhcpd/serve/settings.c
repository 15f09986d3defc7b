#include "dhcpd/serve/settings_read.h"

#include <net/if.h>

#define POOL_WARNING 90 /* percent */

static const struct keel_conf *nth(const struct keel_conf *conf, const char *name, unsigned n)
{
    const struct keel_conf *section = keel_conf_next(conf, name, NULL);
    while (section && n-- > 0)
        section = keel_conf_next(conf, name, section);
    return section;
}

/* What the engine finds wrong is said at the section where it stands. */
static int finish(struct dhcp_settings *s, struct keel_diag *diag)
{
    struct dhcp_config_fault fault;
    struct keel_diag why = {""};
    int err = dhcp_config_finish(&s->config, &fault, &why);
    if (err == KEEL_ENOMEM)
        return dhcp_no_memory(diag);
    if (!err)
        return 0;
    const struct keel_conf *at = s->sections[fault.subnet];
    if (fault.range >= 0)
        at = nth(at, "pool", (unsigned)fault.range);
    else if (fault.reservation >= 0)
        at = nth(at, "reservation", (unsigned)fault.reservation);
    return keel_conf_error(at, NULL, diag, "%s", why.text);
}

static int read_warnings(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    unsigned n = keel_conf_count(conf, "pool-warning");
    if (n > DHCP_POOL_WARNINGS)
        return keel_conf_error(conf, "pool-warning", diag, "at most %u thresholds",
                               DHCP_POOL_WARNINGS);
    s->warnings[0] = POOL_WARNING;
    s->warning_count = n ? n : 1;
    for (unsigned i = 0; i < n; i++) {
        s->warnings[i] = (unsigned)keel_conf_at(conf, "pool-warning", i)->number;
        if (i > 0 && s->warnings[i] <= s->warnings[i - 1])
            return keel_conf_error_at(conf, "pool-warning", i, diag,
                                      "each threshold must be above the one before it");
    }
    return 0;
}

/* Who may ask for leases. */
static int read_queriers(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "leasequery");
    struct dhcp_querier *queriers = keel_arena_calloc(&s->arena, (count + 1) * sizeof *queriers);
    if (!queriers)
        return dhcp_no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        const struct keel_prefix *p = &keel_conf_at(conf, "leasequery", i)->prefix;
        if (p->family != AF_INET)
            return keel_conf_error_at(conf, "leasequery", i, diag, "an IPv4 prefix expected");
        queriers[i].mask = p->length ? UINT32_MAX << (32 - p->length) : 0;
        queriers[i].network = keel_get_u32(p->bytes) & queriers[i].mask;
    }
    s->config.queriers = queriers;
    s->config.querier_count = count;
    return 0;
}

static int read_config(struct dhcp_settings *s, const struct keel_conf *conf,
                       struct keel_diag *diag)
{
    struct dhcp_config *config = &s->config;
    config->authoritative = keel_conf_bool(conf, "authoritative");
    config->rapid_commit = keel_conf_bool(conf, "rapid-commit");
    config->bootp = (enum dhcp_bootp)keel_conf_int(conf, "bootp");
    config->per_circuit = (unsigned)keel_conf_int(conf, "max-leases-per-circuit");
    config->per_hardware = (unsigned)keel_conf_int(conf, "max-leases-per-hardware");
    config->adaptive = (unsigned)keel_conf_int(conf, "adaptive-lease-threshold");
    config->decline_time = dhcp_read_seconds(conf, "decline-time");
    config->offer_time = dhcp_read_seconds(conf, "offer-time");
    s->ping_check = (uint64_t)keel_conf_int(conf, "ping-check");
    config->probe = s->ping_check > 0;
    s->client_rate = (uint32_t)keel_conf_int(conf, "client-rate");
    s->relay_rate = (uint32_t)keel_conf_int(conf, "relay-rate");
    int err = read_warnings(s, conf, diag);
    if (!err)
        err = dhcp_read_definitions(s, conf, diag);
    if (!err)
        err = dhcp_read_policy(s, conf, &config->policy, diag);
    struct keel_diag why = {""};
    if (!err && dhcp_policy_check(&config->policy, &why) != 0)
        err = keel_conf_error(conf, NULL, diag, "%s", why.text);
    if (!err)
        err = dhcp_read_classes(s, conf, diag);
    if (!err)
        err = read_queriers(s, conf, diag);
    if (!err)
        err = dhcp_read_ddns(s, conf, diag);
    if (!err)
        err = dhcp_read_hooks(s, conf, diag);
    if (!err)
        err = dhcp_read_subnets(s, conf, diag);
    if (err)
        return err;
    return finish(s, diag);
}

/* --- endpoints -------------------------------------------------------------------------------- */

/* One socket a link, and one that can reach clients without an address on all of them. */
static int add_interfaces(struct keel_endpoints *endpoints, const struct keel_conf *conf,
                          struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "interfaces");
    for (unsigned i = 0; i < count; i++) {
        struct keel_endpoint e = {
            .kind = KEEL_ENDPOINT_UDP, .broadcast = true, .packet_info = true};
        const char *name = keel_conf_at(conf, "interfaces", i)->text;
        if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
            return keel_conf_error_at(conf, "interfaces", i, diag,
                                      "\"%s\" is not the name of an interface", name);
        for (unsigned k = 0; k < i; k++)
            if (strcmp(keel_conf_at(conf, "interfaces", k)->text, name) == 0)
                return keel_conf_error_at(conf, "interfaces", i, diag, "\"%s\" stands twice", name);
        keel_addr_any(&e.addr, AF_INET, DHCP_SERVER_PORT);
        snprintf(e.interface, sizeof e.interface, "%s", name);
        if (endpoints && keel_endpoints_add(endpoints, &e) != 0)
            return dhcp_no_memory(diag);
    }
    struct keel_endpoint packet = {.kind = KEEL_ENDPOINT_PACKET};
    if (count > 0 && endpoints && keel_endpoints_add(endpoints, &packet) != 0)
        return dhcp_no_memory(diag);
    return 0;
}

/* What asks whether an address is in use, when that is to be asked. */
static int add_probes(struct keel_endpoints *endpoints, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    const struct keel_endpoint arp = {.kind = KEEL_ENDPOINT_ARP},
                               echo = {.kind = KEEL_ENDPOINT_ECHO};
    if (!endpoints || keel_conf_int(conf, "ping-check") == 0)
        return 0;
    if (keel_conf_count(conf, "interfaces") > 0 && keel_endpoints_add(endpoints, &arp) != 0)
        return dhcp_no_memory(diag);
    return keel_endpoints_add(endpoints, &echo) != 0 ? dhcp_no_memory(diag) : 0;
}

static int add_endpoints(struct keel_endpoints *endpoints, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    if (keel_conf_count(conf, "interfaces") + keel_conf_count(conf, "listen") == 0)
        return keel_conf_error(conf, NULL, diag,
                               "nothing to serve: give interfaces (--interface), or with listen "
                               "an address for relays");
    int err = add_interfaces(endpoints, conf, diag);
    if (!err)
        err = add_probes(endpoints, conf, diag);
    if (err)
        return err;
    for (unsigned i = 0; i < keel_conf_count(conf, "listen"); i++) {
        const struct keel_value *v = keel_conf_at(conf, "listen", i);
        struct keel_endpoint e = {
            .kind = KEEL_ENDPOINT_UDP, .addr = v->addr, .broadcast = true, .packet_info = true};
        if (keel_addr_family(&v->addr) != AF_INET)
            return keel_conf_error_at(conf, "listen", i, diag, "an IPv4 address expected");
        if (v->words.n > 0)
            return keel_conf_error_at(conf, "listen", i, diag, "nothing may follow the address");
        if (endpoints && keel_endpoints_add(endpoints, &e) != 0)
            return dhcp_no_memory(diag);
    }
    return 0;
}

int dhcp_settings_configure(const struct keel_conf *conf, void **settings,
                            struct keel_endpoints *endpoints, struct keel_access *access,
                            struct keel_diag *diag)
{
    struct dhcp_settings *s = keel_calloc(1, sizeof *s);
    if (!s)
        return dhcp_no_memory(diag);
    keel_arena_init(&s->arena, 0);
    int err = add_endpoints(endpoints, conf, diag);
    if (!err)
        err = read_config(s, conf, diag);
    if (endpoints)
        endpoints->no_helpers = s->hook_count == 0;
    if (err) {
        dhcp_settings_free(s);
        return err;
    }
    *settings = s;
    return 0;
}

void dhcp_settings_free(void *settings)
{
    struct dhcp_settings *s = settings;
    if (s->ddns)
        dns_tsig_keys_fini(&s->ddns->keys);
    keel_arena_fini(&s->arena);
    keel_free(s);
}
