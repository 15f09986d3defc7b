/*
 * The parts of reading a configuration. Private to serve/settings*.c.
 */
#ifndef DHCPD_SERVE_SETTINGS_READ_H
#define DHCPD_SERVE_SETTINGS_READ_H

#include "dhcpd/serve/settings.h"

static inline int dhcp_no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}
/* A duration in seconds. */
static inline uint32_t dhcp_read_seconds(const struct keel_conf *conf, const char *name)
{
    return (uint32_t)(keel_conf_int(conf, name) / (int64_t)KEEL_NS_PER_S);
}
/* An IPv4 address in host order; false when it is none. */
bool dhcp_read_address(struct keel_str text, uint32_t *out);

/* The file's own options (option-definition). */
int dhcp_read_definitions(struct dhcp_settings *s, const struct keel_conf *conf,
                          struct keel_diag *diag);
/* What a section says of its clients: options, times, where to start from. */
int dhcp_read_policy(struct dhcp_settings *s, const struct keel_conf *conf, struct dhcp_policy *out,
                     struct keel_diag *diag);
/* The same of a section that mostly says nothing: *out is NULL then. */
int dhcp_read_own_policy(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct dhcp_policy **out, struct keel_diag *diag);
/* A text of 1 to max octets, copied; nothing when it is not given. */
int dhcp_read_text(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                   size_t max, struct dhcp_bytes *out, struct keel_diag *diag);
/* Client classes. */
int dhcp_read_classes(struct dhcp_settings *s, const struct keel_conf *conf,
                      struct keel_diag *diag);
/* An expression that stands as the option `name` of a section; it may ask for classes that have
 * been read. */
int dhcp_read_expression(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                         struct dhcp_expression *out, struct keel_diag *diag);
/* The `ddns` section, where there is one. */
int dhcp_read_ddns(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag);
/* The `hook` sections. */
int dhcp_read_hooks(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag);
/* All subnets, with and without a shared network around them. */
int dhcp_read_subnets(struct dhcp_settings *s, const struct keel_conf *conf,
                      struct keel_diag *diag);

#endif
