#include "tests/support/script_module.h"

#include "common/base/mem.h"
#include "common/runtime/timer.h"
#include "tests/support/h2_client.h"

struct script {
    struct keel_timer timer;
    struct http_exchange *x;
    struct keel_buf body;
    char what;
    unsigned pieces;
};
unsigned script_started, script_ended, script_gone;

static void end_script(struct script *script)
{
    keel_timer_stop(&script->timer);
    keel_buf_fini(&script->body);
    keel_free(script);
}

static void send_body(struct script *script)
{
    struct http_exchange *x = script->x;
    struct http_response response;
    keel_buf_append(&script->body, "|", 1);
    if (x->trailers.n > 0)
        keel_buf_append(&script->body, x->trailers.p, x->trailers.n);
    http_response_content(
        &response, &x->request, 200, KEEL_STR("Content-Type: text/plain\r\n"),
        (struct keel_str){(char *)keel_buf_bytes(&script->body), keel_buf_size(&script->body)});
    if (http_exchange_respond(x, &response) == 0) {
        script_ended++;
        end_script(script);
    }
}

static void finish_script(struct script *script, struct keel_str trailers)
{
    if (http_exchange_end(script->x, trailers) == 0) {
        script_ended++;
        end_script(script);
    }
}

/* The answer that the query tells: a status, "+" and field lines, in which "+" is a blank, "'" a
 * quote and ";" ends a line. The body is the alphabet. */
static void answer_by_query(struct script *script)
{
    struct http_exchange *x = script->x;
    struct keel_str query = x->request.query, word = KEEL_STR("200");
    static const char body[] = "abcdefghijklmnopqrstuvwxyz";
    struct http_response response;
    struct keel_buf lines = {0};
    uint64_t status = 200;
    keel_str_split(&query, '+', &word);
    keel_parse_u64(word, 599, &status);
    for (size_t i = 0; i < query.n; i++) {
        const char c = query.p[i];
        keel_buf_append(&lines,
                        c == '+'    ? " "
                        : c == '\'' ? "\""
                        : c == ';'  ? "\r\n"
                                    : &c,
                        c == ';' ? 2 : 1);
    }
    if (query.n > 0)
        keel_buf_append(&lines, "\r\n", 2);
    struct keel_str fields = {(char *)keel_buf_bytes(&lines), keel_buf_size(&lines)};
    int err;
    if (script->what == 'w') {
        http_response_content(&response, &x->request, (unsigned)status, fields,
                              (struct keel_str){body, sizeof body - 1});
        err = http_exchange_respond(x, &response);
        script_ended += err == 0;
        if (err == 0)
            end_script(script);
    } else if (http_exchange_begin(x, (unsigned)status, fields, sizeof body - 1) == 0 &&
               (err = http_exchange_write(x, body, sizeof body - 1)) != KEEL_EOF) {
        finish_script(script, KEEL_STR(""));
    }
    keel_buf_fini(&lines);
}

/* As much as is wanted of PIECES pieces. */
static void send_pieces(struct script *script)
{
    static uint8_t all[PIECE * PIECES];
    int err = 0;
    if (all[1] != h2_byte(1))
        for (size_t i = 0; i < sizeof all; i++)
            all[i] = h2_byte(i);
    while (script->pieces < PIECES && err == 0)
        err = http_exchange_write(script->x, all + script->pieces++ * PIECE, PIECE);
    if (err == 0)
        finish_script(script, KEEL_STR(""));
}

static void write_next(struct script *script)
{
    struct http_exchange *x = script->x;
    const char *text = "piece";
    if (script->what == 'a' && script->pieces == 2) {
        script_ended++;
        end_script(script);
        http_exchange_abort(x);
    } else if (script->pieces == (script->what == 'u' ? 1 : 3)) {
        finish_script(script, KEEL_STR("X-End: yes\r\nX-More:  no \r\n"));
    } else {
        int err = http_exchange_write(x, text, script->what == 'k' || script->what == 'u' ? 4 : 5);
        if (err != 0 && err != KEEL_EAGAIN)
            return; /* the script is gone */
        script->pieces++;
        if (err == 0)
            keel_timer_start(&script->timer, KEEL_NS_PER_MS, 0);
    }
}

