#include "dhcpd/serve/settings_read.h"

#include "common/base/rand.h"

#define SECRET_MAX 512 /* bytes; longer than any block is hashed first and gains nothing */

static int read_name(const struct keel_conf *conf, const char *option, unsigned i,
                     struct dns_name *out, struct keel_diag *diag)
{
    const char *text = keel_conf_at(conf, option, i)->text;
    if (dns_name_from_text(out, keel_str(text), NULL) != 0 || out->labels == 0)
        return keel_conf_error_at(conf, option, i, diag, "\"%s\" is not the name of a zone", text);
    dns_name_lower(out);
    return 0;
}

static int read_key(struct dhcp_ddns_settings *ddns, const struct keel_conf *conf,
                    struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, "key"), *secret = keel_conf_str(conf, "secret");
    uint8_t bytes[SECRET_MAX];
    struct dns_name name;
    if (!text && secret)
        return keel_conf_error(conf, "secret", diag, "a secret without the name of its key");
    if (!text)
        return 0;
    if (!secret)
        return keel_conf_error(conf, "key", diag, "a key without its secret");
    if (dns_name_from_text(&name, keel_str(text), NULL) != 0)
        return keel_conf_error(conf, "key", diag, "\"%s\" is not a domain name", text);
    dns_name_lower(&name);
    int n = keel_parse_base64(keel_str(secret), bytes, sizeof bytes);
    if (n <= 0)
        return keel_conf_error(conf, "secret", diag, "base64 of 1 to %d bytes expected",
                               SECRET_MAX);
    enum dns_tsig_algorithm algorithm = (enum dns_tsig_algorithm)keel_conf_int(conf, "algorithm");
    if (dns_tsig_keys_add(&ddns->keys, &name, algorithm, bytes, (size_t)n, 0) != 0)
        return dhcp_no_memory(diag);
    ddns->key = dns_tsig_keys_find(&ddns->keys, &name);
    return 0;
}

static int read_zones(struct dhcp_settings *s, const struct keel_conf *conf,
                      struct dhcp_naming *naming, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "reverse-zones");
    struct dns_name *zones = keel_arena_calloc(&s->arena, (count + 1) * sizeof *zones);
    if (!zones)
        return dhcp_no_memory(diag);
    int err = read_name(conf, "forward-zone", 0, &naming->forward, diag);
    for (unsigned i = 0; !err && i < count; i++)
        err = read_name(conf, "reverse-zones", i, &zones[i], diag);
    naming->reverse = zones;
    naming->reverse_count = count;
    return err;
}

static int read_generate(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct dhcp_naming *naming, struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, "generate");
    if (!text)
        return 0;
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        int c = keel_to_lower((uint8_t)text[i]);
        if (!keel_is_digit(c) && !(c >= 'a' && c <= 'z') && (c != '-' || i == 0))
            n = 0;
    }
    if (n == 0 || n > 40)
        return keel_conf_error(conf, "generate", diag, "1 to 40 letters, digits and hyphens");
    naming->generate = keel_arena_strdup(&s->arena, text);
    return naming->generate ? 0 : dhcp_no_memory(diag);
}

int dhcp_read_ddns(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    const struct keel_conf *section = keel_conf_section(conf, "ddns");
    if (!section)
        return 0;
    struct dhcp_ddns_settings *ddns = keel_arena_calloc(&s->arena, sizeof *ddns);
    if (!ddns)
        return dhcp_no_memory(diag);
    dns_tsig_keys_init(&ddns->keys, (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    s->ddns = ddns;
    ddns->server = keel_conf_at(section, "server", 0)->addr;
    ddns->queue = (uint64_t)keel_conf_int(section, "queue");
    struct dhcp_naming *naming = &ddns->naming;
    naming->ttl = dhcp_read_seconds(section, "ttl");
    naming->client_names = keel_conf_bool(section, "client-names");
    naming->client_updates = keel_conf_bool(section, "client-updates");
    naming->override_no_updates = keel_conf_bool(section, "override-no-updates");
    int err = read_key(ddns, section, diag);
    if (!err)
        err = read_zones(s, section, naming, diag);
    if (!err)
        err = read_generate(s, section, naming, diag);
    s->config.naming = naming;
    return err;
}
