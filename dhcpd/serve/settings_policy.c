#include "dhcpd/serve/settings_read.h"

#define OPTION_MAX 1024 /* octets of one option; long ones go out in pieces */
#define VENDOR_MAX 255  /* octets of all sub-options of a vendor */

bool dhcp_read_address(struct keel_str text, uint32_t *out)
{
    struct keel_addr a;
    if (text.n == 0 || memchr(text.p, ':', text.n) || keel_addr_parse(&a, text, 1, NULL) != 0 ||
        keel_addr_family(&a) != AF_INET)
        return false;
    *out = ntohl(a.in4.sin_addr.s_addr);
    return true;
}

int dhcp_read_text(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                   size_t max, struct dhcp_bytes *out, struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, name);
    if (!text)
        return 0;
    size_t length = strlen(text);
    if (length == 0 || length > max)
        return keel_conf_error(conf, name, diag, "1 to %zu octets expected", max);
    out->p = keel_arena_memdup(&s->arena, text, length);
    out->n = (uint16_t)length;
    return out->p ? 0 : dhcp_no_memory(diag);
}

/* --- definitions ------------------------------------------------------------------------------ */

static bool same_space(const struct dhcp_option_def *a, const struct dhcp_option_def *b)
{
    if (!a->vendor || !b->vendor)
        return !a->vendor && !b->vendor && a->enterprise == b->enterprise;
    return strcmp(a->vendor, b->vendor) == 0;
}

/* The definition that has its code in its space already; NULL: none. */
static const struct dhcp_option_def *find_rival(const struct dhcp_settings *s,
                                                const struct dhcp_option_def *def)
{
    for (unsigned i = 0; i < s->definition_count; i++)
        if (s->definitions[i].code == def->code && same_space(&s->definitions[i], def))
            return &s->definitions[i];
    return def->vendor || def->enterprise ? NULL : dhcp_option_by_code(def->code);
}

static int read_type(const struct keel_conf *conf, struct dhcp_option_def *def,
                     struct keel_diag *diag)
{
    enum dhcp_option_type type;
    struct keel_diag why = {""};
    const char *fields = keel_conf_str(conf, "fields");
    if (dhcp_option_type_parse(keel_str(keel_conf_str(conf, "type")), &type, &why) != 0)
        return keel_conf_error(conf, "type", diag, "%s", why.text);
    def->type = (uint8_t)type;
    def->list = keel_conf_bool(conf, "list");
    if (type == DHCP_TYPE_EMPTY && def->list)
        return keel_conf_error(conf, "list", diag, "nothing cannot be listed");
    if (type != DHCP_TYPE_RECORD)
        return fields ? keel_conf_error(conf, "fields", diag, "only a record has fields") : 0;
    if (dhcp_option_fields_parse(keel_str(fields), def, &why) != 0)
        return keel_conf_error(conf, fields ? "fields" : "type", diag, "%s", why.text);
    return 0;
}

static int read_definition(struct dhcp_settings *s, const struct keel_conf *conf,
                           struct keel_diag *diag)
{
    struct dhcp_option_def *def = &s->definitions[s->definition_count];
    const char *vendor = keel_conf_str(conf, "vendor");
    *def = (struct dhcp_option_def){
        .name = keel_arena_strdup(&s->arena, keel_conf_title(conf)),
        .code = (uint8_t)keel_conf_int(conf, "code"),
        .vendor = vendor ? keel_arena_strdup(&s->arena, vendor) : NULL,
        .enterprise = (uint32_t)keel_conf_int(conf, "enterprise"),
    };
    if (!def->name || (vendor && !def->vendor))
        return dhcp_no_memory(diag);
    if (dhcp_option_by_name(keel_str(def->name)))
        return keel_conf_error(conf, NULL, diag, "an option of this name exists already");
    if (vendor && (vendor[0] == '\0' || strlen(vendor) > 255))
        return keel_conf_error(conf, "vendor", diag, "1 to 255 octets expected");
    if (vendor && def->enterprise)
        return keel_conf_error(
            conf, "vendor", diag,
            "sub-options are of a vendor class or of an enterprise, not of both");
    if (!vendor && !def->enterprise && dhcp_option_is_internal(def->code))
        return keel_conf_error(conf, "code", diag, "%u is set by the server itself", def->code);
    const struct dhcp_option_def *rival = find_rival(s, def);
    if (rival)
        return keel_conf_error(conf, "code", diag, "%u is \"%s\" already", def->code, rival->name);
    int err = read_type(conf, def, diag);
    if (!err)
        s->definition_count++;
    return err;
}

int dhcp_read_definitions(struct dhcp_settings *s, const struct keel_conf *conf,
                          struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "option-definition");
    s->definitions = keel_arena_calloc(&s->arena, (count + 1) * sizeof *s->definitions);
    if (!s->definitions)
        return dhcp_no_memory(diag);
    keel_conf_for (own, conf, "option-definition") {
        int err = read_definition(s, own, diag);
        if (err)
            return err;
    }
    return 0;
}

