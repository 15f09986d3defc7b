#include "dnsd/serve/secondary.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/fetcher.h"
#include "dnsd/serve/metrics.h"
#include "dnsd/serve/taking.h"
#include "dnsd/transfer/refresh.h"
#include "dnsd/wire/type.h"

/* SOA queries under way at a time: each is a socket for a few seconds at most. */
#define CHECKS_MAX 128
/* Zones that are compiled at a time; others wait, and are checked meanwhile. */
#define THREADS 1

/* A zone that comes from primaries. */
struct secondary {
    struct dns_refresh_zone refresh;
    struct dns_secondaries *all;
    struct dns_kept *kept;
    struct dns_primary *primaries; /* kept->zone->primaries of them */
    struct dns_fetcher *fetcher;   /* what is asked now; NULL: nothing */
    struct dns_taking *taking;     /* what came, on its way into the zone */
    bool by_stream;                /* the SOA too: UDP was silent */
    uint64_t refreshed, expires;   /* seconds since 1970 */
    char from[KEEL_ADDR_TEXT];     /* who it was refreshed from; "" */
    char trouble[192];             /* why the last attempt failed; "" */
};

struct dns_secondaries {
    struct keel_instance *instance;
    const struct dns_settings *settings;
    struct dns_refresher refresher;
    struct keel_timer timer;
    struct keel_task task;
    struct keel_offload *pool; /* while it is ours */
    bool begun;
    struct secondary **zones; /* by dns_kept.index; NULL: not one of ours */
    unsigned count;
};

static uint64_t now_of(const struct dns_secondaries *s)
{
    return keel_loop_now(s->instance->loop);
}

static uint64_t seconds(const struct dns_secondaries *s)
{
    return keel_loop_realtime(s->instance->loop) / KEEL_NS_PER_S;
}

/* Something was reported or has changed: what comes next is decided when the callback ends. */
static void stir(struct dns_secondaries *s)
{
    if (s->begun)
        keel_task_start(s->instance->loop, &s->task);
}

static const char *name_of(const struct secondary *z, char *out)
{
    dns_name_to_text(out, z->kept->apex.bytes);
    return out;
}

/* --- how it ended --- */

/* The zone is as its primary has it. */
static void refreshed(struct secondary *z, const char *from)
{
    struct dns_secondaries *s = z->all;
    uint64_t left = z->refresh.expire_ns - now_of(s);
    z->refreshed = seconds(s);
    z->expires = z->refreshed + left / KEEL_NS_PER_S;
    z->by_stream = false;
    z->trouble[0] = '\0';
    snprintf(z->from, sizeof z->from, "%s", from);
    if (z->kept->expired)
        dns_keeper_expire(z->kept, false);
    dns_keeper_refreshed(z->kept, z->refreshed, z->expires, z->from);
    dns_keeper_tell_expires(z->kept, z->expires);
    stir(s);
}

static void failed(struct secondary *z, bool whole, const char *why)
{
    struct dns_secondaries *s = z->all;
    char name[DNS_NAME_TEXT], peer[KEEL_ADDR_TEXT];
    const struct dns_primary *primary = &z->primaries[z->refresh.primary];
    keel_addr_format(peer, sizeof peer, &primary->addr);
    snprintf(z->trouble, sizeof z->trouble, "%s: %s", peer, why);
    keel_metric_add(&s->instance->metrics, DNS_METRIC_REFRESH_FAILED, 1);
    z->by_stream = false;
    bool another = dns_refresher_failed(&s->refresher, &z->refresh, whole, now_of(s));
    keel_warning("transfer", "no news from a primary", "zone=%s server=%s reason=%s next=%s",
                 name_of(z, name), peer, why, another ? "at-once" : "later");
    stir(s);
}

static void current(struct secondary *z, const struct dns_fetch *fetch)
{
    struct dns_secondaries *s = z->all;
    char name[DNS_NAME_TEXT], peer[KEEL_ADDR_TEXT];
    keel_addr_format(peer, sizeof peer, &z->primaries[z->refresh.primary].addr);
    if (dns_serial_newer(z->refresh.soa.serial, fetch->soa.serial))
        keel_notice("transfer", "a primary is behind us", "zone=%s server=%s serial=%u ours=%u",
                    name_of(z, name), peer, fetch->soa.serial, z->refresh.soa.serial);
    keel_metric_add(&s->instance->metrics, DNS_METRIC_REFRESH_CURRENT, 1);
    dns_refresher_current(&s->refresher, &z->refresh,
                          fetch->expire_known ? fetch->expire : UINT32_MAX, now_of(s));
    refreshed(z, peer);
}

