#include "httpd/serve/modules.h"

#include <stddef.h>

#include "common/service/module.h"
#include "httpd/request/filter.h"

/* --- records --- */

/* What every record begins with, in every version. */
struct abi {
    uint32_t size;
    uint16_t major, minor;
};
/* Where the records ended in version 1.0; later versions only add behind it. */
#define HANDLER_1_0 offsetof(struct http_handler, filters)
#define FILTER_1_0 offsetof(struct http_filter, configure)

#define WITH_OURS "compile the module with the headers of this httpd"

static int refuse(struct keel_diag *diag, const char *what, const char *name, const char *text)
{
    return keel_diag_set(diag, KEEL_ENOTSUP, "its %s%s%s%s does not fit: %s", what,
                         name ? " \"" : "", name ? name : "", name ? "\"" : "", text);
}

/* least: the size in version 1.0; most: in this one. */
static int check_abi(const struct abi *abi, const char *what, size_t least, size_t most,
                     struct keel_diag *diag)
{
    struct keel_diag why;
    if (abi->size < sizeof *abi)
        keel_diag_set(&why, KEEL_ENOTSUP, "it has %u bytes, at least %zu are needed: " WITH_OURS,
                      (unsigned)abi->size, least);
    else if (abi->major != HTTP_ABI_MAJOR)
        keel_diag_set(&why, KEEL_ENOTSUP, "it is of ABI %u.%u, this httpd has %d.%d: " WITH_OURS,
                      (unsigned)abi->major, (unsigned)abi->minor, HTTP_ABI_MAJOR, HTTP_ABI_MINOR);
    else if (abi->minor > HTTP_ABI_MINOR)
        keel_diag_set(&why, KEEL_ENOTSUP,
                      "it is of ABI %u.%u, which is newer than this httpd's %d.%d: " WITH_OURS
                      ", or install a newer httpd",
                      (unsigned)abi->major, (unsigned)abi->minor, HTTP_ABI_MAJOR, HTTP_ABI_MINOR);
    else if (abi->size < least || abi->size > most ||
             (abi->minor == HTTP_ABI_MINOR && abi->size != most))
        keel_diag_set(&why, KEEL_ENOTSUP,
                      "it has %u bytes, those of ABI %u.%u have %zu: " WITH_OURS,
                      (unsigned)abi->size, (unsigned)abi->major, (unsigned)abi->minor,
                      abi->minor == HTTP_ABI_MINOR ? most : least);
    else
        return 0;
    return refuse(diag, what, NULL, why.text);
}

/* As much of the record as it has, with zeros behind it; NULL: no memory. */
static void *copy_record(struct keel_arena *arena, const struct abi *abi, size_t size)
{
    void *copy = keel_arena_calloc(arena, size);
    return copy ? memcpy(copy, abi, abi->size) : NULL;
}

static int check_filter(struct keel_arena *arena, const void *record, struct http_module *module,
                        struct keel_diag *diag)
{
    const struct http_filter *filter;
    int err = check_abi(record, "filter", FILTER_1_0, sizeof *filter, diag);
    if (err)
        return err;
    filter = copy_record(arena, record, sizeof *filter);
    if (!filter)
        return keel_diag_memory(diag);
    if (!filter->name || !filter->head)
        return refuse(diag, "filter", filter->name,
                      filter->name ? "head is missing" : "name is missing");
    module->filters[module->filter_count++] = filter;
    return 0;
}

int http_module_check(struct keel_arena *arena, const void *record, struct http_module *module,
                      struct keel_diag *diag)
{
    const struct http_handler *handler;
    unsigned count = 0;
    int err = check_abi(record, "record http_module", HANDLER_1_0, sizeof *handler, diag);
    if (err)
        return err;
    module->handler = handler = copy_record(arena, record, sizeof *handler);
    if (!handler)
        return keel_diag_memory(diag);
    while (handler->filters && handler->filters[count])
        count++;
    if (!handler->name || (!handler->respond && count == 0))
        return refuse(diag, "record http_module", handler->name,
                      handler->name ? "respond is missing" : "name is missing");
    module->filters = keel_arena_calloc(arena, (count + 1) * sizeof *module->filters);
    if (!module->filters)
        return keel_diag_memory(diag);
    for (unsigned i = 0; i < count && !err; i++)
        err = check_filter(arena, handler->filters[i], module, diag);
    return err;
}

int http_modules_read(struct keel_arena *arena, struct http_modules *modules,
                      const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "module");
    modules->items = keel_arena_calloc(arena, (count + 1) * sizeof *modules->items);
    if (!modules->items)
        return keel_diag_memory(diag);
    keel_conf_for (section, conf, "module") {
        struct keel_diag why = {""};
        const void *record = NULL;
        const char *name = keel_arena_strdup(arena, keel_conf_title(section));
        if (!name)
            return keel_diag_memory(diag);
        int err = keel_module_open(keel_conf_str(section, "file"), "http_module", &record, &why);
        if (err)
            return keel_conf_error(section, "file", diag, "%s", why.text);
        struct http_module *module = &modules->items[modules->count++];
        module->name = name;
        err = http_module_check(arena, record, module, &why);
        if (err == KEEL_ENOMEM)
            return keel_diag_memory(diag);
        if (err)
            return keel_conf_error(section, "file", diag, "\"%s\": %s",
                                   keel_conf_str(section, "file"), why.text);
    }
    return 0;
}

/* --- what locations ask for --- */

