#include "dnsd/serve/settings.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dnsd/answer/query.h"
#include "dnsd/serve/added.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SECRET_MAX 512 /* bytes; longer than any block is hashed first and gains nothing */

static int read_key(struct dns_settings *s, const struct keel_conf *section, struct keel_diag *diag)
{
    enum dns_tsig_algorithm algorithm =
        (enum dns_tsig_algorithm)keel_conf_int(section, "algorithm");
    int64_t bits = keel_conf_int(section, "mac-bits");
    uint8_t secret[SECRET_MAX];
    struct dns_name name;

    if (dns_name_from_text(&name, keel_str(keel_conf_title(section)), NULL) != 0)
        return keel_conf_error(section, NULL, diag, "the title is not a domain name");
    int n = keel_parse_base64(keel_str(keel_conf_str(section, "secret")), secret, sizeof secret);
    if (n <= 0)
        return keel_conf_error(section, "secret", diag, "base64 of 1 to %d bytes expected",
                               SECRET_MAX);
    int err = dns_tsig_keys_add(&s->keys, &name, algorithm, secret, (size_t)n, (size_t)bits / 8);
    memset(secret, 0, sizeof secret);
    if (err == KEEL_EEXIST)
        return keel_conf_error(section, NULL, diag, "the key stands there twice");
    if (err == KEEL_ERANGE || bits % 8)
        return keel_conf_error(section, "mac-bits", diag, "a multiple of 8 from %zu to %zu",
                               dns_tsig_mac_least(algorithm) * 8, dns_tsig_mac_size(algorithm) * 8);
    return err ? keel_diag_set(diag, err, "%s", keel_strerror(err)) : 0;
}

static int read_acl(struct dns_acl *acl, const struct dns_settings *s,
                    const struct keel_conf *section, const char *option, struct keel_diag *diag)
{
    struct keel_diag inner;
    for (unsigned i = 0; i < keel_conf_count(section, option); i++) {
        const char *text = keel_conf_at(section, option, i)->text;
        int err = dns_acl_add(acl, keel_str(text), &s->keys, &inner);
        if (err)
            return keel_conf_error_at(section, option, i, diag, "%s", inner.text);
    }
    return 0;
}

static int read_target(struct dns_settings *s, const struct dns_zone *zone,
                       const struct keel_conf *section, unsigned i, struct keel_diag *diag)
{
    const struct keel_value *value = keel_conf_at(section, "notify", i);
    struct dns_notify_target target = {.zone = zone, .addr = value->addr};
    struct keel_diag inner;

    if (keel_addr_is_any(&value->addr) || keel_addr_port(&value->addr) == 0)
        return keel_conf_error_at(section, "notify", i, diag, "nobody can be reached there");
    if (value->words.n > 0) {
        target.key = dns_acl_key(keel_str_trim(value->words), &s->keys, &inner);
        if (!target.key)
            return keel_conf_error_at(section, "notify", i, diag, "%s", inner.text);
    }
    for (unsigned k = s->target_count; k > 0 && s->targets[k - 1].zone == zone; k--)
        if (keel_addr_equal(&s->targets[k - 1].addr, &target.addr))
            return keel_conf_error_at(section, "notify", i, diag, "it stands there twice");
    struct dns_notify_target *targets =
        keel_realloc(s->targets, (s->target_count + 1) * sizeof *targets);
    if (!targets)
        return keel_diag_memory(diag);
    s->targets = targets;
    s->targets[s->target_count++] = target;
    return 0;
}

static int read_access(struct dns_zone *zone, struct dns_settings *s,
                       const struct keel_conf *section, struct keel_diag *diag)
{
    zone->allow_query.any = false;
    int err = read_acl(&zone->allow_query, s, section, "allow-query", diag);
    if (err == 0)
        err = read_acl(&zone->allow_transfer, s, section, "allow-transfer", diag);
    if (err == 0)
        err = read_acl(&zone->allow_update, s, section, "allow-update", diag);
    if (err == 0)
        err = dns_primaries_read(&s->primaries, zone, section, &s->keys, diag);
    for (unsigned i = 0; err == 0 && i < keel_conf_count(section, "notify"); i++)
        err = read_target(s, zone, section, i, diag);
    return err;
}

