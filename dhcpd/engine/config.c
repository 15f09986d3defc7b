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

void dhcp_options_set(struct dhcp_options *set, uint8_t code, struct dhcp_bytes value)
{
    if (!set->index[code])
        set->index[code] = (uint8_t)++set->count;
    set->items[set->index[code] - 1] = (struct dhcp_option_value){code, value};
}

const struct dhcp_option_value *dhcp_options_get(const struct dhcp_options *set, uint8_t code)
{
    return set->index[code] ? &set->items[set->index[code] - 1] : NULL;
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
static int compare_hardware(const struct dhcp_reservation *r, const uint8_t *chaddr, uint8_t hlen)
{
    return r->hlen != hlen ? r->hlen - hlen : memcmp(r->chaddr, chaddr, hlen);
}
static int compare_reservations(const void *a, const void *b)
{
    const struct dhcp_reservation *other = b;
    return compare_hardware(a, other->chaddr, other->hlen);
}

static int check_times(const struct dhcp_times *t, struct keel_diag *diag)
{
    if (t->min == 0 || t->min > t->lease || t->lease > t->max)
        return keel_diag_set(diag, KEEL_ECONF,
                             "lease-time (%us) must lie within lease-time-min (%us) and "
                             "lease-time-max (%us)",
                             t->lease, t->min, t->max);
    return 0;
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
    if (!dhcp_subnet_has(s, r->address))
        return keel_diag_set(diag, KEEL_ECONF, "%s is not in the subnet",
                             dhcp_address_text(r->address, text));
    for (unsigned k = 0; k < i; k++) {
        if (s->reservations[k].address == r->address)
            return keel_diag_set(diag, KEEL_ECONF, "%s is reserved twice",
                                 dhcp_address_text(r->address, text));
        if (compare_hardware(r, s->reservations[k].chaddr, s->reservations[k].hlen) == 0)
            return keel_diag_set(diag, KEEL_ECONF,
                                 "its hardware address has another reservation here");
    }
    return 0;
}

/* The global options with the subnet's own over them. */
static int merge_options(struct dhcp_subnet *s, const struct dhcp_options *global,
                         struct keel_arena *arena)
{
    struct dhcp_options own = s->options;
    s->options = (struct dhcp_options){.count = 0};
    if (own.count + global->count == 0)
        return 0;
    s->options.items =
        keel_arena_calloc(arena, (own.count + global->count) * sizeof *s->options.items);
    if (!s->options.items)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < global->count; i++)
        dhcp_options_set(&s->options, global->items[i].code, global->items[i].value);
    for (unsigned i = 0; i < own.count; i++)
        dhcp_options_set(&s->options, own.items[i].code, own.items[i].value);
    return 0;
}

static int check_subnet(const struct dhcp_config *config, unsigned n,
                        struct dhcp_config_fault *fault, struct keel_diag *diag)
{
    const struct dhcp_subnet *s = &config->subnets[n];
    *fault = (struct dhcp_config_fault){n, -1, -1};
    int err = check_times(&s->times, diag);
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

int dhcp_config_finish(struct dhcp_config *config, struct keel_arena *arena,
                       struct dhcp_config_fault *fault, struct keel_diag *diag)
{
    for (unsigned n = 0; n < config->subnet_count; n++) {
        int err = check_subnet(config, n, fault, diag);
        if (err)
            return err;
    }
    for (unsigned n = 0; n < config->subnet_count; n++) {
        struct dhcp_subnet *s = &config->subnets[n];
        if (s->range_count > 1)
            qsort(s->ranges, s->range_count, sizeof *s->ranges, compare_ranges);
        if (s->reservation_count > 1)
            qsort(s->reservations, s->reservation_count, sizeof *s->reservations,
                  compare_reservations);
        int err = merge_options(s, &config->options, arena);
        if (err)
            return err;
    }
    if (config->subnet_count > 1)
        qsort(config->subnets, config->subnet_count, sizeof *config->subnets, compare_subnets);
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

const struct dhcp_reservation *dhcp_subnet_reservation(const struct dhcp_subnet *subnet,
                                                       const uint8_t *chaddr, uint8_t hlen)
{
    unsigned low = 0, high = subnet->reservation_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = compare_hardware(&subnet->reservations[middle], chaddr, hlen);
        if (order == 0)
            return &subnet->reservations[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
