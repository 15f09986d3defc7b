#include "dnsd/serve/primaries.h"

#include "common/base/mem.h"

#define PORT 53
#define PORT_TLS 853

void dns_primaries_fini(struct dns_primaries *primaries)
{
    for (unsigned i = 0; i < primaries->count; i++) {
        keel_tls_context_free(primaries->items[i].tls);
        keel_free(primaries->items[i].name);
    }
    keel_free(primaries->items);
    *primaries = (struct dns_primaries){0};
}

/* The words of a value, before they have a meaning. */
struct words {
    struct keel_str address, key, ca, name, pin;
    bool tls;
};

static bool begins(struct keel_str word, struct keel_str with)
{
    return word.n > with.n && memcmp(word.p, with.p, with.n) == 0;
}

static int take_word(struct words *words, struct keel_str word, struct keel_diag *diag)
{
    const struct {
        struct keel_str prefix;
        struct keel_str *value;
    } kinds[] = {{KEEL_STR("key:"), &words->key},
                 {KEEL_STR("ca:"), &words->ca},
                 {KEEL_STR("name:"), &words->name},
                 {KEEL_STR("pin:"), &words->pin}};
    if (keel_str_equal(word, KEEL_STR("tls"))) {
        words->tls = true;
        return 0;
    }
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!begins(word, kinds[i].prefix))
            continue;
        if (kinds[i].value->n > 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" stands there twice",
                                 (int)kinds[i].prefix.n, kinds[i].prefix.p);
        struct keel_str rest = {word.p + kinds[i].prefix.n, word.n - kinds[i].prefix.n};
        *kinds[i].value = i == 0 ? word : rest; /* dns_acl_key wants the prefix too */
        return 0;
    }
    return keel_diag_set(diag, KEEL_EINVAL,
                         "\"%.*s\" is none of key:NAME., tls, name:HOST, ca:FILE, pin:BASE64",
                         (int)word.n, word.p);
}

static int split(struct words *words, struct keel_str text, struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(text), word;
    int err = 0;

    *words = (struct words){0};
    keel_str_split(&rest, ' ', &words->address);
    while (err == 0 && keel_str_split(&rest, ' ', &word))
        if (word.n > 0)
            err = take_word(words, word, diag);
    if (err)
        return err;
    if (!words->tls && (words->ca.n || words->name.n || words->pin.n))
        return keel_diag_set(diag, KEEL_EINVAL, "ca:, name: and pin: need the word tls");
    if (words->pin.n && (words->ca.n || words->name.n))
        return keel_diag_set(diag, KEEL_EINVAL, "pin: stands alone, without ca: and name:");
    if (words->ca.n && !words->name.n)
        return keel_diag_set(diag, KEEL_EINVAL, "with ca: the name: of the server is needed");
    return 0;
}

/* RFC 9103, 9.3: strict when something is named that proves who it is, else opportunistic. */
static int make_tls(struct dns_primary *primary, const struct words *words,
                    const struct keel_conf *section, struct keel_diag *diag)
{
    static const char *const alpn[] = {"dot"}; /* RFC 9103, 7.1 */
    uint8_t pin[KEEL_TLS_PIN_SIZE + 1];
    struct keel_tls_options options = {.client = true,
                                       .alpn = alpn,
                                       .alpn_count = 1,
                                       .minimum = KEEL_TLS_1_3, /* RFC 9103, 7.1 */
                                       .insecure = !words->name.n && !words->pin.n};
    char *ca = NULL;

    if (words->pin.n > 0) {
        if (keel_parse_base64(words->pin, pin, sizeof pin) != KEEL_TLS_PIN_SIZE)
            return keel_diag_set(diag, KEEL_EINVAL, "pin: wants base64 of %d bytes",
                                 KEEL_TLS_PIN_SIZE);
        options.pin = pin;
    }
    if (words->name.n > 0) {
        primary->name = keel_strndup(words->name.p, words->name.n);
        if (!primary->name)
            return KEEL_ENOMEM;
    }
    if (words->ca.n > 0) {
        ca = keel_conf_resolve(section, words->ca);
        if (!ca)
            return KEEL_ENOMEM;
        options.ca_file = ca;
    }
    int err = keel_tls_context_new(&options, &primary->tls, diag);
    keel_free(ca);
    return err;
}

