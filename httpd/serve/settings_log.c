#include "httpd/serve/settings_log.h"

#include "common/base/mem.h"

static int compile(struct http_log_settings *log, struct keel_diag *why)
{
    struct keel_str text = keel_str(log->text);
    enum http_log_escape escape = HTTP_LOG_TEXT;
    if (keel_str_equal(text, KEEL_STR("combined"))) {
        text = KEEL_STR(HTTP_LOG_COMBINED);
    } else if (keel_str_equal(text, KEEL_STR("json"))) {
        text = KEEL_STR(HTTP_LOG_JSON);
        escape = HTTP_LOG_AS_JSON;
    }
    return http_log_format_compile(&log->format, text, escape, why);
}

/* Sites that write the same into the same file share a log. NULL: none is like it. */
static struct http_log_settings *find(const struct http_settings *s,
                                      const struct http_log_settings *like)
{
    for (unsigned i = 0; i < s->log_count; i++)
        if (strcmp(s->logs[i]->file, like->file) == 0 && strcmp(s->logs[i]->text, like->text) == 0)
            return s->logs[i];
    return NULL;
}

/* *number: of the log that the section means, from 1 on; 0: none. */
static int read_log(struct http_settings *s, const struct keel_conf *conf,
                    struct keel_access *access, unsigned *number, struct keel_diag *diag)
{
    struct keel_diag why = {""};
    *number = 0;
    if (!keel_conf_bool(conf, "enabled"))
        return 0;
    if (!keel_conf_str(conf, "file"))
        return keel_conf_error(conf, "file", diag, "a file expected, or enabled = false");
    struct http_log_settings *log = keel_arena_calloc(&s->arena, sizeof *log);
    char *file = keel_arena_strdup(&s->arena, keel_conf_str(conf, "file"));
    char *text = keel_arena_strdup(&s->arena, keel_conf_str(conf, "format"));
    if (!log || !file || !text)
        return keel_diag_memory(diag);
    *log = (struct http_log_settings){
        .file = file, .text = text, .buffer = (size_t)keel_conf_int(conf, "buffer")};
    struct http_log_settings *same = find(s, log);
    if (same) {
        *number = same->number;
        return 0;
    }
    if (s->log_count == HTTP_LOGS_MAX)
        return keel_conf_error(conf, "file", diag, "more than %d access logs: let sites share",
                               HTTP_LOGS_MAX);
    if (compile(log, &why) != 0)
        return keel_conf_error(conf, "format", diag, "%s", why.text);
    if (access && keel_access_add_log(access, file) != 0)
        return keel_diag_memory(diag);
    s->logs[s->log_count++] = log;
    *number = log->number = s->log_count;
    return 0;
}

int http_logs_read(struct http_settings *s, const struct keel_conf *conf,
                   struct keel_access *access, struct keel_diag *diag)
{
    const struct keel_conf *log = keel_conf_section(conf, "access-log");
    unsigned i = 0;
    s->logs = keel_arena_calloc(&s->arena, HTTP_LOGS_MAX * sizeof *s->logs);
    if (!s->logs)
        return keel_diag_memory(diag);
    int err = log ? read_log(s, log, access, &s->log, diag) : 0;
    keel_conf_for (section, conf, "site") {
        struct http_site *site = &s->sites.items[i++];
        site->log = s->log;
        log = keel_conf_section(section, "access-log");
        if (log && !err)
            err = read_log(s, log, access, &site->log, diag);
    }
    return err;
}