static const struct http_module *find(const struct http_modules *modules, struct keel_str name)
{
    for (unsigned i = 0; i < modules->count; i++)
        if (keel_str_equal(keel_str(modules->items[i].name), name))
            return &modules->items[i];
    return NULL;
}

static int bind_handler(struct keel_arena *arena, const struct http_modules *modules,
                        struct http_location *location, const struct keel_conf *section,
                        struct keel_access *access, struct keel_diag *diag)
{
    const char *name = keel_conf_str(section, "handler");
    struct keel_diag why = {""};
    if (!name)
        return keel_conf_str(section, "argument")
                   ? keel_conf_error(section, "argument", diag, "it is for a handler")
                   : 0;
    const struct http_module *module = find(modules, keel_str(name));
    if (!module)
        return keel_conf_error(section, "handler", diag,
                               "no module is named \"%s\": module \"%s\" { file = \"...\" }", name,
                               name);
    if (!module->handler->respond)
        return keel_conf_error(section, "handler", diag,
                               "module \"%s\" answers nothing: filter = \"%s\"", name, name);
    if (location->redirect)
        return keel_conf_error(section, "handler", diag, "the location redirects: it is not asked");
    location->handler = module->handler;
    if (module->handler->configure &&
        module->handler->configure(arena, keel_conf_str(section, "argument"),
                                   &location->handler_settings, access, &why) != 0)
        return keel_conf_error(section, "argument", diag, "%s", why.text);
    return 0;
}

/* "MODULE", or "MODULE:NAME". NULL with diag: there is no such filter. */
static const struct http_filter *find_filter(const struct http_modules *modules,
                                             struct keel_str text, struct keel_diag *why)
{
    struct keel_str name = text, title;
    if (!keel_str_split(&name, ':', &title) || !name.p)
        name = KEEL_STR("");
    const struct http_module *module = find(modules, title);
    unsigned count = module ? module->filter_count : 0;
    for (unsigned i = 0; i < count; i++)
        if (name.n > 0 ? keel_str_equal(keel_str(module->filters[i]->name), name) : count == 1)
            return module->filters[i];
    if (!module)
        keel_diag_set(why, KEEL_EINVAL,
                      "no module is named \"%.*s\": module \"%.*s\" { file = \"...\" }",
                      (int)title.n, title.p, (int)title.n, title.p);
    else if (count == 0)
        keel_diag_set(why, KEEL_EINVAL, "module \"%.*s\" has no filters", (int)title.n, title.p);
    else
        keel_diag_set(why, KEEL_EINVAL, "module \"%.*s\" has %u filters, as \"%.*s:%s\"",
                      (int)title.n, title.p, count, (int)title.n, title.p,
                      module->filters[0]->name);
    return NULL;
}

static int bind_filter(struct keel_arena *arena, const struct http_modules *modules,
                       struct http_filter_use *use, const struct keel_conf *section, unsigned i,
                       struct keel_access *access, struct keel_diag *diag)
{
    const char *text = keel_conf_at(section, "filter", i)->text;
    struct keel_str rest = keel_str(text), word = KEEL_STR("");
    struct keel_diag why = {""};
    keel_str_split(&rest, ' ', &word);
    const struct http_filter *filter = find_filter(modules, word, &why);
    if (!filter)
        return keel_conf_error_at(section, "filter", i, diag, "%s", why.text);
    rest = rest.p ? keel_str_trim(rest) : rest;
    if (rest.p && !filter->configure)
        return keel_conf_error_at(section, "filter", i, diag, "\"%.*s\" takes no argument",
                                  (int)word.n, word.p);
    char *argument = rest.p ? keel_arena_strndup(arena, rest.p, rest.n) : NULL;
    if (rest.p && !argument)
        return keel_diag_memory(diag);
    use->filter = filter;
    if (filter->configure && filter->configure(arena, argument, &use->settings, access, &why) != 0)
        return keel_conf_error_at(section, "filter", i, diag, "%s", why.text);
    return 0;
}

static int bind_filters(struct keel_arena *arena, const struct http_modules *modules,
                        struct http_location *location, const struct keel_conf *section,
                        struct keel_access *access, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(section, "filter");
    int err = 0;
    if (count == 0)
        return 0;
    if (count >= HTTP_FILTERS_MAX) /* compression may be one more */
        return keel_conf_error(section, "filter", diag, "a location has %d filters at most",
                               HTTP_FILTERS_MAX - 1);
    struct http_filter_use *uses = keel_arena_calloc(arena, (count + 1) * sizeof *uses);
    if (!uses)
        return keel_diag_memory(diag);
    for (unsigned i = 0; i < count && !err; i++)
        err = bind_filter(arena, modules, &uses[i], section, i, access, diag);
    location->filters = uses;
    return err;
}

int http_modules_bind(struct keel_arena *arena, const struct http_modules *modules,
                      struct http_site *site, const struct keel_conf *conf,
                      struct keel_access *access, struct keel_diag *diag)
{
    unsigned order = 0;
    struct http_location **list = keel_calloc(site->location_count + 1, sizeof *list);
    int err = list ? 0 : keel_diag_memory(diag);
    for (unsigned i = 0; i < site->location_count && list; i++)
        list[site->locations[i].order] = &site->locations[i];
    keel_conf_for (section, conf, "location") {
        struct http_location *location = err ? NULL : list[order++];
        if (!err)
            err = bind_handler(arena, modules, location, section, access, diag);
        if (!err)
            err = bind_filters(arena, modules, location, section, access, diag);
    }
    keel_free(list);
    return err;
}
