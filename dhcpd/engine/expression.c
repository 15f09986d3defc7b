#include "dhcpd/engine/expression.h"

/* A comparison has two values, and what makes a value out of values takes one. */
#define DEPTH 2

struct machine {
    const struct dhcp_facts *facts;
    struct dhcp_bytes stack[DEPTH];
    unsigned depth;
    uint8_t address[DEPTH][4]; /* what was pushed, where the message has it as a number */
    bool truth;
};

bool dhcp_class_intersects(const struct dhcp_class_set *a, const struct dhcp_class_set *b)
{
    uint64_t common = 0;
    for (unsigned i = 0; i < DHCP_CLASSES_MAX / 64; i++)
        common |= a->bits[i] & b->bits[i];
    return common != 0;
}

static void push(struct machine *m, const void *p, size_t n)
{
    KEEL_ASSERT(m->depth < DEPTH, "the compiler keeps programs within the stack");
    m->stack[m->depth++] = (struct dhcp_bytes){p, (uint16_t)n};
}

static struct dhcp_bytes pop(struct machine *m)
{
    KEEL_ASSERT(m->depth > 0, "the compiler pushes before it pops");
    return m->stack[--m->depth];
}

static void push_address(struct machine *m, uint32_t address)
{
    KEEL_ASSERT(m->depth < DEPTH, "the compiler keeps programs within the stack");
    uint8_t *out = m->address[m->depth];
    keel_put_u32(out, address);
    push(m, address ? out : NULL, address ? 4 : 0);
}

/* The first sub-option of this code; what is broken behind it does not matter here. */
static void push_relay(struct machine *m, uint8_t code)
{
    struct keel_reader r;
    keel_reader_init(&r, m->facts->relay.p, m->facts->relay.n);
    while (keel_reader_left(&r) >= 2 && !r.bad) {
        uint8_t found = keel_read_u8(&r), n = keel_read_u8(&r);
        const uint8_t *p = keel_read_bytes(&r, n);
        if (p && found == code) {
            push(m, p, n);
            return;
        }
    }
    push(m, NULL, 0);
}

/* A start before the value is its beginning, one behind it gives nothing. */
static struct dhcp_bytes cut(struct dhcp_bytes v, int32_t start, uint32_t length)
{
    int64_t from = start < 0 ? (int64_t)v.n + start : start;
    if (from < 0)
        from = 0;
    if (from >= v.n)
        return (struct dhcp_bytes){v.p, 0};
    uint32_t left = (uint32_t)(v.n - from);
    return (struct dhcp_bytes){v.p + from, (uint16_t)(length < left ? length : left)};
}

static bool equal(struct dhcp_bytes a, struct dhcp_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool is_number(struct dhcp_bytes v, uint64_t number)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < v.n && v.n <= 8; i++)
        value = value << 8 | v.p[i];
    return v.n >= 1 && v.n <= 8 && value == number;
}

/* A place of the message onto the stack. */
static void push_place(struct machine *m, const struct dhcp_step *s)
{
    const struct dhcp_message *message = m->facts->message;
    struct dhcp_bytes v;
    switch ((enum dhcp_step_op)s->op) {
    case DHCP_STEP_OPTION:
        v = dhcp_message_option(message, s->code);
        push(m, v.p, v.n);
        break;
    case DHCP_STEP_RELAY:
        push_relay(m, s->code);
        break;
    case DHCP_STEP_HARDWARE:
        push(m, message->hlen ? message->chaddr : NULL, message->hlen);
        break;
    case DHCP_STEP_GIADDR:
        push_address(m, message->giaddr);
        break;
    case DHCP_STEP_CIADDR:
        push_address(m, message->ciaddr);
        break;
    case DHCP_STEP_INTERFACE:
        push(m, m->facts->interface[0] ? m->facts->interface : NULL, strlen(m->facts->interface));
        break;
    default:
        push(m, s->text.p, s->text.n);
        break;
    }
}

bool dhcp_expression_holds(const struct dhcp_expression *e, const struct dhcp_facts *facts)
{
    struct machine m = {.facts = facts};
    for (unsigned at = 0; at < e->count; at++) {
        const struct dhcp_step *s = &e->steps[at];
        switch ((enum dhcp_step_op)s->op) {
        case DHCP_STEP_SUBSTRING: {
            struct dhcp_bytes v = cut(pop(&m), s->start, s->length);
            m.stack[m.depth++] = v; /* where it was: an address stays in its place */
            break;
        }
        case DHCP_STEP_EQUAL: {
            struct dhcp_bytes b = pop(&m);
            m.truth = equal(pop(&m), b);
            break;
        }
        case DHCP_STEP_EQUAL_NUMBER:
            m.truth = is_number(pop(&m), s->number);
            break;
        case DHCP_STEP_EXISTS:
            m.truth = pop(&m).p != NULL;
            break;
        case DHCP_STEP_MEMBER:
            m.truth = dhcp_class_has(&facts->classes, (unsigned)s->number);
            break;
        case DHCP_STEP_TRUE:
            m.truth = true;
            break;
        case DHCP_STEP_NOT:
            m.truth = !m.truth;
            break;
        case DHCP_STEP_AND:
        case DHCP_STEP_OR:
            if (m.truth == (s->op == DHCP_STEP_OR))
                at = s->target - 1u;
            break;
        default:
            push_place(&m, s);
            break;
        }
    }
    return m.truth;
}
