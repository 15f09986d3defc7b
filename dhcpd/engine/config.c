#include "dhcpd/engine/config.h"

#include "dhcpd/lease/bitmap.h"

#include <stdio.h>
#include <stdlib.h>

const char *dhcp_address_text(uint32_t address, char *out)
{
    snprintf(out, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
             address & 255);
    return out;
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}
static int compare_subnets(const void *a, const void *b)
{
    return compare_u32(((const struct dhcp_subnet *)a)->network,
                       ((const struct dhcp_subnet *)b)->network);
}
static int compare_ranges(const void *a, const void *b)
{
    return compare_u32(((const struct dhcp_range *)a)->first,
                       ((const struct dhcp_range *)b)->first);
}
static int compare_key(const struct dhcp_key *key, enum dhcp_key_kind kind, struct dhcp_bytes value)
{
    if (key->kind != kind)
        return key->kind < kind ? -1 : 1;
    if (key->value.n != value.n)
        return key->value.n < value.n ? -1 : 1;
    return value.n ? memcmp(key->value.p, value.p, value.n) : 0;
}
static int compare_keys(const void *a, const void *b)
{
    const struct dhcp_key *other = b;
    return compare_key(a, other->kind, other->value);
}

static int check_range(const struct dhcp_subnet *s, unsigned i, struct keel_diag *diag)
{
    const struct dhcp_range *r = &s->ranges[i];
    char text[16];
    if (r->first > r->last)
        return keel_diag_set(diag, KEEL_ECONF, "the pool ends before it begins");
    if (!dhcp_subnet_has(s, r->first) || !dhcp_subnet_has(s, r->last))
        return keel_diag_set(
            diag, KEEL_ECONF, "%s is not in the subnet",
            dhcp_address_text(dhcp_subnet_has(s, r->first) ? r->last : r->first, text));
    if (r->last - r->first >= DHCP_BITMAP_MAX)
        return keel_diag_set(diag, KEEL_ECONF, "a pool has at most %u addresses", DHCP_BITMAP_MAX);
    /* in a /31 or /32 every address is a host's (RFC 3021) */
    if (s->length < 31 && (r->first == s->network || r->last == (s->network | ~s->mask)))
        return keel_diag_set(diag, KEEL_ECONF, "the subnet's first and last address are no host's");
    for (unsigned k = 0; k < i; k++)
        if (r->first <= s->ranges[k].last && s->ranges[k].first <= r->last)
            return keel_diag_set(diag, KEEL_ECONF, "the pool overlaps another of this subnet");
    return 0;
}

static int check_reservation(const struct dhcp_subnet *s, unsigned i, struct keel_diag *diag)
{
    const struct dhcp_reservation *r = &s->reservations[i];
    char text[16];
    if (r->address && !dhcp_subnet_has(s, r->address))
        return keel_diag_set(diag, KEEL_ECONF, "%s is not in the subnet",
                             dhcp_address_text(r->address, text));
    return r->policy ? dhcp_policy_check(r->policy, diag) : 0;
}

struct reserved {
    uint32_t address;
    unsigned reservation;
};

static int compare_reserved(const void *a, const void *b)
{
    const struct reserved *x = a, *y = b;
    return x->address != y->address ? compare_u32(x->address, y->address)
                                    : compare_u32(x->reservation, y->reservation);
}

/* An address is reserved once. */
static int check_addresses(const struct dhcp_subnet *s, struct dhcp_config_fault *fault,
                           struct keel_diag *diag)
{
    char text[16];
    int err = 0;
    if (s->reservation_count == 0)
        return 0;
    struct reserved *all = keel_calloc(s->reservation_count, sizeof *all);
    if (!all)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    for (unsigned i = 0; i < s->reservation_count; i++)
        all[i] = (struct reserved){s->reservations[i].address, i};
    qsort(all, s->reservation_count, sizeof *all, compare_reserved);
    for (unsigned i = 1; i < s->reservation_count && !err; i++) {
        if (all[i].address == 0 || all[i].address != all[i - 1].address)
            continue;
        fault->reservation = (int)all[i].reservation;
        err = keel_diag_set(diag, KEEL_ECONF,
                            "%s is reserved twice; one reservation can have several keys",
                            dhcp_address_text(all[i].address, text));
    }
    keel_free(all);
    return err;
}