static void on_taken(void *arg, const struct dns_taking *taking, int err, const char *why)
{
    struct secondary *z = arg;
    struct dns_secondaries *s = z->all;
    const struct dns_primary *primary = &z->primaries[z->refresh.primary];
    char name[DNS_NAME_TEXT], peer[KEEL_ADDR_TEXT];
    z->taking = NULL;
    if (err) {
        failed(z, taking->unfit, why);
        return;
    }
    keel_addr_format(peer, sizeof peer, &primary->addr);
    keel_metric_add(&s->instance->metrics, DNS_METRIC_TRANSFERS_TAKEN, 1);
    keel_info("transfer", "zone taken",
              "zone=%s serial=%u server=%s type=%s tls=%s records=%llu bytes=%llu ms=%llu",
              name_of(z, name), taking->soa.serial, peer, taking->incremental ? "IXFR" : "AXFR",
              primary->tls ? "yes" : "no", (unsigned long long)taking->records,
              (unsigned long long)taking->bytes,
              (unsigned long long)((now_of(s) - taking->began_ns) / KEEL_NS_PER_MS));
    dns_refresher_updated(&s->refresher, &z->refresh, &taking->soa, taking->expire, now_of(s));
    refreshed(z, peer);
}

static void take(struct secondary *z, struct dns_fetcher *fetcher)
{
    z->taking = dns_taking_new(z->kept, fetcher, on_taken, z);
    if (z->taking)
        dns_taking_start(z->taking, z->all->pool);
    else
        failed(z, false, keel_strerror(KEEL_ENOMEM));
}

/* --- asking --- */

static void on_end(struct dns_fetcher *fetcher)
{
    struct secondary *z = fetcher->arg;
    struct dns_secondaries *s = z->all;
    struct dns_fetch *fetch = &fetcher->fetch;
    char name[DNS_NAME_TEXT];

    z->fetcher = NULL;
    if (fetch->skipped > 0)
        keel_warning("transfer", "records that are not of the zone were left out",
                     "zone=%s records=%u", name_of(z, name), fetch->skipped);
    switch (fetch->outcome) {
    case DNS_FETCH_CURRENT:
        current(z, fetch);
        break;
    case DNS_FETCH_NEWER:
        dns_refresher_newer(&s->refresher, &z->refresh);
        stir(s);
        break;
    case DNS_FETCH_ZONE:
        if (z->refresh.have && !z->refresh.forced &&
            !dns_serial_newer(fetch->soa.serial, z->refresh.soa.serial))
            current(z, fetch); /* it could not tell before */
        else
            take(z, fetcher);
        break;
    case DNS_FETCH_STEPS:
        take(z, fetcher);
        break;
    default:
        if (fetch->options.udp && (fetcher->silent || fetch->truncated)) {
            z->by_stream = true; /* which says it all at once */
            dns_refresher_newer(&s->refresher, &z->refresh);
            stir(s);
        } else {
            failed(z, fetch->try_whole, fetch->diag.text);
        }
    }
    dns_fetcher_free(fetcher);
}

static void ask(struct secondary *z, bool udp)
{
    struct dns_secondaries *s = z->all;
    const struct dns_refresh_zone *refresh = &z->refresh;
    const struct dns_primary *primary = &z->primaries[refresh->primary];
    const struct dns_fetch_options options = {
        .apex = z->kept->apex,
        .key = primary->key,
        .udp = udp,
        .only_soa = udp,
        .ask_soa = udp || (refresh->have && !refresh->forced && (primary->tls || z->by_stream)),
        .incremental = dns_refresh_incremental(refresh) && z->kept->edit,
        .have = refresh->have && !refresh->forced,
        .serial = refresh->soa.serial,
        .hash = {keel_rand_u64(), keel_rand_u64()},
        .limit = s->settings->transfer_limit,
        .seed = keel_rand_u64(),
    };
    keel_metric_add(&s->instance->metrics, DNS_METRIC_REFRESH_ASKED, 1);
    z->fetcher = dns_fetcher_new(s->instance->loop, primary, &options,
                                 s->settings->transfer_timeout_ns, on_end, z);
    if (!z->fetcher)
        failed(z, false, "no connection can be made");
}

/* Is there news? Nobody is asked who is told all in the transfer anyway. */
static void check(struct secondary *z)
{
    const struct dns_primary *primary = &z->primaries[z->refresh.primary];
    if (z->refresh.have && !z->refresh.forced && !primary->tls)
        ask(z, true);
    else
        dns_refresher_newer(&z->all->refresher, &z->refresh);
}

