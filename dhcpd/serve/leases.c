#include "dhcpd/serve/leases.h"

#include "common/base/buf.h"
#include "dhcpd/engine/edit.h"
#include "dhcpd/lease/filter.h"
#include "dhcpd/serve/serve.h"

#include <arpa/inet.h>

#define PAGE_ROWS 1000
/* A page ends after this time, so that no client waits for an operator. */
#define PAGE_TIME (2 * KEEL_NS_PER_MS)
#define LOOKS_PER_CLOCK 64
#define LEASE_TIME (12 * 3600) /* of one that is added without a time */

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}

static int need_active(const struct dhcp_serve *s, struct keel_diag *diag)
{
    return s->engine ? 0 : keel_diag_set(diag, KEEL_EAGAIN, "this worker is a standby");
}

static const char *argument(json_t *args, size_t i)
{
    const char *text = json_string_value(json_array_get(args, i));
    return text ? text : "";
}

/* "key=value" in two; false when there is no "=". */
static bool split(const char *text, struct keel_str *key, struct keel_str *value)
{
    *value = keel_str(text);
    return strchr(text, '=') && keel_str_split(value, '=', key);
}

static int read_address(struct keel_str text, uint32_t *address, struct keel_diag *diag)
{
    char copy[16] = "";
    struct in_addr a;
    if (text.n < sizeof copy)
        memcpy(copy, text.p, text.n);
    if (text.n >= sizeof copy || inet_pton(AF_INET, copy, &a) != 1)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not an IPv4 address", (int)text.n,
                             text.p);
    *address = ntohl(a.s_addr);
    return 0;
}

/* --- the list --------------------------------------------------------------------------------- */

struct page {
    struct dhcp_lease_filter filter;
    uint32_t from;
    uint64_t left; /* rows still wanted */
    bool csv, header;
    uint64_t now, deadline;
    json_t *rows;         /* or: */
    struct keel_buf text; /* CSV */
    unsigned count, looked;
    uint32_t next; /* where the next page begins */
    bool more;
};

/* Untrusted bytes as text that is safe to show; JSON null when there are none. */
static json_t *text_of(struct dhcp_bytes value)
{
    char text[1024];
    if (value.n == 0)
        return json_null();
    keel_escape(text, sizeof text, value.p, value.n);
    return json_string(text);
}

static json_t *hex_of(struct dhcp_bytes value)
{
    char text[3 * 256];
    if (value.n == 0)
        return json_null();
    keel_format_hex(text, sizeof text, value.p, value.n, ':');
    return json_string(text);
}

static const char *state_of(const struct dhcp_lease *lease, uint64_t now)
{
    return dhcp_lease_state_name(dhcp_lease_state_now(lease, now));
}

static void add_row(struct page *p, const char *address, const struct dhcp_lease *lease)
{
    json_t *row;
    if (!lease)
        row = json_pack("{s:s, s:s}", "address", address, "state", "unreadable");
    else
        row =
            json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "address", address, "state",
                      state_of(lease, p->now), "hardware",
                      hex_of((struct dhcp_bytes){lease->chaddr, lease->hlen}), "client-id",
                      hex_of(dhcp_lease_client_id(lease)), "hostname", text_of(lease->hostname),
                      "granted", (json_int_t)lease->granted, "expires", (json_int_t)lease->expires);
    json_array_append_new(p->rows, row);
}

/* A field of CSV (RFC 4180): in quotes when something in it would end it. */
static void put_field(struct keel_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"")) {
        keel_buf_puts(out, text);
        return;
    }
    keel_buf_puts(out, "\"");
    for (; *text; text++)
        keel_buf_append(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    keel_buf_puts(out, "\"");
}

static void add_line(struct page *p, const char *address, const struct dhcp_lease *lease)
{
    char hardware[3 * 16 + 1] = "", client[3 * 256] = "", hostname[1024] = "";
    if (!lease) {
        keel_buf_printf(&p->text, "%s,unreadable,,,,,\n", address);
        return;
    }
    struct dhcp_bytes id = dhcp_lease_client_id(lease);
    keel_format_hex(hardware, sizeof hardware, lease->chaddr, lease->hlen, ':');
    keel_format_hex(client, sizeof client, id.p, id.n, ':');
    keel_escape(hostname, sizeof hostname, lease->hostname.p, lease->hostname.n);
    keel_buf_printf(&p->text, "%s,%s,%s,%s,", address, state_of(lease, p->now), hardware, client);
    put_field(&p->text, hostname);
    keel_buf_printf(&p->text, ",%llu,%llu\n", (unsigned long long)lease->granted,
                    (unsigned long long)lease->expires);
}

