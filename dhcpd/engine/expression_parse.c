#include "dhcpd/engine/expression.h"

#include "dhcpd/engine/expression_scan.h"
#include "dhcpd/wire/relay.h"

#define STEPS_MAX 512
#define NESTING_MAX 32

/* What a value is. Two numbers are not compared: that would be no question about the message. */
enum value_kind { VALUE_OCTETS, VALUE_NUMBER };
struct value {
    enum value_kind kind;
    uint64_t number;
};

struct parser {
    struct dhcp_scanner scan;
    const struct dhcp_names *names;
    struct keel_arena *arena;
    unsigned nesting, count;
    struct dhcp_step steps[STEPS_MAX];
};

static int advance(struct parser *p)
{
    return dhcp_scan_next(&p->scan);
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->scan.token.kind == DHCP_TOKEN_WORD &&
           keel_str_equal(p->scan.token.word, keel_str(word));
}
static bool is_mark(const struct parser *p, char mark)
{
    return p->scan.token.kind == DHCP_TOKEN_MARK && p->scan.token.mark == mark;
}

static int expect(struct parser *p, char mark)
{
    if (!is_mark(p, mark))
        return dhcp_scan_wrong(&p->scan, p->scan.token.at, "'%c' expected", mark);
    return advance(p);
}

/* --- steps ------------------------------------------------------------------------------------ */

static int emit(struct parser *p, struct dhcp_step step)
{
    if (p->count == STEPS_MAX)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               "the expression is too long; use member() of another class");
    p->steps[p->count++] = step;
    return 0;
}

static int emit_constant(struct parser *p)
{
    const struct dhcp_token *t = &p->scan.token;
    const uint8_t *copy = keel_arena_memdup(p->arena, t->octets, t->octet_count);
    if (!copy)
        return keel_diag_set(p->scan.diag, KEEL_ENOMEM, "no memory");
    return emit(
        p, (struct dhcp_step){.op = DHCP_STEP_CONSTANT, .text = {copy, (uint16_t)t->octet_count}});
}

/* "[N]" behind option or relay. */
static int parse_index(struct parser *p, uint8_t *code)
{
    int err = advance(p);
    if (err)
        return err;
    if (p->scan.token.kind != DHCP_TOKEN_NUMBER || p->scan.token.number < 1 ||
        p->scan.token.number > 254)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at, "a code from 1 to 254 expected");
    *code = (uint8_t)p->scan.token.number;
    err = advance(p);
    return err ? err : expect(p, ']');
}

static int parse_option(struct parser *p)
{
    struct dhcp_step step = {.op = DHCP_STEP_OPTION};
    struct keel_str name;
    int err = advance(p);
    if (err)
        return err;
    if (is_mark(p, '[')) {
        err = parse_index(p, &step.code);
    } else if (is_mark(p, '.')) {
        err = dhcp_scan_name(&p->scan, &name);
        int code = err ? 0 : p->names->option(p->names->arg, name);
        if (code < 0)
            return dhcp_scan_wrong(&p->scan, name.p,
                                   "there is no option \"%.*s\"; option[N] takes its number",
                                   (int)name.n, name.p);
        step.code = (uint8_t)code;
    } else {
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               ".NAME or [N] expected, as in option.host-name");
    }
    return err ? err : emit(p, step);
}

static int parse_relay(struct parser *p)
{
    struct dhcp_step step = {.op = DHCP_STEP_RELAY};
    struct keel_str name;
    int err = advance(p);
    if (err)
        return err;
    if (is_mark(p, '[')) {
        err = parse_index(p, &step.code);
        return err ? err : emit(p, step);
    }
    if (!is_mark(p, '.'))
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               ".circuit-id, .remote-id or [N] expected");
    err = dhcp_scan_name(&p->scan, &name);
    if (err)
        return err;
    if (keel_str_equal(name, KEEL_STR("circuit-id")))
        step.code = DHCP_RELAY_CIRCUIT_ID;
    else if (keel_str_equal(name, KEEL_STR("remote-id")))
        step.code = DHCP_RELAY_REMOTE_ID;
    else
        return dhcp_scan_wrong(
            &p->scan, name.p, "a relay has circuit-id and remote-id; relay[N] takes other numbers");
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
        return dhcp_scan_wrong(&p->scan, p->scan.token.at, "nested too deeply");
    p->nesting++;
    return 0;
}

