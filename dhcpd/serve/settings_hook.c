#include "dhcpd/serve/settings_read.h"

#include "dhcpd/engine/event.h"

static int read_events(const struct keel_conf *conf, struct dhcp_hook *hook, struct keel_diag *diag)
{
    for (unsigned i = 0; i < keel_conf_count(conf, "events"); i++) {
        const char *text = keel_conf_at(conf, "events", i)->text;
        unsigned type = 0;
        while (type < DHCP_EVENTS && strcmp(text, dhcp_event_name(type)) != 0)
            type++;
        if (type == DHCP_EVENTS)
            return keel_conf_error_at(conf, "events", i, diag,
                                      "\"%s\" is none of granted, renewed, released, declined, "
                                      "expired, deleted",
                                      text);
        hook->events |= 1u << type;
    }
    return 0;
}

static int read_list(struct dhcp_settings *s, const struct keel_conf *conf, const char *name,
                     const char *const **out, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, name);
    const char **list = keel_arena_calloc(&s->arena, (count + 1) * sizeof *list);
    for (unsigned i = 0; list && i < count; i++) {
        list[i] = keel_arena_strdup(&s->arena, keel_conf_at(conf, name, i)->text);
        if (!list[i])
            return dhcp_no_memory(diag);
    }
    *out = list;
    return list ? 0 : dhcp_no_memory(diag);
}

static int read_hook(struct dhcp_settings *s, const struct keel_conf *conf, struct dhcp_hook *hook,
                     struct keel_diag *diag)
{
    const char *module = keel_conf_str(conf, "module");
    unsigned words = keel_conf_count(conf, "command");
    if ((words > 0) == (module != NULL))
        return keel_conf_error(conf, NULL, diag, "either a command or a module");
    if (words > 0 && keel_conf_at(conf, "command", 0)->text[0] != '/')
        return keel_conf_error_at(conf, "command", 0, diag, "the program's whole path expected");
    hook->concurrency = (unsigned)keel_conf_int(conf, "concurrency");
    hook->queue = (unsigned)keel_conf_int(conf, "queue");
    hook->timeout = (uint64_t)keel_conf_int(conf, "timeout");
    hook->argument = keel_arena_strdup(&s->arena, keel_conf_str(conf, "argument"));
    hook->module = module ? keel_arena_strdup(&s->arena, module) : NULL;
    if (!hook->argument || (module && !hook->module))
        return dhcp_no_memory(diag);
    int err = read_list(s, conf, "command", &hook->argv, diag);
    if (!err)
        err = read_list(s, conf, "write", &hook->write, diag);
    return err ? err : read_events(conf, hook, diag);
}

int dhcp_read_hooks(struct dhcp_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "hook");
    s->hooks = keel_arena_calloc(&s->arena, (count + 1) * sizeof *s->hooks);
    if (!s->hooks)
        return dhcp_no_memory(diag);
    keel_conf_for (section, conf, "hook") {
        struct dhcp_hook *hook = &s->hooks[s->hook_count++];
        int err = read_hook(s, section, hook, diag);
        if (err)
            return err;
        s->hook_events |= hook->events;
    }
    return 0;
}
