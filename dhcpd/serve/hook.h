/*
 * Hooks: lease events to commands and modules. The worker sends them to the helper process "hooks",
 * which runs the commands: whatever those do, the service goes on. An event is told once at most.
 */
#ifndef DHCPD_SERVE_HOOK_H
#define DHCPD_SERVE_HOOK_H

#include "common/service/module.h"
#include "dhcpd/engine/event.h"

/* The number of the helper, and the messages between it and the workers. */
#define DHCP_HELPER_HOOKS 0
enum dhcp_hook_message {
    DHCP_HOOK_EVENT = 1, /* to the helper: a = enum dhcp_event_type; name and record */
    DHCP_HOOK_TAKEN,     /* to the worker: a = how many events were taken */
};

/* The worker's side. */
struct dhcp_hooks {
    struct keel_instance *instance;
    unsigned events;    /* bits of enum dhcp_event_type that somebody wants */
    unsigned under_way; /* sent and not yet taken: a helper that hangs costs no memory */
};
void dhcp_hooks_tell(struct dhcp_hooks *hooks, const struct dhcp_event *event);
void dhcp_hooks_up(struct dhcp_hooks *hooks);
void dhcp_hooks_taken(struct dhcp_hooks *hooks, unsigned count);

/* The helper's side. */
extern const struct keel_helper dhcp_hook_helper;
/* Control command `hooks`. */
int dhcp_hook_status(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag);

/* An event as the helper gets it. Pure. Returns its size; out has DHCP_HOOK_SIZE octets. */
#define DHCP_HOOK_SIZE (1 + DNS_NAME_MAX + DHCP_LEASE_MAX)
size_t dhcp_hook_encode(const struct dhcp_event *event, uint8_t *out);
/* KEEL_EINVAL when it is malformed. */
int dhcp_hook_decode(struct dhcp_event *event, unsigned type, const void *bytes, size_t size);

/* The environment of a command, NULL-terminated, in lines[DHCP_HOOK_LINES] over text[size]. Pure.
 */
#define DHCP_HOOK_LINES 20
#define DHCP_HOOK_TEXT 8192
void dhcp_hook_environment(const struct dhcp_event *event, const char **lines, char *text,
                           size_t size);
/* Bytes of a client as harmless text: others than letters, digits and ".-_" become '?'. Pure. */
void dhcp_hook_text(char *out, size_t size, struct dhcp_bytes bytes);
void dhcp_hook_name(char *out, size_t size, const struct dhcp_fqdn *fqdn);

#endif