/* What is in it the keeper looks at. */
static int check_file(const struct keel_conf *section, const char *file, struct keel_diag *diag)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return keel_conf_error(section, "file", diag, "cannot open \"%s\": %s", file,
                               strerror(errno));
    close(fd);
    return 0;
}

/* After a failure the zone may stand there, half-read. */
static int read_zone(struct dns_settings *s, const struct keel_conf *section, bool first,
                     struct keel_diag *diag)
{
    const char *title = keel_conf_title(section), *file = keel_conf_str(section, "file");
    struct dns_name apex;

    if (dns_name_from_text(&apex, keel_str(title), NULL) != 0)
        return keel_conf_error(section, NULL, diag, "the title is not a domain name");
    bool secondary = keel_conf_count(section, "primary") > 0;
    if (!file && !secondary)
        return keel_conf_error(section, NULL, diag, "it needs a file or a primary");
    if (file && secondary)
        return keel_conf_error(section, "file", diag, "it has primaries: its data comes from them");
    if (!file && keel_conf_bool(section, "watch"))
        return keel_conf_error(section, "watch", diag, "it has no file");
    int err = first && file ? check_file(section, file, diag) : 0; /* by the master alone */
    if (err)
        return err;
    err = dns_zones_add(&s->zones, &apex, NULL, file);
    if (err == 0) {
        struct dns_zone *zone = s->zones.items[s->zones.count - 1];
        zone->watch = keel_conf_bool(section, "watch");
        zone->journal_size = (uint64_t)keel_conf_int(section, "journal-size");
        zone->changes = secondary || keel_conf_count(section, "allow-update") > 0;
        return read_access(zone, s, section, diag);
    }
    return err == KEEL_EEXIST ? keel_conf_error(section, NULL, diag, "the zone stands there twice")
                              : keel_diag_set(diag, err, "%s", keel_strerror(err));
}

/* --- zones added at run time --- */

static bool is_known(const struct dns_settings *s, const struct keel_conf *section)
{
    struct dns_name apex;
    if (dns_name_from_text(&apex, keel_str(keel_conf_title(section)), NULL) != 0)
        return false;
    dns_name_lower(&apex);
    return dns_zones_get(&s->zones, apex.bytes, apex.size) != NULL;
}

/* Those that the configuration file has too are its own. */
static int read_added(struct dns_settings *s, const struct keel_conf *conf, bool first,
                      struct keel_diag *diag)
{
    char path[DNS_ADDED_PATH], *text = NULL;
    const char *state_dir = keel_conf_str(conf, "state-dir");
    struct keel_conf *added = NULL;
    int err = dns_added_path(path, state_dir, diag);
    if (err || access(path, F_OK) != 0)
        return err;
    err = keel_conf_read_file(path, &text, diag);
    const struct keel_conf_source source = {path, text, NULL};
    if (!err)
        err = keel_conf_load(dns_added_options, &source, &added, diag);
    if (!err) {
        keel_conf_for (section, added, "zone") {
            bool known = is_known(s, section);
            err = known ? 0 : read_zone(s, section, first, diag);
            if (err)
                break;
            if (!known)
                s->zones.items[s->zones.count - 1]->added = true;
        }
    }
    keel_conf_free(added);
    keel_free(text);
    return err;
}

