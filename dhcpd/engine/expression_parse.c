#include "dhcpd/engine/expression.h"

#include "dhcpd/wire/relay.h"

#include <stdarg.h>
#include <stdio.h>

#define STEPS_MAX 512
#define NESTING_MAX 32
#define CONSTANT_MAX 255

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a name: option, substring, and */
    TOKEN_TEXT,   /* octets: 'text', 0x0a, 0a:0b, 192.0.2.1 */
    TOKEN_NUMBER, /* decimal, may be negative */
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_MARK, /* one of ( ) [ ] , . */
};
struct token {
    enum token_kind kind;
    const char *at; /* its first character */
    struct keel_str word;
    char mark;
    int64_t number;
    uint8_t octets[CONSTANT_MAX];
    size_t octet_count;
};

/* What a value is. Two numbers are not compared: that would be no question about the message. */
enum value_kind { VALUE_OCTETS, VALUE_NUMBER };
struct value {
    enum value_kind kind;
    uint64_t number;
};

struct parser {
    const char *start, *next, *end;
    struct token token; /* the next one */
    const struct dhcp_names *names;
    struct keel_arena *arena;
    struct keel_diag *diag;
    unsigned nesting, count;
    struct dhcp_step steps[STEPS_MAX];
};

/* Says what is wrong at a place of the text. */
static int wrong(struct parser *p, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int wrong(struct parser *p, const char *at, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return keel_diag_set(p->diag, KEEL_EINVAL, "column %u: %s", (unsigned)(at - p->start) + 1,
                         what);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_name(char c)
{
    return keel_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

static int set_octets(struct parser *p, struct keel_str hex, const char *example)
{
    int n = keel_parse_hex(hex, p->token.octets, sizeof p->token.octets);
    p->token.kind = TOKEN_TEXT;
    p->token.octet_count = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return 0;
    if (n == KEEL_ENOSPC)
        return wrong(p, p->token.at, "a constant has at most %d octets", CONSTANT_MAX);
    return wrong(p, p->token.at, "hexadecimal octets have two digits each, as in %s", example);
}

/* 192.0.2.1, or a decimal number. */
static int scan_number(struct parser *p)
{
    struct token *t = &p->token;
    struct keel_str all = t->word, rest = all, part;
    t->kind = TOKEN_NUMBER;
    if (!memchr(all.p, '.', all.n)) {
        if (keel_parse_i64(all, &t->number) != 0)
            return wrong(p, t->at, "\"%.*s\" is not a number", (int)all.n, all.p);
        return 0;
    }
    t->kind = TOKEN_TEXT;
    t->octet_count = 0;
    while (keel_str_split(&rest, '.', &part)) {
        uint64_t octet;
        if (t->octet_count == 4 || keel_parse_u64(part, 255, &octet) != 0)
            return wrong(p, t->at, "\"%.*s\" is not an IPv4 address", (int)all.n, all.p);
        t->octets[t->octet_count++] = (uint8_t)octet;
    }
    if (t->octet_count != 4)
        return wrong(p, t->at, "\"%.*s\" is not an IPv4 address", (int)all.n, all.p);
    return 0;
}

static int scan_text(struct parser *p)
{
    struct token *t = &p->token;
    char quote = *p->next++;
    const char *close = memchr(p->next, quote, (size_t)(p->end - p->next));
    if (!close)
        return wrong(p, t->at, "the text does not end: a %c is missing", quote);
    t->octet_count = (size_t)(close - p->next);
    if (t->octet_count > CONSTANT_MAX)
        return wrong(p, t->at, "a constant has at most %d octets", CONSTANT_MAX);
    memcpy(t->octets, p->next, t->octet_count);
    t->word = (struct keel_str){p->next, t->octet_count};
    t->kind = TOKEN_TEXT;
    p->next = close + 1;
    return 0;
}

/* Names, numbers and hexadecimal octets all look like words at first. */
static int scan_word(struct parser *p)
{
    struct token *t = &p->token;
    const char *q = p->next + 1;
    bool colons = false, digits = keel_is_digit(*p->next) || *p->next == '-';
    for (const char *d = p->next; digits && d < p->end && (keel_is_digit(*d) || *d == '.'); d++)
        q = d + 1;
    while (q < p->end && (is_name(*q) || (*q == ':' && q + 1 < p->end))) {
        colons = colons || *q == ':';
        q++;
    }
    t->word = (struct keel_str){p->next, (size_t)(q - p->next)};
    p->next = q;
    if (colons)
        return set_octets(p, t->word, "02:00:0a");
    if (t->word.n > 2 && t->word.p[0] == '0' && (t->word.p[1] == 'x' || t->word.p[1] == 'X'))
        return set_octets(p, (struct keel_str){t->word.p + 2, t->word.n - 2}, "0x020a");
    if (digits)
        return scan_number(p);
    t->kind = TOKEN_WORD;
    return 0;
}

/* Reads the next token. 0 or KEEL_EINVAL. */
static int advance(struct parser *p)
{
    while (p->next < p->end && strchr(" \t\r\n", *p->next))
        p->next++;
    struct token *t = &p->token;
    t->at = p->next;
    t->word = (struct keel_str){p->next, 0};
    if (p->next == p->end) {
        t->kind = TOKEN_END;
        return 0;
    }
    char c = *p->next, second = p->next + 1 < p->end ? p->next[1] : '\0';
    t->word.n = 1;
    if (c == '\'' || c == '"')
        return scan_text(p);
    if (is_name(c))
        return scan_word(p);
    if ((c == '=' || c == '!') && second == '=') {
        t->kind = c == '=' ? TOKEN_EQUAL : TOKEN_UNEQUAL;
        t->word.n = 2;
        p->next += 2;
        return 0;
    }
    if (c == '=')
        return wrong(p, t->at, "write == to compare");
    if (c == '!' || c == '&' || c == '|')
        return wrong(p, t->at, "write %s", c == '!' ? "not" : c == '&' ? "and" : "or");
    if (!strchr("()[],.", c))
        return wrong(p, t->at, "this character has no meaning here");
    t->kind = TOKEN_MARK;
    t->mark = c;
    p->next++;
    return 0;
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && keel_str_equal(p->token.word, keel_str(word));
}
static bool is_mark(const struct parser *p, char mark)
{
    return p->token.kind == TOKEN_MARK && p->token.mark == mark;
}

static int expect(struct parser *p, char mark)
{
    if (!is_mark(p, mark))
        return wrong(p, p->token.at, "'%c' expected", mark);
    return advance(p);
}

/* --- steps ------------------------------------------------------------------------------------ */

static int emit(struct parser *p, struct dhcp_step step)
{
    if (p->count == STEPS_MAX)
        return wrong(p, p->token.at, "the expression is too long; use member() of another class");
    p->steps[p->count++] = step;
    return 0;
}

static int emit_constant(struct parser *p)
{
    const struct token *t = &p->token;
    const uint8_t *copy = keel_arena_memdup(p->arena, t->octets, t->octet_count);
    if (!copy)
        return keel_diag_set(p->diag, KEEL_ENOMEM, "no memory");
    return emit(
        p, (struct dhcp_step){.op = DHCP_STEP_CONSTANT, .text = {copy, (uint16_t)t->octet_count}});
}

/* "[N]" behind option or relay. */
static int parse_index(struct parser *p, uint8_t *code)
{
    int err = advance(p);
    if (err)
        return err;
    if (p->token.kind != TOKEN_NUMBER || p->token.number < 1 || p->token.number > 254)
        return wrong(p, p->token.at, "a code from 1 to 254 expected");
    *code = (uint8_t)p->token.number;
    err = advance(p);
    return err ? err : expect(p, ']');
}

/* ".NAME": taken from the text itself, because a name may look like a number (6rd). */
static int parse_dotted(struct parser *p, const char **at, struct keel_str *name)
{
    const char *q = p->next;
    while (q < p->end && is_name(*q))
        q++;
    *at = p->next;
    *name = (struct keel_str){p->next, (size_t)(q - p->next)};
    if (name->n == 0)
        return wrong(p, *at, "a name expected behind the dot");
    p->next = q;
    return advance(p);
}

static int parse_option(struct parser *p)
{
    struct dhcp_step step = {.op = DHCP_STEP_OPTION};
    struct keel_str name;
    const char *at;
    int err = advance(p);
    if (err)
        return err;
    if (is_mark(p, '[')) {
        err = parse_index(p, &step.code);
    } else if (is_mark(p, '.')) {
        err = parse_dotted(p, &at, &name);
        int code = err ? 0 : p->names->option(p->names->arg, name);
        if (code < 0)
            return wrong(p, at, "there is no option \"%.*s\"; option[N] takes its number",
                         (int)name.n, name.p);
        step.code = (uint8_t)code;
    } else {
        return wrong(p, p->token.at, ".NAME or [N] expected, as in option.host-name");
    }
    return err ? err : emit(p, step);
}

static int parse_relay(struct parser *p)
{
    struct dhcp_step step = {.op = DHCP_STEP_RELAY};
    struct keel_str name;
    const char *at;
    int err = advance(p);
    if (err)
        return err;
    if (is_mark(p, '[')) {
        err = parse_index(p, &step.code);
        return err ? err : emit(p, step);
    }
    if (!is_mark(p, '.'))
        return wrong(p, p->token.at, ".circuit-id, .remote-id or [N] expected");
    err = parse_dotted(p, &at, &name);
    if (err)
        return err;
    if (keel_str_equal(name, KEEL_STR("circuit-id")))
        step.code = DHCP_RELAY_CIRCUIT_ID;
    else if (keel_str_equal(name, KEEL_STR("remote-id")))
        step.code = DHCP_RELAY_REMOTE_ID;
    else
        return wrong(p, at, "a relay has circuit-id and remote-id; relay[N] takes other numbers");
    return emit(p, step);
}

/* A part of the message. KEEL_ENOENT without a word when there is none here. */
static int parse_place(struct parser *p)
{
    static const struct {
        const char *word;
        enum dhcp_step_op op;
    } places[] = {
        {"hardware", DHCP_STEP_HARDWARE},
        {"giaddr", DHCP_STEP_GIADDR},
        {"ciaddr", DHCP_STEP_CIADDR},
        {"interface", DHCP_STEP_INTERFACE},
    };
    if (is_word(p, "option"))
        return parse_option(p);
    if (is_word(p, "relay"))
        return parse_relay(p);
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (is_word(p, places[i].word)) {
            int err = emit(p, (struct dhcp_step){.op = places[i].op});
            return err ? err : advance(p);
        }
    }
    return KEEL_ENOENT;
}

/* --- grammar ---------------------------------------------------------------------------------- */

static int parse_value(struct parser *p, struct value *v);
static int parse_or(struct parser *p);

/* Bounds recursion: expressions come from a file that a program may have written. */
static int enter(struct parser *p)
{
    if (p->nesting == NESTING_MAX)
        return wrong(p, p->token.at, "nested too deeply");
    p->nesting++;
    return 0;
}

/* A number within the arguments of substring. */
static int parse_number(struct parser *p, int64_t min, int64_t max, int64_t *out)
{
    if (p->token.kind != TOKEN_NUMBER || p->token.number < min || p->token.number > max)
        return wrong(p, p->token.at, "a number from %lld to %lld expected", (long long)min,
                     (long long)max);
    *out = p->token.number;
    return advance(p);
}

static int parse_substring(struct parser *p)
{
    struct value v;
    int64_t start = 0, length = UINT16_MAX;
    int err = advance(p);
    if (!err)
        err = expect(p, '(');
    if (err)
        return err;
    const char *at = p->token.at;
    err = parse_value(p, &v);
    if (!err && v.kind == VALUE_NUMBER)
        err = wrong(p, at, "a number has no parts; write 0x... or 'text'");
    if (!err)
        err = expect(p, ',');
    if (!err)
        err = parse_number(p, -UINT16_MAX, UINT16_MAX, &start);
    if (!err)
        err = expect(p, ',');
    if (!err && is_word(p, "all"))
        err = advance(p);
    else if (!err)
        err = parse_number(p, 0, UINT16_MAX, &length);
    if (!err)
        err = expect(p, ')');
    if (err)
        return err;
    return emit(p, (struct dhcp_step){.op = DHCP_STEP_SUBSTRING,
                                      .start = (int32_t)start,
                                      .length = (uint32_t)length});
}

static int parse_value(struct parser *p, struct value *v)
{
    *v = (struct value){VALUE_OCTETS, 0};
    int err = enter(p);
    if (err)
        return err;
    if (p->token.kind == TOKEN_TEXT) {
        err = emit_constant(p);
        if (!err)
            err = advance(p);
    } else if (p->token.kind == TOKEN_NUMBER) {
        if (p->token.number < 0)
            return wrong(p, p->token.at, "numbers to compare with are not negative");
        *v = (struct value){VALUE_NUMBER, (uint64_t)p->token.number};
        err = advance(p);
    } else if (is_word(p, "substring")) {
        err = parse_substring(p);
    } else {
        err = parse_place(p);
        if (err == KEEL_ENOENT && p->token.kind == TOKEN_WORD)
            return wrong(
                p, p->token.at,
                "\"%.*s\" is not known here; text stands in '...', options are option.NAME",
                (int)p->token.word.n, p->token.word.p);
        if (err == KEEL_ENOENT)
            return wrong(p, p->token.at, "a value expected");
    }
    p->nesting--;
    return err;
}

static int parse_comparison(struct parser *p)
{
    struct value a, b;
    const char *at = p->token.at;
    int err = parse_value(p, &a);
    if (err)
        return err;
    bool unequal = p->token.kind == TOKEN_UNEQUAL;
    if (!unequal && p->token.kind != TOKEN_EQUAL)
        return wrong(p, p->token.at, "== or != expected");
    err = advance(p);
    if (!err)
        err = parse_value(p, &b);
    if (err)
        return err;
    if (a.kind == VALUE_NUMBER && b.kind == VALUE_NUMBER)
        return wrong(p, at, "this compares two numbers, and nothing of the message");
    struct dhcp_step step = {.op = DHCP_STEP_EQUAL};
    if (a.kind == VALUE_NUMBER || b.kind == VALUE_NUMBER)
        step = (struct dhcp_step){.op = DHCP_STEP_EQUAL_NUMBER,
                                  .number = a.kind == VALUE_NUMBER ? a.number : b.number};
    err = emit(p, step);
    return err || !unequal ? err : emit(p, (struct dhcp_step){.op = DHCP_STEP_NOT});
}

static int parse_exists(struct parser *p)
{
    int err = advance(p);
    if (err)
        return err;
    bool bracket = is_mark(p, '(');
    if (bracket && (err = advance(p)) != 0)
        return err;
    err = parse_place(p);
    if (err == KEEL_ENOENT)
        return wrong(p, p->token.at, "option.NAME or relay.NAME expected behind exists");
    if (!err && bracket)
        err = expect(p, ')');
    return err ? err : emit(p, (struct dhcp_step){.op = DHCP_STEP_EXISTS});
}

static int parse_member(struct parser *p)
{
    int err = advance(p);
    if (!err)
        err = expect(p, '(');
    if (err)
        return err;
    if (p->token.kind != TOKEN_TEXT)
        return wrong(p, p->token.at, "the name of a class expected, as in member('pxe')");
    int class = p->names->class(p->names->arg,
                                (struct keel_str){(char *)p->token.octets, p->token.octet_count});
    if (class < 0)
        return wrong(p, p->token.at, "no class \"%.*s\" stands before this one",
                     (int)p->token.octet_count, (char *)p->token.octets);
    err = advance(p);
    if (!err)
        err = expect(p, ')');
    return err ? err
               : emit(p, (struct dhcp_step){.op = DHCP_STEP_MEMBER, .number = (uint64_t) class});
}

static int parse_not(struct parser *p)
{
    int err = enter(p);
    if (err)
        return err;
    if (is_word(p, "not")) {
        err = advance(p);
        if (!err)
            err = parse_not(p);
        if (!err)
            err = emit(p, (struct dhcp_step){.op = DHCP_STEP_NOT});
    } else if (is_mark(p, '(')) {
        err = advance(p);
        if (!err)
            err = parse_or(p);
        if (!err)
            err = expect(p, ')');
    } else if (is_word(p, "exists")) {
        err = parse_exists(p);
    } else if (is_word(p, "member")) {
        err = parse_member(p);
    } else if (is_word(p, "true") || is_word(p, "false")) {
        bool negative = is_word(p, "false");
        err = emit(p, (struct dhcp_step){.op = DHCP_STEP_TRUE});
        if (!err && negative)
            err = emit(p, (struct dhcp_step){.op = DHCP_STEP_NOT});
        if (!err)
            err = advance(p);
    } else {
        err = parse_comparison(p);
    }
    p->nesting--;
    return err;
}

/* Operands with one operator between: each jumps to the end when the rest cannot matter. */
static int parse_chain(struct parser *p, const char *word, enum dhcp_step_op op,
                       int (*operand)(struct parser *p))
{
    unsigned first = p->count;
    int err = operand(p);
    while (!err && is_word(p, word)) {
        err = advance(p);
        if (!err)
            err = emit(p, (struct dhcp_step){.op = op, .target = 0});
        if (!err)
            err = operand(p);
    }
    for (unsigned i = first; !err && i < p->count; i++)
        if (p->steps[i].op == op && p->steps[i].target == 0)
            p->steps[i].target = (uint16_t)p->count;
    return err;
}

static int parse_and(struct parser *p)
{
    return parse_chain(p, "and", DHCP_STEP_AND, parse_not);
}

static int parse_or(struct parser *p)
{
    return parse_chain(p, "or", DHCP_STEP_OR, parse_and);
}

int dhcp_expression_parse(struct dhcp_expression *out, struct keel_str text,
                          const struct dhcp_names *names, struct keel_arena *arena,
                          struct keel_diag *diag)
{
    struct parser *p = keel_calloc(1, sizeof *p); /* too big for the stack of a caller */
    if (!p)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    p->start = p->next = text.p ? text.p : "";
    p->end = p->start + text.n;
    p->names = names;
    p->arena = arena;
    p->diag = diag;
    int err = advance(p);
    if (!err && p->token.kind == TOKEN_END)
        err = wrong(p, p->start, "the expression is empty");
    if (!err)
        err = parse_or(p);
    if (!err && p->token.kind != TOKEN_END)
        err = wrong(p, p->token.at, "\"and\", \"or\" or the end expected");
    if (!err) {
        out->count = p->count;
        out->steps = keel_arena_memdup(arena, p->steps, p->count * sizeof *p->steps);
        if (!out->steps)
            err = keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    keel_free(p);
    return err;
}