/* After sorting: a key stands for one reservation. */
static int check_keys(const struct dhcp_subnet *s, struct dhcp_config_fault *fault,
                      struct keel_diag *diag)
{
    static const char *const names[] = {"client-id", "hardware", "circuit-id", "match"};
    for (unsigned i = 1; i < s->key_count; i++) {
        const struct dhcp_key *k = &s->keys[i];
        if (compare_keys(k, k - 1) != 0)
            continue;
        unsigned later = k->reservation > k[-1].reservation ? k->reservation : k[-1].reservation;
        fault->reservation = (int)later;
        return keel_diag_set(diag, KEEL_ECONF, "its %s has another reservation here: \"%s\"",
                             names[k->kind],
                             s->reservations[k->reservation + k[-1].reservation - later].name);
    }
    return 0;
}

static void finish_access(struct dhcp_access *a)
{
    a->restricted = a->allow_known || a->allow_unknown;
    for (unsigned i = 0; i < DHCP_CLASSES_MAX / 64; i++)
        a->restricted = a->restricted || a->allow.bits[i];
}

static int check_subnet(const struct dhcp_config *config, unsigned n,
                        struct dhcp_config_fault *fault, struct keel_diag *diag)
{
    const struct dhcp_subnet *s = &config->subnets[n];
    *fault = (struct dhcp_config_fault){n, -1, -1};
    int err = dhcp_policy_check(&s->policy, diag);
    for (unsigned k = 0; !err && k < n; k++) {
        const struct dhcp_subnet *o = &config->subnets[k];
        if (dhcp_subnet_has(o, s->network) || dhcp_subnet_has(s, o->network))
            err = keel_diag_set(diag, KEEL_ECONF, "the subnet overlaps another");
    }
    for (unsigned i = 0; !err && i < s->range_count; i++) {
        fault->range = (int)i;
        err = check_range(s, i, diag);
    }
    if (err)
        return err;
    fault->range = -1;
    for (unsigned i = 0; !err && i < s->reservation_count; i++) {
        fault->reservation = (int)i;
        err = check_reservation(s, i, diag);
    }
    return err;
}

/* Sorting has moved them: subnets of one shared network become a ring, in their order. */
static void link_subnets(struct dhcp_config *config)
{
    for (unsigned n = 0; n < config->subnet_count; n++) {
        struct dhcp_subnet *s = &config->subnets[n];
        s->next = s;
        s->link = s->shared ? &config->shared[s->shared - 1].policy : NULL;
        for (unsigned k = n; s->shared && k-- > 0;) {
            struct dhcp_subnet *before = &config->subnets[k];
            if (before->shared == s->shared) {
                s->next = before->next;
                before->next = s;
                break;
            }
        }
    }
}

/* What does not depend on other subnets: access, order, and that nothing stands twice. */
static int finish_subnet(struct dhcp_subnet *s, unsigned n, struct dhcp_config_fault *fault,
                         struct keel_diag *diag)
{
    finish_access(&s->access);
    for (unsigned i = 0; i < s->range_count; i++)
        finish_access(&s->ranges[i].access);
    if (s->range_count > 1)
        qsort(s->ranges, s->range_count, sizeof *s->ranges, compare_ranges);
    if (s->key_count > 1)
        qsort(s->keys, s->key_count, sizeof *s->keys, compare_keys);
    *fault = (struct dhcp_config_fault){n, -1, -1};
    int err = check_keys(s, fault, diag);
    return err ? err : check_addresses(s, fault, diag);
}

