#include "common/service/control_server.h"

#include "common/base/mem.h"
#include "common/runtime/sock.h"
#include "common/service/paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Clients at once; more wait in the kernel's queue. */
#define CLIENTS 64
/* Requests of one client under way; more wait in its input. */
#define REQUESTS 64

struct waiter {
    struct keel_waiter waiter;
    struct keel_control_client *client;
};

struct keel_master *keel_control_master(const struct keel_control_client *client)
{
    return client->control->master;
}

int keel_control_fd(const struct keel_master *master)
{
    return master->control ? master->control->fd : -1;
}

/* --- clients --- */

static void client_unref(struct keel_control_client *client)
{
    if (!client->closed || client->waiting > 0)
        return;
    keel_list_remove(&client->node);
    keel_free(client);
}

void keel_control_answered(struct keel_control_client *client)
{
    client->waiting--;
    if (!client->closed && client->waiting == REQUESTS - 1)
        keel_stream_resume(&client->stream);
    client_unref(client);
}

/* A client that does not read its answers is not read from either. */
void keel_control_send(struct keel_control_client *client, json_t *reply)
{
    char *text = reply ? json_dumps(reply, KEEL_CONTROL_DUMP) : NULL;
    json_decref(reply);
    if (!client->closed) { /* always one line, or the client would wait for ever */
        const char *line = text ? text : "{\"ok\":false,\"error\":\"no memory\"}";
        keel_stream_write(&client->stream, line, strlen(line));
        if (keel_stream_write(&client->stream, "\n", 1) == KEEL_EAGAIN)
            keel_stream_pause(&client->stream);
    }
    free(text);
}

void keel_control_ok(struct keel_control_client *client, json_t *result)
{
    keel_control_send(client,
                      json_pack("{s:b s:o}", "ok", 1, "result", result ? result : json_null()));
}

void keel_control_fail(struct keel_control_client *client, const char *error)
{
    keel_control_send(client, json_pack("{s:b s:s}", "ok", 0, "error", error));
}

static void handle_line(struct keel_control_client *client, const uint8_t *line, size_t size)
{
    struct keel_control_request request;
    struct keel_diag diag = {""};
    if (keel_control_parse(line, size, &request, &diag) != 0) {
        keel_control_fail(client, diag.text);
        return;
    }
    keel_master_command(client, &request);
    keel_control_request_fini(&request);
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct keel_control_client *client = KEEL_CONTAINER(s, struct keel_control_client, stream);
    size_t used = 0;
    const uint8_t *end;
    while (used < size && (end = memchr(bytes + used, '\n', size - used))) {
        size_t n = (size_t)(end - bytes) - used;
        if (n > 0)
            handle_line(client, bytes + used, n);
        used += n + 1;
        if (client->closed)
            return size;
        if (client->waiting >= REQUESTS) {
            keel_stream_pause(s);
            return used;
        }
    }
    if (size - used >= KEEL_CONTROL_LINE) {
        keel_control_fail(client, "the request is too long");
        keel_stream_finish(s, KEEL_NS_PER_S);
        return size;
    }
    return used;
}

static void on_drained(struct keel_stream *s)
{
    if (KEEL_CONTAINER(s, struct keel_control_client, stream)->waiting < REQUESTS)
        keel_stream_resume(s);
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct keel_control_client *client = KEEL_CONTAINER(s, struct keel_control_client, stream);
    client->closed = true;
    client->control->client_count--;
    client_unref(client);
}

