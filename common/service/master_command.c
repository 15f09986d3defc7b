#include "common/service/connections.h"
#include "common/service/control_server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*command_fn)(struct keel_control_client *client,
                           const struct keel_control_request *request);

static double seconds_since(uint64_t then_ns)
{
    uint64_t now = keel_clock_monotonic();
    return then_ns && then_ns < now ? (double)(now - then_ns) / 1e9 : 0;
}

static const char *arg(const struct keel_control_request *request, size_t i)
{
    return json_string_value(json_array_get(request->args, i));
}

/* --- looking --- */

static json_t *describe_process(const struct keel_process *p)
{
    const struct keel_segment *segment = &p->generation->master->board.segment;
    const char *role = p->helper ? p->helper->name : "worker";
    if (p->pid <= 0)
        return json_pack("{s:i s:i s:s s:s s:i}", "generation", (int)p->generation->number,
                         "worker", (int)p->index, "role", role, "state",
                         keel_process_state_name(p->state), "deaths", (int)p->deaths);
    const struct keel_slot *slot = keel_segment_slot(segment, p->slot);
    uint64_t beat = keel_slot_get(&slot->heartbeat_ns);
    const char *state = p->hung ? "hung" : keel_process_state_name(p->state);
    bool one_only = p->helper || p->generation->core.schedule == KEEL_SCHEDULE_SINGLE;
    if (one_only && p->state == KEEL_PROCESS_SERVING && !p->hung)
        state = p->active ? "active" : "standby";
    return json_pack("{s:i s:i s:s s:i s:s s:f s:f s:I s:I s:I s:f}", "generation",
                     (int)p->generation->number, "worker", (int)p->index, "role", role, "pid",
                     (int)p->pid, "state", state, "uptime_s", seconds_since(p->spawned_ns),
                     "heartbeat_age_s", seconds_since(beat), "connections",
                     (json_int_t)keel_slot_get(&slot->live), "accepted",
                     (json_int_t)keel_slot_get(&slot->accepted), "evicted",
                     (json_int_t)keel_slot_get(&slot->evicted), "worst_turn_ms",
                     (double)keel_slot_get(&slot->worst_turn_ns) / 1e6);
}

static json_t *describe_workers(const struct keel_master *master)
{
    json_t *list = json_array();
    keel_list_for (node, &master->generations) {
        const struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->total; i++) {
            if (g->processes[i].pid > 0 || g->state == KEEL_GENERATION_SERVING)
                json_array_append_new(list, describe_process(&g->processes[i]));
        }
    }
    return list;
}

static void command_workers(struct keel_control_client *client,
                            const struct keel_control_request *request)
{
    keel_control_ok(client, describe_workers(keel_control_master(client)));
}

static void command_generations(struct keel_control_client *client,
                                const struct keel_control_request *request)
{
    const struct keel_master *master = keel_control_master(client);
    json_t *list = json_array();
    keel_list_for (node, &master->generations) {
        const struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        unsigned alive = 0;
        for (unsigned i = 0; i < g->total; i++)
            alive += g->processes[i].pid > 0;
        json_array_append_new(list, json_pack("{s:i s:s s:i s:i s:f}", "generation", (int)g->number,
                                              "state", keel_generation_state_name(g->state),
                                              "workers", (int)g->count, "alive", (int)alive,
                                              "age_s", seconds_since(g->started_ns)));
    }
    keel_control_ok(client, list);
}

static json_t *describe_listeners(const struct keel_generation *g)
{
    json_t *list = json_array();
    for (unsigned i = 0; g && i < g->endpoints.count; i++) {
        char text[256];
        keel_kept_format(text, sizeof text, g->kept[i]);
        json_array_append_new(list, json_pack("{s:s s:s s:b s:i}", "kind",
                                              keel_endpoint_kind_name(g->endpoints.items[i].kind),
                                              "address", text, "tls", g->endpoints.items[i].tls,
                                              "descriptors", (int)g->kept[i]->count));
    }
    return list;
}

static const char *schedule_name(enum keel_schedule schedule)
{
    static const char *const names[] = {"kernel", "round-robin", "least", "single"};
    return names[schedule];
}

static void command_status(struct keel_control_client *client,
                           const struct keel_control_request *request)
{
    const struct keel_master *master = keel_control_master(client);
    const struct keel_generation *g = master->serving;
    const struct keel_process *p = g ? &g->processes[0] : NULL;
    uint64_t up = keel_clock_realtime() - master->started_realtime_ns;
    keel_control_ok(client,
                    json_pack("{s:s s:s s:i s:s s:f s:i s:s s:s s:s s:s s:i s:i s:o s:o}", "daemon",
                              master->protocol->name, "version", master->protocol->version, "pid",
                              (int)getpid(), "state",
                              master->stopping ? "stopping"
                              : g              ? "serving"
                                               : "starting",
                              "uptime_s", (double)up / 1e9, "generation", g ? (int)g->number : 0,
                              "schedule", g ? schedule_name(g->core.schedule) : "", "configuration",
                              master->conf_file ? master->conf_file : "command line", "state_dir",
                              g ? g->core.state_dir : "", "sandbox", p ? p->sandbox : "", "reloads",
                              (int)master->reloads, "respawns", (int)master->respawns, "listeners",
                              describe_listeners(g), "workers", describe_workers(master)));
}

static void command_metrics(struct keel_control_client *client,
                            const struct keel_control_request *request)
{
    const char *format = arg(request, 0);
    bool openmetrics = format && strcmp(format, "openmetrics") == 0;
    if (format && !openmetrics && strcmp(format, "prometheus") != 0) {
        keel_control_fail(client, "the formats are prometheus and openmetrics");
        return;
    }
    struct keel_buf text;
    keel_buf_init(&text, 0);
    if (keel_totals_print(keel_control_master(client), openmetrics, &text) != 0 ||
        !keel_buf_text(&text))
        keel_control_fail(client, "no memory");
    else
        keel_control_ok(client, json_pack("{s:s}", "text", keel_buf_text(&text)));
    keel_buf_fini(&text);
}