/* What a value says; what was made stands in *primary also on error. */
static int parse(struct dns_primary *primary, const char *text, const struct keel_conf *section,
                 const struct dns_tsig_keys *keys, struct keel_diag *diag)
{
    struct words words;
    int err = split(&words, keel_str(text), diag);
    if (err)
        return err;
    err = keel_addr_parse(&primary->addr, words.address, words.tls ? PORT_TLS : PORT, diag);
    if (err)
        return err;
    if (keel_addr_is_any(&primary->addr) || keel_addr_port(&primary->addr) == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "nobody can be reached there");
    if (words.key.n > 0) {
        primary->key = dns_acl_key(words.key, keys, diag);
        if (!primary->key)
            return KEEL_EINVAL;
    }
    return words.tls ? make_tls(primary, &words, section, diag) : 0;
}

/* A primary's NOTIFY comes from its address, whatever the port. */
static int allow_notify(struct dns_zone *zone, const struct dns_primary *primary,
                        const struct dns_tsig_keys *keys, struct keel_diag *diag)
{
    char text[KEEL_ADDR_TEXT + DNS_NAME_TEXT + 8], key[DNS_NAME_TEXT];
    size_t n = keel_addr_format_host(text, KEEL_ADDR_TEXT, &primary->addr);
    char *zone_id = strchr(text, '%'); /* prefixes have none */
    if (zone_id)
        n = (size_t)(zone_id - text);
    if (primary->key) {
        size_t size = dns_name_to_text(key, primary->key->name.bytes);
        memcpy(text + n, " key:", 5);
        memcpy(text + n + 5, key, size);
        n += 5 + size;
    }
    return dns_acl_add(&zone->allow_notify, (struct keel_str){text, n}, keys, diag);
}

static int add(struct dns_primaries *primaries, const struct dns_primary *primary)
{
    struct dns_primary *items =
        keel_realloc(primaries->items, (primaries->count + 1) * sizeof *items);
    if (!items)
        return KEEL_ENOMEM;
    primaries->items = items;
    items[primaries->count++] = *primary;
    return 0;
}

static int read_primary(struct dns_primaries *primaries, struct dns_zone *zone,
                        const struct keel_conf *section, unsigned i,
                        const struct dns_tsig_keys *keys, struct keel_diag *diag)
{
    struct dns_primary primary = {.zone = zone};
    struct keel_diag inner = {""};

    int err = parse(&primary, keel_conf_at(section, "primary", i)->text, section, keys, &inner);
    if (err == 0)
        err = allow_notify(zone, &primary, keys, &inner);
    if (err == 0)
        err = add(primaries, &primary);
    if (err == 0)
        return 0;
    keel_tls_context_free(primary.tls);
    keel_free(primary.name);
    if (err == KEEL_ENOMEM)
        return keel_diag_set(diag, err, "%s", keel_strerror(err));
    return keel_conf_error_at(section, "primary", i, diag, "%s", inner.text);
}

int dns_primaries_read(struct dns_primaries *primaries, struct dns_zone *zone,
                       const struct keel_conf *section, const struct dns_tsig_keys *keys,
                       struct keel_diag *diag)
{
    struct keel_diag inner;
    const unsigned count = keel_conf_count(section, "primary");

    if (count == 0 && keel_conf_given(section, "allow-notify"))
        return keel_conf_error(section, "allow-notify", diag, "there is no primary");
    zone->first_primary = primaries->count;
    for (; zone->primaries < count; zone->primaries++) {
        int err = read_primary(primaries, zone, section, zone->primaries, keys, diag);
        if (err)
            return err;
    }
    for (unsigned i = 0; i < keel_conf_count(section, "allow-notify"); i++) {
        const char *text = keel_conf_at(section, "allow-notify", i)->text;
        if (dns_acl_add(&zone->allow_notify, keel_str(text), keys, &inner) != 0)
            return keel_conf_error_at(section, "allow-notify", i, diag, "%s", inner.text);
    }
    return 0;
}

const struct dns_primary *dns_primaries_of(const struct dns_primaries *primaries,
                                           const struct dns_zone *zone)
{
    return zone->primaries > 0 ? &primaries->items[zone->first_primary] : NULL;
}
