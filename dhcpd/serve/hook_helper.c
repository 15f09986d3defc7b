#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/runtime/child.h"
#include "common/service/log.h"
#include "dhcpd/modules/lease_module.h"
#include "dhcpd/serve/hook.h"
#include "dhcpd/serve/settings.h"
#include "dhcpd/serve/status.h"

/* An event that waits for a command. */
struct job {
    struct keel_list node;
    uint32_t address;
    struct dhcp_event event;
};

/* A command that runs. */
struct runner {
    struct keel_child child;
    struct hook *hook;
    uint32_t address; /* 0: none runs */
};

struct hook {
    struct helper *helper;
    const struct dhcp_hook *settings;
    struct keel_list jobs;
    unsigned waiting, running;
    uint64_t done, failed, dropped;
    struct runner *runners; /* as many as may run */
    const struct dhcp_lease_module *module;
    void *state; /* of the module */
};

struct helper {
    struct keel_instance *instance;
    struct hook *hooks;
    unsigned count;
};

static void count(struct helper *h, unsigned result)
{
    keel_metric_add(&h->instance->metrics, DHCP_METRIC_HOOK_COMMANDS + result, 1);
}

/* --- commands --------------------------------------------------------------------------------- */

static void run_next(struct hook *hook);

static void on_exit_of(struct keel_child *child, int status)
{
    struct runner *runner = KEEL_CONTAINER(child, struct runner, child);
    struct hook *hook = runner->hook;
    hook->running--;
    runner->address = 0;
    if (status == 0) {
        hook->done++;
        count(hook->helper, 0);
    } else {
        char text[64];
        keel_child_format_status(text, sizeof text, status);
        hook->failed++;
        count(hook->helper, 1);
        keel_warning("hooks", "a command failed", "command=%s status=\"%s\" timeout=%s",
                     hook->settings->argv[0], text, child->timed_out ? "yes" : "no");
    }
    run_next(hook);
}

static void start_job(struct hook *hook, struct job *job, struct runner *runner)
{
    const char *lines[DHCP_HOOK_LINES];
    char text[DHCP_HOOK_TEXT];
    struct keel_diag diag;
    dhcp_hook_environment(&job->event, lines, text, sizeof text);
    const struct keel_child_options options = {
        .argv = hook->settings->argv,
        .env = lines,
        .deadline_ns = hook->settings->timeout,
        .die_with_parent = true,
    };
    runner->address = job->address;
    hook->running++;
    if (keel_child_spawn(&runner->child, hook->helper->instance->loop, &options, on_exit_of,
                         &diag) == 0)
        return;
    runner->address = 0;
    hook->running--;
    hook->failed++;
    count(hook->helper, 1);
    keel_warning("hooks", "a command cannot be started", "error=%s", diag.text);
}

/* Events of one address go one after the other. */
static bool is_busy(const struct hook *hook, uint32_t address)
{
    for (unsigned i = 0; i < hook->settings->concurrency; i++)
        if (hook->runners[i].address == address)
            return true;
    return false;
}

static struct runner *free_runner(struct hook *hook)
{
    for (unsigned i = 0; i < hook->settings->concurrency; i++)
        if (hook->runners[i].address == 0)
            return &hook->runners[i];
    return NULL;
}

static void run_next(struct hook *hook)
{
    keel_list_for_safe (node, &hook->jobs) {
        struct job *job = KEEL_CONTAINER(node, struct job, node);
        struct runner *runner = free_runner(hook);
        if (!runner)
            return;
        if (is_busy(hook, job->address))
            continue;
        keel_list_remove(&job->node);
        hook->waiting--;
        start_job(hook, job, runner);
        keel_free(job);
    }
}

static void add_job(struct hook *hook, const struct dhcp_event *event, uint32_t address)
{
    struct job *job = hook->waiting < hook->settings->queue ? keel_calloc(1, sizeof *job) : NULL;
    if (!job) {
        hook->dropped++;
        count(hook->helper, 2);
        keel_warning("hooks", "an event was dropped: too many wait", "command=%s event=%s",
                     hook->settings->argv[0], dhcp_event_name(event->type));
        return;
    }
    job->event = *event;
    job->address = address;
    keel_list_push_back(&hook->jobs, &job->node);
    hook->waiting++;
    run_next(hook);
}

/* --- modules ---------------------------------------------------------------------------------- */

static int load_module(struct hook *hook, struct keel_diag *diag)
{
    const char *path = hook->settings->module;
    const void *record;
    char why[256] = "";
    int err = keel_module_open(path, "dhcp_lease_module", &record, diag);
    if (err)
        return err;
    const struct dhcp_lease_module *m = record;
    if (m->size < sizeof *m || m->abi_major != DHCP_LEASE_ABI_MAJOR)
        return keel_diag_set(diag, KEEL_ENOTSUP,
                             "module \"%s\" does not fit: size is %u, abi_major %u; this host has "
                             "%zu and %u",
                             path, (unsigned)m->size, (unsigned)m->abi_major, sizeof *m,
                             DHCP_LEASE_ABI_MAJOR);
    if (!m->name || !m->start || !m->on_event)
        return keel_diag_set(diag, KEEL_ENOTSUP, "module \"%s\" does not fit: %s is missing", path,
                             !m->name    ? "name"
                             : !m->start ? "start"
                                         : "on_event");
    if (m->start(hook->settings->argument, &hook->state, why, sizeof why) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "module \"%s\": %s", path, why);
    hook->module = m;
    return 0;
}

