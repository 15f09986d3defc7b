/*
 * Requests that the workers and helpers answer: each gets the line, and what they say becomes one
 * reply.
 */
#include "common/service/control_server.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* How long workers may take to answer. */
#define ASK_TIMEOUT (5 * KEEL_NS_PER_S)
#define SLOW_TIMEOUT (600 * KEEL_NS_PER_S)

/* One worker's part of a request. */
struct ask_part {
    struct keel_process *process; /* NULL: it died */
    unsigned worker;
    struct keel_buf text;
    bool done;
};
struct ask {
    struct keel_list node;
    struct keel_control_client *client;
    uint32_t id;
    enum keel_command_scope scope;
    unsigned count, waiting;
    struct keel_timer timeout;
    struct ask_part parts[];
};

static json_t *part_reply(const struct ask_part *part)
{
    json_t *reply = NULL;
    if (part->done && part->process)
        reply = json_loadb((const char *)keel_buf_bytes(&part->text), keel_buf_size(&part->text), 0,
                           NULL);
    if (!reply)
        reply = json_pack("{s:b s:s}", "ok", 0, "error",
                          part->process ? "the worker did not answer" : "the worker is gone");
    return reply;
}

/* {"worker": i, "result": ...} for each; it fails only when all did. */
static json_t *merge_replies(struct ask *ask)
{
    json_t *list = json_array(), *first = NULL;
    bool any = false;
    for (unsigned i = 0; i < ask->count; i++) {
        json_t *reply = part_reply(&ask->parts[i]);
        bool ok = json_is_true(json_object_get(reply, "ok"));
        const char *key = ok ? "result" : "error";
        any = any || ok;
        json_array_append_new(list, json_pack("{s:i s:O}", "worker", (int)ask->parts[i].worker, key,
                                              json_object_get(reply, key)));
        if (i == 0)
            first = json_incref(reply);
        json_decref(reply);
    }
    if (!any && first) {
        json_decref(list);
        return first;
    }
    json_decref(first);
    return json_pack("{s:b s:o}", "ok", 1, "result", list);
}

static json_t *one_reply(const struct ask *ask)
{
    if (ask->count > 0)
        return part_reply(&ask->parts[0]);
    return json_pack("{s:b s:s}", "ok", 0, "error",
                     ask->scope >= KEEL_COMMAND_HELPER
                         ? "the process that would answer does not run: the configuration asks "
                           "nothing of it, or it is being replaced"
                         : "nobody can answer that at the moment");
}

static void ask_finish(struct ask *ask)
{
    struct keel_control_client *client = ask->client;
    keel_control_send(client, ask->scope != KEEL_COMMAND_ALL ? one_reply(ask) : merge_replies(ask));
    for (unsigned i = 0; i < ask->count; i++)
        keel_buf_fini(&ask->parts[i].text);
    keel_timer_stop(&ask->timeout);
    keel_list_remove(&ask->node);
    keel_free(ask);
    keel_control_answered(client);
}

static void on_timeout(struct keel_timer *timer)
{
    ask_finish(KEEL_CONTAINER(timer, struct ask, timeout));
}

static bool is_asked(const struct keel_process *p, enum keel_command_scope scope,
                     enum keel_schedule schedule)
{
    if (!keel_process_healthy(p))
        return false;
    if (scope >= KEEL_COMMAND_HELPER)
        return p->helper && p->index == scope - KEEL_COMMAND_HELPER;
    if (p->helper)
        return false;
    return scope == KEEL_COMMAND_ALL || schedule != KEEL_SCHEDULE_SINGLE || p->active;
}

static void ask_process(struct ask *ask, struct keel_process *p, const char *text)
{
    struct ask_part *part = &ask->parts[ask->count++];
    part->process = p;
    part->worker = p->index;
    keel_buf_init(&part->text, 64u << 20);
    if (keel_channel_send(&p->channel, KEEL_MSG_COMMAND, ask->id, 0, text, strlen(text), NULL, 0) ==
        0)
        ask->waiting++;
    else
        part->done = true;
}

void keel_control_ask_workers(struct keel_control_client *client,
                              const struct keel_control_request *request,
                              enum keel_command_scope scope)
{
    struct keel_control *control = client->control;
    struct keel_generation *g = control->master->serving;
    uint64_t timeout = scope & KEEL_COMMAND_SLOW ? SLOW_TIMEOUT : ASK_TIMEOUT;
    scope &= ~KEEL_COMMAND_SLOW;
    char *text = json_dumps(request->root, JSON_COMPACT);
    struct ask *ask = g ? keel_calloc(1, sizeof *ask + g->total * sizeof(struct ask_part)) : NULL;
    if (!ask || !text || strlen(text) > KEEL_MESSAGE_MAX) {
        keel_control_fail(client, !g ? "no worker serves" : !text ? "no memory" : "too long");
        keel_free(ask);
        free(text);
        return;
    }
    ask->client = client;
    ask->id = ++control->next_id ? control->next_id : ++control->next_id; /* 0: nobody */
    ask->scope = scope;
    client->waiting++;
    keel_list_push_back(&control->asks, &ask->node);
    keel_timer_init(&ask->timeout, control->master->loop, "control", on_timeout);
    for (unsigned i = 0; i < g->total; i++) {
        if (is_asked(&g->processes[i], scope, g->core.schedule) &&
            (scope == KEEL_COMMAND_ALL || ask->count == 0))
            ask_process(ask, &g->processes[i], text);
    }
    free(text);
    keel_timer_start(&ask->timeout, ask->waiting ? timeout : 1, 0);
}

static void part_finish(struct ask *ask, struct ask_part *part)
{
    part->done = true;
    if (--ask->waiting == 0)
        ask_finish(ask);
}

void keel_control_reply(struct keel_process *p, uint32_t id, const void *bytes, size_t size,
                        bool more)
{
    struct keel_control *control = p->generation->master->control;
    if (!control)
        return;
    keel_list_for_safe (node, &control->asks) {
        struct ask *ask = KEEL_CONTAINER(node, struct ask, node);
        for (unsigned i = 0; i < ask->count; i++) {
            struct ask_part *part = &ask->parts[i];
            if (part->process != p || part->done || (bytes && ask->id != id))
                continue;
            if (bytes)
                keel_buf_append(&part->text, bytes, size);
            else
                part->process = NULL;
            if (!bytes || !more)
                part_finish(ask, part);
            break; /* ask may be gone */
        }
    }
}

void keel_control_end_asks(struct keel_control *control)
{
    keel_list_for_safe (node, &control->asks)
        ask_finish(KEEL_CONTAINER(node, struct ask, node));
}
