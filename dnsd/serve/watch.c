#include "dnsd/serve/watch.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dnsd/answer/top.h"
#include "dnsd/wire/rcode.h"
#include "dnsd/wire/type.h"

#define TOP_SECONDS 5
#define TOP_SECONDS_MAX 300
#define TOP_ROWS 20
#define TOP_ROWS_MAX 200

struct filter {
    bool has_client, has_name;
    struct keel_prefix client;
    struct dns_name name; /* lower-cased: it, and what is below */
    uint16_t type;        /* 0: any */
    uint16_t rcode;       /* + 1; 0: any */
};

/* --- trace --- */

static int parse_filter(void *arg, const char *argument, struct keel_diag *diag)
{
    struct filter *f = arg;
    struct keel_str value = keel_str(argument), key;
    unsigned rcode;
    if (!keel_str_split(&value, '=', &key))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": KEY=VALUE expected: %s", argument,
                             DNS_TRACE_USAGE);
    if (keel_str_equal(key, keel_str("client"))) {
        f->has_client = true;
        return keel_prefix_parse(&f->client, value, diag);
    }
    if (keel_str_equal(key, keel_str("name"))) {
        f->has_name = true;
        if (dns_name_from_text(&f->name, value, NULL) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" has no domain name", argument);
        dns_name_lower(&f->name);
        return 0;
    }
    if (keel_str_equal(key, keel_str("type")))
        return dns_type_parse(value, &f->type) == 0
                   ? 0
                   : keel_diag_set(diag, KEEL_EINVAL, "\"%s\" has no type", argument);
    if (keel_str_equal(key, keel_str("rcode"))) {
        if (dns_rcode_parse(value, &rcode) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" has no code", argument);
        f->rcode = (uint16_t)(rcode + 1);
        return 0;
    }
    return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": one of %s expected", argument,
                         DNS_TRACE_USAGE);
}

/* The question could be read. */
static bool has_question(const struct dns_query *query)
{
    return !query->silent && query->message.question_size > 0;
}

static bool is_below(const struct dns_name *name, const struct dns_name *apex)
{
    if (name->labels < apex->labels)
        return false;
    unsigned at = name->labels == apex->labels ? 0 : name->offsets[name->labels - apex->labels];
    return name->size - at == apex->size && memcmp(name->bytes + at, apex->bytes, apex->size) == 0;
}

static bool fits(const struct filter *f, const struct dns_query *query)
{
    if (f->has_client && !keel_prefix_contains(&f->client, query->peer))
        return false;
    if ((f->has_name || f->type) && !has_question(query))
        return false;
    if (f->has_name && !is_below(&query->message.qname, &f->name))
        return false;
    if (f->type && f->type != query->message.qtype)
        return false;
    return f->rcode == 0 || f->rcode == query->rcode + 1;
}

static void describe_question(struct keel_buf *out, const struct dns_query *query)
{
    const struct dns_message *m = &query->message;
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    if (!has_question(query)) {
        keel_buf_puts(out, "-");
        return;
    }
    dns_name_to_text(name, m->qname.bytes);
    keel_buf_printf(out, "%s %s", name, dns_type_format(type, m->qtype));
    if (m->qclass != DNS_CLASS_IN)
        keel_buf_printf(out, " class=%u", m->qclass);
    if (dns_message_opcode(m) != DNS_OPCODE_QUERY)
        keel_buf_printf(out, " opcode=%u", dns_message_opcode(m));
    if (m->flags & DNS_FLAG_RD)
        keel_buf_puts(out, " +rd");
    if (m->edns.present)
        keel_buf_printf(out, " edns=%u%s", m->edns.udp_size, m->edns.dnssec_ok ? " +do" : "");
    if (query->cookie != DNS_COOKIE_NONE)
        keel_buf_puts(out, query->cookie == DNS_COOKIE_GOOD ? " cookie=good" : " cookie=new");
    if (query->tsig.key)
        keel_buf_puts(out, " signed");
}

static void describe_answer(struct keel_buf *out, const struct dns_query *query,
                            const uint8_t *reply, size_t size)
{
    char code[DNS_RCODE_TEXT];
    if (size < DNS_HEADER_SIZE) {
        bool zone = query->transfer == DNS_TRANSFER_ZONE && query->rcode == DNS_NOERROR;
        keel_buf_puts(out, zone ? "the zone" : "nothing");
        return;
    }
    uint16_t flags = keel_get_u16(reply + 2);
    keel_buf_printf(out, "%s%s%s %u/%u/%u %zu bytes", dns_rcode_format(code, query->rcode),
                    flags & DNS_FLAG_AA ? " aa" : "", flags & DNS_FLAG_TC ? " tc" : "",
                    keel_get_u16(reply + 6), keel_get_u16(reply + 8), keel_get_u16(reply + 10),
                    size);
}

static void trace_query(struct dns_watch *watch, const struct dns_query *query, const char *what,
                        const uint8_t *reply, size_t size)
{
    struct keel_trace_session *session = NULL;
    struct keel_buf line = {0};
    char peer[KEEL_ADDR_TEXT];
    while ((session = keel_trace_next(&watch->trace, session))) {
        if (!fits(keel_trace_filter(session), query))
            continue;
        if (keel_buf_size(&line) == 0) {
            keel_addr_format(peer, sizeof peer, query->peer);
            keel_buf_printf(&line, "%s %s ", what, peer);
            describe_question(&line, query);
            keel_buf_puts(&line, " -> ");
            describe_answer(&line, query, reply, size);
        }
        const char *text = keel_buf_text(&line);
        keel_trace_line(session, text ? text : "no memory");
    }
    keel_buf_fini(&line);
}