int dhcp_config_finish(struct dhcp_config *config, struct dhcp_config_fault *fault,
                       struct keel_diag *diag)
{
    for (unsigned n = 0; n < config->subnet_count; n++) {
        int err = check_subnet(config, n, fault, diag);
        if (!err)
            err = finish_subnet(&config->subnets[n], n, fault, diag);
        if (err)
            return err;
    }
    for (unsigned i = 0; i < config->anywhere.reservation_count; i++) {
        *fault = (struct dhcp_config_fault){config->subnet_count, -1, (int)i};
        int err = check_reservation(&config->anywhere, i, diag);
        if (err)
            return err;
    }
    int err = finish_subnet(&config->anywhere, config->subnet_count, fault, diag);
    if (err)
        return err;
    if (config->subnet_count > 1)
        qsort(config->subnets, config->subnet_count, sizeof *config->subnets, compare_subnets);
    link_subnets(config);
    return 0;
}

const struct dhcp_subnet *dhcp_config_by_address(const struct dhcp_config *config, uint32_t address)
{
    /* subnets do not overlap: only the last that begins at or before the address can have it */
    unsigned low = 0, high = config->subnet_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (config->subnets[middle].network <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !dhcp_subnet_has(&config->subnets[low - 1], address))
        return NULL;
    return &config->subnets[low - 1];
}

const struct dhcp_subnet *dhcp_config_by_interface(const struct dhcp_config *config,
                                                   const char *interface, uint32_t near)
{
    const struct dhcp_subnet *by_name = NULL;
    for (unsigned i = 0; interface[0] && i < config->subnet_count; i++) {
        const struct dhcp_subnet *s = &config->subnets[i];
        if (strcmp(s->interface, interface) != 0)
            continue;
        if (near && dhcp_subnet_has(s, near))
            return s;
        if (!by_name)
            by_name = s;
    }
    if (by_name || !near)
        return by_name;
    /* a subnet that names no interface is on the link whose server address lies in it */
    const struct dhcp_subnet *s = dhcp_config_by_address(config, near);
    return s && !s->interface[0] ? s : NULL;
}

void dhcp_config_classify(const struct dhcp_config *config, struct dhcp_facts *facts)
{
    for (unsigned i = 0; i < config->class_count; i++)
        if (dhcp_expression_holds(&config->classes[i].match, facts))
            dhcp_class_add(&facts->classes, i);
}

const struct dhcp_subnet *dhcp_subnet_on_link(const struct dhcp_subnet *subnet, uint32_t address)
{
    const struct dhcp_subnet *s = subnet;
    do {
        if (dhcp_subnet_has(s, address))
            return s;
        s = s->next;
    } while (s != subnet);
    return NULL;
}

/* The key, NULL when there is none. */
static const struct dhcp_key *find_key(const struct dhcp_subnet *subnet, enum dhcp_key_kind kind,
                                       struct dhcp_bytes value)
{
    unsigned low = 0, high = subnet->key_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = compare_key(&subnet->keys[middle], kind, value);
        if (order == 0)
            return &subnet->keys[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct dhcp_reservation *dhcp_subnet_reservation(const struct dhcp_subnet *subnet,
                                                       enum dhcp_key_kind kind,
                                                       struct dhcp_bytes value)
{
    const struct dhcp_key *key = value.n ? find_key(subnet, kind, value) : NULL;
    return key ? &subnet->reservations[key->reservation] : NULL;
}

bool dhcp_reservation_has_key(const struct dhcp_subnet *subnet,
                              const struct dhcp_reservation *reservation, enum dhcp_key_kind kind,
                              struct dhcp_bytes value)
{
    return value.n > 0 && dhcp_subnet_reservation(subnet, kind, value) == reservation;
}

const struct dhcp_reservation *dhcp_subnet_match(const struct dhcp_subnet *subnet,
                                                 const struct dhcp_facts *facts)
{
    for (unsigned i = 0; i < subnet->reservation_count; i++) {
        const struct dhcp_reservation *r = &subnet->reservations[i];
        if (r->match.count && dhcp_expression_holds(&r->match, facts))
            return r;
    }
    return NULL;
}

bool dhcp_access_allows(const struct dhcp_access *access, const struct dhcp_class_set *classes,
                        bool known)
{
    if ((known ? access->deny_known : access->deny_unknown) ||
        dhcp_class_intersects(&access->deny, classes))
        return false;
    return !access->restricted || (known ? access->allow_known : access->allow_unknown) ||
           dhcp_class_intersects(&access->allow, classes);
}