/* Each byte comes back; "stop" ends the tunnel. */
static void echo(struct script *script, const void *bytes, size_t n)
{
    if (n == 0 || (n == 4 && memcmp(bytes, "stop", 4) == 0))
        finish_script(script, KEEL_STR(""));
    else if (http_exchange_write(script->x, bytes, n) == KEEL_EAGAIN)
        http_exchange_pause(script->x);
}

static void on_timer(struct keel_timer *timer)
{
    struct script *script = KEEL_CONTAINER(timer, struct script, timer);
    struct http_exchange *x = script->x;
    switch (script->what) {
    case 'p':
        http_exchange_resume(x);
        break;
    case 'x':
        script_ended++;
        end_script(script);
        http_exchange_next(x);
        break;
    case 'l':
        send_body(script);
        break;
    default:
        write_next(script);
    }
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *arg,
                                 struct http_response *response)
{
    struct keel_str path = x->request.path;
    const char *slash = memrchr(path.p, '/', path.n);
    char what = slash + 1 < path.p + path.n ? slash[1] : 'n';
    if (!strchr("lxeprsckbiautvyg0hwz", what))
        return HTTP_NEXT;
    struct script *script = keel_calloc(1, sizeof *script);
    if (!script) {
        http_response_plain(response, &x->request, 503, KEEL_STR(""));
        return HTTP_DONE;
    }
    script_started++;
    x->state = script;
    script->x = x;
    script->what = what;
    keel_timer_init(&script->timer, x->host->loop, "script", on_timer);
    if (what == 't' && http_exchange_upgrade(x, "echo", KEEL_STR("X-A: b\r\n")) == KEEL_EINVAL)
        what = script->what = 's';
    if (what == 's')
        send_body(script);
    else if (what == 'h' || what == 'w')
        answer_by_query(script);
    else if (what == 'e' || what == 'p' || what == 'r')
        http_exchange_read(x, 0);
    if (what == 'i' || what == 'y')
        http_exchange_read(x, UINT64_MAX);
    if (what == 'g')
        http_exchange_begin(x, 200,
                            KEEL_STR("Content-Type: text/plain\r\n"
                                     "ETag: \"a\"\r\nAccept-Ranges: bytes\r\n"),
                            PIECE * PIECES);
    if (what == 'v' || what == 'y')
        http_exchange_begin(x, 200, KEEL_STR("Content-Type: text/event-stream\r\n"), -1);
    if (what == 'i' || what == 'b')
        http_exchange_begin(x, 200, KEEL_STR("X-A: b\r\n"), -1);
    else if (strchr("cku0a", what))
        http_exchange_begin(x, what == '0' ? 204 : 200, KEEL_STR("X-A: b\r\n"),
                            what == 'k' || what == 'u' ? 12 : -1);
    if (what == 'b' || what == 'g')
        send_pieces(script);
    else if (strchr("lxckuv0a", what))
        keel_timer_start(&script->timer, 2 * KEEL_NS_PER_MS, 0);
    return HTTP_LATER;
}

static void on_content(struct http_exchange *x, const void *bytes, size_t n)
{
    struct script *script = x->state;
    if (script->what == 't') {
        echo(script, bytes, n);
    } else if (script->what == 'i' || script->what == 'y') {
        if (n == 0)
            finish_script(script, x->trailers);
        else if (http_exchange_write(x, bytes, n) == KEEL_EAGAIN)
            http_exchange_pause(x);
    } else if (n > 0) {
        keel_buf_append(&script->body, bytes, n);
        if (script->what == 'p') {
            http_exchange_pause(x);
            keel_timer_start(&script->timer, KEEL_NS_PER_MS, 0);
        }
    } else if (script->what != 'r') {
        send_body(script);
    }
}

static void on_drained(struct http_exchange *x)
{
    struct script *script = x->state;
    if (script->what == 'b' || script->what == 'g')
        send_pieces(script);
    else if (strchr("tiy", script->what))
        http_exchange_resume(x);
    else
        keel_timer_start(&script->timer, KEEL_NS_PER_MS, 0);
}

static void on_gone(struct http_exchange *x)
{
    script_gone++;
    end_script(x->state);
}

/* --- its filters --- */

struct change {
    const char *what;
    size_t taken;
    struct keel_buf held;
};
unsigned script_changes;

static int configure_change(struct keel_arena *arena, const char *argument, void **out,
                            struct keel_access *access, struct keel_diag *diag)
{
    if (!argument || !strchr("udhfeslxn", *argument))
        return keel_diag_set(diag, KEEL_EINVAL, "a change expected");
    *out = keel_arena_strdup(arena, argument);
    return *out ? 0 : KEEL_ENOMEM;
}