static const struct keel_stream_ops client_ops = {
    .name = "control",
    .on_data = on_data,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void on_accept(struct keel_acceptor *a, int fd, const struct keel_addr *peer)
{
    struct keel_control *control = KEEL_CONTAINER(a, struct keel_control, acceptor);
    struct keel_control_client *client = keel_calloc(1, sizeof *client);
    if (!client || keel_stream_start(&client->stream, control->master->loop, fd, &client_ops, peer,
                                     NULL) != 0) {
        close(fd);
        keel_free(client);
        return;
    }
    client->control = control;
    client->stream.input_limit = KEEL_CONTROL_LINE + 1;
    control->client_count++;
    keel_list_push_back(&control->clients, &client->node);
}

/* Clients that only sit there make room for one that wants something; the oldest goes first. */
static unsigned room(struct keel_acceptor *a)
{
    struct keel_control *control = KEEL_CONTAINER(a, struct keel_control, acceptor);
    keel_list_for_safe (node, &control->clients) {
        struct keel_control_client *client = KEEL_CONTAINER(node, struct keel_control_client, node);
        if (control->client_count < CLIENTS)
            break;
        if (!client->closed && client->waiting == 0)
            keel_stream_close(&client->stream);
    }
    return control->client_count < CLIENTS;
}

/* --- waiting for a reload or upgrade --- */

static void waiter_settled(struct keel_waiter *w, bool ok, const char *text)
{
    struct waiter *waiter = KEEL_CONTAINER(w, struct waiter, waiter);
    struct keel_control_client *client = waiter->client;
    if (ok)
        keel_control_ok(client, json_string(text));
    else
        keel_control_fail(client, text);
    keel_control_answered(client);
    keel_free(waiter);
}

int keel_control_wait(struct keel_control_client *client, bool next)
{
    struct waiter *waiter = keel_calloc(1, sizeof *waiter);
    if (!waiter)
        return KEEL_ENOMEM;
    waiter->waiter.settled = waiter_settled;
    waiter->waiter.next = next;
    waiter->client = client;
    client->waiting++;
    keel_list_push_back(&client->control->master->waiters, &waiter->waiter.node);
    return 0;
}

/* --- life --- */

/* Returns a new listening socket, or an error. */
static int open_socket(const struct keel_core *core, struct keel_diag *diag)
{
    const struct keel_sock_options options = {.mode = core->control_mode};
    char dir[sizeof core->control];
    snprintf(dir, sizeof dir, "%s", core->control);
    char *slash = strrchr(dir, '/');
    if (slash && slash != dir) {
        *slash = '\0';
        int err = keel_path_make(dir, 0755, (uid_t)-1, (gid_t)-1, diag);
        if (err)
            return err;
    }
    return keel_sock_listen_unix(core->control, &options, diag);
}

/* The path is the one it has, whatever the configuration says now. */
static int take_inherited(struct keel_control *control, int fd, struct keel_diag *diag)
{
    struct sockaddr_un un = {0};
    socklen_t size = sizeof un;
    if (getsockname(fd, (struct sockaddr *)&un, &size) != 0 || un.sun_family != AF_UNIX)
        return keel_diag_set(diag, KEEL_EINVAL, "the control socket that came along is none");
    control->fd = fd;
    snprintf(control->path, sizeof control->path, "%.*s", (int)sizeof un.sun_path, un.sun_path);
    return 0;
}

static void start_accepting(struct keel_control *control)
{
    control->listening = true;
    if (keel_acceptor_start(&control->acceptor, control->master->loop, control->fd) != 0)
        keel_error("control", "cannot accept, and will try again", "path=%s error=%m",
                   control->path);
}

int keel_control_start(struct keel_master *master, int inherited_fd, struct keel_diag *diag)
{
    const struct keel_generation *g =
        KEEL_CONTAINER(master->generations.prev, struct keel_generation, node);
    struct keel_control *control = keel_calloc(1, sizeof *control);
    if (!control)
        return keel_diag_memory(diag);
    master->control = control;
    control->master = master;
    control->fd = -1;
    keel_list_init(&control->clients);
    keel_list_init(&control->asks);
    control->acceptor.on_accept = on_accept;
    control->acceptor.room = room;
    if (inherited_fd >= 0)
        return take_inherited(control, inherited_fd, diag);
    int fd = open_socket(&g->core, diag);
    if (fd < 0)
        return fd;
    control->fd = fd;
    memcpy(control->path, g->core.control, sizeof control->path);
    start_accepting(control);
    return 0;
}

void keel_control_listen(struct keel_master *master)
{
    struct keel_control *control = master->control;
    if (!control || control->fd < 0 || control->listening)
        return;
    start_accepting(control);
    if (master->serving)
        keel_control_follow(master, &master->serving->core);
}

/* Stops listening; the path goes when it is ours. */
static void close_socket(struct keel_control *control, bool keep_path)
{
    if (control->fd < 0)
        return;
    if (control->listening)
        keel_acceptor_stop(&control->acceptor);
    if (control->listening && !keep_path)
        unlink(control->path);
    close(control->fd);
    control->fd = -1;
    control->listening = false;
}

void keel_control_follow(struct keel_master *master, const struct keel_core *core)
{
    struct keel_control *control = master->control;
    struct keel_diag diag = {""};
    if (!control || !control->listening)
        return;
    if (strcmp(control->path, core->control) == 0) {
        if (chmod(control->path, core->control_mode) != 0)
            keel_warning("control", "cannot set the permissions", "path=%s error=%m",
                         control->path);
        return;
    }
    int fd = open_socket(core, &diag);
    if (fd < 0) {
        keel_error("control", "the control socket stays where it was", "path=%s reason=%s",
                   control->path, diag.text);
        return;
    }
    close_socket(control, false);
    control->fd = fd;
    memcpy(control->path, core->control, sizeof control->path);
    start_accepting(control);
    keel_notice("control", "the control socket moved", "path=%s", control->path);
}

void keel_control_leave(struct keel_master *master)
{
    if (master->control)
        close_socket(master->control, true);
}

void keel_control_stop(struct keel_master *master)
{
    struct keel_control *control = master->control;
    if (!control)
        return;
    close_socket(control, false);
    keel_control_end_asks(control);
    keel_list_for_safe (node, &control->clients) {
        struct keel_control_client *client = KEEL_CONTAINER(node, struct keel_control_client, node);
        if (!client->closed)
            keel_stream_close(&client->stream);
    }
    master->control = NULL;
    keel_free(control);
}
