/*
 * dhcpd.leases of ISC dhcpd: a log of declarations (dhcpd.leases(5)), of which those that begin
 * with "lease" are leases.
 *
 *     lease 192.0.2.7 {
 *       starts 4 2026/11/19 10:00:00;  ends 4 2026/11/19 22:00:00;     or: epoch 1700000000; never
 *       binding state active;
 *       hardware ethernet 02:00:00:00:00:01;  uid "\001\002";  client-hostname "box";
 *     }
 */
#include "dhcpd/lease/import.h"

#define WORDS 8
#define TEXT 1024

struct scanner {
    struct keel_str text;
    size_t at;
    unsigned line;
    struct keel_str token;
    char string[TEXT]; /* of a quoted token, unescaped */
    bool quoted;
};

static void skip_blanks(struct scanner *s)
{
    for (; s->at < s->text.n; s->at++) {
        char c = s->text.p[s->at];
        if (c == '#')
            while (s->at + 1 < s->text.n && s->text.p[s->at + 1] != '\n')
                s->at++;
        else if (c == '\n')
            s->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return;
    }
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* A text in quotes: \ooo are octets, any other character behind a \ is itself. */
static void read_string(struct scanner *s)
{
    size_t n = 0;
    for (s->at++; s->at < s->text.n && s->text.p[s->at] != '"'; s->at++) {
        const char *p = s->text.p + s->at;
        char c = *p;
        s->line += c == '\n';
        if (c == '\\' && s->text.n - s->at > 3 && is_octal(p[1]) && is_octal(p[2]) &&
            is_octal(p[3])) {
            c = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            s->at += 3;
        } else if (c == '\\' && s->text.n - s->at > 1) {
            c = p[1];
            s->at++;
        }
        if (n < sizeof s->string)
            s->string[n++] = c;
    }
    s->at += s->at < s->text.n;
    s->token = (struct keel_str){s->string, n};
    s->quoted = true;
}

/* The next word, text, or one of { } ; — false at the end. */
static bool next_token(struct scanner *s)
{
    skip_blanks(s);
    s->quoted = false;
    if (s->at >= s->text.n)
        return false;
    if (s->text.p[s->at] == '"') {
        read_string(s);
        return true;
    }
    size_t from = s->at++;
    if (!strchr("{};", s->text.p[from]))
        while (s->at < s->text.n && s->text.p[s->at] && !strchr(" \t\r\n{};\"#", s->text.p[s->at]))
            s->at++;
    s->token = (struct keel_str){s->text.p + from, s->at - from};
    return true;
}

static bool is(const struct scanner *s, const char *word)
{
    return !s->quoted && keel_str_equal(s->token, keel_str(word));
}

/* To behind the end of a declaration: its ; or its closing brace. */
static void skip_declaration(struct scanner *s)
{
    unsigned depth = 0;
    do {
        if (is(s, "{"))
            depth++;
        else if (is(s, "}") && depth > 0 && --depth == 0)
            return;
        else if (depth == 0 && (is(s, ";") || is(s, "}")))
            return;
    } while (next_token(s));
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, y = year - era * 400;
    int64_t d = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + y * 365 + y / 4 - y / 100 + d - 719468;
}

static int two_or_more(struct keel_str *rest, char sep, uint64_t max, uint64_t *out)
{
    struct keel_str part;
    return keel_str_split(rest, sep, &part) ? keel_parse_u64(part, max, out) : KEEL_EINVAL;
}

/* "4 2026/11/19 10:00:00", "epoch 1700000000" or "never", as words. */
static int read_time(const struct keel_str *words, unsigned count, uint64_t *out)
{
    uint64_t year, month, day, hour, minute, second;
    if (count == 1 && keel_str_equal(words[0], KEEL_STR("never"))) {
        *out = UINT32_MAX;
        return 0;
    }
    if (count == 2 && keel_str_equal(words[0], KEEL_STR("epoch")))
        return keel_parse_u64(words[1], UINT64_MAX / 2, out);
    if (count < 3)
        return KEEL_EINVAL;
    struct keel_str date = words[1], time = words[2];
    if (two_or_more(&date, '/', 9999, &year) || two_or_more(&date, '/', 12, &month) ||
        two_or_more(&date, '/', 31, &day) || two_or_more(&time, ':', 23, &hour) ||
        two_or_more(&time, ':', 59, &minute) || two_or_more(&time, ':', 60, &second))
        return KEEL_EINVAL;
    if (year < 1970 || month < 1 || day < 1)
        return KEEL_EINVAL;
    *out = (uint64_t)days_of((int64_t)year, (int64_t)month, (int64_t)day) * 86400 + hour * 3600 +
           minute * 60 + second;
    return 0;
}

static enum dhcp_lease_state state_of(struct keel_str word)
{
    static const struct {
        const char *name;
        enum dhcp_lease_state state;
    } names[] = {{"active", DHCP_LEASE_ACTIVE},     {"bootp", DHCP_LEASE_ACTIVE},
                 {"expired", DHCP_LEASE_EXPIRED},   {"free", DHCP_LEASE_RELEASED},
                 {"released", DHCP_LEASE_RELEASED}, {"reset", DHCP_LEASE_RELEASED},
                 {"backup", DHCP_LEASE_RELEASED},   {"abandoned", DHCP_LEASE_DECLINED}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (keel_str_equal(word, keel_str(names[i].name)))
            return names[i].state;
    return (enum dhcp_lease_state)0;
}

/* One statement of a lease; `quoted` is its last word. What is not known is passed over. */
static const char *take_statement(struct dhcp_import_lease *l, const struct keel_str *words,
                                  unsigned count, bool quoted)
{
    struct keel_str first = words[0];
    if (keel_str_equal(first, KEEL_STR("starts")))
        return read_time(words + 1, count - 1, &l->lease.granted) ? "starts is no time" : NULL;
    if (keel_str_equal(first, KEEL_STR("ends")))
        return read_time(words + 1, count - 1, &l->lease.expires) ? "ends is no time" : NULL;
    if (keel_str_equal(first, KEEL_STR("binding")) && count == 3) {
        l->lease.state = state_of(words[2]);
        return l->lease.state ? NULL : "a binding state that is not known";
    }
    if (keel_str_equal(first, KEEL_STR("hardware")) && count == 3) {
        l->lease.htype = keel_str_equal(words[1], KEEL_STR("token-ring")) ? 6 : 1;
        return dhcp_import_hardware(l, words[2]) ? "no hardware address" : NULL;
    }
    if (keel_str_equal(first, KEEL_STR("uid")) && count == 2) {
        int err = quoted ? dhcp_import_client(l, (const uint8_t *)words[1].p, words[1].n)
                         : dhcp_import_client_hex(l, words[1]);
        return err ? "uid is no client identifier" : NULL;
    }
    if (keel_str_equal(first, KEEL_STR("client-hostname")) && count == 2)
        return dhcp_import_hostname(l, words[1]) ? "the host name is too long" : NULL;
    return NULL;
}

/* What stands between the braces of a lease; they are passed in any case. NULL or what is wrong. */
static const char *read_lease(struct scanner *s, struct dhcp_import_lease *l)
{
    const char *why = NULL;
    while (next_token(s) && !is(s, "}")) {
        struct keel_str words[WORDS];
        unsigned count = 0;
        bool quoted = false, block = false;
        for (; !is(s, ";") && !is(s, "}"); count++) {
            if (is(s, "{")) { /* "on expiry { ... }" */
                skip_declaration(s);
                block = true;
                break;
            }
            quoted = s->quoted;
            if (count < WORDS)
                words[count] = s->token;
            if (!next_token(s))
                return "the file ends inside of a lease";
            /* a text lives until the next one only: what is behind it is a ; */
        }
        if (count > 0 && !block && !why)
            why = take_statement(l, words, count < WORDS ? count : WORDS, quoted);
        if (!block && is(s, "}"))
            break;
    }
    return is(s, "}") ? why : "the file ends inside of a lease";
}

int dhcp_import_isc(struct dhcp_import *import, struct keel_str text)
{
    struct scanner s = {.text = text, .line = 1};
    struct dhcp_import_lease l;
    int err = 0;
    while (!err && next_token(&s)) {
        unsigned line = s.line;
        if (!is(&s, "lease")) {
            skip_declaration(&s);
            continue;
        }
        dhcp_import_lease_init(&l);
        const char *why = NULL;
        if (!next_token(&s) || dhcp_import_address(&l, s.token) != 0)
            why = "no IPv4 address behind \"lease\"";
        if (!why && (!next_token(&s) || !is(&s, "{")))
            why = "a { is missing";
        if (why) {
            dhcp_import_fault(import, line, why);
            skip_declaration(&s);
            continue;
        }
        why = read_lease(&s, &l);
        /* free and never used: nothing to remember */
        if (!why && l.lease.state == DHCP_LEASE_RELEASED && l.lease.hlen == 0 &&
            l.lease.client.identity.n == 0)
            l.lease.state = (enum dhcp_lease_state)0;
        if (why)
            dhcp_import_fault(import, line, why);
        else
            err = dhcp_import_give(import, line, &l);
    }
    return err;
}
