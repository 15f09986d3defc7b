#include "httpd/serve/settings_listen.h"

static const struct keel_str tls = {"tls", 3};

bool http_listen_is_tls(const struct keel_value *address)
{
    return keel_str_equal(address->words, tls);
}

/* Does a site that names `wanted` mean this address? The word tls may be left out. */
static bool is_meant(const struct keel_value *wanted, const struct keel_value *address)
{
    return keel_addr_equal(&wanted->addr, &address->addr) &&
           (wanted->words.n == 0 || keel_str_equal(wanted->words, address->words));
}

/* Value i of a site's list: the addresses that it means become entrances. */
static int read_one(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                    const struct keel_conf *section, unsigned i, struct keel_diag *diag)
{
    const struct keel_value *wanted = keel_conf_at(section, "listen", i);
    bool found = false;
    for (unsigned j = 0; j < keel_conf_count(conf, "listen"); j++) {
        if (!is_meant(wanted, keel_conf_at(conf, "listen", j)))
            continue;
        if (s->entrances[j] == 0 && s->entrance_count == HTTP_ENTRANCES)
            return keel_conf_error_at(section, "listen", i, diag,
                                      "sites name more than %u addresses; those that serve the "
                                      "same sites can be one: \"*:443 tls\"",
                                      HTTP_ENTRANCES - 1);
        if (s->entrances[j] == 0)
            s->entrances[j] = s->entrance_count++;
        site->entrances |= UINT64_C(1) << s->entrances[j];
        found = true;
    }
    return found ? 0
                 : keel_conf_error_at(section, "listen", i, diag,
                                      "httpd does not listen there: it must stand in the listen "
                                      "of all sites, too");
}

int http_listen_read(struct http_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "listen"), site = 0;
    if (count == 0)
        return keel_conf_error(conf, NULL, diag, "no address: listen = { \"127.0.0.1:8080\" }");
    s->entrance_count = 1;
    s->entrances = keel_arena_calloc(&s->arena, count * sizeof *s->entrances);
    if (!s->entrances)
        return keel_diag_memory(diag);
    keel_conf_for (section, conf, "site") {
        struct http_site *it = &s->sites.items[site++];
        int err = 0;
        it->entrances = keel_conf_given(section, "listen") ? 0 : HTTP_EVERYWHERE;
        if (it->entrances == 0 && keel_conf_count(section, "listen") == 0)
            return keel_conf_error(section, "listen", diag,
                                   "the site is served nowhere; without listen it is everywhere");
        for (unsigned i = 0;
             it->entrances != HTTP_EVERYWHERE && !err && i < keel_conf_count(section, "listen");
             i++)
            err = read_one(s, it, conf, section, i, diag);
        if (err)
            return err;
    }
    return 0;
}

/* Two defaults at one place, of which neither goes before the other. */
static int check_defaults(const struct http_settings *s, const struct keel_conf *conf,
                          struct keel_diag *diag)
{
    const struct http_site *defaults[HTTP_ENTRANCES] = {NULL}, *everywhere = NULL;
    unsigned id = 0;
    keel_conf_for (section, conf, "site") {
        const struct http_site *site = &s->sites.items[id++], *other = NULL;
        if (!site->is_default)
            continue;
        if (site->entrances == HTTP_EVERYWHERE) {
            other = everywhere;
            everywhere = site;
        }
        for (unsigned i = 0; i < s->entrance_count && site->entrances != HTTP_EVERYWHERE; i++) {
            if (!http_site_is_at(site, i))
                continue;
            other = other ? other : defaults[i];
            defaults[i] = site;
        }
        if (other)
            return keel_conf_error(
                section, "default", diag, "site \"%s\" is the default%s", other->name.p,
                other->entrances == HTTP_EVERYWHERE ? ""
                                                    : " of an address that both have in listen");
    }
    return 0;
}

int http_listen_finish(struct http_settings *s, const struct keel_conf *conf,
                       struct keel_diag *diag)
{
    int err = check_defaults(s, conf, diag);
    for (unsigned i = 0; i < keel_conf_count(conf, "listen") && !err; i++)
        if (http_sites_choose_fallback(&s->sites, s->entrances[i]) != 0)
            err = keel_conf_error_at(conf, "listen", i, diag,
                                     "no site is served there: all have a listen of their own that "
                                     "does not name it");
    return err;
}

int http_listen_check_tls(const struct http_settings *s, const struct keel_conf *conf,
                          struct keel_diag *diag)
{
    for (unsigned i = 0; i < keel_conf_count(conf, "listen"); i++)
        if (http_listen_is_tls(keel_conf_at(conf, "listen", i)) && !s->tls[s->entrances[i]])
            return keel_conf_error_at(
                conf, "listen", i, diag, "tls needs a site with certificate and key%s",
                s->entrances[i] > 0 ? " that is served there; see listen of the sites" : "");
    return 0;
}

int http_listen_add(const struct http_settings *s, const struct keel_conf *conf,
                    struct keel_endpoints *endpoints, struct keel_diag *diag)
{
    unsigned first = endpoints->count;
    int err = keel_endpoints_add_listen(endpoints, conf, "listen", true, false, diag);
    for (unsigned i = first; i < endpoints->count && !err; i++)
        endpoints->items[i].tag = (int)s->entrances[i - first];
    return err;
}