/* "a" becomes "a-x"; of a 304 it is that already. */
static int change_etag(struct http_exchange *x, struct http_response *response)
{
    static struct http_header_rule item = {.op = HTTP_HEADER_REMOVE, .name = {"ETag", 4}};
    const struct http_header_rules rules = {&item, 1};
    struct keel_str etag = http_response_value(response, KEEL_STR("etag"));
    if (etag.n < 2 || response->status == 304)
        return 0;
    const char *line =
        keel_arena_printf(&x->request.arena, "ETag: %.*s-x\"\r\n", (int)etag.n - 1, etag.p);
    return line ? http_response_rules(response, &x->request, &rules, keel_str(line)) : KEEL_ENOMEM;
}

static int head_of_change(struct http_exchange *x, void *arg, struct http_response *response,
                          int64_t *length, void **state)
{
    struct keel_str type = http_response_value(response, KEEL_STR("content-type"));
    const char *what = arg;
    if (*what == 'n')
        return KEEL_ENOMEM;
    if (*what == '.' || (type.p && !keel_str_begins(type, KEEL_STR("text/"))) ||
        http_response_value(response, KEEL_STR("content-encoding")).p)
        return 0;
    if (!strchr("uhsl", *what))
        *length = -1;
    if (*what == 'x' && change_etag(x, response) != 0)
        return KEEL_ENOMEM;
    struct change *change = keel_calloc(1, sizeof *change);
    if (!change)
        return KEEL_ENOMEM;
    change->what = what;
    *state = change;
    script_changes++;
    return 1;
}

static int body_of_change(void *state, const void *bytes, size_t n, enum http_piece piece,
                          struct keel_buf *out)
{
    struct change *change = state;
    const uint8_t *p = bytes;
    bool end = piece == HTTP_PIECE_END;
    change->taken += n;
    switch (*change->what) {
    case 'h':
        keel_buf_append(&change->held, p, n);
        if (end)
            keel_buf_append(out, keel_buf_bytes(&change->held), keel_buf_size(&change->held));
        return change->held.failed;
    case 'f':
        keel_buf_append(out, p, n);
        return change->taken > 100000 ? KEEL_ESYS : 0;
    case 'u':
    case 'd':
        for (size_t i = 0; i < n; i++) {
            char c = (char)keel_to_lower(p[i]);
            keel_buf_append(out, &c, 1);
            if (*change->what == 'd')
                keel_buf_append(out, &c, 1);
        }
        return 0;
    case 's': /* what it has by the first slice is missing in the end */
        keel_buf_append(out, p, n > 0 && change->taken == n ? n - 1 : n);
        return 0;
    default:
        keel_buf_append(out, p, n);
        if (end && *change->what != 'e')
            keel_buf_append(out, "!", 1);
        return end && *change->what == 'e' ? KEEL_ESYS : 0;
    }
}

static void release_change(void *state)
{
    struct change *change = state;
    keel_buf_fini(&change->held);
    keel_free(change);
    script_changes--;
}

static int head_of_mark(struct http_exchange *x, void *arg, struct http_response *response,
                        int64_t *length, void **state)
{
    const struct http_header_rules none = {NULL, 0};
    return http_response_rules(response, &x->request, &none, KEEL_STR("X-Mark: yes\r\n"));
}

const struct http_filter script_change = {HTTP_FILTER,
                                          .name = "change",
                                          .head = head_of_change,
                                          .body = body_of_change,
                                          .release = release_change,
                                          .configure = configure_change};
const struct http_filter script_exact = {HTTP_FILTER,
                                         .name = "exact",
                                         .head = head_of_change,
                                         .body = body_of_change,
                                         .release = release_change,
                                         .configure = configure_change,
                                         .exact = true};
const struct http_filter script_mark = {HTTP_FILTER, .name = "mark", .head = head_of_mark};
static const struct http_filter *const filters[] = {&script_change, &script_exact, &script_mark,
                                                    NULL};

const struct http_handler http_module = {HTTP_HANDLER,
                                         .name = "script",
                                         .respond = respond,
                                         .on_content = on_content,
                                         .on_drained = on_drained,
                                         .on_gone = on_gone,
                                         .tunnels = true,
                                         .filters = filters};
