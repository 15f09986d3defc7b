#include "httpd/serve/settings_tls.h"

#include "common/service/log.h"

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* A certificate of a site, and where it stands. */
struct entry {
    const struct keel_conf *section;
    unsigned index; /* of its options certificate, key and ocsp */
};

struct collection {
    struct keel_tls_certificate *list;
    struct entry *entries; /* of the same numbers */
    unsigned count;
};

static const char *text_at(const struct keel_conf *conf, const char *name, unsigned i)
{
    const struct keel_value *value = keel_conf_at(conf, name, i);
    return value ? value->text : NULL;
}

/* What belongs to a certificate, and there is none. */
static int check_lists(const struct keel_conf *section, struct keel_diag *diag)
{
    static const char *const names[] = {"key", "ocsp"};
    unsigned count = keel_conf_count(section, "certificate");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (keel_conf_count(section, names[i]) > count)
            return keel_conf_error(section, names[i], diag, "%s without a certificate", names[i]);
    if (keel_conf_str(section, "client-certificates") && count == 0)
        return keel_conf_error(section, "client-certificates", diag,
                               "the site needs a certificate of its own");
    if (keel_conf_int(section, "client-verify") && !keel_conf_str(section, "client-certificates"))
        return keel_conf_error(section, "client-verify", diag,
                               "client-certificates must say who signs them");
    return 0;
}

/* The names of the site: its clients come under its rules whatever its certificate says. */
static int read_names(struct http_settings *s, const struct keel_conf *section,
                      struct keel_tls_certificate *c)
{
    unsigned count = keel_conf_count(section, "names");
    const char **names = keel_arena_alloc(&s->arena, (count + 1) * sizeof *names);
    if (!names)
        return KEEL_ENOMEM;
    names[0] = keel_conf_title(section);
    for (unsigned i = 0; i < count; i++)
        names[i + 1] = keel_conf_at(section, "names", i)->text;
    c->names = names;
    c->name_count = count + 1;
    return 0;
}

static int read_site(struct http_settings *s, struct http_site *site,
                     const struct keel_conf *section, struct collection *all,
                     struct keel_diag *diag)
{
    struct keel_tls_certificate c = {.tag = site->id};
    unsigned count = keel_conf_count(section, "certificate");
    int err = check_lists(section, diag);
    if (err || count == 0)
        return err;
    if (read_names(s, section, &c) != 0)
        return no_memory(diag);
    c.ca_file = keel_conf_str(section, "client-certificates");
    if (keel_conf_count(section, "client-verify") > 0)
        c.verify = (enum keel_tls_verify)keel_conf_int(section, "client-verify");
    else
        c.verify = c.ca_file ? KEEL_TLS_VERIFY_REQUIRED : KEEL_TLS_VERIFY_NONE;
    site->clients = c.verify == KEEL_TLS_VERIFY_REQUIRED   ? HTTP_CLIENTS_REQUIRED
                    : c.verify == KEEL_TLS_VERIFY_OPTIONAL ? HTTP_CLIENTS_OPTIONAL
                                                           : HTTP_CLIENTS_ANY;
    /* Those of the default site go to the front: they serve whoever asks for no known name. */
    unsigned at = keel_conf_bool(section, "default") ? 0 : all->count;
    memmove(all->list + at + count, all->list + at, (all->count - at) * sizeof *all->list);
    memmove(all->entries + at + count, all->entries + at, (all->count - at) * sizeof *all->entries);
    all->count += count;
    for (unsigned i = 0; i < count; i++) {
        c.certificate = text_at(section, "certificate", i);
        c.key = text_at(section, "key", i);
        c.ocsp = text_at(section, "ocsp", i);
        all->list[at + i] = c;
        all->entries[at + i] = (struct entry){section, i};
    }
    return 0;
}

static int try_one(const struct keel_tls_options *options, struct keel_tls_certificate one,
                   struct keel_diag *why)
{
    struct keel_tls_options alone = *options;
    struct keel_tls_context *context = NULL;
    alone.certificates = &one;
    alone.certificate_count = 1;
    int err = keel_tls_context_new(&alone, &context, why);
    keel_tls_context_free(context);
    return err;
}

/* Something is wrong: with which option of which site? Each is tried alone, step by step. */
static int find_fault(const struct keel_tls_options *options, const struct collection *all,
                      const struct keel_diag *whole, struct keel_diag *diag)
{
    for (unsigned i = 0; i < all->count; i++) {
        const struct entry *e = &all->entries[i];
        struct keel_tls_certificate one = all->list[i];
        struct keel_diag why = {""};
        one.verify = KEEL_TLS_VERIFY_NONE;
        one.ocsp = NULL;
        if (try_one(options, one, &why) != 0)
            return keel_conf_error_at(e->section, "certificate", e->index, diag, "%s", why.text);
        one.verify = all->list[i].verify;
        if (try_one(options, one, &why) != 0)
            return keel_conf_error(e->section, "client-certificates", diag, "%s", why.text);
        one.ocsp = all->list[i].ocsp;
        if (try_one(options, one, &why) != 0)
            return keel_conf_error_at(e->section, "ocsp", e->index, diag, "%s", why.text);
    }
    return keel_diag_set(diag, KEEL_ECONF, "%s", whole->text);
}

/* Responses that were read and will not be stapled. */
static void warn_of_faults(const struct http_settings *s, const struct collection *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        const char *fault = keel_tls_context_staple_fault(s->tls, i);
        struct keel_diag diag = {""};
        if (!fault)
            continue;
        keel_conf_error_at(all->entries[i].section, "ocsp", all->entries[i].index, &diag,
                           "\"%s\" is not stapled: %s", all->list[i].ocsp, fault);
        keel_warning("tls", "no stapled response", "reason=%s", diag.text);
    }
}

/* One context for all TLS addresses. */
int http_settings_read_tls(struct http_settings *s, const struct keel_conf *conf,
                           struct keel_access *access, bool first, struct keel_diag *diag)
{
    static const char *const alpn[] = {"h2", "http/1.1", "http/1.0"};
    unsigned skip = !s->http2, count = 0, site = 0;
    keel_conf_for (section, conf, "site")
        count += keel_conf_count(section, "certificate");
    struct collection all = {.list = keel_arena_calloc(&s->arena, (count + 1) * sizeof *all.list)};
    all.entries = keel_arena_calloc(&s->arena, (count + 1) * sizeof *all.entries);
    if (!all.list || !all.entries)
        return no_memory(diag);
    keel_conf_for (section, conf, "site") {
        int err = read_site(s, &s->sites.items[site++], section, &all, diag);
        if (err)
            return err;
    }
    if (count == 0)
        return 0;
    struct keel_tls_options options = {.certificates = all.list,
                                       .certificate_count = count,
                                       .alpn = alpn + skip,
                                       .alpn_count = 3 - skip};
    struct keel_diag why = {""};
    int err = keel_tls_configure(conf, &options, access, &s->tls, &why);
    if (err)
        return err == KEEL_ENOMEM ? no_memory(diag) : find_fault(&options, &all, &why, diag);
    if (first)
        warn_of_faults(s, &all);
    return 0;
}

struct keel_tls_context *http_settings_tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct http_settings *)settings)->tls;
}
