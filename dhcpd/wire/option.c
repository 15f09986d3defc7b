#include "dhcpd/wire/option.h"

#define ONE(name, code, type)                                                                      \
    {                                                                                              \
        name, code, DHCP_TYPE_##type, false, 0, {0}, NULL, 0                                       \
    }
#define LIST(name, code, type)                                                                     \
    {                                                                                              \
        name, code, DHCP_TYPE_##type, true, 0, {0}, NULL, 0                                        \
    }
#define RECORD(name, code, list, count, ...)                                                       \
    {                                                                                              \
        name, code, DHCP_TYPE_RECORD, list, count, {__VA_ARGS__}, NULL, 0                          \
    }

const struct dhcp_option_def dhcp_option_table[] = {
    ONE("subnet-mask", 1, ADDR),
    ONE("time-offset", 2, I32),
    LIST("routers", 3, ADDR),
    LIST("time-servers", 4, ADDR),
    LIST("name-servers", 5, ADDR),
    LIST("domain-name-servers", 6, ADDR),
    LIST("log-servers", 7, ADDR),
    LIST("cookie-servers", 8, ADDR),
    LIST("lpr-servers", 9, ADDR),
    LIST("impress-servers", 10, ADDR),
    LIST("resource-location-servers", 11, ADDR),
    ONE("host-name", 12, TEXT),
    ONE("boot-size", 13, U16),
    ONE("merit-dump", 14, TEXT),
    ONE("domain-name", 15, TEXT),
    ONE("swap-server", 16, ADDR),
    ONE("root-path", 17, TEXT),
    ONE("extensions-path", 18, TEXT),
    ONE("ip-forwarding", 19, FLAG),
    ONE("non-local-source-routing", 20, FLAG),
    LIST("policy-filter", 21, PAIR),
    ONE("max-dgram-reassembly", 22, U16),
    ONE("default-ip-ttl", 23, U8),
    ONE("path-mtu-aging-timeout", 24, U32),
    LIST("path-mtu-plateau-table", 25, U16),
    ONE("interface-mtu", 26, U16),
    ONE("all-subnets-local", 27, FLAG),
    ONE("broadcast-address", 28, ADDR),
    ONE("perform-mask-discovery", 29, FLAG),
    ONE("mask-supplier", 30, FLAG),
    ONE("router-discovery", 31, FLAG),
    ONE("router-solicitation-address", 32, ADDR),
    LIST("static-routes", 33, PAIR),
    ONE("trailer-encapsulation", 34, FLAG),
    ONE("arp-cache-timeout", 35, U32),
    ONE("ieee802-3-encapsulation", 36, FLAG),
    ONE("default-tcp-ttl", 37, U8),
    ONE("tcp-keepalive-interval", 38, U32),
    ONE("tcp-keepalive-garbage", 39, FLAG),
    ONE("nis-domain", 40, TEXT),
    LIST("nis-servers", 41, ADDR),
    LIST("ntp-servers", 42, ADDR),
    ONE("vendor-encapsulated-options", 43, BINARY),
    LIST("netbios-name-servers", 44, ADDR),
    LIST("netbios-dd-server", 45, ADDR),
    ONE("netbios-node-type", 46, U8),
    ONE("netbios-scope", 47, TEXT),
    LIST("font-servers", 48, ADDR),
    LIST("x-display-managers", 49, ADDR),
    ONE("requested-address", 50, ADDR),
    ONE("lease-time", 51, U32),
    ONE("option-overload", 52, U8),
    ONE("message-type", 53, U8),
    ONE("server-identifier", 54, ADDR),
    LIST("parameter-request-list", 55, U8),
    ONE("message", 56, TEXT),
    ONE("max-message-size", 57, U16),
    ONE("renewal-time", 58, U32),
    ONE("rebinding-time", 59, U32),
    ONE("vendor-class-identifier", 60, TEXT),
    ONE("client-identifier", 61, BINARY),
    ONE("nwip-domain", 62, TEXT),
    ONE("nwip-suboptions", 63, BINARY),
    ONE("nisplus-domain", 64, TEXT),
    LIST("nisplus-servers", 65, ADDR),
    ONE("tftp-server-name", 66, TEXT),
    ONE("boot-file-name", 67, TEXT),
    LIST("mobile-ip-home-agents", 68, ADDR),
    LIST("smtp-servers", 69, ADDR),
    LIST("pop-servers", 70, ADDR),
    LIST("nntp-servers", 71, ADDR),
    LIST("www-servers", 72, ADDR),
    LIST("finger-servers", 73, ADDR),
    LIST("irc-servers", 74, ADDR),
    LIST("streettalk-servers", 75, ADDR),
    LIST("streettalk-directory-servers", 76, ADDR),
    ONE("user-class", 77, TEXT),
    RECORD("slp-directory-agents", 78, true, 2, DHCP_TYPE_FLAG, DHCP_TYPE_ADDR),
    RECORD("slp-service-scope", 79, false, 2, DHCP_TYPE_FLAG, DHCP_TYPE_TEXT),
    ONE("rapid-commit", 80, EMPTY),
    ONE("client-fqdn", 81, BINARY),
    ONE("relay-agent-information", 82, BINARY),
    ONE("isns", 83, BINARY),
    LIST("nds-servers", 85, ADDR),
    ONE("nds-tree-name", 86, TEXT),
    ONE("nds-context", 87, TEXT),
    LIST("bcms-controller-names", 88, NAME),
    LIST("bcms-controller-addresses", 89, ADDR),
    ONE("authentication", 90, BINARY),
    ONE("client-last-transaction-time", 91, U32),
    LIST("associated-ip", 92, ADDR),
    LIST("client-system", 93, U16),
    RECORD("client-ndi", 94, false, 3, DHCP_TYPE_U8, DHCP_TYPE_U8, DHCP_TYPE_U8),
    ONE("ldap-url", 95, TEXT),
    ONE("client-machine-id", 97, BINARY),
    ONE("uap-servers", 98, TEXT),
    ONE("geoconf-civic", 99, BINARY),
    ONE("posix-timezone", 100, TEXT),
    ONE("tz-name", 101, TEXT),
    ONE("ipv6-only-preferred", 108, U32),
    ONE("dhcp4o6-source-address", 109, ADDR6),
    LIST("netinfo-server-addresses", 112, ADDR),
    ONE("netinfo-server-tag", 113, TEXT),
    ONE("captive-portal", 114, TEXT),
    ONE("auto-configure", 116, U8),
    LIST("name-service-search", 117, U16),
    ONE("subnet-selection", 118, ADDR),
    LIST("domain-search", 119, NAME),
    LIST("sip-servers", 120, SIP),
    LIST("classless-static-routes", 121, ROUTE),
    ONE("cablelabs-configuration", 122, BINARY),
    ONE("geoconf", 123, BINARY),
    ONE("vendor-identifying-class", 124, BINARY),
    ONE("vendor-identifying-options", 125, BINARY),
    LIST("pana-agents", 136, ADDR),
    ONE("lost-server", 137, NAME),
    LIST("capwap-controllers", 138, ADDR),
    ONE("mos-addresses", 139, BINARY),
    ONE("mos-names", 140, BINARY),
    LIST("sip-configuration-domains", 141, NAME),
    LIST("andsf-servers", 142, ADDR),
    LIST("sztp-redirect", 143, TEXT16),
    ONE("geolocation", 144, BINARY),
    LIST("forcerenew-nonce-capable", 145, U8),
    RECORD("rdnss-selection", 146, true, 4, DHCP_TYPE_U8, DHCP_TYPE_ADDR, DHCP_TYPE_ADDR,
           DHCP_TYPE_NAME),
    ONE("dots-agent-name", 147, NAME),
    LIST("dots-agent-addresses", 148, ADDR),
    LIST("tftp-server-addresses", 150, ADDR),
    RECORD("status-code", 151, false, 2, DHCP_TYPE_U8, DHCP_TYPE_TEXT),
    ONE("base-time", 152, U32),
    ONE("start-time-of-state", 153, U32),
    ONE("query-start-time", 154, U32),
    ONE("query-end-time", 155, U32),
    ONE("dhcp-state", 156, U8),
    ONE("data-source", 157, U8),
    ONE("pcp-servers", 158, BINARY),
    RECORD("port-parameters", 159, false, 3, DHCP_TYPE_U8, DHCP_TYPE_U8, DHCP_TYPE_U16),
    ONE("mud-url", 161, TEXT),
    ONE("encrypted-dns", 162, BINARY),
    ONE("etherboot-options", 175, BINARY),
    ONE("pxelinux-magic", 208, U32),
    ONE("pxelinux-config-file", 209, TEXT),
    ONE("pxelinux-path-prefix", 210, TEXT),
    ONE("pxelinux-reboot-time", 211, U32),
    RECORD("6rd", 212, true, 4, DHCP_TYPE_U8, DHCP_TYPE_U8, DHCP_TYPE_ADDR6, DHCP_TYPE_ADDR),
    ONE("access-network-domain", 213, NAME),
    ONE("subnet-allocation", 220, BINARY),
    ONE("virtual-subnet-selection", 221, BINARY),
    ONE(NULL, 0, FLAG),
};