static const struct dhcp_option_def *find_definition(const struct dhcp_settings *s,
                                                     struct keel_str name)
{
    for (unsigned i = 0; i < s->definition_count; i++)
        if (keel_str_equal(keel_str(s->definitions[i].name), name))
            return &s->definitions[i];
    return dhcp_option_by_name(name);
}

/* --- options ---------------------------------------------------------------------------------- */

/* The sub-options of this definition's space in a policy, made where there are none yet. */
static struct dhcp_vendor_value *find_vendor(struct dhcp_policy *policy,
                                             const struct dhcp_option_def *def)
{
    struct dhcp_bytes class = {(const uint8_t *)def->vendor,
                               (uint16_t)(def->vendor ? strlen(def->vendor) : 0)};
    for (unsigned i = 0; i < policy->vendor_count; i++) {
        struct dhcp_vendor_value *v = &policy->vendors[i];
        if (v->enterprise == def->enterprise && v->class.n == class.n &&
            (class.n == 0 || memcmp(v->class.p, class.p, class.n) == 0))
            return v;
    }
    struct dhcp_vendor_value *v = &policy->vendors[policy->vendor_count++];
    *v = (struct dhcp_vendor_value){.class = class, .enterprise = def->enterprise};
    return v;
}

static int add_vendor(struct dhcp_settings *s, const struct keel_conf *conf,
                      const struct dhcp_option_def *def, const uint8_t *bytes, size_t n,
                      struct dhcp_policy *out, struct keel_diag *diag)
{
    struct dhcp_vendor_value *v = find_vendor(out, def);
    uint8_t all[VENDOR_MAX];
    struct keel_writer w;
    keel_writer_init(&w, all, sizeof all);
    keel_write_bytes(&w, v->value.p, v->value.n);
    keel_write_u8(&w, def->code);
    keel_write_u8(&w, (uint8_t)n);
    keel_write_bytes(&w, bytes, n);
    if (w.bad || n > UINT8_MAX)
        return keel_conf_error(conf, def->name, diag,
                               "the sub-options of one vendor have at most %d octets together",
                               VENDOR_MAX);
    v->value.n = (uint16_t)keel_writer_offset(&w);
    v->value.p = keel_arena_memdup(&s->arena, all, v->value.n);
    return v->value.p ? 0 : dhcp_no_memory(diag);
}

static int read_option(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                       struct dhcp_policy *out, struct keel_diag *diag)
{
    const struct dhcp_option_def *def = find_definition(s, keel_str(name));
    unsigned count = keel_conf_count(conf, name), wrong = 0;
    struct keel_str *values = keel_arena_alloc(&s->arena, (count + 1) * sizeof *values);
    uint8_t bytes[OPTION_MAX];
    struct keel_diag why = {""};
    if (!def || !values)
        return dhcp_no_memory(diag);
    bool sub = def->vendor || def->enterprise;
    if (!sub && dhcp_option_is_internal(def->code))
        return keel_conf_error(conf, name, diag,
                               "this is set by the server itself, or sent by clients only");
    for (unsigned i = 0; i < count; i++)
        values[i] = keel_str(keel_conf_at(conf, name, i)->text);
    int n = dhcp_option_encode(def, values, count, bytes, sizeof bytes, &wrong, &why);
    if (n < 0 && wrong < count)
        return keel_conf_error_at(conf, name, wrong, diag, "%s", why.text);
    if (n < 0)
        return keel_conf_error(conf, name, diag, "%s", why.text);
    if (sub)
        return add_vendor(s, conf, def, bytes, (size_t)n, out, diag);
    const uint8_t *copy = keel_arena_memdup(&s->arena, bytes, (size_t)n);
    if (!copy)
        return dhcp_no_memory(diag);
    dhcp_options_set(&out->options, def->code, (struct dhcp_bytes){copy, (uint16_t)n});
    return 0;
}

/* The `options` section of conf, where there is one. */
static int read_options(struct dhcp_settings *s, const struct keel_conf *conf,
                        struct dhcp_policy *out, struct keel_diag *diag)
{
    const struct keel_conf *section = keel_conf_section(conf, "options");
    unsigned count = 0;
    while (section && keel_conf_key(section, count))
        count++;
    if (count == 0)
        return 0;
    out->options.items = keel_arena_calloc(&s->arena, count * sizeof *out->options.items);
    out->vendors = keel_arena_calloc(&s->arena, count * sizeof *out->vendors);
    if (!out->options.items || !out->vendors)
        return dhcp_no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        int err = read_option(s, section, keel_conf_key(section, i), out, diag);
        if (err)
            return err;
    }
    return 0;
}

