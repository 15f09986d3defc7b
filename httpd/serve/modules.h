/*
 * Modules: handlers and filters from shared objects, by the names that the configuration gives them.
 */
#ifndef HTTPD_SERVE_MODULES_H
#define HTTPD_SERVE_MODULES_H

#include "common/service/conf.h"
#include "httpd/request/handler.h"

struct http_module {
    const char *name;
    const struct http_handler *handler;
    const struct http_filter **filters;
    unsigned filter_count;
};
struct http_modules {
    struct http_module *items;
    unsigned count;
};

/* Does the record (a struct http_handler of any version) fit this host? Fills in the handler and
 * the filters of *module: copies in the arena, in which is 0 what an older record does not have. 0;
 * KEEL_ENOTSUP with what differs and what to do; KEEL_ENOMEM. */
int http_module_check(struct keel_arena *arena, const void *record, struct http_module *module,
                      struct keel_diag *diag);
/* Loads what the sections `module` name. 0, KEEL_ECONF or KEEL_ENOMEM with diag. */
int http_modules_read(struct keel_arena *arena, struct http_modules *modules,
                      const struct keel_conf *conf, struct keel_diag *diag);
/* Gives the locations of the site, whose section is conf, the handlers and filters that they ask
 * for. The same results. */
int http_modules_bind(struct keel_arena *arena, const struct http_modules *modules,
                      struct http_site *site, const struct keel_conf *conf,
                      struct keel_access *access, struct keel_diag *diag);

#endif