int dns_settings_add_zone(struct dns_settings *s, const char *file, const char *text, bool check,
                          struct dns_zone **zone, struct keel_diag *diag)
{
    const struct keel_conf_source source = {file, text, NULL};
    struct keel_conf *conf = NULL;
    unsigned before = s->zones.count;
    int err = keel_conf_load(dns_added_options, &source, &conf, diag);
    if (!err && keel_conf_count(conf, "zone") != 1)
        err = keel_diag_set(diag, KEEL_EINVAL, "one zone expected");
    if (!err)
        err = read_zone(s, keel_conf_next(conf, "zone", NULL), check, diag);
    keel_conf_free(conf);
    if (err && s->zones.count > before)
        dns_settings_remove_zone(s, s->zones.items[before]);
    if (err)
        return err;
    *zone = s->zones.items[before];
    (*zone)->added = true;
    return 0;
}

void dns_settings_remove_zone(struct dns_settings *s, struct dns_zone *zone)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->target_count; i++)
        if (s->targets[i].zone != zone)
            s->targets[kept++] = s->targets[i];
    s->target_count = kept;
    dns_zones_remove(&s->zones, zone);
}

static int read_listen(const struct keel_conf *conf, struct keel_endpoints *endpoints,
                       struct keel_diag *diag)
{
    struct keel_endpoints unwanted = {0}, *list = endpoints ? endpoints : &unwanted;

    if (keel_conf_count(conf, "listen") == 0)
        return keel_conf_error(conf, NULL, diag, "no address: listen = { \"127.0.0.1:5300\" }");
    int err = keel_endpoints_add_listen(list, conf, "listen", true, true, diag);
    keel_free(unwanted.items);
    return err;
}

/* A text that goes out as one character string. */
static int read_text(char **text, const struct keel_conf *conf, const char *option,
                     struct keel_diag *diag)
{
    const char *value = keel_conf_str(conf, option);
    if (strlen(value) > DNS_TEXT_MAX)
        return keel_conf_error(conf, option, diag, "at most %d bytes", DNS_TEXT_MAX);
    *text = keel_strdup(value);
    return *text ? 0 : keel_diag_memory(diag);
}

static int read_cookies(struct dns_settings *s, const struct keel_conf *conf,
                        struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "cookie-secret");
    s->cookies = keel_conf_bool(conf, "cookies");
    if (count > DNS_COOKIE_SECRETS)
        return keel_conf_error(conf, "cookie-secret", diag, "at most %d", DNS_COOKIE_SECRETS);
    for (unsigned i = 0; i < count; i++) {
        struct keel_str text = keel_str(keel_conf_at(conf, "cookie-secret", i)->text);
        if (keel_parse_hex(text, s->cookie_secrets.bytes[i], DNS_COOKIE_SECRET) !=
            DNS_COOKIE_SECRET)
            return keel_conf_error_at(conf, "cookie-secret", i, diag,
                                      "32 hexadecimal digits expected");
        s->cookie_secrets.count++;
    }
    return 0;
}

static int read_rate_limit(struct dns_settings *s, const struct keel_conf *conf,
                           struct keel_diag *diag)
{
    const struct keel_conf *section = keel_conf_section(conf, "rate-limit");
    struct dns_rrl_options *o = &s->rate_limit;
    if (!section)
        return 0;
    o->rate = (uint32_t)keel_conf_int(section, "responses-per-second");
    o->slip = (uint32_t)keel_conf_int(section, "slip");
    o->window = (uint32_t)((uint64_t)keel_conf_int(section, "window") / KEEL_NS_PER_S);
    o->ipv4_prefix = (uint8_t)keel_conf_int(section, "ipv4-prefix");
    o->ipv6_prefix = (uint8_t)keel_conf_int(section, "ipv6-prefix");
    unsigned count = keel_conf_count(section, "exempt");
    o->exempt = keel_calloc(count + 1, sizeof *o->exempt);
    if (!o->exempt)
        return keel_diag_memory(diag);
    for (; o->exempt_count < count; o->exempt_count++)
        o->exempt[o->exempt_count] = keel_conf_at(section, "exempt", o->exempt_count)->prefix;
    return 0;
}

