#include "dhcpd/serve/settings_read.h"

#define KEY_MAX 255

/* --- pools ------------------------------------------------------------------------------------ */

/* Names of classes, and the two that every configuration has. */
static int read_class_list(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                           struct dhcp_class_set *set, bool *known, bool *unknown,
                           struct keel_diag *diag)
{
    for (unsigned i = 0; i < keel_conf_count(conf, name); i++) {
        const char *wanted = keel_conf_at(conf, name, i)->text;
        unsigned k = 0;
        while (k < s->config.class_count && strcmp(s->config.classes[k].name, wanted) != 0)
            k++;
        if (strcmp(wanted, "known") == 0)
            *known = true;
        else if (strcmp(wanted, "unknown") == 0)
            *unknown = true;
        else if (k < s->config.class_count)
            dhcp_class_add(set, k);
        else
            return keel_conf_error_at(conf, name, i, diag,
                                      "there is no class \"%s\" (class \"%s\" { match = ... })",
                                      wanted, wanted);
    }
    return 0;
}

static int read_access(struct dhcp_settings *s, const struct keel_conf *conf, struct dhcp_access *a,
                       struct keel_diag *diag)
{
    int err = read_class_list(s, conf, "allow-class", &a->allow, &a->allow_known, &a->allow_unknown,
                              diag);
    return err ? err
               : read_class_list(s, conf, "deny-class", &a->deny, &a->deny_known, &a->deny_unknown,
                                 diag);
}

static int read_pool(struct dhcp_settings *s, const struct keel_conf *conf,
                     struct dhcp_range *range, struct keel_diag *diag)
{
    struct keel_str rest = keel_str(keel_conf_title(conf)), first;
    if (!keel_str_split(&rest, '-', &first) ||
        !dhcp_read_address(keel_str_trim(first), &range->first) ||
        !dhcp_read_address(keel_str_trim(rest), &range->last))
        return keel_conf_error(conf, NULL, diag,
                               "\"FIRST-LAST\" expected, as in \"192.0.2.100-192.0.2.199\"");
    int err = read_access(s, conf, &range->access, diag);
    return err ? err : dhcp_read_own_policy(s, conf, &range->policy, diag);
}

static int read_pools(struct dhcp_settings *s, const struct keel_conf *conf,
                      struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "pool");
    subnet->ranges = keel_arena_calloc(&s->arena, (count + 1) * sizeof *subnet->ranges);
    if (!subnet->ranges)
        return dhcp_no_memory(diag);
    keel_conf_for (pool, conf, "pool") {
        int err = read_pool(s, pool, &subnet->ranges[subnet->range_count++], diag);
        if (err)
            return err;
    }
    return 0;
}

/* --- reservations ----------------------------------------------------------------------------- */

/* Octets: hexadecimal with separators, "01:02:00", or else the text itself. */
static int read_octets(struct keel_str text, uint8_t *out)
{
    bool separated = text.n > 2 && strchr(":-.", text.p[2]) != NULL;
    int n = separated ? keel_parse_hex(text, out, KEY_MAX) : KEEL_EINVAL;
    if (n > 0)
        return n;
    if (text.n == 0 || text.n > KEY_MAX)
        return KEEL_EINVAL;
    memcpy(out, text.p, text.n);
    return (int)text.n;
}

static int read_key(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                    unsigned i, struct dhcp_key *key, struct keel_diag *diag)
{
    struct keel_str text = keel_str(keel_conf_at(conf, name, i)->text);
    uint8_t octets[KEY_MAX];
    int n = key->kind == DHCP_KEY_HARDWARE ? keel_parse_hex(text, octets, 16)
                                           : read_octets(text, octets);
    if (n <= 0 && key->kind == DHCP_KEY_HARDWARE)
        return keel_conf_error_at(conf, name, i, diag,
                                  "a hardware address like \"02:00:00:00:00:07\" expected");
    if (n <= 0)
        return keel_conf_error_at(conf, name, i, diag,
                                  "1 to %d octets expected, as text or like \"01:02:00:0a\"",
                                  KEY_MAX);
    key->value.p = keel_arena_memdup(&s->arena, octets, (size_t)n);
    key->value.n = (uint16_t)n;
    return key->value.p ? 0 : dhcp_no_memory(diag);
}

static const struct {
    const char *name;
    enum dhcp_key_kind kind;
} key_names[] = {
    {"client-id", DHCP_KEY_CLIENT_ID},
    {"hardware", DHCP_KEY_HARDWARE},
    {"circuit-id", DHCP_KEY_CIRCUIT_ID},
};
#define KEY_NAMES (sizeof key_names / sizeof key_names[0])

static unsigned count_keys(const struct keel_conf *conf)
{
    unsigned count = 0;
    for (unsigned k = 0; k < KEY_NAMES; k++)
        count += keel_conf_count(conf, key_names[k].name);
    return count;
}

static int read_keys(struct dhcp_settings *s, const struct keel_conf *conf,
                     struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    for (unsigned k = 0; k < KEY_NAMES; k++) {
        for (unsigned i = 0; i < keel_conf_count(conf, key_names[k].name); i++) {
            struct dhcp_key *key = &subnet->keys[subnet->key_count];
            *key = (struct dhcp_key){.kind = key_names[k].kind,
                                     .reservation = subnet->reservation_count};
            int err = read_key(s, conf, key_names[k].name, i, key, diag);
            if (err)
                return err;
            subnet->key_count++;
        }
    }
    return 0;
}

