/*
 * Expressions about a message: `option.vendor-class-identifier == 'PXEClient' and not
 * exists relay.circuit-id`. Text is compiled once into a small program; running it allocates
 * nothing and cannot fail.
 *
 *   expression = and { "or" and }            and   = not { "and" not }
 *   not        = "not" not | compare         value = see below
 *   compare    = value ( "==" | "!=" ) value | "exists" place | "member" ( 'CLASS' )
 *              | "true" | "false" | "(" expression ")"
 *   value      = place | "substring" ( value, START, LENGTH | "all" )
 *              | 'text' | "text" | 0x0a0b | 0a:0b:0c | 192.0.2.1 | decimal number
 *   place      = option.NAME | option[N] | relay.circuit-id | relay.remote-id | relay[N]
 *              | hardware | giaddr | ciaddr | interface
 *
 * Values are octets; what a message does not have is empty. A decimal number equals octets that are
 * it, big-endian, in 1 to 8 of them. A negative START counts from the end.
 */
#ifndef DHCPD_ENGINE_EXPRESSION_H
#define DHCPD_ENGINE_EXPRESSION_H

#include "common/base/mem.h"
#include "dhcpd/wire/message.h"

#define DHCP_CLASSES_MAX 256

/* A set of classes, by their index in the configuration. */
struct dhcp_class_set {
    uint64_t bits[DHCP_CLASSES_MAX / 64];
};
static inline void dhcp_class_add(struct dhcp_class_set *set, unsigned i)
{
    set->bits[i / 64] |= 1ull << i % 64;
}
static inline bool dhcp_class_has(const struct dhcp_class_set *set, unsigned i)
{
    return set->bits[i / 64] >> i % 64 & 1;
}
bool dhcp_class_intersects(const struct dhcp_class_set *a, const struct dhcp_class_set *b);

/* What an expression may look at; all borrowed. */
struct dhcp_facts {
    const struct dhcp_message *message;
    struct dhcp_bytes relay; /* option 82 of the message, or what the relay said of it before */
    const char *interface;   /* "": behind a relay */
    struct dhcp_class_set classes;
};

/* One step of a program: it pushes a value, or sets the truth from values, or jumps on it. */
struct dhcp_step {
    uint8_t op, code;       /* code: of an option or sub-option */
    uint16_t target;        /* the step to go on with */
    int32_t start;          /* substring */
    uint32_t length;        /* substring */
    uint64_t number;        /* to compare with; of a class */
    struct dhcp_bytes text; /* a constant */
};
struct dhcp_expression {
    const struct dhcp_step *steps;
    unsigned count;
};

/* Names that stand in an expression, for the compiler. Both return the code or index, or -1. */
struct dhcp_names {
    int (*option)(void *arg, struct keel_str name);
    int (*class)(void *arg, struct keel_str name);
    void *arg;
};
/* Compiles; memory is of the arena. 0; KEEL_ENOMEM; KEEL_EINVAL with diag
 * "column 12: what and what to do". */
int dhcp_expression_parse(struct dhcp_expression *out, struct keel_str text,
                          const struct dhcp_names *names, struct keel_arena *arena,
                          struct keel_diag *diag);
bool dhcp_expression_holds(const struct dhcp_expression *e, const struct dhcp_facts *facts);

/* For the compiler and the machine alone. */
enum dhcp_step_op {
    DHCP_STEP_CONSTANT, /* push text */
    DHCP_STEP_OPTION,   /* push the option `code` */
    DHCP_STEP_RELAY,    /* push the sub-option `code` of option 82 */
    DHCP_STEP_HARDWARE,
    DHCP_STEP_GIADDR,
    DHCP_STEP_CIADDR,
    DHCP_STEP_INTERFACE,
    DHCP_STEP_SUBSTRING,    /* of the top: `start`, `length` */
    DHCP_STEP_EQUAL,        /* pop two; truth = equal */
    DHCP_STEP_EQUAL_NUMBER, /* pop one; truth = it is `number` */
    DHCP_STEP_EXISTS,       /* pop one; truth = the message has it, if empty too */
    DHCP_STEP_MEMBER,       /* truth = in class `number` */
    DHCP_STEP_TRUE,
    DHCP_STEP_NOT,
    DHCP_STEP_AND, /* go to `target` if false */
    DHCP_STEP_OR,  /* go to `target` if true */
};

#endif
