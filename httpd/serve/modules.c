#include "httpd/serve/modules.h"

#include "common/service/module.h"

static const struct http_module *find(const struct http_modules *modules, const char *name)
{
    for (unsigned i = 0; i < modules->count; i++)
        if (strcmp(modules->items[i].name, name) == 0)
            return &modules->items[i];
    return NULL;
}

/* Does the record fit this host? What differs goes to diag. */
static int check(const struct http_handler *handler, struct keel_diag *diag)
{
    if (handler->size < sizeof *handler || handler->abi_major != HTTP_ABI_MAJOR ||
        handler->abi_minor > HTTP_ABI_MINOR)
        return keel_diag_set(diag, KEEL_ENOTSUP,
                             "it does not fit: size is %u, its ABI %u.%u; this host has %zu and "
                             "%u.%u",
                             (unsigned)handler->size, (unsigned)handler->abi_major,
                             (unsigned)handler->abi_minor, sizeof *handler, HTTP_ABI_MAJOR,
                             HTTP_ABI_MINOR);
    if (!handler->name || !handler->respond)
        return keel_diag_set(diag, KEEL_ENOTSUP, "it does not fit: %s is missing",
                             handler->name ? "respond" : "name");
    return 0;
}

int http_modules_read(struct keel_arena *arena, struct http_modules *modules,
                      const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "module");
    modules->items = keel_arena_calloc(arena, (count + 1) * sizeof *modules->items);
    if (!modules->items)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    keel_conf_for (section, conf, "module") {
        struct keel_diag why = {""};
        const void *record = NULL;
        const char *name = keel_arena_strdup(arena, keel_conf_title(section));
        if (!name)
            return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
        int err = keel_module_open(keel_conf_str(section, "file"), "http_module", &record, &why);
        if (!err)
            err = check(record, &why);
        if (err)
            return keel_conf_error(section, "file", diag, "%s", why.text);
        modules->items[modules->count++] = (struct http_module){name, record};
    }
    return 0;
}

static struct http_location *location_at(struct http_site *site, unsigned order)
{
    for (unsigned i = 0; i < site->location_count; i++)
        if (site->locations[i].order == order)
            return &site->locations[i];
    return NULL;
}

static int bind_location(struct keel_arena *arena, const struct http_modules *modules,
                         struct http_location *location, const struct keel_conf *section,
                         struct keel_access *access, struct keel_diag *diag)
{
    const char *name = keel_conf_str(section, "handler");
    struct keel_diag why = {""};
    if (!name)
        return keel_conf_str(section, "argument")
                   ? keel_conf_error(section, "argument", diag, "it is for a handler")
                   : 0;
    const struct http_module *module = find(modules, name);
    if (!module)
        return keel_conf_error(section, "handler", diag,
                               "no module is named \"%s\": module \"%s\" { file = \"...\" }", name,
                               name);
    if (location->redirect)
        return keel_conf_error(section, "handler", diag, "the location redirects: it is not asked");
    location->handler = module->handler;
    if (module->handler->configure &&
        module->handler->configure(arena, keel_conf_str(section, "argument"),
                                   &location->handler_settings, access, &why) != 0)
        return keel_conf_error(section, "argument", diag, "%s", why.text);
    return 0;
}

int http_modules_bind(struct keel_arena *arena, const struct http_modules *modules,
                      struct http_site *site, const struct keel_conf *conf,
                      struct keel_access *access, struct keel_diag *diag)
{
    unsigned order = 0;
    keel_conf_for (section, conf, "location") {
        int err = bind_location(arena, modules, location_at(site, order++), section, access, diag);
        if (err)
            return err;
    }
    return 0;
}