int dns_watch_trace(struct dns_watch *watch, json_t *args, json_t **result, struct keel_diag *diag)
{
    return keel_trace_run(&watch->trace, args, result, diag);
}

/* --- top --- */

static void count_query(struct dns_watch *watch, const struct dns_query *query)
{
    char text[KEEL_ADDR_TEXT];
    switch (watch->subject) {
    case DNS_TOP_CLIENT:
        keel_addr_format(text, sizeof text, query->peer);
        dns_top_add(watch->top, text, (size_t)(strrchr(text, ':') - text)); /* any port */
        break;
    case DNS_TOP_NAME:
        if (has_question(query))
            dns_top_add(watch->top, query->message.qname.bytes, query->message.qname.size);
        break;
    case DNS_TOP_ZONE:
        if (query->zone)
            dns_top_add(watch->top, query->zone->apex.bytes, query->zone->apex.size);
        break;
    case DNS_TOP_TYPE:
        if (has_question(query))
            dns_top_add(watch->top, dns_type_format(text, query->message.qtype), strlen(text));
        break;
    }
}

static const char *key_text(const struct dns_watch *watch, const struct dns_top_entry *entry,
                            char *out)
{
    if (watch->subject == DNS_TOP_NAME || watch->subject == DNS_TOP_ZONE) {
        dns_name_to_text(out, entry->key);
    } else {
        memcpy(out, entry->key, entry->size);
        out[entry->size] = '\0';
    }
    return out;
}

static json_t *top_result(const struct dns_watch *watch)
{
    const struct dns_top_entry *list[TOP_ROWS_MAX];
    uint64_t total = dns_top_total(watch->top);
    unsigned n = dns_top_list(watch->top, list, watch->rows);
    json_t *rows = json_array();
    char text[DNS_NAME_TEXT];
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(rows, json_pack("{s:s, s:I, s:f, s:f, s:I}", "key",
                                              key_text(watch, list[i], text), "questions",
                                              (json_int_t)list[i]->count, "per_second",
                                              (double)list[i]->count / watch->seconds, "percent",
                                              100.0 * list[i]->count / (double)total, "too_high_by",
                                              (json_int_t)list[i]->error));
    return rows;
}

static void end_top(struct dns_watch *watch, int err)
{
    struct keel_deferred *owed = watch->owed;
    if (!owed)
        return;
    json_t *rows = err ? NULL : top_result(watch);
    dns_top_free(watch->top);
    watch->top = NULL;
    watch->owed = NULL;
    keel_command_reply(owed, err, rows, "the worker stops");
}

static void on_end(struct keel_timer *timer)
{
    end_top(KEEL_CONTAINER(timer, struct dns_watch, end), 0);
}

/* The number in argument i, or what it is without one. */
static int read_count(json_t *args, unsigned i, unsigned usual, unsigned most, unsigned *out,
                      struct keel_diag *diag)
{
    const char *text = json_string_value(json_array_get(args, i));
    uint64_t n = usual;
    if (text && (keel_parse_u64(keel_str(text), most, &n) != 0 || n == 0))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": a number from 1 to %u expected", text,
                             most);
    *out = (unsigned)n;
    return 0;
}

int dns_watch_top(struct dns_watch *watch, struct keel_instance *instance, json_t *args,
                  struct keel_diag *diag)
{
    static const char *const subjects[] = {"client", "name", "zone", "type"};
    const char *word = json_string_value(json_array_get(args, 0));
    unsigned subject = 0;
    while (word && subject < 4 && strcmp(word, subjects[subject]) != 0)
        subject++;
    if (!word || subject == 4 || json_array_size(args) > 3)
        return keel_diag_set(diag, KEEL_EINVAL, "top %s", DNS_TOP_USAGE);
    if (watch->owed)
        return keel_diag_set(diag, KEEL_EBUSY, "somebody counts already");
    int err = read_count(args, 1, TOP_SECONDS, TOP_SECONDS_MAX, &watch->seconds, diag);
    if (err == 0)
        err = read_count(args, 2, TOP_ROWS, TOP_ROWS_MAX, &watch->rows, diag);
    if (err)
        return err;
    watch->top = dns_top_new((struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    watch->owed = watch->top ? keel_command_defer(instance) : NULL;
    if (!watch->owed) {
        dns_top_free(watch->top);
        watch->top = NULL;
        return keel_diag_memory(diag);
    }
    watch->subject = (enum dns_top_subject)subject;
    keel_timer_start(&watch->end, watch->seconds * KEEL_NS_PER_S, 0);
    return KEEL_EAGAIN;
}

/* --- both --- */

void dns_watch_init(struct dns_watch *watch, struct keel_loop *loop)
{
    *watch = (struct dns_watch){0};
    keel_trace_init(&watch->trace, loop, sizeof(struct filter), parse_filter);
    keel_timer_init(&watch->end, loop, "top", on_end);
}

void dns_watch_fini(struct dns_watch *watch)
{
    keel_timer_stop(&watch->end);
    end_top(watch, KEEL_ECANCELED);
    keel_trace_fini(&watch->trace);
}

void dns_watch_query(struct dns_watch *watch, const struct dns_query *query, const char *what,
                     const uint8_t *reply, size_t size)
{
    if (keel_trace_on(&watch->trace))
        trace_query(watch, query, what, reply, size);
    if (watch->top)
        count_query(watch, query);
}