static int visit(void *arg, uint32_t number, const struct dhcp_lease *lease)
{
    struct page *p = arg;
    char address[16];
    if (number > p->filter.last || p->left == 0)
        return 1;
    if (p->count == PAGE_ROWS ||
        (++p->looked % LOOKS_PER_CLOCK == 0 && keel_clock_monotonic() > p->deadline)) {
        p->more = true;
        p->next = number;
        return 1;
    }
    if (!dhcp_lease_filter_match(&p->filter, lease, p->now))
        return 0;
    dhcp_address_text(number, address);
    if (p->csv)
        add_line(p, address, lease);
    else
        add_row(p, address, lease);
    p->count++;
    p->left--;
    return 0;
}

static int read_count(struct page *p, struct keel_str text, struct keel_diag *diag)
{
    if (keel_parse_u64(text, UINT32_MAX, &p->left) != 0 || p->left == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "a count of at least 1 expected");
    return 0;
}

static int read_argument(struct page *p, json_t *args, size_t i, struct keel_diag *diag)
{
    struct keel_str key, value;
    if (!split(argument(args, i), &key, &value))
        return i == 0   ? read_address(value, &p->from, diag)
               : i == 1 ? read_count(p, value, diag)
                        : keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not like state=active",
                                        argument(args, i));
    if (keel_str_equal(key, KEEL_STR("from")))
        return read_address(value, &p->from, diag);
    if (keel_str_equal(key, KEEL_STR("count")))
        return read_count(p, value, diag);
    if (keel_str_equal(key, KEEL_STR("format"))) {
        p->csv = keel_str_equal(value, KEEL_STR("csv"));
        return p->csv || keel_str_equal(value, KEEL_STR("json"))
                   ? 0
                   : keel_diag_set(diag, KEEL_EINVAL, "format: csv or json");
    }
    if (keel_str_equal(key, KEEL_STR("header"))) {
        if (keel_parse_bool(value, &p->header) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "header: yes or no");
        return 0;
    }
    int err = dhcp_lease_filter_add(&p->filter, key, value, p->now, diag);
    if (err != KEEL_ENOENT)
        return err;
    return keel_diag_set(diag, KEEL_EINVAL,
                         "no filter \"%.*s\": subnet, address, state, hardware, client, hostname, "
                         "expires-before, from, count or format",
                         (int)key.n, key.p);
}

/* Takes what the page holds. */
static json_t *page_result(struct page *p)
{
    char from[32], count[32], address[16];
    json_t *result =
        p->csv ? json_pack("{s:s}", "text", keel_buf_text(&p->text))
               : json_pack("{s:O, s:[s, s]}", "rows", p->rows, "times", "granted", "expires");
    if (p->more) {
        snprintf(from, sizeof from, "from=%s", dhcp_address_text(p->next, address));
        snprintf(count, sizeof count, "count=%llu", (unsigned long long)p->left);
        json_object_set_new(result, "next", json_pack("[s, s, s]", from, count, "header=no"));
    }
    return result;
}

