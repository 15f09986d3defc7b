#include "dhcpd/serve/settings.h"

#include <net/if.h>

#define LEASE_TIME (12 * 3600)
#define LEASE_TIME_MIN (5 * 60)
#define LEASE_TIME_MAX (7 * 86400)
#define OPTION_MAX 1024 /* octets of one option; long ones go out in pieces */

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}

static uint32_t seconds(const struct keel_conf *conf, const char *name)
{
    return (uint32_t)(keel_conf_int(conf, name) / (int64_t)KEEL_NS_PER_S);
}

/* The subnet's time, else the global one, else what is usual. */
static uint32_t one_time(const struct keel_conf *root, const struct keel_conf *subnet,
                         const char *name, uint32_t usual)
{
    if (keel_conf_given(subnet, name))
        return seconds(subnet, name);
    return keel_conf_given(root, name) ? seconds(root, name) : usual;
}

static void read_times(const struct keel_conf *root, const struct keel_conf *subnet,
                       struct dhcp_times *out)
{
    uint32_t lease = one_time(root, subnet, "lease-time", LEASE_TIME);
    out->lease = lease;
    out->min =
        one_time(root, subnet, "lease-time-min", lease < LEASE_TIME_MIN ? lease : LEASE_TIME_MIN);
    out->max =
        one_time(root, subnet, "lease-time-max", lease > LEASE_TIME_MAX ? lease : LEASE_TIME_MAX);
}

/* --- options ---------------------------------------------------------------------------------- */

static const struct dhcp_option_def *find_definition(const struct dhcp_settings *s,
                                                     const char *name)
{
    for (unsigned i = 0; i < s->definition_count; i++)
        if (strcmp(s->definitions[i].name, name) == 0)
            return &s->definitions[i];
    return dhcp_option_by_name(keel_str(name));
}

static int read_definition(struct dhcp_settings *s, const struct keel_conf *conf,
                           struct keel_diag *diag)
{
    struct dhcp_option_def *def = &s->definitions[s->definition_count];
    enum dhcp_option_type type;
    struct keel_diag why;
    uint8_t code = (uint8_t)keel_conf_int(conf, "code");
    const struct dhcp_option_def *known = dhcp_option_by_code(code);
    if (dhcp_option_by_name(keel_str(keel_conf_title(conf))))
        return keel_conf_error(conf, NULL, diag, "an option of this name exists already");
    if (dhcp_option_is_internal(code))
        return keel_conf_error(conf, "code", diag, "%u is set by the server itself", code);
    for (unsigned i = 0; !known && i < s->definition_count; i++)
        if (s->definitions[i].code == code)
            known = &s->definitions[i];
    if (known)
        return keel_conf_error(conf, "code", diag, "%u is \"%s\" already", code, known->name);
    if (dhcp_option_type_parse(keel_str(keel_conf_str(conf, "type")), &type, &why) != 0)
        return keel_conf_error(conf, "type", diag, "%s", why.text);
    *def = (struct dhcp_option_def){
        .name = keel_arena_strdup(&s->arena, keel_conf_title(conf)),
        .code = code,
        .type = (uint8_t)type,
        .list = keel_conf_bool(conf, "list"),
    };
    if (!def->name)
        return no_memory(diag);
    s->definition_count++;
    return 0;
}

static int read_definitions(struct dhcp_settings *s, const struct keel_conf *conf,
                            struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "option-definition");
    s->definitions = keel_arena_calloc(&s->arena, (count + 1) * sizeof *s->definitions);
    if (!s->definitions)
        return no_memory(diag);
    keel_conf_for (own, conf, "option-definition") {
        int err = read_definition(s, own, diag);
        if (err)
            return err;
    }
    return 0;
}

static int read_option(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                       struct dhcp_options *out, struct keel_diag *diag)
{
    const struct dhcp_option_def *def = find_definition(s, name);
    unsigned count = keel_conf_count(conf, name), wrong = 0;
    struct keel_str *values = keel_arena_alloc(&s->arena, (count + 1) * sizeof *values);
    uint8_t bytes[OPTION_MAX];
    struct keel_diag why;
    if (!def || !values)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++)
        values[i] = keel_str(keel_conf_at(conf, name, i)->text);
    int n = dhcp_option_encode(def, values, count, bytes, sizeof bytes, &wrong, &why);
    if (n < 0 && wrong < count)
        return keel_conf_error_at(conf, name, wrong, diag, "%s", why.text);
    if (n < 0)
        return keel_conf_error(conf, name, diag, "%s", why.text);
    const uint8_t *copy = keel_arena_memdup(&s->arena, bytes, (size_t)n);
    if (!copy)
        return no_memory(diag);
    dhcp_options_set(out, def->code, (struct dhcp_bytes){copy, (uint16_t)n});
    return 0;
}