static void tell_module(struct hook *hook, const struct dhcp_event *event)
{
    struct dhcp_lease lease;
    char hostname[256], fqdn[DNS_NAME_TEXT];
    dhcp_event_lease(event, &lease);
    dhcp_hook_text(hostname, sizeof hostname, lease.hostname);
    dhcp_hook_name(fqdn, sizeof fqdn, &event->fqdn);
    struct dhcp_bytes id = lease.client.identity;
    bool has_id = id.n > 1 && id.p[0] == 1; /* see lease.h */
    const struct dhcp_lease_event told = {
        .size = sizeof told,
        .type = event->type,
        .name = dhcp_event_name(event->type),
        .address = lease.address,
        .granted = lease.granted,
        .expires = lease.expires,
        .hardware_type = lease.htype,
        .hardware_size = lease.hlen,
        .hardware = lease.chaddr,
        .client_id = has_id ? id.p + 1 : NULL,
        .client_id_size = has_id ? id.n - 1u : 0,
        .relay = lease.relay.n ? lease.relay.p : NULL,
        .relay_size = lease.relay.n,
        .hostname = hostname,
        .fqdn = fqdn,
    };
    hook->module->on_event(hook->state, &told);
    hook->done++;
    count(hook->helper, 0);
}

/* --- the helper ------------------------------------------------------------------------------- */

static void on_message(struct keel_instance *instance, unsigned worker,
                       struct keel_message *message)
{
    struct helper *h = instance->state;
    struct dhcp_event event;
    struct dhcp_lease lease;
    if (message->type != DHCP_HOOK_EVENT ||
        dhcp_hook_decode(&event, message->a, message->bytes, message->size) != 0)
        return;
    keel_instance_send(instance, worker, DHCP_HOOK_TAKEN, 1, 0, NULL, 0, NULL, 0);
    dhcp_event_lease(&event, &lease);
    for (unsigned i = 0; i < h->count; i++) {
        struct hook *hook = &h->hooks[i];
        if (!(hook->settings->events & 1u << event.type))
            continue;
        if (hook->module)
            tell_module(hook, &event);
        else
            add_job(hook, &event, lease.address);
    }
}

static void stop(struct keel_instance *instance)
{
    struct helper *h = instance->state;
    for (unsigned i = 0; h && i < h->count; i++) {
        struct hook *hook = &h->hooks[i];
        for (unsigned k = 0; hook->runners && k < hook->settings->concurrency; k++)
            keel_child_fini(&hook->runners[k].child);
        keel_list_for_safe (node, &hook->jobs)
            keel_free(KEEL_CONTAINER(node, struct job, node));
        if (hook->module && hook->module->stop)
            hook->module->stop(hook->state);
        keel_free(hook->runners);
    }
    if (h)
        keel_free(h->hooks);
    keel_free(h);
    instance->state = NULL;
}

static int start_hook(struct helper *h, struct hook *hook, const struct dhcp_hook *settings,
                      struct keel_diag *diag)
{
    hook->helper = h;
    hook->settings = settings;
    keel_list_init(&hook->jobs);
    if (settings->module)
        return load_module(hook, diag);
    hook->runners = keel_calloc(settings->concurrency, sizeof *hook->runners);
    if (!hook->runners)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    for (unsigned i = 0; i < settings->concurrency; i++)
        hook->runners[i].hook = hook;
    return 0;
}

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    const struct dhcp_settings *settings = instance->settings;
    struct helper *h = keel_calloc(1, sizeof *h);
    struct hook *hooks = keel_calloc(settings->hook_count + 1, sizeof *hooks);
    if (!h || !hooks) {
        keel_free(h);
        keel_free(hooks);
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    h->instance = instance;
    h->hooks = hooks;
    instance->state = h;
    int err = 0;
    while (!err && h->count < settings->hook_count) {
        err = start_hook(h, &hooks[h->count], &settings->hooks[h->count], diag);
        h->count++;
    }
    if (err)
        stop(instance);
    return err;
}

/* Commands under way, and those that wait, are seen to their end. */
static unsigned busy(struct keel_instance *instance)
{
    const struct helper *h = instance->state;
    unsigned n = 0;
    for (unsigned i = 0; i < h->count; i++)
        n += h->hooks[i].waiting + h->hooks[i].running;
    return n;
}

/* Without hooks it can do nothing; with hooks, programs may be run and read from wherever the user
 * may, and write where it was said. */
static int access_of(const void *settings, struct keel_access *access)
{
    const struct dhcp_settings *s = settings;
    int err = s->hook_count > 0 ? keel_access_add(access, "/", false) : 0;
    for (unsigned i = 0; !err && i < s->hook_count; i++)
        for (unsigned k = 0; !err && s->hooks[i].write[k]; k++)
            err = keel_access_add(access, s->hooks[i].write[k], true);
    return err;
}

int dhcp_hook_status(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    const struct helper *h = instance->state;
    json_t *list = json_array();
    (void)args;
    for (unsigned i = 0; list && i < h->count; i++) {
        const struct hook *hook = &h->hooks[i];
        json_array_append_new(
            list, json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "hook",
                            hook->module ? hook->settings->module : hook->settings->argv[0],
                            "waiting", (int)hook->waiting, "running", (int)hook->running, "done",
                            (json_int_t)hook->done, "failed", (json_int_t)hook->failed, "dropped",
                            (json_int_t)hook->dropped));
    }
    *result = list;
    return list ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}

const struct keel_helper dhcp_hook_helper = {
    .name = "hooks",
    .allow_exec = true,
    .start = start,
    .busy = busy,
    .stop = stop,
    .on_message = on_message,
    .access = access_of,
};