/* By enum dhcp_option_type: the word in `option-definition { type = ... }`. */
static const char *const type_names[DHCP_TYPES_COUNT] = {
    "flag",    "uint8",        "uint16",       "uint32", "int8",   "int16", "int32",
    "address", "ipv6-address", "address-pair", "route",  "text",   "text8", "text16",
    "name",    "sip-server",   "binary",       "empty",  "record",
};

const struct dhcp_option_def *dhcp_option_by_name(struct keel_str name)
{
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++)
        if (keel_str_equal(keel_str(d->name), name))
            return d;
    return NULL;
}

const struct dhcp_option_def *dhcp_option_by_code(uint8_t code)
{
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++)
        if (d->code == code)
            return d;
    return NULL;
}

int dhcp_option_type_parse(struct keel_str name, enum dhcp_option_type *out, struct keel_diag *diag)
{
    for (unsigned i = 0; i < DHCP_TYPES_COUNT; i++) {
        if (keel_str_equal(keel_str(type_names[i]), name)) {
            *out = (enum dhcp_option_type)i;
            return 0;
        }
    }
    return keel_diag_set(diag, KEEL_EINVAL,
                         "no such type; types are flag, uint8, uint16, uint32, int8, int16, int32, "
                         "address, ipv6-address, address-pair, route, text, text8, text16, name, "
                         "sip-server, binary, empty, record");
}