int dhcp_leases_list(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    struct page p = {.left = UINT32_MAX,
                     .header = true,
                     .now = keel_loop_realtime(instance->loop) / KEEL_NS_PER_S,
                     .deadline = keel_clock_monotonic() + PAGE_TIME};
    dhcp_lease_filter_init(&p.filter);
    int err = need_active(s, diag);
    for (size_t i = 0; !err && i < json_array_size(args); i++)
        err = read_argument(&p, args, i, diag);
    if (err)
        return err;
    keel_buf_init(&p.text, 0);
    p.rows = json_array();
    if (p.csv && p.header)
        keel_buf_puts(&p.text, "address,state,hardware,client-id,hostname,granted,expires\n");
    err = p.rows ? keel_store_read(s->durable.env) : KEEL_ENOMEM;
    if (!err) {
        uint32_t first = p.from > p.filter.first ? p.from : p.filter.first;
        err = dhcp_durable_each(&s->durable, first, visit, &p);
        keel_store_read_end(s->durable.env);
    }
    *result = err < 0 ? NULL : page_result(&p);
    json_decref(p.rows);
    bool failed = p.text.failed;
    keel_buf_fini(&p.text);
    if (err < 0)
        return keel_diag_set(diag, err, "the lease store cannot be read: %s", keel_strerror(err));
    return failed || !*result ? no_memory(diag) : 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int begin(struct dhcp_serve *s, struct keel_diag *diag)
{
    int err = need_active(s, diag);
    if (err)
        return err;
    err = dhcp_durable_begin(&s->durable);
    return err ? keel_diag_set(diag, err, "the lease store cannot be written: %s",
                               keel_strerror(err))
               : 0;
}

/* Commits the change of one address, or takes it back. */
static int finish(struct dhcp_serve *s, uint32_t address, int err, struct keel_diag *diag)
{
    if (err) {
        dhcp_durable_abort(&s->durable);
    } else {
        const struct dhcp_decision change = {.changed = {address}, .changes = 1};
        dhcp_follow_write(&s->follow);
        err = dhcp_durable_commit(&s->durable, s->engine, &change, 1, false);
        if (err >= 0) {
            dhcp_follow_done(&s->follow);
            return 0;
        }
        keel_diag_set(diag, err, "the lease store cannot be written: %s", keel_strerror(err));
    }
    dhcp_follow_lost(&s->follow, s->engine, s->durable.env);
    if (keel_store_read(s->durable.env) == 0) {
        dhcp_engine_resync(s->engine, address);
        keel_store_read_end(s->durable.env);
    }
    return err;
}

struct new_lease {
    struct dhcp_lease lease;
    uint8_t identity[DHCP_IDENTITY_MAX];
    char hostname[256];
    uint64_t seconds;
};

static int read_new_key(struct new_lease *n, struct keel_str key, struct keel_str value,
                        struct keel_diag *diag)
{
    struct dhcp_lease *lease = &n->lease;
    uint64_t ns;
    int size = 0;
    if (keel_str_equal(key, KEEL_STR("hardware"))) {
        size = keel_parse_hex(value, lease->chaddr, sizeof lease->chaddr);
        lease->hlen = (uint8_t)(size > 0 ? size : 0);
    } else if (keel_str_equal(key, KEEL_STR("client"))) {
        size = keel_parse_hex(value, n->identity + 1, sizeof n->identity - 1);
        n->identity[0] = 1;
        lease->client.identity = (struct dhcp_bytes){n->identity, (uint16_t)(size + 1)};
    } else if (keel_str_equal(key, KEEL_STR("hostname"))) {
        size = value.n > 0 && value.n < sizeof n->hostname ? 1 : KEEL_EINVAL;
        lease->hostname = (struct dhcp_bytes){(const uint8_t *)value.p, (uint16_t)value.n};
    } else if (keel_str_equal(key, KEEL_STR("time"))) {
        size = keel_parse_duration(value, &ns) == 0 && ns >= KEEL_NS_PER_S ? 1 : KEEL_EINVAL;
        n->seconds = size > 0 ? ns / KEEL_NS_PER_S : 0;
    }
    return size > 0 ? 0
                    : keel_diag_set(diag, KEEL_EINVAL,
                                    "\"%.*s=%.*s\": hardware=02:00:00:00:00:07, client=HEX, "
                                    "hostname=NAME or time=12h expected",
                                    (int)key.n, key.p, (int)value.n, value.p);
}

static int read_new(struct new_lease *n, json_t *args, struct keel_diag *diag)
{
    struct dhcp_lease *lease = &n->lease;
    int err = read_address(keel_str(argument(args, 0)), &lease->address, diag);
    for (size_t i = 1; !err && i < json_array_size(args); i++) {
        struct keel_str key, value;
        if (!split(argument(args, i), &key, &value))
            return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not like time=12h",
                                 argument(args, i));
        err = read_new_key(n, key, value, diag);
    }
    if (err)
        return err;
    if (lease->hlen == 0 && lease->client.identity.n == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "whose lease? hardware= or client= is missing");
    if (lease->client.identity.n == 0) {
        n->identity[0] = 0;
        n->identity[1] = lease->htype;
        memcpy(n->identity + 2, lease->chaddr, lease->hlen);
        lease->client.identity = (struct dhcp_bytes){n->identity, (uint16_t)(lease->hlen + 2)};
    }
    return 0;
}