/* A number within the arguments of substring. */
static int parse_number(struct parser *p, int64_t min, int64_t max, int64_t *out)
{
    if (p->scan.token.kind != DHCP_TOKEN_NUMBER || p->scan.token.number < min ||
        p->scan.token.number > max)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at, "a number from %lld to %lld expected",
                               (long long)min, (long long)max);
    *out = p->scan.token.number;
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
    const char *at = p->scan.token.at;
    err = parse_value(p, &v);
    if (!err && v.kind == VALUE_NUMBER)
        err = dhcp_scan_wrong(&p->scan, at, "a number has no parts; write 0x... or 'text'");
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
    if (p->scan.token.kind == DHCP_TOKEN_TEXT) {
        err = emit_constant(p);
        if (!err)
            err = advance(p);
    } else if (p->scan.token.kind == DHCP_TOKEN_NUMBER) {
        if (p->scan.token.number < 0)
            return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                                   "numbers to compare with are not negative");
        *v = (struct value){VALUE_NUMBER, (uint64_t)p->scan.token.number};
        err = advance(p);
    } else if (is_word(p, "substring")) {
        err = parse_substring(p);
    } else {
        err = parse_place(p);
        if (err == KEEL_ENOENT && p->scan.token.kind == DHCP_TOKEN_WORD)
            return dhcp_scan_wrong(
                &p->scan, p->scan.token.at,
                "\"%.*s\" is not known here; text stands in '...', options are option.NAME",
                (int)p->scan.token.word.n, p->scan.token.word.p);
        if (err == KEEL_ENOENT)
            return dhcp_scan_wrong(&p->scan, p->scan.token.at, "a value expected");
    }
    p->nesting--;
    return err;
}

static int parse_comparison(struct parser *p)
{
    struct value a, b;
    const char *at = p->scan.token.at;
    int err = parse_value(p, &a);
    if (err)
        return err;
    bool unequal = p->scan.token.kind == DHCP_TOKEN_UNEQUAL;
    if (!unequal && p->scan.token.kind != DHCP_TOKEN_EQUAL)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at, "== or != expected");
    err = advance(p);
    if (!err)
        err = parse_value(p, &b);
    if (err)
        return err;
    if (a.kind == VALUE_NUMBER && b.kind == VALUE_NUMBER)
        return dhcp_scan_wrong(&p->scan, at,
                               "this compares two numbers, and nothing of the message");
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
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               "option.NAME or relay.NAME expected behind exists");
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
    if (p->scan.token.kind != DHCP_TOKEN_TEXT)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               "the name of a class expected, as in member('pxe')");
    int class = p->names->class(
        p->names->arg, (struct keel_str){(char *)p->scan.token.octets, p->scan.token.octet_count});
    if (class < 0)
        return dhcp_scan_wrong(&p->scan, p->scan.token.at,
                               "no class \"%.*s\" stands before this one",
                               (int)p->scan.token.octet_count, (char *)p->scan.token.octets);
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
    dhcp_scan_init(&p->scan, text, diag);
    p->names = names;
    p->arena = arena;
    int err = advance(p);
    if (!err && p->scan.token.kind == DHCP_TOKEN_END)
        err = dhcp_scan_wrong(&p->scan, p->scan.start, "the expression is empty");
    if (!err)
        err = parse_or(p);
    if (!err && p->scan.token.kind != DHCP_TOKEN_END)
        err = dhcp_scan_wrong(&p->scan, p->scan.token.at, "\"and\", \"or\" or the end expected");
    if (!err) {
        out->count = p->count;
        out->steps = keel_arena_memdup(arena, p->steps, p->count * sizeof *p->steps);
        if (!out->steps)
            err = keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    keel_free(p);
    return err;
}