int dhcp_option_fields_parse(struct keel_str names, struct dhcp_option_def *def,
                             struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(names), word;
    def->field_count = 0;
    while (rest.n > 0 && keel_str_split(&rest, ' ', &word)) {
        enum dhcp_option_type type;
        rest = keel_str_trim(rest);
        int err = dhcp_option_type_parse(word, &type, diag);
        if (err)
            return err;
        if (type == DHCP_TYPE_RECORD || type == DHCP_TYPE_EMPTY || type == DHCP_TYPE_SIP ||
            type == DHCP_TYPE_PAIR || type == DHCP_TYPE_ROUTE)
            return keel_diag_set(diag, KEEL_EINVAL, "%.*s cannot be a field of a record",
                                 (int)word.n, word.p);
        if (def->field_count == DHCP_FIELDS_MAX)
            return keel_diag_set(diag, KEEL_EINVAL, "a record has at most %d fields",
                                 DHCP_FIELDS_MAX);
        if (dhcp_option_is_open_ended(type) && (rest.n > 0 || def->list))
            return keel_diag_set(
                diag, KEEL_EINVAL,
                "%.*s can only be the last field, once: nothing says where it ends", (int)word.n,
                word.p);
        def->fields[def->field_count++] = (uint8_t)type;
    }
    if (def->field_count == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "a record needs fields, like \"uint8 address\"");
    return 0;
}

bool dhcp_option_is_internal(uint8_t code)
{
    switch (code) {
    case DHCP_OPTION_PAD:
    case DHCP_OPTION_END:
    case DHCP_OPTION_CLIENT_ID:
    case DHCP_OPTION_RAPID_COMMIT:
    case DHCP_OPTION_FQDN:
    case DHCP_OPTION_RELAY_INFO:
    case 90: /* authentication (RFC 3118) */
    case 91: /* leasequery (RFC 4388) */
    case 92:
    case DHCP_OPTION_SUBNET_SELECTION:
    case 145: /* forced renewal (RFC 6704) */
        return true;
    default: /* bulk leasequery (RFC 6926): 151 to 157 */
        return (code >= DHCP_OPTION_REQUESTED_ADDRESS && code <= DHCP_OPTION_REBINDING_TIME) ||
               (code >= 151 && code <= 157);
    }
}