static int explain_add(int err, const struct new_lease *n, uint32_t other, struct keel_diag *diag)
{
    char address[16], text[16];
    dhcp_address_text(n->lease.address, address);
    switch (err) {
    case KEEL_ENOENT:
        return keel_diag_set(diag, err, "%s is in no subnet of the configuration", address);
    case KEEL_EEXIST:
        return keel_diag_set(diag, err, "%s is leased to another client", address);
    case KEEL_EBUSY:
        return keel_diag_set(diag, err, "the client has a lease of %s",
                             dhcp_address_text(other, text));
    case KEEL_EINVAL:
        return keel_diag_set(diag, err,
                             "the record of %s cannot be read: lease-delete it first if nobody "
                             "can have the address",
                             address);
    default:
        return keel_diag_set(diag, err, "the lease store failed: %s", keel_strerror(err));
    }
}

int dhcp_leases_add(struct keel_instance *instance, json_t *args, json_t **result,
                    struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    struct new_lease n = {.lease = {.state = DHCP_LEASE_ACTIVE, .htype = 1}, .seconds = LEASE_TIME};
    uint32_t other = 0;
    (void)result;
    int err = read_new(&n, args, diag);
    if (!err)
        err = begin(s, diag);
    if (err)
        return err;
    n.lease.granted = keel_loop_realtime(instance->loop) / KEEL_NS_PER_S;
    n.lease.expires = n.lease.granted + n.seconds;
    err = dhcp_engine_add_lease(s->engine, &n.lease, &other);
    if (err)
        explain_add(err, &n, other, diag);
    return finish(s, n.lease.address, err, diag);
}

int dhcp_leases_delete(struct keel_instance *instance, json_t *args, json_t **result,
                       struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    uint32_t address;
    (void)result;
    int err = read_address(keel_str(argument(args, 0)), &address, diag);
    if (!err)
        err = begin(s, diag);
    if (err)
        return err;
    err = dhcp_engine_delete_lease(s->engine, address);
    if (err)
        keel_diag_set(diag, err,
                      err == KEEL_ENOENT ? "nothing is known of %s" : "%s: the store failed",
                      argument(args, 0));
    return finish(s, address, err, diag);
}

/* A word for a title: what a configuration file can hold between quotes. */
static void put_title(struct keel_buf *out, struct dhcp_bytes name, const char *otherwise)
{
    bool plain = name.n > 0;
    for (uint16_t i = 0; i < name.n; i++)
        plain = plain && name.p[i] > 0x20 && name.p[i] < 0x7f && !strchr("\"\\${}#", name.p[i]);
    if (plain)
        keel_buf_append(out, name.p, name.n);
    else
        keel_buf_puts(out, otherwise);
}

static void put_reservation(struct keel_buf *out, const struct dhcp_subnet *subnet,
                            const struct dhcp_lease *lease)
{
    char address[16], network[16], hex[3 * 256];
    struct dhcp_bytes id = dhcp_lease_client_id(lease);
    dhcp_address_text(lease->address, address);
    keel_buf_printf(out, "# in: subnet \"%s/%u\"\nreservation \"",
                    dhcp_address_text(subnet->network, network), subnet->length);
    put_title(out, lease->hostname, address);
    keel_buf_puts(out, "\" {\n");
    if (id.n > 0) {
        keel_format_hex(hex, sizeof hex, id.p, id.n, ':');
        keel_buf_printf(out, "  client-id = \"%s\"\n", hex);
    } else {
        keel_format_hex(hex, sizeof hex, lease->chaddr, lease->hlen, ':');
        keel_buf_printf(out, "  hardware = \"%s\"\n", hex);
    }
    keel_buf_printf(out, "  address = \"%s\"\n}\n", address);
}

int dhcp_leases_reservation(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    const struct dhcp_settings *settings = instance->settings;
    struct dhcp_lease lease;
    struct keel_buf out;
    uint32_t address;
    int err = need_active(s, diag);
    if (!err)
        err = read_address(keel_str(argument(args, 0)), &address, diag);
    if (err)
        return err;
    const struct dhcp_subnet *subnet = dhcp_config_by_address(&settings->config, address);
    if (!subnet)
        return keel_diag_set(diag, KEEL_ENOENT, "%s is in no subnet", argument(args, 0));
    if (keel_store_read(s->durable.env) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "the lease store cannot be read");
    keel_buf_init(&out, 0);
    err = s->durable.store.get(&s->durable.store, address, &lease);
    if (!err && lease.client.identity.n > 0)
        put_reservation(&out, subnet, &lease);
    else
        err = keel_diag_set(diag, KEEL_ENOENT, "no client is known to have %s", argument(args, 0));
    keel_store_read_end(s->durable.env);
    if (!err)
        *result = json_pack("{s:s}", "text", keel_buf_text(&out));
    keel_buf_fini(&out);
    return err || *result ? err : no_memory(diag);
}
