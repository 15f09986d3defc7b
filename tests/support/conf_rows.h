/*
 * Options of a daemon that does not exist, for the tests of the configuration: every type of row.
 */
#ifndef KEEL_TESTS_CONF_ROWS_H
#define KEEL_TESTS_CONF_ROWS_H

#include "common/service/conf.h"

#include <string.h>

static const struct keel_option definition_rows[] = {
    {.name = "code", .type = KEEL_OPT_INT, .min = 1, .max = 254, .flags = KEEL_OPT_REQUIRED},
    {.name = "type", .type = KEEL_OPT_CHOICE, .choices = "text|address|number", .def = "text"},
    {.type = KEEL_OPT_END},
};
static const struct keel_option text_list = {
    .name = "text-list", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST};
static const struct keel_option address_list = {
    .name = "address-list", .type = KEEL_OPT_ADDR, .flags = KEEL_OPT_LIST, .min = 67};
static const struct keel_option one_text = {.name = "text", .type = KEEL_OPT_STRING};

static const struct keel_option *lookup(const struct keel_conf *root, const char *name)
{
    if (strcmp(name, "routers") == 0)
        return &address_list;
    if (strcmp(name, "domain-name") == 0)
        return &one_text;
    if (strcmp(name, "search") == 0)
        return &text_list;
    keel_conf_for (definition, root, "option-definition")
        if (strcmp(keel_conf_title(definition), name) == 0)
            return &one_text;
    return NULL;
}

static const struct keel_option pool_rows[] = {
    {.name = "allow-class", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST},
    {.type = KEEL_OPT_END},
};
static const struct keel_option subnet_rows[] = {
    {.name = "interface", .type = KEEL_OPT_STRING},
    {.name = "lease-time", .type = KEEL_OPT_DURATION, .min = 1, .max = INT64_MAX},
    {.name = "pool",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = pool_rows},
    {.name = "options", .type = KEEL_OPT_FREE, .lookup = lookup},
    {.type = KEEL_OPT_END},
};
static const struct keel_option log_rows[] = {
    {.name = "level",
     .type = KEEL_OPT_CHOICE,
     .choices = "error|warning|notice|info|debug",
     .def = "info",
     .help = "Lines of this level and above are written."},
    {.name = "format", .type = KEEL_OPT_CHOICE, .choices = "text|json", .def = "text"},
    {.name = "file", .type = KEEL_OPT_PATH},
    {.type = KEEL_OPT_END},
};
static const struct keel_option zone_rows[] = {
    {.name = "file", .type = KEEL_OPT_PATH},
    {.name = "allow-transfer", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST},
    {.name = "notify", .type = KEEL_OPT_ADDR, .flags = KEEL_OPT_LIST, .min = 53},
    {.name = "sign", .type = KEEL_OPT_UNSUPPORTED},
    {.type = KEEL_OPT_END},
};
static const struct keel_option key_rows[] = {
    {.name = "algorithm",
     .type = KEEL_OPT_CHOICE,
     .choices = "hmac-sha256|hmac-sha512",
     .def = "hmac-sha256"},
    {.name = "secret", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_SECRET | KEEL_OPT_REQUIRED},
    {.type = KEEL_OPT_END},
};
static const struct keel_option rows[] = {
    {.name = "listen",
     .type = KEEL_OPT_LISTEN,
     .flags = KEEL_OPT_LIST,
     .def = "{ \"127.0.0.1:53\", \"[::1]:53\" }",
     .help = "Where to listen.\n.Dangerous-text"},
    {.name = "balance", .type = KEEL_OPT_STRING, .def = "1"},
    {.name = "schedule",
     .type = KEEL_OPT_CHOICE,
     .choices = "kernel|round-robin|least|single",
     .def = "kernel"},
    {.name = "state-dir", .type = KEEL_OPT_PATH, .def = "/var/lib/keel/test"},
    {.name = "lease-time",
     .type = KEEL_OPT_DURATION,
     .def = "12h",
     .min = 1000000000,
     .max = INT64_C(604800000000000)},
    {.name = "authoritative", .type = KEEL_OPT_BOOL, .def = "no"},
    {.name = "max-upload", .type = KEEL_OPT_SIZE, .def = "1m", .min = 1024, .max = INT64_MAX},
    {.name = "port-limit", .type = KEEL_OPT_INT, .min = 1, .max = 65535},
    {.name = "network", .type = KEEL_OPT_PREFIX},
    {.name = "server", .type = KEEL_OPT_ADDR},
    {.name = "index", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST, .def = "index.html"},
    {.name = "log", .type = KEEL_OPT_SECTION, .sub = log_rows},
    {.name = "key",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = key_rows},
    {.name = "zone",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = zone_rows},
    {.name = "option-definition",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = definition_rows},
    {.name = "options", .type = KEEL_OPT_FREE, .lookup = lookup},
    {.name = "subnet",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = subnet_rows},
    {.type = KEEL_OPT_END},
};

#endif