/* The `options` section of conf, where there is one. */
static int read_options(struct dhcp_settings *s, const struct keel_conf *conf,
                        struct dhcp_options *out, struct keel_diag *diag)
{
    const struct keel_conf *section = keel_conf_section(conf, "options");
    unsigned count = 0;
    while (section && keel_conf_key(section, count))
        count++;
    out->items = keel_arena_calloc(&s->arena, (count + 1) * sizeof *out->items);
    if (!out->items)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        int err = read_option(s, section, keel_conf_key(section, i), out, diag);
        if (err)
            return err;
    }
    return 0;
}

/* --- subnets ---------------------------------------------------------------------------------- */

/* An IPv4 address in host order; false when it is none. */
static bool read_address(struct keel_str text, uint32_t *out)
{
    struct keel_addr a;
    if (text.n == 0 || memchr(text.p, ':', text.n) || keel_addr_parse(&a, text, 1, NULL) != 0 ||
        keel_addr_family(&a) != AF_INET)
        return false;
    *out = ntohl(a.in4.sin_addr.s_addr);
    return true;
}

static int read_pools(struct dhcp_settings *s, const struct keel_conf *conf,
                      struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "pool");
    subnet->ranges = keel_arena_calloc(&s->arena, (count + 1) * sizeof *subnet->ranges);
    if (!subnet->ranges)
        return no_memory(diag);
    keel_conf_for (pool, conf, "pool") {
        struct dhcp_range *range = &subnet->ranges[subnet->range_count++];
        struct keel_str rest = keel_str(keel_conf_title(pool)), first;
        if (!keel_str_split(&rest, '-', &first) ||
            !read_address(keel_str_trim(first), &range->first) ||
            !read_address(keel_str_trim(rest), &range->last))
            return keel_conf_error(pool, NULL, diag,
                                   "\"FIRST-LAST\" expected, as in \"192.0.2.100-192.0.2.199\"");
    }
    return 0;
}

static int read_reservation(struct dhcp_settings *s, const struct keel_conf *conf,
                            struct dhcp_reservation *r, struct keel_diag *diag)
{
    int n = keel_parse_hex(keel_str(keel_conf_str(conf, "hardware")), r->chaddr, sizeof r->chaddr);
    if (n <= 0)
        return keel_conf_error(conf, "hardware", diag,
                               "a hardware address like \"02:00:00:00:00:07\" expected");
    r->hlen = (uint8_t)n;
    if (!read_address(keel_str(keel_conf_str(conf, "address")), &r->address))
        return keel_conf_error(conf, "address", diag, "an IPv4 address expected");
    r->name = keel_arena_strdup(&s->arena, keel_conf_title(conf));
    if (!r->name)
        return no_memory(diag);
    const char *hostname = keel_conf_str(conf, "hostname");
    if (!hostname)
        return 0;
    size_t length = strlen(hostname);
    if (length == 0 || length > 255)
        return keel_conf_error(conf, "hostname", diag, "1 to 255 octets expected");
    r->hostname.p = keel_arena_memdup(&s->arena, hostname, length);
    r->hostname.n = (uint16_t)length;
    return r->hostname.p ? 0 : no_memory(diag);
}

static int read_reservations(struct dhcp_settings *s, const struct keel_conf *conf,
                             struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "reservation");
    subnet->reservations = keel_arena_calloc(&s->arena, (count + 1) * sizeof *subnet->reservations);
    if (!subnet->reservations)
        return no_memory(diag);
    keel_conf_for (section, conf, "reservation") {
        int err =
            read_reservation(s, section, &subnet->reservations[subnet->reservation_count], diag);
        if (err)
            return err;
        subnet->reservation_count++;
    }
    return 0;
}

/* The link must be one that is served. */
static int read_interface(const struct keel_conf *root, const struct keel_conf *conf,
                          struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    const char *name = keel_conf_str(conf, "interface");
    if (!name)
        return 0;
    for (unsigned i = 0; i < keel_conf_count(root, "interfaces"); i++) {
        if (strcmp(keel_conf_at(root, "interfaces", i)->text, name) == 0) {
            snprintf(subnet->interface, sizeof subnet->interface, "%s", name);
            return 0;
        }
    }
    return keel_conf_error(conf, "interface", diag, "\"%s\" is not one of interfaces", name);
}

