/* A module that fits; the others are made of it with one thing changed. */
#include "common/service/module.h"

#ifndef RECORD_SIZE
#define RECORD_SIZE sizeof(struct keel_protocol)
#endif
#ifndef RECORD_MAJOR
#define RECORD_MAJOR KEEL_ABI_MAJOR
#endif

static const struct keel_option options[] = {{.type = KEEL_OPT_END}};

static int configure(const struct keel_conf *conf, void **settings,
                     struct keel_endpoints *endpoints, struct keel_access *access,
                     struct keel_diag *diag)
{
    *settings = NULL;
    return 0;
}

static void free_settings(void *settings)
{
}

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    return 0;
}

static void stop(struct keel_instance *instance)
{
}

extern const struct keel_protocol keel_module;
const struct keel_protocol keel_module = {
    .size = RECORD_SIZE,
    .abi_major = RECORD_MAJOR,
    .abi_minor = KEEL_ABI_MINOR,
    .name = "good",
    .version = "1.2",
    .summary = "fits",
    .options = options,
    .configure = configure,
    .free_settings = free_settings,
    .start = start,
    .stop = stop,
};