static void expire(struct secondary *z)
{
    char name[DNS_NAME_TEXT];
    keel_error("transfer", "a zone has expired", "zone=%s serial=%u refreshed=%llu",
               name_of(z, name), z->refresh.soa.serial, (unsigned long long)z->refreshed);
    dns_keeper_expire(z->kept, true);
}

static void plan(struct dns_secondaries *s)
{
    uint64_t now = now_of(s), due = dns_refresher_due(&s->refresher);
    if (due == UINT64_MAX)
        keel_timer_stop(&s->timer);
    else
        keel_timer_start(&s->timer, due > now ? due - now : 0, 0);
}

static void act(struct dns_secondaries *s)
{
    enum dns_refresh_action action;
    struct dns_refresh_zone *refresh;
    while ((action = dns_refresher_next(&s->refresher, now_of(s), &refresh)) !=
           DNS_REFRESH_NOTHING) {
        struct secondary *z = KEEL_CONTAINER(refresh, struct secondary, refresh);
        if (action == DNS_REFRESH_CHECK)
            check(z);
        else if (action == DNS_REFRESH_TRANSFER)
            ask(z, false);
        else
            expire(z);
    }
    plan(s);
}

static void on_task(struct keel_task *task)
{
    act(KEEL_CONTAINER(task, struct dns_secondaries, task));
}

static void on_timer(struct keel_timer *timer)
{
    act(KEEL_CONTAINER(timer, struct dns_secondaries, timer));
}

/* --- zones --- */

static struct secondary *find(const struct dns_secondaries *s, const struct dns_kept *kept)
{
    return kept->index < s->count ? s->zones[kept->index] : NULL;
}

static int make_room(struct dns_secondaries *s, unsigned index)
{
    if (index < s->count)
        return 0;
    unsigned count = index + 64;
    struct secondary **zones = keel_realloc(s->zones, count * sizeof(struct secondary *));
    if (!zones)
        return KEEL_ENOMEM;
    memset(zones + s->count, 0, (count - s->count) * sizeof(struct secondary *));
    s->zones = zones;
    s->count = count;
    return 0;
}

static struct dns_refresh_known known_of(const struct secondary *z, uint64_t now)
{
    const struct dns_version *version = z->kept->zone->version;
    struct dns_refresh_known known = {.have = version != NULL};
    uint32_t n[5];
    if (!version)
        return known;
    dns_view_soa(&version->view, n);
    known.soa = (struct dns_soa){n[0], n[1], n[2], n[3], n[4]};
    known.age = now > z->refreshed ? now - z->refreshed : 0;
    known.expires_known = z->expires > 0;
    known.expires_in = z->expires > now ? z->expires - now : 0;
    return known;
}

static void secondary_free(struct secondary *z)
{
    dns_taking_abandon(z->taking);
    dns_fetcher_free(z->fetcher);
    keel_free(z->primaries);
    keel_free(z);
}

int dns_secondaries_add(struct dns_secondaries *s, struct dns_kept *kept,
                        const struct dns_secondary_state *state)
{
    const unsigned count = kept->zone->primaries;
    if (count == 0)
        return 0;
    if (make_room(s, kept->index) != 0)
        return KEEL_ENOMEM;
    struct secondary *z = keel_calloc(1, sizeof *z);
    if (!z)
        return KEEL_ENOMEM;
    z->all = s;
    z->kept = kept;
    z->refreshed = state->refreshed;
    z->expires = state->expires;
    z->primaries = keel_memdup(dns_primaries_of(&s->settings->primaries, kept->zone),
                               count * sizeof *z->primaries);
    const struct dns_refresh_known known = known_of(z, seconds(s));
    int err = z->primaries ? dns_refresher_add(&s->refresher, &z->refresh, count, &known, now_of(s))
                           : KEEL_ENOMEM;
    if (err) {
        secondary_free(z);
        return err;
    }
    s->zones[kept->index] = z;
    stir(s);
    return 0;
}

void dns_secondaries_remove(struct dns_secondaries *s, const struct dns_kept *kept)
{
    struct secondary *z = find(s, kept);
    if (!z)
        return;
    s->zones[kept->index] = NULL;
    dns_refresher_remove(&s->refresher, &z->refresh);
    secondary_free(z);
    stir(s);
}

/* --- life --- */

struct dns_secondaries *dns_secondaries_new(struct keel_instance *instance,
                                            const struct dns_settings *settings)
{
    struct dns_secondaries *s = keel_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->instance = instance;
    s->settings = settings;
    dns_refresher_init(&s->refresher, CHECKS_MAX, settings->transfers_in, keel_rand_u64());
    keel_timer_init(&s->timer, instance->loop, "refresh", on_timer);
    keel_task_init(&s->task, on_task);
    return s;
}