static int read_always(struct dhcp_settings *s, const struct keel_conf *conf,
                       struct dhcp_policy *out, struct keel_diag *diag)
{
    for (unsigned i = 0; i < keel_conf_count(conf, "always-send"); i++) {
        const char *name = keel_conf_at(conf, "always-send", i)->text;
        const struct dhcp_option_def *def = find_definition(s, keel_str(name));
        if (!def)
            return keel_conf_error_at(conf, "always-send", i, diag, "there is no option \"%s\"",
                                      name);
        if (def->vendor || def->enterprise)
            return keel_conf_error_at(
                conf, "always-send", i, diag, "\"%s\" is a part of option %d: name that one", name,
                def->vendor ? DHCP_OPTION_VENDOR : DHCP_OPTION_VENDOR_OPTIONS);
        if (dhcp_option_is_internal(def->code))
            return keel_conf_error_at(conf, "always-send", i, diag,
                                      "\"%s\" is set by the server itself", name);
        out->always[def->code >> 6] |= 1ull << (def->code & 63);
    }
    return 0;
}

/* --- policy ----------------------------------------------------------------------------------- */

int dhcp_read_policy(struct dhcp_settings *s, const struct keel_conf *conf, struct dhcp_policy *out,
                     struct keel_diag *diag)
{
    const char *next_server = keel_conf_str(conf, "next-server");
    out->times = (struct dhcp_times){
        .lease = dhcp_read_seconds(conf, "lease-time"),
        .min = dhcp_read_seconds(conf, "lease-time-min"),
        .max = dhcp_read_seconds(conf, "lease-time-max"),
    };
    out->renewal = dhcp_read_seconds(conf, "renewal-time");
    out->rebinding = dhcp_read_seconds(conf, "rebinding-time");
    if (next_server && !dhcp_read_address(keel_str(next_server), &out->next_server))
        return keel_conf_error(conf, "next-server", diag,
                               "an IPv4 address expected; clients cannot look up names here");
    int err = dhcp_read_text(s, conf, "server-name", 255, &out->server_name, diag);
    if (!err)
        err = dhcp_read_text(s, conf, "boot-file", 255, &out->boot_file, diag);
    if (!err)
        err = read_options(s, conf, out, diag);
    return err ? err : read_always(s, conf, out, diag);
}

int dhcp_read_own_policy(struct dhcp_settings *s, const struct keel_conf *conf,
                         struct dhcp_policy **out, struct keel_diag *diag)
{
    static const char *const names[] = {"lease-time",   "lease-time-min", "lease-time-max",
                                        "renewal-time", "rebinding-time", "next-server",
                                        "server-name",  "boot-file",      "always-send"};
    bool says = keel_conf_section(conf, "options") != NULL;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        says = says || keel_conf_given(conf, names[i]);
    if (!says)
        return 0;
    *out = keel_arena_calloc(&s->arena, sizeof **out);
    return *out ? dhcp_read_policy(s, conf, *out, diag) : dhcp_no_memory(diag);
}

/* --- classes ---------------------------------------------------------------------------------- */

static int find_option_code(void *arg, struct keel_str name)
{
    const struct dhcp_option_def *def = find_definition(arg, name);
    return def && !def->vendor && !def->enterprise ? def->code : -1;
}

static int find_class(void *arg, struct keel_str name)
{
    const struct dhcp_settings *s = arg;
    for (unsigned i = 0; i < s->config.class_count; i++)
        if (keel_str_equal(keel_str(s->config.classes[i].name), name))
            return (int)i;
    return -1;
}

int dhcp_read_expression(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                         struct dhcp_expression *out, struct keel_diag *diag)
{
    const struct dhcp_names names = {find_option_code, find_class, s};
    struct keel_diag why = {""};
    int err =
        dhcp_expression_parse(out, keel_str(keel_conf_str(conf, name)), &names, &s->arena, &why);
    if (err == KEEL_ENOMEM)
        return dhcp_no_memory(diag);
    return err ? keel_conf_error(conf, name, diag, "%s", why.text) : 0;
}

static int read_class(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    struct dhcp_class *class = &s->config.classes[s->config.class_count];
    struct keel_diag why = {""};
    class->name = keel_arena_strdup(&s->arena, keel_conf_title(conf));
    if (!class->name)
        return dhcp_no_memory(diag);
    if (strcmp(class->name, "known") == 0 || strcmp(class->name, "unknown") == 0)
        return keel_conf_error(conf, NULL, diag,
                               "\"%s\" is there already: clients with and without a reservation",
                               class->name);
    class->ignore = keel_conf_bool(conf, "ignore");
    int err = dhcp_read_expression(s, conf, "match", &class->match, diag);
    if (!err)
        err = dhcp_read_policy(s, conf, &class->policy, diag);
    if (!err && dhcp_policy_check(&class->policy, &why) != 0)
        err = keel_conf_error(conf, NULL, diag, "%s", why.text);
    if (!err)
        s->config.class_count++;
    return err;
}

int dhcp_read_classes(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "class");
    if (count == 0)
        return 0;
    if (count > DHCP_CLASSES_MAX)
        return keel_conf_error(conf, "class", diag, "there can be %d classes", DHCP_CLASSES_MAX);
    s->config.classes = keel_arena_calloc(&s->arena, count * sizeof *s->config.classes);
    if (!s->config.classes)
        return dhcp_no_memory(diag);
    keel_conf_for (section, conf, "class") {
        int err = read_class(s, section, diag);
        if (err)
            return err;
    }
    return 0;
}
