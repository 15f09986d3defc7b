#include "dhcpd/engine/policy.h"

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

int dhcp_policy_check(const struct dhcp_policy *policy, struct keel_diag *diag)
{
    const struct dhcp_times *t = &policy->times;
    if (t->lease && ((t->min && t->min > t->lease) || (t->max && t->max < t->lease)))
        return keel_diag_set(diag, KEEL_ECONF,
                             "lease-time (%us) must lie within lease-time-min (%us) and "
                             "lease-time-max (%us)",
                             t->lease, t->min, t->max ? t->max : t->lease);
    if (policy->renewal && policy->rebinding && policy->renewal > policy->rebinding)
        return keel_diag_set(diag, KEEL_ECONF,
                             "renewal-time (%us) is more than rebinding-time (%us)",
                             policy->renewal, policy->rebinding);
    if (t->min && t->max && t->min > t->max)
        return keel_diag_set(diag, KEEL_ECONF,
                             "lease-time-min (%us) is more than lease-time-max (%us)", t->min,
                             t->max);
    return 0;
}

struct dhcp_bytes dhcp_levels_option(const struct dhcp_levels *levels, uint8_t code)
{
    for (unsigned i = 0; i < levels->count; i++) {
        const struct dhcp_option_value *v = dhcp_options_get(&levels->list[i]->options, code);
        if (v)
            return v->value;
    }
    return (struct dhcp_bytes){NULL, 0};
}

struct dhcp_bytes dhcp_levels_vendor(const struct dhcp_levels *levels, struct dhcp_bytes class)
{
    for (unsigned i = 0; i < levels->count; i++) {
        const struct dhcp_policy *p = levels->list[i];
        const struct dhcp_option_value *whole = dhcp_options_get(&p->options, DHCP_OPTION_VENDOR);
        for (unsigned k = 0; k < p->vendor_count; k++) {
            const struct dhcp_vendor_value *v = &p->vendors[k];
            if (v->class.n > 0 && v->class.n <= class.n &&
                memcmp(v->class.p, class.p, v->class.n) == 0)
                return v->value;
        }
        if (whole)
            return whole->value;
    }
    return (struct dhcp_bytes){NULL, 0};
}

/* Takes over what nobody more specific has said, bent to what they have. */
static void fill_times(struct dhcp_times *t, const struct dhcp_times *from)
{
    struct dhcp_times more = *from;
    if (t->lease) {
        if (more.min > t->lease)
            more.min = t->lease;
        if (more.max && more.max < t->lease)
            more.max = t->lease;
    } else if (more.lease) {
        if (more.lease < t->min)
            more.lease = t->min;
        if (t->max && more.lease > t->max)
            more.lease = t->max;
    }
    if (!t->lease)
        t->lease = more.lease;
    if (!t->min)
        t->min = t->max && more.min > t->max ? t->max : more.min;
    if (!t->max)
        t->max = more.max && more.max < t->min ? t->min : more.max;
}

struct dhcp_times dhcp_levels_times(const struct dhcp_levels *levels)
{
    static const struct dhcp_times usual = {DHCP_LEASE_TIME, DHCP_LEASE_TIME_MIN,
                                            DHCP_LEASE_TIME_MAX};
    struct dhcp_times t = {0};
    for (unsigned i = 0; i < levels->count; i++)
        fill_times(&t, &levels->list[i]->times);
    fill_times(&t, &usual);
    return t;
}

void dhcp_levels_renewal(const struct dhcp_levels *levels, uint32_t lease, uint32_t *renewal,
                         uint32_t *rebinding)
{
    uint32_t t1 = 0, t2 = 0;
    for (unsigned i = 0; i < levels->count; i++) {
        const struct dhcp_policy *p = levels->list[i];
        t1 = t1 ? t1 : p->renewal;
        t2 = t2 ? t2 : p->rebinding;
    }
    *rebinding = t2 && t2 <= lease ? t2 : lease - lease / 8;
    *renewal = t1 && t1 <= *rebinding ? t1 : lease / 2;
    if (*renewal > *rebinding)
        *renewal = *rebinding;
}

uint32_t dhcp_levels_next_server(const struct dhcp_levels *levels)
{
    for (unsigned i = 0; i < levels->count; i++)
        if (levels->list[i]->next_server)
            return levels->list[i]->next_server;
    return 0;
}

struct dhcp_bytes dhcp_levels_server_name(const struct dhcp_levels *levels)
{
    for (unsigned i = 0; i < levels->count; i++)
        if (levels->list[i]->server_name.n)
            return levels->list[i]->server_name;
    return (struct dhcp_bytes){NULL, 0};
}

struct dhcp_bytes dhcp_levels_boot_file(const struct dhcp_levels *levels)
{
    for (unsigned i = 0; i < levels->count; i++)
        if (levels->list[i]->boot_file.n)
            return levels->list[i]->boot_file;
    return (struct dhcp_bytes){NULL, 0};
}
