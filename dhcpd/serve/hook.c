#include "dhcpd/serve/hook.h"

#include "common/service/log.h"
#include "dhcpd/serve/status.h"
#include "dhcpd/wire/relay.h"

#include <stdarg.h>

#define UNDER_WAY_MAX 4096

/* --- the worker's side ------------------------------------------------------------------------ */

void dhcp_hooks_tell(struct dhcp_hooks *hooks, const struct dhcp_event *event)
{
    uint8_t bytes[DHCP_HOOK_SIZE];
    struct keel_metrics *m = &hooks->instance->metrics;
    if (!(hooks->events & 1u << event->type))
        return;
    size_t size = dhcp_hook_encode(event, bytes);
    if (hooks->under_way >= UNDER_WAY_MAX ||
        keel_instance_send(hooks->instance, DHCP_HELPER_HOOKS, DHCP_HOOK_EVENT, event->type, 0,
                           bytes, size, NULL, 0) != 0) {
        keel_metric_add(m, DHCP_METRIC_HOOK_EVENTS + 1, 1);
        keel_warning("hooks", "an event was dropped", "event=%s", dhcp_event_name(event->type));
        return;
    }
    hooks->under_way++;
    keel_metric_add(m, DHCP_METRIC_HOOK_EVENTS, 1);
}

void dhcp_hooks_up(struct dhcp_hooks *hooks)
{
    hooks->under_way = 0; /* another process: what the last one had is lost */
}

void dhcp_hooks_taken(struct dhcp_hooks *hooks, unsigned count)
{
    hooks->under_way -= count < hooks->under_way ? count : hooks->under_way;
}

/* --- between the two -------------------------------------------------------------------------- */

size_t dhcp_hook_encode(const struct dhcp_event *event, uint8_t *out)
{
    bool entered = event->fqdn.forward || event->fqdn.reverse;
    size_t n = entered ? event->fqdn.size : 0;
    out[0] = (uint8_t)n;
    memcpy(out + 1, event->fqdn.name, n);
    memcpy(out + 1 + n, event->record, event->size);
    return 1 + n + event->size;
}

int dhcp_hook_decode(struct dhcp_event *event, unsigned type, const void *bytes, size_t size)
{
    struct keel_reader r;
    struct dhcp_lease lease;
    keel_reader_init(&r, bytes, size);
    *event = (struct dhcp_event){.type = (enum dhcp_event_type)type};
    event->fqdn.size = keel_read_u8(&r);
    const uint8_t *name = keel_read_bytes(&r, event->fqdn.size);
    size_t left = keel_reader_left(&r);
    const uint8_t *record = keel_read_bytes(&r, left);
    if (r.bad || type >= DHCP_EVENTS || left > sizeof event->record ||
        dhcp_lease_decode(&lease, record, left) != 0 ||
        (event->fqdn.size && dns_name_scan(name, event->fqdn.size) != event->fqdn.size))
        return KEEL_EINVAL;
    memcpy(event->fqdn.name, name, event->fqdn.size);
    memcpy(event->record, record, left);
    event->size = (uint16_t)left;
    return 0;
}

/* --- the environment -------------------------------------------------------------------------- */

void dhcp_hook_text(char *out, size_t size, struct dhcp_bytes bytes)
{
    size_t n = 0;
    for (; n < bytes.n && n + 1 < size; n++) {
        int c = bytes.p[n];
        bool plain = keel_is_digit(c) || (keel_to_lower(c) >= 'a' && keel_to_lower(c) <= 'z') ||
                     c == '.' || c == '-' || c == '_';
        out[n] = plain ? (char)c : '?';
    }
    out[n] = '\0';
}

void dhcp_hook_name(char *out, size_t size, const struct dhcp_fqdn *fqdn)
{
    char text[DNS_NAME_TEXT] = "";
    size_t n = 0;
    if (fqdn->size)
        n = dns_name_to_text(text, fqdn->name);
    if (n > 0)
        text[n - 1] = '\0'; /* the last dot */
    snprintf(out, size, "%s", text);
}

struct lines {
    const char **next;
    char *text;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void add(struct lines *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(l->text, l->left, fmt, args);
    va_end(args);
    KEEL_ASSERT(n >= 0 && (size_t)n < l->left, "the environment has room for every variable");
    *l->next++ = l->text;
    l->text += n + 1;
    l->left -= (size_t)n + 1;
}

static void add_hex(struct lines *l, const char *name, const uint8_t *p, size_t n)
{
    char hex[3 * 256];
    keel_format_hex(hex, sizeof hex, p, n, ':');
    add(l, "%s=%s", name, n ? hex : "");
}

void dhcp_hook_environment(const struct dhcp_event *event, const char **lines, char *text,
                           size_t size)
{
    struct lines l = {lines, text, size};
    struct dhcp_lease lease;
    struct dhcp_relay relay;
    char address[16], network[16], clean[256], name[DNS_NAME_TEXT];
    dhcp_event_lease(event, &lease);
    struct dhcp_bytes id = lease.client.identity;
    bool has_id = id.n > 1 && id.p[0] == 1; /* see lease.h */
    if (dhcp_relay_parse(&relay, lease.relay) != 0)
        relay = (struct dhcp_relay){.link_selection = 0};
    add(&l, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add(&l, "KEEL_EVENT=%s", dhcp_event_name(event->type));
    add(&l, "KEEL_ADDRESS=%s", dhcp_address_text(lease.address, address));
    add(&l, "KEEL_SUBNET=%s/%u", dhcp_address_text(lease.client.network, network),
        lease.client.length);
    add(&l, "KEEL_HARDWARE_TYPE=%u", lease.htype);
    add_hex(&l, "KEEL_HARDWARE", lease.chaddr, lease.hlen);
    add_hex(&l, "KEEL_CLIENT_ID", has_id ? id.p + 1 : NULL, has_id ? id.n - 1u : 0);
    dhcp_hook_text(clean, sizeof clean, lease.hostname);
    add(&l, "KEEL_HOSTNAME=%s", clean);
    dhcp_hook_name(name, sizeof name, &event->fqdn);
    add(&l, "KEEL_FQDN=%s", name);
    add(&l, "KEEL_GRANTED=%llu", (unsigned long long)lease.granted);
    add(&l, "KEEL_EXPIRES=%llu", (unsigned long long)lease.expires);
    add_hex(&l, "KEEL_CIRCUIT_ID", relay.circuit_id.p, relay.circuit_id.n);
    add_hex(&l, "KEEL_REMOTE_ID", relay.remote_id.p, relay.remote_id.n);
    *l.next = NULL;
}