static int read_reservation(struct dhcp_settings *s, const struct keel_conf *conf,
                            struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    struct dhcp_reservation *r = &subnet->reservations[subnet->reservation_count];
    const char *address = keel_conf_str(conf, "address");
    bool match = keel_conf_given(conf, "match");
    if (count_keys(conf) == 0 && !match)
        return keel_conf_error(conf, NULL, diag,
                               "for whom? Give hardware, client-id, circuit-id or match");
    if (count_keys(conf) > 0 && match)
        return keel_conf_error(conf, "match", diag,
                               "cannot stand beside hardware, client-id or circuit-id: write it "
                               "into the expression");
    if (address && (!dhcp_read_address(keel_str(address), &r->address) || r->address == 0))
        return keel_conf_error(conf, "address", diag, "an IPv4 address expected");
    r->name = keel_arena_strdup(&s->arena, keel_conf_title(conf));
    if (!r->name)
        return dhcp_no_memory(diag);
    int err = match ? dhcp_read_expression(s, conf, "match", &r->match, diag)
                    : read_keys(s, conf, subnet, diag);
    if (!err)
        err = dhcp_read_text(s, conf, "hostname", 255, &r->hostname, diag);
    if (!err)
        err = dhcp_read_own_policy(s, conf, &r->policy, diag);
    return err;
}

static int read_reservations(struct dhcp_settings *s, const struct keel_conf *conf,
                             struct dhcp_subnet *subnet, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "reservation"), keys = 0;
    keel_conf_for (section, conf, "reservation")
        keys += count_keys(section);
    subnet->reservations = keel_arena_calloc(&s->arena, (count + 1) * sizeof *subnet->reservations);
    subnet->keys = keel_arena_calloc(&s->arena, (keys + 1) * sizeof *subnet->keys);
    if (!subnet->reservations || !subnet->keys)
        return dhcp_no_memory(diag);
    keel_conf_for (section, conf, "reservation") {
        int err = read_reservation(s, section, subnet, diag);
        if (err)
            return err;
        subnet->reservation_count++;
    }
    return 0;
}

/* --- subnets ---------------------------------------------------------------------------------- */

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
    int err = read_interface(root, conf, subnet, diag);
    if (!err)
        err = read_access(s, conf, &subnet->access, diag);
    if (!err)
        err = dhcp_read_policy(s, conf, &subnet->policy, diag);
    if (!err)
        err = read_pools(s, conf, subnet, diag);
    if (!err)
        err = read_reservations(s, conf, subnet, diag);
    return err;
}

/* The subnets of a section: the whole file, or a shared network. */
static int read_group(struct dhcp_settings *s, const struct keel_conf *root,
                      const struct keel_conf *group, unsigned shared, struct keel_diag *diag)
{
    struct dhcp_subnet link = {.shared = shared};
    int err = shared ? read_interface(root, group, &link, diag) : 0;
    if (err)
        return err;
    keel_conf_for (section, group, "subnet") {
        struct dhcp_subnet *subnet = &s->config.subnets[s->config.subnet_count];
        if (shared && keel_conf_given(section, "interface"))
            return keel_conf_error(section, "interface", diag,
                                   "stands in the shared network around it: one for all");
        *subnet = link;
        s->sections[s->config.subnet_count++] = section;
        err = read_subnet(s, root, section, subnet, diag);
        if (err)
            return err;
    }
    return 0;
}

static int read_shared(struct dhcp_settings *s, const struct keel_conf *root,
                       const struct keel_conf *conf, struct keel_diag *diag)
{
    struct dhcp_shared *shared = &s->config.shared[s->config.shared_count++];
    struct keel_diag why = {""};
    shared->name = keel_arena_strdup(&s->arena, keel_conf_title(conf));
    if (!shared->name)
        return dhcp_no_memory(diag);
    int err = dhcp_read_policy(s, conf, &shared->policy, diag);
    if (!err && dhcp_policy_check(&shared->policy, &why) != 0)
        return keel_conf_error(conf, NULL, diag, "%s", why.text);
    if (!err && keel_conf_count(conf, "subnet") == 0)
        return keel_conf_error(conf, NULL, diag, "a shared network has at least one subnet");
    return err ? err : read_group(s, root, conf, s->config.shared_count, diag);
}

static int read_anywhere(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    keel_conf_for (section, conf, "reservation")
        if (keel_conf_given(section, "address"))
            return keel_conf_error(section, "address", diag,
                                   "an address is reserved inside the subnet that has it");
    return read_reservations(s, conf, &s->config.anywhere, diag);
}

int dhcp_read_subnets(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    struct dhcp_config *config = &s->config;
    unsigned count = keel_conf_count(conf, "subnet"), shared = 0;
    keel_conf_for (section, conf, "shared-network") {
        count += keel_conf_count(section, "subnet");
        shared++;
    }
    if (count == 0)
        return keel_conf_error(conf, NULL, diag,
                               "no subnet: subnet \"192.0.2.0/24\" { pool \"...\" { } } or --pool");
    config->subnets = keel_arena_calloc(&s->arena, count * sizeof *config->subnets);
    config->shared = keel_arena_calloc(&s->arena, (shared + 1) * sizeof *config->shared);
    s->sections = keel_arena_calloc(&s->arena, (count + 1) * sizeof *s->sections);
    if (!config->subnets || !config->shared || !s->sections)
        return dhcp_no_memory(diag);
    int err = read_anywhere(s, conf, diag);
    if (!err)
        err = read_group(s, conf, conf, 0, diag);
    for (const struct keel_conf *section = keel_conf_next(conf, "shared-network", NULL);
         section && !err; section = keel_conf_next(conf, "shared-network", section))
        err = read_shared(s, conf, section, diag);
    s->sections[config->subnet_count] = conf;
    return err;
}