int dns_secondaries_begin(struct dns_secondaries *s)
{
    if (s->begun)
        return 0;
    s->pool = keel_offload_new(s->instance->loop, THREADS, 2 * s->settings->transfers_in);
    if (!s->pool)
        return KEEL_ENOMEM;
    s->begun = true;
    stir(s);
    return 0;
}

void dns_secondaries_stop(struct dns_secondaries *s)
{
    s->begun = false;
    keel_timer_stop(&s->timer);
    keel_task_stop(&s->task);
    for (unsigned i = 0; i < s->count; i++) {
        if (!s->zones[i])
            continue;
        dns_refresher_remove(&s->refresher, &s->zones[i]->refresh);
        secondary_free(s->zones[i]);
        s->zones[i] = NULL;
    }
    keel_offload_free(s->pool);
    s->pool = NULL;
}

void dns_secondaries_free(struct dns_secondaries *s)
{
    if (!s)
        return;
    dns_secondaries_stop(s);
    dns_refresher_fini(&s->refresher);
    keel_free(s->zones);
    keel_free(s);
}

/* --- from outside --- */

/* The serial of the SOA that a NOTIFY may have in its answer section (RFC 1996, 3.7). */
static bool read_hint(const uint8_t *message, size_t size, uint32_t *serial)
{
    struct dns_message m;
    struct dns_record record;
    if (dns_message_parse_query(&m, message, size) != 0 || keel_get_u16(message + 6) == 0)
        return false;
    size_t offset = DNS_HEADER_SIZE + m.question_size;
    if (dns_record_parse(&record, message, size, &offset) != 0 || record.type != DNS_TYPE_SOA ||
        record.rdata_size < 22)
        return false;
    *serial = keel_get_u32(record.rdata + record.rdata_size - 20);
    return true;
}

void dns_secondaries_notified(struct dns_secondaries *s, const struct dns_kept *kept,
                              const struct keel_addr *peer, const uint8_t *message, size_t size)
{
    struct secondary *z = find(s, kept);
    unsigned primary = 0;
    uint32_t serial;
    if (!z)
        return;
    keel_metric_add(&s->instance->metrics, DNS_METRIC_NOTIFY_HEARD, 1);
    /* what it is about we have already */
    if (z->refresh.have && !z->refresh.expired && read_hint(message, size, &serial) &&
        !dns_serial_newer(serial, z->refresh.soa.serial))
        return;
    while (primary < kept->zone->primaries &&
           !keel_addr_equal_host(&z->primaries[primary].addr, peer))
        primary++;
    dns_refresher_notified(&s->refresher, &z->refresh, primary, now_of(s));
    stir(s);
}

int dns_secondaries_refresh(struct dns_secondaries *s, const struct dns_kept *kept, bool transfer,
                            struct keel_diag *diag)
{
    struct secondary *z = find(s, kept);
    if (!z || !s->begun)
        return keel_diag_set(diag, KEEL_ENOENT, "it has no primary to be asked");
    dns_refresher_force(&s->refresher, &z->refresh, transfer, now_of(s));
    stir(s);
    return 0;
}

static void put(json_t *row, const char *name, json_t *value)
{
    json_object_set_new(row, name, value);
}

void dns_secondaries_status(const struct dns_secondaries *s, const struct dns_kept *kept,
                            json_t *row)
{
    static const char *const states[] = {
        [DNS_REFRESH_IDLE] = "idle",
        [DNS_REFRESH_CHECKING] = "checking",
        [DNS_REFRESH_WAITING] = "waiting",
        [DNS_REFRESH_TRANSFERRING] = "transferring",
    };
    const struct secondary *z = find(s, kept);
    char peer[KEEL_ADDR_TEXT];
    if (!z)
        return;
    uint64_t now = now_of(s), check_ns = z->refresh.check_ns;
    keel_addr_format(peer, sizeof peer, &z->primaries[z->refresh.primary].addr);
    put(row, "refresh", json_string(states[z->refresh.state]));
    put(row, "primary", json_string(peer));
    put(row, "refreshed", json_integer((json_int_t)z->refreshed));
    put(row, "refreshed-from", json_string(z->from));
    put(row, "expires", json_integer((json_int_t)z->expires));
    put(row, "expired", json_boolean(z->refresh.expired));
    if (z->refresh.state == DNS_REFRESH_IDLE)
        put(row, "next-check",
            json_integer((json_int_t)(check_ns > now ? (check_ns - now) / KEEL_NS_PER_S : 0)));
    if (z->trouble[0])
        put(row, "trouble", json_string(z->trouble));
}
