#include "dhcpd/serve/pools.h"

#include "common/base/mem.h"
#include "common/service/log.h"
#include "dhcpd/serve/serve.h"

/* So many percent below a threshold it is crossed back: a pool that swings around it is said once.
 */
#define SLACK 5

int dhcp_pool_watch_init(struct dhcp_pool_watch *watch, const unsigned *percent, unsigned count,
                         unsigned pools)
{
    KEEL_ASSERT(count <= DHCP_POOL_WARNINGS, "so many thresholds there are");
    *watch = (struct dhcp_pool_watch){.count = count};
    for (unsigned i = 0; i < count; i++)
        watch->percent[i] = percent[i];
    watch->beyond = keel_calloc(pools ? pools : 1, sizeof *watch->beyond);
    return watch->beyond ? 0 : KEEL_ENOMEM;
}

void dhcp_pool_watch_fini(struct dhcp_pool_watch *watch)
{
    keel_free(watch->beyond);
    watch->beyond = NULL;
}

static unsigned percent_of(const struct dhcp_pool_view *v)
{
    return (unsigned)((uint64_t)v->bound * 100 / v->size);
}

static void text_of_pool(const struct dhcp_pool_view *v, char *out, size_t size)
{
    char first[16], last[16];
    snprintf(out, size, "%s-%s", dhcp_address_text(v->first, first),
             dhcp_address_text(v->last, last));
}

static void text_of_subnet(const struct dhcp_subnet *s, char *out, size_t size)
{
    char network[16];
    snprintf(out, size, "%s/%u", dhcp_address_text(s->network, network), s->length);
}

void dhcp_pool_watch_run(struct dhcp_pool_watch *watch, const struct dhcp_engine *engine)
{
    for (unsigned i = 0; i < dhcp_engine_pool_count(engine); i++) {
        struct dhcp_pool_view v;
        char pool[40];
        dhcp_engine_pool(engine, i, &v);
        unsigned percent = percent_of(&v), beyond = watch->beyond[i];
        while (beyond < watch->count && percent >= watch->percent[beyond])
            beyond++;
        while (beyond > 0 && percent + SLACK < watch->percent[beyond - 1])
            beyond--;
        if (beyond == watch->beyond[i])
            continue;
        text_of_pool(&v, pool, sizeof pool);
        if (beyond > watch->beyond[i])
            keel_warning("pool", "a pool gets full", "pool=%s percent=%u threshold=%u free=%u",
                         pool, percent, watch->percent[beyond - 1], v.free + v.expired);
        else
            keel_notice("pool", "a pool has room again", "pool=%s percent=%u threshold=%u", pool,
                        percent, watch->percent[beyond]);
        watch->beyond[i] = (uint8_t)beyond;
    }
}

/* --- control commands ------------------------------------------------------------------------- */

static int need_active(const struct dhcp_serve *s, struct keel_diag *diag)
{
    return s->engine ? 0 : keel_diag_set(diag, KEEL_EAGAIN, "this worker is a standby");
}

static void add_counters(json_t *row, const struct dhcp_counters *c)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"discovers", c->discovers}, {"offers", c->offers},     {"acks", c->acks},
                {"naks", c->naks},           {"releases", c->releases}, {"declines", c->declines},
                {"exhausted", c->exhausted}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        json_object_set_new(row, rows[i].name, json_integer((json_int_t)rows[i].value));
}

static json_t *fill_row(const char *subnet, const char *pool, uint64_t size, uint64_t bound,
                        uint64_t expired, uint64_t unused)
{
    json_t *row =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "subnet", subnet, "size", (json_int_t)size,
                  "bound", (json_int_t)bound, "expired", (json_int_t)expired, "free",
                  (json_int_t)unused, "percent", (json_int_t)(size ? bound * 100 / size : 0));
    if (pool)
        json_object_set_new(row, "pool", json_string(pool));
    return row;
}

int dhcp_pools_list(struct keel_instance *instance, json_t *args, json_t **result,
                    struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    (void)args;
    int err = need_active(s, diag);
    if (err)
        return err;
    json_t *list = json_array();
    for (unsigned i = 0; i < dhcp_engine_pool_count(s->engine); i++) {
        struct dhcp_pool_view v;
        char subnet[24], pool[40];
        dhcp_engine_pool(s->engine, i, &v);
        text_of_subnet(v.subnet, subnet, sizeof subnet);
        text_of_pool(&v, pool, sizeof pool);
        json_t *row = fill_row(subnet, pool, v.size, v.bound, v.expired, v.free);
        add_counters(row, v.counters);
        json_array_append_new(list, row);
    }
    *result = list;
    return list ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}

int dhcp_pools_subnets(struct keel_instance *instance, json_t *args, json_t **result,
                       struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    const struct dhcp_settings *settings = instance->settings;
    (void)args;
    int err = need_active(s, diag);
    if (err)
        return err;
    json_t *list = json_array();
    unsigned pool = 0, pools = dhcp_engine_pool_count(s->engine);
    for (unsigned i = 0; i < settings->config.subnet_count; i++) {
        const struct dhcp_subnet *subnet = &settings->config.subnets[i];
        struct dhcp_pool_view v;
        uint64_t size = 0, bound = 0, expired = 0, unused = 0;
        char text[24];
        for (; pool < pools; pool++) { /* both are in the order of the subnets */
            dhcp_engine_pool(s->engine, pool, &v);
            if (v.subnet != subnet)
                break;
            size += v.size;
            bound += v.bound;
            expired += v.expired;
            unused += v.free;
        }
        text_of_subnet(subnet, text, sizeof text);
        json_t *row = fill_row(text, NULL, size, bound, expired, unused);
        add_counters(row, dhcp_engine_subnet_counters(s->engine, i));
        json_array_append_new(list, row);
    }
    *result = list;
    return list ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}