static int read_subnet(struct dhcp_settings *s, const struct keel_conf *root,
                       const struct keel_conf *conf, struct dhcp_subnet *subnet,
                       struct keel_diag *diag)
{
    struct keel_prefix prefix;
    struct keel_diag why = {""};
    if (keel_prefix_parse(&prefix, keel_str(keel_conf_title(conf)), &why) != 0)
        return keel_conf_error(conf, NULL, diag, "%s", why.text);
    if (prefix.family != AF_INET || prefix.length == 0)
        return keel_conf_error(conf, NULL, diag, "an IPv4 prefix like \"192.0.2.0/24\" expected");
    subnet->network = keel_get_u32(prefix.bytes);
    subnet->length = prefix.length;
    subnet->mask = UINT32_MAX << (32 - prefix.length);
    read_times(root, conf, &subnet->times);
    int err = read_interface(root, conf, subnet, diag);
    if (!err)
        err = read_pools(s, conf, subnet, diag);
    if (!err)
        err = read_options(s, conf, &subnet->options, diag);
    if (!err)
        err = read_reservations(s, conf, subnet, diag);
    return err;
}

static const struct keel_conf *nth(const struct keel_conf *conf, const char *name, unsigned n)
{
    const struct keel_conf *section = keel_conf_next(conf, name, NULL);
    while (section && n-- > 0)
        section = keel_conf_next(conf, name, section);
    return section;
}

/* What the engine finds wrong is said at the section where it stands. */
static int finish(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    struct dhcp_config_fault fault;
    struct keel_diag why = {""};
    int err = dhcp_config_finish(&s->config, &s->arena, &fault, &why);
    if (err == KEEL_ENOMEM)
        return no_memory(diag);
    if (!err)
        return 0;
    const struct keel_conf *at = nth(conf, "subnet", fault.subnet);
    if (fault.range >= 0)
        at = nth(at, "pool", (unsigned)fault.range);
    else if (fault.reservation >= 0)
        at = nth(at, "reservation", (unsigned)fault.reservation);
    return keel_conf_error(at, NULL, diag, "%s", why.text);
}

static int read_config(struct dhcp_settings *s, const struct keel_conf *conf,
                       struct keel_diag *diag)
{
    struct dhcp_config *config = &s->config;
    config->authoritative = keel_conf_bool(conf, "authoritative");
    config->decline_time = seconds(conf, "decline-time");
    config->offer_time = seconds(conf, "offer-time");
    if (keel_conf_int(conf, "ping-check") != 0)
        return keel_conf_error(conf, "ping-check", diag, "this version does not support it; 0s");
    int err = read_definitions(s, conf, diag);
    if (!err)
        err = read_options(s, conf, &config->options, diag);
    if (err)
        return err;
    unsigned count = keel_conf_count(conf, "subnet");
    if (count == 0)
        return keel_conf_error(conf, NULL, diag,
                               "no subnet: subnet \"192.0.2.0/24\" { pool \"...\" { } } or --pool");
    config->subnets = keel_arena_calloc(&s->arena, count * sizeof *config->subnets);
    if (!config->subnets)
        return no_memory(diag);
    keel_conf_for (section, conf, "subnet") {
        err = read_subnet(s, conf, section, &config->subnets[config->subnet_count++], diag);
        if (err)
            return err;
    }
    return finish(s, conf, diag);
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
            return no_memory(diag);
    }
    struct keel_endpoint packet = {.kind = KEEL_ENDPOINT_PACKET};
    if (count > 0 && endpoints && keel_endpoints_add(endpoints, &packet) != 0)
        return no_memory(diag);
    return 0;
}

static int add_endpoints(struct keel_endpoints *endpoints, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    if (keel_conf_count(conf, "interfaces") + keel_conf_count(conf, "listen") == 0)
        return keel_conf_error(conf, NULL, diag,
                               "nothing to serve: give interfaces (--interface), or with listen "
                               "an address for relays");
    int err = add_interfaces(endpoints, conf, diag);
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
            return no_memory(diag);
    }
    return 0;
}

int dhcp_settings_configure(const struct keel_conf *conf, void **settings,
                            struct keel_endpoints *endpoints, struct keel_access *access,
                            struct keel_diag *diag)
{
    struct dhcp_settings *s = keel_calloc(1, sizeof *s);
    if (!s)
        return no_memory(diag);
    keel_arena_init(&s->arena, 0);
    int err = add_endpoints(endpoints, conf, diag);
    if (!err)
        err = read_config(s, conf, diag);
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
    keel_arena_fini(&s->arena);
    keel_free(s);
}
