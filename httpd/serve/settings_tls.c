#include "httpd/serve/settings_tls.h"

#include "common/service/log.h"
#include "httpd/serve/settings_listen.h"

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

/* What is asked of clients of a site with a certificate. */
static enum keel_tls_verify verify_of(const struct keel_conf *section)
{
    if (keel_conf_count(section, "client-verify") > 0)
        return (enum keel_tls_verify)keel_conf_int(section, "client-verify");
    return keel_conf_str(section, "client-certificates") ? KEEL_TLS_VERIFY_REQUIRED
                                                         : KEEL_TLS_VERIFY_NONE;
}

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

/* The names that the site has at the entrance: its clients come under its rules whatever its
 * certificate says. */
static int read_names(struct http_settings *s, const struct keel_conf *section, unsigned site,
                      unsigned entrance, struct keel_tls_certificate *c)
{
    unsigned count = keel_conf_count(section, "names");
    const char **names = keel_arena_alloc(&s->arena, (count + 1) * sizeof *names);
    if (!names)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i <= count; i++) {
        const char *name =
            i == 0 ? keel_conf_title(section) : keel_conf_at(section, "names", i - 1)->text;
        if (http_sites_have_name(&s->sites, keel_str(name), site, entrance))
            names[c->name_count++] = name;
    }
    c->names = names;
    return 0;
}

/* What the site says beside its files. */
static int read_site(struct http_site *site, const struct keel_conf *section,
                     struct keel_diag *diag)
{
    static const enum http_clients clients[] = {[KEEL_TLS_VERIFY_NONE] = HTTP_CLIENTS_ANY,
                                                [KEEL_TLS_VERIFY_OPTIONAL] = HTTP_CLIENTS_OPTIONAL,
                                                [KEEL_TLS_VERIFY_REQUIRED] = HTTP_CLIENTS_REQUIRED};
    int err = check_lists(section, diag);
    if (!err && keel_conf_count(section, "certificate") > 0)
        site->clients = clients[verify_of(section)];
    return err;
}

/* The certificates of a site that is served at the entrance. 0 or KEEL_ENOMEM. */
static int collect_site(struct http_settings *s, const struct http_site *site,
                        const struct keel_conf *section, unsigned entrance, struct collection *all)
{
    struct keel_tls_certificate c = {.tag = site->id, .verify = verify_of(section)};
    unsigned count = keel_conf_count(section, "certificate");
    if (count == 0)
        return 0;
    if (read_names(s, section, site->id, entrance, &c) != 0)
        return KEEL_ENOMEM;
    c.ca_file = keel_conf_str(section, "client-certificates");
    /* Those of the site for all other hosts go to the front: they serve whoever asks for no known
     * name. */
    unsigned at = s->sites.fallback[entrance] == site->id ? 0 : all->count;
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

/* Responses that were read and will not be stapled. `told`: the entrances of which that was said.
 */
static void warn_of_faults(const struct http_settings *s, const struct keel_tls_context *context,
                           const struct collection *all, uint64_t told)
{
    for (unsigned i = 0; i < all->count; i++) {
        const char *fault = keel_tls_context_staple_fault(context, i);
        struct keel_diag diag = {""};
        if (!fault || (s->sites.items[all->list[i].tag].entrances & told))
            continue;
        keel_conf_error_at(all->entries[i].section, "ocsp", all->entries[i].index, &diag,
                           "\"%s\" is not stapled: %s", all->list[i].ocsp, fault);
        keel_warning("tls", "no stapled response", "reason=%s", diag.text);
    }
}

/* All certificates of an entrance, those of the fallback first. `count`: of all sites. */
static int collect(struct http_settings *s, const struct keel_conf *conf, unsigned entrance,
                   unsigned count, struct collection *all, struct keel_diag *diag)
{
    unsigned site = 0;
    int err = 0;
    all->count = 0;
    all->list = keel_arena_calloc(&s->arena, (count + 1) * sizeof *all->list);
    all->entries = keel_arena_calloc(&s->arena, (count + 1) * sizeof *all->entries);
    if (!all->list || !all->entries)
        return no_memory(diag);
    keel_conf_for (section, conf, "site") {
        const struct http_site *it = &s->sites.items[site++];
        if (!err && http_site_is_at(it, entrance))
            err = collect_site(s, it, section, entrance, all);
    }
    return err ? no_memory(diag) : 0;
}

/* Is what two entrances have the same, certificates and names? */
static bool is_same(const struct collection *a, const struct collection *b)
{
    bool same = a->count == b->count;
    for (unsigned i = 0; i < a->count && same; i++)
        same = a->list[i].tag == b->list[i].tag && a->entries[i].index == b->entries[i].index &&
               a->list[i].name_count == b->list[i].name_count;
    for (unsigned i = 0; i < a->count && same; i++)
        for (unsigned j = 0; j < a->list[i].name_count && same; j++)
            same = a->list[i].names[j] == b->list[i].names[j];
    return same;
}

static int make_context(struct http_settings *s, const struct keel_conf *conf,
                        const struct collection *all, struct keel_access *access,
                        struct keel_tls_context **out, struct keel_diag *diag)
{
    static const char *const alpn[] = {"h2", "http/1.1", "http/1.0"};
    unsigned skip = !s->http2;
    struct keel_tls_options options = {.certificates = all->list,
                                       .certificate_count = all->count,
                                       .alpn = alpn + skip,
                                       .alpn_count = 3 - skip};
    struct keel_diag why = {""};
    int err = keel_tls_configure(conf, &options, access, out, &why);
    return !err ? 0 : err == KEEL_ENOMEM ? no_memory(diag) : find_fault(&options, all, &why, diag);
}

static bool has_tls(const struct keel_conf *conf)
{
    bool found = false;
    for (unsigned i = 0; i < keel_conf_count(conf, "listen"); i++)
        found = found || http_listen_is_tls(keel_conf_at(conf, "listen", i));
    return found;
}

/* One context for each entrance with TLS; those with the same certificates share one. Where no
 * address has TLS, the first gets one all the same, so that what is wrong with the files is told.
 */
int http_settings_read_tls(struct http_settings *s, const struct keel_conf *conf,
                           struct keel_access *access, bool first, struct keel_diag *diag)
{
    struct collection made[HTTP_ENTRANCES];
    unsigned count = 0, site = 0;
    uint64_t told = 0;
    bool any = has_tls(conf);
    int err = 0;
    keel_conf_for (section, conf, "site") {
        if (!err)
            err = read_site(&s->sites.items[site++], section, diag);
        count += keel_conf_count(section, "certificate");
    }
    for (unsigned i = 0; i < keel_conf_count(conf, "listen") && count > 0 && !err; i++) {
        unsigned at = s->entrances[i], other = 0;
        if (s->tls[at] || (any ? !http_listen_is_tls(keel_conf_at(conf, "listen", i)) : i > 0))
            continue;
        err = collect(s, conf, at, count, &made[at], diag);
        if (err || made[at].count == 0)
            continue;
        while (other < HTTP_ENTRANCES && !(s->tls[other] && is_same(&made[other], &made[at])))
            other++;
        if (other < HTTP_ENTRANCES)
            s->tls[at] = keel_tls_context_ref(s->tls[other]);
        else
            err = make_context(s, conf, &made[at], access, &s->tls[at], diag);
        if (!err && first)
            warn_of_faults(s, s->tls[at], &made[at], told);
        told |= UINT64_C(1) << at;
    }
    return err;
}

struct keel_tls_context *http_settings_tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct http_settings *)settings)->tls[endpoint->tag];
}