/* --- changing --- */

static void command_reload(struct keel_control_client *client,
                           const struct keel_control_request *request)
{
    struct keel_diag diag = {""};
    int err = keel_master_reload_next(keel_control_master(client), &diag);
    if (err && err != KEEL_EAGAIN)
        keel_control_fail(client, diag.text);
    else if (keel_control_wait(client, err == KEEL_EAGAIN) != 0)
        keel_control_fail(client, "no memory to wait for the end of it");
}

static void command_upgrade(struct keel_control_client *client,
                            const struct keel_control_request *request)
{
    struct keel_diag diag = {""};
    if (keel_upgrade_start(keel_control_master(client), &diag) != 0)
        keel_control_fail(client, diag.text);
    else if (keel_control_wait(client, false) != 0)
        keel_control_fail(client, "no memory to wait for the end of it");
}

static void command_stop(struct keel_control_client *client,
                         const struct keel_control_request *request)
{
    const char *how = arg(request, 0);
    if (how && strcmp(how, "now") != 0) {
        keel_control_fail(client, "stop, or stop now");
        return;
    }
    keel_control_ok(client, json_string(how ? "stopping now" : "finishing, then stopping"));
    keel_master_stop(keel_control_master(client), how != NULL, EXIT_SUCCESS);
}

static void command_ticket_rotate(struct keel_control_client *client,
                                  const struct keel_control_request *request)
{
    struct keel_master *master = keel_control_master(client);
    const char *how = arg(request, 0);
    struct keel_diag diag = {""};
    if (how && strcmp(how, "forget") != 0)
        keel_control_fail(client, "ticket-rotate, or ticket-rotate forget");
    else if (keel_tickets_rotate(master, how != NULL, &diag) != 0)
        keel_control_fail(client, diag.text);
    else
        keel_control_ok(client, json_pack("{s:i}", "old-keys", (int)master->tickets.count - 1));
}

static void command_log_level(struct keel_control_client *client,
                              const struct keel_control_request *request)
{
    struct keel_master *master = keel_control_master(client);
    const char *name = arg(request, 0);
    enum keel_log_level level;
    if (name) {
        if (keel_log_level_parse(name, &level) != 0) {
            keel_control_fail(client, "the levels are error, warning, notice, info, debug");
            return;
        }
        keel_log_set_level(level);
        master->log_level = (int)level;
        keel_master_broadcast(master, KEEL_MSG_LOG_LEVEL, level, NULL, 0);
    }
    keel_control_ok(client, json_string(keel_log_level_name(keel_log_level())));
}

/* --- the table --- */

static void command_help(struct keel_control_client *client,
                         const struct keel_control_request *request);

static void ask_all(struct keel_control_client *client, const struct keel_control_request *request)
{
    keel_control_ask_workers(client, request, KEEL_COMMAND_ALL);
}

static void ask_one(struct keel_control_client *client, const struct keel_control_request *request)
{
    keel_control_ask_workers(client, request, KEEL_COMMAND_ONE);
}

static const struct {
    const char *name, *usage, *help;
    command_fn run;
} commands[] = {
    {"help", "", "The commands", command_help},
    {"status", "", "What runs, where, since when", command_status},
    {"workers", "", "One line for each worker", command_workers},
    {"generations", "", "Configurations that serve or still finish", command_generations},
    {"reload", "", "Read the configuration again; undone if it is wrong", command_reload},
    {"upgrade", "", "Let the binary that is installed now take over", command_upgrade},
    {"stop", "[now]", "Finish what is under way (or not), then end", command_stop},
    {"log-level", "[LEVEL]", "Show or set: error warning notice info debug", command_log_level},
    {"ticket-rotate", "[forget]", "A new key of TLS session tickets; forget: drop the old ones",
     command_ticket_rotate},
    {"metrics", "[prometheus|openmetrics]", "All metrics as text", command_metrics},
    {"lag", "", "What takes the workers' time, callback by callback", ask_all},
    {"certificates", "[FIELD=VALUE]", "TLS certificates and what is stapled to them", ask_one},
    {"connections", KEEL_CONNECTIONS_USAGE, "Open connections", ask_all},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void command_help(struct keel_control_client *client,
                         const struct keel_control_request *request)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COMMANDS; i++)
        json_array_append_new(list, json_pack("{s:s s:s s:s}", "name", commands[i].name, "help",
                                              commands[i].help, "usage", commands[i].usage));
    const struct keel_command *c = keel_control_master(client)->protocol->commands;
    for (; c && c->name; c++)
        json_array_append_new(list,
                              json_pack("{s:s s:s s:s}", "name", c->name, "help",
                                        c->help ? c->help : "", "usage", c->usage ? c->usage : ""));
    keel_control_ok(client, list);
}

void keel_master_command(struct keel_control_client *client,
                         const struct keel_control_request *request)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, request->command) == 0) {
            commands[i].run(client, request);
            return;
        }
    }
    const struct keel_command *c = keel_control_master(client)->protocol->commands;
    for (; c && c->name; c++) {
        if (strcmp(c->name, request->command) == 0) {
            keel_control_ask_workers(client, request, c->scope);
            return;
        }
    }
    char text[160], name[80];
    keel_escape(name, sizeof name, request->command, strlen(request->command));
    snprintf(text, sizeof text, "there is no command \"%s\"; help lists them", name);
    keel_control_fail(client, text);
}