static int read_tls(struct dns_settings *s, const struct keel_conf *conf,
                    struct keel_access *access, struct keel_diag *diag)
{
    static const char *const alpn[] = {"dot"}; /* RFC 7858, 8.1; RFC 9103, 7.1 */
    const struct keel_tls_certificate certificate = {
        .certificate = keel_conf_str(conf, "certificate"), .key = keel_conf_str(conf, "key-file")};
    struct keel_tls_options options = {
        .certificates = &certificate, .certificate_count = 1, .alpn = alpn, .alpn_count = 1};
    struct keel_diag inner;
    if (!certificate.certificate)
        return certificate.key ? keel_conf_error(conf, "key-file", diag, "there is no certificate")
                               : 0;
    int err = keel_tls_configure(conf, &options, access, &s->tls, &inner);
    return err ? keel_conf_error(conf, "certificate", diag, "%s", inner.text) : 0;
}

static int read_all(struct dns_settings *s, const struct keel_conf *conf,
                    struct keel_endpoints *endpoints, struct keel_diag *diag)
{
    s->udp_size = (uint16_t)keel_conf_int(conf, "udp-size");
    s->tcp_idle_ns = (uint64_t)keel_conf_int(conf, "tcp-idle-timeout");
    s->tcp_queries = (uint64_t)keel_conf_int(conf, "tcp-queries");
    s->quota.connections = (uint32_t)keel_conf_int(conf, "client-connections");
    s->quota.queries = (uint32_t)keel_conf_int(conf, "client-queries");
    s->quota.cookies_above = (uint32_t)keel_conf_int(conf, "cookies-required-above");
    s->transfers = (uint32_t)keel_conf_int(conf, "transfers-out");
    s->transfers_in = (uint32_t)keel_conf_int(conf, "transfers-in");
    s->transfer_limit = (uint64_t)keel_conf_int(conf, "transfer-limit");
    s->transfer_timeout_ns = (uint64_t)keel_conf_int(conf, "transfer-timeout");
    int err = read_listen(conf, endpoints, diag);
    if (err == 0)
        err = read_text(&s->identity, conf, "identity", diag);
    if (err == 0)
        err = read_text(&s->version, conf, "version", diag);
    if (err == 0)
        err = read_cookies(s, conf, diag);
    if (err == 0)
        err = read_rate_limit(s, conf, diag);
    if (err)
        return err;
    keel_conf_for (section, conf, "key") {
        err = read_key(s, section, diag);
        if (err)
            return err;
    }
    keel_conf_for (section, conf, "zone") {
        err = read_zone(s, section, endpoints != NULL, diag);
        if (err)
            return err;
    }
    err = read_added(s, conf, endpoints != NULL, diag);
    if (err == 0 && s->zones.count == 0)
        err = keel_conf_error(conf, NULL, diag,
                              "no zone: zone \"example.org\" { file = \"example.org.zone\" }");
    return err;
}

int dns_settings_configure(const struct keel_conf *conf, void **settings,
                           struct keel_endpoints *endpoints, struct keel_access *access,
                           struct keel_diag *diag)
{
    struct dns_settings *s = keel_calloc(1, sizeof *s);
    if (!s)
        return keel_diag_memory(diag);
    dns_zones_init(&s->zones, (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    dns_tsig_keys_init(&s->keys, (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    int err = read_tls(s, conf, access, diag);
    if (err == 0)
        err = read_all(s, conf, endpoints, diag);
    if (err) {
        dns_settings_free(s);
        return err;
    }
    *settings = s;
    return 0;
}

void dns_settings_free(void *settings)
{
    struct dns_settings *s = settings;
    if (!s)
        return;
    dns_zones_fini(&s->zones);
    dns_tsig_keys_fini(&s->keys);
    keel_free(s->targets);
    dns_primaries_fini(&s->primaries);
    keel_free(s->rate_limit.exempt);
    keel_free(s->identity);
    keel_free(s->version);
    keel_tls_context_free(s->tls);
    keel_free(s);
}

struct keel_tls_context *dns_settings_tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct dns_settings *)settings)->tls;
}
