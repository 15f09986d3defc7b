#include "common/service/worker_command.h"

#include "common/base/mem.h"
#include "common/service/certificates.h"
#include "common/service/connections.h"

#include <stdlib.h>
#include <string.h>

static json_t *command_lag(struct keel_loop *loop)
{
    struct keel_lag_row rows[16];
    unsigned n = keel_loop_lag(loop, rows, 16);
    json_t *callbacks = json_array();
    for (unsigned i = 0; i < n; i++) {
        double average = rows[i].calls ? (double)rows[i].total_ns / (double)rows[i].calls : 0;
        json_array_append_new(callbacks,
                              json_pack("{s:s s:I s:f s:f s:f}", "callback", rows[i].name, "calls",
                                        (json_int_t)rows[i].calls, "total_ms",
                                        (double)rows[i].total_ns / 1e6, "average_us", average / 1e3,
                                        "worst_us", (double)rows[i].worst_ns / 1e3));
    }
    return json_pack("{s:f s:o}", "worst_turn_ms", (double)keel_loop_worst_turn(loop) / 1e6,
                     "callbacks", callbacks);
}

static const struct keel_command *find_command(const struct keel_protocol *protocol,
                                               const char *name)
{
    for (const struct keel_command *c = protocol->commands; c && c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

struct keel_deferred {
    const struct keel_replier *replier;
    uint32_t id;
};

/* Which request is being run: for keel_command_defer inside of it. */
struct keel_running {
    const struct keel_replier *replier;
    uint32_t id;
    bool deferred;
};

struct keel_deferred *keel_command_defer(struct keel_instance *instance)
{
    struct keel_running *running = keel_host_running(instance->host);
    KEEL_ASSERT(running && !running->deferred, "a reply is put off outside of a command");
    struct keel_deferred *deferred = keel_malloc(sizeof *deferred);
    if (!deferred)
        return NULL;
    *deferred = (struct keel_deferred){running->replier, running->id};
    running->deferred = true;
    return deferred;
}

static void send_reply(const struct keel_replier *replier, uint32_t id, json_t *reply)
{
    char *text = reply ? json_dumps(reply, KEEL_CONTROL_DUMP) : NULL;
    replier->send(replier->arg, id, text);
    json_decref(reply);
    free(text);
}

/* Takes result. */
static json_t *make_reply(int err, json_t *result, const char *text)
{
    if (err == 0)
        return json_pack("{s:b s:o}", "ok", 1, "result", result ? result : json_null());
    json_decref(result);
    return json_pack("{s:b s:s}", "ok", 0, "error", text && text[0] ? text : keel_strerror(err));
}

void keel_command_reply(struct keel_deferred *deferred, int err, json_t *result, const char *text)
{
    send_reply(deferred->replier, deferred->id, make_reply(err, result, text));
    keel_free(deferred);
}

static int run(struct keel_host *host, struct keel_loop *loop, const char *sandbox,
               const char *name, json_t *args, json_t **result, struct keel_diag *diag)
{
    struct keel_instance *instance = keel_host_instance(host);
    const struct keel_command *command = find_command(instance->protocol, name);
    if (strcmp(name, "lag") == 0)
        *result = command_lag(loop);
    else if (strcmp(name, "connections") == 0)
        return keel_connections_list(host, loop, args, result, diag);
    else if (strcmp(name, "certificates") == 0)
        return keel_certificates_list(keel_host_certificates(host), args, keel_clock_realtime(),
                                      result, diag);
    else if (strcmp(name, "sandbox") == 0)
        *result = json_string(sandbox);
    else if (command)
        return command->run(instance, args, result, diag);
    else
        return keel_diag_set(diag, KEEL_ENOENT, "there is no command \"%s\"", name);
    return 0;
}

void keel_worker_command(struct keel_host *host, struct keel_loop *loop, const char *sandbox,
                         const struct keel_replier *replier, uint32_t id, const void *request,
                         size_t size)
{
    struct keel_running running = {replier, id, false};
    struct keel_diag diag = {""};
    json_t *root = json_loadb(request, size, 0, NULL), *none = json_array(), *result = NULL;
    const char *name = json_string_value(json_object_get(root, "command"));
    json_t *args = json_object_get(root, "args");
    keel_host_set_running(host, &running);
    int err = run(host, loop, sandbox, name ? name : "", args ? args : none, &result, &diag);
    keel_host_set_running(host, NULL);
    if (!running.deferred)
        send_reply(replier, id, make_reply(err, result, diag.text));
    json_decref(none);
    json_decref(root);
}
